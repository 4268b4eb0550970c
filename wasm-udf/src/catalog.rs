//! The table `sqlbridge_procedures` of a database: what is stored of its procedures.
//!
//! A stranger may have made the database. So the table is only read if it is exactly the one that
//! is created here: not a view, a virtual table, or one with generated columns, which would run
//! the stranger's expressions where the user asked for nothing.

use sqlite_abi::{Code, Connection, Value, ValueRef};

use crate::code::ContentHash;
use crate::error::{Error, Result};
use crate::signature::Signature;

/// The table's name.
pub(crate) const TABLE: &str = "sqlbridge_procedures";

/// What follows `CREATE TABLE ` in the schema. The module comes last, so that the rest of a row
/// is read without it.
const DEFINITION: &str = "sqlbridge_procedures(name TEXT PRIMARY KEY COLLATE NOCASE NOT NULL, definition TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, hash BLOB NOT NULL, module BLOB NOT NULL)";

/// The time, as SQLite writes it with milliseconds.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// A procedure as a database has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) definition: String,
    pub(crate) hash: ContentHash,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// Bytes of the module.
    pub(crate) size: i64,
}

impl Stored {
    /// The module itself.
    ///
    /// # Errors
    /// SQLite's.
    pub(crate) fn module(&self, connection: &Connection<'_>) -> Result<Vec<u8>> {
        let sql = format!("SELECT module FROM {} WHERE name = ?1", table(&self.schema));
        let module = query(
            connection,
            &sql,
            &[Value::from(self.name.as_str())],
            |row| {
                Ok(match row.column_ref(0) {
                    ValueRef::Blob(module) => module.to_vec(),
                    _ => Vec::new(),
                })
            },
        )?;
        Ok(module.into_iter().next().unwrap_or_default())
    }
}

/// A schema's table, quoted.
fn table(schema: &str) -> String {
    format!("\"{}\".{TABLE}", schema.replace('"', "\"\""))
}

fn query<R>(
    connection: &Connection<'_>,
    sql: &str,
    arguments: &[Value],
    mut row: impl FnMut(&sqlite_abi::Statement<'_>) -> std::result::Result<R, sqlite_abi::Error>,
) -> Result<Vec<R>> {
    let mut run = || {
        let mut statement = connection.prepare(sql)?;
        statement.bind_all(arguments)?;
        let mut rows = Vec::new();
        while statement.step()? {
            rows.push(row(&statement)?);
        }
        Ok(rows)
    };
    run().map_err(|source| Error::Sql {
        context: "the procedures' table cannot be used".to_owned(),
        source,
    })
}

/// The schemas of a connection: `main`, `temp` where it exists, and what is attached.
pub(crate) fn schemas(connection: &Connection<'_>) -> Result<Vec<String>> {
    query(connection, "PRAGMA database_list", &[], |row| text(row, 1))
}

fn text(
    row: &sqlite_abi::Statement<'_>,
    column: usize,
) -> std::result::Result<String, sqlite_abi::Error> {
    Ok(match row.column_ref(column) {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    })
}

/// Whether a schema has the table, and it is ours.
///
/// # Errors
/// SQLite's, and a table of that name that is another.
fn exists(connection: &Connection<'_>, schema: &str) -> Result<bool> {
    let quoted = schema.replace('"', "\"\"");
    let sql = format!(
        "SELECT type = 'table' AND sql = ?1 FROM \"{quoted}\".sqlite_schema WHERE name = '{TABLE}' COLLATE NOCASE"
    );
    let wanted = Value::Text(format!("CREATE TABLE {DEFINITION}"));
    let ours = query(connection, &sql, &[wanted], |row| {
        Ok(row.column_ref(0) == ValueRef::Integer(1))
    })?;
    match ours[..] {
        [] => Ok(false),
        [true] => Ok(true),
        _ => Err(Error::Sql {
            context: format!("schema '{schema}' has no procedures"),
            source: sqlite_abi::Error {
                code: Code::CORRUPT,
                message: format!(
                    "its {TABLE} is not the table that proc_create makes; rename or drop it"
                ),
            },
        }),
    }
}

/// A schema's procedures; with a name that one only. None where the schema has none. A table that
/// is not ours counts as none: it must not keep a connection from working.
pub(crate) fn read(
    connection: &Connection<'_>,
    schema: &str,
    name: Option<&str>,
) -> Result<Vec<Stored>> {
    if !exists(connection, schema).unwrap_or(false) {
        return Ok(Vec::new());
    }
    let filter = if name.is_some() {
        " WHERE name = ?1"
    } else {
        ""
    };
    let sql = format!(
        "SELECT name, definition, hash, created_at, updated_at, length(module) FROM {}{filter}",
        table(schema)
    );
    let arguments: Vec<Value> = name.map(Value::from).into_iter().collect();
    query(connection, &sql, &arguments, |row| {
        let hash = match row.column_ref(2) {
            ValueRef::Blob(hash) => hash.try_into().unwrap_or_default(),
            _ => ContentHash::default(),
        };
        Ok(Stored {
            schema: schema.to_owned(),
            name: text(row, 0)?,
            definition: text(row, 1)?,
            hash,
            created_at: text(row, 3)?,
            updated_at: text(row, 4)?,
            size: match row.column_ref(5) {
                ValueRef::Integer(size) => size,
                _ => 0,
            },
        })
    })
}

/// The procedure of a name: of `main`, else of the first schema that has it.
///
/// # Errors
/// `NotFound`, and SQLite's.
pub(crate) fn find(connection: &Connection<'_>, name: &str) -> Result<Stored> {
    if let Some(stored) = read(connection, "main", Some(name))?.pop() {
        return Ok(stored);
    }
    for schema in schemas(connection)? {
        if schema == "main" {
            continue;
        }
        if let Some(stored) = read(connection, &schema, Some(name))?.pop() {
            return Ok(stored);
        }
    }
    Err(Error::NotFound {
        procedure: name.to_owned(),
    })
}

/// Whether something in the schema `temp` has this name of a function in its text.
///
/// # Errors
/// SQLite's.
pub(crate) fn is_temporary(connection: &Connection<'_>, function: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM temp.sqlite_schema WHERE instr(lower(sql), lower(?1)) LIMIT 1";
    Ok(!query(connection, sql, &[Value::from(function)], |_| Ok(()))?.is_empty())
}

/// All procedures of a connection.
///
/// # Errors
/// SQLite's.
pub(crate) fn list(connection: &Connection<'_>) -> Result<Vec<Stored>> {
    let mut all = Vec::new();
    for schema in schemas(connection)? {
        all.extend(read(connection, &schema, None)?);
    }
    Ok(all)
}

/// Stores a procedure, and makes the table where there is none yet.
///
/// # Errors
/// SQLite's, and `Exists`.
pub(crate) fn store(
    connection: &Connection<'_>,
    schema: &str,
    name: &str,
    replace: bool,
    signature: &Signature,
    module: &[u8],
    hash: &ContentHash,
) -> Result<()> {
    if !exists(connection, schema)? {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS \"{}\".{DEFINITION}",
            schema.replace('"', "\"\"")
        );
        query(connection, &sql, &[], |_| Ok(()))?;
    } else if !replace && !read(connection, schema, Some(name))?.is_empty() {
        return Err(Error::Exists {
            procedure: name.to_owned(),
            schema: schema.to_owned(),
        });
    }
    let sql = format!(
        "INSERT INTO {} VALUES (?1, ?2, {NOW}, {NOW}, ?3, ?4) ON CONFLICT(name) DO UPDATE SET \
         definition = excluded.definition, updated_at = excluded.updated_at, hash = excluded.hash, module = excluded.module",
        table(schema)
    );
    let values = [
        Value::from(name),
        Value::Text(signature.to_json()),
        Value::Blob(hash.to_vec()),
        Value::Blob(module.to_vec()),
    ];
    query(connection, &sql, &values, |_| Ok(()))?;
    Ok(())
}

/// Removes a procedure. False: there was none.
///
/// # Errors
/// SQLite's.
pub(crate) fn remove(connection: &Connection<'_>, name: &str) -> Result<bool> {
    let stored = match find(connection, name) {
        Ok(stored) => stored,
        Err(Error::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let sql = format!(
        "DELETE FROM {} WHERE name = ?1 RETURNING 1",
        table(&stored.schema)
    );
    let removed = query(connection, &sql, &[Value::from(name)], |_| Ok(()))?;
    Ok(!removed.is_empty())
}

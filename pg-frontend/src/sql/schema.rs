//! What SQLite knows about tables, read as Postgres's.
//!
//! The types of columns stand in their declarations ([`types::names`](crate::types::names)). Two things have
//! no place there and are kept where SQLite keeps text verbatim:
//! an `INTEGER PRIMARY KEY` (the rowid) says in its `DEFAULT`, which SQLite never evaluates, what
//! Postgres called it (`pg_key('int4')`, `pg_serial('int4')`, `pg_identity('int8', 'a')`); a view begins
//! with a comment that has its columns' types and its Postgres text.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension};

use super::names::Name;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::types::json::Json;
use crate::types::{self, Oid, Type};

/// The table of types that users made.
pub const ENUMS: &str = "pg_frontend_enums";

/// A table or view.
#[derive(Debug, Clone)]
pub struct Table {
    /// SQLite's name.
    pub name: String,
    /// Its columns, in order; also those that `*` leaves out.
    pub columns: Vec<Column>,
    /// It is a view.
    pub view: bool,
    /// It is a temporary table.
    pub temporary: bool,
}

/// What an integer primary key that is SQLite's rowid is for Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// An ordinary column: a value must be given.
    Plain,
    /// `serial`
    Serial,
    /// `GENERATED … AS IDENTITY`
    Identity {
        /// `ALWAYS`
        always: bool,
    },
    /// SQLite's own: made up where none is given.
    Rowid,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// `NOT NULL`, also as part of the primary key.
    pub not_null: bool,
    /// Its place in the primary key, from 1; 0 where it is not in it.
    pub primary: i32,
    /// Its default as a SQLite expression.
    pub default: Option<String>,
    /// Set where it is the rowid.
    pub key: Option<Key>,
    /// `GENERATED ALWAYS AS (…)`
    pub generated: bool,
    /// Left out of `*` (a hidden column of a virtual table).
    pub hidden: bool,
    /// `attnum`
    pub number: i16,
}

impl Table {
    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .or_else(|| {
                self.columns
                    .iter()
                    .find(|column| column.name.eq_ignore_ascii_case(name))
            })
    }

    /// Columns that `*` stands for.
    pub fn visible(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.hidden)
    }
}

/// Reads what a rowid's `DEFAULT` says.
pub(crate) fn read_key(default: &str) -> Option<(Key, Type)> {
    let (function, rest) = default.split_once('(')?;
    let mut arguments = rest
        .trim_end_matches(')')
        .split(',')
        .map(|part| part.trim().trim_matches('\''));
    let ty = types::parse_name(arguments.next()?)?;
    let key = match function.trim() {
        "pg_key" => Key::Plain,
        "pg_serial" => Key::Serial,
        "pg_identity" => Key::Identity {
            always: arguments.next() == Some("a"),
        },
        _ => return None,
    };
    Some((key, ty))
}

/// How a rowid's `DEFAULT` is written.
#[must_use]
pub fn write_key(key: Key, ty: Type) -> Option<String> {
    let name = types::declare(ty, None);
    match key {
        Key::Plain => Some(format!("pg_key('{name}')")),
        Key::Serial => Some(format!("pg_serial('{name}')")),
        Key::Identity { always } => Some(format!(
            "pg_identity('{name}','{}')",
            if always { 'a' } else { 'd' }
        )),
        Key::Rowid => None,
    }
}

/// The comment that begins a view's text: its columns' types and its Postgres text.
#[must_use]
pub fn view_header(columns: &[super::Column], postgres: &str) -> String {
    let mut out = String::from("/*pg:{\"types\":[");
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&format!("[{},{}]", column.ty.oid, column.ty.modifier));
    }
    out.push_str("],\"query\":");
    types::json::quote(postgres, &mut out);
    // The comment must not end early.
    let out = out.replace("*/", "*\\/");
    format!("{out}}}*/ ")
}

/// A view's columns' types and its Postgres text, from SQLite's text of it.
#[must_use]
pub fn read_view_header(sql: &str) -> Option<(Vec<Type>, String)> {
    let at = sql.find("/*pg:")?;
    let body = &sql[at + 5..];
    let json = Json::parse(&body[..body.find("*/")?])?;
    let Some(Json::Array(items)) = json.member("types") else {
        return None;
    };
    let number = |item: Option<&Json>| match item {
        Some(Json::Number(digits)) => digits.parse::<i64>().ok(),
        _ => None,
    };
    let types = items
        .iter()
        .map(|item| {
            Some(Type {
                oid: Oid::try_from(number(item.item(0))?).ok()?,
                modifier: i32::try_from(number(item.item(1))?).ok()?,
            })
        })
        .collect::<Option<Vec<Type>>>()?;
    let Some(Json::String(query)) = json.member("query") else {
        return None;
    };
    Some((types, query.clone()))
}

/// A table or view by its name, through the search path.
///
/// # Errors
/// 42P01.
pub fn find(connection: &Connection, state: &State, name: &Name) -> Result<Option<Rc<Table>>> {
    for candidate in name.candidates(state) {
        if let Some(table) = state
            .known
            .table(&candidate, || load(connection, &candidate))?
        {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// What of the schema has been read, as long as it holds: a statement whose text is new needs no more
/// than one look at the schema's number.
#[derive(Debug, Default)]
pub struct Known {
    version: RefCell<Version>,
    /// By SQLite's names; also what is not there: the search path is gone through each time.
    tables: RefCell<HashMap<String, Option<Rc<Table>>>>,
    origins: RefCell<HashMap<(String, String), (Oid, i16)>>,
}

/// Names that are remembered at most: clients may ask for any number of tables that are not there.
const MOST_KNOWN: usize = 2000;

/// How often sessions of this server have changed the schema, and SQLite's number of it: that others change.
type Version = (u64, i64);

impl Known {
    /// Forgets everything where the schema is not the one that was read. `changes` is the server's count.
    ///
    /// # Errors
    /// XX000 where the schema cannot be read.
    pub fn hold(&self, connection: &Connection, changes: u64) -> Result<()> {
        let cookie = connection
            .prepare_cached("PRAGMA schema_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(|error| unreadable(&error))?;
        if self.version.replace((changes, cookie)) != (changes, cookie) {
            self.tables.borrow_mut().clear();
            self.origins.borrow_mut().clear();
        }
        Ok(())
    }

    fn table(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<Option<Table>>,
    ) -> Result<Option<Rc<Table>>> {
        if let Some(table) = self.tables.borrow().get(name) {
            return Ok(table.clone());
        }
        let table = read()?.map(Rc::new);
        let mut tables = self.tables.borrow_mut();
        if tables.len() >= MOST_KNOWN {
            tables.clear();
        }
        tables.insert(name.to_owned(), table.clone());
        Ok(table)
    }

    /// Where a column comes from, as [`crate::catalog::origin`] says.
    pub(crate) fn origin(
        &self,
        connection: &Connection,
        source: &(String, String),
    ) -> Option<(Oid, i16)> {
        if let Some(origin) = self.origins.borrow().get(source) {
            return Some(*origin);
        }
        let origin = crate::catalog::origin(connection, &source.0, &source.1)
            .ok()
            .flatten()?;
        self.origins.borrow_mut().insert(source.clone(), origin);
        Some(origin)
    }
}

/// Errors of SQLite's while the schema is read.
pub(crate) fn unreadable(error: &rusqlite::Error) -> PgError {
    PgError::new("XX000", format!("the schema cannot be read: {error}"))
}

/// A table or view by SQLite's name.
///
/// # Errors
/// XX000 where the schema cannot be read.
pub fn load(connection: &Connection, name: &str) -> Result<Option<Table>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)",
        )
        .map_err(|error| unreadable(&error))?;
    let mut rows = statement
        .query([name])
        .map_err(|error| unreadable(&error))?;
    let mut columns = Vec::new();
    let read = |rows: &mut rusqlite::Rows<'_>| -> rusqlite::Result<Option<(Column, String)>> {
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let declared: String = row.get(1)?;
        let hidden: i64 = row.get(5)?;
        let primary: i32 = row.get(4)?;
        Ok(Some((
            Column {
                name: row.get(0)?,
                ty: Type::TEXT,
                not_null: row.get::<_, i64>(2)? != 0 || primary > 0,
                primary,
                default: row.get(3)?,
                key: None,
                generated: hidden > 1,
                hidden: hidden == 1,
                number: 0,
            },
            declared,
        )))
    };
    while let Some((mut column, declared)) = read(&mut rows).map_err(|error| unreadable(&error))? {
        column.number = i16::try_from(columns.len() + 1).unwrap_or(0);
        column.ty = declared_type(connection, &declared);
        if declared == "INTEGER" && column.primary == 1 {
            column.key = Some(Key::Rowid);
        }
        columns.push(column);
    }
    drop(rows);
    if columns.is_empty() {
        return Ok(None);
    }
    finish_key(&mut columns);
    let mut table = Table {
        name: name.to_owned(),
        columns,
        view: false,
        temporary: false,
    };
    if let Some(sql) = view_text(connection, name)? {
        table.view = true;
        if let Some((types, _)) = read_view_header(&sql) {
            for (column, ty) in table.columns.iter_mut().zip(types) {
                column.ty = ty;
            }
        }
    }
    Ok(Some(table))
}

/// Only a primary key of one column can be the rowid; then its `DEFAULT` tells what it is.
fn finish_key(columns: &mut [Column]) {
    let single = columns.iter().filter(|column| column.primary > 0).count() == 1;
    for column in columns.iter_mut().filter(|column| column.key.is_some()) {
        if !single {
            column.key = None;
            continue;
        }
        if let Some((key, ty)) = column.default.as_deref().and_then(read_key) {
            column.key = Some(key);
            column.ty = ty;
            column.default = None;
        }
    }
}

/// SQLite's text of a view.
///
/// # Errors
/// XX000.
pub fn view_text(connection: &Connection, name: &str) -> Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1 \
             UNION ALL SELECT sql FROM sqlite_temp_schema WHERE type = 'view' AND name = ?1",
        )
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(|error| unreadable(&error))
}

/// The type that a declaration names; text where it names none.
pub fn declared_type(connection: &Connection, declared: &str) -> Type {
    match declared {
        "" => return Type::TEXT,
        "NUM" => return Type::NUMERIC,
        _ => {}
    }
    types::parse_name(declared)
        .or_else(|| enum_type(connection, declared.trim_end_matches(" text")))
        .unwrap_or(Type::TEXT)
}

/// The type of a name that is not built in: an enum's or its array's.
pub fn enum_type(connection: &Connection, name: &str) -> Option<Type> {
    let (bare, array) = match name.strip_suffix("[]") {
        Some(bare) => (bare, true),
        None => (name, false),
    };
    let oid: i64 = connection
        .prepare_cached(&format!("SELECT oid FROM {ENUMS} WHERE name = ?1"))
        .and_then(|mut statement| statement.query_row([bare], |row| row.get(0)))
        .ok()?;
    let ty = Type::of(Oid::try_from(oid).ok()?);
    Some(if array { ty.array() } else { ty })
}

/// An enum's name and labels, in order.
pub fn enum_labels(connection: &Connection, ty: Type) -> Option<(String, Vec<String>)> {
    let (name, labels): (String, String) = connection
        .prepare_cached(&format!("SELECT name, labels FROM {ENUMS} WHERE oid = ?1"))
        .and_then(|mut statement| {
            statement.query_row([i64::from(ty.oid)], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .ok()?;
    let Some(Json::Array(items)) = Json::parse(&labels) else {
        return None;
    };
    let labels = items
        .into_iter()
        .map(|item| match item {
            Json::String(label) => label,
            other => other.compact(),
        })
        .collect();
    Some((name, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_views_are_read_back() {
        let connection = Connection::open_in_memory().unwrap();
        let column = |name: &str, ty| super::super::Column {
            name: name.to_owned(),
            ty,
            table: 0,
            number: 0,
        };
        let header = view_header(
            &[column("n", Type::INT4), column("x", Type::of(1043))],
            "SELECT '*/'",
        );
        connection
            .execute_batch(&format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY DEFAULT (pg_serial('int4')), price numeric(10,2) NOT NULL, tags text[]);
                 CREATE TABLE lite (id INTEGER PRIMARY KEY, n INT, b BLOB);
                 CREATE VIEW v AS {header}SELECT 1 AS n, 'x' AS x;"
            ))
            .unwrap();
        let table = load(&connection, "t").unwrap().unwrap();
        assert_eq!(table.columns[0].key, Some(Key::Serial));
        assert_eq!(table.columns[0].ty, Type::INT4);
        assert_eq!(table.columns[1].ty.oid, 1700);
        assert_eq!(table.columns[2].ty.oid, 1009);
        let lite = load(&connection, "lite").unwrap().unwrap();
        assert_eq!(lite.columns[0].key, Some(Key::Rowid));
        assert_eq!(lite.columns[0].ty, Type::INT8);
        let view = load(&connection, "v").unwrap().unwrap();
        assert!(view.view);
        assert_eq!(view.columns[1].ty.oid, 1043);
        let text = view_text(&connection, "v").unwrap().unwrap();
        assert_eq!(read_view_header(&text).unwrap().1, "SELECT '*/'");
        assert!(load(&connection, "nothing").unwrap().is_none());
    }
}

//! What a table looks like: columns, primary key, and by which values rows collide.

use sqlite_abi::{Connection, ValueRef};

use super::error::{Error, Result};
use super::index_sql;
use super::quote::quote;

/// SQLite's table of statistics. It has no declared key and can have no triggers; the session
/// extension takes `(tbl, idx)` as its key, a NULL in `idx` as an empty blob, and so do we.
pub(crate) const STATISTICS: &str = "sqlite_stat1";

/// The table of a schema, as `PRAGMA table_list` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) without_rowid: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    /// Of a virtual table.
    Shadow,
    Virtual,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The declared type.
    pub(crate) kind: String,
    /// Place in the primary key from 1 on, 0 if it is not in it.
    pub(crate) place: u8,
    pub(crate) default: Option<String>,
    pub(crate) not_null: bool,
    /// A NULL stands in changesets as an empty blob.
    pub(crate) null_is_empty: bool,
}

/// A UNIQUE constraint, the primary key's included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) terms: Vec<Term>,
    /// The condition of a partial index.
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    Column { name: String, collation: String },
    Expression(String),
}

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Those that a changeset has: all but generated ones.
    pub(crate) columns: Vec<Column>,
    pub(crate) generated: Vec<Column>,
    /// Positions of the key's columns among `columns`.
    pub(crate) key: Vec<usize>,
    /// The collations by which the key's index compares, in the order of `key`.
    pub(crate) collations: Vec<Option<String>>,
    /// Whether the key is an alias of the rowid, chosen by SQLite where it is not given.
    pub(crate) rowid_key: bool,
    /// A name by which the rowid can be given, where it is not the key.
    pub(crate) rowid: Option<&'static str>,
    pub(crate) uniques: Vec<Unique>,
}

/// All tables of a schema.
pub(crate) fn tables(connection: &Connection<'_>, schema: &str) -> Result<Vec<Listed>> {
    let sql = format!("PRAGMA {}.table_list", quote(schema));
    let rows = rows(connection, &sql)?;
    let mut found: Vec<Listed> = rows
        .into_iter()
        .filter(|row| row[0].eq_ignore_ascii_case(schema))
        .filter_map(|row| {
            let kind = match row[2].as_str() {
                "table" => Kind::Table,
                "shadow" => Kind::Shadow,
                "virtual" => Kind::Virtual,
                _ => return None,
            };
            let own = !row[1].starts_with("sqlite_") || row[1] == STATISTICS;
            own.then(|| Listed {
                name: row[1].clone(),
                kind,
                without_rowid: row[4] == "1",
            })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Everything that the definition of a schema says: equal if and only if nothing was changed.
pub(crate) fn definition(connection: &Connection<'_>, schema: &str) -> Result<String> {
    let table = if schema.eq_ignore_ascii_case("temp") {
        "sqlite_temp_schema".to_owned()
    } else {
        format!("{}.sqlite_schema", quote(schema))
    };
    let sql = format!(
        "SELECT type, name, tbl_name, sql FROM {table} WHERE tbl_name NOT GLOB 'sqlbridge_capture_*' AND name NOT GLOB 'sqlbridge_capture_*'"
    );
    let rows = rows(connection, &sql)?;
    Ok(rows
        .into_iter()
        .map(|row| row.join("\0"))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// The rows of a query, as text.
pub(crate) fn rows(connection: &Connection<'_>, sql: &str) -> Result<Vec<Vec<String>>> {
    let failed = |error| Error::sqlite("cannot read the schema")(error);
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = Vec::new();
    while statement.step().map_err(failed)? {
        let columns = 0..statement.column_count();
        rows.push(
            columns
                .map(|index| text(statement.column_ref(index)))
                .collect(),
        );
    }
    Ok(rows)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) => real.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

impl Column {
    /// How it stands in the result of a SELECT.
    pub(crate) fn select(&self) -> String {
        let name = quote(&self.name);
        if self.null_is_empty {
            format!("CASE WHEN {name} IS NULL THEN X'' ELSE {name} END")
        } else {
            name
        }
    }

    /// Whether it holds integers as REAL.
    pub(crate) fn is_real(&self) -> bool {
        let has = |words: &[&str]| words.iter().any(|word| self.kind.contains(word));
        has(&["REAL", "FLOA", "DOUB"]) && !has(&["INT", "CHAR", "CLOB", "TEXT", "BLOB"])
    }

    /// The value that rows have which are older than the column: its default,
    /// as a column of its type holds it.
    pub(crate) fn added(&self) -> String {
        let Some(default) = &self.default else {
            return "NULL".to_owned();
        };
        let has = |words: &[&str]| words.iter().any(|word| self.kind.contains(word));
        let value = format!("({default}\n)");
        if has(&["INT"]) {
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            return format!(
                "CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
            );
        } else if has(&["BLOB"]) || self.kind.is_empty() || self.kind == "ANY" {
            return value;
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            return format!(
                "CASE typeof({value}) WHEN 'integer' THEN CAST({value} AS REAL) ELSE {value} END"
            );
        }
        format!(
            "CASE WHEN typeof({value}) = 'real' AND CAST({value} AS INTEGER) = {value} \
             THEN CAST({value} AS INTEGER) \
             WHEN typeof({value}) = 'text' AND CAST(CAST({value} AS NUMERIC) AS TEXT) = {value} \
             THEN CAST({value} AS NUMERIC) ELSE {value} END"
        )
    }
}

impl Shape {
    /// Reads it from the schema.
    pub(crate) fn read(connection: &Connection<'_>, schema: &str, table: &Listed) -> Result<Self> {
        if table.name == STATISTICS {
            return Ok(Self::statistics());
        }
        let (schema, name) = (quote(schema), quote(&table.name));
        let (mut columns, mut generated) = (Vec::new(), Vec::new());
        for row in rows(connection, &format!("PRAGMA {schema}.table_xinfo({name})"))? {
            let column = Column {
                name: row[1].clone(),
                kind: row[2].to_ascii_uppercase(),
                not_null: row[3] == "1",
                default: Some(row[4].clone()).filter(|text| !text.is_empty()),
                place: row[5].parse().unwrap_or(0),
                null_is_empty: false,
            };
            match row[6].as_str() {
                "2" | "3" => generated.push(column),
                _ => columns.push(column),
            }
        }
        let key: Vec<usize> = (0..columns.len())
            .filter(|at| columns[*at].place > 0)
            .collect();
        let mut uniques = Vec::new();
        let mut collations = vec![None; key.len()];
        let mut key_has_index = false;
        for row in rows(connection, &format!("PRAGMA {schema}.index_list({name})"))? {
            if row[2] != "1" {
                continue;
            }
            let (unique, terms) = read_index(connection, &schema, &row[1])?;
            if row[3] == "pk" {
                key_has_index = true;
                for (at, collation) in key.iter().zip(&mut collations) {
                    let term = terms.iter().find(|(name, _)| *name == columns[*at].name);
                    *collation = term.map(|(_, collation)| collation.clone());
                }
            }
            uniques.push(unique);
        }
        let rowid_key = !table.without_rowid && key.len() == 1 && !key_has_index;
        let rowid = (!table.without_rowid && !rowid_key)
            .then(|| {
                ["rowid", "_rowid_", "oid"].into_iter().find(|rowid| {
                    let mut names = columns.iter().chain(&generated);
                    !names.any(|column| column.name.eq_ignore_ascii_case(rowid))
                })
            })
            .flatten();
        Ok(Self {
            columns,
            generated,
            key,
            collations,
            rowid_key,
            rowid,
            uniques,
        })
    }

    fn statistics() -> Self {
        let column = |name: &str, place| Column {
            name: name.to_owned(),
            kind: String::new(),
            place,
            default: None,
            not_null: false,
            null_is_empty: name == "idx",
        };
        Self {
            columns: vec![column("tbl", 1), column("idx", 2), column("stat", 0)],
            generated: Vec::new(),
            key: vec![0, 1],
            collations: vec![None, None],
            rowid_key: false,
            rowid: None,
            uniques: Vec::new(),
        }
    }

    /// For each column its place in the primary key.
    pub(crate) fn places(&self) -> Vec<u8> {
        self.columns.iter().map(|column| column.place).collect()
    }

    /// Whether rows of `earlier` are rows of this shape but for columns that were added or taken
    /// away at their ends. `renamed`: its columns may have got other names.
    pub(crate) fn continues(&self, earlier: &Self, renamed: bool) -> bool {
        let common = self.columns.len().min(earlier.columns.len());
        let same = |at: usize| {
            let (new, old) = (&self.columns[at], &earlier.columns[at]);
            new.place == old.place && (new.name == old.name || renamed)
        };
        self.key.len() == earlier.key.len()
            && self.key.iter().all(|at| *at < common)
            && (0..common).all(same)
    }

    /// A column by name, generated or not.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .chain(&self.generated)
            .find(|column| column.name == name)
    }
}

/// A unique index, and the names and collations of its terms.
fn read_index(
    connection: &Connection<'_>,
    schema: &str,
    index: &str,
) -> Result<(Unique, Vec<(String, String)>)> {
    let text = index.replace('\'', "''");
    let table = if schema.eq_ignore_ascii_case("\"temp\"") {
        "sqlite_temp_schema".to_owned()
    } else {
        format!("{schema}.sqlite_schema")
    };
    let sql = format!("SELECT sql FROM {table} WHERE type = 'index' AND name = '{text}'");
    let definition = rows(connection, &sql)?;
    let definition = definition.first().map_or("", |row| row[0].as_str());
    let parsed = index_sql::parse(definition);
    let mut terms = Vec::new();
    let mut named = Vec::new();
    let sql = format!("PRAGMA {schema}.index_xinfo({})", quote(index));
    for row in rows(connection, &sql)?.iter().filter(|row| row[5] == "1") {
        named.push((row[2].clone(), row[4].clone()));
        let expression = parsed
            .as_ref()
            .and_then(|parsed| parsed.terms.get(terms.len()).copied());
        terms.push(match (row[1].as_str(), expression) {
            ("-2", Some(expression)) => Term::Expression(expression.to_owned()),
            _ => Term::Column {
                name: row[2].clone(),
                collation: row[4].clone(),
            },
        });
    }
    let filter = parsed.and_then(|parsed| parsed.filter).map(str::to_owned);
    Ok((Unique { terms, filter }, named))
}

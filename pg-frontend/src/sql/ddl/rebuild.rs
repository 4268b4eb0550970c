//! A table's parts, and the table made anew with other parts.
//!
//! [`reader`](super::reader) reads them from SQLite's text of the table. A table is made anew as SQLite
//! advises: a new one, its rows, the old one's name, and what hung on it.

use super::constraints::{Constraint, Kind};
use crate::error::{PgError, Result};
use crate::sql::names::{self, literal, quote};
use crate::sql::schema::unreadable;
use rusqlite::Connection;

use super::reader::Reader;

/// A column as it stands in `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnPart {
    pub(crate) name: String,
    /// Its declared type.
    pub(crate) declared: String,
    pub(crate) not_null: bool,
    /// SQLite's expression, without brackets.
    pub(crate) default: Option<String>,
    pub(crate) generated: Option<String>,
    /// `PRIMARY KEY` of an `INTEGER` column, and whether with `AUTOINCREMENT`.
    pub(crate) rowid: Option<bool>,
    pub(crate) collation: Option<String>,
    /// What else stands there, kept as it is.
    pub(crate) rest: String,
}

impl ColumnPart {
    pub(crate) fn text(&self) -> String {
        let mut out = quote(&self.name);
        if !self.declared.is_empty() {
            out.push(' ');
            out.push_str(&self.declared);
        }
        if let Some(autoincrement) = self.rowid {
            out.push_str(" PRIMARY KEY");
            if autoincrement {
                out.push_str(" AUTOINCREMENT");
            }
        }
        if self.not_null {
            out.push_str(" NOT NULL");
        }
        if let Some(default) = &self.default {
            out.push_str(&format!(" DEFAULT ({default})"));
        }
        if let Some(collation) = &self.collation {
            out.push_str(&format!(" COLLATE {collation}"));
        }
        if let Some(generated) = &self.generated {
            out.push_str(&format!(" GENERATED ALWAYS AS ({generated}) STORED"));
        }
        if !self.rest.is_empty() {
            out.push(' ');
            out.push_str(&self.rest);
        }
        out
    }
}

/// A table's parts.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnPart>,
    pub(crate) constraints: Vec<Constraint>,
    /// Behind the closing bracket: `WITHOUT ROWID`, `STRICT`.
    pub(crate) options: String,
    pub(crate) temporary: bool,
}

impl Parts {
    /// `CREATE TABLE`, under another name if one is given.
    pub(crate) fn create(&self, name: &str) -> String {
        let mut items: Vec<String> = self.columns.iter().map(ColumnPart::text).collect();
        let rowid = self.columns.iter().any(|column| column.rowid.is_some());
        items.extend(
            self.constraints
                .iter()
                .filter(|constraint| !(rowid && matches!(constraint.kind, Kind::Primary(_))))
                .map(Constraint::text),
        );
        // The name of a rowid's constraint has no place in a column; it is kept beside it.
        let temporary = if self.temporary { "TEMPORARY " } else { "" };
        let options = if self.options.is_empty() {
            String::new()
        } else {
            format!(" {}", self.options)
        };
        format!(
            "CREATE {temporary}TABLE {} ({}){options}",
            quote(name),
            items.join(", ")
        )
    }

    /// Reads a table's parts.
    ///
    /// # Errors
    /// 42P01; XX000 where the text cannot be read.
    pub(crate) fn read(connection: &Connection, name: &str) -> Result<Self> {
        let found: rusqlite::Result<(String, bool)> = connection.query_row(
            "SELECT sql, 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE \
             UNION ALL SELECT sql, 1 FROM sqlite_temp_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let (sql, temporary) = match found {
            Ok(found) => found,
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                return Err(PgError::new(
                    "42P01",
                    format!("relation \"{}\" does not exist", names::split(name).1),
                ));
            }
            Err(error) => return Err(unreadable(&error)),
        };
        let mut parts = Reader::new(&sql)?.table(name)?;
        parts.temporary = temporary;
        Ok(parts)
    }

    /// A column's place.
    ///
    /// # Errors
    /// 42703.
    pub(crate) fn place(&self, column: &str) -> Result<usize> {
        self.columns
            .iter()
            .position(|part| part.name == column)
            .or_else(|| {
                self.columns
                    .iter()
                    .position(|part| part.name.eq_ignore_ascii_case(column))
            })
            .ok_or_else(|| {
                PgError::new(
                    "42703",
                    format!(
                        "column \"{column}\" of relation \"{}\" does not exist",
                        names::split(&self.name).1
                    ),
                )
            })
    }

    /// The statements that make the table anew. `values`: for each column, what its rows get (an
    /// expression over the old row); none: the column is new, and gets its default.
    ///
    /// Dropping a table deletes its rows first, with all that foreign keys do then. So the old table is
    /// renamed, which takes the references of others along, and these are turned to the new one before it is dropped.
    ///
    /// # Errors
    /// XX000 where the schema cannot be read.
    pub(crate) fn rebuild(
        &self,
        connection: &Connection,
        values: &[Option<String>],
        dropped: &[String],
    ) -> Result<Vec<String>> {
        let old = format!("pg_frontend_old_{}", self.name);
        let main = if self.temporary {
            "sqlite_temp_schema"
        } else {
            "sqlite_schema"
        };
        let dependents = dependents(connection, &self.name, dropped)?;
        let mut out = vec![
            "PRAGMA defer_foreign_keys = ON".to_owned(),
            format!(
                "ALTER TABLE {} RENAME TO {}",
                quote(&self.name),
                quote(&old)
            ),
            self.create(&self.name),
        ];
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        for (column, value) in self.columns.iter().zip(values) {
            if let (Some(value), None) = (value, &column.generated) {
                targets.push(quote(&column.name));
                sources.push(value.clone());
            }
        }
        if !targets.is_empty() {
            out.push(format!(
                "INSERT INTO {}({}) SELECT {} FROM {}",
                quote(&self.name),
                targets.join(", "),
                sources.join(", "),
                quote(&old)
            ));
        }
        out.extend([
            "PRAGMA writable_schema = ON".to_owned(),
            format!(
                "UPDATE {main} SET sql = replace(sql, {}, {}) WHERE tbl_name <> {} AND instr(sql, {})",
                literal(&quote(&old)), literal(&quote(&self.name)), literal(&old), literal(&quote(&old))
            ),
            "PRAGMA writable_schema = RESET".to_owned(),
        ]);
        if self.columns.iter().any(|column| column.rowid == Some(true)) {
            out.push(format!(
                "UPDATE sqlite_sequence SET seq = max(seq, ifnull((SELECT seq FROM sqlite_sequence WHERE name = {}), 0)) WHERE name = {}",
                literal(&old), literal(&self.name)
            ));
        }
        out.push(format!("DROP TABLE {}", quote(&old)));
        out.extend(dependents);
        Ok(out)
    }

    /// The statements that change a table's text only: its rows lie as they did.
    pub(crate) fn replace(&self) -> Vec<String> {
        let main = if self.temporary {
            "sqlite_temp_schema"
        } else {
            "sqlite_schema"
        };
        vec![
            "PRAGMA writable_schema = ON".to_owned(),
            format!(
                "UPDATE {main} SET sql = {} WHERE type = 'table' AND name = {}",
                literal(&self.create(&self.name)),
                literal(&self.name)
            ),
            "PRAGMA writable_schema = RESET".to_owned(),
            // Other connections see that the schema has changed by its version, which DDL raises.
            "CREATE TABLE pg_frontend_touch(x)".to_owned(),
            "DROP TABLE pg_frontend_touch".to_owned(),
        ]
    }
}

/// The texts of indexes and triggers of a table, those left out that use a dropped column.
fn dependents(connection: &Connection, table: &str, dropped: &[String]) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT sql, name FROM sqlite_schema WHERE tbl_name = ?1 AND type IN ('index', 'trigger') AND sql IS NOT NULL \
             UNION ALL SELECT sql, name FROM sqlite_temp_schema WHERE tbl_name = ?1 AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        )
        .map_err(|error| unreadable(&error))?;
    let found: Vec<(String, String)> = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(&error))?;
    let mut uses = connection
        .prepare_cached("SELECT 1 FROM pragma_index_info(?1) WHERE name = ?2")
        .map_err(|error| unreadable(&error))?;
    let mut out = Vec::new();
    for (sql, name) in found {
        let mut gone = false;
        for column in dropped {
            gone |= uses
                .exists([&name, column])
                .map_err(|error| unreadable(&error))?
                || sql.contains(&quote(column));
        }
        if !gone {
            out.push(sql);
        }
    }
    Ok(out)
}

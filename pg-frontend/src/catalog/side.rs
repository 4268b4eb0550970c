//! The side tables: sequences, enums and comments, which SQLite has no place for.

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::model::{Class, Comment, Enum, Sequence};
use super::oids::{Kind, PUBLIC};
use super::read::Reader;
use super::relations;
use crate::sql::{names, schema};
use crate::types::{self, Oid, Type};

/// The table of sequences that have no rowid to rely on.
const SEQUENCES: &str = "pg_frontend_sequences";
/// What `COMMENT ON` said: the kind of the object, its name in SQLite, and a part of it (a column, a
/// constraint) or nothing.
const COMMENTS: &str = "pg_frontend_comments";

impl Reader<'_> {
    pub(super) fn sequences(&mut self) -> Result<()> {
        if self.has(SEQUENCES)? {
            self.made_sequences()?;
        }
        let model = &mut self.model;
        for (at, sequence) in model.sequences.iter().enumerate() {
            model.classes.insert(sequence.oid, Class::Sequence(at));
            model
                .names
                .insert((sequence.namespace, sequence.name.clone()), sequence.oid);
        }
        Ok(())
    }

    /// Those of `CREATE SEQUENCE`, and of serial columns that are not the rowid.
    fn made_sequences(&mut self) -> Result<()> {
        let sql = format!(
            "SELECT name, type, start, increment, minimum, maximum, cycle, owner_table, owner_column
             FROM main.{SEQUENCES} ORDER BY name"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let stored: String = row.get(0)?;
            let ty: String = row.get(1)?;
            let (namespace, name) = self.place(&stored);
            let table: Option<String> = row.get(7)?;
            let column: Option<String> = row.get(8)?;
            self.model.sequences.push(Sequence {
                oid: self.ids.take(Kind::Relation, &stored),
                namespace,
                name,
                ty: types::parse_name(&ty).unwrap_or(Type::INT8).oid,
                start: row.get(2)?,
                increment: row.get(3)?,
                minimum: row.get(4)?,
                maximum: row.get(5)?,
                cycle: row.get(6)?,
                owner: table.zip(column),
                stored: Some(stored),
            });
        }
        Ok(())
    }

    pub(super) fn enums(&mut self) -> Result<()> {
        if !self.has(schema::ENUMS)? {
            return Ok(());
        }
        let sql = format!(
            "SELECT oid, name, labels FROM main.{} ORDER BY oid",
            schema::ENUMS
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (oid, stored, labels): (Oid, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let labels: Vec<String> = serde_json::from_str(&labels).unwrap_or_default();
            let (namespace, name) = self.place(&stored);
            let labels = labels
                .into_iter()
                .map(|label| {
                    (
                        self.ids.take(Kind::EnumLabel, &format!("{stored}.{label}")),
                        label,
                    )
                })
                .collect();
            self.model.enums.push(Enum {
                oid,
                array: types::names::array_of(oid),
                namespace,
                name,
                labels,
            });
        }
        Ok(())
    }

    pub(super) fn comments(&mut self) -> Result<()> {
        if self.has(COMMENTS)? {
            self.made_comments()?;
        }
        let class = relations::get("pg_namespace").oid;
        if self.model.comment(class, PUBLIC, 0).is_none() {
            self.model.comments.push(Comment {
                class,
                object: PUBLIC,
                column: 0,
                text: "standard public schema".to_owned(),
            });
        }
        Ok(())
    }

    fn made_comments(&mut self) -> Result<()> {
        let sql = format!("SELECT kind, object, part, text FROM main.{COMMENTS}");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, object, part): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            // Of what is not there any more, nothing is said.
            if let Some((class, object, column)) = self.commented(&kind, &object, &part) {
                let class = relations::get(class).oid;
                let text = row.get(3)?;
                self.model.comments.push(Comment {
                    class,
                    object,
                    column,
                    text,
                });
            }
        }
        Ok(())
    }

    /// What a comment is about: the relation of the catalog that describes it, its oid, its column.
    fn commented(&self, kind: &str, object: &str, part: &str) -> Option<(&'static str, Oid, i16)> {
        let model = &self.model;
        let table = || model.stored(object);
        match kind {
            "column" => {
                let table = table()?;
                Some(("pg_class", table.oid, table.column(part)?.number))
            }
            "constraint" => {
                let mut constraints = table()?.constraints.iter();
                let found = constraints.find(|each| each.name == part)?;
                Some(("pg_constraint", found.oid, 0))
            }
            "schema" => {
                let mut namespaces = model.namespaces.iter();
                Some((
                    "pg_namespace",
                    namespaces.find(|each| each.name == object)?.oid,
                    0,
                ))
            }
            "type" => {
                let place = self.place(object);
                let mut enums = model.enums.iter();
                let found =
                    enums.find(|each| (each.namespace, &each.name) == (place.0, &place.1))?;
                Some(("pg_type", found.oid, 0))
            }
            // Tables, views, indexes, sequences.
            _ => Some(("pg_class", *model.names.get(&self.place(object))?, 0)),
        }
    }
}

/// The value that a sequence gave last; none before the first.
pub(super) fn last_value(connection: &Connection, sequence: &Sequence) -> Result<Option<i64>> {
    if let Some(stored) = &sequence.stored {
        let sql = format!("SELECT last FROM main.{SEQUENCES} WHERE name = ?1 AND called");
        return connection
            .query_row(&sql, [stored], |row| row.get(0))
            .optional();
    }
    let Some((table, column)) = &sequence.owner else {
        return Ok(None);
    };
    // Of tables that never give a number twice, SQLite keeps the last; there is such a table only then.
    let kept = "SELECT seq FROM main.sqlite_sequence WHERE name = ?1";
    if let Ok(last) = connection.query_row(kept, [table], |row| row.get(0)) {
        return Ok(last);
    }
    let sql = format!(
        "SELECT max({}) FROM {}",
        names::quote(column),
        names::quote(table)
    );
    connection.query_row(&sql, [], |row| row.get(0))
}

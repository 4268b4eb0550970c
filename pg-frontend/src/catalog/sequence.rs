//! Sequences, enums and comments, which SQLite has no place for: the server's own tables keep them.

use rusqlite::{Connection, Result};

use super::model::{Class, Enum, Sequence};
use super::oids::Kind;
use super::read::Reader;
use crate::sql::{names, schema};
use crate::types::{self, Oid};

impl Reader<'_> {
    pub(super) fn sequences(&mut self) -> Result<()> {
        let model = &mut self.model;
        for (at, sequence) in model.sequences.iter().enumerate() {
            model.classes.insert(sequence.oid, Class::Sequence(at));
            model.names.insert((sequence.namespace, sequence.name.clone()), sequence.oid);
        }
        Ok(())
    }

    pub(super) fn enums(&mut self) -> Result<()> {
        if !self.has(schema::ENUMS)? {
            return Ok(());
        }
        let sql = format!("SELECT oid, name, labels FROM main.{} ORDER BY oid", schema::ENUMS);
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (oid, stored, labels): (Oid, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let labels: Vec<String> = serde_json::from_str(&labels).unwrap_or_default();
            let (namespace, name) = self.place(&stored);
            let labels = labels
                .into_iter()
                .map(|label| (self.ids.take(Kind::EnumLabel, &format!("{stored}.{label}")), label))
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
        Ok(())
    }
}

/// The value that a sequence gave last; none before the first.
pub(super) fn last_value(connection: &Connection, sequence: &Sequence) -> Result<Option<i64>> {
    let Some((table, column)) = &sequence.owner else {
        return Ok(None);
    };
    let sql = format!("SELECT max({}) FROM {}", names::quote(column), names::quote(table));
    connection.query_row(&sql, [], |row| row.get(0))
}

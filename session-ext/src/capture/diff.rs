//! Rows that differ between two databases, as if they had been touched.

use sqlite_abi::Connection;

use super::changes::RowReader;
use super::error::{Error, Result};
use super::quote::{list, quote};
use super::shape::{self, Shape};
use super::{State, Tracked};
use crate::changeset::value::encode;

impl State {
    /// Takes the rows in which a session's table differs from the one of that name in `from`
    /// for changed, with the values in `from` as the old ones. Returns their number; none
    /// where the session is not attached to such a table.
    pub(crate) fn diff(
        &mut self,
        connection: &Connection<'_>,
        handle: i64,
        from: &str,
        name: &str,
    ) -> Result<Option<u64>> {
        self.refresh(connection)?;
        let session = self.session(handle)?.clone();
        let refused = |rule: String| Error::Table {
            handle,
            schema: session.schema.clone(),
            table: name.to_owned(),
            rule,
        };
        let table = self.tables.values_mut().find(|table| {
            table.name.eq_ignore_ascii_case(name)
                && table.watches.iter().any(|watch| watch.session == handle)
        });
        let Some(table) = table else { return Ok(None) };
        let theirs =
            shape::tables(connection, from).map_err(|_| Error::NoSchema(from.to_owned()))?;
        let Some(theirs) = theirs
            .iter()
            .find(|table| table.name.eq_ignore_ascii_case(name))
        else {
            return Err(refused(format!("is not in '{from}'")));
        };
        let shape = Shape::read(connection, from, theirs)?;
        let columns = |shape: &Shape| -> Vec<(String, u8)> {
            shape
                .columns
                .iter()
                .map(|column| (column.name.to_ascii_lowercase(), column.place))
                .collect()
        };
        if columns(&shape) != columns(&table.shape) {
            return Err(refused(format!(
                "has other columns or another primary key in '{from}'"
            )));
        }
        let mut changed = 0;
        let shape = &table.shape.clone();
        let ours = (table.schema.clone(), table.name.clone());
        let theirs = (from.to_owned(), theirs.name.clone());
        let touch = |table: &mut Tracked, key: &[u8], row: Option<&[u8]>| {
            for watch in table
                .watches
                .iter_mut()
                .filter(|watch| watch.session == handle)
            {
                watch.touched.touch(key, watch.indirect, |bytes| {
                    bytes.extend_from_slice(row?);
                    Some(shape.columns.len() as u16)
                });
            }
        };
        each_row(connection, &theirs, &ours, shape, |key, row, other| {
            if other != Some(row) {
                changed += 1;
                touch(table, key, Some(row));
            }
        })?;
        each_row(connection, &ours, &theirs, shape, |key, _, other| {
            if other.is_none() {
                changed += 1;
                touch(table, key, None);
            }
        })?;
        Ok(Some(changed))
    }
}

/// Calls `body` with each row of a table, encoded: its key, the row, and the row with that key in
/// the other table.
fn each_row(
    connection: &Connection<'_>,
    (schema, name): &(String, String),
    (other_schema, other_name): &(String, String),
    shape: &Shape,
    mut body: impl FnMut(&[u8], &[u8], Option<&[u8]>),
) -> Result<()> {
    let failed = |error| Error::sqlite(format!("cannot read {schema}.{name}"))(error);
    let columns = list(shape.columns.iter().map(shape::Column::select));
    let sql = format!("SELECT {columns} FROM {}.{}", quote(schema), quote(name));
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut other = RowReader::new(connection, other_schema, other_name, shape)?;
    let (mut key, mut row) = (Vec::new(), Vec::new());
    while statement.step().map_err(failed)? {
        key.clear();
        row.clear();
        let mut null = false;
        for (at, column) in shape.columns.iter().enumerate() {
            let value = statement.column_ref(at);
            encode(&mut row, Some(value));
            if column.place > 0 {
                encode(&mut key, Some(value));
                null |= value == sqlite_abi::ValueRef::Null;
            }
        }
        if !null {
            let there = other.read(&key)?;
            body(&key, &row, there.then(|| other.row()));
        }
    }
    Ok(())
}

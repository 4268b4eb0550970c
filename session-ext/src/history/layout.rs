//! Which column stands where in a table's records.

use sqlite_abi::{Connection, ValueRef};

use super::error::{Error, Result};
use super::record::Record;
use crate::capture::quote::{list, quote};
use crate::capture::shape::{self, Kind, Listed, STATISTICS, Shape};
use crate::changeset::Field;
use crate::changeset::value::encode;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    /// For each column of the shape its place in records.
    stored: Vec<usize>,
    /// What columns hold that are missing at a record's end, encoded.
    added: Vec<u8>,
}

impl Layout {
    /// Reads it from a `CREATE TABLE` statement, by running it in a database of our own.
    pub(super) fn read(connection: &Connection<'_>, name: &str, sql: &str) -> Result<Self> {
        let failed = |error: crate::capture::Error| Error::Table {
            table: name.to_owned(),
            rule: format!("has a definition that cannot be read here: {error}"),
        };
        let statistics = name == STATISTICS;
        let mut without_rowid = false;
        let mut stored_names = vec!["tbl".to_owned(), "idx".to_owned(), "stat".to_owned()];
        if !statistics {
            connection.exec(sql).map_err(|error| Error::Table {
                table: name.to_owned(),
                rule: format!("has a definition that cannot be read here: {error}"),
            })?;
            let listed = shape::tables(connection, "main").map_err(failed)?;
            without_rowid = listed.iter().any(|table| table.without_rowid);
            stored_names = stored_columns(connection, name, without_rowid).map_err(failed)?;
        }
        let listed = Listed {
            name: name.to_owned(),
            kind: Kind::Table,
            without_rowid,
        };
        let shape = Shape::read(connection, "main", &listed).map_err(failed)?;
        let added = defaults(connection, &shape)?;
        if !statistics {
            connection.exec(&format!("DROP TABLE {}", quote(name)))?;
        }
        let place = |column: &shape::Column| {
            let found = stored_names.iter().position(|name| *name == column.name);
            found.unwrap_or(usize::MAX)
        };
        Ok(Self {
            stored: shape.columns.iter().map(place).collect(),
            shape,
            added,
        })
    }

    /// The row that a record stands for: its key and its columns, encoded. None where the key has a
    /// NULL, which no changeset can tell.
    pub(super) fn row(&self, record: &Record, rowid: i64) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut key, mut row) = (Vec::new(), Vec::new());
        let missing: Vec<Field<'_>> = Field::all(&self.added).collect();
        for (at, column) in self.shape.columns.iter().enumerate() {
            let start = row.len();
            let in_key = column.place > 0;
            let stored = record
                .bytes(self.stored[at])
                .or_else(|| missing.get(at).map(|field| field.bytes()));
            let stored = stored.unwrap_or(&[5]);
            if in_key && self.shape.rowid_key {
                encode(&mut row, Some(ValueRef::Integer(rowid)));
            } else if stored == [5] && column.null_is_empty {
                encode(&mut row, Some(ValueRef::Blob(&[])));
            } else if let (true, [1, integer @ ..]) = (column.is_real(), stored) {
                let integer = i64::from_be_bytes(integer.try_into().unwrap_or_default());
                encode(&mut row, Some(ValueRef::Real(integer as f64)));
            } else {
                row.extend_from_slice(stored);
            }
            if in_key {
                if row[start..] == [5] {
                    return None;
                }
                key.extend_from_slice(&row[start..]);
            }
        }
        Some((key, row))
    }

    /// What the columns of this layout are in `earlier`: for each its place there. `None` altogether
    /// where columns changed places, so that equal bytes are not equal rows.
    pub(super) fn columns_in(&self, earlier: &Self) -> (Vec<Option<usize>>, bool) {
        let (new, old) = (&self.shape.columns, &earlier.shape.columns);
        let found = |name: &str| old.iter().position(|column| column.name == name);
        let renamed = |at: usize| {
            old.get(at)
                .is_some_and(|was| new.iter().all(|column| column.name != was.name))
        };
        let aligned = new
            .iter()
            .enumerate()
            .all(|(at, column)| match found(&column.name) {
                Some(place) => place == at,
                None => renamed(at) || at >= old.len(),
            });
        if aligned {
            return (
                (0..new.len())
                    .map(|at| Some(at).filter(|at| *at < old.len()))
                    .collect(),
                true,
            );
        }
        (
            new.iter().map(|column| found(&column.name)).collect(),
            false,
        )
    }

    /// A row of an earlier layout, with the columns of this one.
    pub(super) fn project(&self, row: &[u8], columns: &[Option<usize>]) -> Vec<u8> {
        let fields: Vec<Field<'_>> = Field::all(row).collect();
        let missing: Vec<Field<'_>> = Field::all(&self.added).collect();
        let mut out = Vec::new();
        for (at, place) in columns.iter().enumerate() {
            let field = place
                .and_then(|place| fields.get(place))
                .or_else(|| missing.get(at));
            out.extend_from_slice(field.map_or(&[5], |field| field.bytes()));
        }
        out
    }
}

/// The names of the columns in the order of records.
fn stored_columns(
    connection: &Connection<'_>,
    name: &str,
    without_rowid: bool,
) -> std::result::Result<Vec<String>, crate::capture::Error> {
    if !without_rowid {
        let rows = shape::rows(
            connection,
            &format!("PRAGMA main.table_xinfo({})", quote(name)),
        )?;
        let stored = rows.into_iter().filter(|row| row[6] != "2");
        return Ok(stored.map(|mut row| row.swap_remove(1)).collect());
    }
    let indexes = shape::rows(
        connection,
        &format!("PRAGMA main.index_list({})", quote(name)),
    )?;
    let Some(key) = indexes.iter().find(|row| row[3] == "pk") else {
        return Ok(Vec::new());
    };
    let rows = shape::rows(
        connection,
        &format!("PRAGMA main.index_xinfo({})", quote(&key[1])),
    )?;
    Ok(rows.into_iter().map(|mut row| row.swap_remove(2)).collect())
}

/// The defaults of all columns, encoded.
fn defaults(connection: &Connection<'_>, shape: &Shape) -> Result<Vec<u8>> {
    let columns = list(shape.columns.iter().map(shape::Column::added));
    let mut statement = connection.prepare(&format!("SELECT {columns}"))?;
    let mut fields = Vec::new();
    if statement.step()? {
        (0..shape.columns.len()).for_each(|at| encode(&mut fields, Some(statement.column_ref(at))));
    }
    Ok(fields)
}

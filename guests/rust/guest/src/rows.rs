//! Rows, read where the host's answer has them.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::deserialize;
use crate::error::{Error, Result};
use crate::messagepack::Decoder;
use crate::protocol::{Answer, Columns, needed};
use crate::value::{FromSql, ValueRef};

/// The rows of a query. They are fetched as they are needed, some at a time.
#[derive(Debug)]
pub struct Rows<'c> {
    connection: &'c Connection,
    columns: Columns,
    fetch: u32,
    /// The host's answer, how many rows are left in it, and where the next one is.
    bytes: Vec<u8>,
    left: usize,
    at: usize,
    /// Where the values of the row are that was read last.
    cells: Vec<usize>,
    /// There are more rows than were fetched.
    cursor: Option<i64>,
}

impl<'c> Rows<'c> {
    pub(crate) fn new(connection: &'c Connection, bytes: Vec<u8>, fetch: u32) -> Result<Self> {
        let answer = Answer::parse(&bytes)?;
        let (at, left) = needed(answer.rows, "rows")?;
        Ok(Self {
            connection,
            columns: answer.columns,
            fetch,
            bytes,
            left,
            at,
            cells: Vec::new(),
            cursor: answer.cursor,
        })
    }

    /// The next row, or `None` after the last.
    ///
    /// # Errors
    /// SQLite's, and the host's. There are no more rows after one.
    #[expect(
        clippy::should_implement_trait,
        reason = "a row borrows from the rows, which an iterator's items cannot; query_map is one"
    )]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        while self.left == 0 {
            let Some(cursor) = self.cursor else {
                return Ok(None);
            };
            self.fetch(cursor)?;
        }
        self.left -= 1;
        let mut decoder = Decoder::at(&self.bytes, self.at);
        let values = decoder.list()?;
        self.cells.clear();
        for _ in 0..values {
            self.cells.push(decoder.position());
            decoder.skip()?;
        }
        self.at = decoder.position();
        Ok(Some(Row {
            columns: &self.columns,
            bytes: &self.bytes,
            cells: &self.cells,
        }))
    }

    /// The names of the columns.
    pub fn column_names(&self) -> &[String] {
        &self.columns.names
    }

    /// What the columns were declared as, where they are columns of tables.
    pub fn column_decltypes(&self) -> &[Option<String>] {
        &self.columns.decltypes
    }

    fn fetch(&mut self, cursor: i64) -> Result<()> {
        // An error closes it.
        self.cursor = None;
        let mut request = self.connection.request("fetch");
        request.field("cursor_id").integer(cursor);
        request.field("fetch").integer(self.fetch.into());
        self.bytes = self.connection.call(request);
        let answer = Answer::parse(&self.bytes)?;
        (self.at, self.left) = needed(answer.rows, "rows")?;
        self.cursor = (!answer.done).then_some(cursor);
        Ok(())
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor {
            self.connection.end("close_rows", "cursor_id", cursor);
        }
    }
}

/// A row.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    pub(crate) columns: &'r Columns,
    bytes: &'r [u8],
    cells: &'r [usize],
}

impl<'r> Row<'r> {
    /// A column's value, by name or by number from 0, as a `T`: a number, a text, a blob, `bool`,
    /// [`SystemTime`](std::time::SystemTime), [`Value`](crate::Value), or an `Option` of these.
    ///
    /// # Errors
    /// [`Error::NoColumn`], and [`Error::Type`] if the value is none of `T`.
    pub fn get<T: FromSql>(&self, column: impl Column) -> Result<T> {
        let at = self.find(column)?;
        let value = self.value(at)?;
        T::from_sql(value).map_err(|expected| self.unfit(at, expected, value))
    }

    /// A column's value, where it lies.
    ///
    /// # Errors
    /// [`Error::NoColumn`].
    pub fn get_ref(&self, column: impl Column) -> Result<ValueRef<'r>> {
        self.value(self.find(column)?)
    }

    /// The row as a `T`: a struct with the columns as fields, a tuple of all columns, or the value
    /// of the only one.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it does not fit.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(deserialize::RowDeserializer::new(*self))
    }

    /// The names of the columns.
    pub fn column_names(&self) -> &'r [String] {
        &self.columns.names
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn value(&self, at: usize) -> Result<ValueRef<'r>> {
        let cell = self
            .cells
            .get(at)
            .ok_or_else(|| Error::NoColumn(at.to_string()))?;
        Decoder::at(self.bytes, *cell).value()
    }

    fn find(&self, column: impl Column) -> Result<usize> {
        column
            .find(&self.columns.names)
            .filter(|at| *at < self.cells.len())
            .ok_or_else(|| Error::NoColumn(column.to_string()))
    }

    fn unfit(&self, at: usize, expected: &'static str, found: ValueRef<'_>) -> Error {
        let column = self
            .columns
            .names
            .get(at)
            .cloned()
            .unwrap_or_else(|| at.to_string());
        Error::Type {
            column,
            expected,
            found: found.type_name(),
        }
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = (0..self.len()).map(|at| (self.columns.names.get(at), self.value(at)));
        f.debug_map().entries(values).finish()
    }
}

/// What a column is given by: its name, or its number from 0.
pub trait Column: fmt::Display {
    /// The number of the column.
    #[doc(hidden)]
    fn find(&self, names: &[String]) -> Option<usize>;
}

impl Column for usize {
    fn find(&self, _names: &[String]) -> Option<usize> {
        Some(*self)
    }
}

impl Column for &str {
    fn find(&self, names: &[String]) -> Option<usize> {
        let exact = names.iter().position(|name| name == self);
        exact.or_else(|| {
            names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(self))
        })
    }
}

/// An iterator over what a function makes of each row.
#[derive(Debug)]
pub struct Mapped<'c, F> {
    rows: Rows<'c>,
    read: F,
    failed: bool,
}

impl<'c, F> Mapped<'c, F> {
    pub(crate) fn new(rows: Rows<'c>, read: F) -> Self {
        Self {
            rows,
            read,
            failed: false,
        }
    }
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for Mapped<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.rows.next() {
            Ok(row) => row.map(|row| (self.read)(&row)),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

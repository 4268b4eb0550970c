//! Portals: bound statements, and how far their rows have been sent.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use rusqlite::Statement;
use rusqlite::types::Value;

use super::failure::Result;
use super::plans::Planned;
use crate::error::{PgError, Result as PgResult};
use crate::protocol::backend;
use crate::protocol::wire::Wire;
use crate::sql::Column;
use crate::types::{Format, Style};

/// A statement with its parameters; SQL calls those that it declares cursors.
#[derive(Debug)]
pub(super) struct Portal<'s> {
    pub(super) planned: Rc<Planned<'s>>,
    pub(super) parameters: Vec<Value>,
    pub(super) columns: Option<Arc<[Column]>>,
    pub(super) formats: Vec<Format>,
    pub(super) progress: Progress<'s>,
    /// `WITH HOLD`: it outlives its transaction, if that commits.
    pub(super) hold: bool,
    /// Its transaction has committed.
    pub(super) held: bool,
    /// How many savepoints were open when it was made.
    pub(super) depth: usize,
}

/// How far a portal is.
#[derive(Debug)]
pub(super) enum Progress<'s> {
    /// Not begun.
    Fresh,
    /// Some rows are sent. Dropping the statement ends it.
    Open(Statement<'s>),
    /// The rows that are left, out of SQLite's hands.
    Drained(VecDeque<Vec<Value>>),
    /// No row is left, or there never were any.
    Over,
}

impl<'s> Portal<'s> {
    pub(super) fn new(planned: Rc<Planned<'s>>, columns: Option<Arc<[Column]>>) -> Self {
        let count = columns.as_ref().map_or(0, |columns| columns.len());
        Self {
            planned,
            parameters: Vec::new(),
            columns,
            formats: vec![Format::Text; count],
            progress: Progress::Fresh,
            hold: false,
            held: false,
            depth: 0,
        }
    }

    /// Takes its rows into memory, so that its statement holds no snapshot any more.
    pub(super) fn drain(&mut self) -> PgResult<()> {
        let Progress::Open(statement) = &mut self.progress else {
            return Ok(());
        };
        let count = statement.column_count();
        let mut left = VecDeque::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows
            .next()
            .map_err(|error| crate::error::of_sqlite(&error))?
        {
            let values: rusqlite::Result<Vec<Value>> =
                (0..count).map(|column| row.get(column)).collect();
            left.push_back(values.map_err(|error| crate::error::of_sqlite(&error))?);
        }
        drop(rows);
        self.progress = Progress::Drained(left);
        Ok(())
    }
}

/// What to do with rows.
pub(super) struct Sink<'a> {
    pub(super) columns: &'a [Column],
    pub(super) formats: &'a [Format],
    pub(super) style: &'a Style,
    /// At most so many; none: all.
    pub(super) limit: Option<u64>,
    /// They are counted, and not sent: `MOVE`, or a statement whose rows nobody asked for.
    pub(super) silent: bool,
}

/// Rows went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) rows: u64,
    /// There is none left.
    pub(super) over: bool,
}

/// Sends rows of a statement, as far as the limit. The statement stays where it is, to be gone on with.
pub(super) fn send(
    wire: &mut Wire,
    statement: &mut Statement<'_>,
    sink: &Sink<'_>,
) -> Result<Sent, SendError> {
    let mut rows = statement.raw_query();
    let mut sent = 0;
    loop {
        if sink.limit == Some(sent) {
            // Dropping it would reset the statement.
            std::mem::forget(rows);
            return Ok(Sent {
                rows: sent,
                over: false,
            });
        }
        let Some(row) = rows.next().map_err(SendError::Sqlite)? else {
            return Ok(Sent {
                rows: sent,
                over: true,
            });
        };
        if !sink.silent {
            // A row without columns is one of NULL in SQLite.
            if sent == 0 && row.as_ref().column_count() != sink.columns.len().max(1) {
                return Err(SendError::Client(changed_result()));
            }
            let values = sink.columns.iter().zip(sink.formats).enumerate();
            let values = values.map(|(index, (column, format))| {
                let value = row
                    .get_ref(index)
                    .unwrap_or(rusqlite::types::ValueRef::Null);
                (column.ty, *format, value)
            });
            backend::data_row(&mut wire.out, values, sink.style).map_err(SendError::Client)?;
            wire.flush_if_full().map_err(|_| SendError::Gone)?;
        }
        sent += 1;
    }
}

/// Sends rows that were taken into memory.
pub(super) fn send_drained(
    out: &mut BytesMut,
    rows: &mut VecDeque<Vec<Value>>,
    sink: &Sink<'_>,
) -> PgResult<Sent> {
    let mut sent = 0;
    while sink.limit != Some(sent) {
        let Some(row) = rows.pop_front() else { break };
        sent += 1;
        if !sink.silent {
            let values = sink.columns.iter().zip(sink.formats).zip(&row);
            let values = values.map(|((column, format), value)| (column.ty, *format, value.into()));
            backend::data_row(out, values, sink.style)?;
        }
    }
    Ok(Sent {
        rows: sent,
        over: rows.is_empty() && sink.limit != Some(sent),
    })
}

/// Why rows did not go out.
#[derive(Debug)]
pub(super) enum SendError {
    /// SQLite's reason.
    Sqlite(rusqlite::Error),
    /// A value that cannot be written.
    Client(PgError),
    /// Nobody is there.
    Gone,
}

/// The table is another than it was when the client was told of the columns.
pub(super) fn changed_result() -> PgError {
    PgError::new("0A000", "cached plan must not change result type")
}

//! Portals: bound statements, and how far their rows have been sent.

use std::rc::Rc;
use std::sync::Arc;

use rusqlite::Statement;
use rusqlite::types::Value;

use super::plans::Planned;
use super::stored::Stored;
use crate::error::PgError;
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
    /// By `DECLARE`.
    pub(super) declared: bool,
    /// `SCROLL`: it goes back as well, so its rows are stored when it begins.
    pub(super) scroll: bool,
    /// Rows so far.
    pub(super) passed: i64,
    /// It has been found that none is left.
    pub(super) ended: bool,
}

/// How far a portal is.
#[derive(Debug)]
pub(super) enum Progress<'s> {
    /// Not begun.
    Fresh,
    /// Some rows are sent. Dropping the statement ends it.
    Open(Statement<'s>),
    /// The rows that are left, or all of them, out of SQLite's hands.
    Stored(Stored),
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
            declared: false,
            scroll: false,
            passed: 0,
            ended: false,
        }
    }

    /// Its rows are settled, though it has not read them yet: those of a cursor from its declaration on.
    pub(super) fn sees_nothing_new(&self) -> bool {
        match self.progress {
            Progress::Fresh => self.declared && self.columns.is_some(),
            Progress::Open(_) => true,
            Progress::Stored(_) | Progress::Over => false,
        }
    }

    /// Takes the rows that are left out of SQLite's hands, if it has begun: its statement holds no snapshot then.
    pub(super) fn store(&mut self) -> Result<(), SendError> {
        if let Progress::Open(statement) = &mut self.progress {
            let stored = Stored::take(statement)?;
            self.progress = Progress::Stored(stored);
        }
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
            if sent == 0 && row.as_ref().column_count() != sink.columns.len() {
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

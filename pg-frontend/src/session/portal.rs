//! Portals: bound statements, and how far their rows have been sent.

use std::rc::Rc;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Rows, Statement};

use super::Session;
use super::failure::{Failure, Result};
use super::plans::Planned;
use super::stored::Stored;
use crate::error::PgError;
use crate::protocol::backend;
use crate::protocol::wire::Wire;
use crate::sql::{Action, Column, Direction};
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

impl<'s> Session<'s> {
    /// Sends rows of a portal; begins it where it has not begun.
    pub(super) fn rows(
        &mut self,
        portal: &mut Portal<'s>,
        limit: Option<u64>,
    ) -> Result<Sent, SendError> {
        let limited = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        self.go(portal, Direction::Forward(limited))
    }

    /// Sends the rows on a portal's way. Only one whose rows are stored goes back.
    pub(super) fn go(
        &mut self,
        portal: &mut Portal<'s>,
        direction: Direction,
    ) -> Result<Sent, SendError> {
        let planned = Rc::clone(&portal.planned);
        if matches!(portal.progress, Progress::Fresh) {
            self.begin_portal(portal)?;
        }
        if portal.scroll {
            portal.store()?;
        }
        let sink = Sink {
            columns: portal.columns.as_deref().unwrap_or_default(),
            formats: &portal.formats,
            style: &self.style,
            limit: match direction {
                Direction::Forward(limit) => limit.and_then(|limit| u64::try_from(limit).ok()),
                _ => None,
            },
            silent: portal.columns.is_none(),
        };
        let sent = match std::mem::replace(&mut portal.progress, Progress::Over) {
            Progress::Fresh | Progress::Over => Sent {
                rows: 0,
                over: true,
            },
            Progress::Stored(mut rows) => {
                let sent = rows.go(direction, self.wire, &sink)?;
                portal.progress = Progress::Stored(rows);
                sent
            }
            Progress::Open(mut statement) => {
                let outcome = send(self.wire, &mut statement, &sink);
                if outcome.is_err() && !planned.plan.read_only {
                    self.undo(&mut statement);
                }
                let sent = outcome?;
                if sent.over {
                    planned.give_back(statement);
                } else {
                    portal.progress = Progress::Open(statement);
                }
                sent
            }
        };
        portal.passed = portal.passed.saturating_add_unsigned(sent.rows);
        portal.ended = sent.over;
        Ok(sent)
    }

    /// Undoes a change that is a transaction of its own and whose rows did not go out: to reset its statement
    /// would commit it. Within a block, the block's end undoes it.
    fn undo(&self, statement: &mut Statement<'_>) {
        if self.connection.is_autocommit() {
            self.connection.get_interrupt_handle().interrupt();
            let _ = statement.raw_query().next();
        }
    }

    fn begin_portal(&self, portal: &mut Portal<'s>) -> Result<(), SendError> {
        let planned = Rc::clone(&portal.planned);
        let Action::Run(sql) = &planned.plan.action else {
            let error = PgError::new("55000", "portal cannot be run");
            return Err(SendError::Client(error));
        };
        let mut statement = planned
            .take(self.connection, sql)
            .map_err(SendError::Sqlite)?;
        bind(&mut statement, &portal.parameters).map_err(SendError::Sqlite)?;
        portal.progress = Progress::Open(statement);
        Ok(())
    }

    /// Takes the rows of what is declared and of what has begun out of SQLite's hands, before something is
    /// written: a cursor sees what was there when it was declared, and a statement that is open would stand in
    /// the way of the newest snapshot. `all`: not only those whose transaction is over.
    pub(super) fn store_portals(&mut self, all: bool) -> Result<()> {
        let names: Vec<Box<str>> = self
            .portals
            .iter()
            .filter(|(_, portal)| portal.held || all && portal.sees_nothing_new())
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            let Some(mut portal) = self.portals.remove(&name) else {
                continue;
            };
            let stored = match portal.progress {
                Progress::Fresh => self.begin_portal(&mut portal),
                _ => Ok(()),
            };
            if let Err(error) = stored.and_then(|()| portal.store()) {
                return Err(self.unsent(error));
            }
            self.portals.insert(name, portal);
        }
        Ok(())
    }

    /// Why rows did not go out.
    pub(super) fn unsent(&mut self, error: SendError) -> Failure {
        match error {
            SendError::Sqlite(error) => self.explain(&error).into(),
            SendError::Client(error) => error.into(),
            SendError::Gone => Failure::Gone,
        }
    }
}

/// Binds parameters; the statement may use fewer than the client gave types for.
pub(super) fn bind(
    statement: &mut rusqlite::Statement<'_>,
    parameters: &[Value],
) -> rusqlite::Result<()> {
    let used = statement.parameter_count();
    for (index, value) in parameters.iter().take(used).enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
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

/// Sends rows of a statement, as far as the limit. The statement stays where it is, to be gone on with, unless
/// SQLite has ended it.
pub(super) fn send(
    wire: &mut Wire,
    statement: &mut Statement<'_>,
    sink: &Sink<'_>,
) -> Result<Sent, SendError> {
    let mut rows = statement.raw_query();
    let outcome = send_rows(wire, &mut rows, sink);
    let ended = matches!(
        outcome,
        Ok(Sent { over: true, .. }) | Err(SendError::Sqlite(_))
    );
    if !ended {
        // Dropping it would reset the statement.
        std::mem::forget(rows);
    }
    outcome
}

fn send_rows(wire: &mut Wire, rows: &mut Rows<'_>, sink: &Sink<'_>) -> Result<Sent, SendError> {
    let mut sent = 0;
    loop {
        if sink.limit == Some(sent) {
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

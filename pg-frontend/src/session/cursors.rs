//! Prepared statements and cursors of SQL: `PREPARE`, `EXECUTE`, `DECLARE`, `FETCH`, `CLOSE`. They share
//! their names with those of the extended protocol.

use std::sync::Arc;

use rusqlite::types::Value;

use super::failure::Result;
use super::portal::{Portal, SendError};
use super::transaction::Block;
use super::{Session, scroll};
use crate::error::PgError;
use crate::protocol::backend;
use crate::sql::{Action, Direction, Parsed};
use crate::types::{Format, Oid};

impl<'s> Session<'s> {
    /// `PREPARE`; `whole` is the text of it all.
    pub(super) fn prepare_of_sql(
        &mut self,
        name: &str,
        types: &[Oid],
        text: &Arc<str>,
        whole: &Arc<str>,
    ) -> Result<()> {
        self.may_prepare(name)?;
        let parsed = Parsed {
            text: Arc::clone(text),
            offset: 0,
        };
        self.prepare(name, parsed, types.to_vec(), Some(whole))
    }

    /// `EXECUTE`
    pub(super) fn execute_prepared(
        &mut self,
        name: &str,
        arguments: &[String],
        limit: Option<u64>,
        alone: bool,
        describe: bool,
    ) -> Result<()> {
        let planned = self.current(name)?;
        let wanted = planned.plan.parameters.len();
        if arguments.len() != wanted {
            let text = format!("wrong number of parameters for prepared statement \"{name}\"");
            let detail = format!("Expected {wanted} parameters but got {}.", arguments.len());
            return Err(PgError::new("42601", text).detail(detail).into());
        }
        if matches!(planned.plan.action, Action::Execute { .. }) {
            return Err(PgError::new("42601", "EXECUTE cannot execute EXECUTE").into());
        }
        let parameters = self.evaluate(arguments)?;
        let columns = self.columns(&planned)?;
        let mut portal = Portal::new(planned, columns);
        portal.parameters = parameters;
        self.execute(&mut portal, limit, alone, describe)
    }

    fn evaluate(&self, expressions: &[String]) -> Result<Vec<Value>> {
        if expressions.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {}", expressions.join(", "));
        let values = self.connection.query_row(&sql, [], |row| {
            (0..expressions.len())
                .map(|index| row.get(index))
                .collect::<rusqlite::Result<_>>()
        })?;
        Ok(values)
    }

    /// A cursor of a query, which has not begun.
    pub(super) fn cursor(&mut self, text: &Arc<str>, given: &[Oid]) -> Result<Portal<'s>> {
        let parsed = Parsed {
            text: Arc::clone(text),
            offset: 0,
        };
        let planned = self.plan(&parsed, given)?;
        let columns = self.columns(&planned)?;
        let mut cursor = Portal::new(planned, columns);
        cursor.declared = true;
        Ok(cursor)
    }

    /// `DECLARE`
    pub(super) fn declare(&mut self, name: &str, mut cursor: Portal<'s>) -> Result<()> {
        if !cursor.hold && self.transaction.block == Block::None {
            let text = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(PgError::new("25P01", text).into());
        }
        self.may_open(name)?;
        // Outside of a block it is its own transaction, which ends here.
        cursor.held = cursor.hold && self.transaction.block == Block::None;
        cursor.depth = self.transaction.savepoints.len();
        self.portals.insert(name.into(), cursor);
        Ok(())
    }

    /// `FETCH` and `MOVE`
    pub(super) fn fetch(
        &mut self,
        name: &str,
        direction: Direction,
        discard: bool,
        request: &Portal<'s>,
        describe: bool,
    ) -> Result<()> {
        let cursor = self
            .portals
            .get(name)
            .ok_or_else(|| PgError::new("34000", format!("cursor \"{name}\" does not exist")))?;
        let planned = std::rc::Rc::clone(&cursor.planned);
        let (skip, direction) = if cursor.scroll {
            (0, direction)
        } else {
            let (skip, take) = scroll::forward(direction, cursor.passed, cursor.ended)?;
            let take = take.map(|take| i64::try_from(take).unwrap_or(i64::MAX));
            (skip, Direction::Forward(take))
        };
        self.admit(&planned, self.transaction.block == Block::None)?;
        let Some(mut cursor) = self.portals.remove(name) else {
            return Ok(());
        };
        let columns = cursor.columns.clone();
        let own_formats = cursor.formats.clone();
        // A cursor that is fetched from in the extended protocol has the formats of that portal.
        if !describe
            && request.formats.len() == own_formats.len()
            && own_formats.iter().all(|format| *format == Format::Text)
        {
            cursor.formats.clone_from(&request.formats);
        }
        if describe
            && !discard
            && let Some(columns) = &columns
        {
            backend::row_description(&mut self.wire.out, columns, &cursor.formats);
        }
        let outcome = self.skip(&mut cursor, skip).and_then(|()| {
            if discard {
                cursor.columns = None;
            }
            self.go(&mut cursor, direction)
        });
        let rows = match outcome {
            Ok(sent) => sent.rows,
            Err(error) => return Err(self.unsent(error)),
        };
        cursor.columns = columns;
        cursor.formats = own_formats;
        self.portals.insert(name.into(), cursor);
        let word = if discard { "MOVE" } else { "FETCH" };
        backend::complete(&mut self.wire.out, &format!("{word} {rows}"));
        Ok(())
    }

    /// Passes over rows that nobody wants to see.
    fn skip(&mut self, cursor: &mut Portal<'s>, rows: u64) -> Result<(), SendError> {
        if rows > 0 {
            let columns = cursor.columns.take();
            self.rows(cursor, Some(rows))?;
            cursor.columns = columns;
        }
        Ok(())
    }

    /// `CLOSE`
    pub(super) fn close_cursor(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.portals.clear(),
            Some(name) => {
                self.portals.remove(name).ok_or_else(|| {
                    PgError::new("34000", format!("cursor \"{name}\" does not exist"))
                })?;
            }
        }
        Ok(())
    }
}

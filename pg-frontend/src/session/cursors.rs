//! Prepared statements and cursors of SQL: `PREPARE`, `EXECUTE`, `DECLARE`, `FETCH`, `CLOSE`. They share
//! their names with those of the extended protocol.

use std::sync::Arc;

use rusqlite::types::Value;

use super::Session;
use super::extended::{Prepared, no_statement};
use super::failure::{Failure, Result};
use super::portal::{Portal, SendError};
use super::transaction::Block;
use crate::error::PgError;
use crate::protocol::backend;
use crate::sql::{Action, Parsed};
use crate::types::{Format, Oid};

impl<'s> Session<'s> {
    /// `PREPARE`
    pub(super) fn prepare_statement(
        &mut self,
        name: &str,
        types: &[Oid],
        text: &Arc<str>,
    ) -> Result<()> {
        if self.prepared.contains_key(name) {
            let text = format!("prepared statement \"{name}\" already exists");
            return Err(PgError::new("42P05", text).into());
        }
        let parsed = Parsed {
            text: Arc::clone(text),
            offset: 0,
        };
        let planned = self.plan(&parsed, types)?;
        let columns = self.columns(&planned)?;
        let prepared = Prepared::new(parsed, types.to_vec(), planned, columns);
        self.prepared.insert(name.into(), prepared);
        Ok(())
    }

    /// `DEALLOCATE`
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.prepared.clear(),
            Some(name) => {
                self.prepared
                    .remove(name)
                    .ok_or_else(|| no_statement(name))?;
            }
        }
        Ok(())
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

    /// `DECLARE`
    pub(super) fn declare(
        &mut self,
        name: &str,
        hold: bool,
        binary: bool,
        text: &Arc<str>,
        given: &[Oid],
        parameters: &[Value],
    ) -> Result<()> {
        if !hold && self.transaction.block == Block::None {
            let text = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(PgError::new("25P01", text).into());
        }
        if self.portals.contains_key(name) {
            return Err(PgError::new("42P03", format!("cursor \"{name}\" already exists")).into());
        }
        let parsed = Parsed {
            text: Arc::clone(text),
            offset: 0,
        };
        let planned = self.plan(&parsed, given)?;
        let columns = self.columns(&planned)?;
        let mut portal = Portal::new(planned, columns);
        portal.parameters = parameters.to_vec();
        portal.hold = hold;
        // Outside of a block it is its own transaction, which ends here.
        portal.held = hold && self.transaction.block == Block::None;
        portal.depth = self.transaction.savepoints.len();
        if binary {
            portal.formats.fill(Format::Binary);
        }
        self.portals.insert(name.into(), portal);
        Ok(())
    }

    /// `FETCH` and `MOVE`
    pub(super) fn fetch(
        &mut self,
        name: &str,
        count: Option<i64>,
        discard: bool,
        request: &Portal<'s>,
        describe: bool,
    ) -> Result<()> {
        let limit = match count.map(u64::try_from) {
            None => None,
            Some(Ok(count)) => Some(count),
            Some(Err(_)) => {
                return Err(PgError::new("55000", "cursor can only scan forward")
                    .hint(
                        "Read what you need once more with a new cursor, or with ORDER BY … DESC.",
                    )
                    .into());
            }
        };
        let mut portal = self
            .portals
            .remove(name)
            .ok_or_else(|| PgError::new("34000", format!("cursor \"{name}\" does not exist")))?;
        let planned = std::rc::Rc::clone(&portal.planned);
        self.admit(&planned, self.transaction.block == Block::None)?;
        // A cursor that is fetched from in the extended protocol has the formats of that portal.
        let own_formats = portal.formats.clone();
        if !describe
            && request.formats.len() == own_formats.len()
            && own_formats.iter().all(|format| *format == Format::Text)
        {
            portal.formats.clone_from(&request.formats);
        }
        if describe
            && !discard
            && let Some(columns) = &portal.columns
        {
            backend::row_description(&mut self.wire.out, columns, &portal.formats);
        }
        let columns = portal.columns.clone();
        if discard {
            portal.columns = None;
        }
        let outcome = self.rows(&mut portal, limit);
        portal.columns = columns;
        portal.formats = own_formats;
        let rows = match outcome {
            Ok(sent) => sent.rows,
            Err(SendError::Sqlite(error)) => return Err(self.explain(&error).into()),
            Err(SendError::Client(error)) => return Err(error.into()),
            Err(SendError::Gone) => return Err(Failure::Gone),
        };
        self.portals.insert(name.into(), portal);
        let word = if discard { "MOVE" } else { "FETCH" };
        backend::complete(&mut self.wire.out, &format!("{word} {rows}"));
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

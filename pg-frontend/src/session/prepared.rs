//! Prepared statements, of the protocol's `Parse` and of SQL's `PREPARE` alike.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Session;
use super::failure::Result;
use super::plans::Planned;
use super::state::Listed;
use crate::error::PgError;
use crate::server::clock;
use crate::sql::{Column, Parsed};
use crate::types::Oid;

/// A client that has more has lost count of them: each takes memory.
const MOST: usize = 100_000;

/// A prepared statement.
#[derive(Debug)]
pub(super) struct Prepared<'s> {
    pub(super) parsed: Parsed,
    pub(super) given: Vec<Oid>,
    pub(super) planned: Rc<Planned<'s>>,
    pub(super) columns: Option<Arc<[Column]>>,
}

impl Prepared<'_> {
    pub(super) fn text(&self) -> &str {
        &self.parsed.text
    }
}

/// By name; the unnamed one's is empty.
#[derive(Debug, Default)]
pub(super) struct Statements<'s>(HashMap<Box<str>, Prepared<'s>>);

impl<'s> Statements<'s> {
    pub(super) fn get(&self, name: &str) -> Result<&Prepared<'s>> {
        self.0.get(name).ok_or_else(|| no_statement(name).into())
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Result<&mut Prepared<'s>> {
        self.0
            .get_mut(name)
            .ok_or_else(|| no_statement(name).into())
    }
}

impl<'s> Session<'s> {
    /// A name is free for a new statement. The unnamed one is replaced.
    ///
    /// # Errors
    /// 42P05: it is taken. 54000: there are too many.
    pub(super) fn may_prepare(&self, name: &str) -> Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        if self.prepared.0.contains_key(name) {
            let text = format!("prepared statement \"{name}\" already exists");
            return Err(PgError::new("42P05", text).into());
        }
        if self.prepared.0.len() >= MOST {
            let text = format!("a session may have {MOST} prepared statements");
            let hint = "Close or DEALLOCATE those that are not needed any more.";
            return Err(PgError::new("54000", text).hint(hint).into());
        }
        Ok(())
    }

    /// Prepares a statement under a name that is free. `from_sql`: the text of the PREPARE it comes from.
    pub(super) fn prepare(
        &mut self,
        name: &str,
        parsed: Parsed,
        given: Vec<Oid>,
        from_sql: Option<&Arc<str>>,
    ) -> Result<()> {
        let planned = self.plan(&parsed, &given)?;
        let columns = self.columns(&planned)?;
        if !name.is_empty() {
            let mut state = self.state.borrow_mut();
            let listed = Listed {
                text: Arc::clone(from_sql.unwrap_or(&parsed.text)),
                time: clock::wall_microseconds(),
                types: planned.plan.parameters.iter().map(|ty| ty.oid).collect(),
                from_sql: from_sql.is_some(),
            };
            state.listed.insert(name.into(), listed);
        }
        let prepared = Prepared {
            parsed,
            given,
            planned,
            columns,
        };
        self.prepared.0.insert(name.into(), prepared);
        Ok(())
    }

    /// Forgets a statement; false: there is none.
    pub(super) fn unprepare(&mut self, name: &str) -> bool {
        if !name.is_empty() {
            self.state.borrow_mut().listed.remove(name);
        }
        self.prepared.0.remove(name).is_some()
    }

    /// `DEALLOCATE`
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => {
                self.prepared.0.clear();
                self.state.borrow_mut().listed.clear();
                Ok(())
            }
            Some(name) if self.unprepare(name) => Ok(()),
            Some(name) => Err(no_statement(name).into()),
        }
    }
}

fn no_statement(name: &str) -> PgError {
    let which = match name {
        "" => "unnamed prepared statement does not exist".to_owned(),
        name => format!("prepared statement \"{name}\" does not exist"),
    };
    PgError::new("26000", which)
}

//! The extended protocol: `Parse`, `Bind`, `Describe`, `Execute`, `Close`, up to `Sync`.
//!
//! What lies between two `Sync`s is one transaction, unless `BEGIN` opened another. A batch of a single
//! statement is left to SQLite's autocommit: it is one if its `Sync` is here already when it begins.

use std::rc::Rc;
use std::sync::Arc;

use rusqlite::types::Value;

use super::Session;
use super::failure::Result;
use super::plans::Planned;
use super::portal::{Portal, changed_result};
use super::transaction::{Block, failed};
use crate::error::PgError;
use crate::protocol::backend;
use crate::protocol::frontend::{Bind, Message, Target, formats};
use crate::sql::{Action, Parsed};
use crate::types::{self, Format, Oid};

/// More portals at a time are a mistake or an attack: each may hold a statement of SQLite's.
const MOST: usize = 1000;

impl<'s> Session<'s> {
    /// One message of the extended protocol, but `Sync`.
    pub(super) fn extended(&mut self, message: &Message<'_>) -> Result<()> {
        match message {
            Message::Parse { name, query, types } => self.parse_message(name, query, types),
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(Target::Statement, name) => self.describe_statement(name),
            Message::Describe(Target::Portal, name) => self.describe_portal(name),
            Message::Execute { portal, max_rows } => self.execute_message(portal, *max_rows),
            Message::Close(target, name) => {
                match target {
                    Target::Statement => self.unprepare(name),
                    Target::Portal => self.portals.remove(*name).is_some(),
                };
                backend::bare(&mut self.wire.out, b'3');
                Ok(())
            }
            Message::Flush => Ok(self.wire.flush()?),
            _ => Ok(()),
        }
    }

    /// `Sync`: the batch ends, and with it its transaction.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.skipping = false;
        if self.transaction.block == Block::Implicit
            && let Err(failure) = self.commit()
        {
            self.refuse(failure)?;
        }
        if self.transaction.block == Block::None {
            self.portals.retain(|_, portal| portal.held);
        }
        self.ready()
    }

    fn parse_message(&mut self, name: &str, query: &str, given: &[Oid]) -> Result<()> {
        self.may_prepare(name)?;
        let statements = self.parse(query)?;
        let parsed = match &statements[..] {
            [] => Parsed {
                text: Arc::from(""),
                offset: 0,
            },
            [one] => one.clone(),
            _ => {
                let text = "cannot insert multiple commands into a prepared statement";
                return Err(PgError::new("42601", text).into());
            }
        };
        self.not_failed(&parsed.text)?;
        self.prepare(name, parsed, given.to_vec(), None)?;
        backend::bare(&mut self.wire.out, b'1');
        Ok(())
    }

    /// In a failed transaction only what ends it is looked at.
    fn not_failed(&self, text: &str) -> Result<()> {
        if self.transaction.block == Block::Failed && !text.is_empty() && !ends_transaction(text) {
            return Err(failed().into());
        }
        Ok(())
    }

    /// A prepared statement's plan as it holds now.
    pub(super) fn current(&mut self, name: &str) -> Result<Rc<Planned<'s>>> {
        let prepared = self.prepared.get(name)?;
        if self.holds(&prepared.planned) {
            return Ok(Rc::clone(&prepared.planned));
        }
        let (parsed, given) = (prepared.parsed.clone(), prepared.given.clone());
        self.not_failed(&parsed.text)?;
        let planned = self.plan(&parsed, &given)?;
        let columns = self.columns(&planned)?;
        let prepared = self.prepared.get_mut(name)?;
        if prepared.columns != columns {
            return Err(changed_result().into());
        }
        prepared.planned = Rc::clone(&planned);
        Ok(planned)
    }

    fn bind(&mut self, bind: &Bind<'_>) -> Result<()> {
        let planned = self.current(bind.statement)?;
        let prepared = self.prepared.get(bind.statement)?;
        self.not_failed(prepared.text())?;
        let columns = prepared.columns.clone();
        let wanted = planned.plan.parameters.len();
        let given = bind.parameters.len();
        let given_formats = formats(&bind.formats, given, "parameter")?;
        if given != wanted {
            let text = format!(
                "bind message supplies {given} parameters, but prepared statement \"{}\" requires {wanted}",
                bind.statement
            );
            return Err(PgError::new("08P01", text).into());
        }
        self.may_open(bind.portal)?;
        let mut portal = Portal::new(planned, columns);
        portal.parameters = self.decode(&portal.planned, bind, &given_formats)?;
        let count = portal.columns.as_ref().map_or(0, |columns| columns.len());
        portal.formats = if portal.columns.is_some() {
            formats(&bind.results, count, "result")?
        } else {
            Vec::new()
        };
        portal.depth = self.transaction.savepoints.len();
        self.portals.insert(bind.portal.into(), portal);
        backend::bare(&mut self.wire.out, b'2');
        Ok(())
    }

    /// A name is free for a new portal or cursor. The unnamed one is replaced.
    ///
    /// # Errors
    /// 42P03: it is taken. 54000: there are too many.
    pub(super) fn may_open(&self, name: &str) -> Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        if self.portals.contains_key(name) {
            let text = format!("cursor \"{name}\" already exists");
            return Err(PgError::new("42P03", text).into());
        }
        if self.portals.len() >= MOST {
            let text = format!("a session may have {MOST} portals and cursors at a time");
            let hint = "Close those that are not needed any more.";
            return Err(PgError::new("54000", text).hint(hint).into());
        }
        Ok(())
    }

    fn decode(
        &self,
        planned: &Planned<'_>,
        bind: &Bind<'_>,
        formats: &[Format],
    ) -> Result<Vec<Value>> {
        let parameters = planned
            .plan
            .parameters
            .iter()
            .zip(&bind.parameters)
            .zip(formats);
        let mut values = Vec::with_capacity(bind.parameters.len());
        for (number, ((ty, bytes), format)) in (1..).zip(parameters) {
            values.push(match bytes {
                None => Value::Null,
                Some(bytes) => {
                    types::decode(*ty, *format, bytes, &self.style).map_err(|mut error| {
                        let whose = match bind.portal {
                            "" => "unnamed portal".to_owned(),
                            name => format!("portal \"{name}\""),
                        };
                        error.context = Some(format!("{whose} parameter ${number}"));
                        error
                    })?
                }
            });
        }
        Ok(values)
    }

    fn describe_statement(&mut self, name: &str) -> Result<()> {
        self.current(name)?;
        let prepared = self.prepared.get(name)?;
        if self.transaction.block == Block::Failed && prepared.columns.is_some() {
            return Err(failed().into());
        }
        let out = &mut self.wire.out;
        backend::parameters(out, &prepared.planned.plan.parameters);
        match &prepared.columns {
            Some(columns) => backend::row_description(out, columns, &[]),
            None => backend::bare(out, b'n'),
        }
        Ok(())
    }

    fn describe_portal(&mut self, name: &str) -> Result<()> {
        let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
        if self.transaction.block == Block::Failed && portal.columns.is_some() {
            return Err(failed().into());
        }
        let out = &mut self.wire.out;
        match &portal.columns {
            Some(columns) => backend::row_description(out, columns, &portal.formats),
            None => backend::bare(out, b'n'),
        }
        Ok(())
    }

    fn execute_message(&mut self, name: &str, max_rows: u32) -> Result<()> {
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        if self.transaction.block == Block::Failed
            && !matches!(
                &portal.planned.plan.action,
                Action::Transaction(_) | Action::Empty
            )
        {
            return Err(failed().into());
        }
        let limit = (max_rows > 0).then(|| u64::from(max_rows));
        let alone = self.wire.sync_follows();
        self.execute(&mut portal, limit, alone, false)?;
        if !self.portals.contains_key(name) {
            self.portals.insert(name.into(), portal);
        }
        Ok(())
    }
}

/// The statement ends a transaction: nothing else is looked at in a failed one.
pub(super) fn ends_transaction(text: &str) -> bool {
    let word = first_word(text);
    ["commit", "end", "rollback", "abort"]
        .iter()
        .any(|end| word.eq_ignore_ascii_case(end))
}

/// The first word, behind spaces and comments.
fn first_word(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_comment(comment);
        } else {
            break;
        }
    }
    let end = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    &rest[..end]
}

/// Comments nest.
fn after_comment(text: &str) -> &str {
    let mut depth = 1;
    let mut rest = text;
    while depth > 0 {
        match (rest.find("*/"), rest.find("/*")) {
            (Some(end), begin) if begin.is_none_or(|begin| end < begin) => {
                depth -= 1;
                rest = &rest[end + 2..];
            }
            (_, Some(begin)) => {
                depth += 1;
                rest = &rest[begin + 2..];
            }
            _ => return "",
        }
    }
    rest
}

fn no_portal(name: &str) -> PgError {
    PgError::new("34000", format!("portal \"{name}\" does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_behind_comments() {
        for (text, ends) in [
            ("rollback", true),
            (" /* a /* b */ */ -- c\n COMMIT AND CHAIN", true),
            ("select 1", false),
            ("ending", false),
            ("/* rollback", false),
            ("", false),
        ] {
            assert_eq!(ends_transaction(text), ends, "{text}");
        }
    }
}

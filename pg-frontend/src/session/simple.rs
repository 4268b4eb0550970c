//! Simple queries: a text of statements, each with its result. Together they are one transaction,
//! unless the text says otherwise with `BEGIN` and `COMMIT`.

use super::failure::Result;
use super::portal::Portal;
use super::transaction::{Block, failed};
use super::{Session, extended, literals};
use crate::protocol::backend;
use crate::sql::{Action, Parsed};
use crate::types::Oid;

const INT4: Oid = 23;

impl<'s> Session<'s> {
    /// `Query`, up to `ReadyForQuery`.
    pub(super) fn simple(&mut self, text: &str) -> Result<()> {
        // As in Postgres: a simple query ends the unnamed statement and portal.
        self.unprepare("");
        self.portals.remove("");
        if let Err(failure) = self.statements(text) {
            self.refuse(failure)?;
        }
        self.ready()
    }

    fn statements(&mut self, text: &str) -> Result<()> {
        let statements = crate::sql::parse(text)?;
        if statements.is_empty() {
            backend::bare(&mut self.wire.out, b'I');
        }
        let alone = statements.len() == 1;
        for parsed in statements.iter() {
            self.statement(parsed, alone)?;
        }
        if self.transaction.block == Block::Implicit {
            self.commit()?;
        }
        Ok(())
    }

    fn statement(&mut self, parsed: &Parsed, alone: bool) -> Result<()> {
        if self.transaction.block == Block::Failed && !extended::ends_transaction(&parsed.text) {
            return Err(failed().into());
        }
        if let Some(mut portal) = self.shared(parsed) {
            return self.execute(&mut portal, None, alone, true);
        }
        let planned = self.plan(parsed, &[])?;
        if !planned.plan.parameters.is_empty() {
            let text = "there is no parameter $1";
            return Err(crate::error::PgError::new("42P02", text).into());
        }
        let columns = self.columns(&planned)?;
        let mut portal = Portal::new(planned, columns);
        self.execute(&mut portal, None, alone, true)
    }

    /// A portal of a plan that serves all statements that differ in numbers only; see [`literals`].
    fn shared(&mut self, parsed: &Parsed) -> Option<Portal<'s>> {
        let (text, numbers) = literals::lift(&parsed.text)?;
        let lifted = Parsed {
            text: text.into(),
            offset: parsed.offset,
        };
        let given = vec![INT4; numbers.len()];
        // Whatever is wrong with it is said of the statement as it came.
        let planned = self.plan(&lifted, &given).ok()?;
        let plain = matches!(planned.plan.action, Action::Run(_))
            && planned.plan.parameters.iter().all(|ty| ty.oid == INT4);
        if !plain || planned.plan.parameters.len() != numbers.len() {
            return None;
        }
        let columns = self.columns(&planned).ok()?;
        let mut portal = Portal::new(planned, columns);
        portal.parameters = numbers;
        Some(portal)
    }
}

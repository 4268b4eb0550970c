//! `BEGIN`, `COMMIT`, `SAVEPOINT` and their kin.

use super::{Block, Isolation, failed};
use crate::error::PgError;
use crate::protocol::backend::Severity;
use crate::server::settings::TransactionMode;
use crate::session::Session;
use crate::session::failure::Result;
use crate::sql::Transaction as Command;
use crate::sql::names::quote;

impl Session<'_> {
    /// Runs a transaction command; returns its tag.
    pub(in crate::session) fn transaction_command(
        &mut self,
        command: &Command,
    ) -> Result<&'static str> {
        match command {
            Command::Begin {
                mode,
                read_only,
                isolation,
            } => self
                .begin(mode.as_deref(), *read_only, isolation.as_deref())
                .map(|()| "BEGIN"),
            Command::Commit { chain } => self.end(true, *chain),
            Command::Rollback { chain } => self.end(false, *chain),
            Command::Savepoint(name) => self.savepoint(name).map(|()| "SAVEPOINT"),
            Command::Release(name) => self.release(name).map(|()| "RELEASE"),
            Command::RollbackTo(name) => self.rollback_to(name).map(|()| "ROLLBACK"),
            Command::Characteristics {
                read_only,
                isolation,
            } => self
                .characteristics(*read_only, isolation.as_deref())
                .map(|()| "SET"),
        }
    }

    fn begin(
        &mut self,
        mode: Option<&str>,
        read_only: Option<bool>,
        isolation: Option<&str>,
    ) -> Result<()> {
        match self.transaction.block {
            Block::Failed => return Err(failed().into()),
            Block::Explicit => {
                self.notice(
                    Severity::Warning,
                    &PgError::new("25001", "there is already a transaction in progress"),
                );
                return Ok(());
            }
            // What the text or the batch has done so far belongs to it.
            Block::Implicit => {}
            Block::None => {
                self.settle_defaults();
                self.start_clock();
                let mode = match mode {
                    Some("IMMEDIATE") => TransactionMode::Immediate,
                    Some("EXCLUSIVE") => TransactionMode::Exclusive,
                    Some(_) => TransactionMode::Deferred,
                    // Who only reads needs no lock.
                    None if read_only == Some(true) => TransactionMode::Deferred,
                    None => self.server.settings.transaction_mode,
                };
                self.open(mode)?;
            }
        }
        self.transaction.block = Block::Explicit;
        tracing::debug!(pid = self.handle.pid, "BEGIN");
        self.characterize(read_only, isolation);
        Ok(())
    }

    fn characterize(&mut self, read_only: Option<bool>, isolation: Option<&str>) {
        if let Some(isolation) = isolation {
            self.transaction.isolation = Isolation::parse(isolation);
        }
        if let Some(read_only) = read_only {
            self.transaction.read_only = read_only;
        }
    }

    fn characteristics(&mut self, read_only: Option<bool>, isolation: Option<&str>) -> Result<()> {
        match self.transaction.block {
            Block::Failed => return Err(failed().into()),
            Block::None => {
                let warning = PgError::new(
                    "25P01",
                    "SET TRANSACTION can only be used in transaction blocks",
                );
                self.notice(Severity::Warning, &warning);
                return Ok(());
            }
            Block::Implicit | Block::Explicit => {}
        }
        if self.transaction.begun
            && isolation.is_some_and(|text| Isolation::parse(text) != self.transaction.isolation)
        {
            let text = "SET TRANSACTION ISOLATION LEVEL must be called before any query";
            return Err(PgError::new("25001", text).into());
        }
        if self.transaction.begun && self.transaction.read_only && read_only == Some(false) {
            let text = "transaction read-write mode must be set before any query";
            return Err(PgError::new("25001", text).into());
        }
        self.characterize(read_only, isolation);
        Ok(())
    }

    fn end(&mut self, commit: bool, chain: bool) -> Result<&'static str> {
        let tag = if commit { "COMMIT" } else { "ROLLBACK" };
        let (isolation, read_only) = (self.transaction.isolation, self.transaction.read_only);
        let block = self.transaction.block;
        if matches!(block, Block::None | Block::Implicit) {
            if chain {
                let text = format!("{tag} AND CHAIN can only be used in transaction blocks");
                return Err(PgError::new("25P01", text).into());
            }
            let warning = PgError::new("25P01", "there is no transaction in progress");
            self.notice(Severity::Warning, &warning);
        }
        let tag = match block {
            Block::None => return Ok(tag),
            Block::Failed => {
                self.roll_back("it had failed");
                "ROLLBACK"
            }
            Block::Implicit | Block::Explicit if commit => {
                self.commit()?;
                tag
            }
            Block::Implicit | Block::Explicit => {
                self.roll_back("the client");
                tag
            }
        };
        if chain {
            self.begin(None, Some(read_only), Some(isolation.name()))?;
        }
        Ok(tag)
    }

    fn in_block(&self, what: &str) -> Result<()> {
        match self.transaction.block {
            Block::Explicit => Ok(()),
            Block::Failed => Err(failed().into()),
            Block::None | Block::Implicit => {
                let text = format!("{what} can only be used in transaction blocks");
                Err(PgError::new("25P01", text).into())
            }
        }
    }

    fn savepoint(&mut self, name: &str) -> Result<()> {
        self.in_block("SAVEPOINT")?;
        self.connection
            .execute(&format!("SAVEPOINT {}", quote(name)), [])?;
        self.transaction.savepoints.push(name.to_owned());
        self.state.borrow_mut().savepoint();
        Ok(())
    }

    /// The index of the innermost savepoint of a name.
    fn find_savepoint(&self, name: &str) -> Result<usize> {
        let found = self
            .transaction
            .savepoints
            .iter()
            .rposition(|other| other == name);
        found.ok_or_else(|| {
            PgError::new("3B001", format!("savepoint \"{name}\" does not exist")).into()
        })
    }

    fn release(&mut self, name: &str) -> Result<()> {
        self.in_block("RELEASE SAVEPOINT")?;
        let index = self.find_savepoint(name)?;
        self.connection
            .execute(&format!("RELEASE {}", quote(name)), [])?;
        self.transaction.savepoints.truncate(index);
        self.state.borrow_mut().release(index);
        Ok(())
    }

    fn rollback_to(&mut self, name: &str) -> Result<()> {
        if self.transaction.block != Block::Failed {
            self.in_block("ROLLBACK TO SAVEPOINT")?;
        }
        let index = self.find_savepoint(name)?;
        self.portals
            .retain(|_, portal| portal.held || portal.depth <= index);
        self.connection
            .execute(&format!("ROLLBACK TO {}", quote(name)), [])?;
        self.transaction.savepoints.truncate(index + 1);
        self.state.borrow_mut().rollback_to(index);
        if self.transaction.schema_changed {
            self.schema_changed();
        }
        self.transaction.block = Block::Explicit;
        Ok(())
    }
}

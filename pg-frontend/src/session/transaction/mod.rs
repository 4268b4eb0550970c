//! Transactions, as Postgres has them, on SQLite's.
//!
//! | block | SQLite | begun by | ended by |
//! | --- | --- | --- | --- |
//! | none | autocommit | | |
//! | implicit | open | the second statement of a text or of a batch up to `Sync` | the text's end, `Sync` |
//! | explicit | open | `BEGIN` | `COMMIT`, `ROLLBACK` |
//! | failed | rolled back, or back to the last savepoint | an error in an explicit one | `ROLLBACK`, `COMMIT` |
//!
//! The right to write ([`Turn`]) is taken before the first write and held to the end. At READ COMMITTED a
//! transaction that has only read takes a new snapshot for each statement, as in Postgres, and so never
//! loses a race when it begins to write. At REPEATABLE READ and SERIALIZABLE it keeps the first one:
//! where somebody has committed since, its first write is 40001.

mod commands;

use std::time::Duration;

use rusqlite::{Connection, Statement, TransactionState};

use super::Session;
use super::execute::tag_word;
use super::failure::Result;
use super::plans::Planned;
use super::variables;
use crate::error::PgError;
use crate::protocol::backend::Status;
use crate::server::clock;
use crate::server::settings::TransactionMode;
use crate::server::writers::{Denied, Turn};
use crate::sql::names::quote;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    None,
    Implicit,
    Explicit,
    Failed,
}

/// Which snapshots a transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    fn parse(text: &str) -> Self {
        match text {
            "read uncommitted" => Self::ReadUncommitted,
            "repeatable read" => Self::RepeatableRead,
            "serializable" => Self::Serializable,
            _ => Self::ReadCommitted,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }

    /// Each statement sees what was committed before it.
    fn is_fresh(self) -> bool {
        matches!(self, Self::ReadUncommitted | Self::ReadCommitted)
    }
}

/// A session's transaction.
#[derive(Debug)]
pub(super) struct Transaction<'s> {
    pub(super) block: Block,
    turn: Option<Turn>,
    isolation: Isolation,
    read_only: bool,
    /// A statement has been run in it: its isolation level is settled.
    begun: bool,
    schema_changed: bool,
    pub(super) savepoints: Vec<String>,
    begin: Statement<'s>,
    begin_immediate: Statement<'s>,
    commit: Statement<'s>,
    rollback: Statement<'s>,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(connection: &'s Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            block: Block::None,
            turn: None,
            isolation: Isolation::ReadCommitted,
            read_only: false,
            begun: false,
            schema_changed: false,
            savepoints: Vec::new(),
            begin: connection.prepare("BEGIN")?,
            begin_immediate: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            rollback: connection.prepare("ROLLBACK")?,
        })
    }

    pub(super) fn status(&self) -> Status {
        match self.block {
            Block::None | Block::Implicit => Status::Idle,
            Block::Explicit => Status::Transaction,
            Block::Failed => Status::Failed,
        }
    }

    /// What `SHOW transaction_isolation` says.
    pub(super) fn isolation_name(&self) -> &'static str {
        self.isolation.name()
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }
}

/// In a failed transaction nothing else is done.
pub(super) fn failed() -> PgError {
    PgError::new(
        "25P02",
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

impl<'s> Session<'s> {
    /// Makes the transaction fit for a statement: opens one, waits for the right to write, takes a new
    /// snapshot. `alone`: the statement may be a transaction of its own.
    pub(super) fn admit(&mut self, planned: &Planned<'s>, alone: bool) -> Result<()> {
        let writes = !planned.plan.read_only;
        match self.transaction.block {
            Block::Failed => return Err(failed().into()),
            Block::None => {
                self.settle_defaults();
                self.start_clock();
                if !alone {
                    self.open(TransactionMode::Deferred)?;
                    self.transaction.block = Block::Implicit;
                }
            }
            Block::Implicit | Block::Explicit => {}
        }
        if writes && self.transaction.read_only {
            return Err(read_only(planned).into());
        }
        if writes {
            self.store_portals(self.transaction.block != Block::None)?;
            if self.transaction.turn.is_none() {
                self.take_turn()?;
                if self.transaction.block != Block::None && self.may_renew() {
                    self.renew(TransactionMode::Immediate)?;
                }
            }
        } else if self.transaction.block != Block::None
            && self.transaction.turn.is_none()
            && self.transaction.savepoints.is_empty()
            && self.may_renew()
        {
            self.renew(TransactionMode::Deferred)?;
        }
        self.transaction.begun = true;
        Ok(())
    }

    fn settle_defaults(&mut self) {
        let state = self.state.borrow();
        let default = |name: &str| state.settings.get(name).map(String::as_str);
        self.transaction.isolation =
            Isolation::parse(default("default_transaction_isolation").unwrap_or_default());
        self.transaction.read_only =
            default("default_transaction_read_only").and_then(variables::parse_bool) == Some(true);
    }

    fn start_clock(&mut self) {
        self.state.borrow_mut().transaction_time = clock::wall_microseconds();
    }

    /// It holds a snapshot that is not the newest, perhaps, and nobody would miss it.
    fn may_renew(&self) -> bool {
        self.transaction.isolation.is_fresh()
            && matches!(
                self.connection.transaction_state(Some(rusqlite::MAIN_DB)),
                Ok(TransactionState::Read)
            )
            && !self.connection.is_busy()
    }

    /// Ends the snapshot, and begins anew with the same savepoints.
    fn renew(&mut self, mode: TransactionMode) -> Result<()> {
        self.transaction.commit.raw_execute()?;
        let begin = match mode {
            TransactionMode::Deferred => &mut self.transaction.begin,
            _ => &mut self.transaction.begin_immediate,
        };
        begin.raw_execute()?;
        for name in &self.transaction.savepoints {
            self.connection
                .execute(&format!("SAVEPOINT {}", quote(name)), [])?;
        }
        Ok(())
    }

    /// Waits in line for the right to write.
    fn take_turn(&mut self) -> Result<()> {
        self.server.databases.admit()?;
        let own = self
            .state
            .borrow()
            .settings
            .get("lock_timeout")
            .and_then(|text| variables::milliseconds(text));
        let own = own
            .filter(|limit| *limit > 0)
            .and_then(|limit| u64::try_from(limit).ok());
        let patience = own.map_or(self.server.settings.lock_wait, Duration::from_millis);
        let handle = self.handle;
        let stop = || handle.interrupted() != crate::server::sessions::Interrupt::None;
        match self.common.write(patience, stop) {
            Ok(turn) => {
                self.counters.reserved.increment(1);
                self.transaction.turn = Some(turn);
                self.settle_patience();
                Ok(())
            }
            Err(Denied::Stopped) => Err(self.interrupted()),
            Err(Denied::Timeout) if own.is_some() => {
                Err(PgError::new("55P03", "canceling statement due to lock timeout").into())
            }
            Err(Denied::Timeout) => {
                tracing::info!(
                    pid = self.handle.pid,
                    "a transaction waited too long for the one that writes"
                );
                Err(PgError::new(
                    "40001",
                    "could not serialize access: another transaction is writing",
                )
                .hint("Try the transaction again; keep transactions that write short.")
                .into())
            }
        }
    }

    /// Gives the right to write on; says whether it had it.
    fn drop_turn(&mut self) -> bool {
        let had = self.transaction.turn.take().is_some();
        if had {
            self.counters.reserved.decrement(1);
            self.settle_patience();
        }
        had
    }

    /// A client that does not read what is sent to it keeps others from writing no longer than a silent one.
    fn settle_patience(&mut self) {
        let all = self.server.settings.send_timeout;
        let silent = self.timeouts.idle_in_transaction;
        let shorter = !silent.is_zero() && (all.is_zero() || silent < all);
        let writes = self.transaction.turn.is_some();
        self.wire
            .be_patient(if writes && shorter { silent } else { all });
    }

    /// Begins SQLite's transaction.
    fn open(&mut self, mode: TransactionMode) -> Result<()> {
        match mode {
            TransactionMode::Deferred => self.transaction.begin.raw_execute()?,
            TransactionMode::Immediate => {
                self.take_turn()?;
                self.transaction.begin_immediate.raw_execute()?
            }
            TransactionMode::Exclusive => {
                self.take_turn()?;
                self.connection.execute("BEGIN EXCLUSIVE", [])?
            }
        };
        Ok(())
    }

    /// A statement that was a transaction of its own has ended.
    pub(super) fn end_alone(&mut self, committed: bool) -> Result<()> {
        let wrote = committed && self.drop_turn();
        self.after_end(committed, "single statement");
        self.make_durable(wrote)
    }

    /// The schema has been changed: plans made before do not hold.
    pub(super) fn schema_changed(&mut self) {
        self.transaction.schema_changed = true;
        self.common
            .schema
            .fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }

    /// What follows the end of any transaction.
    fn after_end(&mut self, committed: bool, why: &str) {
        self.transaction.block = Block::None;
        self.transaction.begun = false;
        self.transaction.savepoints.clear();
        if std::mem::take(&mut self.transaction.schema_changed) {
            // As others see it now, or as it was before.
            self.common
                .schema
                .fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        }
        self.state.borrow_mut().end_transaction(committed);
        if committed {
            self.counters.commits.increment(1);
        } else {
            self.counters.rollbacks.increment(1);
            tracing::debug!(pid = self.handle.pid, why, "ROLLBACK");
        }
    }

    /// Commits. If that fails, the transaction is rolled back.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.portals.retain(|_, portal| portal.hold || portal.held);
        let deadline = clock::monotonic() + self.server.settings.lock_wait;
        if self.recorder.is_active()
            && let Err(error) = self.recorder.before_commit(self.connection)
        {
            let told = self.explain(&error);
            self.roll_back("its changes cannot be captured");
            return Err(told.into());
        }
        let outcome = loop {
            match self.transaction.commit.raw_execute() {
                // SQLite leaves the transaction open: readers of a rollback journal are in the way.
                Err(error)
                    if crate::error::is_lost_race(&error)
                        && !self.connection.is_autocommit()
                        && clock::monotonic() < deadline
                        && !self.nothing_was_sent() =>
                {
                    clock::sleep(Duration::from_millis(1));
                }
                other => break other,
            }
        };
        match outcome {
            Ok(_) => {
                let wrote = self.drop_turn();
                if self.recorder.is_active()
                    && let Err(error) = self.recorder.after_commit(self.connection)
                {
                    tracing::error!(pid = self.handle.pid, %error, "a capture goes on with changes that it has already");
                }
                self.end_portals(true);
                self.after_end(true, "");
                self.make_durable(wrote)
            }
            Err(error) => {
                let told = self.explain(&error);
                tracing::info!(pid = self.handle.pid, code = told.code, error = %told.message, "COMMIT failed");
                self.roll_back("COMMIT failed");
                Err(told.into())
            }
        }
    }

    /// Rolls everything back.
    pub(super) fn roll_back(&mut self, why: &str) {
        self.end_portals(false);
        self.undo_all();
        self.after_end(false, why);
    }

    /// SQLite's part of a rollback.
    fn undo_all(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.transaction.rollback.raw_execute()
        {
            tracing::error!(pid = self.handle.pid, %error, "ROLLBACK failed");
        }
        self.drop_turn();
    }

    /// What an error does to the transaction.
    pub(super) fn fail(&mut self) {
        match self.transaction.block {
            Block::None => {
                self.undo_all();
                self.after_end(false, "an error");
                self.end_portals(false);
            }
            Block::Implicit => self.roll_back("an error"),
            Block::Explicit | Block::Failed => {
                // SQLite has rolled back by itself, or no savepoint is left to go back to: let others write.
                if self.connection.is_autocommit() || self.transaction.savepoints.is_empty() {
                    self.end_portals(false);
                    self.undo_all();
                    self.transaction.savepoints.clear();
                } else {
                    let depth = self.transaction.savepoints.len();
                    self.portals
                        .retain(|_, portal| portal.held || portal.depth < depth);
                }
                self.transaction.block = Block::Failed;
            }
        }
    }

    /// A transaction's portals end with it, but those that are held.
    fn end_portals(&mut self, committed: bool) {
        self.portals.retain(|_, portal| {
            portal.held |= portal.hold && committed;
            portal.held
        });
    }
}

fn read_only(planned: &Planned<'_>) -> PgError {
    let tag = tag_word(&planned.plan.tag);
    PgError::new(
        "25006",
        format!("cannot execute {tag} in a read-only transaction"),
    )
}

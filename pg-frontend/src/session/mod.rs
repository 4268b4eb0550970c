//! One client: simple and extended queries, portals, transactions, COPY.
//!
//! | module | what |
//! | --- | --- |
//! | this one | [`run`]: the session's beginning, its loop, its end |
//! | `simple`, `extended` | the two ways to send statements |
//! | `literals` | simple queries that differ in numbers share a plan |
//! | `execute` | what is done for each kind of statement |
//! | `prepared` | prepared statements, and what `pg_prepared_statements` says of them |
//! | `cursors` | `PREPARE`, `EXECUTE`, `DECLARE`, `FETCH`, `CLOSE` |
//! | `portal` | bound statements and their rows |
//! | `scroll` | where `FETCH` and `MOVE` go |
//! | `stored` | rows that SQLite's statement need not hold any more |
//! | `plans`, `generations` | plans and SQLite statements, kept |
//! | `transaction` | Postgres' transactions on SQLite's |
//! | `durable` | group commit, checkpoints |
//! | `explain` | errors with what only the session knows |
//! | `copy` | COPY in and out |
//! | [`state`], [`variables`], `settings` | what functions see of the session; `SET` and `SHOW` |
//! | `failure` | how what was asked for comes to nothing |

pub mod copy;
mod cursors;
mod durable;
mod execute;
mod explain;
mod extended;
mod failure;
mod generations;
mod literals;
mod plans;
mod portal;
mod prepared;
mod scroll;
mod settings;
mod simple;
pub mod state;
mod stored;
mod transaction;
pub mod variables;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use rusqlite::Connection;

use crate::capture::Recorder;
use crate::error::PgError;
use crate::protocol::backend::{self, Severity};
use crate::protocol::frontend::{Frame, Message};
use crate::protocol::startup::Startup;
use crate::protocol::wire::{Lost, Wire};
use crate::server::Server;
use crate::server::clock;
use crate::server::sessions::{Handle, Interrupt, Phase};
use crate::server::writers::Common;
use crate::types::Style;
use durable::Wal;
use failure::{Failure, Result};
use plans::Plans;
use portal::Portal;
use prepared::Statements;
use state::{Shared, State};
use transaction::{Block, Transaction};

/// One client's session. Everything it owns is used by its thread only.
pub(crate) struct Session<'s> {
    server: &'s Server,
    handle: &'s Handle,
    wire: &'s mut Wire,
    connection: &'s Connection,
    common: Arc<Common>,
    wal: Option<Wal>,
    state: Shared,
    transaction: Transaction<'s>,
    recorder: Recorder,
    plans: Plans<'s>,
    prepared: Statements<'s>,
    portals: HashMap<Box<str>, Portal<'s>>,
    /// After an error in a batch: everything up to `Sync` is ignored.
    skipping: bool,
    style: Style,
    /// The version of the settings that `style` and `reported` are of.
    settings_version: u64,
    reported: Vec<(&'static str, String)>,
    /// The storage's last sentence that the client has been told.
    told: String,
    timeouts: Timeouts,
    counters: Counters,
}

/// As the session's settings say; zero is none.
#[derive(Debug, Default)]
struct Timeouts {
    statement: Duration,
    idle_in_transaction: Duration,
    idle: Duration,
}

struct Counters {
    queries: Counter,
    durations: Histogram,
    commits: Counter,
    rollbacks: Counter,
    /// Rights to write that are held.
    reserved: Gauge,
}

impl Counters {
    fn new() -> Self {
        Self {
            queries: counter!("pg_queries_total"),
            durations: histogram!("pg_queries_duration_seconds"),
            commits: counter!("pg_transactions_total", "status" => "commit"),
            rollbacks: counter!("pg_transactions_total", "status" => "rollback"),
            reserved: gauge!("sqlite_locks_held", "kind" => "reserved"),
        }
    }
}

/// What comes after a message.
enum Next {
    Message,
    End,
}

/// What a client is told when the server ends.
pub(crate) fn shutting_down() -> PgError {
    PgError::new(
        "57P01",
        "terminating connection due to administrator command",
    )
}

/// Serves a client that has been let in, from its greeting to its end.
///
/// # Errors
/// The session could not begin: the client has not been told yet.
pub(crate) fn run(
    server: &Server,
    handle: &Handle,
    wire: &mut Wire,
    startup: Startup,
    peer: &str,
) -> Result<(), Lost> {
    let Startup {
        user,
        database,
        settings: wanted,
    } = startup;
    let mut connection = server.databases.open(&database).map_err(Lost::Protocol)?;
    let refuse = |error: rusqlite::Error| Lost::Protocol(crate::error::of_sqlite(&error));
    wait_for_other_processes(&mut connection, server.settings.lock_wait).map_err(refuse)?;
    let defaults = settings::defaults(&server.settings, &wanted).map_err(Lost::Protocol)?;
    let mut state = State::new(user.clone(), database.clone(), handle.pid, defaults);
    state.databases = Some(server.databases.clone());
    let state = Rc::new(RefCell::new(state));
    crate::functions::register(&connection, &state).map_err(refuse)?;
    crate::catalog::register(&connection, &state).map_err(refuse)?;
    handle.connected(connection.get_interrupt_handle());
    tracing::info!(pid = handle.pid, peer, user, database, "client connected");
    let wal = Wal::take_over(&mut connection).map_err(refuse)?;
    let mut session = Session {
        common: server.commons.of(&database),
        wal,
        transaction: Transaction::new(&connection).map_err(refuse)?,
        recorder: Recorder::new(&connection, &server.databases, &database).map_err(refuse)?,
        server,
        handle,
        wire,
        connection: &connection,
        state,
        plans: Plans::new(),
        prepared: Statements::default(),
        portals: HashMap::new(),
        skipping: false,
        style: Style::default(),
        settings_version: u64::MAX,
        reported: Vec::new(),
        told: String::new(),
        timeouts: Timeouts::default(),
        counters: Counters::new(),
    };
    session.greet();
    session.serve();
    session.recorder.end();
    tracing::info!(pid = handle.pid, peer, "client disconnected");
    Ok(())
}

/// How SQLite waits for a lock that another process has. Writers of this process are in line already.
fn wait_for_other_processes(
    connection: &mut Connection,
    patience: Duration,
) -> rusqlite::Result<()> {
    let mut since: Option<Instant> = None;
    let pause = Duration::from_millis(1);
    connection.busy_handler(Some(move |count: i32| {
        let now = clock::monotonic();
        if count == 0 {
            since = Some(now);
        }
        let waited = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        clock::sleep(pause);
        waited < patience
    }))
}

impl<'s> Session<'s> {
    /// The answer to a startup message, after authentication.
    fn greet(&mut self) {
        let (pid, secret) = (self.handle.pid, self.handle.secret());
        self.report_settings();
        backend::backend_key(&mut self.wire.out, pid, secret);
    }

    /// Messages until the end.
    fn serve(&mut self) {
        let outcome = self.ready().and_then(|()| self.messages());
        let vanished = match outcome {
            Ok(()) => false,
            Err(Failure::Error(error) | Failure::Fatal(error)) => {
                tracing::info!(pid = self.handle.pid, code = error.code, error = %error.message, "a session was ended");
                backend::error(&mut self.wire.out, Severity::Fatal, &error);
                false
            }
            Err(Failure::Gone) => true,
        };
        if !self.connection.is_autocommit() || self.transaction.block != Block::None {
            let why = if vanished {
                "the client vanished"
            } else {
                "the session ended"
            };
            tracing::info!(
                pid = self.handle.pid,
                why,
                "an open transaction was rolled back"
            );
            self.roll_back(why);
        }
    }

    fn messages(&mut self) -> Result<()> {
        loop {
            // A batch whose `Sync` does not come may have written already: it is as silent as any.
            if self.transaction.block != Block::None
                && self.handle.phase() == Phase::Active
                && !self.wire.frame_is_here()
            {
                let patience = self.timeouts.idle_in_transaction;
                self.handle.enter(Phase::InTransaction, patience);
            }
            let frame = match self.wire.next_frame() {
                Ok(frame) => frame,
                Err(lost) => return Err(self.ended(lost.into())),
            };
            if self.handle.phase() != Phase::Active {
                self.handle.enter(Phase::Active, self.timeouts.statement);
            }
            match self.message(&frame) {
                Ok(Next::Message) => {}
                Ok(Next::End) => return Ok(()),
                Err(failure) => return Err(self.ended(failure)),
            }
        }
    }

    /// Why the session ends: what somebody wanted outweighs how it showed.
    fn ended(&self, failure: Failure) -> Failure {
        match self.handle.interrupted() {
            why if why.ends_session() => self.interruption(why),
            _ => failure,
        }
    }

    fn message(&mut self, frame: &Frame) -> Result<Next> {
        if self.skipping && !matches!(frame.kind, b'S' | b'X') {
            return Ok(Next::Message);
        }
        let message = match Message::parse(frame) {
            Ok(message) => message,
            // The frame is whole: what follows can be understood.
            Err(error) if b"QFPBDCEHSXdcfp".contains(&frame.kind) => {
                if matches!(frame.kind, b'Q' | b'F') {
                    self.refuse(Failure::Error(error))?;
                    self.ready()?;
                    return Ok(Next::Message);
                }
                return self
                    .skip_after(Failure::Error(error))
                    .map(|()| Next::Message);
            }
            Err(error) => return Err(Failure::Fatal(error)),
        };
        match message {
            Message::Terminate => return Ok(Next::End),
            Message::Sync => self.sync()?,
            Message::Query(text) => self.simple(text)?,
            // What a client still sends of a COPY that has failed.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => {}
            Message::Password(_) => {
                return Err(Failure::Fatal(PgError::new(
                    "08P01",
                    "a password was not asked for",
                )));
            }
            message => {
                if let Err(failure) = self.extended(&message) {
                    self.skip_after(failure)?;
                }
            }
        }
        Ok(Next::Message)
    }

    /// Tells the client of an error, and undoes what it undoes.
    fn refuse(&mut self, failure: Failure) -> Result<()> {
        match failure {
            Failure::Error(error) => {
                self.fail();
                tracing::debug!(pid = self.handle.pid, code = error.code, error = %error.message, "a statement failed");
                backend::error(&mut self.wire.out, Severity::Error, &error);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// As [`refuse`](Self::refuse), inside of a batch. The client may wait for the error without `Sync`.
    fn skip_after(&mut self, failure: Failure) -> Result<()> {
        self.refuse(failure)?;
        self.skipping = true;
        self.wire.flush()?;
        Ok(())
    }

    /// `ReadyForQuery`, and everything before it goes out.
    fn ready(&mut self) -> Result<()> {
        if self.transaction.block == Block::None
            && let Err(error) = self.recorder.settle(self.connection)
        {
            self.notice(Severity::Warning, &error);
        }
        self.report_settings();
        let status = self.transaction.status();
        backend::ready(&mut self.wire.out, status);
        // The phase first: who has read the answer may cancel the next statement, not this one.
        match status {
            backend::Status::Idle => self.handle.enter(Phase::Idle, self.timeouts.idle),
            _ => {
                self.handle
                    .enter(Phase::InTransaction, self.timeouts.idle_in_transaction);
            }
        }
        self.handle.forget_cancel();
        self.wire.flush()?;
        if self.transaction.block == Block::None {
            self.checkpoint();
        }
        match self.handle.interrupted() {
            why if why.ends_session() => Err(self.interruption(why)),
            _ if self.transaction.block == Block::None && self.server.shutdown.begun() => {
                Err(self.interruption(Interrupt::Shutdown))
            }
            _ => Ok(()),
        }
    }

    /// A notice or a warning, if the client wants to hear of it.
    fn notice(&mut self, severity: Severity, notice: &PgError) {
        let least = self.state.borrow().setting("client_min_messages");
        let wanted = match least.as_deref() {
            Some("error") => false,
            Some("warning") => severity == Severity::Warning,
            _ => true,
        };
        if wanted {
            backend::error(&mut self.wire.out, severity, notice);
        }
    }

    /// What an interrupt means for the client.
    fn interrupted(&self) -> Failure {
        self.interruption(self.handle.interrupted())
    }

    fn interruption(&self, why: Interrupt) -> Failure {
        match why {
            Interrupt::None | Interrupt::Cancel => Failure::Error(PgError::new(
                "57014",
                "canceling statement due to user request",
            )),
            Interrupt::StatementTimeout => Failure::Error(PgError::new(
                "57014",
                "canceling statement due to statement timeout",
            )),
            Interrupt::IdleInTransaction => Failure::Fatal(PgError::new(
                "25P03",
                "terminating connection due to idle-in-transaction timeout",
            )),
            Interrupt::Idle => Failure::Fatal(PgError::new(
                "57P05",
                "terminating connection due to idle-session timeout",
            )),
            Interrupt::AuthenticationTimeout | Interrupt::Crowded | Interrupt::Shutdown => {
                Failure::Fatal(shutting_down())
            }
            Interrupt::Gone => Failure::Gone,
        }
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

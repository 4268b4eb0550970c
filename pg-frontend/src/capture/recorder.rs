//! What records one client: a session of the extension on its connection, whose changes go into the
//! outbox with each commit.
//!
//! The client's session calls, in this order: [`Recorder::settle`] between transactions,
//! [`before_commit`](Recorder::before_commit) as the last thing inside of each, [`after_commit`](Recorder::after_commit) when it is
//! committed, [`end`](Recorder::end) when the client is gone.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionState};

use super::{functions, outbox};
use crate::databases::Databases;
use crate::error::{Result, of_sqlite};

/// Records a client.
#[derive(Debug)]
pub struct Recorder {
    databases: Databases,
    database: String,
    wish: Arc<Mutex<Wish>>,
    active: Vec<Active>,
}

/// What the functions have asked for, until the recorder gets to it.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) start: Option<Start>,
    pub(super) stop: bool,
    /// The file that this client's own capture goes to, from its start to its stop.
    pub(super) own: Option<PathBuf>,
}

/// A capture to begin.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// Its name in the outbox.
    pub(super) capture: String,
    /// Only these; empty: all.
    pub(super) tables: Vec<String>,
}

/// A capture that runs.
#[derive(Debug)]
struct Active {
    /// The extension's session.
    handle: i64,
    /// Its name in the outbox.
    capture: String,
    /// The client asked for it: it ends with the client.
    own: bool,
}

pub(super) fn lock(wish: &Mutex<Wish>) -> std::sync::MutexGuard<'_, Wish> {
    wish.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// For a client's connection; adds the functions to it. Where everything is captured, this begins
    /// here.
    ///
    /// # Errors
    /// SQLite's; then the client must not be let in: its changes would be missing.
    pub fn new(
        connection: &Connection,
        databases: &Databases,
        database: &str,
    ) -> rusqlite::Result<Self> {
        let wish = Arc::new(Mutex::new(Wish::default()));
        functions::register(connection, databases, database, &wish)?;
        let mut active = Vec::new();
        if let Some(all) = &databases.captures().everything
            && all.database == database
        {
            active.push(Active {
                handle: create(connection, &all.tables)?,
                capture: all.name.clone(),
                own: false,
            });
        }
        Ok(Self {
            databases: databases.clone(),
            database: database.to_owned(),
            wish,
            active,
        })
    }

    /// Whether changes are recorded: then each that writes needs a transaction around it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// Begins and ends what was asked for. Only outside of transactions: a rollback would undo it.
    ///
    /// # Errors
    /// A capture cannot begin.
    pub fn settle(&mut self, connection: &Connection) -> Result<()> {
        let (start, stop) = {
            let mut wish = lock(&self.wish);
            (wish.start.take(), std::mem::take(&mut wish.stop))
        };
        if stop {
            for ended in self.active.extract_if(.., |active| active.own) {
                delete(connection, ended.handle).map_err(|error| of_sqlite(&error))?;
            }
        }
        let Some(Start { capture, tables }) = start else {
            return Ok(());
        };
        let handle = create(connection, &tables).map_err(|error| {
            lock(&self.wish).own = None;
            let mut told = of_sqlite(&error);
            told.message = format!("the capture {capture} did not begin: {}", told.message);
            told
        })?;
        tracing::info!(file = capture, database = self.database, "capture begins");
        self.active.push(Active {
            handle,
            capture,
            own: true,
        });
        Ok(())
    }

    /// Adds what the transaction has changed to the outbox.
    ///
    /// # Errors
    /// It cannot be captured: the transaction must not be committed.
    pub fn before_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if connection.transaction_state(Some(rusqlite::MAIN_DB))? != TransactionState::Write {
            return Ok(());
        }
        for active in &self.active {
            connection
                .prepare_cached(
                    "INSERT INTO pg_frontend_captured(capture, changes)
                     SELECT ?1, changes FROM (SELECT session_changeset(?2) AS changes) WHERE length(changes) > 0",
                )?
                .execute((&active.capture, active.handle))?;
        }
        Ok(())
    }

    /// What was recorded is in the outbox: the next transaction begins with nothing.
    ///
    /// # Errors
    /// SQLite's; then the next changes are recorded once more, with these.
    pub fn after_commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for active in &self.active {
            connection
                .prepare_cached("SELECT session_reset(?1)")?
                .query_row([active.handle], |_| Ok(()))?;
        }
        Ok(())
    }

    /// The client is gone: its own capture is written.
    pub fn end(self) {
        let Some(file) = lock(&self.wish).own.take() else {
            return;
        };
        if let Err(error) = outbox::write(&self.databases, &self.database, &file) {
            tracing::error!(file = %file.display(), %error, "a capture was not written; it waits for capture-recover");
        }
    }
}

fn create(connection: &Connection, tables: &[String]) -> rusqlite::Result<i64> {
    connection.execute(outbox::CREATE, [])?;
    let handle = connection.query_row("SELECT session_create('main')", [], |row| row.get(0))?;
    let all = [None];
    let named: Vec<Option<&String>> = tables.iter().map(Some).collect();
    let wanted = if named.is_empty() { &all[..] } else { &named };
    for table in wanted {
        connection.query_row("SELECT session_attach(?1, ?2)", (handle, table), |_| Ok(()))?;
    }
    Ok(handle)
}

fn delete(connection: &Connection, handle: i64) -> rusqlite::Result<()> {
    connection.query_row("SELECT session_delete(?1)", [handle], |_| Ok(()))
}

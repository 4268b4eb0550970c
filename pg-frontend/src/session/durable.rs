//! Commits of a plain file in WAL mode: flushed in groups, and checkpointed when nobody waits for it.
//! See [`flusher`](crate::server::flusher).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;

use super::Session;
use super::failure::Result;
use crate::error::PgError;

/// The WAL's pages from which on they are brought into the file, as by SQLite itself.
const CHECKPOINT_AT: i32 = 1000;

/// A database whose commits the session flushes.
#[derive(Debug)]
pub(super) struct Wal {
    /// The database's file.
    path: PathBuf,
    /// The WAL's pages after a commit that is not flushed yet; 0 where there is none.
    committed: Arc<AtomicI32>,
    /// The same after the last commit.
    pages: i32,
}

impl Wal {
    /// Takes the flushing over from SQLite; none: the database is not in WAL mode.
    pub(super) fn take_over(connection: &mut Connection) -> rusqlite::Result<Option<Self>> {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let path = connection
            .path()
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let Some(path) = path.filter(|_| mode == "wal") else {
            return Ok(None);
        };
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let committed = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&committed);
        // It takes the place of SQLite's own hook, which checkpoints.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            seen.store(pages.max(1), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Some(Self {
            path,
            committed,
            pages: 0,
        }))
    }
}

impl Session<'_> {
    /// Waits until the disk has what this session has committed, unless the client has said that it need not.
    /// `wrote`: it has, as far as the session knows; SQLite's hook says it too, if nobody has replaced it.
    pub(super) fn make_durable(&mut self, wrote: bool) -> Result<()> {
        let Some(wal) = &mut self.wal else {
            return Ok(());
        };
        let pages = wal.committed.swap(0, Ordering::Relaxed);
        if pages == 0 && !wrote {
            return Ok(());
        }
        wal.pages = pages;
        let state = self.state.borrow();
        if state
            .settings
            .get("synchronous_commit")
            .is_some_and(|mode| mode == "off")
        {
            return Ok(());
        }
        let flusher = &self.common.flusher;
        flusher
            .flush(flusher.written(), &wal.path)
            .map_err(|error| {
                tracing::error!(pid = self.handle.pid, %error, "the disk did not take a commit");
                let text = format!("could not flush the write-ahead log: {error}");
                PgError::new("58030", text)
                    .detail("The transaction is committed, but may be lost if the machine fails.")
                    .into()
            })
    }

    /// Brings a long WAL into the file. The client has its answer already.
    pub(super) fn checkpoint(&mut self) {
        let Some(wal) = &mut self.wal else { return };
        if wal.pages < CHECKPOINT_AT {
            return;
        }
        wal.pages = 0;
        // What readers still need stays for the next one.
        if let Err(error) = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        {
            tracing::warn!(pid = self.handle.pid, %error, "a checkpoint failed");
        }
    }
}

//! Group commit for plain files in WAL mode: one flush of the disk makes the commits of all who wait durable.
//!
//! SQLite flushes the WAL while it holds the write lock, so that commits follow each other at the disk's pace.
//! Here it does not (`synchronous=NORMAL`): the session gives the right to write on, and flushes the WAL before
//! the client is told of its COMMIT. What was written into the WAL meanwhile by others goes with the same
//! flush. A COMMIT that was answered is on the disk, as with `synchronous=FULL`; what differs is that another
//! client may read a commit a moment before it is. The file itself is never at risk: checkpoints flush the
//! WAL first, as always.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct Flusher {
    state: Mutex<State>,
    flushed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The last commit that was written.
    written: u64,
    /// The last commit that is on the disk.
    durable: u64,
    /// Somebody is flushing.
    busy: bool,
    file: Option<File>,
}

/// A commit that was written, and is not on the disk yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl Flusher {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit has been written. Called while its session still has the right to write.
    pub fn written(&self) -> Ticket {
        let mut state = self.lock();
        state.written += 1;
        Ticket(state.written)
    }

    /// Returns when the commit is on the disk. `database` is the database's file.
    ///
    /// # Errors
    /// The disk's: whether the commit is on it is not known.
    pub fn flush(&self, ticket: Ticket, database: &Path) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            if state.durable >= ticket.0 {
                return Ok(());
            }
            if !state.busy {
                break;
            }
            state = self
                .flushed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.busy = true;
        let goal = state.written;
        let file = state.file.take();
        drop(state);
        let outcome = flush(file, database);
        let mut state = self.lock();
        state.busy = false;
        let outcome = outcome.map(|file| {
            state.file = Some(file);
            state.durable = state.durable.max(goal);
        });
        // After a failure each of those who wait tries for itself, and has its own error.
        self.flushed.notify_all();
        outcome
    }
}

/// Flushes the WAL: through the open file, if that is still the one. No lock of SQLite's is on it that
/// closing could lose.
fn flush(file: Option<File>, database: &Path) -> io::Result<File> {
    let known = file.filter(|file| file.metadata().is_ok_and(|data| data.nlink() > 0));
    if let Some(file) = known {
        file.sync_data()?;
        return Ok(file);
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(wal(database))?;
    file.sync_all()?;
    // The WAL may be new: its name must be on the disk, too. SQLite sees to that at its own first flush only.
    let directory = database
        .parent()
        .filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

fn wal(database: &Path) -> PathBuf {
    let mut name: OsString = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_flush_covers_what_was_written_before_it() {
        let directory = std::env::temp_dir().join(format!("flusher-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let database = directory.join("d");
        std::fs::write(wal(&database), b"x").unwrap();
        let flusher = Arc::new(Flusher::default());
        let (first, second) = (flusher.written(), flusher.written());
        flusher.flush(first, &database).unwrap();
        assert_eq!(flusher.lock().durable, second.0);
        // The file is another one: the old one's flush would be worth nothing.
        std::fs::remove_file(wal(&database)).unwrap();
        flusher.flush(second, &database).unwrap();
        let third = flusher.written();
        assert!(flusher.flush(third, &database).is_err());
        std::fs::write(wal(&database), b"y").unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (flusher, database) = (Arc::clone(&flusher), database.clone());
                std::thread::spawn(move || {
                    let ticket = flusher.written();
                    flusher.flush(ticket, &database).unwrap();
                    assert!(flusher.lock().durable >= ticket.0);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

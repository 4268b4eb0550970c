//! A database file as SQLite sees it.
//!
//! Divisions: the file and its phases · locks · file controls; `read`, `write` and
//! `commit` have what these call.
//!
//! The life of a transaction: SHARED pins a snapshot; RESERVED makes this
//! connection the process's only writer, if the snapshot is the head; writes go to
//! the overlay; `SQLITE_FCNTL_SYNC` commits; `COMMIT_PHASETWO` ends the commit;
//! unlocking drops the overlay. `docs/decisions` and the storage rules say why
//! each refusal below is there.

mod commit;
mod read;
mod write;

use std::sync::Arc;

use sqlite_abi::{Code, ConnectionId, Control, File, Handled, Lock};

use crate::database::{Database, ReadAhead, WriterId};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;

/// Writes happen in order, append safely and never damage bytes beside them:
/// `SQLITE_IOCAP_SAFE_APPEND | SEQUENTIAL | POWERSAFE_OVERWRITE`.
pub const CHARACTERISTICS: i32 = 0x200 | 0x400 | 0x1000;

/// Where the bytes lie that SQLite compares to see whether its page cache is good.
const PROBE: std::ops::Range<usize> = 24..40;

/// How far the open transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Reading or writing.
    Open,
    /// The store has acknowledged it; SQLite has not finished. Nothing can undo it:
    /// if SQLite rolls back now, its writes are ignored (storage rule 4).
    Acknowledged,
    /// SQLite has finished it. A write before the next unlock means that SQLite
    /// holds its lock for ever (exclusive mode), where commits cannot be seen (rule 1).
    Finished,
    /// The store refused it for good; SQLite is rolling back.
    Refused,
    /// A write was refused after a commit (exclusive mode): nothing succeeds before
    /// the next unlock, so that no commit can seem to.
    Broken,
}

/// What the connection's page cache was filled from.
#[derive(Debug, Default)]
struct Seen {
    /// Transaction and identity of the snapshot; none: unknown, so it must be dropped.
    snapshot: Option<(u64, u64)>,
    /// Bytes 24 to 39 of the last page 1 that SQLite read or wrote.
    probe: Option<[u8; 16]>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct BlobFile {
    engine: Arc<Engine>,
    /// None after a fork: the parent's locks must not be touched.
    database: Option<Arc<Database>>,
    options: Options,
    connection: Option<ConnectionId>,
    writer: WriterId,
    /// The only snapshot this handle shows (`txid=`, `as_of=`).
    fixed: Option<Arc<Snapshot>>,
    read_only: bool,
    level: Lock,
    pinned: Option<Arc<Snapshot>>,
    overlay: Overlay,
    phase: Phase,
    /// What the store has acknowledged; pinned when SQLite has finished the commit, so
    /// that readers which survive a rollback in between go on with what they began.
    committed: Option<Arc<Snapshot>>,
    seen: Seen,
    ahead: ReadAhead,
}

impl BlobFile {
    /// A handle on `database`, on `fixed` if given, else on its head.
    #[must_use]
    pub fn new(
        engine: Arc<Engine>,
        database: Arc<Database>,
        options: Options,
        fixed: Option<Arc<Snapshot>>,
        read_only: bool,
    ) -> Self {
        let writer = engine.new_writer();
        let overlay = Overlay::new(&options.cache_dir);
        Self {
            engine,
            database: Some(database),
            options,
            connection: None,
            writer,
            fixed,
            read_only,
            level: Lock::None,
            pinned: None,
            overlay,
            phase: Phase::Open,
            committed: None,
            seen: Seen::default(),
            ahead: ReadAhead::default(),
        }
    }

    /// The database behind the handle.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child process.
    pub fn database(&self) -> Result<&Arc<Database>> {
        self.engine.check_process()?;
        self.database.as_ref().ok_or(Error::Forked)
    }

    /// The snapshot that the open transaction, or else the next one, reads.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child process.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        match self.pinned.as_ref().or(self.fixed.as_ref()) {
            Some(snapshot) => Ok(Arc::clone(snapshot)),
            None => Ok(self.database()?.head()),
        }
    }

    /// The same, but as fresh as a transaction that began now would be.
    ///
    /// # Errors
    /// The store is out of reach.
    pub fn current(&self) -> Result<Arc<Snapshot>> {
        if self.pinned.is_some() || self.fixed.is_some() {
            return self.snapshot();
        }
        self.database()?
            .begin_read(self.options.max_staleness, self.options.offline_reads)
    }

    /// True where the handle shows the past.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// Whether the transaction has changed anything.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.level >= Lock::Reserved
    }

    /// Makes an error a code, and keeps its sentence.
    fn fail(&self, error: &Error) -> Code {
        self.engine.record(self.connection, error);
        error.code()
    }

    fn answer<T>(&self, result: Result<T>) -> std::result::Result<T, Code> {
        result.map_err(|error| self.fail(&error))
    }

    /// The same for calls where SQLite's pager knows what to do after an I/O error or
    /// a full disk only; after any other code it would go on as if nothing had happened.
    fn answer_io<T>(&self, result: Result<T>) -> std::result::Result<T, Code> {
        self.answer(result).map_err(|code| match code.0 & 0xFF {
            5 | 10 | 13 => code, // BUSY, IOERR, FULL
            _ => Code::IOERR,
        })
    }
}

impl Drop for BlobFile {
    fn drop(&mut self) {
        if !self.engine.is_ours() {
            // A child process closes what its parent opened: leak it, its locks may be held.
            std::mem::forget(self.database.take());
            std::mem::forget((self.pinned.take(), self.fixed.take(), self.committed.take()));
            return;
        }
        self.end_write();
    }
}

// Locks.

impl BlobFile {
    fn raise(&mut self, level: Lock) -> Result<()> {
        if self.level == Lock::None {
            self.begin()?;
        }
        if level >= Lock::Reserved && self.level < Lock::Reserved {
            self.begin_write()?;
        }
        self.level = self.level.max(level);
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let database = self.database()?;
        let snapshot = match &self.fixed {
            Some(snapshot) => Arc::clone(snapshot),
            None => database.begin_read(self.options.max_staleness, self.options.offline_reads)?,
        };
        self.pinned = Some(snapshot);
        self.level = Lock::Shared;
        self.phase = Phase::Open;
        Ok(())
    }

    fn begin_write(&mut self) -> Result<()> {
        if self.read_only {
            return Err(Error::ReadOnly(
                "the database was opened read-only".to_owned(),
            ));
        }
        let database = Arc::clone(self.database()?);
        let base = self.snapshot()?;
        database.check_writable(&base, self.options.adopt)?;
        self.engine.reserve(self.connection, self.writer)?;
        let allowed = database
            .acquire_writer(self.writer)
            .and_then(|()| database.refresh_for_write(self.options.max_staleness))
            .and_then(|()| database.check_head(&base));
        if allowed.is_err() {
            self.end_write();
        }
        allowed
    }

    fn end_write(&mut self) {
        if let Some(database) = &self.database {
            database.release_writer(self.writer);
        }
        self.engine.release(self.connection, self.writer);
    }

    fn lower(&mut self, level: Lock) {
        if self.level >= Lock::Reserved {
            if self.engine.is_ours() {
                self.end_write();
            }
            self.overlay.clear();
        }
        if level == Lock::None {
            self.pinned = None;
        }
        self.phase = Phase::Open;
        self.committed = None;
        self.level = level;
    }
}

// File controls.

impl BlobFile {
    fn pragma(
        &self,
        name: &str,
        value: Option<&str>,
        answer: &mut Option<String>,
    ) -> std::result::Result<Handled, Code> {
        let value = value
            .unwrap_or("")
            .trim_matches(['\'', '"'])
            .to_ascii_lowercase();
        let refusal = match (name.to_ascii_lowercase().as_str(), value.as_str()) {
            ("journal_mode", "wal") => {
                *answer = Some("delete".to_owned());
                return Ok(Handled::Yes);
            }
            ("journal_mode", "off") => {
                "journal_mode=OFF is refused on a blob database: without a journal a failed transaction could not be rolled back"
            }
            ("locking_mode", "exclusive") => {
                "locking_mode=EXCLUSIVE is refused on a blob database: it would hide commits, its own and others'; writers are told apart at COMMIT"
            }
            _ => return Ok(Handled::No),
        };
        *answer = Some(refusal.to_owned());
        Err(Code::ERROR)
    }
}

impl File for BlobFile {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> std::result::Result<usize, Code> {
        let result = self.read_bytes(buffer, offset);
        let is_probe = offset == PROBE.start as u64 && buffer.len() == PROBE.len();
        if is_probe
            && result.is_ok()
            && let Ok(snapshot) = self.snapshot()
        {
            self.probe(&snapshot, buffer);
        }
        self.answer_io(result)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> std::result::Result<(), Code> {
        let result = self.write_bytes(data, offset);
        self.answer_io(result)
    }

    fn truncate(&mut self, size: u64) -> std::result::Result<(), Code> {
        let result = self.cut(size);
        self.answer_io(result)
    }

    fn sync(&mut self) -> std::result::Result<(), Code> {
        Ok(()) // SQLITE_FCNTL_SYNC has done it.
    }

    fn size(&mut self) -> std::result::Result<u64, Code> {
        if self.level == Lock::None && self.database.as_ref().is_some_and(|db| !db.exists()) {
            return Ok(0); // So that VACUUM INTO takes the name of a dropped database.
        }
        let size = self.snapshot().map(|snapshot| {
            let pages = u64::from(self.overlay.page_count(snapshot.page_count));
            self.page_size(&snapshot)
                .map_or(0, |size| pages * size.get() as u64)
        });
        self.answer(size)
    }

    fn lock(&mut self, level: Lock) -> std::result::Result<(), Code> {
        if level <= self.level {
            return Ok(());
        }
        let result = self.raise(level);
        if let Err(Error::Busy { .. }) = result {
            return Err(Code::BUSY); // Ordinary waiting, nothing to record.
        }
        self.answer(result)
    }

    fn unlock(&mut self, level: Lock) -> std::result::Result<(), Code> {
        if level < self.level {
            self.lower(level);
        }
        Ok(())
    }

    fn check_reserved_lock(&mut self) -> std::result::Result<bool, Code> {
        let result = self.database().map(|database| database.has_writer());
        self.answer(result)
    }

    fn control(&mut self, control: Control<'_>) -> std::result::Result<Handled, Code> {
        match control {
            Control::Sync { super_journal } => {
                let result = self.sync_control(super_journal);
                self.answer_io(result)?;
            }
            Control::CommitPhaseTwo => {
                let result = self.phase_two();
                self.answer_io(result)?;
            }
            Control::Connection(connection) => {
                self.engine.forget_error(connection);
                self.connection = Some(connection);
            }
            Control::Pragma {
                name,
                value,
                answer,
            } => return self.pragma(name, value, answer),
            _ => return Ok(Handled::No),
        }
        Ok(Handled::Yes)
    }

    fn device_characteristics(&self) -> i32 {
        CHARACTERISTICS
    }
}

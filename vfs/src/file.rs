//! A database file as SQLite sees it.
//!
//! Divisions: the file and its phases · locks · reads · writes · commit · file controls.
//!
//! The life of a transaction: SHARED pins a snapshot; RESERVED makes this
//! connection the process's only writer, if the snapshot is the head; writes go to
//! the overlay; `SQLITE_FCNTL_SYNC` commits; `COMMIT_PHASETWO` ends the commit;
//! unlocking drops the overlay. `docs/decisions` and the storage rules say why
//! each refusal below is there.

use std::sync::Arc;

use sqlite_abi::{Code, ConnectionId, Control, File, Handled, Lock};

use crate::database::{Database, ReadAhead, Shape, Transaction, WriterId, page_size_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::ltx::PageSize;
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

// Reads.

impl BlobFile {
    fn page_size(&self, snapshot: &Snapshot) -> Option<PageSize> {
        self.overlay.page_size().or_else(|| snapshot.page_size())
    }

    fn read_bytes(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let snapshot = self.snapshot()?;
        let Some(page_size) = self.page_size(&snapshot) else {
            return Ok(0);
        };
        let size = page_size.get() as u64;
        let end = u64::from(self.overlay.page_count(snapshot.page_count)) * size;
        let available = end.saturating_sub(offset).min(buffer.len() as u64) as usize;
        if available == 0 {
            return Ok(0);
        }
        let pgno = (offset / size + 1) as u32;
        let within = (offset % size) as usize;
        if available == page_size.get() && within == 0 {
            self.read_page(pgno, &mut buffer[..available])?;
        } else {
            self.read_parts(&mut buffer[..available], offset, page_size)?;
        }
        if offset <= 18 && offset + available as u64 >= 20 {
            // Never WAL here, whatever Litestream's source was.
            buffer[18 - offset as usize..20 - offset as usize].copy_from_slice(&[1, 1]);
        }
        if offset == 0 && available >= 512 {
            self.saw_page_one(&snapshot, &buffer[..available]);
        }
        Ok(available)
    }

    /// Reads that are no whole page: the header at open, the probe, a backup's chunks.
    fn read_parts(&mut self, buffer: &mut [u8], offset: u64, page_size: PageSize) -> Result<()> {
        let size = page_size.get();
        if let (true, Some(kept)) = (self.overlay.is_empty(), self.snapshot()?.page_one())
            && let Some(bytes) = kept.get(offset as usize..offset as usize + buffer.len())
        {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        let mut page = vec![0; size];
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let within = (at % size as u64) as usize;
            let count = (size - within).min(buffer.len() - done);
            self.read_page((at / size as u64 + 1) as u32, &mut page)?;
            buffer[done..done + count].copy_from_slice(&page[within..within + count]);
            done += count;
        }
        Ok(())
    }

    fn read_page(&mut self, pgno: u32, page: &mut [u8]) -> Result<()> {
        if self.overlay.has_pages() && self.overlay.read(pgno, page)? {
            return Ok(());
        }
        if !self.overlay.shows_base(pgno) {
            page.fill(0);
            return Ok(());
        }
        let mut snapshot = self.snapshot()?;
        if let (1, Some(kept)) = (pgno, snapshot.page_one()) {
            page.copy_from_slice(kept);
            return Ok(());
        }
        let database = self.database.as_ref().ok_or(Error::Forked)?;
        let before = Arc::clone(&snapshot);
        if !database.read_cached(&snapshot, pgno, page) {
            self.engine.check_process()?;
            database.read_stored(&mut snapshot, pgno, page, &mut self.ahead)?;
        }
        if pgno == 1 {
            snapshot.keep_page_one(page);
        }
        if !Arc::ptr_eq(&before, &snapshot) {
            // Its files were removed; the same state comes from others now.
            if self.pinned.is_some() {
                self.pinned = Some(Arc::clone(&snapshot));
            }
            if self.fixed.is_some() {
                self.fixed = Some(snapshot);
            }
        }
        Ok(())
    }

    /// SQLite compares these 16 bytes with the last page 1 it saw, to decide whether
    /// its page cache is still good. Change counters of two histories may be equal,
    /// so the bytes are made to differ wherever the cache is not this snapshot's
    /// (storage rule 2). What is stored is not touched.
    fn probe(&mut self, snapshot: &Snapshot, bytes: &mut [u8]) {
        let current = Some((snapshot.txid, snapshot.identity()));
        if self.seen.snapshot != current {
            if let Some(last) = self.seen.probe {
                for (byte, last) in bytes.iter_mut().zip(last) {
                    *byte = !last;
                }
            }
            self.seen.snapshot = current;
        }
    }

    fn saw_page_one(&mut self, snapshot: &Snapshot, page: &[u8]) {
        if self.level == Lock::None {
            return;
        }
        if self.seen.probe.is_none() {
            self.seen.snapshot = Some((snapshot.txid, snapshot.identity()));
        }
        self.seen.probe = page[PROBE].try_into().ok();
    }
}

// Writes.

impl BlobFile {
    fn write_bytes(&mut self, data: &[u8], offset: u64) -> Result<()> {
        match self.phase {
            Phase::Open | Phase::Refused => {}
            Phase::Acknowledged => {
                self.seen.snapshot = None;
                return Ok(());
            }
            Phase::Finished | Phase::Broken => {
                self.phase = Phase::Broken;
                return Err(Error::Refused(
                    "SQLite keeps its lock between transactions (locking_mode=EXCLUSIVE), so a commit could not be told from the next; set PRAGMA locking_mode=NORMAL".to_owned(),
                ));
            }
        }
        let snapshot = self.snapshot()?;
        let page_size = match self.page_size(&snapshot) {
            Some(page_size) => page_size,
            None => first_page_size(data, offset)?,
        };
        self.overlay.set_page_size(page_size);
        let size = page_size.get();
        let mut page = vec![0; size];
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let within = (at % size as u64) as usize;
            let count = (size - within).min(data.len() - done);
            let pgno = u32::try_from(at / size as u64 + 1)
                .map_err(|_| Error::Refused("the database would have too many pages".to_owned()))?;
            let part = &data[done..done + count];
            if count < size {
                self.read_page(pgno, &mut page)?;
            }
            page[within..within + count].copy_from_slice(part);
            if pgno == 1 {
                self.wrote_page_one(&mut page);
            }
            self.overlay.write(pgno, &page, snapshot.page_count)?;
            done += count;
        }
        Ok(())
    }

    fn wrote_page_one(&mut self, page: &mut [u8]) {
        if page[18..20] != [1, 1] {
            // A backup from a WAL database: stored as what it is here, but SQLite's
            // own copy of the page is another then.
            page[18..20].copy_from_slice(&[1, 1]);
            self.seen.snapshot = None;
        }
        self.seen.probe = page[PROBE].try_into().ok();
    }

    fn cut(&mut self, size: u64) -> Result<()> {
        if matches!(self.phase, Phase::Acknowledged | Phase::Finished) {
            return Ok(()); // The size was committed from page 1 already.
        }
        let snapshot = self.snapshot()?;
        let Some(page_size) = self.page_size(&snapshot) else {
            return Ok(());
        };
        let pages = size.div_ceil(page_size.get() as u64) as u32;
        self.overlay.set_page_size(page_size);
        self.overlay.truncate(pages, snapshot.page_count);
        Ok(())
    }
}

/// The page size of a database that does not exist yet, from its first write.
fn first_page_size(data: &[u8], offset: u64) -> Result<PageSize> {
    let from_header = if offset == 0 {
        page_size_of(data)
    } else {
        None
    };
    from_header
        .or_else(|| PageSize::new(data.len() as u32))
        .ok_or_else(|| {
            Error::Refused(format!(
                "the first write of a database is no page: {} bytes",
                data.len()
            ))
        })
}

// Commit.

impl BlobFile {
    /// `SQLITE_FCNTL_SYNC`: once per commit, after the last page was written; also
    /// where nothing is committed (rollback after a cache spill, VACUUM, backup).
    fn sync_control(&mut self, super_journal: Option<&str>) -> Result<()> {
        if super_journal.is_some() {
            self.phase = Phase::Refused;
            return Err(Error::Refused(
                "a transaction cannot write to a blob database and to a local one that has a rollback journal; write to them in separate transactions".to_owned(),
            ));
        }
        match self.phase {
            Phase::Open => {}
            Phase::Broken => return Err(never_sent()),
            Phase::Acknowledged | Phase::Finished | Phase::Refused => return Ok(()),
        }
        let base = self.snapshot()?;
        let Some(shape) = self.changed_shape(&base)? else {
            return Ok(());
        };
        let database = Arc::clone(self.database()?);
        let transaction = Transaction {
            base: &base,
            overlay: &self.overlay,
            shape,
        };
        match database.commit(&transaction) {
            Ok(next) => {
                if self.seen.snapshot.is_some() {
                    self.seen.snapshot = Some((next.txid, next.identity()));
                }
                self.phase = Phase::Acknowledged;
                self.committed = Some(next);
                Ok(())
            }
            Err(error) => {
                self.seen.snapshot = None;
                if !matches!(error, Error::NotSent { .. } | Error::Busy { .. }) {
                    self.phase = Phase::Refused;
                }
                if matches!(error, Error::Unknown { .. }) {
                    self.engine.keep_unsettled(&database);
                }
                Err(error)
            }
        }
    }

    /// What the database is to be like, if this is a commit: page 1 was written and
    /// its change counter is not the base's.
    fn changed_shape(&mut self, base: &Arc<Snapshot>) -> Result<Option<Shape>> {
        let Some(page_size) = self.overlay.page_size() else {
            return Ok(None);
        };
        let mut page = vec![0; page_size.get()];
        if !self.overlay.read(1, &mut page)? {
            return Ok(None);
        }
        if base.txid > 0 {
            let mut before = vec![0; page_size.get()];
            let mut snapshot = Arc::clone(base);
            match base.page_one() {
                Some(kept) => before.copy_from_slice(kept),
                None => self.database()?.read_page(
                    &mut snapshot,
                    1,
                    &mut before,
                    &mut ReadAhead::default(),
                )?,
            }
            if page[24..28] == before[24..28] {
                return Ok(None);
            }
        }
        if page_size_of(&page) != Some(page_size) {
            return Err(Error::Refused(format!(
                "the page size of a blob database cannot be changed (it is {}); export it, change the copy and import that",
                page_size.get()
            )));
        }
        let page_count = u32::from_be_bytes([page[28], page[29], page[30], page[31]]);
        if page_count == 0 || page[24..28] != page[92..96] {
            return Err(Error::Refused(
                "page 1 does not say how large the database is; it was written by a SQLite older than 3.7.0".to_owned(),
            ));
        }
        Ok(Some(Shape {
            page_size,
            page_count,
            drops: false,
        }))
    }

    fn phase_two(&mut self) -> Result<()> {
        match self.phase {
            Phase::Acknowledged => {
                self.phase = Phase::Finished;
                self.overlay.clear();
                self.pinned = self.committed.take();
                Ok(())
            }
            Phase::Broken => Err(never_sent()),
            _ if self.overlay.has_pages() => Err(never_sent()),
            _ => Ok(()),
        }
    }
}

fn never_sent() -> Error {
    Error::Refused(
        "a transaction ended whose pages were never sent to the store; nothing of it was committed"
            .to_owned(),
    )
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

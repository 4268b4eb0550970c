//! From an open transaction to the store: the only writes that decide anything.
//!
//! Divisions: the transaction file · the conditional PUT · an unknown outcome.
//!
//! What must hold: a commit is acknowledged only after the store created the
//! file for transaction base + 1, and is refused only where that file certainly
//! is another's or was never sent. Everything else is an unknown outcome, kept
//! and settled by the same conditional PUT before this process begins another
//! transaction (storage rule 7).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::{Database, lock};
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx::{self, Encoder, Header, PageSize};
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::spill::Spill;
use crate::stats::Stats;
use crate::store::{Body, ErrorKind, Part, StoreError};
use crate::sums;
use crate::transaction_file::{Mark, TransactionFile, page_hash};

/// Transaction files up to this size are sent from memory.
const MEMORY_BODY: usize = 16 << 20;
/// The encoder's output moves on when it has so many bytes.
const DRAIN: usize = 1 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What an open transaction wants to commit.
#[derive(Debug)]
pub struct Transaction<'a> {
    /// The snapshot it read.
    pub base: &'a Arc<Snapshot>,
    /// What it wrote.
    pub overlay: &'a Overlay,
    /// Page size of the result.
    pub page_size: PageSize,
    /// Pages of the result, from its page 1.
    pub page_count: u32,
    /// The transaction empties the database for good.
    pub drops: bool,
}

/// A file on its way to the store.
#[derive(Debug)]
struct Outgoing {
    name: FileName,
    header: Header,
    mark: Mark,
    body: Body,
    summary: ltx::Summary,
    hashes: Vec<u64>,
}

/// A commit whose outcome is unknown.
#[derive(Debug)]
pub(super) struct Pending {
    outgoing: Outgoing,
    base: Arc<Snapshot>,
    cause: StoreError,
}

/// How a conditional PUT ended.
#[derive(Debug)]
enum Outcome {
    Created,
    Taken,
    Refused(StoreError),
    NotSent(StoreError),
    Unknown(StoreError),
}

impl Database {
    /// Makes the transaction the newest of the database, durably.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::NotSent`], [`Error::Unknown`] and what makes
    /// a commit impossible; only after `Unknown` it may be in the store.
    pub fn commit(&self, transaction: &Transaction<'_>) -> Result<Arc<Snapshot>> {
        let started = self.env.boot_time();
        let base = transaction.base;
        self.check_writable(base)?;
        self.settle()?;
        if self.proof_expired() {
            self.refresh(Duration::ZERO)?;
        }
        self.check_head(base)?;
        let (outgoing, pages) = self.encode(transaction)?;
        self.prepare_store(base, &outgoing)?;
        let sent = self.env.boot_time();
        match self.send(&outgoing) {
            Outcome::Created => {
                let next = self.created(base, &outgoing, sent)?;
                self.keep_pages(&next, &pages);
                self.stats.committed(self.env.boot_time().saturating_sub(started));
                Ok(next)
            }
            Outcome::Taken => Err(self.lost(base)),
            Outcome::Refused(cause) => Err(Error::Store(cause)),
            Outcome::NotSent(cause) => Err(Error::NotSent {
                database: self.name().to_owned(),
                txid: base.txid + 1,
                cause,
            }),
            Outcome::Unknown(cause) => {
                Stats::count(&self.stats.unknown);
                let error = self.unknown(base.txid + 1, &cause);
                *lock(&self.pending) = Some(Pending { outgoing, base: Arc::clone(base), cause });
                Err(error)
            }
        }
    }

    /// Whether this process may write on top of `base` at all.
    ///
    /// # Errors
    /// A sentence that says why not and what to do.
    pub fn check_writable(&self, base: &Snapshot) -> Result<()> {
        if let Some(error) = lock(&self.diverged).clone() {
            return Err(error);
        }
        if base.txid > 0 && base.mark().is_none() && !self.options.adopt {
            return Err(Error::ReadOnly(format!(
                "the newest transaction of {} was written by Litestream, which would overwrite ours: stop it, then open with adopt=1 to write",
                self.name()
            )));
        }
        Ok(())
    }

    /// Whether `base` is still the newest transaction this process knows.
    ///
    /// # Errors
    /// [`Error::Conflict`].
    pub fn check_head(&self, base: &Snapshot) -> Result<()> {
        let head = self.head();
        if (head.txid, head.identity()) == (base.txid, base.identity()) {
            return Ok(());
        }
        Stats::count(&self.stats.conflicts);
        Err(Error::Conflict {
            database: self.name().to_owned(),
            base: base.txid,
            head: head.txid,
        })
    }

    fn lost(&self, base: &Snapshot) -> Error {
        Stats::count(&self.stats.conflicts);
        // Whoever won is news; failing to learn it now only delays that.
        let _ = self.refresh(Duration::ZERO);
        let head = self.head().txid.max(base.txid + 1);
        Error::Conflict { database: self.name().to_owned(), base: base.txid, head }
    }

    fn unknown(&self, txid: u64, cause: &StoreError) -> Error {
        Error::Unknown { database: self.name().to_owned(), txid, cause: cause.clone() }
    }
}

// The transaction file.

/// Pages of a small transaction, kept to fill the cache after the commit.
type Pages = Vec<(u32, Vec<u8>)>;

impl Database {
    fn encode(&self, transaction: &Transaction<'_>) -> Result<(Outgoing, Pages)> {
        let Transaction { base, overlay, page_size, page_count, drops } = *transaction;
        let txid = base.txid + 1;
        let name = FileName { level: 0, min: txid, max: txid };
        let mark = Mark { own: self.env.random(), parent: base.identity(), dropped: drops };
        let now = self.env.wall_ms();
        let mut header =
            Header::new(page_size, page_count, (txid, txid), now.max(base.timestamp_ms));
        header.node_id = base.tip().map_or_else(|| self.env.random(), |tip| tip.header.node_id);
        header.reserved = mark.encode();

        let failed = |error: ltx::EncodeError| self.history_error(error);
        let mut sink = Spill::new(&self.options.cache_dir, MEMORY_BODY);
        let mut buffer = Vec::new();
        let mut encoder = Encoder::new(header.clone(), &mut buffer).map_err(failed)?;
        let mut page = vec![0; page_size.get()];
        let mut hashes = Vec::new();
        let mut pages = Vec::new();
        for pgno in pages_to_write(overlay, base.page_count, page_count, page_size) {
            if !overlay.read(pgno, &mut page)? {
                page.fill(0); // Grown over, but never written by SQLite.
            }
            hashes.push(page_hash(&page));
            if hashes.len() * page.len() <= MEMORY_BODY {
                pages.push((pgno, page.clone()));
            }
            encoder.page(pgno, &page, &mut buffer).map_err(failed)?;
            if buffer.len() >= DRAIN {
                sink.write_at(&buffer, sink.len())?;
                buffer.clear();
            }
        }
        let summary = encoder.finish(&mut buffer).map_err(failed)?;
        let body = if sink.len() == 0 {
            Body::Memory(Bytes::from(buffer))
        } else {
            sink.write_at(&buffer, sink.len())?;
            Body::File { len: sink.len(), file: Arc::new(sink.into_file()?) }
        };
        let limit = self.store.max_object_size();
        if summary.size > limit {
            let store = self.store.url().to_owned();
            return Err(Error::TooLarge { size: summary.size, limit, store });
        }
        Ok((Outgoing { name, header, mark, body, summary, hashes }, pages))
    }

    /// What must be in the store before the transaction file.
    fn prepare_store(&self, base: &Snapshot, outgoing: &Outgoing) -> Result<()> {
        if let (0, Some(retention)) = (base.txid, self.options.retention) {
            self.record_retention(retention)?;
        }
        self.put_sums(outgoing.summary.size, outgoing.summary.file_checksum, &outgoing.hashes)
    }

    /// Writes the page sums of a file that readers will not read whole.
    pub(super) fn put_sums(&self, size: u64, checksum: u64, hashes: &[u64]) -> Result<()> {
        if size > super::load::WHOLE {
            let sums = Body::Memory(Bytes::from(sums::encode(checksum, hashes)));
            self.store.put(&self.layout.sums_key(checksum), &sums)?;
        }
        Ok(())
    }

    fn record_retention(&self, retention: Duration) -> Result<()> {
        let millis = retention.as_millis() as u64;
        let text = format!("level0_ms={millis}\n");
        let key = self.layout.retention_key();
        match self.store.create(&key, &Body::Memory(Bytes::from(text)), self.env.wall_ms()) {
            Ok(()) => {
                self.retention_ms.store(millis, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::AlreadyExists => self.learn_retention(&self.list()?),
            Err(error) => Err(error.into()),
        }
    }

    fn keep_pages(&self, next: &Snapshot, pages: &Pages) {
        let Some(file) = next.tip() else { return };
        for (pgno, page) in pages {
            if let Some(position) = file.position(*pgno) {
                self.cache(file.header.page_size).insert(file, position, page);
            }
        }
    }
}

/// The overlay's pages and every page the file grows by, without the lock page.
fn pages_to_write(
    overlay: &Overlay,
    base_count: u32,
    page_count: u32,
    page_size: PageSize,
) -> Vec<u32> {
    let kept = (1..=page_count.min(base_count)).take_while(|&pgno| overlay.shows_base(pgno)).count();
    let mut pages: Vec<u32> = overlay.pages().filter(|&pgno| pgno as usize <= kept).collect();
    pages.extend(kept as u32 + 1..=page_count);
    pages.retain(|&pgno| pgno != page_size.lock_page());
    pages
}

// The conditional PUT.

impl Database {
    /// Sends the file until the store has decided, or time is up.
    fn send(&self, outgoing: &Outgoing) -> Outcome {
        let key = self.layout.key(outgoing.name);
        let deadline = self.env.boot_time() + self.options.timeout;
        let mut pause = FIRST_PAUSE;
        let mut doubtful: Option<StoreError> = None;
        loop {
            let error = match self.store.create(&key, &outgoing.body, outgoing.header.timestamp_ms) {
                Ok(()) => return Outcome::Created,
                Err(error) => error,
            };
            match error.kind {
                ErrorKind::AlreadyExists => match self.mark_of(&key) {
                    Ok(Some(Some(mark))) if mark == outgoing.mark => return Outcome::Created,
                    Ok(Some(_)) => return Outcome::Taken,
                    // "Exists" for a key that does not: the store was busy with it. Try again.
                    Ok(None) => doubtful = Some(error.clone()),
                    Err(Error::Store(cause)) => doubtful = Some(cause),
                    Err(_) => doubtful = Some(error.clone()),
                },
                ErrorKind::Ambiguous => doubtful = Some(error.clone()),
                ErrorKind::Denied | ErrorKind::Rejected | ErrorKind::Full | ErrorKind::NotFound => {
                    return match doubtful {
                        None => Outcome::Refused(error),
                        Some(_) => Outcome::Unknown(error),
                    };
                }
                ErrorKind::Unreachable | ErrorKind::Throttled => {}
            }
            if self.env.boot_time() + pause > deadline {
                return match doubtful {
                    Some(cause) => Outcome::Unknown(cause),
                    None => Outcome::NotSent(error),
                };
            }
            self.pause(&mut pause);
        }
    }

    /// Waits between half and all of `pause`, and doubles it for the next time.
    fn pause(&self, pause: &mut Duration) {
        let half = pause.as_micros() as u64 / 2;
        let jitter = if half == 0 { 0 } else { self.env.random() % half };
        self.env.sleep(Duration::from_micros(half + jitter));
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    /// The store has our file: the transaction is committed, unless its number had
    /// been used, compacted and removed while we slept (storage rule 6).
    fn created(
        &self,
        base: &Arc<Snapshot>,
        outgoing: &Outgoing,
        sent: Duration,
    ) -> Result<Arc<Snapshot>> {
        if self.proof_expired() && self.is_covered(outgoing.name.max)? {
            self.store.delete(&[self.layout.key(outgoing.name)])?;
            return Err(self.lost(base));
        }
        let file = self.written_file(
            outgoing.name,
            outgoing.header.clone(),
            outgoing.summary.clone(),
        )?;
        for (position, hash) in (0u32..).zip(&outgoing.hashes) {
            file.set_hash(position, *hash);
        }
        let next = Arc::new(base.apply(&file));
        self.install(&next);
        self.prove(sent);
        Ok(next)
    }

    /// Whether a compacted file holds transaction `txid` or a later one.
    fn is_covered(&self, txid: u64) -> Result<bool> {
        let files = self.list()?;
        Ok(files.names().iter().any(|file| file.level > 0 && file.max >= txid))
    }
}

// An unknown outcome.

impl Database {
    /// Settles a commit of this process whose outcome is unknown, by sending it again:
    /// either it is in the store afterwards, or another transaction has its number.
    ///
    /// # Errors
    /// [`Error::Unknown`] as long as the store gives no answer.
    pub fn settle(&self) -> Result<()> {
        let mut pending = lock(&self.pending);
        let Some(commit) = pending.as_ref() else { return Ok(()) };
        let sent = self.env.boot_time();
        match self.send(&commit.outgoing) {
            Outcome::Created => {
                self.created(&commit.base, &commit.outgoing, sent)?;
                crate::log::warn(&format!(
                    "transaction {} of {} was committed after all",
                    commit.outgoing.name.max,
                    self.name()
                ));
            }
            Outcome::Taken => {
                self.refresh(Duration::ZERO)?;
            }
            Outcome::Refused(cause) | Outcome::NotSent(cause) | Outcome::Unknown(cause) => {
                let error = self.unknown(commit.outgoing.name.max, &cause);
                if let Some(commit) = pending.as_mut() {
                    commit.cause = cause;
                }
                return Err(error);
            }
        }
        *pending = None;
        Ok(())
    }

    /// What keeps a commit of this process from being settled, if one is open.
    #[must_use]
    pub fn unsettled(&self) -> Option<String> {
        lock(&self.pending).as_ref().map(|commit| {
            format!("transaction {}: {}", commit.outgoing.name.max, commit.cause)
        })
    }

    /// Reads a whole object of this database's store.
    pub(super) fn object(&self, key: &str) -> Result<Bytes> {
        Ok(self.store.get(key, Part::Whole)?.bytes)
    }

    /// A file of this process's own making, with the hashes of its pages.
    pub(super) fn file_with_hashes(
        &self,
        name: FileName,
        header: Header,
        summary: ltx::Summary,
        hashes: &[u64],
    ) -> Result<Arc<TransactionFile>> {
        let file = self.written_file(name, header, summary)?;
        for (position, hash) in (0u32..).zip(hashes) {
            file.set_hash(position, *hash);
        }
        Ok(file)
    }
}

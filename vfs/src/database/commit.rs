//! From an open transaction to the store: the only writes that decide anything.
//!
//! Divisions: committing · the conditional PUT · an unknown outcome.
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

use super::head::Owner;
use super::outgoing::{Draft, Outgoing};
use super::{Database, lock};
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx::PageSize;
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::store::{Body, ErrorKind, StoreError};
use crate::transaction_file::Mark;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What an open transaction wants to commit.
#[derive(Debug)]
pub struct Transaction<'a> {
    /// The snapshot it read.
    pub base: &'a Arc<Snapshot>,
    /// What it wrote.
    pub overlay: &'a Overlay,
    /// What the database is to be like afterwards.
    pub shape: Shape,
}

/// The outline of a database after a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Page size.
    pub page_size: PageSize,
    /// Pages, from bytes 28 to 31 of page 1.
    pub page_count: u32,
    /// The transaction ends the database.
    pub drops: bool,
}

/// A commit whose outcome is unknown.
#[derive(Debug)]
pub(super) struct Pending {
    outgoing: Outgoing,
    base: Arc<Snapshot>,
    /// Boot time at which `base` was known to be the head.
    proven: Duration,
    /// Why it is unknown, and since when (boot time).
    cause: StoreError,
    failed_at: Duration,
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
        let Transaction { base, overlay, shape } = *transaction;
        let pages = pages_to_write(overlay, base.page_count, shape.page_count);
        self.commit_pages(base, shape, pages, &mut |pgno, page| {
            if !overlay.read(pgno, page)? {
                page.fill(0); // Grown over, but never written by SQLite.
            }
            Ok(())
        })
    }

    /// Commits `pages` (ascending) on top of `base`.
    pub(super) fn commit_pages(
        &self,
        base: &Arc<Snapshot>,
        shape: Shape,
        pages: impl IntoIterator<Item = u32>,
        read: &mut dyn FnMut(u32, &mut [u8]) -> Result<()>,
    ) -> Result<Arc<Snapshot>> {
        let started = self.env.boot_time();
        if let Some(error) = lock(&self.diverged).clone() {
            return Err(error);
        }
        self.settle(self.options.timeout)?;
        if self.is_too_old(self.proven_at()) {
            self.refresh(Duration::ZERO)?;
        }
        let proven = self.proven_at();
        self.check_head(base)?;
        let (outgoing, pages) = self.encode(&self.draft(base, shape), pages, read)?;
        self.prepare_store(base, &outgoing)?;
        let sent = self.env.boot_time();
        match self.send(&outgoing, self.options.timeout) {
            Outcome::Created => {
                let next = self.created(base, &outgoing, proven)?;
                self.prove(sent);
                if let Some(file) = next.tip() {
                    self.keep_pages(file, &pages);
                }
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
                let base = Arc::clone(base);
                let failed_at = self.env.boot_time();
                *lock(&self.pending) = Some(Pending { outgoing, base, proven, cause, failed_at });
                Err(error)
            }
        }
    }

    fn draft(&self, base: &Snapshot, shape: Shape) -> Draft {
        let txid = base.txid + 1;
        let own = self.env.random();
        Draft {
            name: FileName { level: 0, min: txid, max: txid },
            page_size: shape.page_size,
            page_count: shape.page_count,
            timestamp_ms: self.env.wall_ms().max(base.timestamp_ms),
            node_id: base.tip().map_or_else(|| self.env.random(), |tip| tip.header.node_id),
            mark: Some(Mark { own, parent: base.identity(), dropped: shape.drops }),
        }
    }

    /// What must be in the store before the transaction file.
    fn prepare_store(&self, base: &Snapshot, outgoing: &Outgoing) -> Result<()> {
        if let (0, Some(retention)) = (base.txid, self.options.retention) {
            self.record_retention(retention)?;
        }
        self.put_sums(outgoing)
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
            Err(error) if error.kind == ErrorKind::AlreadyExists => {
                self.learn_retention(&self.list()?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this process may write on top of `base` at all.
    ///
    /// # Errors
    /// A sentence that says why not and what to do.
    pub fn check_writable(&self, base: &Snapshot, adopt: bool) -> Result<()> {
        if let Some(error) = lock(&self.diverged).clone() {
            return Err(error);
        }
        if base.txid > 0 && base.mark().is_none() && !adopt {
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

/// The overlay's pages and every page the file grows by.
fn pages_to_write(overlay: &Overlay, base_count: u32, page_count: u32) -> Vec<u32> {
    let kept = overlay.shown_of(base_count).min(page_count);
    let mut pages: Vec<u32> = overlay.pages().take_while(|&pgno| pgno <= kept).collect();
    pages.extend(kept + 1..=page_count);
    pages
}

// The conditional PUT.

impl Database {
    /// Sends the file until the store has decided, or time is up.
    fn send(&self, outgoing: &Outgoing, patience: Duration) -> Outcome {
        let key = self.layout.key(outgoing.name);
        let deadline = self.env.boot_time() + patience;
        let mut pause = FIRST_PAUSE;
        let mut doubtful: Option<StoreError> = None;
        loop {
            let error = match self.store.create(&key, &outgoing.body, outgoing.header.timestamp_ms) {
                Ok(()) => return Outcome::Created,
                Err(error) => error,
            };
            match error.kind {
                ErrorKind::AlreadyExists => match self.owner_of(&key) {
                    Ok(Owner::Mark(mark)) if mark == outgoing.mark() => return Outcome::Created,
                    Ok(Owner::Mark(_)) => return Outcome::Taken,
                    // "Exists" for a key that does not: the store was busy with it. And what
                    // cannot be read may be ours. Try again.
                    Ok(Owner::Nobody | Owner::Unreadable) => doubtful = Some(error.clone()),
                    Err(cause) => doubtful = Some(cause),
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
    pub(super) fn pause(&self, pause: &mut Duration) {
        let half = pause.as_micros() as u64 / 2;
        let jitter = if half == 0 { 0 } else { self.env.random() % half };
        self.env.sleep(Duration::from_micros(half + jitter));
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    /// The store has our file: the transaction is committed, unless its number had
    /// been used, compacted and removed since `base` was known to be the head, at boot
    /// time `proven` (storage rule 6). Then our file is a stray, and is removed.
    fn created(
        &self,
        base: &Arc<Snapshot>,
        outgoing: &Outgoing,
        proven: Duration,
    ) -> Result<Arc<Snapshot>> {
        if self.is_stray(base, outgoing, proven)? {
            self.store.delete(&[self.layout.key(outgoing.name)])?;
            return Err(self.lost(base));
        }
        let next = Arc::new(base.apply(&self.written_file(outgoing)?));
        self.advance(&next);
        Ok(next)
    }

    fn is_stray(&self, base: &Snapshot, outgoing: &Outgoing, proven: Duration) -> Result<bool> {
        let txid = outgoing.name.max;
        let own = outgoing.mark().map_or(0, |mark| mark.own);
        let head = self.head();
        if head.txid > txid {
            // Others went on: from our transaction, or from another with its number?
            return Ok(match self.owner_of(&self.layout.commit_key(txid + 1))? {
                Owner::Mark(Some(next)) => next.parent != own,
                _ => true,
            });
        }
        if head.txid == txid {
            return Ok(head.identity() != own);
        }
        debug_assert_eq!(head.txid, base.txid, "the head never moves back");
        if !self.is_too_old(proven) {
            return Ok(false);
        }
        let files = self.list()?;
        Ok(files.names().iter().any(|file| file.level > 0 && file.max >= txid))
    }
}

// An unknown outcome.

impl Database {
    /// Settles a commit of this process whose outcome is unknown, by sending it again
    /// for as long as `patience` (at least once): either it is in the store afterwards,
    /// or another transaction has its number.
    ///
    /// # Errors
    /// [`Error::Unknown`] as long as the store gives no answer.
    pub fn settle(&self, patience: Duration) -> Result<()> {
        let called = self.env.boot_time();
        let mut pending = lock(&self.pending);
        let Some(commit) = pending.as_mut() else { return Ok(()) };
        if commit.failed_at > called {
            // Another thread has just tried, while this one waited.
            return Err(self.unknown(commit.outgoing.name.max, &commit.cause));
        }
        match self.settled(commit, patience) {
            Ok(committed) => {
                crate::log::warn(&format!(
                    "transaction {} of {} was {}",
                    commit.outgoing.name.max,
                    self.name(),
                    if committed { "committed after all" } else { "not committed" }
                ));
                *pending = None;
                Ok(())
            }
            Err(cause) => {
                commit.failed_at = self.env.boot_time();
                commit.cause = cause;
                Err(self.unknown(commit.outgoing.name.max, &commit.cause))
            }
        }
    }

    /// Whether a pending commit is in the store for good.
    fn settled(
        &self,
        commit: &Pending,
        patience: Duration,
    ) -> std::result::Result<bool, StoreError> {
        let head = self.head();
        let outcome = if head.txid == commit.base.txid {
            self.send(&commit.outgoing, patience)
        } else {
            // The history has gone on: its number is decided, sending it could only harm.
            match self.owner_of(&self.layout.key(commit.outgoing.name))? {
                Owner::Mark(mark) if mark == commit.outgoing.mark() => Outcome::Created,
                _ => Outcome::Taken,
            }
        };
        match outcome {
            Outcome::Created => {
                match self.created(&commit.base, &commit.outgoing, commit.proven) {
                    Ok(_) => Ok(true),
                    Err(Error::Store(cause)) => Err(cause),
                    Err(_) => Ok(false),
                }
            }
            Outcome::Taken => Ok(false),
            Outcome::Refused(cause) | Outcome::NotSent(cause) | Outcome::Unknown(cause) => {
                Err(cause)
            }
        }
    }

    /// What keeps a commit of this process from being settled, if one is open.
    #[must_use]
    pub fn unsettled(&self) -> Option<String> {
        lock(&self.pending).as_ref().map(|commit| {
            format!("transaction {}: {}", commit.outgoing.name.max, commit.cause)
        })
    }
}

//! From an open transaction to the store: the only writes that decide anything.
//!
//! Divisions: committing · the conditional PUT · an unknown outcome.
//!
//! What must hold: a commit is acknowledged only after the store created the
//! file for transaction base + 1, and is refused only where that file certainly
//! is another's or was never sent. Everything else is an unknown outcome, kept
//! and settled by the same conditional PUT before this process begins another
//! transaction (storage rule 7). An answer that comes after half the retention says
//! nothing by itself, because the number may have been used, merged and removed
//! meanwhile: then other files tell (storage rule 6).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::compact::SNAPSHOT_RETENTION;
use super::head::Owner;
use super::outgoing::{Draft, Outgoing};
use super::{Database, lock};
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx::PageSize;
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::store::{Body, ErrorKind, Operation, StoreError};
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

/// A transaction file on its way.
#[derive(Debug)]
struct Attempt {
    outgoing: Outgoing,
    base: Arc<Snapshot>,
    /// Boot time at which `base` was known to be the head.
    proven: Duration,
    /// Why an earlier request of it may have taken effect, if one may.
    doubtful: Option<StoreError>,
}

/// A commit whose outcome is unknown.
#[derive(Debug)]
pub(super) struct Pending {
    attempt: Attempt,
    /// Why it is unknown, and since when (boot time).
    cause: StoreError,
    failed_at: Duration,
}

/// How sending a transaction file ended.
#[derive(Debug)]
enum Outcome {
    /// It is the transaction after its base.
    Committed(Arc<Snapshot>),
    /// Another's is.
    Taken,
    Refused(StoreError),
    NotSent(StoreError),
    /// It may be; sending it again will tell.
    Unknown(StoreError),
    /// It may have been, and nothing in the store tells any more.
    Untold(StoreError),
}

impl Database {
    /// Makes the transaction the newest of the database, durably.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::NotSent`], [`Error::Unknown`] and what makes
    /// a commit impossible; only after `Unknown` it may be in the store.
    pub fn commit(&self, transaction: &Transaction<'_>) -> Result<Arc<Snapshot>> {
        let Transaction {
            base,
            overlay,
            shape,
        } = *transaction;
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
        let mut attempt = Attempt {
            outgoing,
            base: Arc::clone(base),
            proven,
            doubtful: None,
        };
        let txid = base.txid + 1;
        match self.send(&mut attempt, self.options.timeout) {
            Outcome::Committed(next) => {
                if let Some(file) = next.tip() {
                    self.keep_pages(file, &pages);
                }
                self.stats
                    .committed(self.env.boot_time().saturating_sub(started));
                Ok(next)
            }
            Outcome::Taken => Err(self.lost(base)),
            Outcome::Refused(cause) => Err(Error::Store(cause)),
            Outcome::NotSent(cause) => Err(Error::NotSent {
                database: self.name().to_owned(),
                txid,
                cause,
            }),
            Outcome::Unknown(cause) => {
                Stats::count(&self.stats.unknown);
                let error = self.unknown(txid, &cause);
                let failed_at = self.env.boot_time();
                *lock(&self.pending) = Some(Pending {
                    attempt,
                    cause,
                    failed_at,
                });
                Err(error)
            }
            Outcome::Untold(cause) => {
                Stats::count(&self.stats.unknown);
                Err(self.unknown(txid, &cause))
            }
        }
    }

    fn draft(&self, base: &Snapshot, shape: Shape) -> Draft {
        let txid = base.txid + 1;
        let own = self.env.random();
        Draft {
            name: FileName {
                level: 0,
                min: txid,
                max: txid,
            },
            page_size: shape.page_size,
            page_count: shape.page_count,
            timestamp_ms: self.env.wall_ms().max(base.timestamp_ms),
            node_id: base
                .tip()
                .map_or_else(|| self.env.random(), |tip| tip.header.node_id),
            mark: Some(Mark {
                own,
                parent: base.identity(),
                dropped: shape.drops,
                emptied: false,
            }),
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
        match self
            .store
            .create(&key, &Body::Memory(Bytes::from(text)), self.env.wall_ms())
        {
            Ok(()) => {
                self.retention_ms.store(millis, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::AlreadyExists => self.read_retention(),
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
        Error::Conflict {
            database: self.name().to_owned(),
            base: base.txid,
            head,
        }
    }

    fn unknown(&self, txid: u64, cause: &StoreError) -> Error {
        Error::Unknown {
            database: self.name().to_owned(),
            txid,
            cause: cause.clone(),
        }
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
    fn send(&self, attempt: &mut Attempt, patience: Duration) -> Outcome {
        let key = self.layout.key(attempt.outgoing.name);
        let timestamp_ms = attempt.outgoing.header.timestamp_ms;
        let sent = self.env.boot_time();
        let deadline = sent + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self
                .store
                .create(&key, &attempt.outgoing.body, timestamp_ms)
            {
                Ok(()) => return self.created(attempt, sent),
                Err(error) => error,
            };
            match error.kind {
                ErrorKind::AlreadyExists => match self.owner_of(&key) {
                    Ok(Owner::Mark(mark)) if mark == attempt.outgoing.mark() => {
                        return self.created(attempt, sent);
                    }
                    Ok(Owner::Mark(_)) => return self.taken(attempt, error),
                    // "Exists" for a key that does not: the store was busy with it. And what
                    // cannot be read may be ours. Try again.
                    Ok(Owner::Nobody | Owner::Unreadable) => attempt.doubtful = Some(error.clone()),
                    Err(cause) => attempt.doubtful = Some(cause),
                },
                ErrorKind::Ambiguous => attempt.doubtful = Some(error.clone()),
                ErrorKind::Denied | ErrorKind::Rejected | ErrorKind::Full | ErrorKind::NotFound => {
                    return match attempt.doubtful {
                        None => Outcome::Refused(error),
                        Some(_) => Outcome::Unknown(error),
                    };
                }
                ErrorKind::Unreachable | ErrorKind::Throttled => {}
            }
            if self.env.boot_time() + pause > deadline {
                return match &attempt.doubtful {
                    Some(cause) => Outcome::Unknown(cause.clone()),
                    None => Outcome::NotSent(error),
                };
            }
            self.pause(&mut pause);
        }
    }

    /// Waits between half and all of `pause`, and doubles it for the next time.
    pub(super) fn pause(&self, pause: &mut Duration) {
        let half = pause.as_micros() as u64 / 2;
        let jitter = if half == 0 {
            0
        } else {
            self.env.random() % half
        };
        self.env.sleep(Duration::from_micros(half + jitter));
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    /// The store has our file: the transaction is committed, unless its number had
    /// been used, merged and removed since `base` was known to be the head (storage
    /// rule 6). Then our file is a stray, and is removed.
    fn created(&self, attempt: &Attempt, sent: Duration) -> Outcome {
        let Attempt { outgoing, base, .. } = attempt;
        if self.is_too_old(attempt.proven) {
            match self.is_in_history(attempt) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => {
                    // Where this fails, the files above still stand for its number.
                    let _ = self.store.delete(&[self.layout.key(outgoing.name)]);
                    return match &attempt.doubtful {
                        None => Outcome::Taken,
                        Some(cause) => Outcome::Untold(cause.clone()),
                    };
                }
                Ok(None) => return Outcome::Untold(self.too_late(attempt)),
                Err(cause) => return Outcome::Unknown(cause),
            }
        }
        let Ok(file) = self.written_file(outgoing) else {
            return Outcome::Unknown(self.too_late(attempt));
        };
        let next = Arc::new(base.apply(&file));
        self.advance(&next);
        self.prove(sent);
        Outcome::Committed(next)
    }

    /// Another's file has our number. If much time has passed, ours may have had it
    /// before, and been merged and removed.
    fn taken(&self, attempt: &Attempt, error: StoreError) -> Outcome {
        match &attempt.doubtful {
            Some(_) if self.is_too_old(attempt.proven) => Outcome::Untold(error),
            _ => Outcome::Taken,
        }
    }

    /// Whether our file, which is in the store, is part of the history; none where that
    /// cannot be told. The next transaction says what it was built on; where that is
    /// gone, a file above that holds our number must have been made after ours.
    fn is_in_history(&self, attempt: &Attempt) -> std::result::Result<Option<bool>, StoreError> {
        let Attempt { outgoing, .. } = attempt;
        let name = outgoing.name;
        let next = self.owner_of(&self.layout.commit_key(name.max + 1))?;
        if let (Owner::Mark(Some(next)), Some(ours)) = (next, outgoing.mark()) {
            return Ok(Some(next.parent == ours.own));
        }
        let files = self.list()?;
        let above: Vec<i64> = files
            .files
            .iter()
            .filter(|(file, _)| file.level > 0 && file.max >= name.max)
            .map(|(_, listed)| listed.modified_ms)
            .collect();
        if above.is_empty() {
            return Ok(Some(true));
        }
        let Some(ours) = files.files.get(&name).map(|listed| listed.modified_ms) else {
            return Ok(None);
        };
        let age = self.env.boot_time().saturating_sub(attempt.proven);
        Ok(if above.iter().any(|modified| *modified < ours) {
            Some(false)
        } else if above.iter().all(|modified| *modified > ours) && age < SNAPSHOT_RETENTION {
            Some(true)
        } else {
            None
        })
    }

    fn too_late(&self, attempt: &Attempt) -> StoreError {
        StoreError {
            kind: ErrorKind::Ambiguous,
            operation: Operation::Create,
            store: self.store.url().to_owned(),
            key: self.layout.key(attempt.outgoing.name),
            detail: "the answer came so late that the history had moved past it".to_owned(),
        }
    }
}

// An unknown outcome.

impl Database {
    /// Settles a commit of this process whose outcome is unknown, by sending it again
    /// for as long as `patience`: either it is in the store afterwards, or another
    /// transaction has its number.
    ///
    /// # Errors
    /// [`Error::Unknown`] as long as the store gives no answer.
    pub fn settle(&self, patience: Duration) -> Result<()> {
        let called = self.env.boot_time();
        let mut pending = lock(&self.pending);
        let Some(commit) = pending.as_mut() else {
            return Ok(());
        };
        let txid = commit.attempt.outgoing.name.max;
        if commit.failed_at > called {
            // Another thread has just tried, while this one waited.
            return Err(self.unknown(txid, &commit.cause));
        }
        let outcome = match self.settled(&mut commit.attempt, patience) {
            Outcome::Committed(_) => "committed after all",
            Outcome::Taken => "not committed",
            Outcome::Untold(_) => "committed or not: that cannot be told any more, read the data",
            Outcome::Refused(cause) | Outcome::NotSent(cause) | Outcome::Unknown(cause) => {
                commit.failed_at = self.env.boot_time();
                commit.cause = cause;
                return Err(self.unknown(txid, &commit.cause));
            }
        };
        crate::log::warn(&format!(
            "transaction {txid} of {} was {outcome}",
            self.name()
        ));
        *pending = None;
        Ok(())
    }

    /// What became of a pending commit.
    fn settled(&self, attempt: &mut Attempt, patience: Duration) -> Outcome {
        if self.head().txid == attempt.base.txid {
            return self.send(attempt, patience);
        }
        // The history has gone on: its number is decided, sending it could only harm.
        match self.owner_of(&self.layout.key(attempt.outgoing.name)) {
            Ok(Owner::Mark(mark)) if mark == attempt.outgoing.mark() => {
                self.created(attempt, attempt.proven)
            }
            Ok(Owner::Mark(_)) => self.taken(attempt, self.too_late(attempt)),
            Ok(Owner::Nobody | Owner::Unreadable) => Outcome::Untold(self.too_late(attempt)),
            Err(cause) => Outcome::Unknown(cause),
        }
    }

    /// What keeps a commit of this process from being settled, if one is open.
    #[must_use]
    pub fn unsettled(&self) -> Option<String> {
        lock(&self.pending).as_ref().map(|commit| {
            format!(
                "transaction {}: {}",
                commit.attempt.outgoing.name.max, commit.cause
            )
        })
    }
}

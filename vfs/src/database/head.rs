//! What the newest transaction is, and how old our knowledge of it is.
//!
//! What must hold: a 404 for transaction N+1 proves that N is the head only as
//! long as N+1 cannot have come and been removed again. Files stay at least the
//! retention after they were compacted, so a proof is good for half of it;
//! beyond that the levels are listed anew (storage rule 6). Ages are measured
//! with the boot-time clock from the moment a request was sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::load::FetchError;
use super::{Database, Failure, lock};
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx;
use crate::snapshot::Snapshot;
use crate::store::{ErrorKind, Part, StoreError};
use crate::transaction_file::{Mark, TransactionFile};

/// A listing may lag behind; it is asked for again so many times before a gap is believed.
const LISTINGS: u32 = 3;
/// After so many single transactions a listing finds the rest with fewer requests.
const LONGEST_CHAIN: u32 = 32;
/// BEGIN IMMEDIATE asks at SHARED and again at RESERVED; within this time once is enough.
const JUST_ASKED: Duration = Duration::from_millis(100);

impl Database {
    /// The snapshot for a new read transaction, not older than `max_staleness` allows.
    ///
    /// # Errors
    /// The store is out of reach (unless `offline` is set), the history was
    /// replaced, or an unknown COMMIT cannot be settled.
    pub fn begin_read(&self, max_staleness: Duration, offline: bool) -> Result<Arc<Snapshot>> {
        if let Some(error) = lock(&self.diverged).clone() {
            return Err(error);
        }
        let fresh = self
            .settle(Duration::ZERO)
            .and_then(|()| self.refresh(max_staleness));
        match fresh {
            Ok(()) => Ok(self.head()),
            Err(Error::Store(error) | Error::Unknown { cause: error, .. })
                if offline && error.kind != ErrorKind::Denied =>
            {
                Ok(self.head())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the store for news unless that was done within `max_age`.
    ///
    /// # Errors
    /// The store is out of reach, or its history is not ours.
    pub fn refresh(&self, max_age: Duration) -> Result<()> {
        let called = self.env.boot_time();
        if self.proof_age(called) < max_age {
            return Ok(());
        }
        let mut asked = lock(&self.asked);
        // Whoever asked while this thread waited has asked for it too, in vain or not.
        let proven = Duration::from_micros(self.proven_at.load(Ordering::Acquire));
        if proven > called || self.proof_age(called) < max_age {
            return Ok(());
        }
        if let Some(Failure { began, error }) = &asked.failure
            && *began > called
        {
            return Err(error.clone());
        }
        let began = self.env.boot_time();
        let result = self.ask(began);
        asked.failure = result.as_ref().err().map(|error| Failure {
            began,
            error: error.clone(),
        });
        result
    }

    /// Asks for news at the start of a write, unless the read transaction's own start
    /// has just done so: a lost race is then found before any work is done.
    ///
    /// # Errors
    /// As for [`Database::refresh`].
    pub fn refresh_for_write(&self, max_staleness: Duration) -> Result<()> {
        self.refresh(max_staleness.max(JUST_ASKED))
    }

    /// When the newest proof of the head was asked for.
    pub(super) fn proven_at(&self) -> Duration {
        Duration::from_micros(self.proven_at.load(Ordering::Acquire))
    }

    fn proof_age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.proven_at())
    }

    pub(super) fn prove(&self, request_sent: Duration) {
        self.proven_at
            .fetch_max(request_sent.as_micros() as u64, Ordering::AcqRel);
    }

    /// True where knowledge gained at `since` is too old to trust a missing N+1. On top of
    /// a transaction of Litestream's it always is: Litestream removes files by rules of
    /// its own, some minutes after it merged them.
    pub(super) fn is_too_old(&self, since: Duration) -> bool {
        let head = self.head();
        let litestreams = head.txid > 0 && head.mark().is_none();
        litestreams || self.env.boot_time().saturating_sub(since) > self.retention() / 2
    }

    fn ask(&self, began: Duration) -> Result<()> {
        if self.is_too_old(self.proven_at()) {
            self.follow_listing()?;
        }
        while self.follow_chain()? == LONGEST_CHAIN {
            self.follow_listing()?;
        }
        self.prove(began);
        Ok(())
    }

    /// Follows the chain of level-0 files to its end, or so far that a listing is
    /// cheaper; says how many steps that were. The head moves once, at the end: the
    /// states between may be those of a database that was dropped since.
    fn follow_chain(&self) -> Result<u32> {
        let mut head = self.head();
        let mut steps = 0;
        while steps < LONGEST_CHAIN {
            let next = head.txid + 1;
            match self.fetch_file(FileName {
                level: 0,
                min: next,
                max: next,
            }) {
                Ok(file) => head = Arc::new(self.continued(&head, &file)?),
                Err(FetchError::Missing) => break,
                Err(FetchError::Other(error)) => return Err(error),
            }
            steps += 1;
        }
        if steps > 0 {
            if self.head().txid == 0 {
                // Made since this process looked: so was the record of its retention.
                self.read_retention()?;
            }
            self.advance(&head);
        }
        Ok(steps)
    }

    /// The snapshot after one more transaction, if that continues our history.
    fn continued(&self, head: &Snapshot, file: &Arc<TransactionFile>) -> Result<Snapshot> {
        self.check_continues(head, file)
            .map_err(|error| match error {
                Error::Damaged { detail, .. } => {
                    self.diverge(format!("transaction {}: {detail}", file.name.min))
                }
                other => other,
            })?;
        Ok(head.apply(file))
    }

    /// Makes `next` the head unless another thread has moved it there or further.
    pub(super) fn advance(&self, next: &Arc<Snapshot>) {
        let _moving = lock(&self.moving);
        if self.head.load().txid < next.txid {
            self.head.store(Arc::clone(next));
        }
    }

    /// The first look at a store: what is there, then what came since the listing.
    pub(super) fn learn_head(&self) -> Result<()> {
        let started = self.env.boot_time();
        let mut files = self.list()?;
        let mut loaded = self.load(&files, None);
        for _ in 1..LISTINGS {
            if !matches!(loaded, Err(Error::History { .. })) && !is_missing(&loaded) {
                break;
            }
            files = self.list()?;
            loaded = self.load(&files, None);
        }
        self.advance(&Arc::new(loaded?));
        self.learn_retention(&files)?;
        while self.follow_chain()? == LONGEST_CHAIN {}
        self.prove(started);
        Ok(())
    }

    /// Lists the levels anew: for transactions whose level-0 file is gone, and for
    /// a history that was replaced.
    fn follow_listing(&self) -> Result<()> {
        let head = self.head();
        let files = self.list()?;
        let newest = files.newest();
        if newest < head.txid {
            return if self.still_there(&head)? {
                Ok(()) // The listing lags behind.
            } else {
                Err(self.diverge(format!(
                    "it ends at transaction {newest}, this process has seen {}",
                    head.txid
                )))
            };
        }
        self.learn_retention(&files)?;
        if newest == head.txid && self.still_there(&head)? {
            return Ok(());
        }
        let loaded = self.load(&files, None)?;
        if !same_database(&head, &loaded) {
            return Err(self.diverge("it was created anew".to_owned()));
        }
        if loaded.txid == head.txid && !same_transaction(&head, &loaded) {
            return Err(self.diverge(format!("transaction {} is another", head.txid)));
        }
        self.advance(&Arc::new(loaded));
        Ok(())
    }

    /// Whether the file that made `snapshot` is in the store, with the same mark.
    fn still_there(&self, snapshot: &Snapshot) -> Result<bool> {
        let Some(tip) = snapshot.tip() else {
            return Ok(true);
        };
        match self
            .store
            .get(&tip.key, Part::Range(0..ltx::HEADER_SIZE as u64))
        {
            Ok(fetched) => Ok(ltx::Header::decode(&fetched.bytes)
                .is_ok_and(|header| header.reserved == tip.header.reserved)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose the file under `key` is.
    pub(super) fn owner_of(&self, key: &str) -> std::result::Result<Owner, StoreError> {
        match self.store.get(key, Part::Range(0..ltx::HEADER_SIZE as u64)) {
            Ok(fetched) => Ok(match ltx::Header::decode(&fetched.bytes) {
                Ok(header) => Owner::Mark(Mark::decode(&header.reserved)),
                Err(_) => Owner::Unreadable,
            }),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Owner::Nobody),
            Err(error) => Err(error),
        }
    }

    /// The same state from the files that are left, for a reader whose files were removed.
    ///
    /// # Errors
    /// [`Error::Expired`] where no files add up to exactly that transaction.
    pub fn replan(&self, snapshot: &Snapshot) -> Result<Arc<Snapshot>> {
        let files = self.list()?;
        let expired = |_| Error::Expired {
            database: self.name().to_owned(),
            txid: snapshot.txid,
        };
        let again = match self.load(&files, Some(snapshot.txid)) {
            Ok(again) => again,
            Err(error @ (Error::Refused(_) | Error::History { .. })) => return Err(expired(error)),
            Err(error) => return Err(error),
        };
        if !same_transaction(&again, snapshot) {
            return Err(self.diverge(format!("transaction {} is another", snapshot.txid)));
        }
        let again = Arc::new(again);
        let _moving = lock(&self.moving);
        let head = self.head.load();
        if (head.txid, head.identity()) == (snapshot.txid, snapshot.identity()) {
            self.head.store(Arc::clone(&again));
        }
        Ok(again)
    }
}

/// What stands under the key of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// No object.
    Nobody,
    /// A transaction file; without a mark it is Litestream's.
    Mark(Option<Mark>),
    /// Something else.
    Unreadable,
}

/// A file that the listing showed was gone when it was read: compaction came between.
fn is_missing(loaded: &Result<Snapshot>) -> bool {
    matches!(loaded, Err(Error::Store(error)) if error.kind == ErrorKind::NotFound)
}

/// Whether two snapshots with one number are the same; Litestream's files do not tell.
fn same_transaction(one: &Snapshot, other: &Snapshot) -> bool {
    one.page_count == other.page_count
        && one
            .mark()
            .zip(other.mark())
            .is_none_or(|(one, other)| one.own == other.own)
}

/// Every file of ours carries the database's identity, drawn at its first transaction.
fn same_database(one: &Snapshot, other: &Snapshot) -> bool {
    let identity = |snapshot: &Snapshot| {
        let tip = snapshot.tip().filter(|tip| tip.mark().is_some())?;
        Some(tip.header.node_id)
    };
    match (identity(one), identity(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

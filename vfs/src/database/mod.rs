//! One database of a store, as this process knows it.
//!
//! The rooms: `load` (listing and files -> snapshot), `head` (what is newest,
//! and how we know), `pages` (snapshot -> bytes), `outgoing` (pages -> a transaction
//! file), `commit` (a transaction file -> the store, if nobody was first),
//! `history` (the past), `compact` (fewer files, the same history), `transfer`
//! (plain database files in and out).
//!
//! All connections of a process that open one database share one [`Database`].
//! Lock order: `pending`, `asked`, `moving`, then any other.

mod commit;
mod compact;
mod head;
mod history;
mod load;
mod outgoing;
mod pages;
mod transfer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::cache::Cache;
use crate::env::Environment;
use crate::error::{Error, Result};
use crate::layout::{FileName, Layout};
use crate::ltx::PageSize;
use crate::options::Options;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::store::Store;
use crate::transaction_file::TransactionFile;

pub use commit::{Shape, Transaction};
pub use compact::Compacted;
pub use history::Version;
pub use pages::ReadAhead;
pub use transfer::{PlainFile, is_database, page_size_of};

use commit::Pending;

/// How long level-0 files stay where no retention is recorded.
const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// See the module's documentation.
#[derive(Debug)]
pub struct Database {
    store: Arc<dyn Store>,
    env: Arc<dyn Environment>,
    layout: Layout,
    options: Options,
    /// Counts for `blob_stats`.
    pub stats: Stats,
    cache: OnceLock<Cache>,
    head: ArcSwap<Snapshot>,
    /// Held while the store is asked for news.
    asked: Mutex<Asked>,
    /// Held while the head moves; never across a request.
    moving: Mutex<()>,
    /// Boot time in microseconds at which the newest proof's request was sent.
    proven_at: AtomicU64,
    writer: Mutex<Option<WriterId>>,
    pending: Mutex<Option<Pending>>,
    diverged: Mutex<Option<Error>>,
    retention_ms: AtomicU64,
    /// Loaded files by checksum and name (a snapshot of the first transaction has its
    /// bytes), so that snapshots made apart share what is known of them.
    files: Mutex<HashMap<(u64, FileName), Weak<TransactionFile>>>,
}

/// The last time the store was asked in vain.
#[derive(Debug, Default)]
struct Asked {
    failure: Option<Failure>,
}

/// A failure, so that threads that waited for the same answer need not ask again.
#[derive(Debug)]
struct Failure {
    /// Boot time.
    began: Duration,
    error: Error,
}

/// A file handle that may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriterId(pub u64);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    /// Opens a database and learns its newest transaction. One that does not
    /// exist yet opens too, with [`Snapshot::empty`] as its head.
    ///
    /// # Errors
    /// The store is out of reach, or what it holds is not one whole history.
    pub fn open(
        store: Arc<dyn Store>,
        env: Arc<dyn Environment>,
        name: &str,
        options: Options,
    ) -> Result<Arc<Self>> {
        let layout = Layout::new(store.key_style(), name);
        let database = Arc::new(Self {
            store,
            env,
            layout,
            options,
            stats: Stats::default(),
            cache: OnceLock::new(),
            head: ArcSwap::from_pointee(Snapshot::empty()),
            asked: Mutex::default(),
            moving: Mutex::default(),
            proven_at: AtomicU64::new(0),
            writer: Mutex::new(None),
            pending: Mutex::new(None),
            diverged: Mutex::new(None),
            retention_ms: AtomicU64::new(DEFAULT_RETENTION.as_millis() as u64),
            files: Mutex::new(HashMap::new()),
        });
        database.learn_head()?;
        Ok(database)
    }

    /// The database's name in its store.
    #[must_use]
    pub fn name(&self) -> &str {
        self.layout.name()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The newest snapshot this process knows.
    #[must_use]
    pub fn head(&self) -> Arc<Snapshot> {
        self.head.load_full()
    }

    /// The page cache, opened when the page size is known.
    fn cache(&self, page_size: PageSize) -> &Cache {
        self.cache.get_or_init(|| {
            let directory = self.cache_directory();
            let (cache, problem) = Cache::open(&directory, page_size, self.options.cache_size);
            if let Some(problem) = problem {
                crate::log::warn(&problem);
            }
            cache
        })
    }

    /// The page cache, if it was needed yet.
    #[must_use]
    pub fn opened_cache(&self) -> Option<&Cache> {
        self.cache.get()
    }

    /// One directory per store and database. The name is for people, the hash decides.
    fn cache_directory(&self) -> std::path::PathBuf {
        let identity = format!("{}\n{}", self.store.url(), self.name());
        let hash = crate::checksum::checksum(identity.as_bytes());
        let readable: String = self
            .name()
            .rsplit('/')
            .next()
            .unwrap_or("")
            .chars()
            .take(40)
            .collect();
        self.options
            .cache_dir
            .join(format!("{readable}-{hash:016x}"))
    }

    /// Lets `writer` write, if no other connection of this process does.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn acquire_writer(&self, writer: WriterId) -> Result<()> {
        let mut current = lock(&self.writer);
        match *current {
            Some(other) if other != writer => Err(Error::Busy {
                database: self.name().to_owned(),
            }),
            _ => {
                *current = Some(writer);
                Ok(())
            }
        }
    }

    /// Gives the right to write back.
    pub fn release_writer(&self, writer: WriterId) {
        let mut current = lock(&self.writer);
        if *current == Some(writer) {
            *current = None;
        }
    }

    /// Whether a connection of this process is writing.
    #[must_use]
    pub fn has_writer(&self) -> bool {
        lock(&self.writer).is_some()
    }

    /// Whether there is a database: a transaction, and not one that dropped it.
    #[must_use]
    pub fn exists(&self) -> bool {
        let head = self.head();
        head.txid > 0 && !compact::is_dropped(&head)
    }

    /// How long level-0 files stay.
    fn retention(&self) -> Duration {
        Duration::from_millis(self.retention_ms.load(Ordering::Relaxed))
    }

    fn diverge(&self, detail: String) -> Error {
        let error = Error::Diverged {
            database: self.name().to_owned(),
            detail,
        };
        lock(&self.diverged).get_or_insert_with(|| error.clone());
        error
    }

    fn history_error(&self, detail: impl ToString) -> Error {
        Error::History {
            database: self.name().to_owned(),
            detail: detail.to_string(),
        }
    }

    /// True where the store's history is no longer the one this process followed.
    #[must_use]
    pub fn has_diverged(&self) -> bool {
        lock(&self.diverged).is_some()
    }
}

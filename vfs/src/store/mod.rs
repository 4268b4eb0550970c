//! Where databases live: the interface to a store, and the stores themselves.
//!
//! A [`Store`] is a flat map from key to object with two guarantees the commit
//! path stands on: `create` never replaces an object, and of several
//! concurrent `create` calls for one key at most one succeeds. Everything is
//! blocking: the VFS is called on SQLite's threads, and a local directory
//! store needs no thread or runtime at all.
//!
//! Keys are relative to the store's prefix, `/`-separated; [`key`] says what a
//! segment may be.
//!
//! | module | what |
//! | --- | --- |
//! | [`location`] | [`open`]: from a URL to a store |
//! | [`options`] | the table of options and where their values come from |
//! | [`local`] | a directory, with `std::fs` alone |
//! | `remote` | S3, Azure, GCS |
//! | `retry` | repeats what may be repeated |
//! | `probe` | before the first write: does the store keep its promise? |
//! | `memory` | a map in memory with faults on demand, for tests and simulation |
//! | `conformance` | what every store must pass |
//! | [`key`], `meter`, [`status`] | what the stores share: key rules, counters, what an HTTP status means |

#[doc(hidden)]
pub mod conformance;
pub mod key;
pub mod local;
pub mod location;
#[doc(hidden)]
pub mod memory;
mod meter;
pub mod options;
mod probe;
mod remote;
mod retry;
pub mod status;

pub use location::open;
pub use options::{OpenError, Options};

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

/// The kinds of stores, as `sqlbridge_debug()` names them.
pub const KINDS: [&str; 4] = ["s3", "azure", "gcs", "file"];

/// How Litestream names transaction files in a kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStyle {
    /// `<name>/0000/<min>-<max>.ltx`: S3 and compatibles.
    Hex,
    /// `<name>/ltx/0/<min>-<max>.ltx`: Azure, GCS, local directories.
    Decimal,
}

/// A store of objects. See the module's documentation for what must hold.
pub trait Store: Send + Sync + fmt::Debug {
    /// The store's URL without secrets, for messages and as its identity.
    fn url(&self) -> &str;

    /// How keys of transaction files are formed here.
    fn key_style(&self) -> KeyStyle;

    /// The largest object [`Store::create`] and [`Store::put`] can take, in bytes.
    fn max_object_size(&self) -> u64;

    /// Reads a whole object, or the part of it that `range` and the object share.
    /// A range that begins at or beyond the end gives no bytes, not an error.
    fn get(&self, key: &str, range: Part) -> Result<Fetched, StoreError>;

    /// Several reads at once, answered in the order asked. Stores with latency
    /// overlap them.
    fn get_many(&self, requests: &[(String, Part)]) -> Vec<Result<Fetched, StoreError>> {
        requests
            .iter()
            .map(|(key, part)| self.get(key, part.clone()))
            .collect()
    }

    /// Creates an object where none exists; durable on return. One attempt:
    /// the caller decides about retries, because only the caller can recognise
    /// its own object after an ambiguous failure.
    ///
    /// `timestamp_ms` (Unix epoch) is attached the way Litestream expects it.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] where the key is taken, possibly by an
    /// earlier attempt of ours. [`ErrorKind::surely_not_applied`] tells whether
    /// the object can still appear.
    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError>;

    /// Writes an object, replacing what was there.
    fn put(&self, key: &str, body: &Body) -> Result<(), StoreError>;

    /// All objects below `prefix` (a key followed by `/`, or empty), sorted by key.
    fn list(&self, prefix: &str) -> Result<Listing, StoreError>;

    /// The names directly below `prefix`, without descending: folders and objects.
    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Deletes objects; one that is not there is not an error.
    fn delete(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Requests and bytes so far.
    fn counters(&self) -> Counters;
}

/// Which part of an object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Range(Range<u64>),
    /// The last so many bytes.
    Tail(u64),
}

/// What a read gave.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes asked for, or fewer at the object's end.
    pub bytes: Bytes,
    /// Offset of the first of them in the object.
    pub offset: u64,
    /// Size of the whole object.
    pub object_size: u64,
}

/// Content to be written.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// The first `len` bytes of a file that has no other writer. Streamed.
    File {
        /// An open handle; the file may have no name any more.
        file: std::sync::Arc<std::fs::File>,
        /// How many bytes.
        len: u64,
    },
}

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Key relative to the store's prefix.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When the store itself says it was last written, ms since the Unix epoch.
    pub modified_ms: i64,
}

/// A listing, with the store's own clock to judge ages by.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Sorted by key.
    pub objects: Vec<Object>,
    /// The store's time when it answered, ms since the Unix epoch.
    pub now_ms: i64,
}

/// Requests and bytes by kind since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// GET requests.
    pub gets: u64,
    /// PUT requests.
    pub puts: u64,
    /// LIST requests.
    pub lists: u64,
    /// DELETE requests.
    pub deletes: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Bytes received in bodies.
    pub bytes_in: u64,
    /// Bytes sent in bodies.
    pub bytes_out: u64,
}

/// What a request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read.
    Get,
    /// Conditional write.
    Create,
    /// Unconditional write.
    Put,
    /// Listing.
    List,
    /// Deletion.
    Delete,
}

/// Why a request failed, as far as the caller must tell cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No such object (or bucket: the detail says which).
    NotFound,
    /// Conditional write: the key is taken.
    AlreadyExists,
    /// Credentials missing, wrong or without the right.
    Denied,
    /// No byte of the request left this machine.
    Unreachable,
    /// The store said to come back later (429, 409 conflict, 503 slow down) and did nothing.
    Throttled,
    /// The store refused the request for good (another 4xx).
    Rejected,
    /// Server error, time-out or broken connection: it may have been applied.
    Ambiguous,
    /// Local storage is full.
    Full,
}

/// A failed request.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} {key} in {store}: {detail}")]
pub struct StoreError {
    /// For decisions.
    pub kind: ErrorKind,
    /// What was asked.
    pub operation: Operation,
    /// The store's URL.
    pub store: String,
    /// The object.
    pub key: String,
    /// For people: what the store or the system said.
    pub detail: String,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "read",
            Self::Create => "create",
            Self::Put => "write",
            Self::List => "list",
            Self::Delete => "delete",
        })
    }
}

impl ErrorKind {
    /// True where the request certainly had and will have no effect.
    #[must_use]
    pub fn surely_not_applied(self) -> bool {
        !matches!(self, Self::Ambiguous | Self::AlreadyExists)
    }
}

impl Body {
    /// Bytes to be written.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// True where there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

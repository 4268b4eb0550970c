//! What can go wrong, as sentences, and the one table that maps it to SQLite codes.

use sqlite_abi::Code;

use crate::store::{ErrorKind, StoreError};

/// The result of an engine operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed engine operation. Its text is what `sqlbridge_last_error()` shows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store failed or refused, and certainly nothing was changed by it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A COMMIT did not reach the store.
    #[error(
        "COMMIT of transaction {txid} of {database} did not reach the store and nothing was committed; COMMIT can be tried again: {cause}"
    )]
    NotSent {
        /// Database name.
        database: String,
        /// The transaction it would have been.
        txid: u64,
        /// Last failure.
        cause: StoreError,
    },
    /// A COMMIT may or may not have reached the store.
    #[error(
        "the outcome of transaction {txid} of {database} is unknown: the store may or may not have taken it. It is settled before the next transaction of this process; read the data before repeating the change. {cause}"
    )]
    Unknown {
        /// Database name.
        database: String,
        /// The transaction in question.
        txid: u64,
        /// Last failure.
        cause: StoreError,
    },
    /// Another writer was first.
    #[error(
        "another writer committed to {database} first (it is at transaction {head}, this transaction read {base}); nothing of this transaction was committed: roll back and run it again"
    )]
    Conflict {
        /// Database name.
        database: String,
        /// The snapshot the transaction read.
        base: u64,
        /// The newest transaction.
        head: u64,
    },
    /// Another connection of this process is writing.
    #[error(
        "another connection of this process is writing to {database}; wait or set a busy timeout"
    )]
    Busy {
        /// Database name.
        database: String,
    },
    /// An object's content is not what was written.
    #[error(
        "object {key} is damaged: {detail}. Nothing of it was used; restore the object from a copy"
    )]
    Damaged {
        /// The object.
        key: String,
        /// What does not fit.
        detail: String,
    },
    /// The files in the store do not form one history.
    #[error("the history of {database} in the store is broken: {detail}")]
    History {
        /// Database name.
        database: String,
        /// What does not fit.
        detail: String,
    },
    /// The store's history is not the one this process has been following.
    #[error(
        "the history of {database} was replaced in the store ({detail}); close this connection and open the database again"
    )]
    Diverged {
        /// Database name.
        database: String,
        /// What does not fit.
        detail: String,
    },
    /// A reader's snapshot is gone.
    #[error(
        "the snapshot of {database} at transaction {txid} has expired: its files were removed after the retention time; end this transaction and start a new one"
    )]
    Expired {
        /// Database name.
        database: String,
        /// The snapshot.
        txid: u64,
    },
    /// There is no such database.
    #[error("there is no database {database} in {store}")]
    NoDatabase {
        /// Database name.
        database: String,
        /// The store's URL.
        store: String,
    },
    /// A write where none is allowed.
    #[error("{0}")]
    ReadOnly(String),
    /// What was asked is not offered; the text says what to do instead.
    #[error("{0}")]
    Refused(String),
    /// A transaction is larger than the store can take at once.
    #[error(
        "the transaction is {size} bytes, more than the {limit} that {store} takes in one object; nothing was committed: split it"
    )]
    TooLarge {
        /// Bytes of the transaction file.
        size: u64,
        /// Bytes the store takes.
        limit: u64,
        /// The store's URL.
        store: String,
    },
    /// A local file failed.
    #[error("{action} failed: {detail}")]
    Local {
        /// What was being done, with the path.
        action: String,
        /// What the system said.
        detail: String,
        /// The disk is full.
        full: bool,
    },
    /// A connection that was opened before `fork()` is used in the child.
    #[error(
        "this connection was opened before fork(); open the database again in the child process"
    )]
    Forked,
}

impl Error {
    /// A local file's failure.
    pub fn local(action: impl Into<String>, error: &std::io::Error) -> Self {
        let full = matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        Self::Local {
            action: action.into(),
            detail: error.to_string(),
            full,
        }
    }

    /// The code SQLite is given. This is the table in `docs/reference.md`.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Store(error) => match error.kind {
                ErrorKind::Denied => Code::IOERR_AUTH,
                ErrorKind::Full => Code::FULL,
                _ => Code::IOERR,
            },
            Self::NotSent { .. } | Self::Busy { .. } => Code::BUSY,
            Self::Unknown { .. } => Code::IOERR_FSYNC,
            Self::Conflict { .. } => Code::BUSY_SNAPSHOT,
            Self::Damaged { .. } => Code::IOERR_CORRUPTFS,
            Self::History { .. } => Code::IOERR_CORRUPTFS,
            Self::ReadOnly(_) => Code::READONLY,
            Self::Diverged { .. } | Self::Expired { .. } | Self::Forked => Code::IOERR,
            Self::NoDatabase { .. } => Code::CANTOPEN,
            Self::Refused(_) => Code::PERM,
            Self::TooLarge { .. } => Code::FULL,
            Self::Local { full, .. } => {
                if *full {
                    Code::FULL
                } else {
                    Code::IOERR
                }
            }
        }
    }
}

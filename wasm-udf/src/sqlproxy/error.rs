//! What a guest is told when a request fails, and the one table from our errors to SQLite's codes.

use sqlite_abi::Code;

use super::gate::Refusal;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The bytes are not a request.
    #[error("the request is not understood: {0}")]
    Request(String),
    /// A number that names nothing, or something of another connection of the guest.
    #[error("there is no {what} {id} on connection {connection}")]
    Unknown {
        what: &'static str,
        id: i64,
        connection: i64,
    },
    /// The values do not fit the statement's parameters.
    #[error("{0}")]
    Parameters(String),
    /// More than the guest may have.
    #[error("{guest}: more than {value} {limit}; {advice}")]
    TooMany {
        guest: String,
        limit: &'static str,
        value: usize,
        advice: &'static str,
    },
    /// Larger than the guest may have.
    #[error("{guest}: {what} is larger than {value} bytes ({limit}); {advice}")]
    TooLarge {
        guest: String,
        what: &'static str,
        limit: &'static str,
        value: usize,
        advice: &'static str,
    },
    /// The text is not one that a guest may run.
    #[error("{guest}: {refusal}")]
    Refused { guest: String, refusal: Refusal },
    /// Another connection of the guest has a transaction open.
    #[error(
        "connection {connection} of this program has transaction {transaction} open; wait for its end"
    )]
    Busy { connection: i64, transaction: i64 },
    /// The request's own time limit.
    #[error("the request was not answered within its timeout_ms")]
    Timeout,
    /// A transaction command out of order.
    #[error("{0}")]
    Transaction(String),
    /// A change in a transaction that was begun for reading only.
    #[error("transaction {0} was begun read-only, and this statement changes the database")]
    ReadOnly(i64),
    /// One of many rows of values, counted from 1.
    #[error("{error}")]
    Row { row: usize, error: Box<Error> },
    /// SQLite's own.
    #[error(transparent)]
    Sqlite(#[from] sqlite_abi::Error),
}

impl Error {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Request(_) | Self::Unknown { .. } | Self::TooMany { .. } => Code::MISUSE,
            Self::Parameters(_) => Code::RANGE,
            Self::TooLarge { .. } => Code::TOOBIG,
            Self::Refused { refusal, .. } => refusal.code(),
            Self::Busy { .. } => Code::BUSY,
            Self::Timeout => Code::INTERRUPT,
            Self::Transaction(_) => Code::ERROR,
            Self::ReadOnly(_) => Code::READONLY,
            Self::Row { error, .. } => error.code(),
            Self::Sqlite(error) => error.code,
        }
    }

    pub(crate) fn in_row(self, row: usize) -> Self {
        Self::Row {
            row,
            error: Box::new(self),
        }
    }

    /// The error itself, in whichever row it was.
    pub(crate) fn cause(&self) -> &Self {
        match self {
            Self::Row { error, .. } => error.cause(),
            other => other,
        }
    }
}

/// A code's name as C has it; a newer one, that is not known here, has the name of its primary
/// code.
pub(crate) fn name(code: Code) -> String {
    let known = code.name().or_else(|| code.primary().name());
    format!("SQLITE_{}", known.unwrap_or("ERROR"))
}

//! How what a client asked for comes to nothing.

use std::io;

use crate::error::{PgError, of_sqlite};
use crate::protocol::wire::Lost;

/// See the module.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement failed; the session goes on.
    Error(PgError),
    /// The session is over, and the client is told why.
    Fatal(PgError),
    /// There is nobody to tell.
    Gone,
}

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<PgError> for Failure {
    fn from(error: PgError) -> Self {
        Self::Error(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Error(of_sqlite(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Closed | Lost::Io(_) => Self::Gone,
            Lost::Protocol(error) => Self::Fatal(error),
        }
    }
}

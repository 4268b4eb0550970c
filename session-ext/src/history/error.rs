//! What can go wrong with the pages of the past.

use sqlite_abi::{Code, FunctionError};

pub(super) type Result<T> = std::result::Result<T, Error>;

/// See the module's documentation.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    Read(String),
    #[error("the database is damaged: page {page}, of {tree}, {problem}")]
    Damaged {
        tree: String,
        page: u32,
        problem: &'static str,
    },
    #[error("the database is damaged: a row of {tree} {problem}")]
    Record { tree: String, problem: &'static str },
    #[error("the two points have pages of different sizes; no changeset can be made between them")]
    PageSize,
    #[error("table '{table}' {rule}")]
    Table { table: String, rule: String },
    #[error(transparent)]
    Sqlite(#[from] sqlite_abi::Error),
}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Read(_) => Code::IOERR,
            Error::Damaged { .. } | Error::Record { .. } => Code::CORRUPT,
            Error::PageSize | Error::Table { .. } => Code::ERROR,
            Error::Sqlite(error) => error.code,
        };
        Self::new(error.to_string()).with_code(code)
    }
}

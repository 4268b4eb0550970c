//! What can go wrong with a session.

use sqlite_abi::{Code, FunctionError};

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// See the module's documentation.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no session {0} on this connection; session_create() makes one")]
    NoSession(i64),
    #[error("there is no database '{0}' on this connection")]
    NoSchema(String),
    #[error("session {handle}: {schema}.{table} {rule}")]
    Table {
        handle: i64,
        schema: String,
        table: String,
        rule: String,
    },
    #[error("session {handle}: {rule}")]
    Session { handle: i64, rule: String },
    #[error("the {name} must be {expected}")]
    Argument {
        name: &'static str,
        expected: &'static str,
    },
    #[error("the sessions of this connection are in use by a function that is running")]
    Busy,
    #[error("{doing}: {source}")]
    Sqlite {
        doing: String,
        source: sqlite_abi::Error,
    },
}

impl Error {
    /// For `map_err`: what was being done when SQLite reported an error.
    pub(crate) fn sqlite(doing: impl Into<String>) -> impl FnOnce(sqlite_abi::Error) -> Self {
        move |source| Self::Sqlite {
            doing: doing.into(),
            source,
        }
    }
}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Sqlite { source, .. } => source.code,
            Error::Busy => Code::LOCKED,
            Error::NoSession(_)
            | Error::NoSchema(_)
            | Error::Table { .. }
            | Error::Session { .. }
            | Error::Argument { .. } => Code::ERROR,
        };
        Self::new(error.to_string()).with_code(code)
    }
}

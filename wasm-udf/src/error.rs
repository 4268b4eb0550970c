//! What can go wrong, as sentences, and the one table that maps it to SQLite codes.

use sqlite_abi::{Code, FunctionError};

/// The result of an operation on procedures.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failed operation. Its text is what the user reads.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// `proc_create` was given a definition that cannot be.
    #[error("cannot create procedure '{procedure}': {reason}")]
    Definition {
        /// Its name.
        procedure: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The name is taken.
    #[error(
        "procedure '{procedure}' exists already in schema '{schema}'; to replace it, say \"replace\": true"
    )]
    Exists {
        /// Its name.
        procedure: String,
        /// The schema that has it.
        schema: String,
    },
    /// There is no such procedure.
    #[error(
        "there is no procedure '{procedure}' in the databases of this connection; SELECT name FROM proc_list shows those there are"
    )]
    NotFound {
        /// The name that was asked for.
        procedure: String,
    },
    /// It is called in a way that is not its kind's.
    #[error("procedure '{procedure}' is a procedure of kind {kind}: {advice}")]
    Kind {
        /// Its name.
        procedure: String,
        /// What it is.
        kind: &'static str,
        /// How to call it.
        advice: String,
    },
    /// The schema calls it, and may not.
    #[error(
        "unsafe use of {function}(): only a statement may call it here, not a view, trigger, index or constraint"
    )]
    Untrusted {
        /// The function that was called.
        function: String,
    },
    /// An argument does not fit.
    #[error("procedure '{procedure}': {reason}")]
    Argument {
        /// Its name.
        procedure: String,
        /// Which argument, and both types.
        reason: String,
    },
    /// What the module gave back is no value of the declared type.
    #[error("procedure '{procedure}' returned {reason}")]
    Returned {
        /// Its name.
        procedure: String,
        /// What it is instead.
        reason: String,
    },
    /// The module itself said so.
    #[error("procedure '{procedure}': {message}")]
    Failed {
        /// Its name.
        procedure: String,
        /// The guest's own words.
        message: String,
    },
    /// The module trapped.
    #[error("procedure '{procedure}' trapped: {trap}")]
    Trapped {
        /// Its name.
        procedure: String,
        /// Which trap, and where.
        trap: String,
    },
    /// A limit was reached.
    #[error("procedure '{procedure}' reached its {limit} limit of {value}{advice}")]
    Limit {
        /// Its name.
        procedure: String,
        /// Which limit.
        limit: &'static str,
        /// Its value.
        value: String,
        /// How to raise it.
        advice: &'static str,
    },
    /// The host interrupted the statement.
    #[error("procedure '{procedure}' was interrupted")]
    Interrupted {
        /// Its name.
        procedure: String,
    },
    /// SQL on the procedures' table failed.
    #[error("{context}: {source}")]
    Sql {
        /// What was being done.
        context: String,
        /// SQLite's error.
        source: sqlite_abi::Error,
    },
    /// Something of ours or of the machine's.
    #[error("procedure '{procedure}': {reason}")]
    Internal {
        /// Its name.
        procedure: String,
        /// What happened.
        reason: String,
    },
}

impl Error {
    /// The code SQLite gets.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Argument { .. } | Self::Returned { .. } => Code::MISMATCH,
            Self::Interrupted { .. } => Code::INTERRUPT,
            Self::Sql { source, .. } => source.code,
            Self::Internal { .. } => Code::INTERNAL,
            Self::Definition { .. }
            | Self::Exists { .. }
            | Self::NotFound { .. }
            | Self::Kind { .. }
            | Self::Untrusted { .. }
            | Self::Failed { .. }
            | Self::Trapped { .. }
            | Self::Limit { .. } => Code::ERROR,
        }
    }
}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        Self::new(error.to_string()).with_code(error.code())
    }
}

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
    #[error("{guest}: {reason}")]
    Argument {
        /// What it is, and its name.
        guest: String,
        /// Which argument, and both types.
        reason: String,
    },
    /// What the module gave back is no value of the declared type.
    #[error("{guest} returned {reason}")]
    Returned {
        /// What it is, and its name.
        guest: String,
        /// What it is instead.
        reason: String,
    },
    /// The module itself said so.
    #[error("{guest}: {message}")]
    Failed {
        /// What it is, and its name.
        guest: String,
        /// The guest's own words.
        message: String,
    },
    /// The module trapped.
    #[error("{guest} trapped: {trap}")]
    Trapped {
        /// What it is, and its name.
        guest: String,
        /// Which trap, and where.
        trap: String,
    },
    /// A limit was reached.
    #[error("{guest} reached its {limit} limit of {value}{advice}")]
    Limit {
        /// What it is, and its name.
        guest: String,
        /// Which limit.
        limit: &'static str,
        /// Its value.
        value: String,
        /// How to raise it.
        advice: &'static str,
    },
    /// All instances of a program are in use.
    #[error(
        "{guest}: all {most} instances are in use, {why}; its setting \"instances\" allows more"
    )]
    Busy {
        /// What it is, and its name.
        guest: String,
        /// How many there are.
        most: usize,
        /// Why there is no use in waiting longer.
        why: String,
    },
    /// The host interrupted the statement.
    #[error("{guest} was interrupted")]
    Interrupted {
        /// What it is, and its name.
        guest: String,
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
    #[error("{guest}: {reason}")]
    Internal {
        /// What it is, and its name.
        guest: String,
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
            Self::Busy { .. } => Code::BUSY,
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

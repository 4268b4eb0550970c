//! Why a changeset was not applied.

use sqlite_abi::Code;

use super::policy::Conflict;
use crate::changeset::Malformed;

/// Why a changeset was not applied. In each case the database is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that are not a changeset.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A change that lacks what it takes to apply it.
    #[error(
        "not an applicable changeset, at byte {offset}: the {op} of table '{table}' lacks a value \
         (is it a rebase blob?)"
    )]
    Incomplete {
        /// Where the change begins.
        offset: usize,
        /// What it does.
        op: &'static str,
        /// Where it does it.
        table: String,
    },
    /// The policy answered a conflict with `abort`.
    #[error(
        "stopped by a {kind} conflict ({meaning}): {change}; nothing was applied. Use another \
         policy to go on: 'omit', 'replace', JSON or a function", meaning = kind.meaning()
    )]
    Aborted {
        /// Which conflict.
        kind: Conflict,
        /// Which change.
        change: String,
    },
    /// `replace` where there is nothing to replace.
    #[error(
        "the policy answered a {0} conflict with 'replace'; that is possible for DATA and \
         CONFLICT only, use 'omit' or 'abort'"
    )]
    Replace(Conflict),
    /// A policy's function that returned something else.
    #[error("function '{function}' must return 'omit', 'replace' or 'abort', not {returned}")]
    Verdict {
        /// Its name.
        function: String,
        /// What it returned.
        returned: String,
    },
    /// A policy that cannot be understood.
    #[error("{0}")]
    Policy(String),
    /// In strict mode: a table that is not there or not alike.
    #[error("table '{table}': {reason}; nothing was applied")]
    Schema {
        /// Which table.
        table: String,
        /// What is different.
        reason: String,
    },
    /// Called by a statement that writes, inside a transaction.
    #[error(
        "changeset_apply() cannot be undone inside a statement that writes in an open \
         transaction; call it in a SELECT of its own"
    )]
    InStatement,
    /// A trigger, or a policy's function, ended the transaction.
    #[error(
        "the transaction was rolled back by a trigger of table '{0}', or by the policy's \
         function; nothing was applied"
    )]
    RolledBack(String),
    /// SQLite's own.
    #[error("cannot {action}: {error}; nothing was applied")]
    Sqlite {
        /// What was tried.
        action: String,
        /// What SQLite said.
        error: sqlite_abi::Error,
    },
}

impl Error {
    /// The code SQLite gets: what `sqlite3changeset_apply()` returns.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::Incomplete { .. } => Code::CORRUPT,
            Self::Aborted {
                kind: Conflict::ForeignKey,
                ..
            } => Code::CONSTRAINT_FOREIGNKEY,
            Self::Aborted { .. } => Code::ABORT,
            Self::Replace(_) | Self::Verdict { .. } | Self::Policy(_) => Code::MISUSE,
            Self::Schema { .. } => Code::SCHEMA,
            Self::InStatement => Code::BUSY,
            Self::RolledBack(_) => Code::ABORT_ROLLBACK,
            Self::Sqlite { error, .. } => error.code,
        }
    }

    /// For `map_err`: SQLite's error with what was tried.
    pub(super) fn sqlite(action: impl Into<String>) -> impl FnOnce(sqlite_abi::Error) -> Self {
        let action = action.into();
        move |error| Self::Sqlite { action, error }
    }
}

//! The SQL surface: registration, and what the functions share.
//!
//! | module | functions |
//! | --- | --- |
//! | `changesets` | `changeset_apply`, `changeset_invert`, … |
//! | `sessions` | `session_create`, `session_attach`, … |
//!
//! Whatever changes something may be used in top-level SQL only (`SQLITE_DIRECTONLY`): a view or
//! trigger of a stranger's database cannot call it. What only computes is deterministic and
//! innocuous.

mod changesets;
mod sessions;

use sqlite_abi::Connection;

/// Makes the functions known to a connection. Idempotent.
///
/// # Errors
/// A sentence.
pub fn register(connection: &Connection<'_>) -> Result<(), String> {
    changesets::register(connection)
        .and_then(|()| sessions::register(connection))
        .map_err(|error| error.message)
}

/// One function, for the reference and its test.
#[derive(Debug, Clone, Copy)]
pub struct FunctionDoc {
    /// Name with arguments.
    pub signature: &'static str,
    /// What it returns.
    pub returns: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All functions, in the order of the reference.
pub fn functions() -> impl Iterator<Item = &'static FunctionDoc> {
    [sessions::FUNCTIONS, changesets::FUNCTIONS]
        .into_iter()
        .flatten()
}

const fn doc(signature: &'static str, returns: &'static str, meaning: &'static str) -> FunctionDoc {
    FunctionDoc {
        signature,
        returns,
        meaning,
    }
}

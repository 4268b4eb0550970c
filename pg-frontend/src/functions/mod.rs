//! Postgres functions as functions of SQLite.

use rusqlite::Connection;

use crate::session::state::Shared;

/// Makes the functions known to a connection.
///
/// # Errors
/// SQLite refuses one.
pub fn register(_: &Connection, _: &Shared) -> rusqlite::Result<()> {
    Ok(())
}

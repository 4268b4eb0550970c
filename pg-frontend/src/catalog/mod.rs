//! `pg_catalog` and `information_schema`.

use rusqlite::Connection;

use crate::session::state::Shared;

/// Makes the catalog known to a connection.
///
/// # Errors
/// SQLite refuses one.
pub fn register(_: &Connection, _: &Shared) -> rusqlite::Result<()> {
    Ok(())
}

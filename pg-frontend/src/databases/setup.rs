//! What every connection is told before anybody uses it.

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Result};

use super::{Lease, SHORT_WAIT};

/// A WAL file that has grown beyond this is cut back at the next checkpoint.
const WAL_LIMIT_BYTES: i64 = 64 << 20;

/// Settings that hold for each connection, and the journal of a plain file.
///
/// Text in double quotes is a name and nothing else, as in Postgres; what stands in a schema calls no
/// function that could do harm; foreign keys hold; a COMMIT that returned is on the disk.
pub(super) fn prepare(connection: &Connection, in_store: bool) -> Result<()> {
    // Who closes a file's last connection holds it for a moment. Sessions wait in a way of their own later.
    connection.busy_timeout(SHORT_WAIT)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.pragma_update(None, "cell_size_check", true)?;
    if !in_store {
        write_ahead(connection)?;
    }
    Ok(())
}

/// WAL, with the disk flushed at each commit. The journal mode is kept in the file.
pub(super) fn write_ahead(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    Ok(())
}

/// Ties a lease to the connection: it belongs to one of its functions and is dropped with it, when
/// the connection is closed.
pub(super) fn keep(connection: &Connection, lease: Lease) -> Result<()> {
    connection.create_scalar_function(
        "pg_frontend_database",
        0,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        move |_| Ok(lease.name.clone()),
    )
}

//! The one place of these functions with unsafe code: a function's own connection, for what reads or
//! changes the database while it is called.

#![allow(
    unsafe_code,
    reason = "rusqlite gives a function its connection only so"
)]

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, Result};

/// Adds a function that works on its connection; NULL in, NULL out.
pub(super) fn with_connection(
    connection: &Connection,
    name: &'static str,
    arguments: i32,
    function: fn(&Context<'_>, &Connection) -> Result<Value>,
) -> Result<()> {
    // Innocuous: columns have it in their defaults.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(name, arguments, flags, move |context| {
        if (0..context.len()).any(|index| context.get_raw(index) == rusqlite::types::ValueRef::Null)
        {
            return Ok(Value::Null);
        }
        // SAFETY: the connection is used within this call only, on the thread that runs the statement,
        // and is not closed by dropping it.
        let own = unsafe { context.get_connection() }?;
        function(context, &own)
    })
}

/// Whether foreign keys are violated whose check waits for the end of the transaction.
pub(super) fn has_deferred_violations(connection: &Connection) -> bool {
    let (mut now, mut highest) = (0, 0);
    // SAFETY: the handle is that of an open connection; both places are written before it returns.
    let code = unsafe {
        rusqlite::ffi::sqlite3_db_status(
            connection.handle(),
            rusqlite::ffi::SQLITE_DBSTATUS_DEFERRED_FKS,
            &raw mut now,
            &raw mut highest,
            0,
        )
    };
    code == rusqlite::ffi::SQLITE_OK && now != 0
}

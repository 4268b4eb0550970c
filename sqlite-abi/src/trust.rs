//! Who calls a function: the statement that the user wrote, or the schema.
//!
//! SQLite lets no view, trigger, index, default or constraint call a `DIRECTONLY` function, nor,
//! with `trusted_schema=OFF`, one that is not `INNOCUOUS`. But 3.40 and others before 3.54 overlook
//! CHECK constraints with functions that are not deterministic, and all versions overlook functions
//! that the connection did not know yet when it read the schema.

use std::ffi::{CStr, c_int};

use crate::Connection;
use crate::api::{call, routines};
use crate::bindings as c;

impl Connection<'_> {
    /// Whether the text of a statement that runs has this name of a function in it, as it has
    /// where the statement itself calls the function. True where none runs: SQLite may try a
    /// function while it prepares.
    #[must_use]
    pub fn is_written(&self, function: &str) -> bool {
        let Some(sql) = routines().sql else {
            return true;
        };
        let mut statement = std::ptr::null_mut();
        let mut runs = false;
        loop {
            // SAFETY: the connection is open; null begins the list, and each statement in it is
            // alive.
            let text = unsafe {
                statement = call!(next_stmt(self.raw(), statement));
                if statement.is_null() {
                    return !runs;
                }
                if call!(stmt_busy(statement)) == 0 {
                    continue;
                }
                sql(statement)
            };
            runs = true;
            // SAFETY: not null, it is the text of a living statement, which ends with a zero.
            if text.is_null() || contains(unsafe { CStr::from_ptr(text) }.to_bytes(), function) {
                return true;
            }
        }
    }

    /// Whether `PRAGMA trusted_schema` is on, as it is by default.
    #[must_use]
    pub fn trusts_schema(&self) -> bool {
        let mut on: c_int = 1;
        if let Some(configure) = routines().db_config {
            // SAFETY: the connection is open; with -1 the setting is only read, to the integer.
            unsafe {
                configure(
                    self.raw(),
                    c::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
                    -1 as c_int,
                    std::ptr::from_mut(&mut on),
                );
            }
        }
        on != 0
    }
}

fn contains(text: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    text.windows(name.len().max(1))
        .any(|part| part.eq_ignore_ascii_case(name))
}

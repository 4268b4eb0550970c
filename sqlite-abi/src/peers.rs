//! The process's other connections that have the extension.
//!
//! A function belongs to a connection. What becomes callable on one (a stored procedure) should
//! be callable on the others that are open, so their functions are registered from here: under
//! their mutex, only if that is free, and without running SQL on them, which would disturb what
//! their own thread reads next (`sqlite3_errmsg`). Connections without a mutex (`NOMUTEX`, or a
//! SQLite for one thread each) cannot be reached from outside.

use std::ptr::NonNull;

use crate::api::{call, routines};
use crate::bindings as c;
use crate::{Connection, ConnectionId, Extension, entry};

/// Calls `visit` with each connection of the process that has `E`, except `own`, that is `wanted`
/// and that nobody uses just now or whose user is this thread. Returns how many could not be
/// reached. Others are not touched: some hosts watch their mutexes.
///
/// `visit` must neither run SQL nor open or close a connection.
pub fn visit<E: Extension>(
    own: ConnectionId,
    wanted: impl Fn(ConnectionId) -> bool,
    mut visit: impl FnMut(&Connection<'_>),
) -> usize {
    let mut missed = 0;
    entry::with_attached(E::NAME, |address| {
        if ConnectionId(address) == own || !wanted(ConnectionId(address)) {
            return;
        }
        let Some(db) = NonNull::new(std::ptr::with_exposed_provenance_mut::<c::sqlite3>(address))
        else {
            return;
        };
        // SAFETY: a connection that is being closed waits for this look-up to end before it is
        // gone, so it is open here.
        let entered = unsafe { try_enter(db) };
        if !entered {
            missed += 1;
            return;
        }
        // SAFETY: open, as above, and no other thread is in it.
        let peer = unsafe { Connection::new(db) };
        visit(&peer);
        // SAFETY: entered just now, by this thread.
        unsafe { leave(db) };
    });
    missed
}

/// # Safety
/// `db` is open.
unsafe fn try_enter(db: NonNull<c::sqlite3>) -> bool {
    // SAFETY: as promised; the mutex lives as long as the connection.
    unsafe {
        let mutex = call!(db_mutex(db.as_ptr()));
        match routines().mutex_try {
            Some(enter) if !mutex.is_null() => enter(mutex) == c::SQLITE_OK,
            _ => false,
        }
    }
}

/// # Safety
/// `db` was entered by `try_enter` on this thread.
unsafe fn leave(db: NonNull<c::sqlite3>) {
    if let Some(leave) = routines().mutex_leave {
        // SAFETY: as promised.
        unsafe { leave(call!(db_mutex(db.as_ptr()))) };
    }
}

impl Connection<'_> {
    /// Whether a statement of this connection is between its first step and its end.
    #[must_use]
    pub fn has_running_statement(&self) -> bool {
        let mut statement = std::ptr::null_mut();
        loop {
            // SAFETY: the connection is open; null begins the list, and each statement in it is
            // alive.
            unsafe {
                statement = call!(next_stmt(self.raw(), statement));
                if statement.is_null() {
                    return false;
                }
                if call!(stmt_busy(statement)) != 0 {
                    return true;
                }
            }
        }
    }
}

//! A connection of our own, to a database in memory.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::api::routines;
use crate::bindings as c;
use crate::{Code, Connection, Error};

/// An empty database in memory on a connection that the host does not know. Closed when dropped.
#[derive(Debug)]
pub struct PrivateDatabase {
    db: NonNull<c::sqlite3>,
    /// Not for other threads: it is opened without a mutex.
    not_send: PhantomData<*mut ()>,
}

impl PrivateDatabase {
    /// Opens one.
    ///
    /// # Errors
    /// SQLite's; and that the host lacks the function.
    pub fn open() -> Result<Self, Error> {
        let flags = c::SQLITE_OPEN_READWRITE
            | c::SQLITE_OPEN_CREATE
            | c::SQLITE_OPEN_MEMORY
            | c::SQLITE_OPEN_NOMUTEX;
        let failed = |code| Error {
            code,
            message: "cannot open a database in memory".to_owned(),
        };
        let open = routines().open_v2.ok_or_else(|| failed(Code::MISUSE))?;
        let mut db = ptr::null_mut();
        // SAFETY: the name ends with NUL; the pointer may be written; null is the default VFS.
        let code = unsafe { open(c":memory:".as_ptr(), &raw mut db, flags, ptr::null()) };
        let database = NonNull::new(db).map(|db| Self {
            db,
            not_send: PhantomData,
        });
        match database {
            Some(database) if code == c::SQLITE_OK => Ok(database),
            _ => Err(failed(Code(code))),
        }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> Connection<'_> {
        // SAFETY: open until dropped.
        unsafe { Connection::new(self.db) }
    }
}

impl Drop for PrivateDatabase {
    fn drop(&mut self) {
        if let Some(close) = routines().close_v2 {
            // SAFETY: open, and never used again: what was borrowed from it is gone.
            unsafe { close(self.db.as_ptr()) };
        }
    }
}

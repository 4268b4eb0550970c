//! A connection of the host, borrowed for the time of a callback or an entry point.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::api::{c_text, call, routines};
use crate::bindings as c;
use crate::vfs::ConnectionId;
use crate::{Code, File, Statement, file_ffi, statement};

/// The host's connection. Lives as long as the callback that was given it.
pub struct Connection<'a> {
    db: NonNull<c::sqlite3>,
    lifetime: PhantomData<&'a c::sqlite3>,
}

/// An error of SQLite with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The extended result code.
    pub code: Code,
    /// What SQLite says about it.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Connection<'_> {
    /// # Safety
    /// `db` is an open connection that the host does not close during the chosen lifetime, and
    /// the API table is initialised.
    pub(crate) unsafe fn new(db: NonNull<c::sqlite3>) -> Self {
        Self {
            db,
            lifetime: PhantomData,
        }
    }

    /// The same connection for a part of the lifetime.
    pub(crate) fn reborrow(&self) -> Connection<'_> {
        Connection {
            db: self.db,
            lifetime: PhantomData,
        }
    }

    pub(crate) fn handle(&self) -> NonNull<c::sqlite3> {
        self.db
    }

    pub(crate) fn raw(&self) -> *mut c::sqlite3 {
        self.db.as_ptr()
    }

    /// Which connection this is.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        ConnectionId(self.db.addr().get())
    }

    /// Compiles one statement; what follows it is ignored.
    ///
    /// # Errors
    /// SQLite's, and `MISUSE` where `sql` holds no statement.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>, Error> {
        self.prepare_next(sql)?.0.ok_or_else(|| Error {
            code: Code::MISUSE,
            message: "the SQL text holds no statement".to_owned(),
        })
    }

    /// Compiles the first statement of a script and returns it with the rest of the text. There is
    /// none where the text holds only white space and comments.
    ///
    /// # Errors
    /// SQLite's.
    pub fn prepare_next<'s>(
        &self,
        sql: &'s str,
    ) -> Result<(Option<Statement<'_>>, &'s str), Error> {
        statement::prepare(self.reborrow(), sql)
    }

    /// Runs a script; rows are dropped.
    ///
    /// # Errors
    /// SQLite's, from the first statement that fails.
    pub fn exec(&self, sql: &str) -> Result<(), Error> {
        let mut rest = sql;
        while !rest.is_empty() {
            let (statement, tail) = self.prepare_next(rest)?;
            rest = tail;
            if let Some(mut statement) = statement {
                while statement.step()? {}
            }
        }
        Ok(())
    }

    /// True outside of a transaction.
    #[must_use]
    pub fn is_autocommit(&self) -> bool {
        // SAFETY: the connection is open.
        unsafe { call!(get_autocommit(self.raw())) != 0 }
    }

    /// Rowid of the last row inserted on this connection.
    #[must_use]
    pub fn last_insert_rowid(&self) -> i64 {
        // SAFETY: the connection is open.
        unsafe { call!(last_insert_rowid(self.raw())) }
    }

    /// Rows changed by the last INSERT, UPDATE or DELETE.
    #[must_use]
    pub fn changes(&self) -> i64 {
        // SAFETY: the connection is open.
        unsafe { call!(changes64(self.raw())) }
    }

    /// Whether the open transaction violates foreign keys that are checked at its end.
    #[must_use]
    pub fn violates_foreign_keys(&self) -> bool {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the connection is open; both numbers may be written.
        unsafe {
            call!(db_status(
                self.raw(),
                c::SQLITE_DBSTATUS_DEFERRED_FKS,
                &raw mut current,
                &raw mut highest,
                0,
            ));
        }
        current != 0
    }

    /// Rows changed since the connection was opened, also by triggers and foreign keys.
    #[must_use]
    pub fn total_changes(&self) -> i64 {
        // SAFETY: the connection is open.
        unsafe { call!(total_changes64(self.raw())) }
    }

    /// Runs `body` with a lower limit on the size of a text, blob or row in bytes, and with
    /// patterns and expressions so short that SQLite needs little stack for them:
    /// <https://www.sqlite.org/c3ref/c_limit_attached.html>. The limits that were there return
    /// afterwards, and higher ones are not set.
    pub fn with_lower_limits<R>(&self, bytes: usize, body: impl FnOnce() -> R) -> R {
        let _restored = Lowered::new(self, bytes);
        body()
    }

    /// Lowers the first of those limits further, until they return.
    pub fn lower_length(&self, bytes: usize) {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        let before = set_limit(self, c::SQLITE_LIMIT_LENGTH, -1);
        set_limit(self, c::SQLITE_LIMIT_LENGTH, bytes.min(before));
    }

    /// Absolute path of a schema's file; none for an unknown schema, empty for one without a file.
    #[must_use]
    pub fn filename(&self, schema: &str) -> Option<String> {
        let schema = CString::new(schema).ok()?;
        // SAFETY: the connection is open; the text lives until the schema is detached, which
        // cannot happen before it is copied here.
        unsafe {
            let path = call!(db_filename(self.raw(), schema.as_ptr()));
            (!path.is_null()).then(|| CStr::from_ptr(path).to_string_lossy().into_owned())
        }
    }

    /// The storage layer behind a schema, as it names itself: `unix`, or `memdb(…)` for a database in
    /// memory that has a file's name. None where it does not.
    #[must_use]
    pub fn vfs_name(&self, schema: &str) -> Option<String> {
        let schema = CString::new(schema).ok()?;
        let mut text: *mut c_char = ptr::null_mut();
        // SAFETY: the connection is open; this control writes one pointer, to a text that is ours to
        // free.
        unsafe {
            let control = c::SQLITE_FCNTL_VFSNAME;
            let place = (&raw mut text).cast();
            let code = call!(file_control(self.raw(), schema.as_ptr(), control, place));
            let name = (code == c::SQLITE_OK && !text.is_null())
                .then(|| CStr::from_ptr(text).to_string_lossy().into_owned());
            call!(free(text.cast()));
            name
        }
    }

    /// Calls `body` with the file behind a schema, if it is one that a [`crate::Vfs`] with
    /// `File = F` opened. None while a method of that file runs. `body` must not run SQL on that
    /// schema: its file would be in use, and the SQL fail with `MISUSE`.
    pub fn with_file<F: File, R>(&self, schema: &str, body: impl FnOnce(&mut F) -> R) -> Option<R> {
        let schema = CString::new(schema).ok()?;
        let _lock = DatabaseLock::new(self);
        let mut file: *mut c::sqlite3_file = ptr::null_mut();
        // SAFETY: the connection is open; this control writes one pointer.
        let code = unsafe {
            call!(file_control(
                self.raw(),
                schema.as_ptr(),
                c::SQLITE_FCNTL_FILE_POINTER,
                (&raw mut file).cast(),
            ))
        };
        if code != c::SQLITE_OK {
            return None;
        }
        // SAFETY: SQLite's own pointer to the schema's file; the lock keeps other threads of this
        // connection out.
        unsafe { file_ffi::borrow(file, body) }
    }

    /// The connection's last error.
    pub(crate) fn last_error(&self) -> Error {
        // SAFETY: the connection is open; the text is copied at once.
        unsafe {
            let message = call!(errmsg(self.raw()));
            Error {
                code: Code(call!(extended_errcode(self.raw()))),
                message: if message.is_null() {
                    "out of memory".to_owned()
                } else {
                    CStr::from_ptr(message).to_string_lossy().into_owned()
                },
            }
        }
    }

    /// Makes a code of a call on this connection an error with its text.
    pub(crate) fn check(&self, code: i32) -> Result<(), Error> {
        if code == c::SQLITE_OK {
            Ok(())
        } else {
            Err(self.last_error())
        }
    }
}

impl fmt::Debug for Connection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.id()).finish()
    }
}

/// A name for the host, refused where C could not hold it.
pub(crate) fn name(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error {
        code: Code::MISUSE,
        message: format!("the name {:?} contains a zero byte", c_text(text)),
    })
}

/// The limits that are to return when this is dropped.
struct Lowered<'c> {
    connection: &'c Connection<'c>,
    before: [(c_int, c_int); 3],
}

/// Most characters of a pattern: LIKE and GLOB recurse once for each wildcard.
const PATTERN: c_int = 1000;
/// Deepest expression.
const DEPTH: c_int = 400;

impl<'c> Lowered<'c> {
    fn new(connection: &'c Connection<'c>, bytes: usize) -> Self {
        let before = [
            (
                c::SQLITE_LIMIT_LENGTH,
                c_int::try_from(bytes).unwrap_or(c_int::MAX),
            ),
            (c::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN),
            (c::SQLITE_LIMIT_EXPR_DEPTH, DEPTH),
        ]
        .map(|(kind, lower)| {
            let before = set_limit(connection, kind, -1);
            // 0 is no limit, for the depth of expressions.
            let lower = if before > 0 { lower.min(before) } else { lower };
            set_limit(connection, kind, lower);
            (kind, before)
        });
        Self { connection, before }
    }
}

impl Drop for Lowered<'_> {
    fn drop(&mut self) {
        for (kind, before) in self.before {
            set_limit(self.connection, kind, before);
        }
    }
}

/// Sets a limit, unless the new one is negative; returns what it was.
fn set_limit(connection: &Connection<'_>, kind: c_int, limit: c_int) -> c_int {
    // SAFETY: the connection is open; any value is allowed.
    unsafe { call!(limit(connection.raw(), kind, limit)) }
}

/// The connection's mutex, held until dropped. A SQLite for a single thread has none, or not even
/// the functions.
struct DatabaseLock(*mut c::sqlite3_mutex);

impl DatabaseLock {
    fn new(connection: &Connection<'_>) -> Self {
        // SAFETY: the connection is open. The mutex is recursive; with null nothing happens.
        unsafe {
            let mutex = call!(db_mutex(connection.raw()));
            if let Some(enter) = routines().mutex_enter {
                enter(mutex);
            }
            Self(mutex)
        }
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        if let Some(leave) = routines().mutex_leave {
            // SAFETY: entered by this thread in `new`; the connection outlives the borrow.
            unsafe { leave(self.0) };
        }
    }
}

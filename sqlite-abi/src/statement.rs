//! SQL on the host's connection: compile, bind, step, read.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::ptr::{self, NonNull};

use crate::api::call;
use crate::bindings as c;
use crate::value::{read, transient};
use crate::{Code, Connection, Error, Value, ValueRef};

/// A compiled statement, finalised when dropped.
pub struct Statement<'c> {
    statement: NonNull<c::sqlite3_stmt>,
    connection: Connection<'c>,
}

/// See [`Connection::prepare_next`]. The statement lives as long as the connection may.
pub(crate) fn prepare<'c, 's>(
    connection: Connection<'c>,
    sql: &'s str,
) -> Result<(Option<Statement<'c>>, &'s str), Error> {
    let error = |code, message: &str| Error {
        code,
        message: message.to_owned(),
    };
    if sql.contains('\0') {
        return Err(error(Code::MISUSE, "the SQL text contains a zero byte"));
    }
    let length = c_int::try_from(sql.len())
        .map_err(|_| error(Code::TOOBIG, "the SQL text is longer than 2 GiB"))?;
    let start = sql.as_ptr().cast::<c_char>();
    let mut statement = ptr::null_mut();
    let mut tail = ptr::null();
    // SAFETY: the connection is open; `start` has `length` bytes; both results may be written.
    let code = unsafe {
        call!(prepare_v2(
            connection.raw(),
            start,
            length,
            &raw mut statement,
            &raw mut tail
        ))
    };
    connection.check(code)?;
    let read = tail.addr().saturating_sub(start.addr());
    let rest = sql.get(read..).unwrap_or_default();
    let statement = NonNull::new(statement).map(|statement| Statement {
        statement,
        connection,
    });
    Ok((statement, rest))
}

impl Statement<'_> {
    pub(crate) fn handle(&self) -> NonNull<c::sqlite3_stmt> {
        self.statement
    }

    fn raw(&self) -> *mut c::sqlite3_stmt {
        self.statement.as_ptr()
    }

    /// Binds a parameter; the first is 1.
    ///
    /// # Errors
    /// `RANGE` for an index there is not, `TOOBIG`, `MISUSE` while the statement runs.
    pub fn bind(&mut self, index: usize, value: &Value) -> Result<(), Error> {
        self.bind_ref(index, value.as_ref())
    }

    /// The same with a borrowed value. SQLite does not check that text is UTF-8.
    ///
    /// # Errors
    /// As [`Statement::bind`].
    pub fn bind_ref(&mut self, index: usize, value: ValueRef<'_>) -> Result<(), Error> {
        let statement = self.raw();
        let index = c_int::try_from(index).unwrap_or(c_int::MAX);
        // SAFETY: the statement is alive; SQLite checks the index and copies text and blobs.
        let code = unsafe {
            match value {
                ValueRef::Null => call!(bind_null(statement, index)),
                ValueRef::Integer(integer) => call!(bind_int64(statement, index, integer)),
                ValueRef::Real(real) => call!(bind_double(statement, index, real)),
                ValueRef::Text(text) => call!(bind_text64(
                    statement,
                    index,
                    text.as_ptr().cast(),
                    text.len() as u64,
                    transient(),
                    c::SQLITE_UTF8 as u8,
                )),
                ValueRef::Blob(blob) => call!(bind_blob64(
                    statement,
                    index,
                    blob.as_ptr().cast(),
                    blob.len() as u64,
                    transient(),
                )),
            }
        };
        self.connection.check(code)
    }

    /// Binds the parameters 1, 2, … in order.
    ///
    /// # Errors
    /// As [`Statement::bind`].
    pub fn bind_all(&mut self, values: &[Value]) -> Result<(), Error> {
        values
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| self.bind(index + 1, value))
    }

    /// How many parameters there are (the largest index).
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        // SAFETY: the statement is alive.
        usize::try_from(unsafe { call!(bind_parameter_count(self.raw())) }).unwrap_or(0)
    }

    /// The index of a named parameter, with its `:`, `@` or `$`.
    #[must_use]
    pub fn parameter_index(&self, name: &str) -> Option<usize> {
        let name = CString::new(name).ok()?;
        // SAFETY: the statement is alive.
        let index = unsafe { call!(bind_parameter_index(self.raw(), name.as_ptr())) };
        usize::try_from(index).ok().filter(|index| *index > 0)
    }

    /// A parameter's name with its `:`, `@`, `$` or `?`; the first is 1. None where it has none.
    #[must_use]
    pub fn parameter_name(&self, index: usize) -> Option<String> {
        let index = c_int::try_from(index).ok()?;
        // SAFETY: the statement is alive; SQLite checks the index; the text is copied at once.
        unsafe {
            let name = call!(bind_parameter_name(self.raw(), index));
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        }
    }

    /// Sets all parameters to NULL.
    pub fn clear_bindings(&mut self) {
        // SAFETY: the statement is alive.
        unsafe { call!(clear_bindings(self.raw())) };
    }

    /// Runs to the next row. False: there is none.
    ///
    /// # Errors
    /// SQLite's.
    pub fn step(&mut self) -> Result<bool, Error> {
        // SAFETY: the statement is alive.
        match unsafe { call!(step(self.raw())) } {
            c::SQLITE_ROW => Ok(true),
            c::SQLITE_DONE => Ok(false),
            _ => Err(self.connection.last_error()),
        }
    }

    /// Makes the statement ready to run again; bindings stay.
    pub fn reset(&mut self) {
        // SAFETY: the statement is alive. The code is that of the last step, already reported.
        unsafe { call!(reset(self.raw())) };
    }

    /// True if it changes no database.
    #[must_use]
    pub fn is_readonly(&self) -> bool {
        // SAFETY: the statement is alive.
        unsafe { call!(stmt_readonly(self.raw())) != 0 }
    }

    /// How many columns each row has.
    #[must_use]
    pub fn column_count(&self) -> usize {
        // SAFETY: the statement is alive.
        usize::try_from(unsafe { call!(column_count(self.raw())) }).unwrap_or(0)
    }

    /// A column's name; the first is 0.
    #[must_use]
    pub fn column_name(&self, index: usize) -> String {
        let index = c_int::try_from(index).unwrap_or(-1);
        // SAFETY: the statement is alive; SQLite checks the index; the text is copied at once.
        unsafe {
            let name = call!(column_name(self.raw(), index));
            if name.is_null() {
                return String::new();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// A column's declared type, where it stands for a table's column and the host was built with
    /// declared types.
    #[must_use]
    pub fn column_decltype(&self, index: usize) -> Option<String> {
        let decltype = crate::api::routines().column_decltype?;
        let index = c_int::try_from(index).ok()?;
        // SAFETY: the statement is alive; SQLite checks the index; the text is copied at once.
        unsafe {
            let text = decltype(self.raw(), index);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }

    /// A column of the current row; NULL where there is none.
    #[must_use]
    pub fn column_ref(&self, index: usize) -> ValueRef<'_> {
        let index = c_int::try_from(index).unwrap_or(-1);
        // SAFETY: the statement is alive; SQLite checks the index, and gives a value of its own
        // where it is wrong. Nobody else uses the connection during `&self`: we are in one of its
        // callbacks, which holds its mutex, or it is ours alone. So the value is as good as a protected
        // one. It is only ever read as its own type, and text as UTF-8, so reading it again moves
        // nothing; a step needs `&mut`.
        unsafe { read(call!(column_value(self.raw(), index))) }
    }

    /// How often SQLite had to compile the statement again, because something it depends on had
    /// changed.
    #[must_use]
    pub fn recompiled(&self) -> i32 {
        // SAFETY: the statement is alive; 0 leaves the counter as it is.
        unsafe { call!(stmt_status(self.raw(), c::SQLITE_STMTSTATUS_REPREPARE, 0)) }
    }

    /// A copy of a column of the current row.
    ///
    /// # Errors
    /// `MISMATCH` for text that is not UTF-8.
    pub fn column(&self, index: usize) -> Result<Value, Error> {
        self.column_ref(index).to_value()
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: alive, and never used again.
        unsafe { call!(finalize(self.raw())) };
    }
}

impl fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("columns", &self.column_count())
            .finish()
    }
}

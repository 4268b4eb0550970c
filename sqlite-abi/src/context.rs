//! What a running SQL function has: its connection, its result, and data kept for the statement.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::api::call;
use crate::bindings as c;
use crate::connection::Connection;
use crate::function::destroy;
use crate::value::set_result;
use crate::{Code, FunctionError, ValueRef};

/// The call of a function, lent to its body.
pub struct Context<'a> {
    context: NonNull<c::sqlite3_context>,
    connection: Connection<'a>,
    /// Only a call made by a statement's program has data of the statement; the end of an
    /// aggregate is called without one.
    in_program: bool,
}

impl<'a> Context<'a> {
    /// None for a null context.
    ///
    /// # Safety
    /// `context` is null or the one SQLite passed to the running callback; `in_program` only for
    /// `xFunc`, `xStep` and `xInverse`.
    pub(crate) unsafe fn new(
        context: *mut c::sqlite3_context,
        in_program: bool,
    ) -> Option<Context<'a>> {
        let context = NonNull::new(context)?;
        // SAFETY: as promised; the connection is open while one of its functions runs.
        unsafe {
            let db = NonNull::new(call!(context_db_handle(context.as_ptr())))?;
            Some(Self {
                context,
                connection: Connection::new(db),
                in_program,
            })
        }
    }

    pub(crate) fn raw(&self) -> *mut c::sqlite3_context {
        self.context.as_ptr()
    }

    /// The connection that runs the statement.
    #[must_use]
    pub fn connection(&self) -> &Connection<'a> {
        &self.connection
    }

    /// Sets the result; the last one counts. SQLite copies text and blobs.
    pub fn set(&self, value: ValueRef<'_>) {
        // SAFETY: the context of the running callback.
        unsafe { set_result(self.raw(), value) };
    }

    /// Marks the result, which must be set first, with a subtype:
    /// <https://www.sqlite.org/c3ref/result_subtype.html>. The function needs
    /// [`crate::FunctionFlags::RESULT_SUBTYPE`].
    pub fn set_subtype(&self, subtype: u8) {
        // SAFETY: the context of the running callback.
        unsafe { call!(result_subtype(self.raw(), subtype.into())) };
    }

    /// Lends what the statement keeps under `key`, made on first use. SQLite drops it when the
    /// statement ends or is reset. Where the function runs outside of a statement's program
    /// (SQLite calls it while it plans one, or for the end of an aggregate), it is made for this
    /// call alone.
    ///
    /// # Errors
    /// Those of `make`, and `MISUSE` where `body` comes back to the same data.
    pub fn with_statement_data<T: Send + 'static, R>(
        &self,
        key: &StatementKey<T>,
        make: impl Fn() -> Result<T, FunctionError>,
        body: impl FnOnce(&mut T) -> R,
    ) -> Result<R, FunctionError> {
        if !self.in_program {
            return Ok(body(&mut make()?));
        }
        let mut kept = self.kept(key);
        if kept.is_null() {
            let made = Box::into_raw(Box::new(Kept {
                lent: Cell::new(false),
                data: UnsafeCell::new(make()?),
            }));
            // SAFETY: the context of the running `xFunc` or `xStep`. SQLite destroys the box
            // once: with the statement, or at once where there is none that could keep it.
            unsafe {
                let destroy: unsafe extern "C" fn(*mut c_void) = destroy::<Kept<T>>;
                call!(set_auxdata(self.raw(), key.id, made.cast(), Some(destroy)));
            }
            kept = self.kept(key);
        }
        // SAFETY: only values of this key's type are stored under its number; SQLite keeps the
        // box until the statement ends, which is after this callback.
        let Some(kept) = (unsafe { kept.as_ref() }) else {
            return Ok(body(&mut make()?));
        };
        if kept.lent.replace(true) {
            let sentence = "a function came back to its own data within one call";
            return Err(FunctionError::new(sentence).with_code(Code::MISUSE));
        }
        let _back = Back(&kept.lent);
        // SAFETY: `lent` was false, so this is the only reference; the connection's mutex, or its
        // only thread, keeps others out.
        Ok(body(unsafe { &mut *kept.data.get() }))
    }

    fn kept<T>(&self, key: &StatementKey<T>) -> *mut Kept<T> {
        // SAFETY: the context of the running `xFunc`, `xStep` or `xInverse`.
        unsafe { call!(get_auxdata(self.raw(), key.id)).cast() }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.connection).finish()
    }
}

/// Where a statement keeps data of one type. SQLite's auxiliary data under a negative number
/// belongs to the whole statement, whatever the arguments; its own JSON functions rely on that
/// too: <https://www.sqlite.org/c3ref/get_auxdata.html>.
pub struct StatementKey<T> {
    id: c_int,
    data: PhantomData<fn() -> T>,
}

impl<T> StatementKey<T> {
    /// A key that no other has.
    #[must_use]
    pub fn new() -> Self {
        // Far from the numbers that SQLite's own functions use (-429938).
        static NEXT: AtomicI32 = AtomicI32::new(-1_000_000);
        Self {
            id: NEXT.fetch_sub(1, Ordering::Relaxed),
            data: PhantomData,
        }
    }
}

impl<T> Default for StatementKey<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for StatementKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatementKey").field(&self.id).finish()
    }
}

struct Kept<T> {
    lent: Cell<bool>,
    data: UnsafeCell<T>,
}

/// Ends a loan, also when a panic passes by.
struct Back<'a>(&'a Cell<bool>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

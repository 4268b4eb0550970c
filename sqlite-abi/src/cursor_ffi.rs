//! What SQLite calls of a table's cursors: <https://www.sqlite.org/vtab.html>.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::sync::Arc;

use crate::api::{call, host_text};
use crate::bindings as c;
use crate::function::{Arguments, destroy};
use crate::guard::{guard, guard_or};
use crate::lent::Lease;
use crate::table::{Scan, TableFunction};
use crate::table_ffi::Table;
use crate::value::set_result;
use crate::{Code, FunctionError, Lent, Value, ValueRef};

#[repr(C)]
struct Cursor {
    base: c::sqlite3_vtab_cursor,
    state: State,
    /// Ends last: it holds what the scan keeps.
    lease: Lease,
}

/// What a cursor has besides.
struct State {
    /// Name of the function.
    function: String,
    scan: Option<Box<dyn Scan>>,
    /// Whether the scan is on a row.
    on_row: bool,
    arguments: Vec<Option<Value>>,
    visible: usize,
    rowid: i64,
}

pub(crate) unsafe extern "C" fn open<T: TableFunction>(
    table: *mut c::sqlite3_vtab,
    cursor: *mut *mut c::sqlite3_vtab_cursor,
) -> c_int {
    if table.is_null() || cursor.is_null() {
        return Code::MISUSE.0;
    }
    guard_or("xOpen", Code::IOERR.0, || {
        // SAFETY: SQLite passes a table made in `connect`; it sets `pVtab` itself and frees the
        // cursor through `close`.
        unsafe {
            let table_of = &*table.cast::<Table<T>>();
            *cursor = Box::into_raw(Box::new(Cursor {
                base: c::sqlite3_vtab_cursor { pVtab: table },
                lease: Lease::new(table_of.db),
                state: State {
                    function: table_of.function.name().to_owned(),
                    scan: None,
                    on_row: false,
                    arguments: Vec::new(),
                    visible: table_of.visible,
                    rowid: 0,
                },
            }))
            .cast();
        }
        Code::OK.0
    })
}

pub(crate) unsafe extern "C" fn close(cursor: *mut c::sqlite3_vtab_cursor) -> c_int {
    guard_or("xClose", (), || {
        // SAFETY: boxed in `open`; SQLite closes once.
        let cursor = unsafe { cursor.cast::<Cursor>().as_mut() };
        if let Some(Cursor { lease, state, .. }) = cursor {
            lease.renew(|_| state.scan = None);
        }
    });
    // SAFETY: as above; the connection is open, as the lease needs it.
    unsafe { destroy::<Cursor>(cursor.cast()) };
    Code::OK.0
}

/// Runs a cursor's method; an error or a panic becomes the table's message and a code, and ends
/// the scan.
///
/// # Safety
/// `cursor` is null or one made in `open`, used by nobody else; this is inside a callback.
unsafe fn with(
    cursor: *mut c::sqlite3_vtab_cursor,
    method: &str,
    body: impl FnOnce(&mut State, &Lent) -> Result<(), FunctionError>,
) -> c_int {
    if cursor.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: as promised.
    let Cursor { base, lease, state } = unsafe { &mut *cursor.cast::<Cursor>() };
    let outcome = guard(method, || lease.renew(|lent| body(state, lent)));
    let outcome = outcome.unwrap_or_else(|panicked| {
        Err(FunctionError::new(panicked.message(&state.function)).with_code(Code::IOERR))
    });
    let Err(error) = outcome else {
        return Code::OK.0;
    };
    guard_or(method, Code::IOERR.0, || {
        state.on_row = false;
        lease.renew(|_| state.scan = None);
        // SAFETY: SQLite sets `pVtab` after `open`; the message is the host's to free, an
        // earlier one ours.
        unsafe {
            let table = base.pVtab;
            call!(free((*table).zErrMsg.cast()));
            (*table).zErrMsg = host_text(error.message());
        }
        error.code().0
    })
}

pub(crate) unsafe extern "C" fn filter<T: TableFunction>(
    cursor: *mut c::sqlite3_vtab_cursor,
    _index: c_int,
    plan: *const c_char,
    count: c_int,
    values: *mut *mut c::sqlite3_value,
) -> c_int {
    if cursor.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a cursor of a table made in `connect`, and `count` values.
    unsafe {
        let table = &*(*cursor).pVtab.cast::<Table<T>>();
        let function = Arc::clone(&table.function);
        let arguments = table.arguments;
        with(cursor, "xFilter", |state, lent| {
            let values = Arguments::new(count, values);
            let plan = if plan.is_null() {
                &[]
            } else {
                CStr::from_ptr(plan).to_bytes()
            };
            state.arguments = given_arguments(plan, arguments, &values)?;
            state.rowid = 0;
            state.scan = None;
            let lease = &table.lease;
            let scan = lease.renew(|lent| function.scan_lent(lent, &state.arguments));
            state.scan = Some(scan?);
            state.advance(lent)
        })
    }
}

/// Puts the values SQLite passes in the places that the plan tells.
fn given_arguments(
    plan: &[u8],
    count: usize,
    values: &Arguments<'_>,
) -> Result<Vec<Option<Value>>, FunctionError> {
    let mut next = 0;
    (0..count)
        .map(|argument| {
            if plan.get(argument) != Some(&b'1') {
                return Ok(None);
            }
            next += 1;
            values.value(next - 1).map(Some)
        })
        .collect()
}

impl State {
    fn advance(&mut self, lent: &Lent) -> Result<(), FunctionError> {
        self.rowid += 1;
        self.on_row = match &mut self.scan {
            Some(scan) => scan.advance_lent(lent)?,
            None => false,
        };
        Ok(())
    }

    fn value(&self, column: usize) -> ValueRef<'_> {
        match column.checked_sub(self.visible) {
            Some(argument) => match self.arguments.get(argument) {
                Some(Some(value)) => value.as_ref(),
                _ => ValueRef::Null,
            },
            None => self
                .scan
                .as_ref()
                .map_or(ValueRef::Null, |scan| scan.value(column)),
        }
    }
}

pub(crate) unsafe extern "C" fn next(cursor: *mut c::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: SQLite passes a cursor made in `open`; its connection is open.
    unsafe { with(cursor, "xNext", State::advance) }
}

pub(crate) unsafe extern "C" fn eof(cursor: *mut c::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: SQLite passes a cursor made in `open`.
    unsafe { cursor.cast::<Cursor>().as_ref() }
        .is_none_or(|cursor| !cursor.state.on_row)
        .into()
}

pub(crate) unsafe extern "C" fn column(
    cursor: *mut c::sqlite3_vtab_cursor,
    context: *mut c::sqlite3_context,
    index: c_int,
) -> c_int {
    if context.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a cursor made in `open` and the context to fill.
    unsafe {
        with(cursor, "xColumn", |state, _| {
            let value = usize::try_from(index)
                .ok()
                .map_or(ValueRef::Null, |index| state.value(index));
            set_result(context, value);
            Ok(())
        })
    }
}

pub(crate) unsafe extern "C" fn rowid(
    cursor: *mut c::sqlite3_vtab_cursor,
    rowid: *mut c::sqlite3_int64,
) -> c_int {
    if rowid.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a cursor made in `open` and a number to fill.
    unsafe {
        with(cursor, "xRowid", |state, _| {
            *rowid = state.rowid;
            Ok(())
        })
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("rowid", &self.state.rowid)
            .finish()
    }
}

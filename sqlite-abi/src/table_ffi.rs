//! What SQLite calls of a table: <https://www.sqlite.org/vtab.html>. Its cursors are in `cursor_ffi`.
//!
//! Divisions: connecting · rows in · planning.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::api::{call, host_text};
use crate::bindings as c;
use crate::cursor_ffi::{close, column, eof, filter, next, open, rowid};
use crate::function::{Arguments, destroy};
use crate::guard::{guard, guard_or};
use crate::lent::Lease;
use crate::table::{Column, Declaration, TableFunction};
use crate::{Code, Connection, FunctionError, ValueRef};

/// What SQLite keeps for a module.
pub(crate) struct Module<T> {
    pub(crate) methods: c::sqlite3_module,
    pub(crate) function: Arc<T>,
}

#[repr(C)]
pub(crate) struct Table<T> {
    base: c::sqlite3_vtab,
    pub(crate) db: NonNull<c::sqlite3>,
    pub(crate) function: Arc<T>,
    /// Ends last: it holds what the function keeps.
    pub(crate) lease: Lease,
    /// Columns before the first argument.
    pub(crate) visible: usize,
    pub(crate) arguments: usize,
}

pub(crate) fn methods<T: TableFunction>() -> c::sqlite3_module {
    c::sqlite3_module {
        iVersion: 0,
        // The same as `xConnect`: with another one, SQLite would know no function of that name.
        xCreate: T::DECLARABLE.then_some(connect::<T>),
        xConnect: Some(connect::<T>),
        xBestIndex: Some(best_index::<T>),
        xDisconnect: Some(disconnect::<T>),
        xDestroy: T::DECLARABLE.then_some(drop_table::<T>),
        xOpen: Some(open::<T>),
        xClose: Some(close),
        xFilter: Some(filter::<T>),
        xNext: Some(next),
        xEof: Some(eof),
        xColumn: Some(column),
        xRowid: Some(rowid),
        xUpdate: T::DECLARABLE.then_some(update::<T>),
        xBegin: None,
        xSync: None,
        xCommit: None,
        xRollback: None,
        xFindFunction: None,
        xRename: None,
        xSavepoint: None,
        xRelease: None,
        xRollbackTo: None,
        xShadowName: None,
        xIntegrity: None,
    }
}

/// The declaration SQLite reads the columns from.
fn declaration(columns: &[Column]) -> CString {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = column.name.replace('"', "\"\"");
            let hidden = if column.argument { " HIDDEN" } else { "" };
            format!("\"{name}\" {}{hidden}", column.kind)
        })
        .collect();
    crate::api::c_text(&format!("CREATE TABLE x({})", columns.join(", ")))
}

unsafe extern "C" fn connect<T: TableFunction>(
    db: *mut c::sqlite3,
    module: *mut c_void,
    argc: c_int,
    argv: *const *const c_char,
    table: *mut *mut c::sqlite3_vtab,
    message: *mut *mut c_char,
) -> c_int {
    let (Some(db), Some(module)) = (NonNull::new(db), NonNull::new(module.cast::<Module<T>>()))
    else {
        return Code::MISUSE.0;
    };
    if table.is_null() {
        return Code::MISUSE.0;
    }
    let connected = guard("xConnect", || -> Result<_, FunctionError> {
        // SAFETY: SQLite passes the module that was registered with this very trampoline.
        let function = unsafe { Arc::clone(&module.as_ref().function) };
        // SAFETY: SQLite passes `argc` texts that live as long as this call, and an open
        // connection.
        let (words, connection) = unsafe { (texts(argc, argv), Connection::new(db)) };
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let function = match words[..] {
            [kind, schema, table, ref arguments @ ..]
                if T::DECLARABLE && !(arguments.is_empty() && kind.eq_ignore_ascii_case(table)) =>
            {
                Arc::new(function.declare(
                    &connection,
                    &Declaration {
                        schema,
                        table,
                        arguments: arguments.to_vec(),
                        is_new: connection.creates_virtual_table(),
                    },
                )?)
            }
            _ => function,
        };
        let columns = function.columns();
        let schema = declaration(columns);
        let visible = columns.iter().take_while(|column| !column.argument).count();
        let arguments = columns.len() - visible;
        // SAFETY: the connection is open; SQLite's own rule is that these two are called here.
        // Neither option below takes a further argument.
        let declared = unsafe { call!(declare_vtab(db.as_ptr(), schema.as_ptr())) };
        failed(declared, function.name())?;
        for (applies, option) in [
            (function.direct_only(), c::SQLITE_VTAB_DIRECTONLY),
            (function.innocuous(), c::SQLITE_VTAB_INNOCUOUS),
        ] {
            if applies {
                // SAFETY: as above.
                let configured = unsafe { call!(vtab_config(db.as_ptr(), option)) };
                failed(configured, function.name())?;
            }
        }
        let base = c::sqlite3_vtab {
            pModule: ptr::null(),
            nRef: 0,
            zErrMsg: ptr::null_mut(),
        };
        // SAFETY: SQLite disconnects the table, in `disconnect`, before it closes the connection.
        let lease = unsafe { Lease::new(db) };
        Ok(Box::new(Table {
            base,
            db,
            function,
            lease,
            visible,
            arguments,
        }))
    });
    match connected {
        Ok(Ok(connected)) => {
            // SAFETY: checked above; freed in `disconnect`.
            unsafe { *table = Box::into_raw(connected).cast() };
            Code::OK.0
        }
        Ok(Err(error)) => {
            say(message, error.message());
            error.code().0
        }
        Err(panicked) => {
            say(message, &panicked.message("a table function"));
            Code::IOERR.0
        }
    }
}

/// SQLite's code as an error.
fn failed(code: c_int, table: &str) -> Result<(), FunctionError> {
    match Code(code) {
        Code::OK => Ok(()),
        code => {
            let message = format!("SQLite refuses the declaration of the table {table}");
            Err(FunctionError::new(message).with_code(code))
        }
    }
}

/// Leaves a message where SQLite looks for one.
fn say(message: *mut *mut c_char, text: &str) {
    if !message.is_null() {
        // SAFETY: SQLite frees what it finds here.
        unsafe { *message = host_text(text) };
    }
}

/// # Safety
/// `argv` has `argc` texts, which live as long as the result is used.
unsafe fn texts<'a>(argc: c_int, argv: *const *const c_char) -> Vec<Cow<'a, str>> {
    let count = if argv.is_null() { 0 } else { argc };
    (0..usize::try_from(count).unwrap_or(0))
        .map(|index| {
            // SAFETY: as promised.
            unsafe {
                let text = *argv.add(index);
                if text.is_null() {
                    Cow::Borrowed("")
                } else {
                    CStr::from_ptr(text).to_string_lossy()
                }
            }
        })
        .collect()
}

unsafe extern "C" fn disconnect<T: TableFunction>(table: *mut c::sqlite3_vtab) -> c_int {
    // SAFETY: boxed in `connect`; SQLite disconnects once.
    unsafe { destroy::<Table<T>>(table.cast()) };
    Code::OK.0
}

/// The table is gone, not only this connection's part of it. SQLite looks for cursors first, but
/// not whether a row is just coming in, whose taker may run SQL too.
unsafe extern "C" fn drop_table<T: TableFunction>(table: *mut c::sqlite3_vtab) -> c_int {
    if table.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: made in `connect`.
    if unsafe { (*table.cast::<Table<T>>()).lease.is_in_use() } {
        return Code::LOCKED.0;
    }
    guard_or("xDestroy", (), || {
        // SAFETY: made in `connect`.
        unsafe { (*table.cast::<Table<T>>()).function.dropped() };
    });
    // SAFETY: as promised by SQLite.
    unsafe { disconnect::<T>(table) }
}

/// Rows come in; none are changed or deleted.
unsafe extern "C" fn update<T: TableFunction>(
    table: *mut c::sqlite3_vtab,
    count: c_int,
    values: *mut *mut c::sqlite3_value,
    rowid: *mut c::sqlite3_int64,
) -> c_int {
    if table.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: made in `connect`; its connection is open. The table stays while it is in use: see
    // `drop_table`.
    let (
        Table {
            function, lease, ..
        },
        connection,
    ) = unsafe {
        let table = &*table.cast::<Table<T>>();
        (table, Connection::new(table.db))
    };
    let outcome = guard("xUpdate", || {
        // SAFETY: SQLite passes `count` values.
        let values = unsafe { Arguments::new(count, values) };
        let inserts = values.len() > 2 && values.get(0) == ValueRef::Null;
        if !inserts {
            return Err(
                FunctionError::new(format!("{} takes new rows only", function.name()))
                    .with_code(Code::READONLY),
            );
        }
        let row: Result<Vec<_>, _> = (2..values.len()).map(|index| values.value(index)).collect();
        let row = row?;
        lease.renew(|lent| function.insert(lent, &row))
    });
    let outcome = outcome.unwrap_or_else(|panicked| {
        Err(FunctionError::new(panicked.message(function.name())).with_code(Code::IOERR))
    });
    match outcome {
        Ok(()) => {
            if !rowid.is_null() {
                // SAFETY: SQLite passes a number to fill. It becomes the connection's last rowid,
                // which stays what it is.
                unsafe { *rowid = connection.last_insert_rowid() };
            }
            Code::OK.0
        }
        Err(error) => {
            // SAFETY: the message is the host's to free, an earlier one ours.
            unsafe {
                call!(free((*table).zErrMsg.cast()));
                (*table).zErrMsg = host_text(error.message());
            }
            error.code().0
        }
    }
}

/// Arguments are equality constraints on the hidden columns. They are handed on in the order of
/// the columns; `idxStr` tells which were given, a `1` or `0` for each. A plan in which one exists but cannot be used yet
/// would run without that argument, so it is refused.
unsafe extern "C" fn best_index<T: TableFunction>(
    table: *mut c::sqlite3_vtab,
    info: *mut c::sqlite3_index_info,
) -> c_int {
    if table.is_null() || info.is_null() {
        return Code::MISUSE.0;
    }
    guard_or("xBestIndex", Code::IOERR.0, || {
        // SAFETY: SQLite passes a table made in `connect` and an `info` with arrays of
        // `nConstraint` elements; the usages are ours to fill.
        let (visible, arguments, info) = unsafe {
            let table = table.cast::<Table<T>>();
            ((*table).visible, (*table).arguments, &mut *info)
        };
        let count = usize::try_from(info.nConstraint).unwrap_or(0);
        let mut chosen: Vec<Option<usize>> = vec![None; arguments];
        let mut unusable = vec![false; arguments];
        for index in 0..count {
            // SAFETY: within the array.
            let constraint = unsafe { *info.aConstraint.add(index) };
            if c_int::from(constraint.op) != c::SQLITE_INDEX_CONSTRAINT_EQ {
                continue;
            }
            let argument = usize::try_from(constraint.iColumn)
                .ok()
                .and_then(|column| column.checked_sub(visible))
                .filter(|argument| *argument < arguments);
            let Some(argument) = argument else { continue };
            if constraint.usable == 0 {
                unusable[argument] = true;
            } else if chosen[argument].is_none() {
                chosen[argument] = Some(index);
            }
        }
        if chosen
            .iter()
            .zip(&unusable)
            .any(|(chosen, unusable)| chosen.is_none() && *unusable)
        {
            return Code::CONSTRAINT.0;
        }
        let mut given = 0;
        let plan: String = chosen
            .iter()
            .map(|index| if index.is_some() { '1' } else { '0' })
            .collect();
        info.idxStr = host_text(&plan);
        info.needToFreeIdxStr = 1;
        if info.idxStr.is_null() {
            return Code::NOMEM.0;
        }
        for index in chosen.iter().flatten() {
            given += 1;
            // SAFETY: within the array.
            let usage = unsafe { &mut *info.aConstraintUsage.add(*index) };
            usage.argvIndex = given;
            usage.omit = 1;
        }
        // The more arguments, the fewer rows: so that none is left out where there is a choice.
        let missing = f64::from(arguments as u32) - f64::from(given);
        info.estimatedCost = 1000.0 * 1000_f64.powf(missing.min(3.0));
        info.estimatedRows = 1000;
        Code::OK.0
    })
}

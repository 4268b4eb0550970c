//! The host's `sqlite3_api_routines`, copied once per process.
//!
//! Divisions: the table · initialisation · memory and messages.
//! A slot is read only if the host's version has it: what is newer stays `None` in the copy.
//! Slots that every supported host must fill are listed once, checked at initialisation, and
//! called with `call!`; all others are `Option`s to be looked at.

use std::ffi::{CStr, c_char, c_int};
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::sync::OnceLock;

use crate::Code;
use crate::bindings::sqlite3_api_routines;

/// The oldest host that is served: 3.37.0.
const OLDEST: c_int = 3_037_000;

struct Api {
    /// Address of the host's own table: which SQLite this is.
    origin: usize,
    routines: sqlite3_api_routines,
}

static API: OnceLock<Api> = OnceLock::new();

/// Which version added slots, and the first of them, for versions after [`OLDEST`].
const ADDED: [(c_int, usize); 10] = [
    (3_038_000, offset_of!(sqlite3_api_routines, error_offset)),
    (3_039_000, offset_of!(sqlite3_api_routines, deserialize)),
    (3_040_000, offset_of!(sqlite3_api_routines, value_encoding)),
    (3_041_000, offset_of!(sqlite3_api_routines, is_interrupted)),
    (3_043_000, offset_of!(sqlite3_api_routines, stmt_explain)),
    (3_044_000, offset_of!(sqlite3_api_routines, get_clientdata)),
    (3_050_000, offset_of!(sqlite3_api_routines, setlk_timeout)),
    (3_051_000, offset_of!(sqlite3_api_routines, set_errmsg)),
    (3_052_000, offset_of!(sqlite3_api_routines, str_truncate)),
    (3_054_000, offset_of!(sqlite3_api_routines, incomplete)),
];

/// Declares the slots that `call!` may use, so that one that is not checked does not compile.
macro_rules! required_slots {
    ($($slot:ident),* $(,)?) => {
        fn first_missing(routines: &sqlite3_api_routines) -> Option<&'static str> {
            $(if routines.$slot.is_none() { return Some(stringify!($slot)); })*
            None
        }

        /// One marker for each slot that was found filled.
        pub(crate) mod required {
            $(pub(crate) const fn $slot() {})*
        }
    };
}

required_slots! {
    aggregate_context, auto_extension, bind_blob64, bind_double, bind_int64, bind_null,
    bind_parameter_count, bind_parameter_index, bind_parameter_name, bind_text64, changes64,
    clear_bindings, column_count, column_name, column_value, context_db_handle, create_function_v2,
    create_module_v2,
    create_window_function, db_filename, db_mutex, db_status, declare_vtab, errmsg, extended_errcode,
    file_control, finalize, free, get_autocommit, get_auxdata, interruptx, last_insert_rowid,
    libversion, libversion_number, limit, log, malloc64, next_stmt, prepare_v2, reset,
    result_blob64, result_double, result_error, result_error_code, result_int64, result_null,
    result_subtype, result_text64, set_auxdata, sourceid, step, stmt_busy, stmt_readonly, stmt_status,
    total_changes64, uri_boolean, uri_key, uri_parameter, user_data, value_blob, value_bytes,
    value_double, value_int64, value_text, value_type, vfs_find, vfs_register, vtab_config,
}

/// Calls a required slot: `call!(free(pointer))`, inside `unsafe`.
macro_rules! call {
    ($slot:ident($($argument:expr),* $(,)?)) => {{
        $crate::api::required::$slot();
        match $crate::api::routines().$slot {
            Some(function) => function($($argument),*),
            None => $crate::api::missing(stringify!($slot)),
        }
    }};
}
pub(crate) use call;

/// The host's functions.
///
/// Nothing that needs them can be had before [`initialise`] succeeded: connections and callbacks
/// come from the entry points.
pub(crate) fn routines() -> &'static sqlite3_api_routines {
    match API.get() {
        Some(api) => &api.routines,
        None => missing("any function: the extension was not initialised"),
    }
}

#[cold]
#[expect(
    clippy::panic,
    reason = "ruled out by initialise(); the callback's guard would catch it"
)]
pub(crate) fn missing(slot: &str) -> ! {
    panic!("the host's SQLite lacks {slot}")
}

/// Takes over the host's table, or says in one sentence why it cannot be used.
///
/// # Safety
/// `table` is null or the table a SQLite of any version passes to an extension's entry point.
pub(crate) unsafe fn initialise(
    table: *const sqlite3_api_routines,
    extension: &str,
) -> Result<(), String> {
    if table.is_null() {
        return Err(format!("{extension} was called without SQLite's API table"));
    }
    // SAFETY: these slots exist in every version that loads extensions; the reference to a single
    // field does not span slots that an older host lacks.
    let (number, text) = unsafe { ((*table).libversion_number, (*table).libversion) };
    let (Some(number), Some(text)) = (number, text) else {
        return Err(format!(
            "{extension} cannot tell the version of this SQLite"
        ));
    };
    // SAFETY: both functions take nothing; the text is static and ends with NUL.
    let (number, text) = unsafe { (number(), CStr::from_ptr(text()).to_string_lossy()) };
    if number < OLDEST {
        return Err(format!(
            "{extension} needs SQLite 3.37.0 or later, but this program has SQLite {text}"
        ));
    }
    if let Some(api) = API.get() {
        return same_host(api, table, extension, &text);
    }
    // SAFETY: `table` has all slots of version `number`.
    let routines = unsafe { copy(table, number) };
    if let Some(slot) = first_missing(&routines) {
        return Err(format!(
            "{extension} needs sqlite3_{slot}, which this program's SQLite {text} was built without"
        ));
    }
    same_host(
        API.get_or_init(|| Api {
            origin: table.addr(),
            routines,
        }),
        table,
        extension,
        &text,
    )
}

/// Two copies of SQLite in a process have separate VFS lists and allocators: what belongs to one
/// must never reach the other, so only the first is served.
fn same_host(
    api: &Api,
    table: *const sqlite3_api_routines,
    extension: &str,
    version: &str,
) -> Result<(), String> {
    if api.origin == table.addr() {
        return Ok(());
    }
    Err(format!(
        "{extension} is already loaded into another copy of SQLite in this process (that one is \
         {}, this one {version}); use one copy of SQLite per process",
        crate::host::version()
    ))
}

/// # Safety
/// `table` has all the slots of version `number`, which is at least [`OLDEST`].
unsafe fn copy(table: *const sqlite3_api_routines, number: c_int) -> sqlite3_api_routines {
    let length = ADDED
        .iter()
        .find(|(version, _)| *version > number)
        .map_or(size_of::<sqlite3_api_routines>(), |(_, offset)| *offset);
    let mut routines = MaybeUninit::<sqlite3_api_routines>::zeroed();
    // SAFETY: `length` is at most the size of both; zero is `None` for every slot not copied.
    unsafe {
        ptr::copy_nonoverlapping(
            table.cast::<u8>(),
            routines.as_mut_ptr().cast::<u8>(),
            length,
        );
        routines.assume_init()
    }
}

/// Writes to the host's error log, if it has one: <https://www.sqlite.org/errlog.html>.
/// Before the extension is initialised nothing happens.
pub fn log(code: Code, message: &str) {
    if API.get().is_none() {
        return;
    }
    let message = c_text(message);
    // SAFETY: the format takes one NUL-terminated string, which lives during the call.
    unsafe { call!(log(code.0, c"%s".as_ptr(), message.as_ptr())) };
}

/// A copy of `text` up to its first NUL, with a NUL at its end.
pub(crate) fn c_text(text: &str) -> std::ffi::CString {
    let text = text.split('\0').next().unwrap_or_default();
    std::ffi::CString::new(text).unwrap_or_default()
}

/// A copy of `text` that the host will free; null when it is out of memory.
pub(crate) fn host_text(text: &str) -> *mut c_char {
    let text = c_text(text);
    let bytes = text.as_bytes_with_nul();
    // SAFETY: the slot is checked; the block has room for all of `bytes`.
    unsafe {
        let block = call!(malloc64(bytes.len() as u64)).cast::<u8>();
        if !block.is_null() {
            ptr::copy_nonoverlapping(bytes.as_ptr(), block, bytes.len());
        }
        block.cast()
    }
}

/// Puts an entry point's error text where the host looks for it, with the allocator of the table
/// that came with this very call: it may belong to a SQLite that was refused.
///
/// # Safety
/// `table` is null or a host's table; `target` is null or may be written.
pub(crate) unsafe fn refuse(
    table: *const sqlite3_api_routines,
    target: *mut *mut c_char,
    message: &str,
) {
    if table.is_null() || target.is_null() {
        return;
    }
    let message = c_text(message);
    // SAFETY: the slot exists in every version; the format takes one NUL-terminated string.
    unsafe {
        if let Some(mprintf) = (*table).mprintf {
            *target = mprintf(c"%s".as_ptr(), message.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests;

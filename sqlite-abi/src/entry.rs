//! Entry points of an extension: <https://www.sqlite.org/loadext.html>.
//!
//! | host | entry | returns |
//! | --- | --- | --- |
//! | `load_extension()`, `.load`, … | [`load`], behind an exported symbol | `SQLITE_OK_LOAD_PERMANENTLY` |
//! | every later connection | [`attach`], given to `sqlite3_auto_extension` by `load` | `SQLITE_OK` |
//! | a program that links SQLite | [`attach`], by [`auto_extend_linked`] or its own call | `SQLITE_OK` |
//!
//! The two are different functions because any code but `SQLITE_OK` from an automatic extension
//! makes every open fail. Either may meet a connection that has the functions already.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use crate::bindings as c;
use crate::guard::{guard, silence_panics};
use crate::{Code, Connection, FunctionFlags, Value, api};

/// An extension.
pub trait Extension: 'static {
    /// Its name. The function `<name>_version()` is made for it.
    const NAME: &'static str;

    /// What `<name>_version()` returns.
    const VERSION: &'static str;

    /// Adds what it has to a connection.
    ///
    /// # Errors
    /// A sentence; loading fails with it.
    fn register(connection: &Connection<'_>) -> Result<(), String>;
}

/// The function to call from the exported `sqlite3_<name>_init`.
///
/// # Safety
/// The arguments are those SQLite passes to an extension's entry point.
pub unsafe extern "C" fn load<E: Extension>(
    db: *mut c_void,
    message: *mut *mut c_char,
    table: *const c_void,
) -> c_int {
    // SAFETY: as promised.
    unsafe {
        start::<E>(db, message, table, || {
            silence_panics();
            let entry = auto_entry::<E>();
            // SAFETY: `entry` is a function that stays loaded; a second time changes nothing.
            let code = Code(api::call!(auto_extension(Some(entry))));
            let refused = |code| format!("SQLite refused an automatic extension: {code:?}");
            code.into_result().map_err(refused)?;
            Ok(Code::OK_LOAD_PERMANENTLY)
        })
    }
}

/// The function for `sqlite3_auto_extension`. Called by SQLite for each new connection.
///
/// # Safety
/// The arguments are those SQLite passes to an extension's entry point.
pub unsafe extern "C" fn attach<E: Extension>(
    db: *mut c_void,
    message: *mut *mut c_char,
    table: *const c_void,
) -> c_int {
    // SAFETY: as promised.
    unsafe { start::<E>(db, message, table, || Ok(Code::OK)) }
}

/// In a program that links SQLite (not in a library that is loaded), adds the extension to every
/// connection opened from now on.
///
/// # Errors
/// SQLite's code, if it is out of memory.
#[inline]
pub fn auto_extend_linked<E: Extension>() -> Result<(), Code> {
    // Generic, so that only a program that calls it needs the symbol.
    unsafe extern "C" {
        fn sqlite3_auto_extension(entry: Option<unsafe extern "C" fn()>) -> c_int;
    }
    // SAFETY: the entry has the signature SQLite calls it with, and is part of the program.
    Code(unsafe { sqlite3_auto_extension(Some(auto_entry::<E>())) }).into_result()
}

/// Takes the lines of SQLite's error log: <https://www.sqlite.org/errlog.html>.
pub trait ErrorLog: 'static {
    /// Takes a line, on whichever thread it was written. It must not call SQLite.
    fn line(code: i32, message: &str);
}

/// In a program that links SQLite, sends SQLite's error log to `L`. Before the first connection.
///
/// # Errors
/// `SQLITE_MISUSE`: SQLite was used before.
#[inline]
pub fn log_linked<L: ErrorLog>() -> Result<(), Code> {
    // Generic, so that only a program that calls it needs the symbol.
    unsafe extern "C" {
        fn sqlite3_config(option: c_int, ...) -> c_int;
    }
    let line: unsafe extern "C" fn(*mut c_void, c_int, *const c_char) = log_line::<L>;
    let no_argument = std::ptr::null_mut::<c_void>();
    // SAFETY: the arguments of SQLITE_CONFIG_LOG; SQLite itself refuses the call once it is in use.
    Code(unsafe { sqlite3_config(c::SQLITE_CONFIG_LOG, line, no_argument) }).into_result()
}

/// # Safety
/// SQLite calls it, with a text that ends with a NUL.
unsafe extern "C" fn log_line<L: ErrorLog>(_: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: as promised.
    let message = unsafe { std::ffi::CStr::from_ptr(message) };
    // A panic ends here; there is nobody to tell of it.
    let _ = guard("the error log", || {
        L::line(code, &message.to_string_lossy())
    });
}

/// [`attach`] in the form in which `sqlite3_auto_extension` takes it.
fn auto_entry<E: Extension>() -> unsafe extern "C" fn() {
    type Entry = unsafe extern "C" fn(*mut c_void, *mut *mut c_char, *const c_void) -> c_int;
    // SAFETY: function pointers have one size; SQLite calls it with its three arguments.
    unsafe { std::mem::transmute::<Entry, unsafe extern "C" fn()>(attach::<E>) }
}

/// Checks, initialises, registers on this connection, then does what `finish` does.
///
/// # Safety
/// The arguments are those SQLite passes to an extension's entry point.
unsafe fn start<E: Extension>(
    db: *mut c_void,
    message: *mut *mut c_char,
    table: *const c_void,
    finish: impl FnOnce() -> Result<Code, String>,
) -> c_int {
    let table = table.cast::<c::sqlite3_api_routines>();
    let outcome = guard(E::NAME, || {
        let db = NonNull::new(db.cast::<c::sqlite3>())
            .ok_or_else(|| format!("{} was called without a connection", E::NAME))?;
        // SAFETY: as promised.
        unsafe { api::initialise(table, E::NAME)? };
        // SAFETY: open while its entry point runs, and initialised just now.
        let connection = unsafe { Connection::new(db) };
        register_once::<E>(&connection)?;
        finish()
    });
    match outcome.unwrap_or_else(|panicked| Err(panicked.message(E::NAME))) {
        Ok(code) => code.0,
        Err(sentence) => {
            // SAFETY: as promised.
            unsafe { api::refuse(table, message, &sentence) };
            Code::ERROR.0
        }
    }
}

/// Connections that have an extension's functions, by address and name. Held only for a look-up.
static ATTACHED: Mutex<BTreeSet<(usize, &'static str)>> = Mutex::new(BTreeSet::new());

/// The mark that a connection has an extension's functions. SQLite drops it with the version
/// function that owns it: when the connection is closed.
struct Mark(usize, &'static str);

impl Mark {
    fn set<E: Extension>(connection: &Connection<'_>) -> Self {
        let mark = Self(connection.raw().expose_provenance(), E::NAME);
        attached(|set| set.insert((mark.0, mark.1)));
        mark
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        attached(|set| set.remove(&(self.0, self.1)));
    }
}

fn attached<R>(body: impl FnOnce(&mut BTreeSet<(usize, &'static str)>) -> R) -> R {
    body(&mut ATTACHED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Calls `visit` with the address of each connection that has the extension `name`. None of them
/// is closed meanwhile: its mark is dropped first, which waits.
pub(crate) fn with_attached(name: &str, mut visit: impl FnMut(usize)) {
    attached(|set| {
        for (address, extension) in set.iter() {
            if *extension == name {
                visit(*address);
            }
        }
    });
}

/// Replacing functions while `SELECT load_extension(...)` runs would fail, and would drop state
/// that belongs to the connection, so a second load leaves it alone.
fn register_once<E: Extension>(connection: &Connection<'_>) -> Result<(), String> {
    if attached(|set| set.contains(&(connection.id().0, E::NAME))) {
        return Ok(());
    }
    E::register(connection)?;
    let mark = Mark::set::<E>(connection);
    connection
        .create_scalar(
            &format!("{}_version", E::NAME),
            0,
            FunctionFlags::DETERMINISTIC | FunctionFlags::INNOCUOUS,
            move |_, _| {
                let _owned = &mark;
                Ok(Value::from(E::VERSION))
            },
        )
        .map_err(|error| error.message)
}

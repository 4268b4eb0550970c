//! `libsqlbridge`: the loadable extension. Entry points and registration, nothing else.
//!
//! Loaded (`.load libsqlbridge`), it serves the connection that loads it and every connection the
//! process opens later. A program that links SQLite calls [`auto_extend`] once instead.
//!
//! | cargo feature | capability |
//! | --- | --- |
//! | `storage` | databases in blob storage |
//! | `procedures` | stored procedures in WebAssembly |
//! | `sessions` | change capture |
#![deny(unsafe_code)]

#[cfg(all(feature = "sessions", feature = "storage"))]
mod between;
mod debug;

pub use sqlite_abi::entry::ErrorLog;

use sqlite_abi::{Code, Connection, Extension, FunctionFlags, Value, entry};

/// The extension.
#[derive(Debug)]
pub struct Sqlbridge;

impl Extension for Sqlbridge {
    const NAME: &'static str = "sqlbridge";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        connection
            .create_scalar("sqlbridge_debug", 0, FunctionFlags::DIRECTONLY, |_, _| {
                Ok(Value::from(debug::report()))
            })
            .map_err(|error| error.message)?;
        #[cfg(feature = "storage")]
        sqlbridge_vfs::register(connection)?;
        #[cfg(feature = "procedures")]
        sqlbridge_wasm_udf::register::<Self>(connection)?;
        #[cfg(feature = "sessions")]
        sqlbridge_session_ext::register(connection)?;
        #[cfg(all(feature = "sessions", feature = "storage"))]
        between::register(connection)?;
        Ok(())
    }
}

/// Adds the extension to every connection that this program opens from now on. Only for a program
/// that links SQLite itself.
///
/// # Errors
/// SQLite's code, if it is out of memory.
#[inline]
pub fn auto_extend() -> Result<(), Code> {
    entry::auto_extend_linked::<Sqlbridge>()
}

/// Sends SQLite's error log, where the extension writes what happens to stores, to `L`. Only for a
/// program that links SQLite itself, before its first connection.
///
/// # Errors
/// SQLite's code, if SQLite was used before.
#[inline]
pub fn log_to<L: ErrorLog>() -> Result<(), Code> {
    entry::log_linked::<L>()
}

/// What `load_extension()` looks for.
#[expect(unsafe_code, reason = "exported symbols, called by SQLite")]
mod symbols {
    use std::ffi::{c_char, c_int, c_void};

    use super::{Sqlbridge, entry};

    /// The entry point for a file named `libsqlbridge`.
    ///
    /// # Safety
    /// SQLite calls it.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn sqlite3_sqlbridge_init(
        db: *mut c_void,
        message: *mut *mut c_char,
        api: *const c_void,
    ) -> c_int {
        // SAFETY: SQLite's own arguments.
        unsafe { entry::load::<Sqlbridge>(db, message, api) }
    }

    /// The entry point for a file of any other name.
    ///
    /// # Safety
    /// SQLite calls it.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn sqlite3_extension_init(
        db: *mut c_void,
        message: *mut *mut c_char,
        api: *const c_void,
    ) -> c_int {
        // SAFETY: SQLite's own arguments.
        unsafe { entry::load::<Sqlbridge>(db, message, api) }
    }
}

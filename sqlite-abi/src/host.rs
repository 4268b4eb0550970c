//! What the host's SQLite is and what it lacks.

use std::ffi::{CStr, c_int};

use crate::api::{call, routines};

/// Version, such as `3.40.1`.
#[must_use]
pub fn version() -> String {
    // SAFETY: takes nothing; static text.
    unsafe { CStr::from_ptr(call!(libversion())) }
        .to_string_lossy()
        .into_owned()
}

/// Version as a number, such as 3040001.
#[must_use]
pub fn version_number() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(libversion_number()) }
}

/// Date and hash of its source.
#[must_use]
pub fn source_id() -> String {
    // SAFETY: takes nothing; static text.
    unsafe { CStr::from_ptr(call!(sourceid())) }
        .to_string_lossy()
        .into_owned()
}

/// Its compile-time options without `SQLITE_`: <https://www.sqlite.org/compile.html>. Empty where
/// the host was built not to tell.
#[must_use]
pub fn compile_options() -> Vec<String> {
    let Some(get) = routines().compileoption_get else {
        return Vec::new();
    };
    (0..c_int::MAX)
        .map_while(|index| {
            // SAFETY: any index is allowed; null after the last.
            let option = unsafe { get(index) };
            // SAFETY: not null, so a static text that ends with NUL.
            (!option.is_null()).then(|| unsafe { CStr::from_ptr(option) })
        })
        .map(|option| option.to_string_lossy().into_owned())
        .collect()
}

/// Functions of the extension API that this host is too old for or was built without, by their C
/// names. None of them is needed; some make something faster or possible.
#[must_use]
pub fn missing_functions() -> Vec<&'static str> {
    macro_rules! missing {
        ($($slot:ident),* $(,)?) => {
            [$((concat!("sqlite3_", stringify!($slot)), routines().$slot.is_none())),*]
        };
    }
    missing![
        load_extension,
        column_decltype,
        column_table_name,
        unlock_notify,
        normalized_sql,
        error_offset,
        vtab_in,
        serialize,
        deserialize,
        value_encoding,
        is_interrupted,
        stmt_explain,
        get_clientdata,
        setlk_timeout,
        set_errmsg,
    ]
    .into_iter()
    .filter_map(|(name, missing)| missing.then_some(name))
    .collect()
}

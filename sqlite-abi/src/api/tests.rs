//! The table against a SQLite that is linked in, and against hosts that are none.

use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::ffi;

use super::*;

static TABLE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn capture(
    _db: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    table: *const ffi::sqlite3_api_routines,
) -> c_int {
    TABLE.store(table.cast_mut().cast(), Ordering::Relaxed);
    0
}

/// The linked SQLite's own table.
fn host_table() -> *const sqlite3_api_routines {
    // SAFETY: the signature is the one SQLite calls an automatic extension with.
    unsafe { ffi::sqlite3_auto_extension(Some(capture)) };
    rusqlite::Connection::open_in_memory().unwrap();
    TABLE.load(Ordering::Relaxed).cast()
}

extern "C" fn too_old() -> c_int {
    OLDEST - 1
}

extern "C" fn old_text() -> *const c_char {
    c"3.36.0".as_ptr()
}

#[test]
fn slots_are_where_sqlite_has_them() {
    let table = host_table();
    // SAFETY: the linked SQLite is the one the bindings were made from, or newer.
    let routines = unsafe { copy(table, ffi::sqlite3_libversion_number()) };
    macro_rules! same {
        ($($slot:ident = $function:ident),* $(,)?) => {
            $(assert_eq!(
                routines.$slot.map(|slot| slot as *const ()),
                Some(ffi::$function as *const ()),
                stringify!($slot),
            );)*
        };
    }
    same! {
        aggregate_context = sqlite3_aggregate_context,
        bind_null = sqlite3_bind_null,
        column_type = sqlite3_column_type,
        errmsg = sqlite3_errmsg,
        libversion_number = sqlite3_libversion_number,
        user_data = sqlite3_user_data,
        value_type = sqlite3_value_type,
        vfs_find = sqlite3_vfs_find,
        vfs_register = sqlite3_vfs_register,
        context_db_handle = sqlite3_context_db_handle,
        create_function_v2 = sqlite3_create_function_v2,
        db_mutex = sqlite3_db_mutex,
        db_filename = sqlite3_db_filename,
        uri_parameter = sqlite3_uri_parameter,
        auto_extension = sqlite3_auto_extension,
        malloc64 = sqlite3_malloc64,
        result_text64 = sqlite3_result_text64,
        bind_pointer = sqlite3_bind_pointer,
        uri_key = sqlite3_uri_key,
        txn_state = sqlite3_txn_state,
        changes64 = sqlite3_changes64,
        error_offset = sqlite3_error_offset,
        serialize = sqlite3_serialize,
        is_interrupted = sqlite3_is_interrupted,
        set_clientdata = sqlite3_set_clientdata,
        stmt_explain = sqlite3_stmt_explain,
    }
    assert_eq!(first_missing(&routines), None);
}

#[test]
fn newer_slots_are_not_read_on_an_older_host() {
    let table = host_table();
    // SAFETY: the linked SQLite has more slots than these versions.
    let (oldest, middle) = unsafe { (copy(table, OLDEST), copy(table, 3_043_002)) };
    assert!(oldest.autovacuum_pages.is_some());
    assert!(oldest.error_offset.is_none());
    assert!(oldest.incomplete.is_none());
    assert!(middle.stmt_explain.is_some());
    assert!(middle.get_clientdata.is_none());
}

#[test]
fn versions_and_offsets_grow() {
    assert!(ADDED.is_sorted());
    assert!(ADDED.windows(2).all(|pair| pair[0].1 < pair[1].1));
}

#[test]
fn a_host_that_cannot_be_served_is_told_why() {
    let table = host_table();
    // SAFETY: null, and tables with the slots that are read.
    unsafe {
        assert_eq!(
            initialise(ptr::null(), "x"),
            Err("x was called without SQLite's API table".to_owned())
        );

        let mut old = copy(table, OLDEST);
        old.libversion_number = Some(too_old);
        old.libversion = Some(old_text);
        assert_eq!(
            initialise(&raw const old, "x"),
            Err("x needs SQLite 3.37.0 or later, but this program has SQLite 3.36.0".to_owned())
        );

        let mut poor = copy(table, OLDEST);
        poor.vtab_config = None;
        assert_eq!(first_missing(&poor), Some("vtab_config"));

        assert_eq!(initialise(table, "x"), Ok(()));
        assert_eq!(initialise(table, "x"), Ok(()), "the same again");

        let copy = copy(table, ffi::sqlite3_libversion_number());
        let refused = initialise(&raw const copy, "x").unwrap_err();
        assert!(
            refused.starts_with("x is already loaded into another copy of SQLite in this process"),
            "{refused}"
        );
    }
}

#[test]
fn texts_for_the_host() {
    assert_eq!(c_text("50% off\0rest").as_c_str(), c"50% off");
    // SAFETY: initialised first; the block is freed by the allocator it came from.
    unsafe {
        initialise(host_table(), "x").unwrap();
        let text = host_text("%s%n");
        assert_eq!(CStr::from_ptr(text), c"%s%n");
        ffi::sqlite3_free(text.cast());

        let mut message = ptr::null_mut();
        refuse(host_table(), &raw mut message, "100%");
        assert_eq!(CStr::from_ptr(message), c"100%");
        ffi::sqlite3_free(message.cast());
        refuse(host_table(), ptr::null_mut(), "nowhere to put it");
        refuse(ptr::null(), &raw mut message, "nothing to allocate with");
    }
}

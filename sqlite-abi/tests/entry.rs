//! Both entry points, called as SQLite calls them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use rusqlite::ffi;
use sqlite_abi::{Code, Connection, Extension, FunctionFlags, Value, entry, host, log};

static REGISTERED: AtomicUsize = AtomicUsize::new(0);
static TABLE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

struct Counting;

impl Extension for Counting {
    const NAME: &'static str = "counting";
    const VERSION: &'static str = "1.2.3";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        REGISTERED.fetch_add(1, Ordering::Relaxed);
        connection
            .create_scalar("counted", 0, FunctionFlags::NONE, |_, _| {
                Ok(Value::Integer(1))
            })
            .map_err(|error| error.message)
    }
}

struct Refusing;

impl Extension for Refusing {
    const NAME: &'static str = "refusing";
    const VERSION: &'static str = "0";

    fn register(_: &Connection<'_>) -> Result<(), String> {
        Err("not 100% today: %s%n".to_owned())
    }
}

struct Panicking;

impl Extension for Panicking {
    const NAME: &'static str = "panicking";
    const VERSION: &'static str = "0";

    #[expect(clippy::panic, reason = "what is tested")]
    fn register(_: &Connection<'_>) -> Result<(), String> {
        panic!("in register")
    }
}

unsafe extern "C" fn capture(
    _db: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    table: *const ffi::sqlite3_api_routines,
) -> c_int {
    TABLE.store(table.cast_mut().cast(), Ordering::Relaxed);
    0
}

type Entry = unsafe extern "C" fn(*mut c_void, *mut *mut c_char, *const c_void) -> c_int;

/// Calls an entry point as SQLite would; returns its code and message.
fn call(entry: Entry, db: *mut ffi::sqlite3, table: *const c_void) -> (i32, Option<String>) {
    let mut message = ptr::null_mut();
    // `load` replaces the hook of what it takes for a library of its own.
    let hook = std::panic::take_hook();
    // SAFETY: an open connection or null, and a table of the linked SQLite or null.
    unsafe {
        let code = entry(db.cast(), &raw mut message, table);
        std::panic::set_hook(hook);
        if message.is_null() {
            return (code, None);
        }
        let text = CStr::from_ptr(message).to_str().unwrap().to_owned();
        ffi::sqlite3_free(message.cast());
        (code, Some(text))
    }
}

fn works(db: &rusqlite::Connection, sql: &str) -> bool {
    db.query_row(sql, [], |_| Ok(())).is_ok()
}

/// One test, because everything here is the process's.
#[test]
fn an_extension_in_a_process() {
    // Before anything is known of SQLite, logging does nothing.
    log(Code::WARNING, "nobody hears this");
    // SAFETY: the signature is the one SQLite calls an automatic extension with.
    unsafe { ffi::sqlite3_auto_extension(Some(capture)) };
    let early = rusqlite::Connection::open_in_memory().unwrap();
    let table = TABLE.load(Ordering::Relaxed).cast_const();
    // SAFETY: for calls below only.
    let handle = unsafe { early.handle() };
    let load = entry::load::<Counting>;
    let attach = entry::attach::<Counting>;

    // What cannot be served is refused.
    assert_eq!(call(load, handle, ptr::null()), (Code::ERROR.0, None));
    assert_eq!(
        call(load, ptr::null_mut(), table),
        (
            Code::ERROR.0,
            Some("counting was called without a connection".to_owned())
        )
    );
    assert!(!works(&early, "SELECT counted()"));

    // The first load serves this connection and later ones.
    assert_eq!(
        call(load, handle, table),
        (Code::OK_LOAD_PERMANENTLY.0, None)
    );
    assert_eq!(REGISTERED.load(Ordering::Relaxed), 1);
    assert!(works(
        &early,
        "SELECT counted() WHERE counting_version() = '1.2.3'"
    ));
    let late = rusqlite::Connection::open_in_memory().unwrap();
    assert!(works(
        &late,
        "SELECT counted() WHERE counting_version() = '1.2.3'"
    ));
    assert_eq!(REGISTERED.load(Ordering::Relaxed), 2);

    // Loading again does nothing, also while one of the functions runs.
    assert_eq!(call(load, handle, table).0, Code::OK_LOAD_PERMANENTLY.0);
    assert_eq!(call(attach, handle, table), (Code::OK.0, None));
    let mut statement = early
        .prepare("SELECT counted() UNION ALL SELECT 2")
        .unwrap();
    let mut running = statement.query([]).unwrap();
    running.next().unwrap();
    assert_eq!(call(load, handle, table).0, Code::OK_LOAD_PERMANENTLY.0);
    drop(running);
    drop(statement);
    assert_eq!(REGISTERED.load(Ordering::Relaxed), 2);
    entry::auto_extend_linked::<Counting>().unwrap();
    entry::auto_extend_linked::<Counting>().unwrap();
    drop(rusqlite::Connection::open_in_memory().unwrap());
    assert_eq!(
        REGISTERED.load(Ordering::Relaxed),
        3,
        "once for each connection"
    );

    // A connection at the address of one that was closed is a new one.
    for count in 4..20 {
        let again = rusqlite::Connection::open_in_memory().unwrap();
        assert!(works(&again, "SELECT counted()"));
        assert_eq!(REGISTERED.load(Ordering::Relaxed), count);
    }

    // Another SQLite in this process would come with another table.
    let mut other = [0_usize; 200];
    // SAFETY: the first slots of the table, which has more.
    unsafe { ptr::copy_nonoverlapping(table.cast(), other.as_mut_ptr(), other.len()) };
    for entry in [load as Entry, attach] {
        let (code, message) = call(entry, handle, other.as_ptr().cast());
        assert_eq!(code, Code::ERROR.0);
        let message = message.unwrap();
        assert!(
            message.starts_with(
                "counting is already loaded into another copy of SQLite in this process"
            ),
            "{message}"
        );
    }

    // Errors and panics of an extension are its own.
    assert_eq!(
        call(entry::load::<Refusing>, handle, table),
        (Code::ERROR.0, Some("not 100% today: %s%n".to_owned()))
    );
    assert_eq!(
        call(entry::attach::<Panicking>, handle, table),
        (
            Code::ERROR.0,
            Some("internal error in panicking: in register".to_owned())
        )
    );
    assert!(!works(&early, "SELECT refusing_version()"));
    drop(rusqlite::Connection::open_in_memory().unwrap());

    // What the host is.
    assert_eq!(host::version(), rusqlite::version());
    assert_eq!(host::version_number(), rusqlite::version_number());
    assert!(
        host::compile_options()
            .iter()
            .any(|option| option == "THREADSAFE=1")
    );
    assert!(host::source_id().len() > 64);
    assert!(!host::missing_functions().contains(&"sqlite3_set_errmsg"));
}

//! A VFS of ours under a SQLite that is linked in: a workload, what is passed on, what is
//! delegated, and a panic in every callback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{Memory, OtherFile, alone, error, file_pointer, memory, open, text};
use rusqlite::ffi;
use sqlite_abi::{Code, Connection, FunctionFlags, Value, set_default};

/// Functions that look at the file behind `main`.
fn register_functions(connection: &Connection<'_>) -> Result<(), String> {
    let create = |name: &str, body: fn(&Connection<'_>) -> Option<String>| {
        connection
            .create_scalar(name, 0, FunctionFlags::NONE, move |connection, _| {
                Ok(Value::from(body(connection)))
            })
            .map_err(|error| error.message)
    };
    create("file_path", |connection| {
        connection.with_file("main", |file: &mut common::MemoryFile| file.path.clone())
    })?;
    create("other_path", |connection| {
        connection.with_file("main", |file: &mut OtherFile| file.0.path.clone())
    })?;
    create("file_nested", |connection| {
        connection.with_file("main", |_: &mut common::MemoryFile| {
            let inner = connection.with_file("main", |_: &mut common::MemoryFile| ());
            let read = connection.exec("SELECT count(*) FROM t");
            format!("{} {:?}", inner.is_none(), read.unwrap_err().code)
        })
    })?;
    create("file_panics", |connection| {
        connection.with_file("main", |_: &mut common::MemoryFile| {
            panic!("while borrowed")
        })
    })?;
    create("schema_file", |connection| connection.filename("main"))
}

#[test]
fn a_workload_passes() {
    let _alone = alone();
    let db = open("file:work.db?vfs=memory").unwrap();
    for journal in ["delete", "truncate", "persist", "memory"] {
        let answer = text(&db, &format!("PRAGMA journal_mode={journal}")).unwrap();
        assert_eq!(answer, journal);
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT, b BLOB);
             CREATE INDEX IF NOT EXISTS tv ON t(v);
             BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000)
             INSERT INTO t(v, b) SELECT 'v' || i, randomblob(100) FROM n;
             SAVEPOINT s; DELETE FROM t WHERE id % 2; ROLLBACK TO s; RELEASE s;
             COMMIT;
             BEGIN; UPDATE t SET v = v || 'x'; ROLLBACK;
             DELETE FROM t WHERE id % 3 = 0;
             VACUUM;",
        )
        .unwrap();
        assert_eq!(text(&db, "PRAGMA integrity_check").unwrap(), "ok");
    }
    // WAL needs shared memory, which version 1 methods do not have.
    assert_eq!(text(&db, "PRAGMA journal_mode=WAL").unwrap(), "memory");
    let rows = text(&db, "SELECT count(*) FROM t").unwrap();
    drop(db);
    assert_eq!(memory().open, 0, "every file was closed");

    let db = open("file:work.db?vfs=memory").unwrap();
    assert_eq!(text(&db, "SELECT count(*) FROM t").unwrap(), rows);
    assert_eq!(
        text(&db, "SELECT schema_file()").unwrap(),
        "/memory/work.db"
    );
    assert!(!std::path::Path::new("work.db").exists());
}

#[test]
fn temporary_and_foreign_files_are_the_hosts() {
    let _alone = alone();
    let db = open("file:temp.db?vfs=memory").unwrap();
    db.execute_batch(
        "PRAGMA temp_store=FILE; PRAGMA cache_size=10; PRAGMA temp.cache_size=10;
         CREATE TEMP TABLE big(v);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000)
         INSERT INTO big SELECT randomblob(100) FROM n;
         CREATE TABLE sorted AS SELECT v FROM big ORDER BY v;",
    )
    .unwrap();
    assert!(memory().delegated > 0);
    assert_eq!(text(&db, "SELECT count(*) FROM sorted").unwrap(), "20000");

    // A database the host's VFS opens works with the host's own locks, journal and memory.
    let path = std::env::temp_dir().join(format!("host-{}.db", std::process::id()));
    let uri = format!("file:{}?vfs=memory", path.display());
    let db = open(&uri).unwrap();
    db.execute_batch("CREATE TABLE t(v); INSERT INTO t VALUES (1)")
        .unwrap();
    let _ = text(&db, "PRAGMA journal_mode=WAL").unwrap();
    db.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(
        text(&db, "SELECT file_path()").unwrap(),
        "NULL",
        "not a file of ours"
    );
    drop(db);
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn uri_parameters_arrive() {
    let _alone = alone();
    let uri = "file:uri.db?vfs=memory&store=s3%3A%2F%2Fbucket%2Fa%20b&empty=&flag=on&x=1";
    let _db = open(uri).unwrap();
    let expected = [
        ("vfs", "memory"),
        ("store", "s3://bucket/a b"),
        ("empty", ""),
        ("flag", "on"),
        ("x", "1"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(memory().parameters, expected);
    assert!(memory().flag);
}

#[test]
fn pragmas_are_answered() {
    let _alone = alone();
    let db = open("file:pragma.db?vfs=memory").unwrap();
    assert_eq!(text(&db, "PRAGMA memory_echo").unwrap(), "nothing");
    assert_eq!(
        text(&db, "PRAGMA memory_echo='100% %s%n'").unwrap(),
        "100% %s%n"
    );
    assert!(matches!(
        text(&db, "PRAGMA memory_quiet"),
        Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows)
    ));
    assert_eq!(
        error(text(&db, "PRAGMA memory_fail")),
        (Code::PERM.0, "100% refused: %s%n".to_owned())
    );
    // What the VFS does not know goes on to SQLite; an answer to it is dropped.
    assert_eq!(text(&db, "PRAGMA page_size").unwrap(), "4096");
}

#[test]
fn controls_arrive() {
    let _alone = alone();
    let db = open("file:one.db?vfs=memory").unwrap();
    db.execute_batch(
        "ATTACH 'file:two.db?vfs=memory' AS two;
         CREATE TABLE t(v); CREATE TABLE two.t(v);
         BEGIN; INSERT INTO main.t VALUES (1); INSERT INTO two.t VALUES (2); COMMIT;",
    )
    .unwrap();
    let controls = memory().controls.clone();
    let has = |text: &str| controls.iter().any(|control| control.contains(text));
    assert!(has("Sync { super_journal: None }"), "{controls:?}");
    assert!(
        has("Sync { super_journal: Some(\"/memory/one.db-mj"),
        "{controls:?}"
    );
    assert!(has("CommitPhaseTwo"), "{controls:?}");
    // SAFETY: an address to compare.
    let handle = unsafe { db.handle() } as usize;
    assert!(memory().connections.iter().any(|id| id.0 == handle));
    db.execute_batch("VACUUM").unwrap();
    assert!(
        memory()
            .controls
            .iter()
            .any(|control| control == "Overwrite")
    );
    assert_eq!(vfs_name(&db), "memory");
}

fn vfs_name(db: &rusqlite::Connection) -> String {
    let mut name: *mut std::ffi::c_char = std::ptr::null_mut();
    // SAFETY: the connection is open; the control writes a pointer that we free.
    unsafe {
        ffi::sqlite3_file_control(
            db.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_VFSNAME,
            (&raw mut name).cast(),
        );
        let text = std::ffi::CStr::from_ptr(name).to_str().unwrap().to_owned();
        ffi::sqlite3_free(name.cast());
        text
    }
}

#[test]
fn a_short_read_is_zero_filled() {
    let _alone = alone();
    let db = open("file:short.db?vfs=memory").unwrap();
    db.execute_batch("PRAGMA page_size=512; CREATE TABLE t(v)")
        .unwrap();
    let file = file_pointer(&db);
    let mut buffer = [0xaa_u8; 64];
    // SAFETY: SQLite's own file and a buffer of the size given.
    let mut read = |length: i32, offset: i64| unsafe {
        let read = (*(*file).pMethods).xRead.unwrap();
        let code = read(file, buffer.as_mut_ptr().cast(), length, offset);
        (code, buffer)
    };
    assert_eq!(read(16, 0).0, 0);
    let (code, bytes) = read(32, 1024 - 16);
    assert_eq!(code, Code::IOERR_SHORT_READ.0);
    assert_eq!(bytes[16..32], [0; 16]);
    assert_eq!(bytes[32..], [0xaa; 32], "no byte beyond what was asked for");
    let (code, bytes) = read(32, 1 << 40);
    assert_eq!(code, Code::IOERR_SHORT_READ.0);
    assert_eq!(bytes[..32], [0; 32]);
    assert_eq!(read(-1, 0).0, Code::IOERR_READ.0);
    assert_eq!(read(16, -1).0, Code::IOERR_READ.0);
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    let _alone = alone();
    let db = open("file:wrong.db?vfs=memory").unwrap();
    db.execute_batch("CREATE TABLE t(v)").unwrap();
    let file = file_pointer(&db);
    let null = std::ptr::null_mut();
    // SAFETY: what a host must never do, and must survive.
    unsafe {
        let methods = &*(*file).pMethods;
        assert_eq!(methods.xRead.unwrap()(file, null, 1, 0), Code::MISUSE.0);
        assert_eq!(
            methods.xRead.unwrap()(null.cast(), null, 1, 0),
            Code::MISUSE.0
        );
        assert_eq!(methods.xWrite.unwrap()(file, null, 1, 0), Code::MISUSE.0);
        assert_eq!(methods.xTruncate.unwrap()(file, -1), Code::IOERR_TRUNCATE.0);
        assert_eq!(
            methods.xFileSize.unwrap()(file, null.cast()),
            Code::MISUSE.0
        );
        assert_eq!(methods.xLock.unwrap()(file, 77), Code::MISUSE.0);
        assert_eq!(
            methods.xCheckReservedLock.unwrap()(file, null.cast()),
            Code::MISUSE.0
        );
        assert_eq!(
            methods.xFileControl.unwrap()(file, 123_456, null),
            Code::NOTFOUND.0
        );
        assert_eq!(
            methods.xFileControl.unwrap()(file, ffi::SQLITE_FCNTL_PRAGMA, null),
            Code::NOTFOUND.0
        );
        assert_eq!(methods.xClose.unwrap()(null.cast()), Code::MISUSE.0);
        assert_eq!(methods.iVersion, 1);
    }
}

#[test]
fn read_only_and_missing_files() {
    let _alone = alone();
    open("file:ro.db?vfs=memory")
        .unwrap()
        .execute_batch("CREATE TABLE t(v)")
        .unwrap();
    memory().read_only = true;
    let db = open("file:ro.db?vfs=memory").unwrap();
    assert!(db.is_readonly("main").unwrap());
    assert_eq!(
        error(db.execute_batch("INSERT INTO t VALUES (1)")).0,
        Code::READONLY.0
    );
    let (code, _) = error(open("file:absent.db?vfs=memory&mode=rw"));
    assert_eq!(Code(code).primary(), Code::CANTOPEN);
    let (code, _) = error(open("file:too-long?vfs=memory"));
    assert_eq!(Code(code).primary(), Code::CANTOPEN);
}

#[test]
fn the_file_behind_a_schema() {
    let _alone = alone();
    let db = open("file:mine.db?vfs=memory").unwrap();
    db.execute_batch("CREATE TABLE t(v); INSERT INTO t VALUES (randomblob(20000))")
        .unwrap();
    assert_eq!(text(&db, "SELECT file_path()").unwrap(), "/memory/mine.db");
    assert_eq!(
        text(&db, "SELECT other_path()").unwrap(),
        "NULL",
        "another type"
    );
    let other = open("file:other.db?vfs=other").unwrap();
    other.execute_batch("CREATE TABLE t(v)").unwrap();
    assert_eq!(
        text(&other, "SELECT other_path()").unwrap(),
        "/memory/other.db"
    );
    assert_eq!(text(&other, "SELECT file_path()").unwrap(), "NULL");
    let plain = open(":memory:").unwrap();
    assert_eq!(text(&plain, "SELECT file_path()").unwrap(), "NULL");
}

#[test]
fn a_file_in_use_cannot_be_used_again() {
    let _alone = alone();
    let db = open("file:nested.db?vfs=memory").unwrap();
    db.execute_batch("CREATE TABLE t(v)").unwrap();
    drop(db);
    let db = open("file:nested.db?vfs=memory").unwrap();
    let answer = text(&db, "SELECT file_nested()").unwrap();
    assert_eq!(answer, "true SQLITE_MISUSE");
    assert_eq!(
        text(&db, "SELECT count(*) FROM t").unwrap(),
        "0",
        "free again"
    );

    assert_eq!(error(text(&db, "SELECT file_panics()")).0, Code::IOERR.0);
    assert_eq!(
        error(text(&db, "SELECT count(*) FROM t")).0,
        Code::IOERR.0,
        "poisoned"
    );
    assert_eq!(text(&db, "SELECT file_path()").unwrap(), "NULL");
    drop(db);
    let db = open("file:nested.db?vfs=memory").unwrap();
    assert_eq!(text(&db, "SELECT count(*) FROM t").unwrap(), "0");
}

/// Every callback of a file panics once, at a time when SQLite calls it.
#[test]
fn a_panic_in_a_file_is_an_error() {
    let _alone = alone();
    let write = "BEGIN; UPDATE t SET v = randomblob(5000); COMMIT";
    let cases = [
        ("xRead", write),
        ("xWrite", write),
        ("xTruncate", "DELETE FROM t; VACUUM"),
        ("xSync", write),
        ("xFileSize", write),
        ("xLock", write),
        ("xUnlock", write),
        ("xFileControl", write),
        ("xDeviceCharacteristics", write),
    ];
    for (method, sql) in cases {
        let db = open("file:panic.db?vfs=memory").unwrap();
        db.execute_batch(
            "CREATE TABLE t(v);
             INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n
             WHERE i < 20) SELECT randomblob(5000) FROM n;",
        )
        .unwrap();
        drop(db);
        let db = open("file:panic.db?vfs=memory").unwrap();
        db.execute_batch("PRAGMA journal_mode=MEMORY").unwrap();
        if method != "xRead" {
            // The schema is read first, so that the panic comes in the statement itself.
            text(&db, "SELECT count(*) FROM t").unwrap();
        }
        memory().armed = Some(method);
        let result = db.execute_batch(sql);
        assert_eq!(memory().fired, [method], "it was called");
        // These have no error to give, but the file is lost.
        if result.is_err() || !["xUnlock", "xDeviceCharacteristics"].contains(&method) {
            assert_eq!(Code(error(result).0).primary(), Code::IOERR, "{method}");
        }
        let _ = db.execute_batch("ROLLBACK");
        let (code, _) = error(text(&db, "SELECT sum(length(v)) FROM t"));
        assert_eq!(
            Code(code).primary(),
            Code::IOERR,
            "{method}: poisoned until closed"
        );
        drop(db);
        assert_eq!(memory().open, 0, "{method}: closed nevertheless");
        // What is in memory may be half of a transaction now.
        *memory() = Memory::default();
    }
}

#[test]
fn a_panic_in_check_reserved_lock() {
    let _alone = alone();
    let db = open("file:reserved.db?vfs=memory").unwrap();
    db.execute_batch("CREATE TABLE t(v)").unwrap();
    drop(db);
    // A journal that looks hot makes SQLite ask whether its writer still lives.
    memory().files.insert(
        "/memory/reserved.db-journal".to_owned(),
        std::sync::Arc::default(),
    );
    memory().armed = Some("xCheckReservedLock");
    let db = open("file:reserved.db?vfs=memory").unwrap();
    assert_eq!(
        Code(error(text(&db, "SELECT * FROM t")).0).primary(),
        Code::IOERR
    );
    assert_eq!(memory().fired, ["xCheckReservedLock"]);
}

#[test]
fn a_panic_at_close() {
    let _alone = alone();
    let db = open("file:close.db?vfs=memory").unwrap();
    db.execute_batch("CREATE TABLE t(v)").unwrap();
    memory().armed = Some("xClose");
    drop(db);
    assert_eq!(memory().fired, ["xClose"]);
    let db = open("file:close.db?vfs=memory").unwrap();
    assert_eq!(text(&db, "SELECT count(*) FROM t").unwrap(), "0");
}

#[test]
fn a_panic_in_the_vfs_is_an_error() {
    let _alone = alone();
    for (method, expected) in [("xOpen", Code::IOERR), ("xFullPathname", Code::CANTOPEN)] {
        memory().armed = Some(method);
        let (code, _) = error(
            open("file:panic2.db?vfs=memory")
                .and_then(|db| db.execute_batch("CREATE TABLE IF NOT EXISTS t(v)")),
        );
        assert_eq!(Code(code).primary(), expected, "{method}");
        assert_eq!(memory().fired, [method]);
        memory().fired.clear();
    }
    for method in ["xAccess", "xDelete"] {
        let db = open("file:panic2.db?vfs=memory").unwrap();
        memory().armed = Some(method);
        let (code, _) = error(db.execute_batch("CREATE TABLE t(v)"));
        assert_eq!(Code(code).primary(), Code::IOERR, "{method}");
        assert_eq!(memory().fired, [method]);
        memory().fired.clear();
        drop(db);
        memory().files.clear();
    }
    let db = open("file:panic3.db?vfs=memory").unwrap();
    db.execute_batch("CREATE TABLE t(v)").unwrap();
}

#[test]
fn the_default_comes_and_goes() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("host-default-{}.db", std::process::id()));
    assert!(
        set_default("unix", true).unwrap_err().contains("unix"),
        "not ours"
    );
    set_default("memory", true).unwrap();
    let ours = open("plain.db").unwrap();
    ours.execute_batch("CREATE TABLE t(v)").unwrap();
    assert_eq!(
        text(&ours, "SELECT file_path()").unwrap(),
        "/memory/plain.db"
    );
    let theirs = open(path.to_str().unwrap()).unwrap();
    theirs.execute_batch("CREATE TABLE t(v)").unwrap();
    assert_eq!(text(&theirs, "SELECT file_path()").unwrap(), "NULL");
    set_default("memory", false).unwrap();
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    let plain = open(":memory:").unwrap();
    assert_ne!(vfs_name_of_default(), "memory");
    drop(plain);
}

fn vfs_name_of_default() -> String {
    // SAFETY: null asks for the default, which there always is.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        std::ffi::CStr::from_ptr((*vfs).zName)
            .to_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn time_and_randomness_are_the_hosts() {
    let _alone = alone();
    let db = open("file:time.db?vfs=memory").unwrap();
    let ours = text(&db, "SELECT unixepoch()")
        .unwrap()
        .parse::<i64>()
        .unwrap();
    let plain = open(":memory:").unwrap();
    let hosts = text(&plain, "SELECT unixepoch()")
        .unwrap()
        .parse::<i64>()
        .unwrap();
    assert!((hosts - ours).abs() <= 1);
    // SAFETY: a VFS that was registered, and its own methods.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(c"memory".as_ptr());
        assert_eq!((*vfs).xSleep.unwrap()(vfs, 1), 1);
        let mut bytes = [0_u8; 32];
        (*vfs).xRandomness.unwrap()(vfs, 32, bytes.as_mut_ptr().cast());
        assert_ne!(bytes, [0; 32]);
        let mut day = 0.0;
        assert_eq!((*vfs).xCurrentTime.unwrap()(vfs, &raw mut day), 0);
        assert!(day > 2_460_000.0);
        let library = (*vfs).xDlOpen.unwrap()(vfs, c"no-such-library.so".as_ptr());
        assert!(library.is_null());
        let mut message = [0_u8; 256];
        (*vfs).xDlError.unwrap()(vfs, 256, message.as_mut_ptr().cast());
        assert!(String::from_utf8_lossy(&message).contains("no-such-library"));
        (*vfs).xGetLastError.unwrap()(vfs, 256, message.as_mut_ptr().cast());
    }
}

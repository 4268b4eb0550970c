use std::path::PathBuf;

use super::{Databases, Place};

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pg-frontend-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn databases(&self) -> Databases {
        Databases::new(Place::Files {
            directory: self.0.clone(),
            paths: [("own".to_owned(), self.0.join("elsewhere/file.db"))].into(),
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn databases_are_made_opened_and_dropped() {
    let scratch = Scratch::new("life");
    let databases = scratch.databases();
    assert_eq!(databases.open("app").unwrap_err().code, "3D000");
    assert_eq!(databases.list().unwrap(), Vec::<String>::new());
    databases.create("app").unwrap();
    databases.ensure("app").unwrap();
    databases.create("own").unwrap();
    assert_eq!(databases.create("app").unwrap_err().code, "42P04");
    assert_eq!(databases.list().unwrap(), ["app", "own"]);
    assert!(scratch.0.join("elsewhere/file.db").is_file());

    let connection = databases.open("app").unwrap();
    connection.execute_batch("CREATE TABLE t(x)").unwrap();
    assert_eq!(databases.drop("app").unwrap_err().code, "55006");
    drop(connection);
    databases.drop("app").unwrap();
    assert_eq!(databases.drop("app").unwrap_err().code, "3D000");
    let left: Vec<_> = std::fs::read_dir(&scratch.0).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn connections_are_set_up() {
    let scratch = Scratch::new("setup");
    let databases = scratch.databases();
    databases.create("app").unwrap();
    let connection = databases.open("app").unwrap();
    let pragma = |name: &str| -> String {
        let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        format!(
            "{:?}",
            connection.pragma_query_value(None, name, value).unwrap()
        )
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
    assert_eq!(pragma("trusted_schema"), "Integer(0)");
    let error = connection.prepare("SELECT \"typo\"").unwrap_err();
    assert!(error.to_string().contains("no such column"), "{error}");
}

#[test]
fn names_lead_nowhere_else() {
    let scratch = Scratch::new("names");
    let databases = scratch.databases();
    for name in [
        "",
        "..",
        "../app",
        "a/b",
        ".hidden",
        "-v",
        "a\0b",
        "ä",
        "a b",
        &"a".repeat(64),
    ] {
        assert_eq!(
            databases.create(name).unwrap_err().code,
            "42602",
            "{name:?}"
        );
        assert_eq!(databases.open(name).unwrap_err().code, "3D000", "{name:?}");
        assert_eq!(databases.drop(name).unwrap_err().code, "3D000", "{name:?}");
        assert!(!databases.exists(name).unwrap());
    }
    assert!(!scratch.0.exists());
}

#[test]
fn what_is_no_database_is_said() {
    let scratch = Scratch::new("nodb");
    let databases = scratch.databases();
    std::fs::create_dir_all(&scratch.0).unwrap();
    std::fs::write(scratch.0.join("app.sqlite"), "x".repeat(4096)).unwrap();
    let error = databases.open("app").unwrap_err();
    assert_eq!(error.code, "XX001");
    assert!(error.message.contains("not a database"), "{error}");
}

#[test]
fn a_file_is_opened_while_its_last_connection_closes() {
    let scratch = Scratch::new("closing");
    let databases = scratch.databases();
    databases.create("app").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..100 {
                    let connection = databases.open("app").unwrap();
                    connection
                        .execute_batch(&format!(
                            "CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES ({n})"
                        ))
                        .unwrap();
                }
            });
        }
    });
}

//! Every command, and what goes wrong with it.

use serde_json::json;
use sqlbridge_wasm_udf::sqlproxy::Grant;

use crate::host::{call, inside, open};

#[test]
fn query_and_exec() {
    let host = open();
    inside(&host, |guest| {
        guest.exec("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)");
        let inserted = guest.ok(json!({
            "command": "exec", "sql": "INSERT INTO users(name) VALUES (?), (?)", "args": ["ann", "bob"],
        }));
        assert_eq!(inserted, json!({"last_insert_id": 2, "rows_affected": 2}));
        let found = guest.ok(json!({
            "command": "query", "sql": "SELECT id, name FROM users WHERE id > :least", "args": {"least": 1},
        }));
        assert_eq!(
            found,
            json!({"columns": ["id", "name"], "decltypes": ["INTEGER", "TEXT"], "rows": [[2, "bob"]]})
        );
    });
}

#[test]
fn a_guest_that_may_read_does_not_write() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    call(&host, "SELECT guest()", Grant::Read, |guest| {
        assert_eq!(guest.rows("SELECT count(*) FROM t"), json!([[0]]));
        for sql in [
            "INSERT INTO t VALUES (1)",
            "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
        ] {
            let (code, message) = guest.error(json!({"command": "exec", "sql": sql}));
            assert_eq!(code, "SQLITE_AUTH");
            assert!(message.contains("\"sql\": \"read\""), "{message}");
        }
    });
}

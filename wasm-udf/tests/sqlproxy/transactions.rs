//! Transactions of a guest inside those of its caller.

use serde_json::json;
use sqlbridge_wasm_udf::sqlproxy::Grant;

use crate::host::{Guest, call, inside, open, with_guest};

fn count(host: &rusqlite::Connection) -> i64 {
    host.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

fn begin(guest: &mut Guest<'_>) -> i64 {
    guest.ok(json!({"command": "begin_tx"}))["tx_id"]
        .as_i64()
        .unwrap()
}

const INSERT: &str = "INSERT INTO t VALUES (1)";

/// Every place a caller may stand in, that writes nothing itself.
const CALLERS: [&str; 4] = [
    "SELECT guest()",
    "SELECT guest() FROM s LIMIT 1",
    "BEGIN; SELECT guest(); COMMIT",
    "SAVEPOINT a; SELECT guest() FROM s LIMIT 1; RELEASE a",
];

fn each_caller(expected: i64, body: impl Fn(&mut Guest<'_>) + Clone + 'static) {
    for caller in CALLERS {
        let host = open();
        host.execute_batch("CREATE TABLE t(x); CREATE TABLE s(y); INSERT INTO s VALUES (1), (2)")
            .unwrap();
        let body = body.clone();
        call(&host, caller, Grant::Write, move |guest| body(guest));
        assert!(host.is_autocommit(), "{caller}");
        assert_eq!(count(&host), expected, "{caller}");
    }
}

#[test]
fn commit_keeps_and_rollback_undoes() {
    each_caller(2, |guest| {
        let first = begin(guest);
        guest.exec(INSERT);
        let second = begin(guest);
        guest.exec(INSERT);
        guest.ok(json!({"command": "rollback", "tx_id": second}));
        let third = begin(guest);
        guest.exec(INSERT);
        guest.ok(json!({"command": "commit", "tx_id": third}));
        guest.ok(json!({"command": "commit", "tx_id": first}));
        let fourth = begin(guest);
        guest.exec(INSERT);
        begin(guest);
        guest.exec(INSERT);
        // With the one inside.
        guest.ok(json!({"command": "rollback", "tx_id": fourth}));
    });
}

#[test]
fn what_is_left_open_is_rolled_back() {
    each_caller(1, |guest| {
        guest.exec(INSERT);
        begin(guest);
        guest.exec(INSERT);
        begin(guest);
        guest.exec("CREATE TABLE u(x)");
        guest.exec(INSERT);
    });
    each_caller(1, |guest| {
        guest.exec(INSERT);
        guest.exec("BEGIN IMMEDIATE");
        guest.exec(INSERT);
        let rows = json!({"command": "query", "sql": "INSERT INTO t VALUES (5), (6) RETURNING x", "fetch": 1});
        guest.ok(rows);
    });
}

#[test]
fn locks_at_once() {
    each_caller(1, |guest| {
        for mode in ["immediate", "exclusive"] {
            let id = guest.ok(json!({"command": "begin_tx", "mode": mode}))["tx_id"].clone();
            guest.exec(INSERT);
            let end = if mode == "immediate" {
                "commit"
            } else {
                "rollback"
            };
            guest.ok(json!({"command": end, "tx_id": id}));
        }
    });
}

#[test]
fn out_of_order() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    inside(&host, |guest| {
        let first = begin(guest);
        let second = begin(guest);
        let (code, message) = guest.error(json!({"command": "commit", "tx_id": first}));
        assert_eq!(
            (code.as_str(), message.as_str()),
            (
                "SQLITE_ERROR",
                "transaction 2 is open inside transaction 1; end it first"
            )
        );
        let (_, message) = guest.error(json!({"command": "exec", "sql": INSERT, "tx_id": first}));
        assert!(
            message.contains("transaction 2 is open inside"),
            "{message}"
        );
        guest.ok(json!({"command": "exec", "sql": INSERT, "tx_id": second}));
        guest.ok(json!({"command": "commit", "tx_id": second}));
        guest.ok(json!({"command": "commit", "tx_id": first}));
        for id in [first, second, 99] {
            let (code, message) = guest.error(json!({"command": "rollback", "tx_id": id}));
            assert_eq!(code, "SQLITE_MISUSE");
            assert_eq!(
                message,
                format!("there is no open transaction {id} on connection 0")
            );
        }
    });
    assert_eq!(count(&host), 1);
}

/// What SQLite does with the same texts on a connection of its own.
#[test]
fn texts_act_as_in_sqlite() {
    let scripts = [
        "begin; I; commit",
        "begin deferred transaction; I; end transaction",
        "BEGIN IMMEDIATE; I; ROLLBACK",
        "begin; begin",
        "commit",
        "rollback",
        "release a",
        "rollback to a",
        "savepoint a; I; savepoint A; I; rollback to a; I; release a; I; release a",
        "savepoint a; I; savepoint b; I; rollback transaction to savepoint a; release b",
        "savepoint a; I; rollback to a; I; release savepoint a",
        "begin; I; savepoint sp1; I; rollback to savepoint sp1; I; release savepoint sp1; commit",
        "begin; I; savepoint sp1; I; commit; I",
        "savepoint a; I; begin",
        "savepoint \"a b\"; I; rollback to 'A B'; release [a b]",
        "savepoint a; I; rollback; release a",
        "begin; I; rollback to a",
        "begin exclusive; I; end",
    ];
    for script in scripts {
        let (ours, theirs) = (open(), open());
        for host in [&ours, &theirs] {
            host.execute_batch("CREATE TABLE t(x)").unwrap();
        }
        let statements: Vec<&'static str> = script
            .split("; ")
            .map(|sql| if sql == "I" { INSERT } else { sql })
            .collect();
        let expected: Vec<bool> = statements
            .iter()
            .map(|sql| theirs.execute_batch(sql).is_ok())
            .collect();
        // What is left open is rolled back at the end of a call.
        if !theirs.is_autocommit() {
            theirs.execute_batch("ROLLBACK").unwrap();
        }
        inside(&ours, move |guest| {
            for (sql, ok) in statements.iter().zip(&expected) {
                // As Drizzle sends it.
                let answer = guest.send(&json!({"sql": sql, "params": [], "method": "run"}));
                assert_eq!(
                    answer.get("error").is_none(),
                    *ok,
                    "{script}: {sql}: {answer}"
                );
            }
        });
        assert_eq!(count(&ours), count(&theirs), "{script}");
    }
}

#[test]
fn a_caller_that_writes_allows_no_transaction() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x); CREATE TABLE s(y)")
        .unwrap();
    for caller in [
        "INSERT INTO s SELECT guest()",
        "BEGIN; INSERT INTO s VALUES (guest()); COMMIT",
    ] {
        call(&host, caller, Grant::Write, |guest| {
            for request in [
                json!({"command": "begin_tx"}),
                json!({"command": "begin_tx", "mode": "immediate"}),
                json!({"command": "exec", "sql": "BEGIN"}),
            ] {
                let (code, message) = guest.error(request);
                assert_eq!(code, "SQLITE_ERROR");
                assert!(
                    message.contains("while the statement that calls it"),
                    "{message}"
                );
            }
            guest.exec(INSERT);
        });
    }
    assert_eq!(count(&host), 2);
}

#[test]
fn a_transaction_belongs_to_one_connection_of_the_guest() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    inside(&host, |guest| {
        let id = guest.ok(json!({"command": "begin_tx", "conn_id": 7}))["tx_id"].clone();
        for request in [
            json!({"command": "exec", "sql": INSERT}),
            json!({"command": "query", "sql": "SELECT 1", "conn_id": 8}),
            json!({"command": "begin_tx"}),
            json!({"sql": "COMMIT", "params": [], "method": "run"}),
        ] {
            let (code, message) = guest.error(request);
            assert_eq!(code, "SQLITE_BUSY");
            assert!(
                message.contains("connection 7") && message.contains("transaction 1"),
                "{message}"
            );
        }
        let (code, _) = guest.error(json!({"command": "commit", "tx_id": id}));
        assert_eq!(code, "SQLITE_MISUSE");
        guest.ok(json!({"command": "close_conn"}));
        guest.ok(json!({"command": "exec", "sql": INSERT, "conn_id": 7}));
        // The end of its connection is the end of the transaction.
        guest.ok(json!({"command": "close_conn", "conn_id": 7}));
        guest.exec(INSERT);
    });
    assert_eq!(count(&host), 1);
}

#[test]
fn a_read_only_transaction() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    inside(&host, |guest| {
        guest.exec(INSERT);
        let id = guest.ok(json!({"command": "begin_tx", "read_only": true}))["tx_id"].clone();
        assert_eq!(guest.rows("SELECT count(*) FROM t"), json!([[1]]));
        let (code, message) = guest.error(json!({"command": "exec", "sql": INSERT}));
        assert_eq!(code, "SQLITE_READONLY");
        assert!(message.contains("begun read-only"), "{message}");
        guest.ok(json!({"command": "commit", "tx_id": id}));
        guest.exec(INSERT);
    });
    assert_eq!(count(&host), 2);
}

#[test]
fn a_commit_names_the_rows_in_its_way() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    inside(&host, |guest| {
        let id = begin(guest);
        let sql = "INSERT INTO t VALUES (1), (2) RETURNING x";
        let cursor =
            guest.ok(json!({"command": "query", "sql": sql, "fetch": 1}))["cursor_id"].clone();
        let reading = guest.ok(json!({"command": "query", "sql": "SELECT * FROM t", "fetch": 1}));
        let (_, message) = guest.error(json!({"command": "commit", "tx_id": id}));
        assert!(
            message.contains(sql) && message.contains(&format!("cursor {cursor}")),
            "{message}"
        );
        guest.ok(json!({"command": "close_rows", "cursor_id": cursor}));
        // Rows of a statement that only reads are in nobody's way.
        guest.ok(json!({"command": "commit", "tx_id": id}));
        let rest = guest.ok(json!({"command": "fetch", "cursor_id": reading["cursor_id"]}));
        assert_eq!(rest, json!({"rows": [[2]], "done": true}));
    });
    assert_eq!(count(&host), 2);
}

/// A trigger of the database's may end every transaction there is, the caller's too.
#[test]
fn all_is_rolled_back_by_an_error() {
    let host = open();
    host.execute_batch(
        "CREATE TABLE t(x);
         CREATE TRIGGER bad BEFORE INSERT ON t WHEN new.x = 13 BEGIN SELECT RAISE(ROLLBACK, 'unlucky'); END;
         BEGIN; INSERT INTO t VALUES (0);",
    )
    .unwrap();
    let body = |guest: &mut Guest<'_>| {
        let id = begin(guest);
        guest.exec(INSERT);
        let (code, message) =
            guest.error(json!({"command": "exec", "sql": "INSERT INTO t VALUES (13)"}));
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("SQLITE_CONSTRAINT_TRIGGER", "unlucky")
        );
        let (code, message) = guest.error(json!({"command": "commit", "tx_id": id}));
        assert_eq!(code, "SQLITE_MISUSE", "{message}");
    };
    with_guest(Grant::Write, body, || {
        let _statement_of_the_caller = host.execute_batch("SELECT guest()");
    });
    assert!(host.is_autocommit());
    assert_eq!(count(&host), 0);
}

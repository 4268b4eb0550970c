//! Every command, and what goes wrong with it.

use serde_json::json;
use sqlbridge_wasm_udf::sqlproxy::{Grant, Limits, Proxy};

use crate::host::{Guest, call, inside, limited, open, with_body, with_guest};

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
fn exec_with_many_rows_of_values() {
    let host = open();
    host.execute_batch(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL);
         CREATE TRIGGER stop BEFORE INSERT ON t WHEN new.id = 21 BEGIN SELECT RAISE(ROLLBACK, 'no 21'); END;",
    )
    .unwrap();
    inside(&host, |guest| {
        let insert = |rows: serde_json::Value| json!({"command": "exec", "sql": "INSERT INTO t VALUES (:id, :a)", "rows": rows});
        let count = |guest: &mut Guest<'_>| guest.rows("SELECT count(*), total(id) FROM t");

        let done = guest.ok(insert(
            json!([[1, "a"], {"id": 2, "a": {"$bytes": "AP8="}}, [3, {"$int": "7"}]]),
        ));
        assert_eq!(done, json!({"last_insert_id": 3, "rows_affected": 3}));
        assert_eq!(
            guest.rows("SELECT a FROM t"),
            json!([["a"], [{"$bytes": "AP8="}], [7]])
        );
        let nothing = guest.ok(insert(json!([])));
        assert_eq!(nothing["rows_affected"], json!(0));

        // All or none: the fifth is there already, and values are missing or of no use.
        for (rows, row, code) in [
            (
                json!([[4, 1], [5, 1], [5, 2]]),
                3,
                "SQLITE_CONSTRAINT_PRIMARYKEY",
            ),
            (json!([[4, 1], [5]]), 2, "SQLITE_RANGE"),
            (json!([{"id": 4}]), 1, "SQLITE_RANGE"),
        ] {
            let answer = guest.send(&insert(rows));
            assert_eq!(answer["error"]["row"], json!(row), "{answer}");
            assert_eq!(answer["error"]["code"], json!(code), "{answer}");
            assert_eq!(count(guest), json!([[3, 6.0]]));
        }
        for rows in [json!(1), json!([1]), json!([[[]]]), json!({"id": 1})] {
            let (code, _) = guest.error(insert(rows));
            assert_eq!(code, "SQLITE_MISUSE");
        }
        let both = json!({"command": "exec", "sql": "DELETE FROM t", "args": [], "rows": [[]]});
        assert_eq!(guest.error(both).0, "SQLITE_MISUSE");
        let begin = json!({"command": "exec", "sql": "BEGIN", "rows": [[]]});
        assert_eq!(guest.error(begin).0, "SQLITE_MISUSE");
        // What only reads runs, too.
        let read = json!({"command": "exec", "sql": "SELECT ?", "rows": [[1], [2]]});
        assert_eq!(guest.ok(read)["rows_affected"], json!(0));

        // In a transaction of the guest's, which goes on after an error.
        let tx = guest.ok(json!({"command": "begin_tx"}))["tx_id"].clone();
        guest.ok(insert(json!([[10, 1]])));
        guest.error(insert(json!([[11, 1], [10, 1]])));
        guest.ok(insert(json!([[12, 1]])));
        guest.ok(json!({"command": "commit", "tx_id": tx}));
        assert_eq!(count(guest), json!([[5, 28.0]]));

        // SQLite rolls back everything by itself: there is nothing left to undo.
        let answer = guest.send(&insert(json!([[20, 1], [21, 1]])));
        assert_eq!(answer["error"]["row"], json!(2), "{answer}");
        assert_eq!(count(guest), json!([[5, 28.0]]));

        // Rows of a statement that writes are open: nothing could be ended.
        let returning = json!({"command": "query", "sql": "INSERT INTO t VALUES (30, 1), (31, 1) RETURNING id", "fetch": 1});
        let cursor = guest.ok(returning)["cursor_id"].clone();
        let (_, message) = guest.error(insert(json!([[40, 1]])));
        assert!(message.contains("RETURNING id"), "{message}");
        guest.ok(json!({"command": "close_rows", "cursor_id": cursor}));
    });
    assert!(host.is_autocommit());
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

#[test]
fn rows_in_batches() {
    let host = open();
    inside(&host, |guest| {
        let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n";
        let query = |fetch: i64, rows: i64| json!({"command": "query", "sql": sql, "args": [rows], "fetch": fetch});
        let first = guest.ok(query(2, 5));
        assert_eq!(first["rows"], json!([[1], [2]]));
        // The same text again while its first rows are not all read.
        assert_eq!(guest.ok(query(0, 3))["rows"], json!([[1], [2], [3]]));
        let cursor = &first["cursor_id"];
        let fetch = json!({"command": "fetch", "cursor_id": cursor});
        assert_eq!(
            guest.ok(fetch.clone()),
            json!({"rows": [[3], [4]], "done": false})
        );
        assert_eq!(
            guest.ok(fetch.clone()),
            json!({"rows": [[5]], "done": true})
        );
        let (code, message) = guest.error(fetch);
        assert_eq!(code, "SQLITE_MISUSE");
        assert_eq!(
            message,
            format!("there is no open cursor {cursor} on connection 0")
        );
        // Exactly as many as there are: no cursor.
        assert_eq!(guest.ok(query(5, 5)).get("cursor_id"), None);
        // Another number for the rest; then closed.
        let cursor = guest.ok(query(1, 9))["cursor_id"].clone();
        let rest = guest.ok(json!({"command": "fetch", "cursor_id": cursor, "fetch": 3}));
        assert_eq!(rest["rows"], json!([[2], [3], [4]]));
        let (code, _) =
            guest.error(json!({"command": "close_rows", "cursor_id": cursor, "conn_id": 1}));
        assert_eq!(code, "SQLITE_MISUSE");
        guest.ok(json!({"command": "close_rows", "cursor_id": cursor}));
        guest.error(json!({"command": "close_rows", "cursor_id": cursor}));
    });
}

#[test]
fn prepared_statements() {
    let host = open();
    inside(&host, |guest| {
        guest.exec("CREATE TABLE t(a TEXT, b)");
        let prepared = guest.ok(json!({
            "command": "prepare", "sql": "SELECT a, b + 1 AS c FROM t WHERE a = :a AND b > ?",
        }));
        assert_eq!(
            prepared,
            json!({
                "stmt_id": 1, "num_input": 2, "parameters": [":a", null],
                "columns": ["a", "c"], "decltypes": ["TEXT", null], "read_only": true,
            })
        );
        let insert = guest.ok(json!({"command": "prepare", "sql": "INSERT INTO t VALUES (?, ?)"}));
        for b in 1..=3 {
            let insert = json!({"command": "exec", "stmt_id": insert["stmt_id"], "args": ["x", b]});
            assert_eq!(guest.ok(insert)["last_insert_id"], json!(b));
        }
        let query = json!({"command": "query", "stmt_id": 1, "args": ["x", 1]});
        assert_eq!(guest.ok(query.clone())["rows"], json!([["x", 3], ["x", 4]]));
        // A change of the schema: SQLite compiles it again.
        guest.exec("ALTER TABLE t RENAME COLUMN b TO d");
        assert_eq!(guest.error(query.clone()).0, "SQLITE_ERROR");
        guest.exec("ALTER TABLE t RENAME COLUMN d TO b");
        guest.ok(query.clone());
        let mut elsewhere = query.clone();
        elsewhere["conn_id"] = json!(5);
        assert_eq!(
            guest.error(elsewhere).1,
            "there is no prepared statement 1 on connection 5"
        );
        guest.ok(json!({"command": "close_stmt", "stmt_id": 1}));
        assert_eq!(guest.error(query).0, "SQLITE_MISUSE");
        // Preparing a transaction command begins nothing.
        let begin = guest.ok(json!({"command": "prepare", "sql": "BEGIN"}));
        assert_eq!(begin["num_input"], json!(0));
        guest.error(json!({"command": "exec", "sql": "COMMIT"}));
        guest.ok(json!({"command": "exec", "stmt_id": begin["stmt_id"]}));
        guest.ok(json!({"command": "exec", "sql": "COMMIT"}));
    });
}

#[test]
fn parameters() {
    let host = open();
    inside(&host, |guest| {
        let mut ask = |sql: &str, args: serde_json::Value| {
            guest.send(&json!({"command": "query", "sql": sql, "args": args}))
        };
        for (sql, args, row) in [
            (
                "SELECT :a, @b, $c",
                json!({"a": 1, "b": 2, "c": 3}),
                json!([1, 2, 3]),
            ),
            (
                "SELECT :a, @b, $c",
                json!({":a": 1, "@b": 2, "$c": 3}),
                json!([1, 2, 3]),
            ),
            ("SELECT :a, @b, :a", json!([1, 2]), json!([1, 2, 1])),
            ("SELECT ?2, ?1", json!([1, 2]), json!([2, 1])),
            ("SELECT 1", json!({}), json!([1])),
        ] {
            assert_eq!(ask(sql, args)["rows"], json!([row]), "{sql}");
        }
        for (sql, args, message) in [
            (
                "SELECT ?",
                json!([]),
                "the statement has 1 parameter, the request 0 values",
            ),
            (
                "SELECT 1",
                json!([1]),
                "the statement has 0 parameters, the request 1 value",
            ),
            (
                "SELECT ?5",
                json!([1]),
                "the statement has 5 parameters, the request 1 value",
            ),
            (
                "SELECT :a",
                json!({"b": 1}),
                "the statement has no parameter b",
            ),
            (
                "SELECT :a, :b",
                json!({"b": 1}),
                "there is no value for parameter :a",
            ),
            (
                "SELECT ?, :b",
                json!({"b": 1}),
                "there is no value for parameter ?1",
            ),
        ] {
            let answer = ask(sql, args);
            assert_eq!(answer["error"]["message"], json!(message), "{sql}");
            assert_eq!(answer["error"]["code"], json!("SQLITE_RANGE"));
        }
        // What was bound before does not stay.
        assert_eq!(
            ask("SELECT typeof(?)", json!([1]))["rows"],
            json!([["integer"]])
        );
        assert_eq!(
            ask("SELECT typeof(?)", json!([null]))["rows"],
            json!([["null"]])
        );
    });
}

#[test]
fn rows_affected_are_this_statement_s() {
    let host = open();
    inside(&host, |guest| {
        let mut affected = |sql: &str| guest.exec(sql)["rows_affected"].clone();
        affected("CREATE TABLE t(x); ");
        assert_eq!(affected("INSERT INTO t VALUES (1), (2), (3)"), json!(3));
        for sql in [
            "SELECT * FROM t",
            "CREATE TABLE u(x)",
            "DELETE FROM t WHERE x > 9",
            "BEGIN",
            "COMMIT",
        ] {
            assert_eq!(affected(sql), json!(0), "{sql}");
        }
        assert_eq!(affected("UPDATE t SET x = 0 WHERE x < 3"), json!(2));
        assert_eq!(affected("DELETE FROM t"), json!(3));
    });
}

#[test]
fn errors_have_sqlite_s_names() {
    let host = open();
    inside(&host, |guest| {
        guest.exec("CREATE TABLE t(a UNIQUE NOT NULL, b CHECK (b > 0))");
        guest.exec("INSERT INTO t VALUES (1, 1)");
        for (sql, code, extended, message) in [
            (
                "INSERT INTO t VALUES (1, 1)",
                "SQLITE_CONSTRAINT_UNIQUE",
                2067,
                "UNIQUE constraint failed: t.a",
            ),
            (
                "INSERT INTO t VALUES (NULL, 1)",
                "SQLITE_CONSTRAINT_NOTNULL",
                1299,
                "NOT NULL constraint failed: t.a",
            ),
            (
                "INSERT INTO t VALUES (2, 0)",
                "SQLITE_CONSTRAINT_CHECK",
                275,
                "CHECK constraint failed: b > 0",
            ),
            (
                "SELECT * FROM nowhere",
                "SQLITE_ERROR",
                1,
                "no such table: nowhere",
            ),
            (
                "SELEC 1",
                "SQLITE_AUTH",
                23,
                "procedure tested: SELEC is not for guests",
            ),
            (
                "SELECT 'a",
                "SQLITE_ERROR",
                1,
                "procedure tested: the SQL has a quotation without an end at byte 7",
            ),
            (
                " ; -- nothing",
                "SQLITE_MISUSE",
                21,
                "procedure tested: the SQL text holds no statement",
            ),
        ] {
            let answer = guest.send(&json!({"command": "exec", "sql": sql}));
            assert_eq!(
                answer,
                json!({"error": {"code": code, "extended": extended, "message": message}}),
                "{sql}"
            );
        }
    });
}

#[test]
fn batches() {
    let host = open();
    inside(&host, |guest| {
        let insert =
            |x: i64| json!({"command": "exec", "sql": "INSERT INTO t VALUES (?)", "args": [x]});
        let requests = json!([
            {"command": "exec", "sql": "CREATE TABLE t(x UNIQUE)"}, insert(1), insert(1), insert(2),
        ]);
        let answer = guest.ok(json!({"command": "batch", "requests": requests}));
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), 3);
        assert_eq!(results[2]["error"]["extended"], json!(2067));
        let answer = guest.ok(json!({
            "command": "batch", "on_error": "continue",
            "requests": [insert(1), {"command": "batch", "requests": []}, 5, insert(2),
                {"sql": "SELECT x FROM t", "params": [], "method": "all"}],
        }));
        let results = answer["results"].as_array().unwrap();
        let failed: Vec<bool> = results
            .iter()
            .map(|result| result.get("error").is_some())
            .collect();
        assert_eq!(failed, [true, true, true, false, false]);
        assert_eq!(results[4], json!({"rows": [[1], [2]]}));
    });
}

#[test]
fn drizzle_s_shapes() {
    let host = open();
    inside(&host, |guest| {
        let mut ask =
            |sql: &str, method: &str| guest.ok(json!({"sql": sql, "params": [], "method": method}));
        let none = json!({"rows": [], "changes": 0, "lastInsertRowid": 0});
        assert_eq!(ask("CREATE TABLE t(a, b)", "run"), none);
        let one = json!({"rows": [], "changes": 1, "lastInsertRowid": 1});
        assert_eq!(ask("INSERT INTO t VALUES (1, 'x')", "run"), one);
        assert_eq!(ask("SELECT * FROM t", "all"), json!({"rows": [[1, "x"]]}));
        assert_eq!(
            ask("SELECT * FROM t", "values"),
            json!({"rows": [[1, "x"]]})
        );
        // One row, not a list of rows; and none is undefined, not an empty row.
        assert_eq!(ask("SELECT * FROM t", "get"), json!({"rows": [1, "x"]}));
        assert_eq!(ask("SELECT * FROM t WHERE a > 1", "get"), json!({}));
        assert_eq!(
            ask("INSERT INTO t VALUES (2, 'y') RETURNING a", "get"),
            json!({"rows": [2]})
        );
    });
    let rows: i64 = host
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn limits_name_themselves() {
    let host = open();
    let limits = Limits {
        statements: 2,
        cursors: 1,
        result_bytes: 1000,
    };
    limited(&host, "SELECT guest()", Grant::Write, limits, |guest| {
        let many = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n";
        let prepare = |text: &str| json!({"command": "prepare", "sql": text});
        guest.ok(prepare("SELECT 1"));
        guest.ok(prepare("SELECT 2"));
        let (code, message) = guest.error(prepare("SELECT 3"));
        assert_eq!(code, "SQLITE_MISUSE");
        assert_eq!(
            message,
            "procedure tested: more than 2 prepared statements (limit statements); close some"
        );
        let open = json!({"command": "query", "sql": many, "fetch": 1});
        let cursor = guest.ok(open.clone())["cursor_id"].clone();
        let (_, message) = guest.error(open);
        assert!(
            message.starts_with("procedure tested: more than 1 open cursors (limit cursors)"),
            "{message}"
        );
        // A batch ends where the answer is half full.
        let rest = guest.ok(json!({"command": "fetch", "cursor_id": cursor, "fetch": 100_000}));
        let count = rest["rows"].as_array().unwrap().len();
        assert!(
            (50..500).contains(&count) && rest["done"] == json!(false),
            "{count}"
        );
        for request in [
            json!({"command": "query", "sql": many}),
            json!({"sql": many, "params": [], "method": "all"}),
            json!({"command": "query", "sql": "SELECT ?", "args": ["x".repeat(1000)]}),
            json!({"command": "query", "sql": "SELECT zeroblob(1001)"}),
            json!({"command": "query", "sql": "SELECT hex(randomblob(900))"}),
            json!({"command": "query", "sql": "SELECT group_concat(hex(i)) FROM (SELECT 1 AS i UNION ALL SELECT hex(zeroblob(400)))"}),
            json!({"command": "batch", "requests": vec![json!({"command": "query", "sql": "SELECT hex(zeroblob(400))"}); 3], "on_error": "continue"}),
        ] {
            let answer = guest.send(&request).to_string();
            assert!(answer.len() < 2000, "{answer}");
            assert!(
                answer.contains("SQLITE_TOOBIG")
                    && answer.contains("procedure tested")
                    && answer.contains("1000 bytes"),
                "{request}: {answer}"
            );
        }
    });
    limited(&host, "SELECT guest()", Grant::Write, limits, |guest| {
        // Errors count too.
        let requests = vec![json!(5); 200];
        let answer =
            guest.ok(json!({"command": "batch", "requests": requests, "on_error": "continue"}));
        let count = answer["results"].as_array().unwrap().len();
        assert!((5..50).contains(&count), "{count}");
    });
    // The host's own limit is as it was.
    let length: i64 = host
        .query_row("SELECT length(zeroblob(100000))", [], |row| row.get(0))
        .unwrap();
    assert_eq!(length, 100_000);
}

#[test]
fn more_texts_than_are_kept_compiled() {
    let host = open();
    let limits = Limits {
        statements: 3,
        ..Limits::default()
    };
    limited(&host, "SELECT guest()", Grant::Read, limits, |guest| {
        for round in 0..3 {
            for text in 0..10 {
                assert_eq!(
                    guest.rows(&format!("SELECT {text}, {round}")),
                    json!([[text, round]])
                );
                assert_eq!(guest.rows("SELECT 'often'"), json!([["often"]]));
            }
        }
    });
}

#[test]
fn ping_and_close() {
    let host = open();
    inside(&host, |guest| {
        let pong = guest.ok(json!({"command": "ping"}));
        assert_eq!(pong, json!({"version": 1, "sqlite": rusqlite::version()}));
        guest.ok(json!({"command": "prepare", "sql": "SELECT 1"}));
        guest.ok(json!({"command": "close_conn"}));
        guest.error(json!({"command": "query", "stmt_id": 1}));
        assert_eq!(guest.rows("SELECT 1"), json!([[1]]));
    });
}

/// `handle` hands an interrupt on; it is the host's to end the call.
#[test]
fn interrupts_are_answered() {
    let host = open();
    let stop = host.get_interrupt_handle();
    let outcome = with_guest(
        Grant::Read,
        move |guest| {
            stop.interrupt();
            for sql in [
                "SELECT 1 UNION SELECT 2",
                "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            ] {
                let answer = guest.send(&json!({"command": "query", "sql": sql}));
                assert_eq!(
                    answer["error"],
                    json!({"code": "SQLITE_INTERRUPT", "extended": 9, "message": "interrupted"})
                );
            }
        },
        || host.execute_batch("SELECT guest()"),
    );
    assert!(outcome.unwrap_err().to_string().contains("interrupted"));
}

/// A guest's SQL calls a procedure, which runs SQL on the same connection.
#[test]
fn a_guest_inside_a_guest() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    let depth = std::cell::Cell::new(0);
    with_body(
        move |connection| {
            depth.set(depth.get() + 1);
            let level = depth.get();
            connection.lend(|lent| {
                let mut proxy = Proxy::new(
                    format!("procedure level {level}"),
                    Grant::Write,
                    Limits::default(),
                )
                .allowing(|_, name| name == "guest");
                let mut guest = Guest {
                    proxy: &mut proxy,
                    lent,
                };
                let cursor = guest
                    .ok(json!({"command": "query", "sql": "VALUES (1), (2), (3)", "fetch": 1}));
                let tx = guest.ok(json!({"command": "begin_tx"}))["tx_id"].clone();
                guest.exec("INSERT INTO t VALUES ('kept')");
                if level < 4 {
                    guest.rows("SELECT guest()");
                }
                guest.ok(json!({"command": "commit", "tx_id": tx}));
                // Left open: this level's alone is undone.
                guest.ok(json!({"command": "begin_tx"}));
                guest.exec("INSERT INTO t VALUES ('undone')");
                let rest = guest
                    .ok(json!({"command": "fetch", "cursor_id": cursor["cursor_id"], "fetch": 9}));
                assert_eq!(rest["rows"], json!([[2], [3]]));
                proxy.end();
            });
            sqlite_abi::Value::Null
        },
        || {
            // The body is shared: each level takes it out and puts it back.
            host.execute_batch("SELECT guest()").unwrap();
        },
    );
    let rows: (i64, i64) = host
        .query_row(
            "SELECT count(*), count(*) FILTER (WHERE x = 'kept') FROM t",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(rows, (4, 4));
}

//! The crate against a host that is a script: what is asked, and what is made of the answers.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use rmpv::Value as Json;
use sqlbridge_guest::{Behavior, Connection, Error, Transport, Value, params};

/// Answers in the order of `answers`, `{}` after the last, and keeps what it was asked.
#[derive(Clone, Debug, Default)]
struct Script {
    answers: Rc<RefCell<VecDeque<Vec<u8>>>>,
    asked: Rc<RefCell<Vec<Json>>>,
}

impl Transport for Script {
    fn call(&self, request: &[u8]) -> Vec<u8> {
        let mut rest = request;
        self.asked
            .borrow_mut()
            .push(rmpv::decode::read_value(&mut rest).unwrap());
        assert!(rest.is_empty(), "a request is one value");
        self.answers
            .borrow_mut()
            .pop_front()
            .unwrap_or_else(|| vec![0x80])
    }
}

fn script(answers: &[Json]) -> (Connection, Script) {
    let script = Script::default();
    script
        .answers
        .borrow_mut()
        .extend(answers.iter().map(bytes));
    (Connection::with_transport(script.clone()), script)
}

fn bytes(value: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

macro_rules! json {
    (null) => { Json::Nil };
    ([$($item:tt),*]) => { Json::Array(vec![$(json!($item)),*]) };
    ({$($key:literal: $value:tt),*}) => { Json::Map(vec![$((Json::from($key), json!($value))),*]) };
    ($value:expr) => { Json::from($value) };
}

impl Script {
    /// The requests, without the connection's number, which depends on other tests.
    fn asked(&self) -> Vec<Json> {
        self.asked
            .borrow()
            .iter()
            .cloned()
            .map(without_connection)
            .collect()
    }
}

fn without_connection(request: Json) -> Json {
    match request {
        Json::Map(fields) => Json::Map(
            fields
                .into_iter()
                .filter(|(name, _)| name.as_str() != Some("conn_id"))
                .map(|(name, value)| (name, without_connection(value)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(without_connection).collect()),
        other => other,
    }
}

#[test]
fn statements() {
    let (connection, script) = script(&[json!({"last_insert_id": 7, "rows_affected": 2})]);
    assert_eq!(
        connection.execute("INSERT", params![1, "x", None::<i64>, 0.5, [1_u8, 2]]),
        Ok(2)
    );
    assert_eq!(connection.last_insert_rowid(), 7);
    connection
        .execute("INSERT", params! { "a": 1, ":b": true })
        .unwrap();
    connection
        .execute("INSERT", [UNIX_EPOCH + Duration::new(5, 9)])
        .unwrap();
    connection.set_timeout(Some(Duration::from_micros(1500)));
    connection.execute("INSERT", ()).unwrap();
    drop(connection);
    let time = Json::Ext(-1, vec![0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(
        script.asked(),
        [
            json!({"command": "exec", "sql": "INSERT", "args": [1, "x", null, 0.5, (vec![1_u8, 2])]}),
            json!({"command": "exec", "sql": "INSERT", "args": {"a": 1, ":b": 1}}),
            json!({"command": "exec", "sql": "INSERT", "args": [(time)]}),
            json!({"command": "exec", "timeout_ms": 1, "sql": "INSERT", "args": []}),
            json!({"command": "close_conn", "timeout_ms": 1}),
        ]
    );
}

#[test]
fn rows_are_fetched_as_they_are_needed_and_closed_where_they_are_not() {
    let (connection, script) = script(&[
        json!({"columns": ["id"], "decltypes": ["INTEGER"], "rows": [[1], [2]], "cursor_id": 5}),
        json!({"rows": [[3]], "done": false}),
        json!({"rows": [], "done": false}),
        json!({"rows": [[4]], "done": true}),
        json!({"columns": ["id"], "decltypes": [null], "rows": [[1]], "cursor_id": 6}),
    ]);
    connection.set_fetch(2);
    let ids: Result<Vec<i64>, Error> = connection
        .query_map("SELECT", (), |row| row.get("id"))
        .unwrap()
        .collect();
    assert_eq!(ids, Ok(vec![1, 2, 3, 4]));
    assert_eq!(
        connection.query_row("SELECT", (), |row| row.get::<i64>(0)),
        Ok(1)
    );
    let fetch = json!({"command": "fetch", "cursor_id": 5, "fetch": 2});
    assert_eq!(
        script.asked(),
        [
            json!({"command": "query", "sql": "SELECT", "args": [], "fetch": 2}),
            fetch.clone(),
            fetch.clone(),
            fetch,
            json!({"command": "query", "sql": "SELECT", "args": [], "fetch": 1}),
            json!({"command": "close_rows", "cursor_id": 6}),
        ]
    );
}

#[test]
fn a_fetch_that_fails_is_the_end() {
    let (connection, script) = script(&[
        json!({"columns": ["id"], "decltypes": [null], "rows": [[1]], "cursor_id": 5}),
        json!({"error": {"code": "SQLITE_INTERRUPT", "extended": 9, "message": "interrupted"}}),
    ]);
    let mut rows = connection.query("SELECT", ()).unwrap();
    assert!(rows.next().unwrap().is_some());
    assert_eq!(rows.next().unwrap_err().code(), Some("SQLITE_INTERRUPT"));
    assert!(rows.next().unwrap().is_none());
    drop(rows);
    assert_eq!(
        script.asked().len(),
        2,
        "what an error closed is not closed again"
    );
}

#[test]
fn transactions_say_where_they_are_and_undo_what_was_not_kept() {
    let (mut connection, script) = script(&[json!({"tx_id": 1}), json!({}), json!({"tx_id": 2})]);
    let mut outer = connection.transaction_with(Behavior::Immediate).unwrap();
    outer.execute("A", ()).unwrap();
    let inner = outer.savepoint().unwrap();
    inner.execute("B", ()).unwrap();
    drop(inner);
    outer.execute("C", ()).unwrap();
    outer.commit().unwrap();
    connection.execute("D", ()).unwrap();
    assert_eq!(
        script.asked(),
        [
            json!({"command": "begin_tx", "mode": "immediate"}),
            json!({"command": "exec", "tx_id": 1, "sql": "A", "args": []}),
            json!({"command": "begin_tx", "mode": "deferred", "tx_id": 1}),
            json!({"command": "exec", "tx_id": 2, "sql": "B", "args": []}),
            json!({"command": "rollback", "tx_id": 2}),
            json!({"command": "exec", "tx_id": 1, "sql": "C", "args": []}),
            json!({"command": "commit", "tx_id": 1}),
            json!({"command": "exec", "sql": "D", "args": []}),
        ]
    );
}

#[test]
fn a_commit_that_fails_is_rolled_back() {
    let busy =
        json!({"error": {"code": "SQLITE_BUSY", "extended": 5, "message": "database is locked"}});
    let (mut connection, script) = script(&[json!({"tx_id": 1}), busy]);
    assert_eq!(
        connection
            .transaction()
            .unwrap()
            .commit()
            .unwrap_err()
            .to_string(),
        "database is locked"
    );
    assert_eq!(
        script.asked()[2],
        json!({"command": "rollback", "tx_id": 1})
    );
    connection.execute("A", ()).unwrap();
    assert_eq!(
        script.asked()[3],
        json!({"command": "exec", "sql": "A", "args": []})
    );
}

#[test]
fn a_read_only_transaction() {
    let (mut connection, script) = script(&[json!({"tx_id": 1})]);
    drop(connection.transaction_with(Behavior::ReadOnly).unwrap());
    assert_eq!(
        script.asked()[0],
        json!({"command": "begin_tx", "mode": "deferred", "read_only": true})
    );
}

#[test]
fn batches() {
    let (connection, script) = script(&[json!({"results": [
        {"last_insert_id": 1, "rows_affected": 1},
        {"columns": ["a", "b"], "decltypes": [null, null], "rows": [[1, "x"], [null, 0.5]]},
        {"error": {"code": "SQLITE_ERROR", "extended": 1, "message": "no"}}
    ]})]);
    let mut batch = connection.batch();
    batch
        .execute("A", [1])
        .unwrap()
        .query("B", ())
        .unwrap()
        .execute("C", ())
        .unwrap();
    let results = batch.run().unwrap();
    assert_eq!(results.len(), 3);
    assert_eq!(results[0].as_ref().unwrap().rows_affected, 1);
    let rows = [
        vec![Value::Integer(1), Value::Text("x".into())],
        vec![Value::Null, Value::Real(0.5)],
    ];
    assert_eq!(results[1].as_ref().unwrap().rows, rows);
    assert_eq!(results[2].as_ref().unwrap_err().to_string(), "no");
    assert_eq!(
        script.asked()[0],
        json!({"command": "batch", "requests": [
            {"command": "exec", "sql": "A", "args": [1]},
            {"command": "query", "sql": "B", "args": []},
            {"command": "exec", "sql": "C", "args": []}
        ]})
    );
}

#[test]
fn statements_are_prepared_once_and_closed() {
    let (connection, script) = script(&[
        json!({"stmt_id": 3, "num_input": 2, "parameters": [null, ":b"], "columns": ["x"], "decltypes": ["TEXT"], "read_only": true}),
        json!({"columns": ["x"], "decltypes": ["TEXT"], "rows": [["y"]]}),
    ]);
    let statement = connection.prepare("SELECT").unwrap();
    assert_eq!(statement.parameters(), [None, Some(":b".into())]);
    assert!(statement.is_read_only());
    assert_eq!(
        statement.query_as::<String>([1, 2]),
        Ok(vec!["y".to_owned()])
    );
    drop(statement);
    assert_eq!(
        script.asked()[1],
        json!({"command": "query", "stmt_id": 3, "args": [1, 2], "fetch": 256})
    );
    assert_eq!(
        script.asked()[2],
        json!({"command": "close_stmt", "stmt_id": 3})
    );
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (answer, message) in [
        (
            json!([]),
            "the host's answer is not understood: a map was expected before byte 1 of 1",
        ),
        (
            json!({}),
            "the host's answer is not understood: it has no rows",
        ),
        (
            json!({"rows": 1}),
            "the host's answer is not understood: a list was expected before byte 7 of 7",
        ),
        (
            json!({"columns": ["a"], "rows": [1]}),
            "the host's answer is not understood: a list was expected before byte 19 of 19",
        ),
    ] {
        let (connection, _) = script(&[answer]);
        let error = connection
            .query_row("SELECT", (), |row| row.get::<i64>(0))
            .unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let (connection, _) = script(&[]);
    assert_eq!(
        connection.prepare("SELECT").unwrap_err().to_string(),
        "the host's answer is not understood: it has no stmt_id"
    );
}

#[test]
fn elsewhere_there_is_no_database() {
    let error = Connection::open().execute("SELECT 1", ()).unwrap_err();
    assert_eq!(error.code(), Some("SQLITE_CANTOPEN"));
    assert_eq!(
        error.to_string(),
        "there is no database around this program: sqlproxy_serve runs it in one"
    );
}

/// Answers with the same bytes, whatever is asked, 50 times at most.
#[derive(Debug)]
struct Stuck(Vec<u8>, RefCell<u32>);

impl Transport for Stuck {
    fn call(&self, _request: &[u8]) -> Vec<u8> {
        *self.1.borrow_mut() += 1;
        if *self.1.borrow() > 50 {
            Vec::new()
        } else {
            self.0.clone()
        }
    }
}

proptest! {
    /// Answers with some bytes changed: results or errors.
    #[test]
    fn damaged_answers(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in any::<prop::sample::Index>()) {
        let answer = json!({
            "columns": ["id", "name"], "decltypes": ["INTEGER", null], "rows": [[1, "ann"], [2, null], [(vec![1_u8, 2]), 0.5]], "cursor_id": 5,
            "done": true, "last_insert_id": 1, "rows_affected": 2, "stmt_id": 3, "parameters": [null, ":a"], "read_only": false, "tx_id": 1,
            "results": [{"rows": [[1]]}, {"error": {"code": "SQLITE_ERROR", "extended": 1, "message": "no"}}], "sqlite": "3"
        });
        let mut bytes = bytes(&answer);
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let cut = if cut.index(4) == 0 { cut.index(bytes.len() + 1) } else { bytes.len() };
        bytes.truncate(cut);
        let mut connection = Connection::with_transport(Stuck(bytes, RefCell::new(0)));
        let _ = connection.execute("A", ());
        let _ = connection.sqlite_version();
        let _ = connection.query_as::<(Option<i64>, String)>("A", ());
        if let Ok(rows) = connection.query_map("A", (), |row| Ok((row.get::<Value>(0), row.get::<Option<String>>("name"), format!("{row:?}")))) {
            let _ = rows.count();
        }
        if let Ok(statement) = connection.prepare("A") {
            let _ = statement.query_row((), |row| row.get::<i64>(0));
        }
        let mut batch = connection.batch();
        batch.query("A", ()).unwrap();
        let _ = batch.run();
        let transaction = connection.transaction();
        drop(transaction);
    }
}

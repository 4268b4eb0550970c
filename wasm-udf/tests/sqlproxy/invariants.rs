//! What must hold whatever a guest sends. The fuzz targets check the same.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use rusqlite::Connection as Host;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use serde_json::json;
use sqlbridge_wasm_udf::sqlproxy::{Grant, Limits, Proxy};
use sqlite_abi::Lent;

use super::host::{Guest, REACHED, with_guest};

/// What a host has.
const SCHEMA: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT, y TEXT);
    CREATE TABLE sqlbridge_procedures(name TEXT PRIMARY KEY, module BLOB);
    CREATE TABLE \"odd \"\" name\"(a);
    CREATE VIEW v AS SELECT id, x FROM t;
    CREATE VIRTUAL TABLE ft USING fts5(body);
    INSERT INTO ft VALUES ('some words'), ('other words');
    CREATE VIRTUAL TABLE squeezed USING fts4(a, compress=danger, uncompress=danger);
    INSERT INTO t(x, y) VALUES ('a', '{\"k\": 1}'), ('b', '[]'), ('c', NULL);
    INSERT INTO sqlbridge_procedures VALUES ('p', x'00');";

pub(crate) fn prepared(host: &mut Host) {
    host.execute_batch(SCHEMA).unwrap();
    // A text may be an endless loop: the time limit is not the interface's.
    host.progress_handler(1_000_000, Some(|| true)).unwrap();
    REACHED.set(0);
}

/// A text, sent as a query by a guest that may write, reaches nothing that it must not reach.
pub(crate) fn nothing_is_reached(host: &RefCell<Host>, sql: &str) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    // The host's own `SELECT guest()` is none of the guest's.
    let listening = Arc::new(AtomicBool::new(false));
    let (log, on) = (Arc::clone(&seen), Arc::clone(&listening));
    let judge = move |context: AuthContext<'_>| {
        if on.load(Relaxed) && is_harmful(&context.action) {
            log.lock().unwrap().push(format!("{:?}", context.action));
        }
        Authorization::Allow
    };
    host.borrow_mut().authorizer(Some(judge)).unwrap();
    let answer = Arc::new(Mutex::new(String::new()));
    let (sent, text) = (Arc::clone(&answer), sql.to_owned());
    let body = move |guest: &mut Guest<'_>| {
        listening.store(true, Relaxed);
        let got = guest.send(&json!({"command": "query", "sql": text}));
        *sent.lock().unwrap() = got.to_string();
        listening.store(false, Relaxed);
    };
    with_guest(Grant::Write, body, || {
        // An error of the guest's may roll the caller's statement back.
        let _outcome = host.borrow().execute_batch("SELECT guest()");
    });
    host.borrow_mut()
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen.is_empty(),
        "{sql}: {seen:?}: {}",
        answer.lock().unwrap()
    );
    assert_eq!(REACHED.get(), 0, "{sql}");
    unharmed(&host.borrow());
}

fn is_harmful(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::Transaction { .. } => true,
        AuthAction::Function { function_name } => {
            ["danger", "direct", "load_extension", "guest"].contains(function_name)
        }
        AuthAction::Read { table_name, .. } => *table_name == "reach",
        _ => false,
    }
}

fn unharmed(host: &Host) {
    let state: (i64, i64) = host
        .query_row(
            "SELECT (SELECT user_version FROM pragma_user_version), count(*) FROM sqlbridge_procedures WHERE module = x'00'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(state, (0, 1));
}

/// Any bytes get an answer, in the encoding they are read in.
pub(crate) fn is_answered(lent: &Lent, request: &[u8]) {
    let mut proxy = Proxy::new("p", Grant::Write, Limits::default());
    let answer = proxy.handle(lent, request);
    proxy.end();
    is_an_answer(request, &answer);
}

/// It is one value, in the request's encoding.
pub(crate) fn is_an_answer(request: &[u8], answer: &[u8]) {
    if request.first() == Some(&b'{') {
        serde_json::from_slice::<serde_json::Value>(answer).unwrap();
    } else {
        let mut rest = answer;
        rmpv::decode::read_value(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
}

//! The host interface of procedures.

use std::cell::RefCell;

#[allow(dead_code, reason = "shared with the tests, which need all of it")]
#[path = "../../wasm-udf/tests/sqlproxy/host.rs"]
mod host;
#[allow(dead_code, reason = "shared with the tests, which need all of it")]
#[path = "../../wasm-udf/tests/sqlproxy/invariants.rs"]
mod invariants;

thread_local! {
    static HOST: RefCell<rusqlite::Connection> = RefCell::new({
        let mut host = host::open();
        invariants::prepared(&mut host);
        host
    });
}

/// SQL text.
pub fn text(sql: &str) {
    HOST.with(|host| {
        host.borrow().execute_batch("BEGIN").expect("a transaction");
        invariants::nothing_is_reached(host, sql);
        let host = host.borrow();
        assert!(
            !host.is_autocommit(),
            "{sql} ended the transaction of its caller"
        );
        host.execute_batch("ROLLBACK")
            .expect("the end of the transaction");
    });
}

/// Requests in JSON, one a line.
pub fn lines(text: &str) {
    session(text.lines().map(|line| line.as_bytes().to_vec()).collect());
}

/// Requests in MessagePack, one behind the other.
pub fn packed(bytes: &[u8]) {
    session(values(bytes));
}

/// Values of MessagePack that lie one behind the other; what is none is the last.
pub(crate) fn values(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut after = rest;
        if rmpv::decode::read_value(&mut after).is_err() {
            after = &[];
        }
        values.push(rest[..rest.len() - after.len()].to_vec());
        rest = after;
    }
    values
}

/// A guest that sends requests, in one call: each has an answer in its own encoding. Statements, cursors and
/// transactions are there from one request to the next; nothing of it is there after the call.
fn session(requests: Vec<Vec<u8>>) {
    HOST.with_borrow(|host| {
        let body = move |guest: &mut host::Guest<'_>| {
            for request in &requests {
                let answer = guest.proxy.handle(guest.lent, request);
                invariants::is_an_answer(request, &answer);
            }
        };
        host.execute_batch("BEGIN").expect("a transaction");
        // An error of the guest's may roll the caller's statement back.
        let outcome = host::with_guest(sqlbridge_wasm_udf::sqlproxy::Grant::Write, body, || {
            host.execute_batch("SELECT guest()")
        });
        if let Err(error) = outcome {
            assert!(!error.to_string().contains("internal error"), "{error}");
        }
        assert!(
            !host.is_autocommit(),
            "the guest ended the transaction of its caller"
        );
        host.execute_batch("ROLLBACK")
            .expect("the end of the transaction");
    });
}

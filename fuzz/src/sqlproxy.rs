//! The host interface of procedures.

use std::cell::RefCell;

#[allow(dead_code, reason = "shared with the tests, which need all of it")]
#[path = "../../wasm-udf/tests/sqlproxy/host.rs"]
mod host;
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
    HOST.with(|host| invariants::nothing_is_reached(host, sql));
}

/// A request in either encoding.
pub fn request(bytes: &[u8]) {
    let request = bytes.to_vec();
    HOST.with_borrow(|host| {
        let body = move |guest: &mut host::Guest<'_>| invariants::is_answered(guest.lent, &request);
        // An error of the guest's may roll the caller's statement back.
        let outcome = host::with_guest(sqlbridge_wasm_udf::sqlproxy::Grant::Write, body, || {
            host.execute_batch("SELECT guest()")
        });
        if let Err(error) = outcome {
            assert!(!error.to_string().contains("internal error"), "{error}");
        }
    });
}

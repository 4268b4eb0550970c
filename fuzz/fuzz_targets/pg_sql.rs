//! Queries of clients: any text splits, and each of its statements is planned or refused.

#![no_main]

use pg_frontend::session::state::State;
use rusqlite::Connection;

thread_local! {
    static CONNECTION: Connection = {
        let connection = Connection::open_in_memory().expect("memory");
        connection
            .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY DEFAULT (pg_serial('int4')), name varchar(10), n numeric(10,2), tags text[], at timestamptz)")
            .expect("a table");
        connection
    };
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(statements) = pg_frontend::sql::parse(text) else { return };
    CONNECTION.with(|connection| {
        let state = State::default();
        for statement in &statements {
            // SQLite's own statements run when they are prepared, some of them (PRAGMA).
            if let Err(error) = pg_frontend::sql::plan(connection, &state, statement, &[]) {
                assert_eq!(error.code.len(), 5);
            }
        }
    });
});

//! Queries of Postgres clients: planned or refused; what is planned runs.

#![no_main]

use sqlbridge_fuzz::{pg_sql, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pg_sql::query(&words::SQL.text(bytes)));

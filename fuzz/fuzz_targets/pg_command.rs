//! Tables and commands of Postgres clients, as `pg_sql`.

#![no_main]

use sqlbridge_fuzz::{pg_sql, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pg_sql::query(&words::DDL.text(bytes)));

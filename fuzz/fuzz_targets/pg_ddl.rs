//! Statements of `sqlite_schema`, as the Postgres catalog reads constraints and indexes from them.

#![no_main]

use sqlbridge_fuzz::{pg_ddl, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pg_ddl::read(&words::DDL.text(bytes)));

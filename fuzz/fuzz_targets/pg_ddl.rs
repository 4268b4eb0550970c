//! Statements of `sqlite_schema`, as the Postgres catalog reads constraints and indexes from them.

#![no_main]

libfuzzer_sys::fuzz_target!(|sql: &str| sqlbridge_fuzz::pg_ddl::read(sql));

//! SQL of a guest, against SQLite's own authorizer.

#![no_main]

libfuzzer_sys::fuzz_target!(|sql: &str| sqlbridge_fuzz::sqlproxy::text(sql));

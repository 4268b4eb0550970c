//! Values of Postgres clients: read as each type, written, and read as the same again.

#![no_main]

use sqlbridge_fuzz::pg_value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pg_value::any(bytes));

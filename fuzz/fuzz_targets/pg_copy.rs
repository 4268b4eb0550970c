//! Data of COPY in each format: chunks may end anywhere.

#![no_main]

use sqlbridge_fuzz::pg_copy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pg_copy::any(bytes));

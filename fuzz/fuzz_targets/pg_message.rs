//! Messages of a Postgres client, after the startup.

#![no_main]

use sqlbridge_fuzz::postgres;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postgres::messages(bytes));

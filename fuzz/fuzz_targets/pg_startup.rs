//! What a Postgres client sends first: requests for encryption, to cancel, the startup message.

#![no_main]

use sqlbridge_fuzz::postgres;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postgres::startup(bytes));

//! A Postgres client's proofs of a password: SCRAM, MD5.

#![no_main]

use sqlbridge_fuzz::postgres;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postgres::proof(bytes));

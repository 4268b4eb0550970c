//! A guest's requests in MessagePack, one after another.

#![no_main]

use sqlbridge_fuzz::sqlproxy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlproxy::packed(bytes));

//! Requests of a guest, in JSON and MessagePack.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlbridge_fuzz::sqlproxy::request(bytes));

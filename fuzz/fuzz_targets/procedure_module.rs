//! A module given to proc_create.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlbridge_fuzz::procedure::module(bytes));

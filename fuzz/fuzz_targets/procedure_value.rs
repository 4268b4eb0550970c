//! Values in a guest's memory.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlbridge_fuzz::procedure::values(bytes));

//! Single page frames in both encodings.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlbridge_fuzz::ltx::frame(bytes));

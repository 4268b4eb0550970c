//! Ends of files: an index that is accepted has no gaps and stays within its object.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlbridge_fuzz::ltx::tail(bytes));

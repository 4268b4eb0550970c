//! The JSON given to proc_create.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| sqlbridge_fuzz::procedure::definition(text));

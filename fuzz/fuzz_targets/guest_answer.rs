//! A host's answers to a guest in Rust.

#![no_main]

use sqlbridge_fuzz::guest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guest::answers(bytes));

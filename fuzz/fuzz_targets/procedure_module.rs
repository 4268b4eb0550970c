//! A module given to proc_create: its bytes, or its text.

#![no_main]

use sqlbridge_fuzz::{procedure, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"\0asm") {
        procedure::module(bytes);
    } else if let Ok(module) = wat::parse_str(words::WAT.text(bytes)) {
        procedure::module(&module);
    }
});

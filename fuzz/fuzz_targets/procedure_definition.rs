//! The JSON given to proc_create.

#![no_main]

use sqlbridge_fuzz::{procedure, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| procedure::definition(&words::OPTIONS.text(bytes)));

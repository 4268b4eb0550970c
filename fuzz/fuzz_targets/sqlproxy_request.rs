//! A guest's requests in JSON, one a line.

#![no_main]

use sqlbridge_fuzz::{sqlproxy, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlproxy::lines(&words::REQUEST.text(bytes)));

//! SQL of a guest, against SQLite's own authorizer.

#![no_main]

use sqlbridge_fuzz::{sqlproxy, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlproxy::text(&words::REQUEST.text(bytes)));

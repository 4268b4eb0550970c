//! How sqlproxy_serve is told to run a program.

#![no_main]

use sqlbridge_fuzz::{procedure, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| procedure::options(&words::OPTIONS.text(bytes)));

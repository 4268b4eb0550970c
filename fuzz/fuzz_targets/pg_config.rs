//! `config.yaml`: understood or refused, and what is understood can be printed and read again.

#![no_main]

use sqlbridge_fuzz::{pg_config, words};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pg_config::file(&words::CONFIG.text(bytes)));

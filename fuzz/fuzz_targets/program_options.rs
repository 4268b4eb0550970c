//! How sqlproxy_serve is told to run a program.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| sqlbridge_fuzz::procedure::options(text));

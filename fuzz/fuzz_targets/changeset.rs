//! Changesets: reading, and what can be done with them without a database.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlbridge_fuzz::changeset::any_bytes(bytes));

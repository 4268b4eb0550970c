//! Whole files: both decoders agree, and what they accept can be read at random and rewritten.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sqlbridge_fuzz::ltx::whole_file(bytes);
});

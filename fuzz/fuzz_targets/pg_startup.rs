//! What a Postgres client may send first: requests for encryption, to cancel, the startup message.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = pg_frontend::protocol::startup::Packet::parse(bytes);
});

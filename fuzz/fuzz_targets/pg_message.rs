//! What a Postgres client may send: messages after startup. The first byte is the type.

#![no_main]

use pg_frontend::protocol::frontend::{Frame, Message};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((kind, body)) = bytes.split_first() {
        let frame = Frame {
            kind: *kind,
            body: body.to_vec().into(),
        };
        let _ = Message::parse(&frame);
    }
});

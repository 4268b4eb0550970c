//! Values from clients: read as each type, in text and binary, and written again; what is written is read as the same.

#![no_main]

use bytes::BytesMut;
use pg_frontend::types::names::BUILT_IN;
use pg_frontend::types::{self, Format, Style, Type};
use rusqlite::types::ValueRef;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(([which, flags], data)) = bytes.split_first_chunk::<2>() else { return };
    let row = BUILT_IN[usize::from(*which) % BUILT_IN.len()];
    let ty = Type::of(if flags & 1 == 1 && row.array != 0 { row.array } else { row.oid });
    let format = if flags & 2 == 2 { Format::Binary } else { Format::Text };
    let style = Style::default();
    let Ok(value) = types::decode(ty, format, data, &style) else { return };
    let mut out = BytesMut::new();
    if types::encode(ty, format, ValueRef::from(&value), &style, &mut out).is_ok() {
        let again = types::decode(ty, format, &out, &style);
        assert!(again.is_ok(), "{} wrote what it does not read", row.name);
    }
});

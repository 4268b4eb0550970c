//! Values of clients, of each type, in text and binary.

use bytes::BytesMut;
use pg_frontend::types::names::BUILT_IN;
use pg_frontend::types::style::{DateOrder, IntervalStyle, Style};
use pg_frontend::types::zone::Zone;
use pg_frontend::types::{self, Format, Type};
use rusqlite::types::{Value, ValueRef};

use crate::postgres::is_a_sentence;

/// The first byte is the type, the second how it is written, the others are the value. What is read and written
/// again, in text or in binary, is read as the same value.
pub fn any(bytes: &[u8]) {
    let Some(([which, flags], data)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let row = BUILT_IN[usize::from(*which) % BUILT_IN.len()];
    let ty = Type::of(if flags & 1 == 1 && row.array != 0 {
        row.array
    } else {
        row.oid
    });
    // Names are looked up by the planner, nothing is nothing, and nobody has arrays of vectors.
    if row.category == b'P' || Type::of(row.oid).is_reg() || Type::of(row.oid).element().is_some() {
        return;
    }
    let format = |binary: bool| if binary { Format::Binary } else { Format::Text };
    let style = style(flags >> 2);
    let value = match types::decode(ty, format(flags & 2 == 2), data, &style) {
        Ok(value) => value,
        Err(error) => return is_a_sentence(&error),
    };
    for format in [Format::Text, Format::Binary] {
        let mut out = BytesMut::new();
        match types::encode(ty, format, ValueRef::from(&value), &style, &mut out) {
            Err(error) => is_a_sentence(&error),
            Ok(()) => {
                let again = types::decode(ty, format, &out, &style);
                assert!(
                    again.as_ref().is_ok_and(|again| is_same(ty, &value, again)),
                    "{} in {format:?}: {value:?} was written as {:?} and read as {again:?}",
                    row.name,
                    String::from_utf8_lossy(&out)
                );
            }
        }
    }
}

fn style(flags: u8) -> Style {
    Style {
        zone: Zone::parse_setting(
            ["utc", "europe/berlin", "america/st_johns", "-3:30"][usize::from(flags & 3)],
        )
        .expect("a zone"),
        order: [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd][usize::from(flags >> 2 & 3) % 3],
        intervals: [
            IntervalStyle::Postgres,
            IntervalStyle::Verbose,
            IntervalStyle::SqlStandard,
            IntervalStyle::Iso,
        ][usize::from(flags >> 3 & 3)],
        bytea_escape: flags & 32 == 32,
    }
}

fn is_same(ty: Type, one: &Value, other: &Value) -> bool {
    match (one, other) {
        // -0 is 0.
        (Value::Real(one), Value::Real(other)) => one == other,
        // Times of an interval beyond some hundred years are read as doubles.
        (Value::Text(one), Value::Text(_)) if is_long_interval(ty, one) => true,
        _ => one == other,
    }
}

fn is_long_interval(ty: Type, text: &str) -> bool {
    let hours = |word: &str| {
        word.split_once(':')
            .is_some_and(|(hours, _)| hours.len() > 6)
    };
    ty.element().unwrap_or(ty).oid == Type::INTERVAL.oid
        && text.split([' ', '"', '[', ',']).any(hours)
}

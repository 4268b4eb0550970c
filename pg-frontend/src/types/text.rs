//! Values in text: [`input`] makes a representation of what a client or a literal says, [`output`]
//! writes a representation as Postgres would.

mod literals;
mod stored;

pub use literals::{parse_bool, parse_int, parse_uuid};
use literals::{parse_f32, parse_inet, parse_macaddr, parse_oid};
pub(crate) use stored::{
    as_bool, as_date, as_f64, as_int, as_interval, as_moment, as_numeric, as_str, misfit,
};

use super::interval::Interval;
use super::json::Json;
use super::numeric::Numeric;
use super::time::{self, parse_date, parse_time, parse_timestamp, parse_timestamptz};
use super::zone::Zone;
use super::{Style, Type, array, bytea, float};
use crate::error::{PgError, Result};
use bytes::BytesMut;
use rusqlite::types::{Value, ValueRef};

/// 22P02.
pub(crate) fn invalid(ty: Type, text: &str) -> PgError {
    PgError::new(
        "22P02",
        format!("invalid input syntax for type {}: \"{text}\"", ty.display()),
    )
}

/// [`input`] of bytes from the wire.
///
/// # Errors
/// As [`input`]; 22021 where they are no UTF-8.
pub fn input_bytes(ty: Type, bytes: &[u8], style: &Style) -> Result<Value> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        PgError::new(
            "22021",
            format!(
                "invalid byte sequence for encoding \"UTF8\": 0x{:02x}",
                bytes.get(at).copied().unwrap_or(0)
            ),
        )
    })?;
    if text.contains('\0') {
        return Err(PgError::new(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    input(ty, text, style)
}

/// A value from its text. Lengths and precisions of the type are not enforced here.
///
/// # Errors
/// 22P02, 22003, 22007 …
pub fn input(ty: Type, text: &str, style: &Style) -> Result<Value> {
    Ok(match ty.oid {
        25 | 1043 | 19 | 705 | 142 | 194 | 1790 => Value::Text(text.to_owned()),
        20 | 21 | 23 => Value::Integer(parse_int(ty, text)?),
        16 => Value::Integer(i64::from(parse_bool(text)?)),
        701 => real_value(float::parse_f64(text)?),
        700 => real_value(parse_f32(text)?),
        1700 => {
            let number = Numeric::parse(text).ok_or_else(|| invalid(ty, text))?;
            Value::Text(number.to_string())
        }
        1042 => Value::Text(text.trim_end_matches(' ').to_owned()),
        17 => Value::Blob(bytea::parse(text)?),
        1114 => Value::Text(time::timestamp_text(time::round_to(
            parse_timestamp(text, style.order)?,
            ty.modifier_or(6),
        ))),
        1184 => Value::Text(time::timestamp_text(time::round_to(
            parse_timestamptz(text, style.order, style.zone)?,
            ty.modifier_or(6),
        ))),
        1082 => Value::Text(time::date_text(parse_date(text, style.order)?)),
        1083 => Value::Text(time::time_text(time::round_to(
            parse_time(text)?.0,
            ty.modifier_or(6),
        ))),
        1266 => {
            let (micros, zone) = parse_time(text)?;
            let offset = zone.unwrap_or(style.zone).offset_at(time::now());
            Value::Text(format!(
                "{}{}",
                time::time_text(micros),
                time::offset_text(offset)
            ))
        }
        1186 => Value::Text(Interval::parse(text, None)?.text()),
        2950 => Value::Text(parse_uuid(text)?),
        114 => {
            if Json::parse(text).is_none() {
                return Err(not_json("json", text));
            }
            Value::Text(text.to_owned())
        }
        3802 => Value::Text(
            Json::parse(text)
                .ok_or_else(|| not_json("jsonb", text))?
                .normalized()
                .text(),
        ),
        18 => Value::Text(text.chars().take(1).collect()),
        26 | 28 | 29 | 5069 => Value::Integer(parse_oid(ty, text)?),
        869 | 650 => Value::Text(parse_inet(ty, text)?),
        829 => Value::Text(parse_macaddr(text)?),
        1560 | 1562 => {
            if !text.bytes().all(|c| matches!(c, b'0' | b'1')) {
                return Err(PgError::new(
                    "22P02",
                    format!("\"{text}\" is not a valid binary digit string"),
                ));
            }
            Value::Text(text.to_owned())
        }
        // A name is looked up by the planner.
        _ if ty.is_reg() => text
            .parse()
            .map_or_else(|_| Value::Text(text.to_owned()), Value::Integer),
        22 | 30 => {
            let mut out = String::from("[");
            for word in text.split_ascii_whitespace() {
                if out.len() > 1 {
                    out.push(',');
                }
                let value = parse_int(Type::INT8, word)?;
                out.push_str(&value.to_string());
            }
            out.push(']');
            Value::Text(out)
        }
        _ => match ty.element() {
            Some(element) => Value::Text(array::input(element, text, style)?),
            None => Value::Text(text.to_owned()),
        },
    })
}

/// A double as SQLite can have it: NaN, of which it makes NULL, is text.
#[must_use]
pub fn real_value(real: f64) -> Value {
    if real.is_nan() {
        Value::Text("NaN".to_owned())
    } else {
        Value::Real(real)
    }
}

impl Type {
    fn modifier_or(self, default: i32) -> i32 {
        if self.modifier < 0 {
            default
        } else {
            self.modifier
        }
    }

    /// The range of an integer type.
    #[must_use]
    pub fn int_range(self) -> (i64, i64) {
        match self.oid {
            21 => (i16::MIN.into(), i16::MAX.into()),
            23 => (i32::MIN.into(), i32::MAX.into()),
            _ => (i64::MIN, i64::MAX),
        }
    }
}

fn not_json(ty: &str, text: &str) -> PgError {
    let mut error = PgError::new("22P02", format!("invalid input syntax for type {ty}"));
    error.detail = Some(format!(
        "\"{}\" is not JSON.",
        text.chars().take(80).collect::<String>()
    ));
    error
}

/// Appends an integer.
pub fn write_int(value: i64, out: &mut BytesMut) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a value as the type's text.
///
/// # Errors
/// 22P02, 22003: it is none.
pub fn output(ty: Type, value: ValueRef<'_>, style: &Style, out: &mut BytesMut) -> Result<()> {
    match ty.oid {
        25 | 1043 | 19 | 705 | 114 | 3802 | 2950 => plain(value, out),
        20 | 21 | 23 => match value {
            ValueRef::Integer(integer) if ty.oid == 20 => {
                write_int(integer, out);
                Ok(())
            }
            other => {
                write_int(as_int(ty, other)?, out);
                Ok(())
            }
        },
        16 => {
            out.extend_from_slice(if as_bool(value)? { b"t" } else { b"f" });
            Ok(())
        }
        701 => {
            float::write_f64(as_f64(ty, value)?, out);
            Ok(())
        }
        700 => {
            #[allow(clippy::cast_possible_truncation, reason = "a float4")]
            float::write_f32(as_f64(ty, value)? as f32, out);
            Ok(())
        }
        1700 => {
            use std::fmt::Write as _;
            write!(out, "{}", as_numeric(ty, value)?).map_err(|_| misfit(ty, value))
        }
        1042 => {
            let from = out.len();
            plain(value, out)?;
            pad(ty, from, out);
            Ok(())
        }
        17 => {
            let (ValueRef::Blob(bytes) | ValueRef::Text(bytes)) = value else {
                return Err(misfit(ty, value));
            };
            if style.bytea_escape {
                bytea::write_escape(bytes, out);
            } else {
                bytea::write_hex(bytes, out);
            }
            Ok(())
        }
        1114 => {
            match value {
                ValueRef::Text(bytes) if bytes.len() > 10 && time::canonical(bytes).is_some() => {
                    out.extend_from_slice(bytes);
                }
                _ => out.extend_from_slice(time::timestamp_text(as_moment(ty, value)?).as_bytes()),
            }
            Ok(())
        }
        1184 => {
            match value {
                ValueRef::Text(bytes)
                    if style.zone == Zone::UTC
                        && bytes.len() > 10
                        && time::canonical(bytes).is_some() =>
                {
                    out.extend_from_slice(bytes);
                    out.extend_from_slice(b"+00");
                }
                _ => time::write_timestamptz(as_moment(ty, value)?, style.zone, out),
            }
            Ok(())
        }
        1082 => {
            out.extend_from_slice(time::date_text(as_date(value)?).as_bytes());
            Ok(())
        }
        1083 => {
            let (micros, _) = parse_time(as_str(ty, value)?)?;
            out.extend_from_slice(time::time_text(micros).as_bytes());
            Ok(())
        }
        1186 => {
            out.extend_from_slice(as_interval(value)?.styled(style.intervals).as_bytes());
            Ok(())
        }
        2278 => Ok(()),
        // `oid name`, as the planner made it for a result.
        _ if ty.is_reg() => match value {
            ValueRef::Text(bytes) => {
                let at = bytes.iter().position(|c| *c == b' ').map_or(0, |at| at + 1);
                out.extend_from_slice(&bytes[at..]);
                Ok(())
            }
            other => plain(other, out),
        },
        _ => match ty.element() {
            Some(element) => array::output(ty, element, value, style, out),
            None => plain(value, out),
        },
    }
}

fn plain(value: ValueRef<'_>, out: &mut BytesMut) -> Result<()> {
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(integer) => write_int(integer, out),
        ValueRef::Real(real) => float::write_f64(real, out),
        ValueRef::Text(bytes) => out.extend_from_slice(bytes),
        ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => out.extend_from_slice(bytes),
            _ => bytea::write_hex(bytes, out),
        },
    }
    Ok(())
}

/// `char(n)` gets its spaces.
pub(super) fn pad(ty: Type, from: usize, out: &mut BytesMut) {
    let Ok(length) = usize::try_from(ty.modifier - 4) else {
        return;
    };
    let shown =
        std::str::from_utf8(&out[from..]).map_or(out.len() - from, |text| text.chars().count());
    for _ in shown..length {
        out.extend_from_slice(b" ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(ty: Type, value: ValueRef<'_>) -> String {
        let mut out = BytesMut::new();
        output(ty, value, &Style::default(), &mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn values_of_each_kind() {
        for (ty, text, expected) in [
            (Type::BOOL, "yes", "t"),
            (Type::INT4, " 42 ", "42"),
            (Type::FLOAT8, "1e3", "1000"),
            (Type::NUMERIC, "1.50", "1.50"),
            (Type::of(1042), "ab  ", "ab"),
            (
                Type {
                    oid: 1042,
                    modifier: 9,
                },
                "ab",
                "ab   ",
            ),
            (Type::BYTEA, "\\x00ff", "\\x00ff"),
            (
                Type::TIMESTAMPTZ,
                "2024-01-01 00:00+02",
                "2023-12-31 22:00:00+00",
            ),
            (Type::DATE, "20240131", "2024-01-31"),
            (
                Type::UUID,
                "{A0EEBC99-9C0B4EF8-BB6D6BB9BD380A11}",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            (Type::JSONB, "{\"b\":1,\"a\":2}", "{\"a\": 2, \"b\": 1}"),
            (Type::INTERVAL, "90 min", "01:30:00"),
            (Type::of(869), "10.0.0.1/8", "10.0.0.1/8"),
            (Type::of(829), "08002b010203", "08:00:2b:01:02:03"),
            (Type::of(22), "1 2", "1 2"),
            (Type::TIME, "04:05:06.70", "04:05:06.7"),
        ] {
            let value = input(ty, text, &Style::default()).unwrap();
            assert_eq!(shown(ty, ValueRef::from(&value)), expected);
        }
    }

    #[test]
    fn misfits_are_refused() {
        for (ty, text, code) in [
            (Type::INT4, "3000000000", "22003"),
            (Type::INT4, "abc", "22P02"),
            (Type::INT2, "40000", "22003"),
            (Type::BOOL, "maybe", "22P02"),
            (Type::UUID, "12", "22P02"),
            (Type::JSON, "{", "22P02"),
            (Type::FLOAT8, "1e999", "22003"),
            (Type::NUMERIC, "1.2.3", "22P02"),
            (Type::INT8, "", "22P02"),
            (Type::DATE, "2024-13-01", "22008"),
        ] {
            assert_eq!(
                input(ty, text, &Style::default()).unwrap_err().code,
                code,
                "{text}"
            );
        }
        let mut out = BytesMut::new();
        let style = Style::default();
        assert_eq!(
            output(Type::INT4, ValueRef::Text(b"abc"), &style, &mut out)
                .unwrap_err()
                .code,
            "22P02"
        );
        assert_eq!(
            output(Type::INT4, ValueRef::Integer(1 << 40), &style, &mut out)
                .unwrap_err()
                .code,
            "22003"
        );
    }

    proptest! {
        #[test]
        fn integers(value in any::<i64>()) {
            prop_assert_eq!(shown(Type::INT8, ValueRef::Integer(value)), value.to_string());
        }
    }
}

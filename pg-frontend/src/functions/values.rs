//! Casts, ranges, lengths, and keys that order values rightly.

use rusqlite::types::{Value, ValueRef};

use super::{Arguments, Entry, bool_value, text_value};
use crate::error::{PgError, Result};
use crate::types::json::Json;
use crate::types::numeric::Numeric;
use crate::types::{Type, array, bytea, cast, text, time};

pub(super) const STRICT: &[Entry] = &[
    ("pg_int2", 1, |a| ranged(a, Type::INT2)),
    ("pg_int4", 1, |a| ranged(a, Type::INT4)),
    ("pg_int8", 1, |a| ranged(a, Type::INT8)),
    ("pg_cast", 6, |a| {
        let (from, to) = (a.ty(1, 2)?, a.ty(3, 4)?);
        cast::cast(a.value(0), from, to, &super::session::style(), a.bool(5)?)
    }),
    ("pg_shape", 4, |a| {
        cast::shape(a.owned(0), a.ty(1, 2)?, a.bool(3)?)
    }),
    ("pg_input", 3, |a| {
        text::input(a.ty(1, 2)?, a.text(0)?, &super::session::style())
    }),
    ("pg_numeric_text", 2, |a| {
        let number = a.numeric(0)?.round(a.int(1)?);
        text_value(number.to_string())
    }),
    ("pg_interval_key", 1, |a| {
        let key = text::as_interval(a.value(0))?.key();
        // Within the range of an integer for all intervals that are not absurd.
        Ok(Value::Integer(i64::try_from(key).unwrap_or(if key < 0 {
            i64::MIN
        } else {
            i64::MAX
        })))
    }),
    ("pg_timetz_key", 1, |a| {
        let (micros, zone) = time::parse_time(a.text(0)?)?;
        let offset = zone.map_or(0, |zone| zone.offset_at(0));
        Ok(Value::Integer(micros - i64::from(offset) * time::SECOND))
    }),
    ("pg_json_key", 1, |a| {
        let json = Json::parse(a.text(0)?).unwrap_or(Json::Null);
        let mut key = Vec::new();
        json_key(&json, &mut key);
        Ok(Value::Blob(key))
    }),
    ("pg_inet_key", 1, |a| {
        let (address, bits) = a
            .text(0)?
            .split_once('/')
            .map_or((a.text(0)?, "255"), |(x, y)| (x, y));
        let mut key = match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(v4)) => [&[4][..], &v4.octets()].concat(),
            Ok(std::net::IpAddr::V6(v6)) => [&[6][..], &v6.octets()].concat(),
            Err(_) => return Err(text::misfit(Type::of(869), a.value(0))),
        };
        key.push(bits.parse().unwrap_or(255));
        Ok(Value::Blob(key))
    }),
    ("pg_enum_rank", 2, |a| {
        let (label, labels) = (a.text(0)?, array::items(a.value(1))?);
        let rank = labels
            .iter()
            .position(|item| matches!(item, Json::String(other) if other == label));
        Ok(rank.map_or(Value::Null, |rank| Value::Integer(rank as i64)))
    }),
    ("pg_enum_label", 2, |a| {
        let (label, labels) = (a.text(0)?, array::items(a.value(1))?);
        if labels
            .iter()
            .any(|item| matches!(item, Json::String(other) if other == label))
        {
            return text_value(label);
        }
        Err(PgError::new(
            "22P02",
            format!("invalid input value for enum: \"{label}\""),
        ))
    }),
    ("pg_array_key", 2, |a| {
        let element = Type::of(u32::try_from(a.int(1)?).unwrap_or(25));
        let mut key = Vec::new();
        for item in array::items(a.value(0))? {
            array_key(element, &item, &mut key);
        }
        Ok(Value::Blob(key))
    }),
    ("pg_element_bytes", 1, |a| {
        Ok(Value::Blob(bytea::parse(a.text(0)?)?))
    }),
    ("pg_bytes_element", 1, |a| {
        let mut out = bytes::BytesMut::new();
        bytea::write_hex(a.bytes(0)?, &mut out);
        text_value(String::from_utf8_lossy(&out))
    }),
    ("pg_raise", 2, |a| {
        Err(PgError::new(known_code(a.text(0)?), a.text(1)?))
    }),
    ("pg_same", 1, |a| Ok(a.owned(0))),
];

pub(super) const NULLABLE: &[Entry] = &[
    ("pg_required", 3, |a| {
        if a.is_null(0) {
            let mut error = PgError::new(
                "23502",
                format!(
                    "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                    a.text(2)?,
                    a.text(1)?
                ),
            );
            error.column = Some(a.text(2)?.to_owned());
            return Err(error);
        }
        Ok(a.owned(0))
    }),
    ("pg_limit", 2, |a| {
        if a.is_null(0) {
            return Ok(Value::Integer(if a.text(1)? == "OFFSET" { 0 } else { -1 }));
        }
        let count = a.int(0)?;
        if count < 0 {
            let code = if a.text(1)? == "OFFSET" {
                "2201X"
            } else {
                "2201W"
            };
            return Err(PgError::new(
                code,
                format!("{} must not be negative", a.text(1)?),
            ));
        }
        Ok(Value::Integer(count))
    }),
    ("pg_one_row", 2, |a| {
        if a.int(1)? > 1 {
            return Err(PgError::new(
                "21000",
                "more than one row returned by a subquery used as an expression",
            ));
        }
        Ok(a.owned(0))
    }),
    // What `= ANY` says: true if any is, else unknown if any is, else false.
    ("pg_any_of", 2, |a| {
        if matches!(a.value(0), ValueRef::Integer(1)) {
            return bool_value(true);
        }
        if a.bool(1)? {
            Ok(Value::Null)
        } else {
            bool_value(false)
        }
    }),
    ("pg_extreme", -1, |a| {
        let greatest = a.bool(0)?;
        let mut best: Option<ValueRef<'_>> = None;
        for index in 1..a.len() {
            let value = a.value(index);
            if value == ValueRef::Null {
                continue;
            }
            let better = match best {
                None => true,
                Some(best) => match order(value, best) {
                    std::cmp::Ordering::Greater => greatest,
                    std::cmp::Ordering::Less => !greatest,
                    std::cmp::Ordering::Equal => false,
                },
            };
            if better {
                best = Some(value);
            }
        }
        Ok(best.map_or(Value::Null, super::owned))
    }),
];

fn known_code(code: &str) -> &'static str {
    match code {
        "23502" => "23502",
        "23503" => "23503",
        "23505" => "23505",
        "23514" => "23514",
        "21000" => "21000",
        _ => "P0001",
    }
}

/// As SQLite orders values of one type.
fn order(a: ValueRef<'_>, b: ValueRef<'_>) -> std::cmp::Ordering {
    match (a, b) {
        (ValueRef::Integer(x), ValueRef::Integer(y)) => x.cmp(&y),
        (ValueRef::Text(x) | ValueRef::Blob(x), ValueRef::Text(y) | ValueRef::Blob(y)) => x.cmp(y),
        _ => match (Numeric::from_value(a), Numeric::from_value(b)) {
            (Some(x), Some(y)) => x.compare(&y),
            _ => std::cmp::Ordering::Equal,
        },
    }
}

/// An integer within a type's range. A sum that left SQLite's integers is a REAL.
fn ranged(a: &Arguments<'_>, ty: Type) -> Result<Value> {
    match a.value(0) {
        ValueRef::Integer(integer) => {
            let (low, high) = ty.int_range();
            if (low..=high).contains(&integer) {
                return Ok(Value::Integer(integer));
            }
            Err(PgError::new(
                "22003",
                format!("{} out of range", ty.display()),
            ))
        }
        _ => Err(PgError::new(
            "22003",
            format!("{} out of range", ty.display()),
        )),
    }
}

/// Bytes that sort as jsonb does, near enough: by kind, then by value.
fn json_key(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.push(1),
        Json::String(text) => {
            out.push(2);
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        Json::Number(digits) => {
            out.push(3);
            let number = Numeric::parse(digits)
                .unwrap_or_else(Numeric::zero)
                .trimmed();
            number_key(number.to_f64(), out);
            // Digits that a double does not tell apart.
            out.extend_from_slice(number.to_string().as_bytes());
            out.push(0);
        }
        Json::Bool(truth) => out.extend_from_slice(&[4, u8::from(*truth)]),
        Json::Array(items) => {
            out.push(5);
            out.extend_from_slice(&u32::try_from(items.len()).unwrap_or(u32::MAX).to_be_bytes());
            items.iter().for_each(|item| json_key(item, out));
        }
        Json::Object(members) => {
            out.push(6);
            out.extend_from_slice(
                &u32::try_from(members.len())
                    .unwrap_or(u32::MAX)
                    .to_be_bytes(),
            );
            for (key, value) in members {
                out.extend_from_slice(key.as_bytes());
                out.push(0);
                json_key(value, out);
            }
        }
    }
}

fn number_key(value: f64, out: &mut Vec<u8>) {
    let bits = value.to_bits();
    let bits = if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    out.extend_from_slice(&bits.to_be_bytes());
}

/// Bytes that sort as arrays do: element by element, NULL last.
fn array_key(element: Type, item: &Json, out: &mut Vec<u8>) {
    match item {
        Json::Null => out.push(9),
        Json::Array(items) => items.iter().for_each(|item| array_key(element, item, out)),
        Json::Number(digits) => {
            out.push(1);
            match digits.parse::<i64>() {
                Ok(value) if !element.is_float() => {
                    out.extend_from_slice(&(value.cast_unsigned() ^ (1 << 63)).to_be_bytes())
                }
                _ => number_key(digits.parse().unwrap_or(0.0), out),
            }
        }
        Json::String(text) if element.oid == 1700 => {
            out.push(1);
            number_key(
                Numeric::parse(text).map_or(0.0, |number| number.to_f64()),
                out,
            );
        }
        Json::String(text) => {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        Json::Bool(truth) => out.extend_from_slice(&[1, u8::from(*truth)]),
        Json::Object(_) => out.push(1),
    }
}

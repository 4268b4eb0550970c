//! Values of one type made values of another.
//! <https://www.postgresql.org/docs/15/sql-createcast.html>

use bytes::BytesMut;
use rusqlite::types::{Value, ValueRef};

use super::interval::Interval;
use super::json::Json;
use super::numeric::Numeric;
use super::text::{
    self, as_bool, as_date, as_f64, as_int, as_interval, as_moment, as_numeric, as_str,
};
use super::{Style, Type, array, time};
use crate::error::{PgError, Result};

/// Makes of a value of type `from` one of type `to`. A value that is too long for `varchar(n)` is cut
/// where the cast is `explicit`, else refused. NULL stays NULL.
///
/// # Errors
/// 22P02, 22003, 22001 …
pub fn cast(
    value: ValueRef<'_>,
    from: Type,
    to: Type,
    style: &Style,
    explicit: bool,
) -> Result<Value> {
    if value == ValueRef::Null {
        return Ok(Value::Null);
    }
    let made = convert(value, from, to, style)?;
    shape(made, to, explicit)
}

fn convert(value: ValueRef<'_>, from: Type, to: Type, style: &Style) -> Result<Value> {
    if to.is_string() {
        if from.oid == 16 {
            return Ok(Value::Text(
                if as_bool(value)? { "true" } else { "false" }.to_owned(),
            ));
        }
        // A column's numbers are shown with its scale; the padding of char(n) does not go along.
        let shown = if from.oid == 1700 { from } else { from.bare() };
        return output(shown, value, style).map(Value::Text);
    }
    if let (Some(a), Some(b)) = (from.element(), to.element()) {
        return cast_array(&array::items(value)?, a, b, style);
    }
    match to.oid {
        20 | 23 if matches!(from.oid, 1560 | 1562) => {
            let bits = as_str(from, value)?;
            let number = i64::from_str_radix(bits, 2)
                .map_err(|_| PgError::new("22003", format!("{} out of range", to.display())));
            number.map(Value::Integer)
        }
        20 | 21 | 23 => to_int(value, from, to),
        26 if from.is_int() || from.is_oid() => to_int(value, from, Type::INT8),
        700 | 701 if from.is_string() || from.oid == 705 => {
            text::input(to, as_str(to, value)?, style)
        }
        701 => as_f64(to, value).map(Value::Real),
        700 => {
            let real = as_f64(to, value)?;
            #[allow(clippy::cast_possible_truncation, reason = "a float4")]
            Ok(Value::Real(f64::from(real as f32)))
        }
        1700 if from.is_float() => {
            let number =
                Numeric::from_f64(as_f64(from, value)?).ok_or_else(|| text::misfit(to, value))?;
            Ok(Value::Text(number.to_string()))
        }
        1700 if !from.is_string() => {
            as_numeric(from, value).map(|number| Value::Text(number.to_string()))
        }
        16 => as_bool(value).map(|value| Value::Integer(value.into())),
        1082 | 1083 | 1114 | 1184 | 1186 => to_time(value, from, to, style),
        114 if from.oid == 3802 => Ok(owned(value)),
        3802 if from.oid == 114 => {
            let json = Json::parse(as_str(to, value)?).ok_or_else(|| text::misfit(to, value))?;
            Ok(Value::Text(json.normalized().text()))
        }
        17 if matches!(value, ValueRef::Blob(_)) => Ok(owned(value)),
        _ if to.oid == from.oid => Ok(owned(value)),
        _ => text::input(to.bare(), &output(from.bare(), value, style)?, style),
    }
}

/// A value of its own.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// A value's text.
///
/// # Errors
/// As [`text::output`].
pub fn output(ty: Type, value: ValueRef<'_>, style: &Style) -> Result<String> {
    let mut out = BytesMut::new();
    text::output(ty, value, style, &mut out)?;
    String::from_utf8(out.to_vec()).map_err(|_| text::misfit(ty, value))
}

/// The type's modifier applied: length, precision, digits of seconds.
///
/// # Errors
/// 22001, 22003.
pub fn shape(value: Value, to: Type, explicit: bool) -> Result<Value> {
    if to.modifier < 0 {
        return Ok(value);
    }
    Ok(match (to.oid, value) {
        (1042 | 1043, Value::Text(text)) => Value::Text(fit_length(text, to, explicit)?),
        (1700, value) => {
            let number = Numeric::from_value(ValueRef::from(&value))
                .ok_or_else(|| text::misfit(to, ValueRef::from(&value)))?
                .fit(to.modifier)?;
            Value::Text(number.to_string())
        }
        (1114 | 1184, Value::Text(text)) => match time::canonical(text.as_bytes()) {
            Some(micros) => Value::Text(time::timestamp_text(time::round_to(micros, to.modifier))),
            None => Value::Text(text),
        },
        (1083, Value::Text(text)) => {
            let micros = time::parse_time(&text)?.0;
            Value::Text(time::time_text(time::round_to(micros, to.modifier)))
        }
        (1560 | 1562, Value::Text(mut bits)) => {
            let length = usize::try_from(to.modifier).unwrap_or(0);
            if explicit {
                bits.truncate(length);
                while to.oid == 1560 && bits.len() < length {
                    bits.push('0');
                }
            } else if to.oid == 1560 && bits.len() != length {
                return Err(PgError::new(
                    "22026",
                    format!(
                        "bit string length {} does not match type bit({length})",
                        bits.len()
                    ),
                ));
            } else if bits.len() > length {
                return Err(PgError::new(
                    "22001",
                    format!("bit string too long for type bit varying({length})"),
                ));
            }
            Value::Text(bits)
        }
        (_, value) => match to.element() {
            Some(element) if matches!(value, Value::Text(_)) => {
                let items = array::items(ValueRef::from(&value))?;
                shape_items(&items, element, explicit)?
            }
            _ => value,
        },
    })
}

fn shape_items(items: &[Json], element: Type, explicit: bool) -> Result<Value> {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item {
            Json::Array(nested) => match shape_items(nested, element, explicit)? {
                Value::Text(text) => out.push_str(&text),
                _ => out.push_str("null"),
            },
            Json::Null => out.push_str("null"),
            _ => array::push_value(
                &shape(array::item_value(element, item), element, explicit)?,
                &mut out,
            ),
        }
    }
    out.push(']');
    Ok(Value::Text(out))
}

fn fit_length(mut text: String, to: Type, explicit: bool) -> Result<String> {
    let limit = usize::try_from(to.modifier - 4).unwrap_or(0);
    if text.len() > limit
        && let Some((cut, _)) = text.char_indices().nth(limit)
    {
        if !explicit && !text[cut..].bytes().all(|c| c == b' ') {
            let name = if to.oid == 1042 {
                "character"
            } else {
                "character varying"
            };
            return Err(PgError::new(
                "22001",
                format!("value too long for type {name}({limit})"),
            ));
        }
        text.truncate(cut);
    }
    if to.oid == 1042 {
        text.truncate(text.trim_end_matches(' ').len());
    }
    Ok(text)
}

fn to_int(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value> {
    let range = |number: Option<i64>| {
        let (low, high) = to.int_range();
        number
            .filter(|number| (low..=high).contains(number))
            .map(Value::Integer)
            .ok_or_else(|| PgError::new("22003", format!("{} out of range", to.display())))
    };
    match value {
        ValueRef::Integer(integer) => range(Some(integer)),
        ValueRef::Real(real) if from.is_float() => {
            let rounded = real.round_ties_even();
            #[allow(clippy::cast_possible_truncation, reason = "in range")]
            range(
                (rounded.abs() < 9.3e18 && rounded < 9_223_372_036_854_775_807.0)
                    .then_some(rounded as i64),
            )
        }
        _ if from.oid == 1700 => range(as_numeric(from, value)?.to_i64()),
        ValueRef::Text(_) => {
            let text = as_str(to, value)?;
            // A jsonb number is a numeric.
            if from.oid == 3802 {
                return range(
                    Numeric::parse(text)
                        .ok_or_else(|| text::misfit(to, value))?
                        .to_i64(),
                );
            }
            text::parse_int(to, text).map(Value::Integer)
        }
        other => as_int(to, other).map(Value::Integer),
    }
}

fn to_time(value: ValueRef<'_>, from: Type, to: Type, style: &Style) -> Result<Value> {
    let shift = |micros: i64, offset: i32| match micros {
        time::INFINITY | time::NEG_INFINITY => micros,
        _ => micros + i64::from(offset) * time::SECOND,
    };
    let local = |micros: i64| match from.oid {
        1184 => shift(micros, style.zone.offset_at(micros)),
        _ => micros,
    };
    Ok(Value::Text(match (from.oid, to.oid) {
        (1082 | 1114 | 1184, 1082) => {
            let micros = local(as_moment(from, value)?);
            match micros {
                time::INFINITY => "infinity".to_owned(),
                time::NEG_INFINITY => "-infinity".to_owned(),
                _ => time::date_text(time::split(micros).0),
            }
        }
        (1082, 1114) => match as_date(value)? {
            i32::MAX => "infinity".to_owned(),
            i32::MIN => "-infinity".to_owned(),
            days => time::timestamp_text(i64::from(days) * time::DAY),
        },
        (1114 | 1184, 1114) => time::timestamp_text(local(as_moment(from, value)?)),
        (1082 | 1114, 1184) => {
            let micros = as_moment(from, value)?;
            time::timestamp_text(shift(micros, -style.zone.offset_at_local(micros)))
        }
        (1184, 1184) => time::timestamp_text(as_moment(from, value)?),
        (1114 | 1184, 1083) => time::time_text(time::split(local(as_moment(from, value)?)).1),
        (1186, 1083) => time::time_text(as_interval(value)?.micros.rem_euclid(time::DAY)),
        (1266, 1083) => time::time_text(time::parse_time(as_str(from, value)?)?.0),
        (1083, 1186) => Interval {
            micros: time::parse_time(as_str(from, value)?)?.0,
            ..Interval::default()
        }
        .text(),
        _ if from.oid == to.oid => return Ok(owned(value)),
        _ => return text::input(to.bare(), &output(from.bare(), value, style)?, style),
    }))
}

fn cast_array(items: &[Json], from: Type, to: Type, style: &Style) -> Result<Value> {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Json::Array(nested) = item {
            match cast_array(nested, from, to, style)? {
                Value::Text(text) => out.push_str(&text),
                _ => out.push_str("null"),
            }
            continue;
        }
        let value = array::item_value(from, item);
        array::push_value(
            &cast(ValueRef::from(&value), from, to.bare(), style, true)?,
            &mut out,
        );
    }
    out.push(']');
    Ok(Value::Text(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(value: Value, from: Type, to: Type) -> String {
        let style = Style::default();
        let value = cast(ValueRef::from(&value), from, to, &style, true).unwrap();
        output(to, ValueRef::from(&value), &style).unwrap()
    }

    #[test]
    fn casts_of_postgres_15() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (value, from, to, expected) in [
            (Value::Real(2.5), Type::FLOAT8, Type::INT4, "2"),
            (Value::Real(3.5), Type::FLOAT8, Type::INT4, "4"),
            (text("2.5"), Type::NUMERIC, Type::INT4, "3"),
            (Value::Integer(1), Type::BOOL, Type::TEXT, "true"),
            (
                text("hello"),
                Type::TEXT,
                Type {
                    oid: 1043,
                    modifier: 7,
                },
                "hel",
            ),
            (
                text("1.005"),
                Type::NUMERIC,
                Type {
                    oid: 1700,
                    modifier: (5 << 16) + 2 + 4,
                },
                "1.01",
            ),
            (
                text("2024-01-31"),
                Type::DATE,
                Type::TIMESTAMP,
                "2024-01-31 00:00:00",
            ),
            (
                text("2024-01-31 10:00:00"),
                Type::TIMESTAMP,
                Type::DATE,
                "2024-01-31",
            ),
            (Value::Real(0.1), Type::FLOAT8, Type::NUMERIC, "0.1"),
            (
                text("[1,2]"),
                Type::INT4.array(),
                Type::TEXT.array(),
                "{1,2}",
            ),
            (text("12"), Type::TEXT, Type::INT8, "12"),
        ] {
            assert_eq!(made(value, from, to), expected);
        }
        let style = Style::default();
        let long = cast(
            ValueRef::Text(b"hello"),
            Type::TEXT,
            Type {
                oid: 1043,
                modifier: 7,
            },
            &style,
            false,
        );
        assert_eq!(long.unwrap_err().code, "22001");
        let large = cast(
            ValueRef::Integer(1 << 40),
            Type::INT8,
            Type::INT4,
            &style,
            true,
        );
        assert_eq!(large.unwrap_err().code, "22003");
    }
}

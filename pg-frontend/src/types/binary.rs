//! Values in binary, big-endian, as Postgres's send and receive functions have them.

use bytes::BytesMut;
use rusqlite::types::{Value, ValueRef};

use super::interval::Interval;
use super::json::Json;
use super::numeric::Numeric;
use super::text::{
    self, as_bool, as_date, as_f64, as_int, as_interval, as_moment, as_numeric, as_str, misfit,
};
use super::{Oid, Style, Type, array, time};
use crate::error::{PgError, Result};

/// 22P03.
fn broken(ty: Type) -> PgError {
    PgError::new(
        "22P03",
        format!("incorrect binary data format for type {}", ty.display()),
    )
}

fn fixed<const N: usize>(ty: Type, bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| broken(ty))
}

/// A value from its binary form, in its representation.
///
/// # Errors
/// 22P03: it has another length or form.
pub fn decode(ty: Type, bytes: &[u8]) -> Result<Value> {
    let style = Style::default();
    Ok(match ty.oid {
        16 => Value::Integer(i64::from(fixed::<1>(ty, bytes)?[0] != 0)),
        21 => Value::Integer(i16::from_be_bytes(fixed(ty, bytes)?).into()),
        23 => Value::Integer(i32::from_be_bytes(fixed(ty, bytes)?).into()),
        20 | 5069 => Value::Integer(i64::from_be_bytes(fixed(ty, bytes)?)),
        26 | 28 | 29 => Value::Integer(u32::from_be_bytes(fixed(ty, bytes)?).into()),
        _ if ty.is_reg() => Value::Integer(u32::from_be_bytes(fixed(ty, bytes)?).into()),
        700 => text::real_value(f32::from_be_bytes(fixed(ty, bytes)?).into()),
        701 => text::real_value(f64::from_be_bytes(fixed(ty, bytes)?)),
        17 => Value::Blob(bytes.to_vec()),
        // Nothing is a zero byte.
        18 if bytes == [0] => Value::Text(String::new()),
        1700 => {
            let number = Numeric::read_binary(bytes).ok_or_else(|| broken(ty))?;
            Value::Text(number.to_string())
        }
        1082 => {
            let days = i32::from_be_bytes(fixed(ty, bytes)?);
            Value::Text(time::date_text(time::check_date(days)?))
        }
        1083 => {
            let micros = i64::from_be_bytes(fixed(ty, bytes)?);
            if !(0..=time::DAY).contains(&micros) {
                return Err(PgError::new("22008", "time out of range"));
            }
            Value::Text(time::time_text(micros))
        }
        1266 => {
            let all = fixed::<12>(ty, bytes)?;
            let micros = i64::from_be_bytes(fixed(ty, &all[..8])?);
            let west = i32::from_be_bytes(fixed(ty, &all[8..])?);
            if !(0..=time::DAY).contains(&micros) || west.unsigned_abs() >= 57_600 {
                return Err(PgError::new("22008", "time out of range"));
            }
            Value::Text(format!(
                "{}{}",
                time::time_text(micros),
                time::offset_text(-west)
            ))
        }
        1114 | 1184 => {
            let micros = i64::from_be_bytes(fixed(ty, bytes)?);
            Value::Text(time::timestamp_text(time::check(micros, "timestamp")?))
        }
        1186 => {
            let all = fixed::<16>(ty, bytes)?;
            let interval = Interval {
                micros: i64::from_be_bytes(fixed(ty, &all[..8])?),
                days: i32::from_be_bytes(fixed(ty, &all[8..12])?),
                months: i32::from_be_bytes(fixed(ty, &all[12..])?),
            };
            Value::Text(interval.text())
        }
        2950 => Value::Text(uuid_text(fixed(ty, bytes)?)),
        3802 => {
            let (1, rest) = bytes
                .split_first()
                .map(|(v, r)| (*v, r))
                .ok_or_else(|| broken(ty))?
            else {
                return Err(PgError::new("22P03", "unsupported jsonb version number"));
            };
            text::input_bytes(ty, rest, &style)?
        }
        869 | 650 => text::input(ty, &read_inet(ty, bytes)?, &style)?,
        829 => {
            let all = fixed::<6>(ty, bytes)?;
            let pairs: Vec<String> = all.iter().map(|byte| format!("{byte:02x}")).collect();
            Value::Text(pairs.join(":"))
        }
        1560 | 1562 => Value::Text(read_bits(ty, bytes)?),
        600 => {
            let all = fixed::<16>(ty, bytes)?;
            let x = f64::from_be_bytes(fixed(ty, &all[..8])?);
            let y = f64::from_be_bytes(fixed(ty, &all[8..])?);
            Value::Text(format!("({x},{y})"))
        }
        _ => match ty.element() {
            Some(element) => Value::Text(read_array(ty, element, bytes)?),
            None => text::input_bytes(ty, bytes, &style)?,
        },
    })
}

/// Appends a value in binary.
///
/// # Errors
/// 22P02, 22003: it is none of the type.
pub fn encode(ty: Type, value: ValueRef<'_>, out: &mut BytesMut) -> Result<()> {
    match ty.oid {
        16 => out.extend_from_slice(&[u8::from(as_bool(value)?)]),
        21 => {
            let value = i16::try_from(as_int(ty, value)?).unwrap_or(0);
            out.extend_from_slice(&value.to_be_bytes());
        }
        23 => {
            let value = i32::try_from(as_int(ty, value)?).unwrap_or(0);
            out.extend_from_slice(&value.to_be_bytes());
        }
        20 | 5069 => out.extend_from_slice(&as_int(Type::INT8, value)?.to_be_bytes()),
        26 | 28 | 29 => write_oid(ty, as_int(Type::INT8, value)?, out)?,
        700 => {
            #[allow(clippy::cast_possible_truncation, reason = "a float4")]
            let short = as_f64(ty, value)? as f32;
            out.extend_from_slice(&short.to_be_bytes());
        }
        701 => out.extend_from_slice(&as_f64(ty, value)?.to_be_bytes()),
        17 => match value {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => out.extend_from_slice(bytes),
            other => return Err(misfit(ty, other)),
        },
        18 => match as_str(ty, value)? {
            "" => out.extend_from_slice(&[0]),
            text => out.extend_from_slice(text.as_bytes()),
        },
        1700 => as_numeric(ty, value)?.write_binary(out),
        1082 => out.extend_from_slice(&as_date(value)?.to_be_bytes()),
        1083 => {
            let (micros, _) = time::parse_time(as_str(ty, value)?)?;
            out.extend_from_slice(&micros.to_be_bytes());
        }
        1266 => {
            let (micros, zone) = time::parse_time(as_str(ty, value)?)?;
            out.extend_from_slice(&micros.to_be_bytes());
            let east = zone.map_or(0, |zone| zone.offset_at(0));
            out.extend_from_slice(&(-east).to_be_bytes());
        }
        1114 | 1184 => out.extend_from_slice(&as_moment(ty, value)?.to_be_bytes()),
        1186 => {
            let interval = as_interval(value)?;
            out.extend_from_slice(&interval.micros.to_be_bytes());
            out.extend_from_slice(&interval.days.to_be_bytes());
            out.extend_from_slice(&interval.months.to_be_bytes());
        }
        2950 => {
            let text = text::parse_uuid(as_str(ty, value)?)?;
            out.extend_from_slice(&super::bytea::parse_hex(&text.replace('-', ""))?);
        }
        3802 => {
            out.extend_from_slice(&[1]);
            text::output(ty, value, &Style::default(), out)?;
        }
        869 | 650 => write_inet(ty, as_str(ty, value)?, out)?,
        829 => {
            let text = as_str(ty, value)?.replace(':', "");
            out.extend_from_slice(&super::bytea::parse_hex(&text)?);
        }
        1560 | 1562 => write_bits(ty, value, out)?,
        600 => {
            let text = as_str(ty, value)?;
            let inside = text.trim_matches(['(', ')']);
            let (x, y) = inside.split_once(',').ok_or_else(|| misfit(ty, value))?;
            for part in [x, y] {
                out.extend_from_slice(&super::float::parse_f64(part)?.to_be_bytes());
            }
        }
        2278 => {}
        _ if ty.is_reg() => {
            let oid = match value {
                ValueRef::Text(_) => {
                    let text = as_str(ty, value)?;
                    let word = text.split(' ').next().unwrap_or("");
                    word.parse().map_err(|_| misfit(ty, value))?
                }
                other => as_int(Type::INT8, other)?,
            };
            write_oid(ty, oid, out)?;
        }
        _ => match ty.element() {
            Some(element) => write_array(element, value, out)?,
            None => text::output(ty, value, &Style::default(), out)?,
        },
    }
    Ok(())
}

fn write_oid(ty: Type, value: i64, out: &mut BytesMut) -> Result<()> {
    let oid = u32::try_from(value)
        .map_err(|_| PgError::new("22003", format!("{} out of range", ty.display())))?;
    out.extend_from_slice(&oid.to_be_bytes());
    Ok(())
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// Family (2 or 3), bits, cidr, length, address.
fn read_inet(ty: Type, bytes: &[u8]) -> Result<String> {
    let [family, bits, _, length, address @ ..] = bytes else {
        return Err(broken(ty));
    };
    if usize::from(*length) != address.len() {
        return Err(broken(ty));
    }
    let address: std::net::IpAddr = match family {
        2 => std::net::Ipv4Addr::from(fixed::<4>(ty, address)?).into(),
        3 => std::net::Ipv6Addr::from(fixed::<16>(ty, address)?).into(),
        _ => return Err(broken(ty)),
    };
    Ok(format!("{address}/{bits}"))
}

fn write_inet(ty: Type, text: &str, out: &mut BytesMut) -> Result<()> {
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(a, b)| (a, b.parse::<u8>().ok()));
    let address: std::net::IpAddr = address.parse().map_err(|_| text::invalid(ty, text))?;
    let (family, bytes): (u8, Vec<u8>) = match address {
        std::net::IpAddr::V4(v4) => (2, v4.octets().to_vec()),
        std::net::IpAddr::V6(v6) => (3, v6.octets().to_vec()),
    };
    let length = u8::try_from(bytes.len()).unwrap_or(0);
    out.extend_from_slice(&[
        family,
        bits.unwrap_or(length * 8),
        u8::from(ty.oid == 650),
        length,
    ]);
    out.extend_from_slice(&bytes);
    Ok(())
}

fn read_bits(ty: Type, bytes: &[u8]) -> Result<String> {
    let count = usize::try_from(i32::from_be_bytes(fixed(
        ty,
        bytes.get(..4).ok_or_else(|| broken(ty))?,
    )?))
    .map_err(|_| broken(ty))?;
    if bytes.len() - 4 != count.div_ceil(8) {
        return Err(broken(ty));
    }
    Ok((0..count)
        .map(|index| {
            if bytes[4 + index / 8] >> (7 - index % 8) & 1 == 1 {
                '1'
            } else {
                '0'
            }
        })
        .collect())
}

fn write_bits(ty: Type, value: ValueRef<'_>, out: &mut BytesMut) -> Result<()> {
    let bits = as_str(ty, value)?;
    let count = i32::try_from(bits.len()).map_err(|_| misfit(ty, value))?;
    out.extend_from_slice(&count.to_be_bytes());
    for chunk in bits.as_bytes().chunks(8) {
        let byte = chunk
            .iter()
            .enumerate()
            .fold(0u8, |byte, (index, bit)| byte | (bit & 1) << (7 - index));
        out.extend_from_slice(&[byte]);
    }
    Ok(())
}

/// Reads big-endian numbers and pieces of a length, in order.
struct Pieces<'a> {
    ty: Type,
    rest: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (piece, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| broken(self.ty))?;
        self.rest = rest;
        Ok(piece)
    }

    fn int(&mut self) -> Result<i32> {
        let piece = self.take(4)?;
        Ok(i32::from_be_bytes(fixed(self.ty, piece)?))
    }
}

/// Dimensions, a flag for nulls, the elements' type, length and lower bound of each dimension, elements.
fn read_array(ty: Type, element: Type, bytes: &[u8]) -> Result<String> {
    let mut pieces = Pieces { ty, rest: bytes };
    let dimensions = pieces.int()?;
    let _nulls = pieces.int()?;
    let sent = Type::of(pieces.int()?.cast_unsigned());
    if !(0..=6).contains(&dimensions) {
        return Err(broken(ty));
    }
    let mut lengths = Vec::new();
    let mut total = 1usize;
    for _ in 0..dimensions {
        let length = usize::try_from(pieces.int()?).map_err(|_| broken(ty))?;
        let _lower = pieces.int()?;
        lengths.push(length);
        total = total
            .checked_mul(length)
            .filter(|total| *total <= bytes.len())
            .ok_or_else(|| broken(ty))?;
    }
    if total == 0 || dimensions == 0 {
        return Ok("[]".to_owned());
    }
    if sent.element().is_some() {
        return Err(broken(ty));
    }
    let element = if sent.oid == 0 { element } else { sent };
    let mut items = Vec::with_capacity(total);
    for _ in 0..total {
        let length = pieces.int()?;
        let mut item = String::new();
        match usize::try_from(length) {
            Ok(length) => array::push_value(&decode(element, pieces.take(length)?)?, &mut item),
            Err(_) => item.push_str("null"),
        }
        items.push(item);
    }
    // From the innermost dimension out.
    for length in lengths.iter().rev() {
        items = items
            .chunks(*length)
            .map(|chunk| format!("[{}]", chunk.join(",")))
            .collect();
    }
    Ok(items.pop().unwrap_or_else(|| "[]".to_owned()))
}

fn write_array(element: Type, value: ValueRef<'_>, out: &mut BytesMut) -> Result<()> {
    let items = array::items(value)?;
    let lengths = array::dimensions(&items);
    let mut flat = Vec::new();
    array::flatten(&items, &mut flat);
    let push = |number: i64, out: &mut BytesMut| {
        out.extend_from_slice(&i32::try_from(number).unwrap_or(0).to_be_bytes());
    };
    let expected: usize = lengths.iter().product();
    if !lengths.is_empty() && flat.len() != expected {
        return Err(misfit(element.array(), value));
    }
    push(lengths.len() as i64, out);
    push(i64::from(flat.iter().any(|item| **item == Json::Null)), out);
    out.extend_from_slice(&Oid::to_be_bytes(element.oid));
    for length in &lengths {
        push(*length as i64, out);
        push(1, out);
    }
    for item in flat {
        if *item == Json::Null {
            push(-1, out);
            continue;
        }
        let at = out.len();
        push(0, out);
        encode(
            element,
            ValueRef::from(&array::item_value(element, item)),
            out,
        )?;
        let length = i32::try_from(out.len() - at - 4).unwrap_or(0);
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(ty: Type, value: ValueRef<'_>) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode(ty, value, &mut out).unwrap();
        out.to_vec()
    }

    #[test]
    fn known_bytes() {
        assert_eq!(encoded(Type::INT4, ValueRef::Integer(1)), [0, 0, 0, 1]);
        assert_eq!(
            encoded(Type::NUMERIC, ValueRef::Text(b"12345.67")),
            [0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 0x29, 0x1a, 0x2c]
        );
        assert_eq!(
            encoded(Type::DATE, ValueRef::Text(b"2000-01-02")),
            [0, 0, 0, 1]
        );
        assert_eq!(
            encoded(Type::INT4.array(), ValueRef::Text(b"[1,null]")),
            [
                0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0,
                1, 255, 255, 255, 255
            ]
        );
    }

    #[test]
    fn each_type_comes_back() {
        let style = Style::default();
        for (ty, text) in [
            (Type::BOOL, "t"),
            (Type::INT2, "-5"),
            (Type::INT8, "9007199254740993"),
            (Type::FLOAT4, "1.5"),
            (Type::FLOAT8, "0.1"),
            (Type::NUMERIC, "-1234567890123456789.0123456789"),
            (Type::NUMERIC, "NaN"),
            (Type::NUMERIC, "0.00"),
            (Type::NUMERIC, "10000"),
            (Type::TEXT, "é"),
            (Type::BYTEA, "\\x00ff"),
            (Type::DATE, "1999-12-31"),
            (Type::TIME, "23:59:59.5"),
            (Type::TIMETZ, "12:00:00+02"),
            (Type::TIMESTAMP, "infinity"),
            (Type::TIMESTAMPTZ, "2024-02-29 12:00:00.000001+00"),
            (Type::INTERVAL, "1 mon -2 days +00:00:03"),
            (Type::UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            (Type::JSONB, "{\"a\": [1, 2]}"),
            (Type::of(869), "10.1.2.3/16"),
            (Type::of(869), "::1"),
            (Type::of(829), "08:00:2b:01:02:03"),
            (Type::of(1562), "10110011101"),
            (Type::TEXT.array(), "{a,NULL,\"b c\"}"),
            (Type::INT4.array(), "{{1,2},{3,4}}"),
            (Type::NUMERIC.array(), "{1.50}"),
            (Type::BYTEA.array(), "{\"\\\\x01\"}"),
            (Type::OID, "4294967295"),
            (Type::of(600), "(1,2.5)"),
        ] {
            let value = text::input(ty, text, &style).unwrap();
            let bytes = encoded(ty, ValueRef::from(&value));
            let back = decode(ty, &bytes).unwrap();
            let mut out = BytesMut::new();
            text::output(ty, ValueRef::from(&back), &style, &mut out).unwrap();
            assert_eq!(std::str::from_utf8(&out).unwrap(), text);
        }
    }

    #[test]
    fn offsets_beyond_the_day_are_refused() {
        for west in [57_600_i32, -57_600, i32::MAX, i32::MIN] {
            let bytes = [&[0; 8][..], &west.to_be_bytes()].concat();
            assert_eq!(decode(Type::TIMETZ, &bytes).unwrap_err().code, "22008");
        }
    }

    #[test]
    fn long_numbers_come_back() {
        for text in ["1e80014", "-1e131000", "1e-16000", "12345.6789e-9000"] {
            let value = text::input(Type::NUMERIC, text, &Style::default()).unwrap();
            let bytes = encoded(Type::NUMERIC, ValueRef::from(&value));
            assert_eq!(decode(Type::NUMERIC, &bytes).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn dates_beyond_the_calendar_are_refused() {
        // The first: so many days, in microseconds, are nearly 2 to the power of 64.
        for days in [213_503_982_i32, i32::MAX - 1, i32::MIN + 1, 2_921_940] {
            let error = decode(Type::DATE, &days.to_be_bytes()).unwrap_err();
            assert_eq!(error.code, "22008", "{days}");
        }
        let last = decode(Type::DATE, &2_921_939_i32.to_be_bytes());
        assert_eq!(last.unwrap(), Value::Text("9999-12-31".to_owned()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..48), index in 0usize..40) {
            let row = super::super::names::BUILT_IN[index % super::super::names::BUILT_IN.len()];
            for oid in [row.oid, row.array] {
                if let Ok(value) = decode(Type::of(oid), &bytes) {
                    let mut out = BytesMut::new();
                    let _ = encode(Type::of(oid), ValueRef::from(&value), &mut out);
                }
            }
        }
    }
}

//! What texts say: numbers, booleans, UUIDs and addresses.

use crate::error::{PgError, Result};
use crate::types::{Type, float};

use super::invalid;

/// Reads an integer.
///
/// # Errors
/// 22P02, 22003.
pub fn parse_int(ty: Type, text: &str) -> Result<i64> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(invalid(ty, text));
    }
    let (low, high) = ty.int_range();
    trimmed
        .parse::<i64>()
        .ok()
        .filter(|value| (low..=high).contains(value))
        .ok_or_else(|| {
            PgError::new(
                "22003",
                format!(
                    "value \"{trimmed}\" is out of range for type {}",
                    ty.display()
                ),
            )
        })
}

pub(super) fn parse_f32(text: &str) -> Result<f64> {
    let value = float::parse_f64(text).map_err(|mut error| {
        error.message = error.message.replace("double precision", "real");
        error
    })?;
    #[allow(clippy::cast_possible_truncation, reason = "checked below")]
    let short = value as f32;
    if short.is_infinite() && value.is_finite() {
        return Err(PgError::new(
            "22003",
            format!("\"{}\" is out of range for type real", text.trim()),
        ));
    }
    Ok(f64::from(short))
}

/// Reads a boolean: any unique beginning of `true`, `false`, `yes`, `no`; `on`, `off`, `1`, `0`.
///
/// # Errors
/// 22P02.
pub fn parse_bool(text: &str) -> Result<bool> {
    let lower = text.trim().to_ascii_lowercase();
    let begins = |word: &str| !lower.is_empty() && word.starts_with(&lower);
    if begins("true") || begins("yes") || lower == "on" || lower == "1" {
        Ok(true)
    } else if begins("false") || begins("no") || lower == "off" || lower == "of" || lower == "0" {
        Ok(false)
    } else {
        Err(invalid(Type::BOOL, text))
    }
}

pub(super) fn parse_oid(ty: Type, text: &str) -> Result<i64> {
    let value = parse_int(Type::INT8, text).map_err(|_| invalid(ty, text))?;
    if ty.oid != 5069 && !(-(1 << 31)..1 << 32).contains(&value) {
        return Err(PgError::new(
            "22003",
            format!(
                "value \"{}\" is out of range for type {}",
                text.trim(),
                ty.display()
            ),
        ));
    }
    Ok(if value < 0 && ty.oid != 5069 {
        value + (1 << 32)
    } else {
        value
    })
}

/// A UUID in its usual form: lower case, with hyphens.
///
/// # Errors
/// 22P02.
pub fn parse_uuid(text: &str) -> Result<String> {
    let error = || invalid(Type::UUID, text);
    let body = text.trim();
    let body = match body.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(error)?,
        None => body,
    };
    let mut out = String::with_capacity(36);
    let mut count = 0;
    for c in body.chars() {
        if c == '-' && count % 4 == 0 && count > 0 {
            continue;
        }
        if !c.is_ascii_hexdigit() || count == 32 {
            return Err(error());
        }
        if matches!(count, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
        count += 1;
    }
    if count == 32 && !body.ends_with('-') {
        Ok(out)
    } else {
        Err(error())
    }
}

pub(super) fn parse_inet(ty: Type, text: &str) -> Result<String> {
    let error = || invalid(ty, text);
    let (address, bits) = match text.trim().split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| error())?)),
        None => (text.trim(), None),
    };
    let address: std::net::IpAddr = address.parse().map_err(|_| error())?;
    let full = if address.is_ipv4() { 32 } else { 128 };
    if bits.is_some_and(|bits| bits > full) {
        return Err(error());
    }
    Ok(match (bits, ty.oid) {
        (Some(bits), _) if bits < full => format!("{address}/{bits}"),
        (_, 650) => format!("{address}/{full}"),
        _ => address.to_string(),
    })
}

pub(super) fn parse_macaddr(text: &str) -> Result<String> {
    let digits: Vec<char> = text
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.' | ' '))
        .collect();
    if digits.len() != 12 || !digits.iter().all(char::is_ascii_hexdigit) {
        return Err(PgError::new(
            "22P02",
            format!("invalid input syntax for type macaddr: \"{text}\""),
        ));
    }
    let pairs: Vec<String> = digits
        .chunks(2)
        .map(|pair| pair.iter().collect::<String>().to_ascii_lowercase())
        .collect();
    Ok(pairs.join(":"))
}

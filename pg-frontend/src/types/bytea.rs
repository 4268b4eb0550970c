//! `bytea` in text: `\x48656c6c6f`, or the escape form.

use bytes::BytesMut;

use crate::error::{PgError, Result};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `\x…`.
pub fn write_hex(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(2 + bytes.len() * 2);
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Appends the escape form: `\000` for bytes that cannot be shown.
pub fn write_escape(bytes: &[u8], out: &mut BytesMut) {
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.extend_from_slice(&[*byte]),
            _ => out.extend_from_slice(&[
                b'\\',
                b'0' + (byte >> 6),
                b'0' + (byte >> 3 & 7),
                b'0' + (byte & 7),
            ]),
        }
    }
}

/// Hexadecimal digits, in pairs; space between pairs is skipped.
///
/// # Errors
/// 22023.
pub fn parse_hex(digits: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for c in digits.chars() {
        if c.is_ascii_whitespace() && high.is_none() {
            continue;
        }
        let Some(value) = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
            return Err(PgError::new(
                "22023",
                format!("invalid hexadecimal digit: \"{c}\""),
            ));
        };
        match high.take() {
            None => high = Some(value),
            Some(first) => out.push(first << 4 | value),
        }
    }
    if high.is_some() {
        return Err(PgError::new(
            "22023",
            "invalid hexadecimal data: odd number of digits",
        ));
    }
    Ok(out)
}

/// Reads a bytea's text, in either form.
///
/// # Errors
/// 22P02, 22023.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return parse_hex(digits);
    }
    let invalid = || PgError::new("22P02", "invalid input syntax for type bytea");
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'\\' {
            out.push(*byte);
            at += 1;
            continue;
        }
        if bytes.get(at + 1) == Some(&b'\\') {
            out.push(b'\\');
            at += 2;
            continue;
        }
        let digits = bytes.get(at + 1..at + 4).ok_or_else(invalid)?;
        if digits[0] > b'3' || digits.iter().any(|c| !(b'0'..=b'7').contains(c)) {
            return Err(invalid());
        }
        out.push((digits[0] - b'0') << 6 | (digits[1] - b'0') << 3 | (digits[2] - b'0'));
        at += 4;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_forms_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut out = BytesMut::new();
            write_hex(&bytes, &mut out);
            prop_assert_eq!(&parse(std::str::from_utf8(&out).unwrap()).unwrap(), &bytes);
            out.clear();
            write_escape(&bytes, &mut out);
            prop_assert_eq!(&parse(std::str::from_utf8(&out).unwrap()).unwrap(), &bytes);
        }
    }
}

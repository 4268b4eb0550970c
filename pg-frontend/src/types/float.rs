//! `float4` and `float8` in text: the shortest digits that read back as the same number.

use std::fmt::Write as _;

use bytes::BytesMut;

use crate::error::{PgError, Result};

/// Appends a double as Postgres writes it: `1.5`, `1e+20`, `NaN`.
pub fn write_f64(value: f64, out: &mut BytesMut) {
    if let Some(word) = special(value) {
        out.extend_from_slice(word.as_bytes());
        return;
    }
    // Small whole numbers are the usual case.
    if value.fract() == 0.0 && value.abs() < 1e15 && (value != 0.0 || value.is_sign_positive()) {
        #[allow(clippy::cast_possible_truncation, reason = "below 1e15")]
        super::text::write_int(value as i64, out);
        return;
    }
    let mut text = Short::default();
    let _ = write!(text, "{value:e}");
    write_shortest(text.as_str(), 15, out);
}

/// Appends a float4.
pub fn write_f32(value: f32, out: &mut BytesMut) {
    if let Some(word) = special(f64::from(value)) {
        out.extend_from_slice(word.as_bytes());
        return;
    }
    let mut text = Short::default();
    let _ = write!(text, "{value:e}");
    write_shortest(text.as_str(), 6, out);
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

/// Rust's `1.5e-7` the way C's `%g` would: positional from 1e-4 up to 10^`digits`, else with an
/// exponent of two digits at least.
fn write_shortest(text: &str, digits: i32, out: &mut BytesMut) {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        out.extend_from_slice(text.as_bytes());
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    if exponent < -4 || exponent >= digits {
        out.extend_from_slice(mantissa.as_bytes());
        let mut tail = Short::default();
        let _ = write!(
            tail,
            "e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        );
        out.extend_from_slice(tail.as_str().as_bytes());
        return;
    }
    let mut all = Short::default();
    for c in mantissa.chars().filter(|c| *c != '.') {
        let _ = all.write_char(c);
    }
    let all = all.as_str().as_bytes();
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        for _ in 0..(-exponent - 1) {
            out.extend_from_slice(b"0");
        }
        out.extend_from_slice(all);
        return;
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    if all.len() <= whole {
        out.extend_from_slice(all);
        for _ in all.len()..whole {
            out.extend_from_slice(b"0");
        }
    } else {
        out.extend_from_slice(&all[..whole]);
        out.extend_from_slice(b".");
        out.extend_from_slice(&all[whole..]);
    }
}

/// A short text on the stack.
#[derive(Debug)]
pub(super) struct Short {
    bytes: [u8; 48],
    length: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self {
            bytes: [0; 48],
            length: 0,
        }
    }
}

impl Short {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Reads a double as Postgres accepts it.
///
/// # Errors
/// 22P02; 22003 where it is out of range.
pub fn parse_f64(text: &str) -> Result<f64> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let invalid = || {
        PgError::new(
            "22P02",
            format!("invalid input syntax for type double precision: \"{text}\""),
        )
    };
    let value: f64 = match trimmed.to_ascii_lowercase().as_str() {
        "nan" => f64::NAN,
        "infinity" | "inf" | "+infinity" | "+inf" => return Ok(f64::INFINITY),
        "-infinity" | "-inf" => return Ok(f64::NEG_INFINITY),
        lower if lower.bytes().any(|c| c.is_ascii_digit()) => {
            lower.parse().map_err(|_| invalid())?
        }
        _ => return Err(invalid()),
    };
    if value.is_infinite() {
        return Err(PgError::new(
            "22003",
            format!("\"{trimmed}\" is out of range for type double precision"),
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: f64) -> String {
        let mut out = BytesMut::new();
        write_f64(value, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn as_postgres_15_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e100, "1e+100"),
            (-2.5e-10, "-2.5e-10"),
        ] {
            assert_eq!(shown(value), text);
        }
        let mut out = BytesMut::new();
        write_f32(0.1, &mut out);
        assert_eq!(&out[..], b"0.1");
    }

    proptest! {
        #[test]
        fn any_double_comes_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let back = parse_f64(&shown(value)).unwrap();
            prop_assert!(back == value || back.is_nan() && value.is_nan());
        }
    }
}

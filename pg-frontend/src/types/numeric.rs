//! `numeric`: exact decimals, with the scale that Postgres shows.
//!
//! A value is `unscaled / 10^scale`. Sums, differences and products are exact; quotients get the
//! digits that Postgres gives them (`select_div_scale` in its `numeric.c`).
//! <https://www.postgresql.org/docs/15/datatype-numeric.html>

mod arithmetic;
mod wire;

use crate::error::{PgError, Result};
use num_bigint::{BigInt, Sign};
use rusqlite::types::ValueRef;
use std::cmp::Ordering;
use std::fmt;

/// The most digits behind the point.
pub(super) const MAX_SCALE: u32 = 16383;

/// Significant digits of a quotient, at least.
pub(super) const MIN_SIGNIFICANT: i64 = 16;

/// A number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numeric {
    /// An ordinary one.
    Finite {
        /// All its digits.
        unscaled: BigInt,
        /// How many of them are behind the point.
        scale: u32,
    },
    /// `NaN`
    NaN,
    /// `Infinity`
    Infinity,
    /// `-Infinity`
    NegInfinity,
}

/// 10 to a power.
pub(super) fn ten(power: u32) -> BigInt {
    BigInt::from(10u32).pow(power)
}

pub(super) fn finite(unscaled: BigInt, scale: u32) -> Numeric {
    Numeric::Finite { unscaled, scale }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        finite(BigInt::from(value), 0)
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Self {
        finite(BigInt::from(value), 0)
    }
}

impl Numeric {
    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self::from(0i64)
    }

    /// Reads a number as Postgres writes and accepts it: `12.50`, `-1e10`, `NaN`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if !digits
            .as_bytes()
            .first()
            .is_some_and(|c| c.is_ascii_digit() || *c == b'.')
        {
            return match digits.to_ascii_lowercase().as_str() {
                "nan" if digits.len() == text.len() => Some(Self::NaN),
                "infinity" | "inf" => Some(if negative {
                    Self::NegInfinity
                } else {
                    Self::Infinity
                }),
                _ => None,
            };
        }
        let (mantissa, exponent) = match digits.find(['e', 'E']) {
            Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().ok()?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|c| c.is_ascii_digit())
        {
            return None;
        }
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        if scale > i64::from(MAX_SCALE) || scale < -131_072 || whole.len() > 131_072 {
            return None;
        }
        let unscaled = if whole.len() + fraction.len() <= 18 {
            let mut value = 0i64;
            for digit in whole.bytes().chain(fraction.bytes()) {
                value = value * 10 + i64::from(digit - b'0');
            }
            BigInt::from(value)
        } else {
            BigInt::parse_bytes(format!("{whole}{fraction}").as_bytes(), 10)?
        };
        let unscaled = if negative { -unscaled } else { unscaled };
        Some(match u32::try_from(scale) {
            Ok(scale) => finite(unscaled, scale),
            Err(_) => finite(unscaled * ten(u32::try_from(-scale).ok()?), 0),
        })
    }

    /// From a value of SQLite's that stands for a number; none for NULL, a BLOB, or text that is no number.
    #[must_use]
    pub fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(value) => Some(Self::from(value)),
            ValueRef::Real(value) => Self::shortest(value),
            ValueRef::Text(text) => Self::parse(std::str::from_utf8(text).ok()?),
            ValueRef::Null | ValueRef::Blob(_) => None,
        }
    }

    /// The shortest decimal that reads back as this double: what a numeric column kept as REAL means.
    #[must_use]
    pub fn shortest(value: f64) -> Option<Self> {
        if value.is_finite() {
            return Self::parse(&format!("{value:e}"));
        }
        Some(Self::special(value))
    }

    /// A double cast to `numeric`: 15 significant digits.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if value.is_finite() {
            let text = format!("{value:.14e}");
            return Self::parse(&text).map(|number| number.trimmed());
        }
        Some(Self::special(value))
    }

    pub(super) fn special(value: f64) -> Self {
        if value.is_nan() {
            Self::NaN
        } else if value > 0.0 {
            Self::Infinity
        } else {
            Self::NegInfinity
        }
    }

    /// Without zeros at the end of the fraction.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let Self::Finite {
            mut unscaled,
            mut scale,
        } = self
        else {
            return self;
        };
        let ten = BigInt::from(10);
        while scale > 0 && (&unscaled % &ten).sign() == Sign::NoSign {
            unscaled /= &ten;
            scale -= 1;
        }
        finite(unscaled, scale)
    }

    /// Digits behind the point.
    #[must_use]
    pub fn scale(&self) -> u32 {
        match self {
            Self::Finite { scale, .. } => *scale,
            _ => 0,
        }
    }

    /// It is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Finite { unscaled, .. } if unscaled.sign() == Sign::NoSign)
    }

    /// It is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        match self {
            Self::Finite { unscaled, .. } => unscaled.sign() == Sign::Minus,
            Self::NegInfinity => true,
            _ => false,
        }
    }

    /// How they order; NaN is above all.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        if let Some((a, b, _)) = self.aligned(other) {
            return a.cmp(&b);
        }
        let rank = |number: &Self| match number {
            Self::NegInfinity => 0,
            Self::Finite { .. } => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        };
        rank(self).cmp(&rank(other))
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match self {
            Self::Finite { .. } => self.to_string().parse().unwrap_or(f64::NAN),
            Self::NaN => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::NegInfinity => f64::NEG_INFINITY,
        }
    }

    /// Rounded to a whole number, where it fits.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        match self.round(0) {
            Self::Finite { unscaled, .. } => i64::try_from(unscaled).ok(),
            _ => None,
        }
    }

    /// Made to fit `numeric(precision, scale)`.
    ///
    /// # Errors
    /// 22003 where it has more digits before the point.
    pub fn fit(self, modifier: i32) -> Result<Self> {
        let Some((precision, scale)) = super::names::precision_and_scale(modifier) else {
            return Ok(self);
        };
        let rounded = self.round(i64::from(scale));
        let too_big = match &rounded {
            Self::Finite { unscaled, .. } => {
                let limit = u32::try_from(precision - scale.min(0)).unwrap_or(0);
                unscaled.magnitude() >= ten(limit).magnitude()
            }
            Self::NaN => false,
            Self::Infinity | Self::NegInfinity => true,
        };
        if too_big {
            let mut error = PgError::new("22003", "numeric field overflow");
            error.detail = Some(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
                precision - scale
            ));
            return Err(error);
        }
        Ok(rounded)
    }
}

/// 22012.
#[must_use]
pub fn division_by_zero() -> PgError {
    PgError::new("22012", "division by zero")
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Finite { unscaled, scale } = self else {
            return f.write_str(match self {
                Self::Infinity => "Infinity",
                Self::NegInfinity => "-Infinity",
                _ => "NaN",
            });
        };
        let digits = unscaled.magnitude().to_string();
        if unscaled.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        let scale = *scale as usize;
        if scale == 0 {
            return f.write_str(&digits);
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn n(text: &str) -> Numeric {
        Numeric::parse(text).unwrap()
    }

    #[test]
    fn arithmetic_as_postgres_15_does_it() {
        assert_eq!(
            n("1").div(&n("3")).unwrap().to_string(),
            "0.33333333333333333333"
        );
        assert_eq!(
            n("10").div(&n("4")).unwrap().to_string(),
            "2.5000000000000000"
        );
        assert_eq!(
            n("100000").div(&n("3")).unwrap().to_string(),
            "33333.333333333333"
        );
        assert_eq!(n("1.50").mul(&n("2")).to_string(), "3.00");
        assert_eq!(n("1.005").round(2).to_string(), "1.01");
        assert_eq!(n("-2.5").round(0).to_string(), "-3");
        assert_eq!(n("1234").round(-2).to_string(), "1200");
        assert_eq!(n("-7").rem(&n("3")).unwrap().to_string(), "-1");
        assert_eq!(n("2").sqrt().unwrap().to_string(), "1.414213562373095");
        assert_eq!(n("-1.5").floor().to_string(), "-2");
        assert_eq!(n("1e-3").to_string(), "0.001");
        assert_eq!(n("1.20e2").to_string(), "120");
    }

    proptest! {
        #[test]
        fn text_and_binary_come_back(digits in "-?[0-9]{1,40}(\\.[0-9]{1,30})?") {
            let number = n(&digits);
            prop_assert_eq!(&n(&number.to_string()), &number);
            let mut out = bytes::BytesMut::new();
            number.write_binary(&mut out);
            prop_assert_eq!(&Numeric::read_binary(&out).unwrap(), &number);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Numeric::read_binary(&bytes);
            let _ = Numeric::parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn doubles_of_fifteen_digits_come_back(mantissa in -999_999_999_999_999i64..999_999_999_999_999, scale in 0u32..10) {
            let number = Numeric::Finite { unscaled: BigInt::from(mantissa), scale };
            let back = Numeric::shortest(number.to_f64()).unwrap();
            prop_assert_eq!(back.compare(&number), Ordering::Equal);
        }
    }
}

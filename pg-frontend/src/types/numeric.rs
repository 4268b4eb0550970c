//! `numeric`: exact decimals, with the scale that Postgres shows.
//!
//! A value is `unscaled / 10^scale`. Sums, differences and products are exact; quotients get the
//! digits that Postgres gives them (`select_div_scale` in its `numeric.c`).
//! <https://www.postgresql.org/docs/15/datatype-numeric.html>

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};
use rusqlite::types::ValueRef;

use crate::error::{PgError, Result};

/// The most digits behind the point.
const MAX_SCALE: u32 = 16383;
/// Significant digits of a quotient, at least.
const MIN_SIGNIFICANT: i64 = 16;

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
fn ten(power: u32) -> BigInt {
    BigInt::from(10u32).pow(power)
}

fn finite(unscaled: BigInt, scale: u32) -> Numeric {
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

    fn special(value: f64) -> Self {
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

    fn raised(unscaled: &BigInt, from: u32, to: u32) -> BigInt {
        if to > from {
            unscaled * ten(to - from)
        } else {
            unscaled.clone()
        }
    }

    /// Both on the scale of the finer one.
    fn aligned(&self, other: &Self) -> Option<(BigInt, BigInt, u32)> {
        match (self, other) {
            (
                Self::Finite {
                    unscaled: a,
                    scale: s,
                },
                Self::Finite {
                    unscaled: b,
                    scale: t,
                },
            ) => {
                let scale = (*s).max(*t);
                Some((
                    Self::raised(a, *s, scale),
                    Self::raised(b, *t, scale),
                    scale,
                ))
            }
            _ => None,
        }
    }

    /// Arithmetic with NaN or infinities goes by doubles' rules.
    fn by_doubles(&self, other: &Self, operation: fn(f64, f64) -> f64) -> Self {
        let value = |number: &Self| match number {
            Self::Finite { unscaled, .. } => match unscaled.sign() {
                Sign::Minus => -1.0,
                Sign::NoSign => 0.0,
                Sign::Plus => 1.0,
            },
            special => special.to_f64(),
        };
        let result = operation(value(self), value(other));
        if result == 0.0 {
            Self::zero()
        } else {
            Self::special(result)
        }
    }

    /// The sum.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        match self.aligned(other) {
            Some((a, b, scale)) => finite(a + b, scale),
            None => self.by_doubles(other, |a, b| a + b),
        }
    }

    /// The difference.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        match self.aligned(other) {
            Some((a, b, scale)) => finite(a - b, scale),
            None => self.by_doubles(other, |a, b| a - b),
        }
    }

    /// The product.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::Finite {
                    unscaled: a,
                    scale: s,
                },
                Self::Finite {
                    unscaled: b,
                    scale: t,
                },
            ) => {
                let product = finite(a * b, s + t);
                if s + t > MAX_SCALE {
                    product.round(i64::from(MAX_SCALE))
                } else {
                    product
                }
            }
            _ => self.by_doubles(other, |a, b| a * b),
        }
    }

    /// The quotient, with as many digits as Postgres gives it. By zero: 22012.
    ///
    /// # Errors
    /// 22012.
    pub fn div(&self, other: &Self) -> Result<Self> {
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if let (Self::Finite { .. }, Self::Finite { .. }) = (self, other) {
            let scale = self.quotient_scale(other);
            return Ok(self.div_to(other, scale));
        }
        Ok(self.by_doubles(other, |a, b| a / b))
    }

    /// The quotient rounded to a scale; both finite, the divisor not zero.
    fn div_to(&self, other: &Self, scale: u32) -> Self {
        let (
            Self::Finite {
                unscaled: a,
                scale: s,
            },
            Self::Finite {
                unscaled: b,
                scale: t,
            },
        ) = (self, other)
        else {
            return Self::NaN;
        };
        // a/10^s / (b/10^t) = a*10^(t+scale) / (b*10^s) / 10^scale
        let above = a * ten(t + scale);
        let below = b * ten(*s);
        finite(round_quotient(&above, &below), scale)
    }

    /// The place of the first digit in groups of four, and that group.
    fn leading(&self) -> (i64, i64) {
        let Self::Finite { unscaled, scale } = self else {
            return (0, 0);
        };
        if unscaled.sign() == Sign::NoSign {
            return (0, 0);
        }
        let digits = unscaled.magnitude().to_string();
        let exponent = digits.len() as i64 - 1 - i64::from(*scale);
        let weight = exponent.div_euclid(4);
        let wanted = usize::try_from(exponent.rem_euclid(4)).unwrap_or(0) + 1;
        let mut group = 0i64;
        for index in 0..wanted {
            let digit = digits
                .as_bytes()
                .get(index)
                .map_or(0, |c| i64::from(c - b'0'));
            group = group * 10 + digit;
        }
        (weight, group)
    }

    fn quotient_scale(&self, other: &Self) -> u32 {
        let (weight_a, first_a) = self.leading();
        let (weight_b, first_b) = other.leading();
        let mut weight = weight_a - weight_b;
        if first_a <= first_b {
            weight -= 1;
        }
        let scale = (MIN_SIGNIFICANT - weight * 4)
            .max(i64::from(self.scale()))
            .max(i64::from(other.scale()))
            .clamp(0, 1000);
        u32::try_from(scale).unwrap_or(0)
    }

    /// The remainder of the division, with the dividend's sign.
    ///
    /// # Errors
    /// 22012.
    pub fn rem(&self, other: &Self) -> Result<Self> {
        if other.is_zero() {
            return Err(division_by_zero());
        }
        Ok(match self.aligned(other) {
            Some((a, b, scale)) => finite(a % b, scale),
            None => match (self, other) {
                (Self::Finite { .. }, Self::Infinity | Self::NegInfinity) => self.clone(),
                _ => Self::NaN,
            },
        })
    }

    /// The quotient without its fraction (`div`).
    ///
    /// # Errors
    /// 22012.
    pub fn div_trunc(&self, other: &Self) -> Result<Self> {
        if other.is_zero() {
            return Err(division_by_zero());
        }
        Ok(match self.aligned(other) {
            Some((a, b, _)) => finite(a / b, 0),
            None => self.by_doubles(other, |a, b| a / b),
        })
    }

    /// With its sign turned.
    #[must_use]
    pub fn neg(&self) -> Self {
        match self {
            Self::Finite { unscaled, scale } => finite(-unscaled, *scale),
            Self::NaN => Self::NaN,
            Self::Infinity => Self::NegInfinity,
            Self::NegInfinity => Self::Infinity,
        }
    }

    /// Rounded half away from zero to a scale, which may be negative.
    #[must_use]
    pub fn round(&self, to: i64) -> Self {
        self.rescale(to, round_quotient)
    }

    /// Cut to a scale, which may be negative.
    #[must_use]
    pub fn trunc(&self, to: i64) -> Self {
        self.rescale(to, |a, b| a / b)
    }

    fn rescale(&self, to: i64, divide: fn(&BigInt, &BigInt) -> BigInt) -> Self {
        let Self::Finite { unscaled, scale } = self else {
            return self.clone();
        };
        let to = to.clamp(-200_000, i64::from(MAX_SCALE));
        let by = i64::from(*scale) - to;
        let target = u32::try_from(to.max(0)).unwrap_or(0);
        if by <= 0 {
            let missing = u32::try_from(-by).unwrap_or(0);
            return finite(unscaled * ten(missing), target);
        }
        let by = u32::try_from(by).unwrap_or(u32::MAX);
        let value = divide(unscaled, &ten(by));
        match u32::try_from(-to) {
            Ok(zeros) if zeros > 0 => finite(value * ten(zeros), 0),
            _ => finite(value, target),
        }
    }

    /// The largest whole number not above it.
    #[must_use]
    pub fn floor(&self) -> Self {
        let cut = self.trunc(0);
        if self.is_negative() && cut.compare(self) != Ordering::Equal {
            return cut.sub(&Self::from(1i64));
        }
        cut
    }

    /// The smallest whole number not below it.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.neg().floor().neg()
    }

    /// The square root, with the digits Postgres gives it; below zero: 2201F.
    ///
    /// # Errors
    /// 2201F.
    pub fn sqrt(&self) -> Result<Self> {
        if self.is_negative() {
            return Err(PgError::new(
                "2201F",
                "cannot take square root of a negative number",
            ));
        }
        let Self::Finite { unscaled, scale } = self else {
            return Ok(self.clone());
        };
        let (weight, _) = self.leading();
        let root = if weight >= 0 {
            (weight + 1) * 2 - 1
        } else {
            1 - (1 - weight) * 2
        };
        let digits = (MIN_SIGNIFICANT - root)
            .max(i64::from(*scale))
            .clamp(0, 1000);
        let digits = u32::try_from(digits).unwrap_or(0);
        // One digit more, then round.
        let shift = 2 * (digits + 1);
        let raised: BigUint = if shift >= *scale {
            unscaled.magnitude() * ten(shift - scale).magnitude()
        } else {
            unscaled.magnitude() / ten(scale - shift).magnitude()
        };
        Ok(finite(BigInt::from(raised.sqrt()), digits + 1).round(i64::from(digits)))
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

    /// Sign and decimal digits, for the binary form: groups of four digits from the highest, the
    /// first group's weight.
    fn groups(&self) -> (bool, i16, Vec<u16>, u16) {
        let Self::Finite { unscaled, scale } = self else {
            return (false, 0, Vec::new(), 0);
        };
        let mut digits = unscaled.magnitude().to_string();
        let scale_usize = *scale as usize;
        while digits.len() <= scale_usize {
            digits.insert(0, '0');
        }
        let (whole, fraction) = digits.split_at(digits.len() - scale_usize);
        let head = whole.len().div_ceil(4) * 4;
        let tail = fraction.len().div_ceil(4) * 4;
        // More zeros than a format's width may be.
        let zeros = |count: usize| "0".repeat(count);
        let padded = format!(
            "{}{whole}{fraction}{}",
            zeros(head - whole.len()),
            zeros(tail - fraction.len())
        );
        let mut groups: Vec<u16> = padded
            .as_bytes()
            .chunks(4)
            .map(|group| {
                group
                    .iter()
                    .fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
            })
            .collect();
        let mut weight = (head / 4) as i64 - 1;
        let zeros = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..zeros);
        weight -= zeros as i64;
        while groups.last() == Some(&0) {
            groups.pop();
        }
        if groups.is_empty() {
            weight = 0;
        }
        let negative = unscaled.sign() == Sign::Minus;
        (
            negative,
            i16::try_from(weight).unwrap_or(i16::MAX),
            groups,
            u16::try_from(*scale).unwrap_or(u16::MAX),
        )
    }

    /// Appends the binary form: groups, weight, sign, scale, groups of four digits.
    pub fn write_binary(&self, out: &mut bytes::BytesMut) {
        let (negative, weight, groups, scale) = self.groups();
        let sign: u16 = match self {
            Self::Finite { .. } => {
                if negative {
                    0x4000
                } else {
                    0
                }
            }
            Self::NaN => 0xC000,
            Self::Infinity => 0xD000,
            Self::NegInfinity => 0xF000,
        };
        out.extend_from_slice(
            &u16::try_from(groups.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&scale.to_be_bytes());
        for group in groups {
            out.extend_from_slice(&group.to_be_bytes());
        }
    }

    /// Reads the binary form.
    #[must_use]
    pub fn read_binary(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let count = usize::from(word(0)?);
        let weight = i64::from(word(2)?.cast_signed());
        let sign = word(4)?;
        let scale = u32::from(word(6)?);
        if bytes.len() != 8 + count * 2 || scale > MAX_SCALE {
            return None;
        }
        match sign {
            0xC000 => return Some(Self::NaN),
            0xD000 => return Some(Self::Infinity),
            0xF000 => return Some(Self::NegInfinity),
            0 | 0x4000 => {}
            _ => return None,
        }
        let mut unscaled = BigInt::from(0);
        for index in 0..count {
            let group = word(8 + index * 2)?;
            if group > 9999 {
                return None;
            }
            unscaled = unscaled * 10_000 + group;
        }
        // The last group's place is 10^(4 * (weight - count + 1)).
        let place = 4 * (weight - count as i64 + 1);
        let number = if place >= 0 {
            finite(unscaled * ten(u32::try_from(place).ok()?), 0)
        } else {
            finite(unscaled, u32::try_from(-place).ok()?)
        };
        let number = if sign == 0x4000 { number.neg() } else { number };
        Some(number.trunc(i64::from(scale)))
    }
}

/// `a / b`, rounded half away from zero.
fn round_quotient(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b;
    let rest = a - &quotient * b;
    let twice: BigUint = rest.magnitude() * 2u32;
    if twice >= *b.magnitude() {
        let negative = (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
        return if negative { quotient - 1 } else { quotient + 1 };
    }
    quotient
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

//! What is computed: sums, products, quotients and roots, with the scales that Postgres gives them.

use crate::error::{PgError, Result};
use num_bigint::{BigInt, BigUint, Sign};
use std::cmp::Ordering;

use super::{MAX_SCALE, MIN_SIGNIFICANT, Numeric, division_by_zero, finite, ten};

impl Numeric {
    fn raised(unscaled: &BigInt, from: u32, to: u32) -> BigInt {
        if to > from {
            unscaled * ten(to - from)
        } else {
            unscaled.clone()
        }
    }

    /// Both on the scale of the finer one.
    pub(super) fn aligned(&self, other: &Self) -> Option<(BigInt, BigInt, u32)> {
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

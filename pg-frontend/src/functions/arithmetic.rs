//! Integers, floats and numerics.

use std::cell::Cell;

use num_bigint::BigInt;
use rusqlite::types::{Value, ValueRef};

use super::{Arguments, Entry, numeric_value, text_value};
use crate::error::{PgError, Result};
use crate::types::numeric::{Numeric, division_by_zero};

fn out_of_range() -> PgError {
    PgError::new("22003", "bigint out of range")
}

fn real(value: f64) -> Result<Value> {
    Ok(Value::Real(value))
}

/// A result that is infinite where no argument was is an overflow.
fn finite(value: f64) -> Result<Value> {
    if value.is_infinite() {
        return Err(PgError::new("22003", "value out of range: overflow"));
    }
    real(value)
}

fn domain(message: &str, code: &'static str) -> PgError {
    PgError::new(code, message)
}

/// A numeric function by way of doubles, with 16 significant digits.
fn by_double(a: &Arguments<'_>, function: fn(f64) -> f64) -> Result<Value> {
    let value = function(a.numeric(0)?.to_f64());
    shown(value)
}

fn shown(value: f64) -> Result<Value> {
    if !value.is_finite() {
        return text_value(
            Numeric::from_f64(value).map_or_else(|| "NaN".to_owned(), |number| number.to_string()),
        );
    }
    let magnitude = if value == 0.0 {
        0
    } else {
        value.abs().log10().floor() as i32
    };
    let digits = usize::try_from((15 - magnitude).clamp(0, 40)).unwrap_or(16);
    // What a double does not tell is shown as zero.
    text_value(format!("{value:.digits$}0"))
}

pub(super) const STRICT: &[Entry] = &[
    ("pg_div", 2, |a| {
        let (x, y) = (a.int(0)?, a.int(1)?);
        if y == 0 {
            return Err(division_by_zero());
        }
        x.checked_div(y)
            .map(Value::Integer)
            .ok_or_else(out_of_range)
    }),
    ("pg_mod", 2, |a| {
        let (x, y) = (a.int(0)?, a.int(1)?);
        if y == 0 {
            return Err(division_by_zero());
        }
        Ok(Value::Integer(x.wrapping_rem(y)))
    }),
    ("pg_xor", 2, |a| Ok(Value::Integer(a.int(0)? ^ a.int(1)?))),
    ("pg_shift", 3, |a| {
        let (value, by, size) = (a.int(0)?, a.int(1)?, a.int(2)?);
        let bits = u32::try_from(size * 8).unwrap_or(64);
        let by_mod = u32::try_from(by.unsigned_abs() % u64::from(bits)).unwrap_or(0);
        let shifted = if by < 0 {
            value >> by_mod
        } else {
            value.wrapping_shl(by_mod)
        };
        // Cut to the type's width.
        let spare = 64 - bits;
        Ok(Value::Integer(shifted.wrapping_shl(spare) >> spare))
    }),
    ("pg_abs", 1, |a| {
        a.int(0)?
            .checked_abs()
            .map(Value::Integer)
            .ok_or_else(out_of_range)
    }),
    ("pg_gcd", 2, |a| {
        let (mut x, mut y) = (a.int(0)?.unsigned_abs(), a.int(1)?.unsigned_abs());
        while y != 0 {
            (x, y) = (y, x % y);
        }
        i64::try_from(x)
            .map(Value::Integer)
            .map_err(|_| out_of_range())
    }),
    ("pg_lcm", 2, |a| {
        let (p, q) = (a.int(0)?, a.int(1)?);
        let (mut x, mut y) = (p.unsigned_abs(), q.unsigned_abs());
        while y != 0 {
            (x, y) = (y, x % y);
        }
        if x == 0 {
            return Ok(Value::Integer(0));
        }
        let x = i64::try_from(x).map_err(|_| out_of_range())?;
        (p / x)
            .checked_mul(q)
            .and_then(i64::checked_abs)
            .map(Value::Integer)
            .ok_or_else(out_of_range)
    }),
    ("pg_factorial", 1, |a| {
        let n = a.int(0)?;
        if n < 0 {
            return Err(domain(
                "factorial of a negative number is undefined",
                "22003",
            ));
        }
        if n > 3000 {
            return Err(domain("value overflows numeric format", "22003"));
        }
        let product = (2..=n).fold(BigInt::from(1), |product, factor| product * factor);
        numeric_value(&Numeric::Finite {
            unscaled: product,
            scale: 0,
        })
    }),
    ("pg_float_div", 2, |a| {
        let (x, y) = (a.real(0)?, a.real(1)?);
        if y == 0.0 && !x.is_nan() {
            return Err(division_by_zero());
        }
        real(x / y)
    }),
    ("pg_power", 2, |a| {
        let (x, y) = (a.real(0)?, a.real(1)?);
        if x == 0.0 && y < 0.0 {
            return Err(domain(
                "zero raised to a negative power is undefined",
                "2201F",
            ));
        }
        if x < 0.0 && y.fract() != 0.0 && x.is_finite() {
            return Err(domain(
                "a negative number raised to a non-integer power yields a complex result",
                "2201F",
            ));
        }
        let value = x.powf(y);
        if x.is_finite() && y.is_finite() {
            finite(value)
        } else {
            real(value)
        }
    }),
    ("pg_sqrt", 1, |a| {
        let x = a.real(0)?;
        if x < 0.0 {
            return Err(domain(
                "cannot take square root of a negative number",
                "2201F",
            ));
        }
        real(x.sqrt())
    }),
    ("pg_cbrt", 1, |a| real(a.real(0)?.cbrt())),
    ("pg_exp", 1, |a| finite(a.real(0)?.exp())),
    ("pg_ln", 1, |a| {
        logarithm(a.real(0)?).map(|x| Value::Real(x.ln()))
    }),
    ("pg_log10", 1, |a| {
        logarithm(a.real(0)?).map(|x| Value::Real(x.log10()))
    }),
    ("pg_round", 1, |a| real(a.real(0)?.round_ties_even())),
    ("pg_sign", 1, |a| {
        let x = a.real(0)?;
        real(if x == 0.0 { 0.0 } else { x.signum() })
    }),
    ("pg_cot", 1, |a| real(1.0 / a.real(0)?.tan())),
    ("pg_asin", 1, |a| inverse(a.real(0)?, f64::asin)),
    ("pg_acos", 1, |a| inverse(a.real(0)?, f64::acos)),
    ("pg_numeric_add", 2, |a| {
        numeric_value(&a.numeric(0)?.add(&a.numeric(1)?))
    }),
    ("pg_numeric_sub", 2, |a| {
        numeric_value(&a.numeric(0)?.sub(&a.numeric(1)?))
    }),
    ("pg_numeric_mul", 2, |a| {
        numeric_value(&a.numeric(0)?.mul(&a.numeric(1)?))
    }),
    ("pg_numeric_div", 2, |a| {
        numeric_value(&a.numeric(0)?.div(&a.numeric(1)?)?)
    }),
    ("pg_numeric_mod", 2, |a| {
        numeric_value(&a.numeric(0)?.rem(&a.numeric(1)?)?)
    }),
    ("pg_numeric_div_trunc", 2, |a| {
        numeric_value(&a.numeric(0)?.div_trunc(&a.numeric(1)?)?)
    }),
    ("pg_numeric_neg", 1, |a| numeric_value(&a.numeric(0)?.neg())),
    ("pg_numeric_abs", 1, |a| {
        let number = a.numeric(0)?;
        numeric_value(&if number.is_negative() {
            number.neg()
        } else {
            number
        })
    }),
    ("pg_numeric_sign", 1, |a| {
        let number = a.numeric(0)?;
        text_value(if number.is_zero() {
            "0"
        } else if number.is_negative() {
            "-1"
        } else {
            "1"
        })
    }),
    ("pg_numeric_ceil", 1, |a| {
        numeric_value(&a.numeric(0)?.ceil())
    }),
    ("pg_numeric_floor", 1, |a| {
        numeric_value(&a.numeric(0)?.floor())
    }),
    ("pg_numeric_round", 1, |a| {
        numeric_value(&a.numeric(0)?.round(0))
    }),
    ("pg_numeric_round", 2, |a| {
        numeric_value(&a.numeric(0)?.round(a.int(1)?))
    }),
    ("pg_numeric_trunc", 1, |a| {
        numeric_value(&a.numeric(0)?.trunc(0))
    }),
    ("pg_numeric_trunc", 2, |a| {
        numeric_value(&a.numeric(0)?.trunc(a.int(1)?))
    }),
    ("pg_numeric_sqrt", 1, |a| {
        numeric_value(&a.numeric(0)?.sqrt()?)
    }),
    ("pg_numeric_exp", 1, |a| by_double(a, f64::exp)),
    ("pg_numeric_ln", 1, |a| {
        logarithm(a.numeric(0)?.to_f64())?;
        by_double(a, f64::ln)
    }),
    ("pg_numeric_log", 1, |a| {
        logarithm(a.numeric(0)?.to_f64())?;
        by_double(a, f64::log10)
    }),
    ("pg_numeric_log_base", 2, |a| {
        let (base, x) = (
            logarithm(a.numeric(0)?.to_f64())?,
            logarithm(a.numeric(1)?.to_f64())?,
        );
        shown(x.ln() / base.ln())
    }),
    ("pg_numeric_power", 2, power),
    ("pg_numeric_scaled", 2, |a| {
        let scale = u32::try_from(a.int(1)?).unwrap_or(0);
        numeric_value(&Numeric::Finite {
            unscaled: BigInt::from(a.int(0)?),
            scale,
        })
    }),
    ("pg_scale", 1, |a| {
        Ok(Value::Integer(a.numeric(0)?.scale().into()))
    }),
    ("pg_min_scale", 1, |a| {
        Ok(Value::Integer(a.numeric(0)?.trimmed().scale().into()))
    }),
    ("pg_trim_scale", 1, |a| {
        numeric_value(&a.numeric(0)?.trimmed())
    }),
    ("pg_width_bucket", 4, |a| {
        let (x, low, high, count) = (a.real(0)?, a.real(1)?, a.real(2)?, a.int(3)?);
        if count <= 0 {
            return Err(domain("count must be greater than zero", "2201G"));
        }
        if low == high {
            return Err(domain("lower bound cannot equal upper bound", "2201G"));
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a bucket's number"
        )]
        let bucket = ((x - low) / (high - low) * count as f64).floor() as i64 + 1;
        Ok(Value::Integer(bucket.clamp(0, count + 1)))
    }),
    ("pg_to_hex", 1, |a| text_value(format!("{:x}", a.int(0)?))),
    ("pg_series_step", 1, |a| {
        let step = a.int(0)?;
        if step == 0 {
            return Err(domain("step size cannot equal zero", "22023"));
        }
        Ok(Value::Integer(step))
    }),
    ("pg_bit_and_string", 2, |a| bit_string(a, |x, y| x & y)),
    ("pg_bit_or_string", 2, |a| bit_string(a, |x, y| x | y)),
    ("pg_bit_xor_string", 2, |a| bit_string(a, |x, y| x ^ y)),
];

pub(super) const NULLABLE: &[Entry] = &[("pg_numeric_extreme", -1, |a| {
    let greatest = a.bool(0)?;
    let mut best: Option<Numeric> = None;
    for index in 1..a.len() {
        if a.value(index) == ValueRef::Null {
            continue;
        }
        let number = a.numeric(index)?;
        let better = best.as_ref().is_none_or(|best| {
            let order = number.compare(best);
            if greatest {
                order.is_gt()
            } else {
                order.is_lt()
            }
        });
        if better {
            best = Some(number);
        }
    }
    best.map_or(Ok(Value::Null), |best| numeric_value(&best))
})];

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// xorshift64*, seeded from the system's randomness.
fn next_random() -> Result<f64> {
    let mut state = SEED.get();
    if state == 0 {
        let mut bytes = [0u8; 8];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
            .map_err(|_| PgError::new("58000", "the system has no randomness"))?;
        state = u64::from_ne_bytes(bytes) | 1;
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    SEED.set(state);
    #[allow(clippy::cast_precision_loss, reason = "53 bits")]
    Ok((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64)
}

pub(super) const VOLATILE: &[Entry] = &[
    ("pg_random", 0, |_| Ok(Value::Real(next_random()?))),
    ("pg_setseed", 1, |a| {
        SEED.set(a.real(0)?.to_bits() | 1);
        Ok(Value::Null)
    }),
    ("pg_gen_random_uuid", 0, |_| {
        let mut bytes = [0u8; 16];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
            .map_err(|_| PgError::new("58000", "the system has no randomness"))?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut out = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push_str(&format!("{byte:02x}"));
        }
        text_value(out)
    }),
];

fn logarithm(x: f64) -> Result<f64> {
    if x == 0.0 {
        return Err(domain("cannot take logarithm of zero", "2201E"));
    }
    if x < 0.0 {
        return Err(domain(
            "cannot take logarithm of a negative number",
            "2201E",
        ));
    }
    Ok(x)
}

fn inverse(x: f64, function: fn(f64) -> f64) -> Result<Value> {
    if x.abs() > 1.0 {
        return Err(domain("input is out of range", "22003"));
    }
    real(function(x))
}

/// Whole powers exactly, others by way of doubles.
fn power(a: &Arguments<'_>) -> Result<Value> {
    let (base, exponent) = (a.numeric(0)?, a.numeric(1)?);
    if base.is_zero() && exponent.is_negative() {
        return Err(domain(
            "zero raised to a negative power is undefined",
            "2201F",
        ));
    }
    let whole = exponent.trunc(0).compare(&exponent).is_eq();
    if base.is_negative() && !whole {
        return Err(domain(
            "a negative number raised to a non-integer power yields a complex result",
            "2201F",
        ));
    }
    if let (true, Some(count)) = (whole, exponent.to_i64())
        && (0..=1000).contains(&count)
    {
        let mut product = Numeric::from(1i64);
        for _ in 0..count {
            product = product.mul(&base);
        }
        // Postgres shows 16 digits, or as many as the base has.
        let digits = product.trunc(0).to_string().trim_start_matches('-').len() as i64;
        let scale = (16 - digits + 1).max(i64::from(base.scale())).max(0);
        return numeric_value(&product.round(scale.clamp(i64::from(base.scale()), 1000)));
    }
    let value = base.to_f64().powf(exponent.to_f64());
    if value.is_infinite() {
        return Err(domain("value overflows numeric format", "22003"));
    }
    shown(value)
}

fn bit_string(a: &Arguments<'_>, operation: fn(u8, u8) -> u8) -> Result<Value> {
    let (x, y) = (a.text(0)?, a.text(1)?);
    if x.len() != y.len() {
        return Err(domain(
            "cannot operate on bit strings of different sizes",
            "22026",
        ));
    }
    let bits: String = x
        .bytes()
        .zip(y.bytes())
        .map(|(x, y)| char::from(b'0' + (operation(x & 1, y & 1) & 1)))
        .collect();
    text_value(bits)
}

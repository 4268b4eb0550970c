//! What lies in SQLite, as a value of a type: one that does not fit is refused.

use crate::error::{PgError, Result};
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::time::{self, parse_timestamp, parse_timestamptz};
use crate::types::zone::Zone;
use crate::types::{Type, float};
use rusqlite::types::ValueRef;

use super::invalid;
use super::literals::{parse_bool, parse_int};

/// A value of SQLite's that cannot be one of the type.
pub(crate) fn misfit(ty: Type, value: ValueRef<'_>) -> PgError {
    let shown = match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).chars().take(80).collect(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    };
    invalid(ty, &shown)
}

/// Text of a value; 22021 where it is no UTF-8.
pub(crate) fn as_str<'a>(ty: Type, value: ValueRef<'a>) -> Result<&'a str> {
    match value {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\"")),
        other => Err(misfit(ty, other)),
    }
}

/// An integer of SQLite's within a type's range.
pub(crate) fn as_int(ty: Type, value: ValueRef<'_>) -> Result<i64> {
    let (low, high) = ty.int_range();
    let integer = match value {
        ValueRef::Integer(integer) => integer,
        #[allow(clippy::cast_possible_truncation, reason = "whole and in range")]
        ValueRef::Real(real) if real.fract() == 0.0 && real.abs() < 9e18 => real as i64,
        ValueRef::Text(_) => return parse_int(ty, as_str(ty, value)?),
        other => return Err(misfit(ty, other)),
    };
    if (low..=high).contains(&integer) {
        return Ok(integer);
    }
    Err(PgError::new(
        "22003",
        format!("{} out of range", ty.display()),
    ))
}

/// A double of SQLite's.
pub(crate) fn as_f64(ty: Type, value: ValueRef<'_>) -> Result<f64> {
    match value {
        ValueRef::Real(real) => Ok(real),
        #[allow(
            clippy::cast_precision_loss,
            reason = "a whole number in a float column"
        )]
        ValueRef::Integer(integer) => Ok(integer as f64),
        ValueRef::Text(_) => float::parse_f64(as_str(ty, value)?),
        other => Err(misfit(ty, other)),
    }
}

/// A boolean of SQLite's.
pub(crate) fn as_bool(value: ValueRef<'_>) -> Result<bool> {
    match value {
        ValueRef::Integer(integer) => Ok(integer != 0),
        ValueRef::Real(real) => Ok(real != 0.0),
        ValueRef::Text(_) => parse_bool(as_str(Type::BOOL, value)?),
        other => Err(misfit(Type::BOOL, other)),
    }
}

/// A number of SQLite's, with the scale of a numeric type.
pub(crate) fn as_numeric(ty: Type, value: ValueRef<'_>) -> Result<Numeric> {
    let number = Numeric::from_value(value).ok_or_else(|| misfit(ty, value))?;
    Ok(
        match crate::types::names::precision_and_scale(ty.modifier) {
            Some((_, scale)) => number.round(scale.into()),
            None => number,
        },
    )
}

/// A moment of SQLite's: its text; a whole number is seconds since 1970, another number a Julian day, as
/// SQLite's own date functions have it.
pub(crate) fn as_moment(ty: Type, value: ValueRef<'_>) -> Result<i64> {
    match value {
        ValueRef::Text(bytes) => match time::canonical(bytes) {
            Some(micros) => Ok(micros),
            None if ty.oid == 1184 => parse_timestamptz(
                as_str(ty, value)?,
                crate::types::style::DateOrder::Mdy,
                Zone::UTC,
            ),
            None => parse_timestamp(as_str(ty, value)?, crate::types::style::DateOrder::Mdy),
        },
        ValueRef::Integer(seconds) => seconds
            .checked_mul(time::SECOND)
            .map(|micros| micros - crate::types::zone::EPOCH_2000)
            .ok_or_else(|| misfit(ty, value))
            .and_then(|micros| time::check(micros, "timestamp")),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "checked by the range of years"
        )]
        ValueRef::Real(day) if day.abs() < 1e8 => time::check(
            ((day - 2_451_544.5) * 86_400e3).round() as i64 * 1000,
            "timestamp",
        ),
        other => Err(misfit(ty, other)),
    }
}

/// A day's number of SQLite's.
pub(crate) fn as_date(value: ValueRef<'_>) -> Result<i32> {
    match as_moment(Type::DATE, value)? {
        time::INFINITY => Ok(i32::MAX),
        time::NEG_INFINITY => Ok(i32::MIN),
        micros => Ok(time::split(micros).0),
    }
}

/// An interval of SQLite's.
pub(crate) fn as_interval(value: ValueRef<'_>) -> Result<Interval> {
    match value {
        ValueRef::Integer(seconds) => Ok(Interval {
            micros: seconds.saturating_mul(time::SECOND),
            ..Interval::default()
        }),
        other => Interval::parse(as_str(Type::INTERVAL, other)?, None),
    }
}

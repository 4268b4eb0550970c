//! `extract` and `date_part`, `date_trunc`.

use crate::error::{PgError, Result};
use crate::functions::session::style;
use crate::functions::{Arguments, text_value};
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::time::{self, DAY, SECOND, civil, days_of, split};
use crate::types::zone::EPOCH_2000;
use rusqlite::types::Value;

use super::{interval, is_special, moment};

pub(super) fn unit_error(unit: &str, ty: &str) -> PgError {
    PgError::new(
        "22023",
        format!("unit \"{unit}\" not recognized for type {ty}"),
    )
}

/// The beginning of the week, ISO's: Monday.
pub(in crate::functions) fn monday(days: i32) -> i32 {
    days - (days + 5).rem_euclid(7)
}

/// ISO year and week of a day.
pub(in crate::functions) fn iso_week(days: i32) -> (i32, i32) {
    let thursday = monday(days) + 3;
    let (year, _, _) = civil(thursday);
    (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
}

pub(super) fn truncated(unit: &str, micros: i64) -> Result<i64> {
    if is_special(micros) {
        return Ok(micros);
    }
    let (days, rest) = split(micros);
    let (year, month, _) = civil(days);
    let whole = |size: i64| Ok(i64::from(days) * DAY + rest / size * size);
    let first = |year: i32, month: i32| Ok(i64::from(days_of(year, month, 1)) * DAY);
    match unit.to_ascii_lowercase().as_str() {
        "microseconds" | "microsecond" => Ok(micros),
        "milliseconds" | "millisecond" => whole(1000),
        "second" | "seconds" => whole(SECOND),
        "minute" | "minutes" => whole(60 * SECOND),
        "hour" | "hours" => whole(3600 * SECOND),
        "day" | "days" => Ok(i64::from(days) * DAY),
        "week" | "weeks" => Ok(i64::from(monday(days)) * DAY),
        "month" | "months" => first(year, month),
        "quarter" => first(year, (month - 1) / 3 * 3 + 1),
        "year" | "years" => first(year, 1),
        "decade" => first(year / 10 * 10, 1),
        "century" => first((year - 1) / 100 * 100 + 1, 1),
        "millennium" => first((year - 1) / 1000 * 1000 + 1, 1),
        other => Err(unit_error(other, "timestamp without time zone")),
    }
}

/// A whole number.
pub(super) fn whole(value: i64) -> Result<Value> {
    text_value(value.to_string())
}

/// Microseconds as seconds with six digits.
pub(super) fn seconds(micros: impl Into<num_bigint::BigInt>, digits: i64) -> Result<Value> {
    let number = Numeric::Finite {
        unscaled: micros.into(),
        scale: 6,
    };
    text_value(number.round(digits).to_string())
}

pub(super) fn extract(a: &Arguments<'_>) -> Result<Value> {
    let field = a.text(0)?.to_ascii_lowercase();
    match a.int(2)? {
        1186 => extract_interval(&field, interval(a, 1)?),
        1083 | 1266 => {
            let (micros, zone) = time::parse_time(a.text(1)?)?;
            extract_clock(&field, micros, zone.map_or(0, |zone| zone.offset_at(0)))
                .unwrap_or_else(|| Err(unit_error(&field, "time without time zone")))
        }
        oid => extract_moment(&field, moment(a, 1)?, oid),
    }
}

fn extract_clock(field: &str, rest: i64, offset: i32) -> Option<Result<Value>> {
    Some(match field {
        "hour" | "hours" => whole(rest / (3600 * SECOND)),
        "minute" | "minutes" => whole(rest / (60 * SECOND) % 60),
        "second" | "seconds" => seconds(rest % (60 * SECOND), 6),
        "millisecond" | "milliseconds" => text_value(
            Numeric::Finite {
                unscaled: (rest % (60 * SECOND)).into(),
                scale: 3,
            }
            .to_string(),
        ),
        "microsecond" | "microseconds" => whole(rest % (60 * SECOND)),
        "epoch" => seconds(rest - i64::from(offset) * SECOND, 6),
        _ => return None,
    })
}

fn extract_moment(field: &str, micros: i64, oid: i64) -> Result<Value> {
    if is_special(micros) {
        return match field {
            "epoch" | "year" | "julian" | "century" | "decade" | "millennium" | "isoyear" => {
                text_value(if micros == time::INFINITY {
                    "Infinity"
                } else {
                    "-Infinity"
                })
            }
            _ => Ok(Value::Null),
        };
    }
    let zone = style().zone;
    let offset = if oid == 1184 {
        zone.offset_at(micros)
    } else {
        0
    };
    let shown = micros + i64::from(offset) * SECOND;
    let (days, rest) = split(shown);
    let (year, month, day) = civil(days);
    match field {
        "year" | "years" => whole(year.into()),
        "month" | "months" => whole(month.into()),
        "day" | "days" => whole(day.into()),
        "dow" => whole(i64::from((days + 6).rem_euclid(7))),
        "isodow" => whole(i64::from((days + 5).rem_euclid(7) + 1)),
        "doy" => whole(i64::from(days - days_of(year, 1, 1) + 1)),
        "week" | "weeks" => whole(iso_week(days).1.into()),
        "isoyear" => whole(iso_week(days).0.into()),
        "quarter" => whole(i64::from((month - 1) / 3 + 1)),
        "decade" | "decades" => whole(i64::from(year.div_euclid(10))),
        "century" | "centuries" => whole(i64::from((year + 99) / 100)),
        "millennium" | "millennia" => whole(i64::from((year + 999) / 1000)),
        "julian" => {
            let fraction = Numeric::from(rest).div(&Numeric::from(DAY))?;
            let number = Numeric::from(i64::from(days) + 2_451_545).add(&fraction);
            text_value(if oid == 1082 {
                (i64::from(days) + 2_451_545).to_string()
            } else {
                number.to_string()
            })
        }
        "epoch" if oid == 1082 => whole((micros + EPOCH_2000) / SECOND),
        "epoch" => seconds(micros + EPOCH_2000, 6),
        "timezone" if oid == 1184 => whole(offset.into()),
        "timezone_hour" if oid == 1184 => whole(i64::from(offset / 3600)),
        "timezone_minute" if oid == 1184 => whole(i64::from(offset / 60 % 60)),
        _ => {
            let ty = match oid {
                1082 => "date",
                1184 => "timestamp with time zone",
                _ => "timestamp without time zone",
            };
            extract_clock(field, rest, 0)
                .filter(|_| oid != 1082)
                .unwrap_or_else(|| {
                    let known = matches!(
                        field,
                        "hour" | "minute" | "second" | "milliseconds" | "microseconds" | "timezone"
                    );
                    let code = if known { "0A000" } else { "22023" };
                    let word = if known { "supported" } else { "recognized" };
                    Err(PgError::new(
                        code,
                        format!("unit \"{field}\" not {word} for type {ty}"),
                    ))
                })
        }
    }
}

fn extract_interval(field: &str, by: Interval) -> Result<Value> {
    match field {
        "year" | "years" => whole(i64::from(by.months / 12)),
        "month" | "months" => whole(i64::from(by.months % 12)),
        "day" | "days" => whole(by.days.into()),
        "quarter" => whole(i64::from(by.months % 12 / 3 + 1)),
        "decade" => whole(i64::from(by.months / 120)),
        "century" => whole(i64::from(by.months / 1200)),
        "hour" | "hours" => whole(by.micros / (3600 * SECOND)),
        "minute" | "minutes" => whole(by.micros / (60 * SECOND) % 60),
        "second" | "seconds" => seconds(by.micros % (60 * SECOND), 6),
        "millisecond" | "milliseconds" => text_value(
            Numeric::Finite {
                unscaled: (by.micros % (60 * SECOND)).into(),
                scale: 3,
            }
            .to_string(),
        ),
        "microsecond" | "microseconds" => whole(by.micros % (60 * SECOND)),
        "epoch" => {
            // A year counts 365.25 days here.
            let day = i128::from(DAY);
            let days = i128::from(by.months / 12) * 1461 * day / 4
                + i128::from(by.months % 12) * 30 * day
                + i128::from(by.days) * day;
            seconds(days + i128::from(by.micros), 6)
        }
        other => Err(unit_error(other, "interval")),
    }
}

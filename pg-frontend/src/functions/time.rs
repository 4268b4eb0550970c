//! Dates, times and intervals: arithmetic, construction, the clock. Fields of them are in [`extract`].

pub(super) mod extract;

use super::session::{style, with_state};
use super::{Arguments, Entry, bool_value, text_value};
use crate::error::{PgError, Result};
use crate::types::interval::Interval;
use crate::types::text::{as_date, as_interval, as_moment};
use crate::types::time::{self, DAY, Fields, SECOND, days_of, month_length, split};
use crate::types::zone::{EPOCH_2000, Zone};
use crate::types::{Type, json};
use rusqlite::types::Value;

use self::extract::{extract, truncated, unit_error};

pub(super) fn moment(a: &Arguments<'_>, index: usize) -> Result<i64> {
    as_moment(Type::TIMESTAMP, a.value(index))
}

pub(super) fn interval(a: &Arguments<'_>, index: usize) -> Result<Interval> {
    as_interval(a.value(index))
}

fn stamp(micros: i64) -> Result<Value> {
    text_value(time::timestamp_text(time::check(micros, "timestamp")?))
}

pub(super) fn date(days: i64) -> Result<Value> {
    let days = i32::try_from(days).map_err(|_| PgError::new("22008", "date out of range"))?;
    text_value(time::date_text(time::check_date(days)?))
}

pub(super) fn is_special(micros: i64) -> bool {
    micros == time::INFINITY || micros == time::NEG_INFINITY
}

/// A moment as clocks of the session show it.
fn local(micros: i64) -> i64 {
    if is_special(micros) {
        micros
    } else {
        micros + i64::from(style().zone.offset_at(micros)) * SECOND
    }
}

/// The moment at which clocks of the session show this.
fn from_local(micros: i64) -> i64 {
    if is_special(micros) {
        micros
    } else {
        micros - i64::from(style().zone.offset_at_local(micros)) * SECOND
    }
}

pub(super) const STRICT: &[Entry] = &[
    ("pg_date_add", 2, |a| {
        date(i64::from(as_date(a.value(0))?).saturating_add(a.int(1)?))
    }),
    ("pg_date_sub", 2, |a| {
        Ok(Value::Integer(
            i64::from(as_date(a.value(0))?) - i64::from(as_date(a.value(1))?),
        ))
    }),
    ("pg_date_of", 1, |a| {
        text_value(time::date_text(split(moment(a, 0)?).0))
    }),
    ("pg_timestamp_add", 2, |a| {
        let micros = moment(a, 0)?;
        // A time of day is an interval, too.
        stamp(if is_special(micros) {
            micros
        } else {
            interval(a, 1)?.after(micros)
        })
    }),
    ("pg_timestamptz_add", 2, |a| {
        let (micros, by) = (moment(a, 0)?, interval(a, 1)?);
        if is_special(micros) {
            return stamp(micros);
        }
        let time = Interval {
            months: 0,
            days: 0,
            ..by
        };
        if by.months == 0 && by.days == 0 {
            return stamp(time.after(micros));
        }
        // Months and days go by the calendar of the session's zone.
        let calendar = Interval { micros: 0, ..by };
        stamp(time.after(from_local(calendar.after(local(micros)))))
    }),
    ("pg_timestamp_sub", 2, |a| {
        text_value(Interval::between(moment(a, 1)?, moment(a, 0)?).text())
    }),
    ("pg_time_add", 2, |a| {
        let micros = time::parse_time(a.text(0)?)?.0 + interval(a, 1)?.micros;
        text_value(time::time_text(micros.rem_euclid(DAY)))
    }),
    ("pg_time_sub", 2, |a| {
        let micros = time::parse_time(a.text(0)?)?.0 - time::parse_time(a.text(1)?)?.0;
        text_value(
            Interval {
                micros,
                ..Interval::default()
            }
            .text(),
        )
    }),
    ("pg_interval_add", 2, |a| {
        text_value(interval(a, 0)?.plus(interval(a, 1)?).text())
    }),
    ("pg_interval_neg", 1, |a| {
        text_value(interval(a, 0)?.negated().text())
    }),
    ("pg_interval_mul", 2, |a| {
        text_value(interval(a, 0)?.times(a.real(1)?)?.text())
    }),
    ("pg_interval_div", 2, |a| {
        let by = a.real(1)?;
        if by == 0.0 {
            return Err(crate::types::numeric::division_by_zero());
        }
        text_value(interval(a, 0)?.times(1.0 / by)?.text())
    }),
    ("pg_age", 2, |a| {
        text_value(Interval::age(moment(a, 1)?, moment(a, 0)?).text())
    }),
    ("pg_age_today", 1, |a| {
        let today = i64::from(split(local(transaction_time()?)).0) * DAY;
        text_value(Interval::age(moment(a, 0)?, today).text())
    }),
    ("pg_isfinite", 1, |a| {
        bool_value(!matches!(a.text(0)?, "infinity" | "-infinity"))
    }),
    ("pg_interval_finite", 1, |_| bool_value(true)),
    ("pg_zone_to_utc", 2, |a| {
        let (micros, zone) = (moment(a, 0)?, zone(a.text(1)?)?);
        stamp(if is_special(micros) {
            micros
        } else {
            micros - i64::from(zone.offset_at_local(micros)) * SECOND
        })
    }),
    ("pg_zone_from_utc", 2, |a| {
        let (micros, zone) = (moment(a, 0)?, zone(a.text(1)?)?);
        stamp(if is_special(micros) {
            micros
        } else {
            micros + i64::from(zone.offset_at(micros)) * SECOND
        })
    }),
    ("pg_zone_to_utc_turned", 2, |a| {
        let (micros, zone) = (moment(a, 1)?, zone(a.text(0)?)?);
        stamp(micros - i64::from(zone.offset_at_local(micros)) * SECOND)
    }),
    ("pg_zone_from_utc_turned", 2, |a| {
        let (micros, zone) = (moment(a, 1)?, zone(a.text(0)?)?);
        stamp(micros + i64::from(zone.offset_at(micros)) * SECOND)
    }),
    ("pg_date_trunc", 2, |a| {
        stamp(truncated(a.text(0)?, moment(a, 1)?)?)
    }),
    ("pg_date_trunc_tz", 2, |a| {
        let micros = moment(a, 1)?;
        stamp(if is_special(micros) {
            micros
        } else {
            from_local(truncated(a.text(0)?, local(micros))?)
        })
    }),
    ("pg_date_trunc_tz", 3, |a| {
        let (micros, zone) = (moment(a, 1)?, zone(a.text(2)?)?);
        let shown = truncated(
            a.text(0)?,
            micros + i64::from(zone.offset_at(micros)) * SECOND,
        )?;
        stamp(shown - i64::from(zone.offset_at_local(shown)) * SECOND)
    }),
    ("pg_interval_trunc", 2, |a| {
        let mut by = interval(a, 1)?;
        let unit = |micros: i64| by.micros / micros * micros;
        match a.text(0)?.to_ascii_lowercase().as_str() {
            "microseconds" => {}
            "milliseconds" => by.micros = unit(1000),
            "second" => by.micros = unit(SECOND),
            "minute" => by.micros = unit(60 * SECOND),
            "hour" => by.micros = unit(3600 * SECOND),
            "day" => by.micros = 0,
            "month" => (by.days, by.micros) = (0, 0),
            "quarter" => (by.months, by.days, by.micros) = (by.months / 3 * 3, 0, 0),
            "year" => (by.months, by.days, by.micros) = (by.months / 12 * 12, 0, 0),
            other => return Err(unit_error(other, "interval")),
        }
        text_value(by.text())
    }),
    ("pg_date_bin", 3, |a| {
        let (stride, micros, origin) = (interval(a, 0)?, moment(a, 1)?, moment(a, 2)?);
        if stride.months != 0 {
            return Err(PgError::new(
                "0A000",
                "timestamps cannot be binned into intervals containing months or years",
            ));
        }
        let stride = i128::from(stride.days) * i128::from(DAY) + i128::from(stride.micros);
        if stride <= 0 {
            return Err(PgError::new("22008", "stride must be greater than zero"));
        }
        if is_special(micros) || is_special(origin) {
            return Err(PgError::new("22008", "cannot bin infinite timestamps"));
        }
        let bins = i128::from(micros - origin).div_euclid(stride);
        let bin = i128::from(origin) + bins * stride;
        // What is no moment at all is none that is infinite.
        stamp(i64::try_from(bin).unwrap_or(time::INFINITY - 1))
    }),
    ("pg_extract", 3, extract),
    ("pg_make_date", 3, |a| {
        let (year, month, day) = (part(a, 0)?, part(a, 1)?, part(a, 2)?);
        date(i64::from(checked_date(year, month, day)?))
    }),
    ("pg_make_time", 3, |a| {
        text_value(time::time_text(clock(
            part(a, 0)?,
            part(a, 1)?,
            a.real(2)?,
        )?))
    }),
    ("pg_make_timestamp", 6, |a| stamp(made(a)?)),
    ("pg_make_timestamptz", 6, |a| stamp(from_local(made(a)?))),
    ("pg_make_timestamptz", 7, |a| {
        let micros = made(a)?;
        stamp(micros - i64::from(zone(a.text(6)?)?.offset_at_local(micros)) * SECOND)
    }),
    ("pg_make_interval", 7, |a| {
        #[allow(clippy::cast_possible_truncation, reason = "seconds of an interval")]
        let micros =
            (a.real(6)? * 1e6).round() as i64 + (a.int(4)? * 3600 + a.int(5)? * 60) * SECOND;
        let whole = |value: i64| {
            i32::try_from(value).map_err(|_| PgError::new("22008", "interval out of range"))
        };
        text_value(
            Interval {
                months: whole(a.int(0)? * 12 + a.int(1)?)?,
                days: whole(a.int(2)? * 7 + a.int(3)?)?,
                micros,
            }
            .text(),
        )
    }),
    ("pg_justify_days", 1, |a| {
        let by = interval(a, 0)?;
        text_value(
            Interval {
                months: by.months + by.days / 30,
                days: by.days % 30,
                micros: by.micros,
            }
            .text(),
        )
    }),
    ("pg_justify_hours", 1, |a| {
        let by = interval(a, 0)?;
        let days = i32::try_from(by.micros / DAY).unwrap_or(0);
        text_value(
            Interval {
                months: by.months,
                days: by.days + days,
                micros: by.micros % DAY,
            }
            .text(),
        )
    }),
    ("pg_justify_interval", 1, |a| {
        let by = interval(a, 0)?;
        let days = by.days + i32::try_from(by.micros / DAY).unwrap_or(0);
        let mut out = Interval {
            months: by.months + days / 30,
            days: days % 30,
            micros: by.micros % DAY,
        };
        // All parts get the sign of the whole.
        if out.months > 0 && (out.days < 0 || out.days == 0 && out.micros < 0) {
            out.days += 30;
            out.months -= 1;
        } else if out.months < 0 && (out.days > 0 || out.days == 0 && out.micros > 0) {
            out.days -= 30;
            out.months += 1;
        }
        if out.days > 0 && out.micros < 0 {
            out.micros += DAY;
            out.days -= 1;
        } else if out.days < 0 && out.micros > 0 {
            out.micros -= DAY;
            out.days += 1;
        }
        text_value(out.text())
    }),
    ("pg_to_timestamp_epoch", 1, |a| {
        let seconds = a.real(0)?;
        if seconds.is_infinite() {
            return text_value(if seconds > 0.0 {
                "infinity"
            } else {
                "-infinity"
            });
        }
        if seconds.abs() > 4e11 {
            return Err(PgError::new(
                "22008",
                format!("timestamp out of range: \"{seconds}\""),
            ));
        }
        #[allow(clippy::cast_possible_truncation, reason = "checked above")]
        stamp((seconds * 1e6).round_ties_even() as i64 - EPOCH_2000)
    }),
    ("pg_series_time", 4, |a| {
        let (start, stop, step) = (moment(a, 0)?, moment(a, 1)?, interval(a, 2)?);
        let zoned = a.bool(3)?;
        let sign = step.key();
        if sign == 0 {
            return Err(PgError::new("22023", "step size cannot equal zero"));
        }
        let mut out = String::from("[");
        let mut at = start;
        while if sign > 0 { at <= stop } else { at >= stop } {
            if out.len() > 1 {
                out.push(',');
            }
            json::quote(
                &time::timestamp_text(time::check(at, "timestamp")?),
                &mut out,
            );
            at = if zoned && (step.months != 0 || step.days != 0) {
                from_local(step.after(local(at)))
            } else {
                step.after(at)
            };
            if out.len() > 256 << 20 {
                return Err(PgError::new(
                    "54000",
                    "generate_series gives too many rows here",
                ));
            }
        }
        out.push(']');
        text_value(out)
    }),
];

pub(super) const NULLABLE: &[Entry] = &[];

/// When the transaction began, in microseconds since 2000.
fn transaction_time() -> Result<i64> {
    with_state(|state| state.transaction_time - EPOCH_2000)
}

pub(super) const VOLATILE: &[Entry] = &[
    ("pg_now", 0, |_| stamp(transaction_time()?)),
    ("pg_now", 1, |a| {
        stamp(time::round_to(
            transaction_time()?,
            i32::try_from(a.int(0)?).unwrap_or(6),
        ))
    }),
    ("pg_statement_timestamp", 0, |_| {
        stamp(with_state(|state| {
            state.statement_time.max(state.transaction_time) - EPOCH_2000
        })?)
    }),
    ("pg_clock_timestamp", 0, |_| stamp(time::now())),
    ("pg_timeofday", 0, |_| {
        text_value(format!("{} UTC", time::timestamp_text(time::now())))
    }),
    ("pg_current_date", 0, |_| {
        text_value(time::date_text(split(local(transaction_time()?)).0))
    }),
    ("pg_localtimestamp", 0, |_| {
        stamp(local(transaction_time()?))
    }),
    ("pg_localtimestamp", 1, |a| {
        stamp(time::round_to(
            local(transaction_time()?),
            i32::try_from(a.int(0)?).unwrap_or(6),
        ))
    }),
    ("pg_localtime", 0, |_| {
        text_value(time::time_text(split(local(transaction_time()?)).1))
    }),
    ("pg_pg_postmaster_start_time", 0, |_| stamp(time::now())),
    ("pg_postmaster_start_time", 0, |_| stamp(time::now())),
    ("pg_conf_load_time", 0, |_| stamp(time::now())),
];

pub(super) fn zone(name: &str) -> Result<Zone> {
    if let Ok(by) = Interval::parse(name, None)
        && let Ok(seconds) = i32::try_from(by.micros / SECOND)
        && name.contains(':')
        && !name.starts_with(['+', '-'])
    {
        return Ok(Zone::Fixed(seconds));
    }
    Zone::parse(name)
        .ok_or_else(|| PgError::new("22023", format!("time zone \"{name}\" not recognized")))
}

fn part(a: &Arguments<'_>, index: usize) -> Result<i32> {
    i32::try_from(a.int(index)?).map_err(|_| PgError::new("22008", "date field value out of range"))
}

fn checked_date(year: i32, month: i32, day: i32) -> Result<i32> {
    if !(1..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || day < 1
        || day > month_length(year, month)
    {
        return Err(PgError::new(
            "22008",
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        ));
    }
    Ok(days_of(year, month, day))
}

fn clock(hour: i32, minute: i32, second: f64) -> Result<i64> {
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return Err(PgError::new(
            "22008",
            format!("time field value out of range: {hour}:{minute:02}:{second}"),
        ));
    }
    #[allow(clippy::cast_possible_truncation, reason = "below a minute")]
    Ok(i64::from(hour * 3600 + minute * 60) * SECOND + (second * 1e6).round() as i64)
}

fn made(a: &Arguments<'_>) -> Result<i64> {
    let days = checked_date(part(a, 0)?, part(a, 1)?, part(a, 2)?)?;
    Ok(i64::from(days) * DAY + clock(part(a, 3)?, part(a, 4)?, a.real(5)?)?)
}

/// A moment's parts, for `to_char`.
pub(super) fn fields(micros: i64) -> Fields {
    Fields::of(micros)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use crate::error::of_sqlite;
    use crate::session::state::Shared;

    /// The value of an expression, or its error's code.
    fn value(sql: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        crate::functions::register(&connection, &Shared::default()).unwrap();
        let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        match connection.query_row(&format!("SELECT {sql}"), [], read) {
            Ok(value) => value,
            Err(error) => of_sqlite(&error).code.to_owned(),
        }
    }

    /// So many days, in microseconds, are nearly 2 to the power of 64.
    #[test]
    fn what_is_beyond_the_calendar_wraps_nowhere() {
        for (sql, expected) in [
            (
                "pg_timestamp_add('2024-01-31 00:00:00', '1 mon')",
                "2024-02-29 00:00:00",
            ),
            (
                "pg_timestamp_add('2024-01-31 00:00:00', '213503982 days')",
                "22008",
            ),
            (
                "pg_timestamp_add('2024-01-31 00:00:00', '178956970 years')",
                "22008",
            ),
            (
                "pg_timestamptz_add('2024-01-31 00:00:00', '2500000000:00:00')",
                "22008",
            ),
            (
                "pg_timestamptz_add('2024-01-31 00:00:00', '-1 day -2500000000:00:00')",
                "22008",
            ),
            ("pg_date_add('2024-01-31', 213503982)", "22008"),
            (
                "pg_date_bin('15 min', '2024-01-31 00:17:00', '2024-01-01 00:00:00')",
                "2024-01-31 00:15:00",
            ),
            (
                "pg_date_bin('213503982 days', '2024-01-31 00:00:00', '2024-01-01 00:00:00')",
                "2024-01-01 00:00:00",
            ),
            (
                "pg_date_bin('213503982 days', '2024-01-31 00:00:00', '2024-02-01 00:00:00')",
                "22008",
            ),
            (
                "pg_date_bin('1 day', 'infinity', '2024-01-01 00:00:00')",
                "22008",
            ),
            (
                "pg_extract('epoch', '213503982 days', 1186)",
                "18446744044800.000000",
            ),
            (
                "pg_extract('epoch', '178956970 years', 1186)",
                "5647452476472000.000000",
            ),
        ] {
            assert_eq!(value(sql), expected, "{sql}");
        }
    }
}

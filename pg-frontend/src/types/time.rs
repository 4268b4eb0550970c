//! `date`, `time`, `timestamp` and `timestamptz`: reading and writing.
//!
//! Moments are microseconds since 2000-01-01 00:00, dates are days since 2000-01-01, times of day are
//! microseconds since midnight. In SQLite they are TEXT, `2024-01-31 12:00:00.5` (a timestamptz in
//! UTC), which sorts by time for years 1 to 9999; others are refused with 22008.

mod read;

pub use read::{canonical, parse_date, parse_time, parse_timestamp, parse_timestamptz};

use super::float::Short;
use super::zone::{self, Zone};
use crate::error::{PgError, Result};
use bytes::BytesMut;
use std::fmt::Write as _;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// Microseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;

/// `infinity`
pub const INFINITY: i64 = i64::MAX;

/// `-infinity`
pub const NEG_INFINITY: i64 = i64::MIN;

/// The day's number (since 2000-01-01) of a date of the proleptic Gregorian calendar.
#[must_use]
pub fn days_of(year: i32, month: i32, day: i32) -> i32 {
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * m + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 730_425
}

/// Year, month and day of a day's number.
#[must_use]
pub fn civil(days: i32) -> (i32, i32, i32) {
    let z = days + 730_425;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (year + era * 400 + i32::from(month <= 2), month, day)
}

/// Days of a month.
#[must_use]
pub fn month_length(year: i32, month: i32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The day, and the microseconds since its midnight.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "days of years 1 to 9999")]
pub fn split(micros: i64) -> (i32, i64) {
    (micros.div_euclid(DAY) as i32, micros.rem_euclid(DAY))
}

/// Calendar and clock of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what its name says")]
pub struct Fields {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub micros: i32,
}

impl Fields {
    /// Of a moment.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "parts of a day")]
    pub fn of(moment: i64) -> Self {
        let (days, rest) = split(moment);
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            hour: (rest / (3600 * SECOND)) as i32,
            minute: (rest / (60 * SECOND) % 60) as i32,
            second: (rest / SECOND % 60) as i32,
            micros: (rest % SECOND) as i32,
        }
    }
}

/// Within the years that are kept.
///
/// # Errors
/// 22008.
pub fn check(micros: i64, what: &str) -> Result<i64> {
    const FIRST: i64 = -730_119 * DAY;
    const LAST: i64 = 2_921_940 * DAY;
    if (FIRST..LAST).contains(&micros) || micros == INFINITY || micros == NEG_INFINITY {
        return Ok(micros);
    }
    Err(PgError::new("22008", format!("{what} out of range"))
        .hint("Years from 1 to 9999 can be kept."))
}

/// The same for a date: days since 2000, or infinity.
///
/// # Errors
/// 22008.
pub fn check_date(days: i32) -> Result<i32> {
    match days {
        i32::MAX | i32::MIN => Ok(days),
        // As microseconds they may be too many for 64 bits.
        _ => check(
            i64::from(days).checked_mul(DAY).unwrap_or(INFINITY - 1),
            "date",
        )
        .map(|_| days),
    }
}

pub(super) fn two(text: &mut Short, value: i32) {
    let _ = write!(text, "{value:02}");
}

fn write_clock(text: &mut Short, rest: i64) {
    let seconds = rest / SECOND;
    let micros = rest % SECOND;
    let _ = write!(
        text,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if micros != 0 {
        let digits = format_args!(".{micros:06}").to_string();
        let _ = text.write_str(digits.trim_end_matches('0'));
    }
}

pub(super) fn special(micros: i64) -> Option<&'static str> {
    match micros {
        INFINITY => Some("infinity"),
        NEG_INFINITY => Some("-infinity"),
        _ => None,
    }
}

/// A date in its representation: `2024-01-31`.
#[must_use]
pub fn date_text(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        _ => {
            let (year, month, day) = civil(days);
            format!("{year:04}-{month:02}-{day:02}")
        }
    }
}

/// A time of day: `12:00:00.5`.
#[must_use]
pub fn time_text(micros: i64) -> String {
    let mut text = Short::default();
    write_clock(&mut text, micros);
    text.as_str().to_owned()
}

fn stamp(text: &mut Short, micros: i64) {
    let (days, rest) = split(micros);
    let (year, month, day) = civil(days);
    let _ = write!(text, "{year:04}-");
    two(text, month);
    let _ = text.write_str("-");
    two(text, day);
    let _ = text.write_str(" ");
    write_clock(text, rest);
}

/// A moment in its representation: `2024-01-31 12:00:00.5`.
#[must_use]
pub fn timestamp_text(micros: i64) -> String {
    if let Some(word) = special(micros) {
        return word.to_owned();
    }
    let mut text = Short::default();
    stamp(&mut text, micros);
    text.as_str().to_owned()
}

/// Appends a timestamptz as the session's zone shows it: `2024-01-31 13:00:00.5+01`.
pub fn write_timestamptz(micros: i64, zone: Zone, out: &mut BytesMut) {
    if let Some(word) = special(micros) {
        out.extend_from_slice(word.as_bytes());
        return;
    }
    let offset = zone.offset_at(micros);
    let mut text = Short::default();
    stamp(&mut text, micros + i64::from(offset) * SECOND);
    write_offset(&mut text, offset);
    out.extend_from_slice(text.as_str().as_bytes());
}

fn write_offset(text: &mut Short, offset: i32) {
    let (sign, seconds) = if offset < 0 {
        ('-', -offset)
    } else {
        ('+', offset)
    };
    let _ = write!(text, "{sign}{:02}", seconds / 3600);
    if seconds % 3600 != 0 {
        let _ = write!(text, ":{:02}", seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        let _ = write!(text, ":{:02}", seconds % 60);
    }
}

/// An offset as it stands behind a time: `+01`, `-03:30`.
#[must_use]
pub fn offset_text(offset: i32) -> String {
    let mut text = Short::default();
    write_offset(&mut text, offset);
    text.as_str().to_owned()
}

/// The moment now, in microseconds since 2000.
#[must_use]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros() - zone::EPOCH_2000
}

/// Rounded to so many digits of seconds (`timestamp(3)`).
#[must_use]
pub fn round_to(micros: i64, digits: i32) -> i64 {
    let unit = match digits {
        0..=5 => 10i64.pow(6 - digits.unsigned_abs()),
        _ => return micros,
    };
    if micros == INFINITY || micros == NEG_INFINITY {
        return micros;
    }
    (micros + unit / 2).div_euclid(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::style::DateOrder;
    use proptest::prelude::*;

    fn stamp_of(text: &str) -> String {
        timestamp_text(parse_timestamp(text, DateOrder::Mdy).unwrap())
    }

    #[test]
    fn texts_that_postgres_reads() {
        for (text, expected) in [
            ("2024-01-31T12:00:00Z", "2024-01-31 12:00:00"),
            ("2024-01-31 12:00:00.500", "2024-01-31 12:00:00.5"),
            ("20240131", "2024-01-31 00:00:00"),
            ("Jan 31, 2024 3:04 PM", "2024-01-31 15:04:00"),
            ("31-Jan-2024", "2024-01-31 00:00:00"),
            ("1/31/2024", "2024-01-31 00:00:00"),
            ("2024-01-31 12:00:00.1234567", "2024-01-31 12:00:00.123457"),
            ("Wed Jan 31 12:00:00 2024", "2024-01-31 12:00:00"),
            ("2024-1-3 1:02", "2024-01-03 01:02:00"),
            ("epoch", "1970-01-01 00:00:00"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(stamp_of(text), expected, "{text}");
        }
        assert_eq!(
            parse_timestamp("2024-02-30", DateOrder::Mdy)
                .unwrap_err()
                .code,
            "22008"
        );
        assert_eq!(
            parse_timestamp("nonsense", DateOrder::Mdy)
                .unwrap_err()
                .code,
            "22007"
        );
        assert_eq!(
            parse_timestamp("", DateOrder::Mdy).unwrap_err().code,
            "22007"
        );
    }

    #[test]
    fn zones() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let utc = parse_timestamptz("2024-07-01 12:00", DateOrder::Mdy, berlin).unwrap();
        assert_eq!(timestamp_text(utc), "2024-07-01 10:00:00");
        let mut out = BytesMut::new();
        write_timestamptz(utc, berlin, &mut out);
        assert_eq!(&out[..], b"2024-07-01 12:00:00+02");
        let utc = parse_timestamptz("2024-07-01 12:00-05:30", DateOrder::Mdy, berlin).unwrap();
        assert_eq!(timestamp_text(utc), "2024-07-01 17:30:00");
    }

    proptest! {
        #[test]
        fn moments_come_back(micros in -730_119 * DAY..2_921_939 * DAY) {
            let text = timestamp_text(micros);
            prop_assert_eq!(canonical(text.as_bytes()), Some(micros));
            prop_assert_eq!(parse_timestamp(&text, DateOrder::Mdy).unwrap(), micros);
        }

        #[test]
        fn texts_sort_by_time(a in -730_119 * DAY..2_921_939 * DAY, b in -730_119 * DAY..2_921_939 * DAY) {
            prop_assert_eq!(timestamp_text(a).cmp(&timestamp_text(b)), a.cmp(&b));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}") {
            let _ = parse_timestamp(&text, DateOrder::Dmy);
            let _ = parse_timestamptz(&text, DateOrder::Ymd, Zone::UTC);
            let _ = parse_time(&text);
        }

        #[test]
        fn near_misses_do_not_panic(text in "[0-9TZ:./ +a-z-]{0,25}") {
            let _ = parse_timestamptz(&text, DateOrder::Mdy, Zone::UTC);
        }
    }
}

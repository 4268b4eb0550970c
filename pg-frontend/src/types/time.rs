//! `date`, `time`, `timestamp` and `timestamptz`: reading and writing.
//!
//! Moments are microseconds since 2000-01-01 00:00, dates are days since 2000-01-01, times of day are
//! microseconds since midnight. In SQLite they are TEXT, `2024-01-31 12:00:00.5` (a timestamptz in
//! UTC), which sorts by time for years 1 to 9999; others are refused with 22008.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::float::Short;
use super::style::DateOrder;
use super::zone::{self, Zone};
use crate::error::{PgError, Result};

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

    /// The moment.
    #[must_use]
    pub fn moment(self) -> i64 {
        i64::from(days_of(self.year, self.month, self.day)) * DAY
            + i64::from(self.hour * 3600 + self.minute * 60 + self.second) * SECOND
            + i64::from(self.micros)
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

fn two(text: &mut Short, value: i32) {
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

fn special(micros: i64) -> Option<&'static str> {
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

/// Reads the representation of a date, time or moment without a detour: `2024-01-31`,
/// `2024-01-31 12:00:00.5`. None where it has another form.
#[must_use]
pub fn canonical(text: &[u8]) -> Option<i64> {
    let digits = |from: usize, count: usize| -> Option<i32> {
        text.get(from..from + count)?
            .iter()
            .try_fold(0, |value, c| {
                c.is_ascii_digit().then(|| value * 10 + i32::from(c - b'0'))
            })
    };
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > month_length(year, month) {
        return None;
    }
    let date = i64::from(days_of(year, month, day)) * DAY;
    if text.len() == 10 {
        return Some(date);
    }
    if text[10] != b' ' {
        return None;
    }
    Some(date + clock(&text[11..])?)
}

/// `12:00:00.5` exactly.
fn clock(text: &[u8]) -> Option<i64> {
    let two = |at: usize| -> Option<i64> {
        let pair = text.get(at..at + 2)?;
        (pair[0].is_ascii_digit() && pair[1].is_ascii_digit())
            .then(|| i64::from(pair[0] - b'0') * 10 + i64::from(pair[1] - b'0'))
    };
    if text.get(2) != Some(&b':') || text.get(5) != Some(&b':') {
        return None;
    }
    let (hour, minute, second) = (two(0)?, two(3)?, two(6)?);
    if hour > 24 || minute > 59 || second > 59 || hour == 24 && (minute, second) != (0, 0) {
        return None;
    }
    let mut micros = 0;
    if text.len() > 8 {
        if text[8] != b'.' || text.len() > 15 || text.len() == 9 || text[text.len() - 1] == b'0' {
            return None;
        }
        let mut unit = 100_000;
        for c in &text[9..] {
            if !c.is_ascii_digit() {
                return None;
            }
            micros += i64::from(c - b'0') * unit;
            unit /= 10;
        }
    }
    Some((hour * 3600 + minute * 60 + second) * SECOND + micros)
}

/// What a text of date and time says.
#[derive(Debug, Default)]
struct Read {
    date: Option<i32>,
    time: Option<i64>,
    zone: Option<Zone>,
    special: Option<i64>,
    relative: Option<i32>,
    now: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

fn month_of(word: &str) -> Option<i32> {
    let word = word.to_ascii_lowercase();
    let short = word.get(..3)?;
    let index = MONTHS.iter().position(|month| *month == short)?;
    let full = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ][index];
    (full.starts_with(&word) || word == "sept").then_some(i32::try_from(index).unwrap_or(0) + 1)
}

/// The words of a text: at space, commas, and the `T` between date and time.
fn words(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for piece in text
        .split([' ', ',', '\t', '\n', '\r'])
        .filter(|piece| !piece.is_empty())
    {
        let bytes = piece.as_bytes();
        let t = piece.find(['T', 't']).filter(|at| {
            *at > 0
                && bytes[at - 1].is_ascii_digit()
                && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
        });
        match t {
            Some(at) => out.extend([&piece[..at], &piece[at + 1..]]),
            None => out.push(piece),
        }
    }
    out
}

fn read(text: &str, order: DateOrder) -> Option<Read> {
    if !text.is_ascii() {
        return None;
    }
    let mut out = Read::default();
    let mut numbers: Vec<i32> = Vec::new();
    let mut month = None;
    let mut bc = false;
    for word in words(text) {
        let first = *word.as_bytes().first()?;
        if first.is_ascii_digit() {
            if word.contains(':') {
                read_time(word, &mut out)?;
            } else if word.contains(['-', '/']) || word.matches('.').count() == 2 {
                if out.date.is_some() {
                    return None;
                }
                out.date = Some(read_date(word, order)?);
            } else if word.len() == 8 && out.date.is_none() && numbers.is_empty() && month.is_none()
            {
                let number = |range: std::ops::Range<usize>| word[range].parse::<i32>().ok();
                out.date = Some(valid(number(0..4)?, number(4..6)?, number(6..8)?)?);
            } else if word.len() == 6 && out.date.is_some() && out.time.is_none() {
                let number = |range: std::ops::Range<usize>| word[range].parse::<i64>().ok();
                out.time =
                    Some((number(0..2)? * 3600 + number(2..4)? * 60 + number(4..6)?) * SECOND);
            } else {
                numbers.push(
                    word.trim_end_matches(|c: char| c.is_ascii_alphabetic())
                        .parse()
                        .ok()?,
                );
            }
            continue;
        }
        if matches!(first, b'+' | b'-') && word != "-infinity" {
            out.zone = Some(Zone::Fixed(zone::offset(word)?));
            continue;
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "infinity" => out.special = Some(INFINITY),
            "-infinity" => out.special = Some(NEG_INFINITY),
            "epoch" => out.special = Some(-zone::EPOCH_2000),
            "now" => out.now = true,
            "today" => out.relative = Some(0),
            "tomorrow" => out.relative = Some(1),
            "yesterday" => out.relative = Some(-1),
            "am" | "pm" => out.time = Some(twelve(out.time?, lower == "pm")?),
            "bc" => bc = true,
            "ad" | "at" => {}
            "allballs" => out.time = Some(0),
            _ => {
                if let Some(found) = month_of(word) {
                    month = Some(found);
                } else if weekday(&lower) {
                } else {
                    out.zone = Some(Zone::parse(word)?);
                }
            }
        }
    }
    if let Some(month) = month {
        let [a, b] = numbers[..] else { return None };
        let (year, day) = if a > 31 { (a, b) } else { (b, a) };
        out.date = Some(valid(year, month, day)?);
    } else if !numbers.is_empty() {
        return None;
    }
    (!bc).then_some(out)
}

fn weekday(lower: &str) -> bool {
    [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ]
    .iter()
    .any(|day| lower.len() >= 3 && day.starts_with(lower))
}

fn twelve(time: i64, pm: bool) -> Option<i64> {
    let hour = time / (3600 * SECOND);
    let rest = time % (3600 * SECOND);
    if !(1..=12).contains(&hour) {
        return None;
    }
    Some((hour % 12 + if pm { 12 } else { 0 }) * 3600 * SECOND + rest)
}

fn valid(year: i32, month: i32, day: i32) -> Option<i32> {
    let fine = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=month_length(year, month)).contains(&day);
    fine.then(|| days_of(year, month, day))
}

fn read_date(word: &str, order: DateOrder) -> Option<i32> {
    let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
    let [a, b, c] = parts[..] else { return None };
    let number = |part: &str| part.parse::<i32>().ok();
    let year = |part: &str| {
        let value = number(part)?;
        Some(match part.len() {
            1 | 2 if value < 70 => value + 2000,
            1 | 2 => value + 1900,
            _ => value,
        })
    };
    if let Some(month) = month_of(b) {
        return if a.len() > 2 {
            valid(year(a)?, month, number(c)?)
        } else {
            valid(year(c)?, month, number(a)?)
        };
    }
    if let Some(month) = month_of(a) {
        return valid(year(c)?, month, number(b)?);
    }
    if a.len() > 2 {
        return valid(year(a)?, number(b)?, number(c)?);
    }
    match order {
        DateOrder::Mdy => valid(year(c)?, number(a)?, number(b)?),
        DateOrder::Dmy => valid(year(c)?, number(b)?, number(a)?),
        DateOrder::Ymd => valid(year(a)?, number(b)?, number(c)?),
    }
}

/// `12:00`, `12:00:00.5`, and what stands behind: `Z`, `+02:00`, `PM`.
fn read_time(word: &str, out: &mut Read) -> Option<()> {
    let end = word
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(word.len());
    let (clock, rest) = word.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<i64> = clock
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let mut micros = 0;
    if !fraction.is_empty() {
        let value: f64 = format!("0.{fraction}").parse().ok()?;
        #[allow(clippy::cast_possible_truncation, reason = "below a million")]
        {
            micros = (value * 1e6).round_ties_even() as i64;
        }
    }
    let time = (hour * 3600 + minute * 60 + second) * SECOND + micros;
    if time > DAY || out.time.is_some() {
        return None;
    }
    out.time = Some(time);
    match rest.to_ascii_lowercase().as_str() {
        "" => {}
        "am" => out.time = Some(twelve(time, false)?),
        "pm" => out.time = Some(twelve(time, true)?),
        _ => out.zone = Some(Zone::parse(rest)?),
    }
    Some(())
}

/// The moment now, in microseconds since 2000.
#[must_use]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros() - zone::EPOCH_2000
}

fn invalid(ty: &str, text: &str) -> PgError {
    let digits = text.bytes().any(|c| c.is_ascii_digit());
    let shape = digits
        && text
            .bytes()
            .all(|c| c.is_ascii_digit() || b"-/:. TZ+".contains(&c))
        && words(text).first().is_some_and(|word| read_shape(word));
    if shape {
        return PgError::new(
            "22008",
            format!("date/time field value out of range: \"{text}\""),
        );
    }
    PgError::new(
        "22007",
        format!("invalid input syntax for type {ty}: \"{text}\""),
    )
}

/// It has the shape of a date or a time, so its numbers are what is wrong.
fn read_shape(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '/', ':', '.']).collect();
    (parts.len() == 3 || parts.len() == 2 && word.contains(':'))
        && parts.iter().all(|part| {
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|c| c.is_ascii_digit())
        })
}

/// A timestamp (`zone` none: a zone in the text is passed over) or a timestamptz, in UTC.
fn moment(text: &str, order: DateOrder, zone: Option<Zone>, ty: &str) -> Result<i64> {
    let read = read(text, order).ok_or_else(|| invalid(ty, text))?;
    if let Some(special) = read.special {
        return Ok(special);
    }
    let shown = zone.unwrap_or(Zone::UTC);
    if read.now {
        let now = now();
        return Ok(if zone.is_some() {
            now
        } else {
            now + i64::from(shown.offset_at(now)) * SECOND
        });
    }
    let date = match (read.date, read.relative) {
        (Some(date), _) => date,
        (None, Some(days)) => split(now()).0 + days,
        (None, None) => return Err(invalid(ty, text)),
    };
    let local = i64::from(date) * DAY + read.time.unwrap_or(0);
    let Some(session) = zone else {
        return check(local, "timestamp");
    };
    let offset = read.zone.unwrap_or(session).offset_at_local(local);
    check(local - i64::from(offset) * SECOND, "timestamp")
}

/// Reads a timestamp.
///
/// # Errors
/// 22007, 22008.
pub fn parse_timestamp(text: &str, order: DateOrder) -> Result<i64> {
    match canonical(text.as_bytes()) {
        Some(micros) => Ok(micros),
        None => moment(text, order, None, "timestamp"),
    }
}

/// Reads a timestamptz; a text without a zone is in `zone`.
///
/// # Errors
/// 22007, 22008.
pub fn parse_timestamptz(text: &str, order: DateOrder, zone: Zone) -> Result<i64> {
    moment(text, order, Some(zone), "timestamp with time zone")
}

/// Reads a date.
///
/// # Errors
/// 22007, 22008.
pub fn parse_date(text: &str, order: DateOrder) -> Result<i32> {
    if text.len() == 10
        && let Some(micros) = canonical(text.as_bytes())
    {
        return Ok(split(micros).0);
    }
    match moment(text, order, None, "date")? {
        INFINITY => Ok(i32::MAX),
        NEG_INFINITY => Ok(i32::MIN),
        micros => Ok(split(micros).0),
    }
}

/// Reads a time of day, and the zone behind it.
///
/// # Errors
/// 22007, 22008.
pub fn parse_time(text: &str) -> Result<(i64, Option<Zone>)> {
    if let Some(micros) = clock(text.as_bytes()) {
        return Ok((micros, None));
    }
    let read = read(text, DateOrder::Mdy).ok_or_else(|| invalid("time", text))?;
    match read.time {
        Some(time) => Ok((time, read.zone)),
        None if read.now => Ok((split(now()).1, None)),
        None => Err(invalid("time", text)),
    }
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
            prop_assert_eq!(moment(&text, DateOrder::Mdy, None, "timestamp").unwrap(), micros);
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

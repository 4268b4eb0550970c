//! Dates and times read from texts: the form they are stored in, quickly, and all others that Postgres reads.
//!
//! | | |
//! | --- | --- |
//! | [`canonical`] | the stored form |
//! | [`parse_timestamp`], [`parse_timestamptz`], [`parse_date`], [`parse_time`] | any form |

use crate::error::{PgError, Result};
use crate::types::style::DateOrder;
use crate::types::zone::{self, Zone};

use super::{
    DAY, Fields, INFINITY, NEG_INFINITY, SECOND, check, days_of, month_length, now, split,
};

impl Fields {
    /// The moment.
    #[must_use]
    pub fn moment(self) -> i64 {
        i64::from(days_of(self.year, self.month, self.day)) * DAY
            + i64::from(self.hour * 3600 + self.minute * 60 + self.second) * SECOND
            + i64::from(self.micros)
    }
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
pub(super) fn clock(text: &[u8]) -> Option<i64> {
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
pub(super) fn moment(text: &str, order: DateOrder, zone: Option<Zone>, ty: &str) -> Result<i64> {
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

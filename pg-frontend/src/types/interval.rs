//! `interval`: months, days and microseconds, each with its own sign.
//! <https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-INTERVAL-INPUT>

mod styles;

use super::time::{DAY, Fields, SECOND, civil, days_of, month_length, split};
use crate::error::{PgError, Result};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// The rest, in microseconds.
    pub micros: i64,
}

/// Months, days and microseconds of one of a unit.
fn unit(name: &str) -> Option<(i64, i64, i64)> {
    Some(match name {
        "year" | "years" | "y" | "yr" | "yrs" => (12, 0, 0),
        "month" | "months" | "mon" | "mons" => (1, 0, 0),
        "decade" | "decades" | "dec" | "decs" => (120, 0, 0),
        "century" | "centuries" | "cent" | "c" => (1200, 0, 0),
        "millennium" | "millennia" | "mil" | "mils" => (12_000, 0, 0),
        "week" | "weeks" | "w" => (0, 7, 0),
        "day" | "days" | "d" => (0, 1, 0),
        "hour" | "hours" | "h" | "hr" | "hrs" => (0, 0, 3600 * SECOND),
        "minute" | "minutes" | "m" | "min" | "mins" => (0, 0, 60 * SECOND),
        "second" | "seconds" | "s" | "sec" | "secs" => (0, 0, SECOND),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => (0, 0, 1000),
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => (0, 0, 1),
        _ => return None,
    })
}

/// What is read, before it is known to fit.
#[derive(Default)]
struct Sum {
    months: f64,
    days: f64,
    micros: f64,
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "checked in finish"
)]
impl Sum {
    /// A number of units; a fraction goes down into the smaller ones (a month is 30 days).
    fn add(&mut self, number: f64, (months, days, micros): (i64, i64, i64)) {
        if months != 0 {
            let total = number * months as f64;
            self.months += total.trunc();
            // A fraction of years is rounded to months; one of months becomes days.
            if months == 1 {
                self.add(total.fract() * 30.0, (0, 1, 0));
            }
        } else if days != 0 {
            let total = number * days as f64;
            self.days += total.trunc();
            self.micros += (total.fract() * DAY as f64).round();
        } else {
            self.micros += (number * micros as f64).round();
        }
    }

    fn finish(&self) -> Option<Interval> {
        let fits = |value: f64, limit: f64| value.abs() <= limit;
        if !fits(self.months, 2_147_483_647.0)
            || !fits(self.days, 2_147_483_647.0)
            || !fits(self.micros, 9.2e18)
        {
            return None;
        }
        Some(Interval {
            months: self.months as i32,
            days: self.days as i32,
            micros: self.micros as i64,
        })
    }
}

impl Interval {
    /// Reads an interval in any of Postgres's forms. `field`: the unit of a number that has none
    /// (`INTERVAL '3' DAY`).
    ///
    /// # Errors
    /// 22007, 22015.
    pub fn parse(text: &str, field: Option<&str>) -> Result<Self> {
        let invalid = || {
            PgError::new(
                "22007",
                format!("invalid input syntax for type interval: \"{text}\""),
            )
        };
        let trimmed = text.trim();
        let sum = if trimmed.starts_with(['P', 'p']) || trimmed.starts_with("-P") {
            read_iso(trimmed)
        } else {
            read_words(trimmed, field)
        };
        sum.ok_or_else(invalid)?.finish().ok_or_else(|| {
            PgError::new(
                "22015",
                format!("interval field value out of range: \"{text}\""),
            )
        })
    }

    /// For order and equality: microseconds, a month taken as 30 days.
    #[must_use]
    pub fn key(self) -> i128 {
        (i128::from(self.months) * 30 + i128::from(self.days)) * i128::from(DAY)
            + i128::from(self.micros)
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            months: self.months.saturating_add(other.months),
            days: self.days.saturating_add(other.days),
            micros: self.micros.saturating_add(other.micros),
        }
    }

    /// With its signs turned.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            months: self.months.saturating_neg(),
            days: self.days.saturating_neg(),
            micros: self.micros.saturating_neg(),
        }
    }

    /// Times a number; fractions of months become days, of days become time.
    ///
    /// # Errors
    /// 22008.
    #[allow(clippy::cast_precision_loss, reason = "as Postgres does it")]
    pub fn times(self, factor: f64) -> Result<Self> {
        let mut sum = Sum::default();
        let months = f64::from(self.months) * factor;
        sum.months = months.trunc();
        // Postgres rounds the fraction to microseconds of a day, then carries.
        let month_days = ((months - months.trunc()) * 30.0 * 1e6).round() / 1e6;
        let days = f64::from(self.days) * factor;
        let seconds = ((month_days.fract() + days.fract()) * 86_400.0 * 1e6).round();
        sum.days = days.trunc() + month_days.trunc();
        sum.micros = self.micros as f64 * factor + seconds;
        sum.micros = sum.micros.round();
        let mut out = sum
            .finish()
            .ok_or_else(|| PgError::new("22008", "interval out of range"))?;
        if sum.micros.abs() >= DAY as f64 && self.micros == 0 {
            let carry = out.micros / DAY;
            out.days += i32::try_from(carry).unwrap_or(0);
            out.micros %= DAY;
        }
        Ok(out)
    }

    /// A moment later by this much: months by the calendar, then days, then time. What is beyond all calendars is
    /// a moment that [`check`](super::time::check) refuses, and not infinity.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "clamped to what fits")]
    pub fn after(self, moment: i64) -> i64 {
        /// Far beyond the last year, with room for a time zone.
        const BEYOND: i128 = 1 << 61;
        let mut moment = i128::from(moment);
        if self.months != 0 {
            let (days, rest) = split(moment.clamp(-BEYOND, BEYOND) as i64);
            let (year, month, day) = civil(days);
            let total = i64::from(year) * 12 + i64::from(month - 1) + i64::from(self.months);
            let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as i32 + 1);
            let year = year.clamp(-100_000, 100_000) as i32;
            let day = day.min(month_length(year, month));
            moment = i128::from(days_of(year, month, day)) * i128::from(DAY) + i128::from(rest);
        }
        let moment = moment + i128::from(self.days) * i128::from(DAY) + i128::from(self.micros);
        moment.clamp(-BEYOND, BEYOND) as i64
    }

    /// The time from one moment to another: days and the rest, as `-` gives it.
    #[must_use]
    pub fn between(from: i64, to: i64) -> Self {
        let all = to.saturating_sub(from);
        Self {
            months: 0,
            days: i32::try_from(all / DAY).unwrap_or(0),
            micros: all % DAY,
        }
    }

    /// The time from one moment to another in years, months, days and the rest, as `age` gives it.
    #[must_use]
    pub fn age(from: i64, to: i64) -> Self {
        if to < from {
            return Self::age_of(to, from).negated();
        }
        Self::age_of(from, to)
    }

    fn age_of(from: i64, to: i64) -> Self {
        let (a, b) = (Fields::of(from), Fields::of(to));
        let mut months = (b.year - a.year) * 12 + b.month - a.month;
        let mut days = b.day - a.day;
        let mut micros = split(to).1 - split(from).1;
        if micros < 0 {
            micros += DAY;
            days -= 1;
        }
        if days < 0 {
            days += month_length(a.year, a.month);
            months -= 1;
        }
        Self {
            months,
            days,
            micros,
        }
    }
}

/// `1 day 02:03:04`, `1-2`, `3 hours ago`, `@ 1 minute`.
fn read_words(text: &str, field: Option<&str>) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut words = tokens(text)?.into_iter().peekable();
    let mut any = false;
    let mut ago = false;
    while let Some(word) = words.next() {
        if word == "@" {
            continue;
        }
        if word.eq_ignore_ascii_case("ago") {
            ago = true;
            continue;
        }
        any = true;
        if word.contains(':') {
            sum.micros += read_clock(&word)?;
            continue;
        }
        if let Some((years, months)) = word.trim_start_matches(['+', '-']).split_once('-') {
            let sign = if word.starts_with('-') { -1.0 } else { 1.0 };
            sum.months +=
                sign * (years.parse::<f64>().ok()? * 12.0 + months.parse::<f64>().ok()?);
            continue;
        }
        let number: f64 = word
            .parse()
            .ok()
            .filter(|_| word.bytes().any(|c| c.is_ascii_digit()))?;
        let next_unit = words
            .peek()
            .filter(|next| !next.eq_ignore_ascii_case("ago"))
            .filter(|next| next.as_bytes()[0].is_ascii_alphabetic())
            .map(|next| next.to_ascii_lowercase());
        let unit = match next_unit {
            Some(name) => {
                words.next();
                unit(&name)?
            }
            // `1 02:03:04`: days. Otherwise the field, or seconds.
            None if words.peek().is_some_and(|next| next.contains(':')) => (0, 1, 0),
            None => unit(field.unwrap_or("second"))?,
        };
        sum.add(number, unit);
    }
    if ago {
        sum.months = -sum.months;
        sum.days = -sum.days;
        sum.micros = -sum.micros;
    }
    any.then_some(sum)
}

/// Words, with letters behind a number a word of their own (`1d`, `2h`).
fn tokens(text: &str) -> Option<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    let mut kind = ' ';
    for c in text.chars() {
        let now = match c {
            c if c.is_ascii_whitespace() || c == ',' => ' ',
            c if c.is_ascii_alphabetic() => 'a',
            '@' => '@',
            '0'..='9' | '.' | ':' | '+' | '-' => '0',
            _ => return None,
        };
        if now != ' ' {
            match out.last_mut() {
                Some(last) if now == kind => last.push(c),
                _ => out.push(c.to_string()),
            }
        }
        kind = now;
    }
    Some(out)
}

/// `[-]HH:MM[:SS[.f]]`, in microseconds.
fn read_clock(word: &str) -> Option<f64> {
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, word.trim_start_matches('+')),
    };
    let parts: Vec<f64> = rest
        .split(':')
        .map(|part| {
            part.parse::<f64>()
                .ok()
                .filter(|_| !part.starts_with(['+', '-']))
        })
        .collect::<Option<_>>()?;
    let seconds = match parts[..] {
        [hours, minutes] => hours * 3600.0 + minutes * 60.0,
        [hours, minutes, seconds] => hours * 3600.0 + minutes * 60.0 + seconds,
        _ => return None,
    };
    Some(sign * (seconds * 1e6).round())
}

/// `P1Y2M3DT4H5M6.7S`
fn read_iso(text: &str) -> Option<Sum> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let mut sum = Sum::default();
    let mut clock = false;
    let mut number = String::new();
    for c in rest[1..].chars() {
        match c.to_ascii_uppercase() {
            'T' if number.is_empty() => clock = true,
            '0'..='9' | '.' | '-' | '+' => number.push(c),
            letter => {
                let value: f64 = number.parse().ok()?;
                number.clear();
                let unit = match (letter, clock) {
                    ('Y', false) => (12, 0, 0),
                    ('M', false) => (1, 0, 0),
                    ('W', false) => (0, 7, 0),
                    ('D', false) => (0, 1, 0),
                    ('H', true) => (0, 0, 3600 * SECOND),
                    ('M', true) => (0, 0, 60 * SECOND),
                    ('S', true) => (0, 0, SECOND),
                    _ => return None,
                };
                sum.add(sign * value, unit);
            }
        }
    }
    (number.is_empty() && rest.len() > 1).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::style::IntervalStyle;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        Interval::parse(text, None).unwrap().text()
    }

    #[test]
    fn as_postgres_15_reads_and_writes_them() {
        for (text, expected) in [
            ("1 day", "1 day"),
            (
                "1 year 2 months 3 days 04:05:06.789",
                "1 year 2 mons 3 days 04:05:06.789",
            ),
            ("90 minutes", "01:30:00"),
            ("1.5 days", "1 day 12:00:00"),
            ("1 week", "7 days"),
            ("-1 day +2 hours", "-1 days +02:00:00"),
            ("3 hours ago", "-03:00:00"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("1-2", "1 year 2 mons"),
            ("0", "00:00:00"),
            ("1 02:03", "1 day 02:03:00"),
            ("1.5 months", "1 mon 15 days"),
            ("100:00", "100:00:00"),
            ("1d 2h", "1 day 02:00:00"),
            ("@ 1 minute", "00:01:00"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(Interval::parse("one day", None).is_err());
        assert!(Interval::parse("", None).is_err());
    }

    #[test]
    fn what_is_beyond_the_calendar_is_refused() {
        use crate::types::time::check;
        for (months, days, micros) in [
            (i32::MAX, 0, 0),
            (i32::MIN, 0, 0),
            // So many days, in microseconds, are nearly 2 to the power of 64.
            (0, 213_503_982, 0),
            (0, i32::MIN, 0),
            (0, 0, i64::MAX),
            (i32::MAX, i32::MAX, i64::MAX),
        ] {
            let interval = Interval {
                months,
                days,
                micros,
            };
            for moment in [0, 700_000_000_000_000_000, -700_000_000_000_000_000] {
                let after = interval.after(moment);
                assert!(
                    check(after, "timestamp").is_err(),
                    "{interval:?} after {moment} is {after}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn text_comes_back(months in -50_000i32..50_000, days in -100_000i32..100_000, micros in -1_000_000_000_000i64..1_000_000_000_000) {
            let interval = Interval { months, days, micros };
            prop_assert_eq!(Interval::parse(&interval.text(), None).unwrap(), interval);
            prop_assert_eq!(Interval::parse(&interval.styled(IntervalStyle::Iso), None).unwrap(), interval);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-zP:. @+-]{0,20}") {
            let _ = Interval::parse(&text, None);
        }
    }
}

//! `to_char`, `to_timestamp`, `to_date`, `to_number`: the usual patterns.
//! <https://www.postgresql.org/docs/15/functions-formatting.html>

mod numbers;
mod read;

use super::session::style;
use super::time::extract::iso_week;
use super::time::fields;
use super::{Entry, numeric_value, text_value};
use crate::error::PgError;
use crate::types::Type;
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::text::{as_interval, as_moment};
use crate::types::time::{self, DAY, Fields, SECOND, days_of, offset_text, split};

use self::numbers::number_text;
use self::read::read;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Patterns of dates and times, longer ones first.
const PATTERNS: &[&str] = &[
    "HH24", "HH12", "YYYY", "IYYY", "Y,YYY", "MONTH", "Month", "month", "A.M.", "P.M.", "a.m.",
    "p.m.", "SSSSS", "SSSS", "DAY", "Day", "day", "DDD", "IDDD", "YYY", "IYY", "MON", "Mon", "mon",
    "TZH", "TZM", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "B.C.", "A.D.", "HH", "MI", "SS", "MS",
    "US", "AM", "PM", "am", "pm", "YY", "IY", "MM", "DY", "Dy", "dy", "DD", "ID", "WW", "IW", "CC",
    "RM", "rm", "TZ", "tz", "OF", "BC", "AD", "Y", "I", "D", "W", "Q", "J",
];

/// A piece of a format.
pub(super) enum Piece<'f> {
    /// A pattern, without padding (`FM`), with an ending (`TH`, `th`).
    Pattern {
        name: &'static str,
        fill: bool,
        ending: Option<&'static str>,
    },
    Text(&'f str),
}

pub(super) fn pieces(format: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = format;
    let mut fill = true;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            fill = false;
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("FX").or_else(|| rest.strip_prefix("TM")) {
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix('"') {
            let end = after.find('"').unwrap_or(after.len());
            out.push(Piece::Text(&after[..end]));
            rest = after.get(end + 1..).unwrap_or("");
            continue;
        }
        let found = PATTERNS.iter().find(|pattern| {
            rest.starts_with(**pattern)
                || (!pattern.eq_ignore_ascii_case("month")
                    && !pattern.eq_ignore_ascii_case("mon")
                    && !pattern.eq_ignore_ascii_case("day")
                    && !pattern.eq_ignore_ascii_case("dy")
                    && rest.get(..pattern.len()).is_some_and(|start| {
                        start.eq_ignore_ascii_case(pattern)
                            && start.bytes().all(|c| !c.is_ascii_uppercase())
                    }))
        });
        match found {
            Some(name) => {
                rest = &rest[name.len()..];
                let ending = ["TH", "th"]
                    .into_iter()
                    .find(|ending| rest.starts_with(ending));
                if let Some(ending) = ending {
                    rest = &rest[ending.len()..];
                }
                out.push(Piece::Pattern { name, fill, ending });
                fill = true;
            }
            None => {
                let end = rest.chars().next().map_or(1, char::len_utf8);
                out.push(Piece::Text(&rest[..end]));
                rest = &rest[end..];
            }
        }
    }
    out
}

/// What is shown.
struct Shown {
    at: Fields,
    days: i32,
    offset: i32,
    zone: String,
    /// An interval's hours are not of a day.
    interval: Option<Interval>,
}

pub(super) fn number(value: i64, width: usize, fill: bool) -> String {
    if fill {
        format!("{value:0width$}")
    } else {
        value.to_string()
    }
}

fn word(text: &str, width: usize, fill: bool) -> String {
    if fill {
        format!("{text:width$}")
    } else {
        text.to_owned()
    }
}

fn cased(text: &str, pattern: &str) -> String {
    if pattern.bytes().all(|c| c.is_ascii_uppercase()) {
        text.to_uppercase()
    } else if pattern.starts_with(|c: char| c.is_ascii_uppercase()) {
        text.to_owned()
    } else {
        text.to_lowercase()
    }
}

pub(super) fn ordinal(value: i64) -> &'static str {
    match (value % 10, value % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

impl Shown {
    pub(super) fn pattern(&self, name: &str, fill: bool) -> String {
        let at = &self.at;
        let hour = self
            .interval
            .map_or(i64::from(at.hour), |by| by.micros / (3600 * SECOND));
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        let year = i64::from(at.year);
        let month = usize::try_from(at.month - 1).unwrap_or(0).min(11);
        let weekday = usize::try_from((self.days + 6).rem_euclid(7)).unwrap_or(0);
        let (iso_year, week) = iso_week(self.days);
        let iso_year = i64::from(iso_year);
        let of_year = i64::from(self.days - days_of(at.year, 1, 1) + 1);
        let half = |upper: [&'static str; 2]| upper[usize::from(at.hour >= 12)].to_owned();
        match name {
            "HH24" => number(hour, 2, fill),
            "HH" | "HH12" => number(twelve, 2, fill),
            "MI" => number(at.minute.into(), 2, fill),
            "SS" => number(at.second.into(), 2, fill),
            "MS" | "FF3" => number(i64::from(at.micros) / 1000, 3, true),
            "US" | "FF6" => number(at.micros.into(), 6, true),
            "FF1" => number(i64::from(at.micros) / 100_000, 1, true),
            "FF2" => number(i64::from(at.micros) / 10_000, 2, true),
            "FF4" => number(i64::from(at.micros) / 100, 4, true),
            "FF5" => number(i64::from(at.micros) / 10, 5, true),
            "SSSS" | "SSSSS" => {
                (i64::from(at.hour * 3600 + at.minute * 60 + at.second)).to_string()
            }
            "AM" | "PM" => half(["AM", "PM"]),
            "am" | "pm" => half(["am", "pm"]),
            "A.M." | "P.M." => half(["A.M.", "P.M."]),
            "a.m." | "p.m." => half(["a.m.", "p.m."]),
            "YYYY" => number(year, 4, fill),
            "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
            "YYY" => number(year % 1000, 3, fill),
            "YY" => number(year % 100, 2, fill),
            "Y" => (year % 10).to_string(),
            "IYYY" => number(iso_year, 4, fill),
            "IYY" => number(iso_year % 1000, 3, fill),
            "IY" => number(iso_year % 100, 2, fill),
            "I" => (iso_year % 10).to_string(),
            "BC" | "AD" => "AD".to_owned(),
            "B.C." | "A.D." => "A.D.".to_owned(),
            "MONTH" | "Month" | "month" => word(&cased(MONTHS[month], name), 9, fill),
            "MON" | "Mon" | "mon" => cased(&MONTHS[month][..3], name),
            "MM" => number(at.month.into(), 2, fill),
            "DAY" | "Day" | "day" => word(&cased(DAYS[weekday], name), 9, fill),
            "DY" | "Dy" | "dy" => cased(&DAYS[weekday][..3], name),
            "DDD" => number(of_year, 3, fill),
            "IDDD" => number(
                i64::from((week - 1) * 7 + (self.days + 5).rem_euclid(7) + 1),
                3,
                fill,
            ),
            "DD" => number(
                self.interval.map_or(i64::from(at.day), |by| by.days.into()),
                2,
                fill,
            ),
            "D" => (weekday + 1).to_string(),
            "ID" => ((self.days + 5).rem_euclid(7) + 1).to_string(),
            "W" => ((at.day - 1) / 7 + 1).to_string(),
            "WW" => number((of_year - 1) / 7 + 1, 2, fill),
            "IW" => number(week.into(), 2, fill),
            "CC" => number((year + 99) / 100, 2, fill),
            "J" => (i64::from(self.days) + 2_451_545).to_string(),
            "Q" => ((at.month - 1) / 3 + 1).to_string(),
            "RM" => word(ROMAN[month], 4, fill),
            "rm" => word(&ROMAN[month].to_lowercase(), 4, fill),
            "TZ" => self.zone.clone(),
            "tz" => self.zone.to_lowercase(),
            "TZH" => format!("{:+03}", self.offset / 3600),
            "TZM" => format!("{:02}", (self.offset / 60 % 60).abs()),
            "OF" => offset_text(self.offset),
            _ => String::new(),
        }
    }

    pub(super) fn text(&self, format: &str) -> String {
        let mut out = String::new();
        for piece in pieces(format) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Pattern { name, fill, ending } => {
                    let shown = self.pattern(name, fill);
                    out.push_str(&shown);
                    if let Some(ending) = ending {
                        let suffix = ordinal(shown.trim().parse().unwrap_or(0));
                        out.push_str(&if ending == "TH" {
                            suffix.to_uppercase()
                        } else {
                            suffix.to_owned()
                        });
                    }
                }
            }
        }
        out
    }
}

pub(super) const STRICT: &[Entry] = &[
    ("pg_to_char_time", 2, |a| {
        let micros = as_moment(Type::TIMESTAMP, a.value(0))?;
        let shown = Shown {
            at: fields(micros),
            days: split(micros).0,
            offset: 0,
            zone: String::new(),
            interval: None,
        };
        text_value(shown.text(a.text(1)?))
    }),
    ("pg_to_char_timetz", 2, |a| {
        let (micros, zone) = (as_moment(Type::TIMESTAMPTZ, a.value(0))?, style().zone);
        let offset = zone.offset_at(micros);
        let local = micros + i64::from(offset) * SECOND;
        let shown = Shown {
            at: fields(local),
            days: split(local).0,
            offset,
            zone: zone.abbreviation_at(micros),
            interval: None,
        };
        text_value(shown.text(a.text(1)?))
    }),
    ("pg_to_char_interval", 2, |a| {
        let by = as_interval(a.value(0))?;
        let rest = by.micros.rem_euclid(DAY);
        let mut at = fields(rest);
        at.year = by.months / 12;
        at.month = by.months % 12;
        at.day = by.days;
        let shown = Shown {
            at,
            days: 0,
            offset: 0,
            zone: String::new(),
            interval: Some(by),
        };
        text_value(shown.text(a.text(1)?))
    }),
    ("pg_to_char_number", 2, |a| {
        text_value(number_text(&a.numeric(0)?, a.text(1)?))
    }),
    ("pg_to_timestamp", 2, |a| {
        let read = read(a)?;
        let local = read.0;
        let offset = read
            .1
            .unwrap_or_else(|| style().zone.offset_at_local(local));
        text_value(time::timestamp_text(time::check(
            local - i64::from(offset) * SECOND,
            "timestamp",
        )?))
    }),
    ("pg_to_date", 2, |a| {
        text_value(time::date_text(split(read(a)?.0).0))
    }),
    ("pg_to_number", 2, |a| {
        let text = a.text(0)?;
        let digits: String = text
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let negative = text.contains('-') || text.contains('<');
        let number = Numeric::parse(&digits).ok_or_else(|| {
            PgError::new(
                "22P02",
                format!("invalid input syntax for type numeric: \"{text}\""),
            )
        })?;
        numeric_value(&if negative { number.neg() } else { number })
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_postgres_15_writes_them() {
        for (number, format, expected) in [
            ("1234.5", "9,999.99", " 1,234.50"),
            ("-1234.5", "FM9,999.99", "-1,234.5"),
            ("0.5", "0.00", " 0.50"),
            ("0.5", "9.99", "  .50"),
            ("12", "0000", " 0012"),
            ("12", "FM0000", "0012"),
            ("12345", "999", " ###"),
            ("7", "99th", "  7"),
            ("485", "999", " 485"),
            ("-485", "999", "-485"),
            ("485", "999MI", "485 "),
            ("-485", "999MI", "485-"),
            ("12", "S99", "+12"),
            ("1234567.891", "FM999,999,990.00", "1,234,567.89"),
            ("0", "FM990", "0"),
        ] {
            let shown = number_text(
                &Numeric::parse(number).unwrap(),
                format.trim_end_matches("th"),
            );
            assert_eq!(shown, expected, "{format}");
        }
    }
}

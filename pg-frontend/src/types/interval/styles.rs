//! Intervals written in each of the four styles.

use super::Interval;
use crate::types::style::IntervalStyle;
use crate::types::time::SECOND;
use std::fmt::Write as _;

impl Interval {
    /// As SQLite has it, and as Postgres writes it in its own style.
    #[must_use]
    pub fn text(self) -> String {
        self.styled(IntervalStyle::Postgres)
    }

    /// As a session wants it written.
    #[must_use]
    pub fn styled(self, style: IntervalStyle) -> String {
        match style {
            IntervalStyle::Postgres => self.postgres(),
            IntervalStyle::Verbose => self.verbose(),
            IntervalStyle::SqlStandard => self.sql_standard(),
            IntervalStyle::Iso => self.iso(),
        }
    }

    pub(super) fn clock(self) -> (i64, i64, i64, i64) {
        let all = self.micros.unsigned_abs().cast_signed();
        (
            all / (3600 * SECOND),
            all / (60 * SECOND) % 60,
            all / SECOND % 60,
            all % SECOND,
        )
    }

    pub(super) fn fraction(micros: i64) -> String {
        if micros == 0 {
            return String::new();
        }
        format!(".{micros:06}").trim_end_matches('0').to_owned()
    }

    fn postgres(self) -> String {
        let mut out = String::new();
        let mut negative = false;
        let mut part = |value: i32, name: &str| {
            if value == 0 {
                return;
            }
            let space = if out.is_empty() { "" } else { " " };
            let plus = if negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{plus}{value} {name}{plural}");
            negative = value < 0;
        };
        part(self.months / 12, "year");
        part(self.months % 12, "mon");
        part(self.days, "day");
        if self.micros != 0 || out.is_empty() {
            let (hours, minutes, seconds, micros) = self.clock();
            let space = if out.is_empty() { "" } else { " " };
            let sign = if self.micros < 0 {
                "-"
            } else if negative {
                "+"
            } else {
                ""
            };
            let _ = write!(
                out,
                "{space}{sign}{hours:02}:{minutes:02}:{seconds:02}{}",
                Self::fraction(micros)
            );
        }
        out
    }

    fn verbose(self) -> String {
        let first = [self.months, self.days].into_iter().find(|part| *part != 0);
        let negative = first.map_or(self.micros < 0, |part| part < 0);
        let sign = if negative { -1 } else { 1 };
        let mut out = "@".to_owned();
        let mut part = |value: i32, name: &str| {
            if value != 0 {
                let value = value * sign;
                let plural = if value == 1 { "" } else { "s" };
                let _ = write!(out, " {value} {name}{plural}");
            }
        };
        part(self.months / 12, "year");
        part(self.months % 12, "mon");
        part(self.days, "day");
        let (hours, minutes, seconds, micros) = self.clock();
        let minus = if (self.micros < 0) == negative {
            ""
        } else {
            "-"
        };
        for (value, name) in [(hours, "hour"), (minutes, "min")] {
            if value != 0 {
                let plural = if value == 1 { "" } else { "s" };
                let _ = write!(out, " {minus}{value} {name}{plural}");
            }
        }
        if seconds != 0 || micros != 0 {
            let plural = if seconds == 1 && micros == 0 { "" } else { "s" };
            let _ = write!(
                out,
                " {minus}{seconds}{} sec{plural}",
                Self::fraction(micros)
            );
        }
        if out.len() == 1 {
            out.push_str(" 0");
        }
        if negative {
            out.push_str(" ago");
        }
        out
    }

    fn sql_standard(self) -> String {
        let (hours, minutes, seconds, micros) = self.clock();
        let sign = |negative: bool| if negative { "-" } else { "+" };
        let clock = format!(
            "{hours}:{minutes:02}:{seconds:02}{}",
            Self::fraction(micros)
        );
        match (self.months != 0, self.days != 0, self.micros != 0) {
            (false, false, false) => "0".to_owned(),
            (true, false, false) => {
                let minus = if self.months < 0 { "-" } else { "" };
                format!(
                    "{minus}{}-{}",
                    (self.months / 12).abs(),
                    (self.months % 12).abs()
                )
            }
            (false, false, true) => format!("{}{clock}", if self.micros < 0 { "-" } else { "" }),
            (false, true, _) if (self.days < 0) == (self.micros < 0) || self.micros == 0 => {
                format!("{} {clock}", self.days)
            }
            _ => format!(
                "{}{}-{} {}{} {}{clock}",
                sign(self.months < 0),
                (self.months / 12).abs(),
                (self.months % 12).abs(),
                sign(self.days < 0),
                self.days.abs(),
                sign(self.micros < 0)
            ),
        }
    }

    fn iso(self) -> String {
        let mut out = "P".to_owned();
        let mut part = |value: i32, letter: char| {
            if value != 0 {
                let _ = write!(out, "{value}{letter}");
            }
        };
        part(self.months / 12, 'Y');
        part(self.months % 12, 'M');
        part(self.days, 'D');
        if self.micros != 0 {
            let (hours, minutes, seconds, micros) = self.clock();
            let minus = if self.micros < 0 { "-" } else { "" };
            out.push('T');
            if hours != 0 {
                let _ = write!(out, "{minus}{hours}H");
            }
            if minutes != 0 {
                let _ = write!(out, "{minus}{minutes}M");
            }
            if seconds != 0 || micros != 0 {
                let _ = write!(out, "{minus}{seconds}{}S", Self::fraction(micros));
            }
        }
        if out.len() == 1 {
            out.push_str("T0S");
        }
        out
    }
}

//! Time zones: fixed offsets, and the names of the IANA database.

use chrono::{Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

/// A session's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    /// `Europe/Berlin`
    Named(Tz),
}

/// Microseconds between 1970 and 2000.
pub const EPOCH_2000: i64 = 946_684_800_000_000;

impl Zone {
    /// UTC.
    pub const UTC: Self = Self::Fixed(0);

    /// Reads a zone's name, abbreviation or offset as Postgres accepts it: `UTC`, `Europe/Berlin`,
    /// `+02:00` (east of UTC), `EST`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('\'');
        match text.to_ascii_lowercase().as_str() {
            "utc" | "z" | "zulu" | "gmt" | "etc/utc" | "universal" | "uct" => {
                return Some(Self::UTC);
            }
            "local" | "default" => return Some(Self::UTC),
            lower => {
                if let Some(hours) = abbreviation(lower) {
                    return Some(Self::Fixed(hours * 1800));
                }
            }
        }
        if text.starts_with(['+', '-']) {
            return offset(text).map(Self::Fixed);
        }
        Tz::from_str_insensitive(text).ok().map(Self::Named)
    }

    /// As `SET TIME ZONE` reads it: a bare number is hours east, and `<+02>-02` is Postgres's own way to
    /// write an offset.
    #[must_use]
    pub fn parse_setting(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(posix) = text.strip_prefix('<') {
            let (_, west) = posix.split_once('>')?;
            return offset(west).map(|seconds| Self::Fixed(-seconds));
        }
        if let Ok(hours) = text.parse::<f64>() {
            #[allow(clippy::cast_possible_truncation, reason = "within a day")]
            return (hours.abs() <= 15.0).then_some(Self::Fixed((hours * 3600.0) as i32));
        }
        Self::parse(text)
    }

    /// Seconds east of UTC at a moment, given in microseconds since 2000, UTC.
    #[must_use]
    pub fn offset_at(self, micros: i64) -> i32 {
        match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(zone) => moment(micros).map_or(0, |utc| {
                zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
            }),
        }
    }

    /// Seconds east of UTC when clocks there show this time (microseconds since 2000). A time that
    /// there is twice is the first; one that is skipped is read with the offset before.
    #[must_use]
    pub fn offset_at_local(self, micros: i64) -> i32 {
        match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(zone) => {
                let Some(local) = moment(micros) else {
                    return 0;
                };
                match zone.offset_from_local_datetime(&local) {
                    chrono::LocalResult::Single(offset) => offset.fix().local_minus_utc(),
                    // Postgres takes standard time, the later of the two.
                    chrono::LocalResult::Ambiguous(_, later) => later.fix().local_minus_utc(),
                    chrono::LocalResult::None => self.offset_at(micros - 86_400_000_000),
                }
            }
        }
    }

    /// Its abbreviation at a moment, for `to_char`'s `TZ`.
    #[must_use]
    pub fn abbreviation_at(self, micros: i64) -> String {
        match self {
            Self::Fixed(0) => "UTC".to_owned(),
            Self::Fixed(seconds) => format!("{:+03}", seconds / 3600),
            Self::Named(zone) => moment(micros)
                .and_then(|utc| {
                    zone.offset_from_utc_datetime(&utc)
                        .abbreviation()
                        .map(str::to_owned)
                })
                .unwrap_or_default(),
        }
    }
}

fn moment(micros: i64) -> Option<chrono::NaiveDateTime> {
    chrono::DateTime::from_timestamp_micros(micros.checked_add(EPOCH_2000)?)
        .map(|utc| utc.naive_utc())
}

/// `+02`, `-05:30`, `+0530`, `+01:02:03`: seconds.
#[must_use]
pub fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = [0i32; 3];
    if rest.contains(':') {
        for (index, part) in rest.split(':').enumerate() {
            *parts.get_mut(index)? = number(part)?;
        }
    } else {
        match rest.len() {
            1 | 2 => parts[0] = number(rest)?,
            3 | 4 => {
                parts[0] = number(&rest[..rest.len() - 2])?;
                parts[1] = number(&rest[rest.len() - 2..])?;
            }
            _ => return None,
        }
    }
    if parts[0] > 15 || parts[1] > 59 || parts[2] > 59 {
        return None;
    }
    Some(sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]))
}

fn number(text: &str) -> Option<i32> {
    (!text.is_empty() && text.len() <= 2 && text.bytes().all(|c| c.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Abbreviations of Postgres's default set that clients write, in half hours east of UTC.
fn abbreviation(lower: &str) -> Option<i32> {
    Some(
        2 * match lower {
            "est" | "cdt" => -5,
            "edt" => -4,
            "cst" | "mdt" => -6,
            "mst" | "pdt" => -7,
            "pst" => -8,
            "wet" => 0,
            "bst" | "cet" | "west" => 1,
            "cest" | "eet" => 2,
            "eest" | "msk" => 3,
            "jst" | "kst" => 9,
            "aest" => 10,
            _ => return None,
        },
    )
}

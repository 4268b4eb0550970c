//! Times as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) has them.

/// Seconds since 1970 and nanoseconds of `text`; with SQLite's ways of writing it: a space for the
/// `T`, and no offset for UTC.
pub(crate) fn parse(text: &str) -> Option<(i64, u32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut date = date.split('-');
    let (year, month, day) = (
        digits(date.next()?, 4)?,
        digits(date.next()?, 2)?,
        digits(date.next()?, 2)?,
    );
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let mut clock = clock.split(':');
    let (hour, minute, second) = (
        digits(clock.next()?, 2)?,
        digits(clock.next()?, 2)?,
        digits(clock.next()?, 2)?,
    );
    let (nanoseconds, rest) = fraction(rest)?;
    let offset = offset(rest)?;
    let days_in_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((
        days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset,
        nanoseconds,
    ))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// `.123` as nanoseconds, and what follows. Digits beyond the ninth do not count.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(text) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    (end > 0)
        .then(|| nine.parse().ok())
        .flatten()
        .map(|nanoseconds| (nanoseconds, rest))
}

/// Seconds that `Z`, `+01:00` or nothing are east of UTC.
fn offset(text: &str) -> Option<i64> {
    let (sign, text) = match text.as_bytes() {
        [] | b"Z" | b"z" => return Some(0),
        [b'+', ..] => (1, text.get(1..)?),
        [b'-', ..] => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01, by <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2026-11-29 20:00:00", (1_795_982_400, 0)),
            ("2026-11-29T21:30:00.25+01:30", (1_795_982_400, 250_000_000)),
            (
                "2024-02-29t23:59:59.9999999999z",
                (1_709_251_199, 999_999_999),
            ),
            ("1969-12-31T23:59:59.5Z", (-1, 500_000_000)),
            ("0000-03-01T00:00:00Z", (-62_162_035_200, 0)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026",
            "2026-11-29",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-29T24:00:00Z",
            "2026-11-29T00:00:60Z",
            "2026-11-29T00:00:00.Z",
            "2026-11-29T00:00:00+1:00",
            "2026-11-29T00:00:00X",
            "+026-11-29T00:00:00Z",
            "２０２６-11-29T00:00:00Z",
            "2026-11-29T00:00:00+0é:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

//! Times: RFC 3339 in text, and MessagePack's timestamps.

/// Checks that a text is a time of RFC 3339, such as `2026-11-20T10:00:00.5+01:00`. It is bound as
/// it stands: SQLite's date functions read it.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if is_time(text.as_bytes()).unwrap_or(false) {
        Ok(())
    } else {
        Err(format!(
            "$time {text:?} is not a time of RFC 3339, such as 2026-11-20T10:00:00.5+01:00"
        ))
    }
}

fn is_time(text: &[u8]) -> Option<bool> {
    let year = number(text, 0, 4)?;
    let month = number(text, 5, 2)?;
    let day = number(text, 8, 2)?;
    let (hour, minute, second) = (
        number(text, 11, 2)?,
        number(text, 14, 2)?,
        number(text, 17, 2)?,
    );
    let separators = (text.get(4)?, text.get(7)?, text.get(13)?, text.get(16)?)
        == (&b'-', &b'-', &b':', &b':')
        && matches!(text.get(10)?, b'T' | b't' | b' ');
    let mut rest = text.get(19..)?;
    if let Some((b'.', fraction)) = rest.split_first() {
        let digits = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        rest = fraction.get(digits..)?;
    }
    let zone = match rest {
        b"Z" | b"z" => true,
        [b'+' | b'-', _, _, b':', _, _] => number(rest, 1, 2)? <= 23 && number(rest, 4, 2)? <= 59,
        _ => false,
    };
    let fields = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    Some(separators && zone && fields)
}

/// The number that `length` digits from `start` on are.
fn number(text: &[u8], start: usize, length: usize) -> Option<u32> {
    text.get(start..start + length)?
        .iter()
        .try_fold(0, |number, byte| {
            byte.is_ascii_digit()
                .then(|| number * 10 + u32::from(byte - b'0'))
        })
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A MessagePack timestamp as RFC 3339 in UTC. None for years that have not four digits, which
/// RFC 3339 cannot say, and for more nanoseconds than a second has.
pub(crate) fn from_unix(seconds: i64, nanoseconds: u32) -> Option<String> {
    if nanoseconds > 999_999_999 {
        return None;
    }
    let (year, month, day) = date(seconds.div_euclid(86_400));
    if !(0..=9999).contains(&year) {
        return None;
    }
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = match nanoseconds {
        0 => String::new(),
        nanoseconds => format!(".{nanoseconds:09}")
            .trim_end_matches('0')
            .to_owned(),
    };
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

/// The date of a day, counted from 1970-01-01, in the Gregorian calendar. Years begin in March
/// here, so that the leap day is a year's last; 400 years have 146097 days.
fn date(day: i64) -> (i64, i64, i64) {
    // Days since 0000-03-01.
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day = day.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next_year, month, day_of_month)
}

//! Dates and times read after a pattern: `to_timestamp`, `to_date`.

use crate::error::{PgError, Result};
use crate::functions::Arguments;
use crate::types::time::{self, DAY, SECOND, days_of, month_length};

use super::{MONTHS, Piece, pieces};

/// A number of so many digits at most, taken from the front.
fn take_digits(rest: &mut &str, most: usize, name: &str) -> Result<i64> {
    let end = rest
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if end == 0 {
        let found: String = rest.chars().take(most).collect();
        return Err(PgError::new(
            "22007",
            format!("invalid value \"{found}\" for \"{name}\""),
        ));
    }
    let value = rest[..end].parse().unwrap_or(0);
    *rest = &rest[end..];
    Ok(value)
}

/// A text read by a format: the moment it shows, and the offset if it says one.
pub(super) fn read(a: &Arguments<'_>) -> Result<(i64, Option<i32>)> {
    let (text, format) = (a.text(0)?, a.text(1)?);
    let mut rest = text;
    let (mut year, mut month, mut day) = (1, 1, 1);
    let (mut hour, mut minute, mut second, mut micros) = (0i64, 0i64, 0i64, 0i64);
    let mut half: Option<bool> = None;
    let mut twelve = false;
    let mut day_of_year = None;
    let mut offset = None;
    for piece in pieces(format) {
        let Piece::Pattern { name, .. } = piece else {
            // A separator of the format passes over one of the text's.
            let skip = rest.chars().next().filter(|c| {
                !c.is_alphanumeric() || matches!(piece, Piece::Text(text) if text.starts_with(*c))
            });
            rest = &rest[skip.map_or(0, char::len_utf8)..];
            continue;
        };
        rest = rest.trim_start();
        let mut digits = |most: usize| take_digits(&mut rest, most, name);
        match name {
            "YYYY" | "IYYY" => year = digits(4)?,
            "YYY" | "YY" | "Y" => {
                let value = digits(name.len())?;
                year = if value < 70 {
                    2000 + value
                } else {
                    1900 + value
                };
            }
            "MM" => month = digits(2)?,
            "DD" => day = digits(2)?,
            "DDD" => day_of_year = Some(digits(3)?),
            "HH24" => hour = digits(2)?,
            "HH" | "HH12" => {
                hour = digits(2)?;
                twelve = true;
            }
            "MI" => minute = digits(2)?,
            "SS" => second = digits(2)?,
            "MS" | "FF3" => {
                let before = rest.len();
                let value = take_digits(&mut rest, 3, name)?;
                micros = value * 10i64.pow(6 - u32::try_from(before - rest.len()).unwrap_or(3));
            }
            "US" | "FF6" => {
                let before = rest.len();
                let value = take_digits(&mut rest, 6, name)?;
                micros = value * 10i64.pow(6 - u32::try_from(before - rest.len()).unwrap_or(6));
            }
            "SSSS" | "SSSSS" => second = digits(5)?,
            "J" => {
                let days = digits(7)? - 2_451_545;
                let (y, m, d) = time::civil(i32::try_from(days).unwrap_or(0));
                (year, month, day) = (y.into(), m.into(), d.into());
            }
            "MONTH" | "Month" | "month" | "MON" | "Mon" | "mon" => {
                let lower = rest.to_ascii_lowercase();
                let full = name.len() > 3;
                let index = MONTHS
                    .iter()
                    .position(|month| {
                        lower.starts_with(
                            &month[..if full { month.len() } else { 3 }].to_ascii_lowercase(),
                        )
                    })
                    .ok_or_else(|| {
                        PgError::new(
                            "22007",
                            format!(
                                "invalid value \"{}\" for \"{name}\"",
                                rest.chars().take(3).collect::<String>()
                            ),
                        )
                    })?;
                rest = &rest[if full { MONTHS[index].len() } else { 3 }..];
                month = index as i64 + 1;
            }
            "DAY" | "Day" | "day" | "DY" | "Dy" | "dy" => {
                rest = rest.trim_start_matches(|c: char| c.is_alphabetic());
            }
            "AM" | "PM" | "am" | "pm" | "A.M." | "P.M." | "a.m." | "p.m." => {
                half = Some(rest.starts_with(['p', 'P']));
                rest = &rest[name.len().min(rest.len())..];
            }
            "TZH" => {
                let negative = rest.starts_with('-');
                rest = rest.trim_start_matches(['+', '-']);
                let end = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                let hours: i32 = rest[..end].parse().unwrap_or(0);
                rest = &rest[end..];
                offset = Some(if negative {
                    -hours * 3600
                } else {
                    hours * 3600
                });
            }
            _ => {}
        }
    }
    if twelve {
        hour = hour % 12 + if half == Some(true) { 12 } else { 0 };
    }
    let out_of_range = || {
        PgError::new(
            "22008",
            format!("date/time field value out of range: \"{text}\""),
        )
    };
    let small = |value: i64| i32::try_from(value).map_err(|_| out_of_range());
    let (y, m, d) = (small(year)?, small(month)?, small(day)?);
    if !(1..=9999).contains(&y)
        || !(1..=12).contains(&m)
        || d < 1
        || d > month_length(y, m)
        || hour > 24
        || minute > 59
        || second > 86_400
    {
        return Err(out_of_range());
    }
    let days = match day_of_year {
        Some(of_year) => i64::from(days_of(y, 1, 1)) + of_year - 1,
        None => days_of(y, m, d).into(),
    };
    Ok((
        days * DAY + (hour * 3600 + minute * 60 + second) * SECOND + micros,
        offset,
    ))
}

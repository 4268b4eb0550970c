//! Numbers after a pattern: `to_char(number, pattern)`.

use crate::types::numeric::Numeric;

use super::ordinal;

/// A number by a pattern of `9 0 . , D G S MI PL PR L EEEE FM`.
pub(super) fn number_text(number: &Numeric, format: &str) -> String {
    let upper = format.to_ascii_uppercase();
    let fill = !upper.starts_with("FM");
    if let Some(plain) = upper.strip_suffix("TH") {
        let shown = number_text(number, plain);
        let digits = number.trunc(0).to_i64().unwrap_or(0).abs();
        let ending = ordinal(digits);
        return format!(
            "{shown}{}",
            if format.ends_with("TH") {
                ending.to_uppercase()
            } else {
                ending.to_owned()
            }
        );
    }
    let body = upper.trim_start_matches("FM").to_owned();
    if body.contains("EEEE") {
        let digits = body
            .split_once(['.', 'D'])
            .map_or(0, |(_, tail)| tail.matches('9').count());
        let text = format!("{:.digits$e}", number.to_f64());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let space = if fill && !mantissa.starts_with('-') {
            " "
        } else {
            ""
        };
        return format!(
            "{space}{mantissa}e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        );
    }
    if body.trim_end_matches("TH") == "RN" {
        return String::new();
    }
    let (whole_format, fraction_format) = match body.find(['.', 'D']) {
        Some(at) => (&body[..at], &body[at + 1..]),
        None => (body.as_str(), ""),
    };
    let places = |format: &str| format.bytes().filter(|c| matches!(c, b'9' | b'0')).count();
    let scale = places(fraction_format);
    let negative = number.is_negative();
    let rounded = number.round(scale as i64).to_string();
    let digits = rounded.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let width = places(whole_format);
    let overflow = whole.len() > width && !(whole == "0" && width == 0);
    let mut out = String::new();
    // From the right: the last place takes the last digit.
    let first_zero = whole_format.find('0').unwrap_or(usize::MAX);
    let mut place = 0;
    let mut started = false;
    for (index, c) in whole_format.char_indices() {
        match c {
            '9' | '0' => {
                let from_right = width - place;
                place += 1;
                if overflow {
                    out.push('#');
                    started = true;
                } else if from_right <= whole.len()
                    && (whole != "0" || index >= first_zero || (from_right == 1 && scale == 0))
                {
                    out.push_str(&whole[whole.len() - from_right..=whole.len() - from_right]);
                    started = true;
                } else if index >= first_zero {
                    out.push('0');
                    started = true;
                } else if fill {
                    out.push(' ');
                }
            }
            ',' | 'G' => {
                if started {
                    out.push(',');
                } else if fill {
                    out.push(' ');
                }
            }
            'S' | 'M' | 'I' | 'P' | 'R' | 'L' | 'T' | 'H' => {}
            other => out.push(other),
        }
    }
    if body.contains(['.', 'D']) {
        out.push('.');
        let mut shown = if overflow {
            "#".repeat(scale)
        } else {
            fraction.to_owned()
        };
        if !fill {
            // Zeros that `9` does not ask for are left out.
            let keep = fraction_format
                .rfind('0')
                .map_or(0, |at| places(&fraction_format[..=at]));
            while shown.len() > keep && shown.ends_with('0') {
                shown.pop();
            }
        }
        out.push_str(&shown);
    }
    signed(out, negative, fill, &body)
}

fn signed(digits: String, negative: bool, fill: bool, body: &str) -> String {
    if body.starts_with('S') || body.ends_with('S') {
        let sign = if negative { '-' } else { '+' };
        if body.ends_with('S') {
            return format!("{digits}{sign}");
        }
        let at = digits.len() - digits.trim_start().len();
        return format!("{}{sign}{}", &digits[..at], &digits[at..]);
    }
    if body.ends_with("MI") {
        return format!(
            "{digits}{}",
            if negative {
                "-"
            } else if fill {
                " "
            } else {
                ""
            }
        );
    }
    if body.ends_with("PR") {
        let trimmed = digits.trim_start();
        return match (negative, fill) {
            (true, _) => format!("{}<{trimmed}>", &digits[..digits.len() - trimmed.len()]),
            (false, true) => format!(" {digits} "),
            (false, false) => digits,
        };
    }
    let at = digits.len() - digits.trim_start().len();
    let sign = if negative {
        "-"
    } else if fill {
        " "
    } else {
        ""
    };
    format!("{}{sign}{}", &digits[..at], &digits[at..])
}

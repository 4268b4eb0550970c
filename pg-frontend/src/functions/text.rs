//! Strings: lengths, parts, padding, patterns. Bytea is in [`bytes`], SQL's quoting in [`quoting`].

pub(super) mod bytes;
mod quoting;

use super::{Arguments, Entry, bool_value, int_value, text_value};
use crate::error::{PgError, Result};
use crate::sql::names::quote;
use crate::types::{cast, json};
use rusqlite::types::{Value, ValueRef};

use self::quoting::{RESERVED, format, parse_ident, quote_literal};

/// The longest text that is made.
const LONGEST: usize = 256 << 20;

fn too_long() -> PgError {
    PgError::new("54000", "requested length too large")
}

/// One character for one, as the C library does it.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    mapped
        .next()
        .filter(|_| mapped.next().is_none())
        .unwrap_or(c)
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    mapped
        .next()
        .filter(|_| mapped.next().is_none())
        .unwrap_or(c)
}

fn set(a: &Arguments<'_>) -> Result<Vec<char>> {
    Ok(a.text_or(1, " ")?.chars().collect())
}

pub(super) const STRICT: &[Entry] = &[
    ("pg_upper", 1, |a| {
        text_value(a.text(0)?.chars().map(upper).collect::<String>())
    }),
    ("pg_lower", 1, |a| {
        text_value(a.text(0)?.chars().map(lower).collect::<String>())
    }),
    ("pg_initcap", 1, |a| {
        let mut out = String::new();
        let mut inside = false;
        for c in a.text(0)?.chars() {
            if inside {
                out.push(lower(c));
            } else {
                out.push(upper(c));
            }
            inside = c.is_alphanumeric();
        }
        text_value(out)
    }),
    ("pg_length", 1, |a| int_value(a.text(0)?.chars().count())),
    ("pg_octet_length", 1, |a| int_value(a.bytes(0)?.len())),
    ("pg_bit_length", 1, |a| int_value(a.bytes(0)?.len() * 8)),
    ("pg_substr", 2, substr),
    ("pg_substr", 3, substr),
    ("pg_left", 2, |a| {
        let (text, count) = (a.text(0)?, a.int(1)?);
        let length = text.chars().count() as i64;
        let keep = if count < 0 { length + count } else { count }.max(0);
        text_value(
            text.chars()
                .take(usize::try_from(keep).unwrap_or(0))
                .collect::<String>(),
        )
    }),
    ("pg_right", 2, |a| {
        let (text, count) = (a.text(0)?, a.int(1)?);
        let length = text.chars().count() as i64;
        let skip = if count < 0 {
            -count
        } else {
            (length - count).max(0)
        };
        text_value(
            text.chars()
                .skip(usize::try_from(skip).unwrap_or(0))
                .collect::<String>(),
        )
    }),
    ("pg_lpad", 2, |a| pad(a, true)),
    ("pg_lpad", 3, |a| pad(a, true)),
    ("pg_rpad", 2, |a| pad(a, false)),
    ("pg_rpad", 3, |a| pad(a, false)),
    ("pg_repeat", 2, |a| {
        let (text, count) = (a.text(0)?, usize::try_from(a.int(1)?).unwrap_or(0));
        if text.len().saturating_mul(count) > LONGEST {
            return Err(too_long());
        }
        text_value(text.repeat(count))
    }),
    ("pg_reverse", 1, |a| {
        text_value(a.text(0)?.chars().rev().collect::<String>())
    }),
    ("pg_replace", 3, |a| {
        let from = a.text(1)?;
        text_value(if from.is_empty() {
            a.text(0)?.to_owned()
        } else {
            a.text(0)?.replace(from, a.text(2)?)
        })
    }),
    ("pg_translate", 3, |a| {
        let (from, to): (Vec<char>, Vec<char>) =
            (a.text(1)?.chars().collect(), a.text(2)?.chars().collect());
        let mapped =
            a.text(0)?
                .chars()
                .filter_map(|c| match from.iter().position(|other| *other == c) {
                    None => Some(c),
                    Some(index) => to.get(index).copied(),
                });
        text_value(mapped.collect::<String>())
    }),
    ("pg_btrim", 1, |a| trim(a, true, true)),
    ("pg_btrim", 2, |a| trim(a, true, true)),
    ("pg_ltrim", 1, |a| trim(a, true, false)),
    ("pg_ltrim", 2, |a| trim(a, true, false)),
    ("pg_rtrim", 1, |a| trim(a, false, true)),
    ("pg_rtrim", 2, |a| trim(a, false, true)),
    ("pg_strpos", 2, |a| place(a.text(0)?, a.text(1)?)),
    ("pg_strpos_turned", 2, |a| place(a.text(1)?, a.text(0)?)),
    ("pg_overlay", 3, overlay),
    ("pg_overlay", 4, overlay),
    ("pg_split_part", 3, |a| {
        let (text, by, n) = (a.text(0)?, a.text(1)?, a.int(2)?);
        if n == 0 {
            return Err(PgError::new("22023", "field position must not be zero"));
        }
        let parts: Vec<&str> = if by.is_empty() {
            vec![text]
        } else {
            text.split(by).collect()
        };
        let index = if n > 0 { n - 1 } else { parts.len() as i64 + n };
        text_value(
            usize::try_from(index)
                .ok()
                .and_then(|index| parts.get(index))
                .copied()
                .unwrap_or(""),
        )
    }),
    ("pg_starts_with", 2, |a| {
        bool_value(a.text(0)?.starts_with(a.text(1)?))
    }),
    ("pg_ilike", 3, |a| {
        let (text, pattern) = (a.text(0)?.to_lowercase(), a.text(1)?.to_lowercase());
        like(&text, &pattern, a.text(2)?)
    }),
    ("pg_like", 3, |a| like(a.text(0)?, a.text(1)?, a.text(2)?)),
    ("pg_quote_ident", 1, |a| {
        let text = a.text(0)?;
        let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && text
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
            && !RESERVED.contains(&text);
        text_value(if plain { text.to_owned() } else { quote(text) })
    }),
    ("pg_quote_literal", 1, |a| {
        text_value(quote_literal(a.text(0)?))
    }),
    ("pg_chr", 1, |a| {
        let code = a.int(0)?;
        let c = u32::try_from(code)
            .ok()
            .filter(|code| *code != 0)
            .and_then(char::from_u32);
        match c {
            Some(c) => text_value(c.to_string()),
            None if code == 0 => Err(PgError::new("54000", "null character not permitted")),
            None => Err(PgError::new(
                "54000",
                "requested character too large for encoding",
            )),
        }
    }),
    ("pg_ascii", 1, |a| {
        Ok(Value::Integer(
            a.text(0)?
                .chars()
                .next()
                .map_or(0, |c| i64::from(u32::from(c))),
        ))
    }),
    ("pg_to_ascii", 1, |a| {
        text_value(
            a.text(0)?
                .chars()
                .map(|c| if c.is_ascii() { c } else { '?' })
                .collect::<String>(),
        )
    }),
    ("pg_unistr", 1, |a| {
        text_value(crate::sql::lexer::string_value(
            crate::sql::lexer::Kind::String,
            &format!("U&'{}'", a.text(0)?.replace('\'', "''")),
        ))
    }),
    ("pg_json_quote", 1, |a| {
        let mut out = String::new();
        json::quote(a.text(0)?, &mut out);
        text_value(out)
    }),
    ("pg_inet_host", 1, |a| {
        text_value(a.text(0)?.split('/').next().unwrap_or(""))
    }),
    ("pg_parse_ident", 1, parse_ident),
    ("pg_parse_ident", 2, parse_ident),
    ("pg_column_size", 1, |a| match a.value(0) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => int_value(bytes.len() + 1),
        _ => int_value(8),
    }),
];

pub(super) const NULLABLE: &[Entry] = &[
    ("pg_concat", -1, |a| {
        let mut out = String::new();
        for index in 0..a.len() {
            if !a.is_null(index) {
                out.push_str(a.text(index)?);
            }
        }
        text_value(out)
    }),
    ("pg_concat_ws", -1, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let mut parts = Vec::new();
        for index in 1..a.len() {
            if !a.is_null(index) {
                parts.push(a.text(index)?);
            }
        }
        text_value(parts.join(a.text(0)?))
    }),
    ("pg_format", -1, format),
    ("pg_quote_nullable", 1, |a| {
        text_value(if a.is_null(0) {
            "NULL".to_owned()
        } else {
            quote_literal(a.text(0)?)
        })
    }),
    ("pg_num_nulls", -1, |a| {
        int_value((0..a.len()).filter(|index| a.is_null(*index)).count())
    }),
    ("pg_num_nonnulls", -1, |a| {
        int_value((0..a.len()).filter(|index| !a.is_null(*index)).count())
    }),
    // A row's text: values with their types.
    ("pg_row_text", -1, |a| {
        let mut out = String::from("(");
        for index in (0..a.len()).step_by(3) {
            if index > 0 {
                out.push(',');
            }
            if a.is_null(index) {
                continue;
            }
            let ty = a.ty(index + 1, index + 2)?;
            let text = cast::output(ty, a.value(index), &super::session::style())?;
            let plain = !text.is_empty()
                && !text.contains(|c: char| {
                    matches!(c, ',' | '(' | ')' | '"' | '\\') || c.is_whitespace()
                });
            if plain {
                out.push_str(&text);
            } else {
                out.push('"');
                out.push_str(&text.replace('\\', "\\\\").replace('"', "\"\""));
                out.push('"');
            }
        }
        out.push(')');
        text_value(out)
    }),
];

fn substr(a: &Arguments<'_>) -> Result<Value> {
    let (text, start) = (a.text(0)?, a.int(1)?);
    let end = if a.len() > 2 {
        let length = a.int(2)?;
        if length < 0 {
            return Err(PgError::new(
                "22011",
                "negative substring length not allowed",
            ));
        }
        start.saturating_add(length)
    } else {
        i64::MAX
    };
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(0);
    let take = usize::try_from(end - start.max(1)).unwrap_or(0);
    text_value(text.chars().skip(skip).take(take).collect::<String>())
}

fn pad(a: &Arguments<'_>, left: bool) -> Result<Value> {
    let (text, length, fill) = (
        a.text(0)?,
        usize::try_from(a.int(1)?).unwrap_or(0),
        a.text_or(2, " ")?,
    );
    if length > LONGEST / 4 {
        return Err(too_long());
    }
    let count = text.chars().count();
    if count >= length || fill.is_empty() {
        return text_value(text.chars().take(length).collect::<String>());
    }
    let filling: String = fill.chars().cycle().take(length - count).collect();
    text_value(if left {
        format!("{filling}{text}")
    } else {
        format!("{text}{filling}")
    })
}

pub(super) fn trim(a: &Arguments<'_>, start: bool, end: bool) -> Result<Value> {
    let set = set(a)?;
    let mut text = a.text(0)?;
    if start {
        text = text.trim_start_matches(|c| set.contains(&c));
    }
    if end {
        text = text.trim_end_matches(|c| set.contains(&c));
    }
    text_value(text)
}

fn place(text: &str, needle: &str) -> Result<Value> {
    int_value(
        text.find(needle)
            .map_or(0, |at| text[..at].chars().count() + 1),
    )
}

pub(super) fn overlay(a: &Arguments<'_>) -> Result<Value> {
    let (text, with, from) = (a.text(0)?, a.text(1)?, a.int(2)?);
    let length = a.int_or(3, with.chars().count() as i64)?;
    if from <= 0 {
        return Err(PgError::new(
            "22011",
            "negative substring length not allowed",
        ));
    }
    let head = usize::try_from(from - 1).unwrap_or(0);
    let tail = usize::try_from(from - 1 + length).unwrap_or(0);
    let out: String = text
        .chars()
        .take(head)
        .chain(with.chars())
        .chain(text.chars().skip(tail))
        .collect();
    text_value(out)
}

/// LIKE with an escape character, or none.
pub(super) fn like(text: &str, pattern: &str, escape: &str) -> Result<Value> {
    enum Part {
        Any,
        One,
        Char(char),
    }
    let escape = escape.chars().next();
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape => Part::Char(chars.next().ok_or_else(|| {
                PgError::new("22025", "LIKE pattern must not end with escape character")
            })?),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Char(c),
        });
    }
    // Greedy with one point to come back to: the last `%`.
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                back = Some((part, at));
                part += 1;
            }
            Some(Part::One) => {
                at += 1;
                part += 1;
            }
            Some(Part::Char(c)) if *c == text[at] => {
                at += 1;
                part += 1;
            }
            _ => match back {
                Some((any, from)) => {
                    back = Some((any, from + 1));
                    at = from + 1;
                    part = any + 1;
                }
                None => return bool_value(false),
            },
        }
    }
    bool_value(parts[part..].iter().all(|part| matches!(part, Part::Any)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let is =
            |text: &str, pattern: &str| like(text, pattern, "\\").unwrap() == Value::Integer(1);
        assert!(
            is("hello", "h%o") && is("hello", "%") && is("hello", "h_llo") && is("50%", "50\\%")
        );
        assert!(
            !is("hello", "H%")
                && !is("hello", "hell")
                && !is("500", "50\\%")
                && is("", "")
                && !is("", "_")
        );
        assert!(is("aaab", "%a%b") && !is("aaab", "%c%"));
        assert!(like("a", "a\\", "\\").is_err());
    }
}

//! Regular expressions. Postgres's are read as the `regex` crate's, which has neither references back
//! nor looking around; these are refused with 2201B.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};
use rusqlite::types::Value;

use super::{Arguments, Entry, bool_value, int_value, text_value};
use crate::error::{PgError, Result};
use crate::types::json;

/// How many compiled expressions a thread keeps.
const KEPT: usize = 64;

thread_local! {
    static CACHE: RefCell<HashMap<(String, String), Rc<Regex>>> = RefCell::new(HashMap::new());
}

/// A compiled expression with Postgres's flags (`i`, `n`, `x`, `g` is the caller's).
fn compiled(pattern: &str, flags: &str) -> Result<Rc<Regex>> {
    CACHE.with_borrow_mut(|cache| {
        let key = (pattern.to_owned(), flags.to_owned());
        if let Some(regex) = cache.get(&key) {
            return Ok(Rc::clone(regex));
        }
        let (pattern, embedded) = embedded(pattern);
        let has = |flag: char| flags.contains(flag) || embedded.contains(flag);
        let regex = RegexBuilder::new(&translated(pattern))
            .case_insensitive(has('i'))
            .ignore_whitespace(has('x'))
            .multi_line(has('n') || has('m') || has('w'))
            .dot_matches_new_line(!(has('n') || has('m') || has('p')))
            .size_limit(8 << 20)
            .build()
            .map_err(|error| {
                let reason = error.to_string();
                let last = reason
                    .lines()
                    .last()
                    .unwrap_or("")
                    .trim_start_matches("error: ")
                    .to_owned();
                PgError::new("2201B", format!("invalid regular expression: {last}"))
            })?;
        if cache.len() >= KEPT {
            cache.clear();
        }
        let regex = Rc::new(regex);
        cache.insert(key, Rc::clone(&regex));
        Ok(regex)
    })
}

/// `(?i)` and `***:` at the beginning.
fn embedded(pattern: &str) -> (&str, &str) {
    let pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
    if let Some(rest) = pattern.strip_prefix("(?")
        && let Some((flags, after)) = rest.split_once(')')
        && !flags.is_empty()
        && flags.bytes().all(|c| c.is_ascii_lowercase())
    {
        return (after, flags);
    }
    (pattern, "")
}

/// What Postgres writes otherwise: `\m \M \y \Y \A \Z`, and a `[` in a class.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut class = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('m') => out.push_str(r"\b{start}"),
                Some('M') => out.push_str(r"\b{end}"),
                Some('y') => out.push_str(r"\b"),
                Some('Y') => out.push_str(r"\B"),
                Some('Z') => out.push_str(r"\z"),
                Some(c) if c.is_alphabetic() && !c.is_ascii() => out.push(c),
                Some(c @ ('<' | '>')) => out.push(c),
                Some(c) => {
                    out.push('\\');
                    out.push(c);
                }
                None => out.push('\\'),
            },
            '[' if class == 0 => {
                class = 1;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket right behind the opening one is an ordinary character.
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            '[' if matches!(chars.peek(), Some(':')) => {
                // `[:alpha:]`
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' => out.push_str("\\["),
            ']' if class == 1 => {
                class = 0;
                out.push(']');
            }
            '&' | '~' if class == 1 => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// `\1` and `\&` of a replacement.
fn expand(replacement: &str, found: &Captures<'_>, out: &mut String) {
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('&') => out.push_str(&found[0]),
            Some(digit @ '0'..='9') => {
                let index = digit.to_digit(10).unwrap_or(0) as usize;
                out.push_str(found.get(index).map_or("", |group| group.as_str()));
            }
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
}

fn list<'t>(items: impl Iterator<Item = Option<&'t str>>) -> String {
    let mut out = String::from("[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item {
            Some(text) => json::quote(text, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push(']');
    out
}

/// The groups of a match, or the whole of it where there are none.
fn groups(found: &Captures<'_>) -> String {
    if found.len() == 1 {
        return list(std::iter::once(Some(&found[0])));
    }
    list((1..found.len()).map(|index| found.get(index).map(|group| group.as_str())))
}

pub(super) const STRICT: &[Entry] = &[
    ("pg_regex", 3, |a| {
        let flags = if a.bool(2)? { "i" } else { "" };
        bool_value(compiled(a.text(1)?, flags)?.is_match(a.text(0)?))
    }),
    ("pg_regexp_like", 2, |a| {
        bool_value(compiled(a.text(1)?, "")?.is_match(a.text(0)?))
    }),
    ("pg_regexp_like", 3, |a| {
        bool_value(compiled(a.text(1)?, a.text(2)?)?.is_match(a.text(0)?))
    }),
    ("pg_regexp_replace", 3, replace),
    ("pg_regexp_replace", 4, replace),
    ("pg_regexp_match", 2, matched),
    ("pg_regexp_match", 3, matched),
    ("pg_regexp_matches", 2, matches),
    ("pg_regexp_matches", 3, matches),
    ("pg_regexp_split_to_array", 2, split),
    ("pg_regexp_split_to_array", 3, split),
    ("pg_regexp_count", 2, |a| {
        int_value(compiled(a.text(1)?, "")?.find_iter(a.text(0)?).count())
    }),
    ("pg_regexp_count", 3, |a| {
        let skip = usize::try_from(a.int(2)? - 1).unwrap_or(0);
        let text: String = a.text(0)?.chars().skip(skip).collect();
        int_value(compiled(a.text(1)?, "")?.find_iter(&text).count())
    }),
    ("pg_regexp_count", 4, |a| {
        let skip = usize::try_from(a.int(2)? - 1).unwrap_or(0);
        let text: String = a.text(0)?.chars().skip(skip).collect();
        int_value(compiled(a.text(1)?, a.text(3)?)?.find_iter(&text).count())
    }),
    ("pg_regexp_substr", 2, |a| {
        match compiled(a.text(1)?, "")?.find(a.text(0)?) {
            Some(found) => text_value(found.as_str()),
            None => Ok(Value::Null),
        }
    }),
    ("pg_regexp_instr", 2, |a| {
        let text = a.text(0)?;
        int_value(
            compiled(a.text(1)?, "")?
                .find(text)
                .map_or(0, |found| text[..found.start()].chars().count() + 1),
        )
    }),
    ("pg_substring_regex", 2, |a| {
        match compiled(a.text(1)?, "")?.captures(a.text(0)?) {
            Some(found) => match if found.len() > 1 {
                found.get(1)
            } else {
                found.get(0)
            } {
                Some(group) => text_value(group.as_str()),
                None => Ok(Value::Null),
            },
            None => Ok(Value::Null),
        }
    }),
    ("pg_substring_similar", 3, |a| {
        let pattern = similar(a.text(1)?, a.text(2)?)?;
        match compiled(&pattern, "")?.captures(a.text(0)?) {
            Some(found) => text_value(found.get(1).map_or(&found[0], |group| group.as_str())),
            None => Ok(Value::Null),
        }
    }),
    ("pg_similar", 3, |a| {
        bool_value(compiled(&similar(a.text(1)?, a.text(2)?)?, "")?.is_match(a.text(0)?))
    }),
];

fn replace(a: &Arguments<'_>) -> Result<Value> {
    let (text, replacement, flags) = (a.text(0)?, a.text(2)?, a.text_or(3, "")?);
    let regex = compiled(a.text(1)?, &flags.replace('g', ""))?;
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for found in regex.captures_iter(text) {
        let whole = found.get(0).map_or(0..0, |whole| whole.range());
        out.push_str(&text[end..whole.start]);
        expand(replacement, &found, &mut out);
        end = whole.end;
        if !flags.contains('g') {
            break;
        }
    }
    out.push_str(&text[end..]);
    text_value(out)
}

fn matched(a: &Arguments<'_>) -> Result<Value> {
    match compiled(a.text(1)?, a.text_or(2, "")?)?.captures(a.text(0)?) {
        Some(found) => text_value(groups(&found)),
        None => Ok(Value::Null),
    }
}

fn matches(a: &Arguments<'_>) -> Result<Value> {
    let flags = a.text_or(2, "")?;
    let regex = compiled(a.text(1)?, &flags.replace('g', ""))?;
    let most = if flags.contains('g') { usize::MAX } else { 1 };
    let found: Vec<String> = regex
        .captures_iter(a.text(0)?)
        .take(most)
        .map(|found| groups(&found))
        .collect();
    text_value(format!("[{}]", found.join(",")))
}

fn split(a: &Arguments<'_>) -> Result<Value> {
    let text = a.text(0)?;
    let regex = compiled(a.text(1)?, a.text_or(2, "")?)?;
    let mut parts = Vec::new();
    let mut end = 0;
    for found in regex.find_iter(text) {
        // An empty match at an edge splits nothing off.
        if found.is_empty() && (found.start() == 0 || found.start() == text.len()) {
            continue;
        }
        parts.push(Some(&text[end..found.start()]));
        end = found.end();
    }
    parts.push(Some(&text[end..]));
    text_value(list(parts.into_iter()))
}

/// A pattern of `SIMILAR TO` as a regular expression.
fn similar(pattern: &str, escape: &str) -> Result<String> {
    let escape = escape.chars().next();
    let mut out = String::from("^(?:");
    let mut chars = pattern.chars();
    let mut class = false;
    let mut parted = 0;
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some('"') => {
                    parted += 1;
                    out.push_str(if parted == 1 { ")(" } else { ")(?:" });
                }
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => return Err(PgError::new("22025", "invalid escape string")),
            }
            continue;
        }
        match c {
            '%' if !class => out.push_str(".*"),
            '_' if !class => out.push('.'),
            '.' | '^' | '$' | '\\' if !class => {
                out.push('\\');
                out.push(c);
            }
            '(' if !class => out.push_str("(?:"),
            '[' => {
                class = true;
                out.push(c);
            }
            ']' => {
                class = false;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_patterns() {
        assert!(compiled("^(x)$", "").unwrap().is_match("x"));
        assert!(compiled(r"\mfoo\M", "").unwrap().is_match("a foo b"));
        assert!(compiled("[[:alpha:]]+", "").unwrap().is_match("abc"));
        assert!(compiled("(?i)ABC", "").unwrap().is_match("abc"));
        assert!(compiled("(a", "").is_err());
        assert!(
            compiled(&similar("a(b|c)%", "\\").unwrap(), "")
                .unwrap()
                .is_match("acxx")
        );
    }
}

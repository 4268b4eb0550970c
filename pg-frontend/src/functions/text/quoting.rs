//! Text as SQL's text: quoted names and literals, `format`, `parse_ident`.

use crate::error::{PgError, Result};
use crate::functions::{Arguments, text_value};
use crate::sql::names::{literal, quote};
use crate::types::json;
use rusqlite::types::Value;

pub(super) fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        return format!("E{}", literal(&text.replace('\\', "\\\\")));
    }
    literal(text)
}

/// Words that need quotes as names.
pub(crate) const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
    "between",
    "bigint",
    "boolean",
    "char",
    "character",
    "coalesce",
    "dec",
    "decimal",
    "exists",
    "extract",
    "float",
    "greatest",
    "int",
    "integer",
    "interval",
    "least",
    "national",
    "nchar",
    "none",
    "numeric",
    "overlay",
    "position",
    "precision",
    "real",
    "row",
    "setof",
    "smallint",
    "substring",
    "time",
    "timestamp",
    "treat",
    "trim",
    "values",
    "varchar",
    "authorization",
    "binary",
    "concurrently",
    "cross",
    "freeze",
    "full",
    "ilike",
    "inner",
    "is",
    "isnull",
    "join",
    "left",
    "like",
    "natural",
    "notnull",
    "outer",
    "overlaps",
    "right",
    "similar",
    "tablesample",
    "verbose",
    "collation",
];

/// `format('%s %I %L', …)`.
pub(super) fn format(a: &Arguments<'_>) -> Result<Value> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    let mut chars = a.text(0)?.chars().peekable();
    let mut next = 1;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut digits = String::new();
        let left = chars.next_if_eq(&'-').is_some();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if chars.next_if_eq(&'$').is_some() {
            next = digits.parse().unwrap_or(next);
            digits.clear();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
        }
        let kind = chars
            .next()
            .ok_or_else(|| PgError::new("22023", "unterminated format() type specifier"))?;
        if next >= a.len() {
            return Err(PgError::new("22023", "too few arguments for format()"));
        }
        let word = match (kind, a.is_null(next)) {
            ('s', true) => String::new(),
            ('s', false) => a.text(next)?.to_owned(),
            ('I', true) => {
                return Err(PgError::new(
                    "22004",
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('I', false) => {
                let text = a.text(next)?;
                let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                    && text
                        .bytes()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
                    && !RESERVED.contains(&text);
                if plain { text.to_owned() } else { quote(text) }
            }
            ('L', true) => "NULL".to_owned(),
            ('L', false) => quote_literal(a.text(next)?),
            (other, _) => {
                return Err(PgError::new(
                    "22023",
                    format!("unrecognized format() type specifier \"{other}\""),
                )
                .hint("For a single \"%\" use \"%%\"."));
            }
        };
        next += 1;
        let width: usize = digits.parse().unwrap_or(0);
        let missing = width.saturating_sub(word.chars().count());
        if !left {
            out.extend(std::iter::repeat_n(' ', missing));
        }
        out.push_str(&word);
        if left {
            out.extend(std::iter::repeat_n(' ', missing));
        }
    }
    text_value(out)
}

pub(super) fn parse_ident(a: &Arguments<'_>) -> Result<Value> {
    let text = a.text(0)?;
    let invalid = || {
        PgError::new(
            "22023",
            format!("string is not a valid identifier: \"{text}\""),
        )
    };
    let mut parts = Vec::new();
    let tokens = crate::sql::lexer::tokens(text).map_err(|_| invalid())?;
    for (index, token) in tokens.iter().enumerate() {
        let word = &text[token.start..token.end];
        match (index % 2, token.kind) {
            (0, crate::sql::lexer::Kind::Word | crate::sql::lexer::Kind::Quoted) => {
                parts.push(crate::sql::lexer::name_value(token.kind, word));
            }
            (1, _) if word == "." => {}
            _ => return Err(invalid()),
        }
    }
    if tokens.len() % 2 == 0 {
        return Err(invalid());
    }
    let mut out = String::from("[");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::quote(part, &mut out);
    }
    out.push(']');
    text_value(out)
}

//! Arrays: `{1,2,NULL}` in text, JSON arrays in SQLite.
//!
//! An element of the JSON array is the element's representation: a number, a string, null; bytea is
//! `\x…` in a string. Arrays of several dimensions nest. Lower bounds other than 1 are not kept.

use bytes::BytesMut;
use rusqlite::types::{Value, ValueRef};

use super::json::{Json, quote};
use super::{Style, Type, bytea, text};
use crate::error::{PgError, Result};

/// An array's elements by nesting.
enum Node<'a> {
    Item(Option<std::borrow::Cow<'a, str>>),
    List(Vec<Node<'a>>),
}

/// Reads an array's text into its representation.
///
/// # Errors
/// 22P02, and the elements' own.
pub fn input(element: Type, written: &str, style: &Style) -> Result<String> {
    let malformed = |detail: &str| {
        let mut error = PgError::new("22P02", format!("malformed array literal: \"{written}\""));
        error.detail = Some(detail.to_owned());
        error
    };
    let mut body = written.trim_ascii();
    // `[0:2]={…}`: bounds.
    if body.starts_with('[') {
        body = body
            .split_once('=')
            .map(|(_, rest)| rest.trim())
            .ok_or_else(|| malformed("Missing \"=\" after array dimensions."))?;
    }
    if !body.starts_with('{') {
        return Err(malformed(
            "Array value must start with \"{\" or dimension information.",
        ));
    }
    let mut at = 0;
    let node = parse(body, &mut at, 0).ok_or_else(|| malformed("Unexpected end of input."))?;
    if !body[at..].trim().is_empty() {
        return Err(malformed("Junk after closing right brace."));
    }
    if shape(&node).is_none() {
        return Err(malformed(
            "Multidimensional arrays must have sub-arrays with matching dimensions.",
        ));
    }
    let mut out = String::new();
    write_node(&node, element, style, &mut out)?;
    Ok(out)
}

/// The length of each dimension; none where they differ from one part to another.
fn shape(node: &Node<'_>) -> Option<Vec<usize>> {
    let Node::List(items) = node else {
        return Some(Vec::new());
    };
    let mut shapes = items.iter().map(shape);
    let mut lengths = vec![items.len()];
    if let Some(first) = shapes.next() {
        let first = first?;
        if shapes.any(|other| other.as_ref() != Some(&first)) {
            return None;
        }
        lengths.extend(first);
    }
    Some(lengths)
}

fn parse<'a>(body: &'a str, at: &mut usize, depth: usize) -> Option<Node<'a>> {
    if depth > 6 {
        return None;
    }
    *at += 1;
    let mut items = Vec::new();
    loop {
        skip_space(body, at);
        match body.as_bytes().get(*at)? {
            b'}' if items.is_empty() => {
                *at += 1;
                return Some(Node::List(items));
            }
            b'{' => items.push(parse(body, at, depth + 1)?),
            b'"' => items.push(Node::Item(Some(quoted(body, at)?.into()))),
            _ => items.push(unquoted(body, at)?),
        }
        skip_space(body, at);
        match body.as_bytes().get(*at)? {
            b',' => *at += 1,
            b'}' => {
                *at += 1;
                return Some(Node::List(items));
            }
            _ => return None,
        }
    }
}

/// Only ASCII's space is space here.
fn skip_space(body: &str, at: &mut usize) {
    *at += body.as_bytes()[*at..]
        .iter()
        .take_while(|c| c.is_ascii_whitespace())
        .count();
}

fn quoted(body: &str, at: &mut usize) -> Option<String> {
    let mut out = String::new();
    let mut chars = body[*at + 1..].char_indices();
    let from = *at + 1;
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => {
                *at = from + index + 1;
                return Some(out);
            }
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

fn unquoted<'a>(body: &'a str, at: &mut usize) -> Option<Node<'a>> {
    let rest = &body[*at..];
    let end = rest.find([',', '}', '{', '"'])?;
    if matches!(rest.as_bytes()[end], b'{' | b'"') {
        return None;
    }
    *at += end;
    let word = rest[..end].trim_ascii_end();
    if word.is_empty() {
        return None;
    }
    if word.eq_ignore_ascii_case("null") {
        return Some(Node::Item(None));
    }
    Some(Node::Item(Some(if word.contains('\\') {
        let mut plain = String::new();
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            plain.push(if c == '\\' { chars.next()? } else { c });
        }
        plain.into()
    } else {
        word.into()
    })))
}

fn write_node(node: &Node<'_>, element: Type, style: &Style, out: &mut String) -> Result<()> {
    match node {
        Node::Item(None) => out.push_str("null"),
        Node::Item(Some(word)) => push_value(&text::input(element, word, style)?, out),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_node(item, element, style, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

/// Appends a value as an element of a representation.
pub fn push_value(value: &Value, out: &mut String) {
    use std::fmt::Write as _;
    match value {
        Value::Null => out.push_str("null"),
        Value::Integer(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Real(value) if value.is_finite() => {
            let _ = write!(out, "{value:?}");
        }
        Value::Real(value) => quote(
            &super::numeric::Numeric::shortest(*value).map_or_else(String::new, |n| n.to_string()),
            out,
        ),
        Value::Text(text) => quote(text, out),
        Value::Blob(bytes) => {
            let mut hex = BytesMut::new();
            bytea::write_hex(bytes, &mut hex);
            quote(std::str::from_utf8(&hex).unwrap_or(""), out);
        }
    }
}

/// An element of a representation as a value of SQLite's.
#[must_use]
pub fn item_value(element: Type, item: &Json) -> Value {
    match item {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Integer(i64::from(*value)),
        Json::Number(digits) => match digits.parse::<i64>() {
            Ok(value) if !element.is_float() => Value::Integer(value),
            #[allow(clippy::cast_precision_loss, reason = "a float element")]
            Ok(value) => Value::Real(value as f64),
            Err(_) => digits
                .parse()
                .map_or_else(|_| Value::Text(digits.clone()), Value::Real),
        },
        Json::String(text) if element.oid == 17 => {
            bytea::parse(text).map_or_else(|_| Value::Text(text.clone()), Value::Blob)
        }
        Json::String(text) => Value::Text(text.clone()),
        nested => Value::Text(nested.compact()),
    }
}

/// A representation's elements; 22P02 where the text is no array.
///
/// # Errors
/// 22P02.
pub fn items(value: ValueRef<'_>) -> Result<Vec<Json>> {
    let broken = || PgError::new("22P02", "the stored array is no JSON array");
    let ValueRef::Text(bytes) = value else {
        return Err(broken());
    };
    match std::str::from_utf8(bytes).ok().and_then(Json::parse) {
        Some(Json::Array(items)) => Ok(items),
        _ => Err(broken()),
    }
}

/// Appends an array's text: `{1,2,NULL}`; of a vector type, `1 2`.
///
/// # Errors
/// 22P02, and the elements' own.
pub fn output(
    ty: Type,
    element: Type,
    value: ValueRef<'_>,
    style: &Style,
    out: &mut BytesMut,
) -> Result<()> {
    let items = items(value)?;
    if matches!(ty.oid, 22 | 30) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b" ");
            }
            text::output(
                element,
                ValueRef::from(&item_value(element, item)),
                style,
                out,
            )?;
        }
        return Ok(());
    }
    write_items(&items, element, style, out)
}

fn write_items(items: &[Json], element: Type, style: &Style, out: &mut BytesMut) -> Result<()> {
    let mut scratch = BytesMut::new();
    out.extend_from_slice(b"{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b",");
        }
        match item {
            Json::Null => out.extend_from_slice(b"NULL"),
            Json::Array(nested) => write_items(nested, element, style, out)?,
            _ => {
                scratch.clear();
                text::output(
                    element,
                    ValueRef::from(&item_value(element, item)),
                    style,
                    &mut scratch,
                )?;
                write_element(&scratch, out);
            }
        }
    }
    out.extend_from_slice(b"}");
    Ok(())
}

fn write_element(word: &[u8], out: &mut BytesMut) {
    let plain = !word.is_empty()
        && !word.eq_ignore_ascii_case(b"null")
        && !word
            .iter()
            .any(|c| matches!(c, b'{' | b'}' | b',' | b'"' | b'\\') || c.is_ascii_whitespace());
    if plain {
        out.extend_from_slice(word);
        return;
    }
    out.extend_from_slice(b"\"");
    for c in word {
        if matches!(c, b'"' | b'\\') {
            out.extend_from_slice(b"\\");
        }
        out.extend_from_slice(&[*c]);
    }
    out.extend_from_slice(b"\"");
}

/// The lengths of an array's dimensions, from the outside in.
#[must_use]
pub fn dimensions(items: &[Json]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut level = items;
    while !level.is_empty() {
        lengths.push(level.len());
        match &level[0] {
            Json::Array(nested) => level = nested,
            _ => break,
        }
    }
    lengths
}

/// All elements, row by row.
pub fn flatten<'a>(items: &'a [Json], out: &mut Vec<&'a Json>) {
    for item in items {
        match item {
            Json::Array(nested) => flatten(nested, out),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(element: Type, written: &str) -> String {
        let json = input(element, written, &Style::default()).unwrap();
        let mut out = BytesMut::new();
        output(
            element.array(),
            element,
            ValueRef::Text(json.as_bytes()),
            &Style::default(),
            &mut out,
        )
        .unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn texts_of_postgres() {
        for (element, written, back) in [
            (Type::INT4, "{1,2,NULL}", "{1,2,NULL}"),
            (
                Type::TEXT,
                r#"{a,"b c","d\"e",null,"NULL",""}"#,
                r#"{a,"b c","d\"e",NULL,"NULL",""}"#,
            ),
            (Type::INT4, " { {1,2}, {3,4} } ", "{{1,2},{3,4}}"),
            (Type::INT4, "{}", "{}"),
            (Type::INT4, "[0:1]={5,6}", "{5,6}"),
            (Type::BOOL, "{t,false}", "{t,f}"),
            (Type::NUMERIC, "{1.50,2}", "{1.50,2}"),
            (Type::BYTEA, r#"{"\\x00ff"}"#, r#"{"\\x00ff"}"#),
            (Type::FLOAT8, "{1,2.5,NaN}", "{1,2.5,NaN}"),
        ] {
            assert_eq!(there_and_back(element, written), back);
        }
        for bad in [
            "1,2",
            "{1,2",
            "{1,,2}",
            "{a}x",
            "{1 2}",
            "{1,{2}}",
            "{{1},2}",
            "{{1,2},{3}}",
            "{{1},{{2}}}",
        ] {
            assert!(input(Type::INT4, bad, &Style::default()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_elements_come_back(items in proptest::collection::vec("\\PC{0,8}", 0..6)) {
            let mut out = BytesMut::new();
            let json = serde_json::to_string(&items).unwrap();
            output(Type::TEXT.array(), Type::TEXT, ValueRef::Text(json.as_bytes()), &Style::default(), &mut out).unwrap();
            let back = input(Type::TEXT, std::str::from_utf8(&out).unwrap(), &Style::default()).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&back).unwrap(), items);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[{}\",a-c1 \\\\]{0,16}") {
            let _ = input(Type::TEXT, &text, &Style::default());
        }
    }
}

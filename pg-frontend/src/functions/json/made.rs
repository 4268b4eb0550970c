//! JSON made of Postgres's values.

use crate::error::{PgError, Result};
use crate::functions::{Arguments, text_value};
use crate::types::json::{Json, quote};
use crate::types::{Type, array, cast};
use rusqlite::types::{Value, ValueRef};

use super::path;

/// A value as JSON.
pub(super) fn to_json(value: ValueRef<'_>, ty: Type, binary: bool) -> Result<String> {
    if value == ValueRef::Null {
        return Ok("null".to_owned());
    }
    let style = crate::functions::session::style();
    if let Some(element) = ty.element() {
        let items = array::items(value)?;
        let mut out = String::new();
        array_json(&items, element, binary, &mut out)?;
        return Ok(out);
    }
    Ok(match ty.oid {
        16 => if crate::types::text::as_bool(value)? {
            "true"
        } else {
            "false"
        }
        .to_owned(),
        20 | 21 | 23 | 26 => cast::output(ty, value, &style)?,
        700 | 701 | 1700 => {
            let text = cast::output(ty, value, &style)?;
            if text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                && !text.ends_with("nfinity")
            {
                text
            } else {
                format!("\"{text}\"")
            }
        }
        114 | 3802 => {
            let text = cast::output(ty, value, &style)?;
            match (binary && ty.oid == 114)
                .then(|| Json::parse(&text))
                .flatten()
            {
                Some(json) => json.normalized().text(),
                None => text,
            }
        }
        _ => {
            let mut text = cast::output(ty, value, &style)?;
            // Times are in ISO's own form there.
            if matches!(ty.oid, 1114 | 1184) && text.len() > 10 && text.as_bytes()[10] == b' ' {
                text.replace_range(10..11, "T");
                if ty.oid == 1184 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-') {
                    text.push_str(":00");
                }
            }
            let mut out = String::new();
            quote(&text, &mut out);
            out
        }
    })
}

fn array_json(items: &[Json], element: Type, binary: bool, out: &mut String) -> Result<()> {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(if binary { ", " } else { "," });
        }
        match item {
            Json::Array(nested) => array_json(nested, element, binary, out)?,
            Json::Null => out.push_str("null"),
            _ => out.push_str(&to_json(
                ValueRef::from(&array::item_value(element, item)),
                element,
                binary,
            )?),
        }
    }
    out.push(']');
    Ok(())
}

/// `json_object('{a,1,b,2}')`, `json_object(keys, values)`.
pub(super) fn object(a: &Arguments<'_>) -> Result<Value> {
    let first = path(a, 0)?;
    let pairs: Vec<(Option<String>, Option<String>)> = if a.len() > 1 {
        let second = path(a, 1)?;
        if first.len() != second.len() {
            return Err(PgError::new("2202E", "mismatched array dimensions"));
        }
        first.into_iter().zip(second).collect()
    } else {
        if first.len() % 2 == 1 {
            return Err(PgError::new(
                "2202E",
                "array must have even number of elements",
            ));
        }
        first
            .chunks(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    };
    let mut out = String::from("{");
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        let key =
            key.ok_or_else(|| PgError::new("22004", "null value not allowed for object key"))?;
        quote(&key, &mut out);
        out.push_str(" : ");
        match value {
            Some(value) => quote(&value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    text_value(out)
}

//! JSON: operators and functions of `json` and `jsonb`.

use rusqlite::types::{Value, ValueRef};

use super::{Arguments, Entry, bool_value, int_value, text_value};
use crate::error::{PgError, Result};
use crate::types::json::{Json, quote};
use crate::types::{Type, array, cast};

/// An argument that is JSON.
fn json(a: &Arguments<'_>, index: usize) -> Result<Json> {
    Json::parse(a.text(index)?)
        .ok_or_else(|| PgError::new("22P02", "invalid input syntax for type json"))
}

/// A path: an array of text.
fn path(a: &Arguments<'_>, index: usize) -> Result<Vec<Option<String>>> {
    Ok(array::items(a.value(index))?
        .into_iter()
        .map(|item| match item {
            Json::String(text) => Some(text),
            Json::Null => None,
            other => Some(other.compact()),
        })
        .collect())
}

/// jsonb is written in its own form, json as it was compactly.
fn written(json: &Json) -> Result<Value> {
    text_value(json.text())
}

fn optional(found: Option<&Json>) -> Result<Value> {
    found.map_or(Ok(Value::Null), written)
}

fn optional_text(found: Option<&Json>) -> Result<Value> {
    match found.and_then(Json::unquoted) {
        Some(text) => text_value(text),
        None => Ok(Value::Null),
    }
}

fn get<'j>(json: &'j Json, a: &Arguments<'_>) -> Result<Option<&'j Json>> {
    Ok(match a.value(1) {
        ValueRef::Integer(index) => json.item(index),
        _ => json.member(a.text(1)?),
    })
}

fn walk<'j>(json: &'j Json, path: &[Option<String>]) -> Option<&'j Json> {
    path.iter()
        .try_fold(json, |json, key| json.step(key.as_deref()?))
}

pub(super) const STRICT: &[Entry] = &[
    ("pg_jsonb", 1, |a| written(&json(a, 0)?.normalized())),
    ("pg_json_get", 2, |a| optional(get(&json(a, 0)?, a)?)),
    ("pg_json_get_text", 2, |a| {
        optional_text(get(&json(a, 0)?, a)?)
    }),
    ("pg_json_path", 2, |a| {
        optional(walk(&json(a, 0)?, &path(a, 1)?))
    }),
    ("pg_json_path_text", 2, |a| {
        optional_text(walk(&json(a, 0)?, &path(a, 1)?))
    }),
    ("pg_jsonb_contains", 2, |a| {
        bool_value(json(a, 0)?.contains(&json(a, 1)?))
    }),
    ("pg_jsonb_exists", 2, |a| {
        bool_value(exists(&json(a, 0)?, a.text(1)?))
    }),
    ("pg_jsonb_exists_of", 3, |a| {
        let (json, keys) = (json(a, 0)?, path(a, 1)?);
        let mut found = keys.iter().flatten().map(|key| exists(&json, key));
        bool_value(if a.bool(2)? {
            found.all(|found| found)
        } else {
            found.any(|found| found)
        })
    }),
    ("pg_jsonb_concat", 2, |a| {
        let list = |json: Json| match json {
            Json::Array(items) => items,
            other => vec![other],
        };
        written(&match (json(a, 0)?, json(a, 1)?) {
            (Json::Object(mut left), Json::Object(right)) => {
                left.extend(right);
                Json::Object(left).normalized()
            }
            (left, right) => Json::Array(list(left).into_iter().chain(list(right)).collect()),
        })
    }),
    ("pg_jsonb_delete", 3, |a| {
        let mut json = json(a, 0)?;
        if a.bool(2)? {
            for key in path(a, 1)?.into_iter().flatten() {
                json = without(json, &key);
            }
            return written(&json);
        }
        match (a.value(1), json) {
            (ValueRef::Integer(index), Json::Array(mut items)) => {
                let index = if index < 0 {
                    index + items.len() as i64
                } else {
                    index
                };
                if let Some(index) = usize::try_from(index)
                    .ok()
                    .filter(|index| *index < items.len())
                {
                    items.remove(index);
                }
                written(&Json::Array(items))
            }
            (ValueRef::Integer(_), _) => Err(PgError::new(
                "22023",
                "cannot delete from object using integer index",
            )),
            (_, json) => written(&without(json, a.text(1)?)),
        }
    }),
    ("pg_jsonb_delete_path", 2, |a| {
        let mut json = json(a, 0)?;
        remove(&mut json, &path(a, 1)?);
        written(&json)
    }),
    ("pg_jsonb_set", 4, |a| {
        let mut target = json(a, 0)?;
        change(&mut target, &path(a, 1)?, json(a, 2)?, a.bool(3)?, false)?;
        written(&target.normalized())
    }),
    ("pg_jsonb_insert", 4, |a| {
        let mut target = json(a, 0)?;
        insert(&mut target, &path(a, 1)?, json(a, 2)?, a.bool(3)?)?;
        written(&target.normalized())
    }),
    ("pg_json_array_length", 1, |a| match json(a, 0)? {
        Json::Array(items) => int_value(items.len()),
        _ => Err(PgError::new(
            "22023",
            "cannot get array length of a non-array",
        )),
    }),
    ("pg_json_typeof", 1, |a| text_value(json(a, 0)?.kind())),
    ("pg_json_strip_nulls", 1, |a| {
        text_value(stripped(json(a, 0)?).compact())
    }),
    ("pg_jsonb_strip_nulls", 1, |a| {
        written(&stripped(json(a, 0)?))
    }),
    ("pg_jsonb_pretty", 1, |a| text_value(json(a, 0)?.pretty())),
    ("pg_json_object", 1, object),
    ("pg_json_object", 2, object),
    ("pg_jsonb_object", 1, |a| normal(object(a)?)),
    ("pg_jsonb_object", 2, |a| normal(object(a)?)),
    ("pg_json_extract_path", -1, |a| {
        optional(walk(&json(a, 0)?, &keys(a)?))
    }),
    ("pg_json_extract_path_text", -1, |a| {
        optional_text(walk(&json(a, 0)?, &keys(a)?))
    }),
    ("pg_json_elements", 2, |a| {
        let Json::Array(items) = json(a, 0)? else {
            return Err(PgError::new(
                "22023",
                "cannot extract elements from a scalar",
            ));
        };
        let text = a.bool(1)?;
        text_value(list(items.iter().map(|item| {
            if text {
                item.unquoted().map(std::borrow::Cow::into_owned)
            } else {
                Some(item.text())
            }
        })))
    }),
    ("pg_json_members", 2, |a| {
        let Json::Object(members) = json(a, 0)? else {
            return Err(PgError::new(
                "22023",
                "cannot call json_each on a non-object",
            ));
        };
        let text = a.bool(1)?;
        let rows: Vec<String> = members
            .iter()
            .map(|(key, value)| {
                let value = if text {
                    value.unquoted().map(std::borrow::Cow::into_owned)
                } else {
                    Some(value.text())
                };
                list([Some(key.clone()), value].into_iter())
            })
            .collect();
        text_value(format!("[{}]", rows.join(",")))
    }),
    ("pg_json_keys", 1, |a| match json(a, 0)? {
        Json::Object(members) => text_value(list(members.into_iter().map(|(key, _)| Some(key)))),
        _ => Err(PgError::new(
            "22023",
            "cannot call json_object_keys on a non-object",
        )),
    }),
    ("pg_to_json", 4, |a| {
        text_value(to_json(a.value(0), a.ty(1, 2)?, a.bool(3)?)?)
    }),
    ("pg_jsonb_path_exists", 2, |a| {
        bool_value(!jsonpath(&json(a, 0)?, a.text(1)?)?.is_empty())
    }),
    ("pg_jsonb_path_query_array", 2, |a| {
        written(&Json::Array(jsonpath(&json(a, 0)?, a.text(1)?)?))
    }),
    ("pg_jsonb_path_query_first", 2, |a| {
        optional(jsonpath(&json(a, 0)?, a.text(1)?)?.first())
    }),
];

pub(super) const NULLABLE: &[Entry] = &[
    // Elements are JSON.
    ("pg_json_build_array", -1, |a| {
        let mut out = String::from("[");
        for index in 0..a.len() {
            if index > 0 {
                out.push_str(", ");
            }
            out.push_str(if a.is_null(index) {
                "null"
            } else {
                a.text(index)?
            });
        }
        out.push(']');
        text_value(out)
    }),
    // The form (0 json, 1 jsonb, 2 a row as json, 3 a row as jsonb), then keys and JSON values.
    ("pg_json_build_object", -1, |a| {
        let form = a.int(0)?;
        let (colon, comma) = match form {
            0 => (" : ", ", "),
            2 => (":", ","),
            _ => (": ", ", "),
        };
        let mut out = String::from("{");
        for index in (1..a.len()).step_by(2) {
            if a.is_null(index) {
                return Err(PgError::new(
                    "22023",
                    format!("argument {index} cannot be null"),
                ));
            }
            if index > 1 {
                out.push_str(comma);
            }
            quote(a.text(index)?, &mut out);
            out.push_str(colon);
            out.push_str(if a.is_null(index + 1) {
                "null"
            } else {
                a.text(index + 1)?
            });
        }
        out.push('}');
        if form % 2 == 1 {
            normal(Value::Text(out))
        } else {
            text_value(out)
        }
    }),
];

fn normal(value: Value) -> Result<Value> {
    match value {
        Value::Text(text) => match Json::parse(&text) {
            Some(json) => written(&json.normalized()),
            None => text_value(text),
        },
        other => Ok(other),
    }
}

fn keys(a: &Arguments<'_>) -> Result<Vec<Option<String>>> {
    (1..a.len())
        .map(|index| Ok(Some(a.text(index)?.to_owned())))
        .collect()
}

fn list(items: impl Iterator<Item = Option<String>>) -> String {
    let mut out = String::from("[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item {
            Some(text) => quote(&text, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push(']');
    out
}

/// A value as JSON.
pub(super) fn to_json(value: ValueRef<'_>, ty: Type, binary: bool) -> Result<String> {
    if value == ValueRef::Null {
        return Ok("null".to_owned());
    }
    let style = super::session::style();
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

fn exists(json: &Json, key: &str) -> bool {
    match json {
        Json::Object(_) => json.member(key).is_some(),
        Json::Array(items) => items
            .iter()
            .any(|item| matches!(item, Json::String(text) if text == key)),
        Json::String(text) => text == key,
        _ => false,
    }
}

fn without(json: Json, key: &str) -> Json {
    match json {
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .filter(|(name, _)| name != key)
                .collect(),
        ),
        Json::Array(items) => Json::Array(
            items
                .into_iter()
                .filter(|item| !matches!(item, Json::String(text) if text == key))
                .collect(),
        ),
        other => other,
    }
}

fn place(items: &[Json], key: &str) -> Option<usize> {
    let index: i64 = key.parse().ok()?;
    let index = if index < 0 {
        index + items.len() as i64
    } else {
        index
    };
    usize::try_from(index)
        .ok()
        .filter(|index| *index < items.len())
}

fn remove(json: &mut Json, path: &[Option<String>]) {
    let Some((Some(key), rest)) = path.split_first() else {
        return;
    };
    match json {
        Json::Object(members) => {
            if rest.is_empty() {
                members.retain(|(name, _)| name != key);
            } else if let Some((_, inner)) = members.iter_mut().find(|(name, _)| name == key) {
                remove(inner, rest);
            }
        }
        Json::Array(items) => {
            if let Some(index) = place(items, key) {
                if rest.is_empty() {
                    items.remove(index);
                } else {
                    remove(&mut items[index], rest);
                }
            }
        }
        _ => {}
    }
}

fn change(
    json: &mut Json,
    path: &[Option<String>],
    value: Json,
    create: bool,
    _inserted: bool,
) -> Result<()> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    let key = key
        .as_deref()
        .ok_or_else(|| PgError::new("22004", "path element must not be null"))?;
    match json {
        Json::Object(members) => {
            let found = members.iter_mut().find(|(name, _)| name == key);
            match (found, rest.is_empty()) {
                (Some((_, inner)), true) => *inner = value,
                (Some((_, inner)), false) => change(inner, rest, value, create, false)?,
                (None, true) if create => members.push((key.to_owned(), value)),
                (None, _) => {}
            }
        }
        Json::Array(items) => {
            let index: i64 = key.parse().map_err(|_| {
                PgError::new(
                    "22P02",
                    format!("path element is not an integer: \"{key}\""),
                )
            })?;
            match (place(items, key), rest.is_empty()) {
                (Some(index), true) => items[index] = value,
                (Some(at), false) => change(&mut items[at], rest, value, create, false)?,
                (None, true) if create && index < 0 => items.insert(0, value),
                (None, true) if create => items.push(value),
                (None, _) => {}
            }
        }
        _ => {}
    }
    Ok(())
}

fn insert(json: &mut Json, path: &[Option<String>], value: Json, after: bool) -> Result<()> {
    let Some((Some(key), rest)) = path.split_first() else {
        return Ok(());
    };
    match json {
        Json::Object(members) => {
            let found = members.iter_mut().find(|(name, _)| name == key);
            match (found, rest.is_empty()) {
                (Some(_), true) => Err(PgError::new("22023", "cannot replace existing key")),
                (Some((_, inner)), false) => insert(inner, rest, value, after),
                (None, true) => {
                    members.push((key.clone(), value));
                    Ok(())
                }
                (None, false) => Ok(()),
            }
        }
        Json::Array(items) => {
            let index: i64 = key.parse().unwrap_or(0);
            match (place(items, key), rest.is_empty()) {
                (Some(at), true) => items.insert(at + usize::from(after), value),
                (Some(at), false) => return insert(&mut items[at], rest, value, after),
                (None, true) if index < 0 => items.insert(0, value),
                (None, true) => items.push(value),
                (None, false) => {}
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn stripped(json: Json) -> Json {
    match json {
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .filter(|(_, value)| *value != Json::Null)
                .map(|(key, value)| (key, stripped(value)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(stripped).collect()),
        other => other,
    }
}

/// `json_object('{a,1,b,2}')`, `json_object(keys, values)`.
fn object(a: &Arguments<'_>) -> Result<Value> {
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

/// Paths of keys, indexes and wildcards: `$.a[*].b`. Filters are refused.
fn jsonpath(json: &Json, path: &str) -> Result<Vec<Json>> {
    let refused = || {
        PgError::new("0A000", format!("the jsonpath \"{path}\" is not supported"))
            .hint("Keys, indexes and wildcards are.")
    };
    let mut rest = path.trim();
    rest = rest
        .strip_prefix("strict ")
        .or_else(|| rest.strip_prefix("lax "))
        .unwrap_or(rest)
        .trim_start();
    rest = rest.strip_prefix('$').ok_or_else(refused)?;
    let mut found = vec![json.clone()];
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[*]") {
            rest = after;
            found = found
                .into_iter()
                .flat_map(|json| match json {
                    Json::Array(items) => items,
                    other => vec![other],
                })
                .collect();
        } else if let Some(after) = rest.strip_prefix(".*") {
            rest = after;
            found = found
                .into_iter()
                .flat_map(|json| match json {
                    Json::Object(members) => members.into_iter().map(|(_, value)| value).collect(),
                    _ => Vec::new(),
                })
                .collect();
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or_else(refused)?;
            let index: i64 = index.trim().parse().map_err(|_| refused())?;
            rest = after;
            found = found
                .iter()
                .filter_map(|json| json.item(index).cloned())
                .collect();
        } else if let Some(after) = rest.strip_prefix('.') {
            let (key, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or_else(refused)?,
                None => {
                    let end = after
                        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                        .unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            if key.is_empty() {
                return Err(refused());
            }
            rest = after;
            found = found
                .iter()
                .flat_map(|json| match json {
                    // Lax: an array's elements are looked at.
                    Json::Array(items) => items
                        .iter()
                        .filter_map(|item| item.member(key).cloned())
                        .collect::<Vec<_>>(),
                    other => other.member(key).cloned().into_iter().collect(),
                })
                .collect();
        } else {
            return Err(refused());
        }
    }
    Ok(found)
}

//! JSON: operators and functions of `json` and `jsonb`.
//!
//! | module | what |
//! | --- | --- |
//! | [`changes`] | a part changed, added, taken away |
//! | [`made`] | JSON made of values |
//! | [`path`](self::path) | SQL/JSON paths |

mod changes;
mod made;
mod path;

use super::{Arguments, Entry, bool_value, int_value, text_value};
use crate::error::{PgError, Result};
use crate::types::array;
use crate::types::json::{Json, quote};
use rusqlite::types::{Value, ValueRef};

use self::changes::{change, insert, remove, stripped, without};
use self::made::{object, to_json};
use self::path::jsonpath;

/// An argument that is JSON.
pub(super) fn json(a: &Arguments<'_>, index: usize) -> Result<Json> {
    Json::parse(a.text(index)?)
        .ok_or_else(|| PgError::new("22P02", "invalid input syntax for type json"))
}

/// A path: an array of text.
pub(super) fn path(a: &Arguments<'_>, index: usize) -> Result<Vec<Option<String>>> {
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

pub(super) fn keys(a: &Arguments<'_>) -> Result<Vec<Option<String>>> {
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

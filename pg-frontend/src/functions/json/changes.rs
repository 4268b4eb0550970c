//! JSON with a part changed, added or taken away.

use crate::error::{PgError, Result};
use crate::types::json::Json;

pub(super) fn without(json: Json, key: &str) -> Json {
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

pub(super) fn remove(json: &mut Json, path: &[Option<String>]) {
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

pub(super) fn change(
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

pub(super) fn insert(
    json: &mut Json,
    path: &[Option<String>],
    value: Json,
    after: bool,
) -> Result<()> {
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

pub(super) fn stripped(json: Json) -> Json {
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

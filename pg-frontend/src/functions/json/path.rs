//! The part of SQL/JSON paths that is understood: members, elements, wildcards.

use crate::error::{PgError, Result};
use crate::types::json::Json;

/// Paths of keys, indexes and wildcards: `$.a[*].b`. Filters are refused.
pub(super) fn jsonpath(json: &Json, path: &str) -> Result<Vec<Json>> {
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

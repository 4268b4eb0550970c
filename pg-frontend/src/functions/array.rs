//! Arrays, and JSON arrays of rows for `json_each`.

use rusqlite::types::{Value, ValueRef};

use super::{Arguments, Entry, bool_value, int_value, text_value};
use crate::error::{PgError, Result};
use crate::types::json::{Json, quote};
use crate::types::numeric::Numeric;
use crate::types::{Type, array, cast};

fn items(a: &Arguments<'_>, index: usize) -> Result<Vec<Json>> {
    array::items(a.value(index))
}

fn written(items: Vec<Json>) -> Result<Value> {
    text_value(Json::Array(items).compact())
}

/// An argument as an element.
fn element(a: &Arguments<'_>, index: usize) -> Json {
    match a.value(index) {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(integer) => Json::Number(integer.to_string()),
        ValueRef::Real(real) => Json::Number(format!("{real:?}")),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Json::String(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

fn flat(items: &[Json]) -> Vec<Json> {
    let mut out = Vec::new();
    array::flatten(items, &mut out);
    out.into_iter().cloned().collect()
}

/// A series' length is bounded where it has to be an array.
const LONGEST: usize = 256 << 20;

pub(super) const STRICT: &[Entry] =
    &[
        ("pg_flatten", 1, |a| written(flat(&items(a, 0)?))),
        ("pg_expand", 1, |a| {
            let rows = items(a, 0)?.into_iter().enumerate();
            written(
                rows.map(|(index, item)| {
                    Json::Array(vec![item, Json::Number((index + 1).to_string())])
                })
                .collect(),
            )
        }),
        ("pg_subscripts", 3, |a| {
            let (count, base) = (items(a, 0)?.len() as i64, a.int(1)?);
            let mut numbers: Vec<Json> = (base..base + count)
                .map(|index| Json::Number(index.to_string()))
                .collect();
            if a.bool(2)? {
                numbers.reverse();
            }
            written(numbers)
        }),
        ("pg_series", 3, |a| {
            let (mut at, stop, step) = (a.int(0)?, a.int(1)?, a.int(2)?);
            if step == 0 {
                return Err(PgError::new("22023", "step size cannot equal zero"));
            }
            let mut out = String::from("[");
            while if step > 0 { at <= stop } else { at >= stop } {
                if out.len() > 1 {
                    out.push(',');
                }
                out.push_str(&at.to_string());
                if out.len() > LONGEST {
                    return Err(PgError::new(
                        "54000",
                        "generate_series gives too many rows here",
                    ));
                }
                match at.checked_add(step) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            out.push(']');
            text_value(out)
        }),
        ("pg_series_numeric", 3, |a| {
            let (mut at, stop, step) = (a.numeric(0)?, a.numeric(1)?, a.numeric(2)?);
            if step.is_zero() {
                return Err(PgError::new("22023", "step size cannot equal zero"));
            }
            let mut out = Vec::new();
            while if step.is_negative() {
                at.compare(&stop).is_ge()
            } else {
                at.compare(&stop).is_le()
            } {
                out.push(Json::String(at.to_string()));
                at = at.add(&step);
                if out.len() > 10_000_000 {
                    return Err(PgError::new(
                        "54000",
                        "generate_series gives too many rows here",
                    ));
                }
            }
            written(out)
        }),
        ("pg_array_get", 3, |a| {
            let (items, index, base) = (items(a, 0)?, a.int(1)?, a.int(2)?);
            let found = usize::try_from(index - base)
                .ok()
                .and_then(|index| items.into_iter().nth(index));
            Ok(found.map_or(Value::Null, |item| array::item_value(Type::TEXT, &item)))
        }),
        ("pg_array_length", 2, |a| {
            let items = items(a, 0)?;
            let dimension = usize::try_from(a.int(1)? - 1).unwrap_or(usize::MAX);
            match array::dimensions(&items).get(dimension) {
                Some(length) => int_value(*length),
                None => Ok(Value::Null),
            }
        }),
        ("pg_array_lower", 2, |a| {
            let items = items(a, 0)?;
            let dimension = usize::try_from(a.int(1)? - 1).unwrap_or(usize::MAX);
            Ok(array::dimensions(&items)
                .get(dimension)
                .map_or(Value::Null, |_| Value::Integer(1)))
        }),
        ("pg_array_ndims", 1, |a| {
            match array::dimensions(&items(a, 0)?).len() {
                0 => Ok(Value::Null),
                count => int_value(count),
            }
        }),
        ("pg_cardinality", 1, |a| {
            int_value(flat(&items(a, 0)?).len())
        }),
        ("pg_array_dims", 1, |a| {
            let lengths = array::dimensions(&items(a, 0)?);
            if lengths.is_empty() {
                return Ok(Value::Null);
            }
            text_value(
                lengths
                    .iter()
                    .map(|length| format!("[1:{length}]"))
                    .collect::<String>(),
            )
        }),
        ("pg_array_contains", 2, |a| {
            let (own, other) = (flat(&items(a, 0)?), flat(&items(a, 1)?));
            bool_value(other.iter().all(|item| {
                *item != Json::Null && own.iter().any(|candidate| candidate.equals(item))
            }))
        }),
        ("pg_array_overlap", 2, |a| {
            let (own, other) = (flat(&items(a, 0)?), flat(&items(a, 1)?));
            bool_value(other.iter().any(|item| {
                *item != Json::Null && own.iter().any(|candidate| candidate.equals(item))
            }))
        }),
        ("pg_trim_array", 2, |a| {
            let mut items = items(a, 0)?;
            let count = usize::try_from(a.int(1)?)
                .ok()
                .filter(|count| *count <= items.len());
            let count = count.ok_or_else(|| {
                PgError::new(
                    "2202E",
                    format!(
                        "number of elements to trim must be between 0 and {}",
                        items.len()
                    ),
                )
            })?;
            items.truncate(items.len() - count);
            written(items)
        }),
    ];

pub(super) const NULLABLE: &[Entry] = &[
    ("pg_array_slice", 3, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let items = items(a, 0)?;
        let low = if a.is_null(1) { 1 } else { a.int(1)?.max(1) };
        let high = if a.is_null(2) {
            items.len() as i64
        } else {
            a.int(2)?
        };
        let skip = usize::try_from(low - 1).unwrap_or(0);
        let take = usize::try_from(high - low + 1).unwrap_or(0);
        written(items.into_iter().skip(skip).take(take).collect())
    }),
    ("pg_array_append", 2, |a| {
        let mut all = if a.is_null(0) {
            Vec::new()
        } else {
            items(a, 0)?
        };
        all.push(element(a, 1));
        written(all)
    }),
    ("pg_array_prepend", 2, |a| {
        let mut all = if a.is_null(1) {
            Vec::new()
        } else {
            items(a, 1)?
        };
        all.insert(0, element(a, 0));
        written(all)
    }),
    ("pg_array_cat", 2, |a| match (a.is_null(0), a.is_null(1)) {
        (true, true) => Ok(Value::Null),
        (true, false) => Ok(a.owned(1)),
        (false, true) => Ok(a.owned(0)),
        (false, false) => {
            let (mut all, second) = (items(a, 0)?, items(a, 1)?);
            // A row joins a table of rows.
            let nested = |items: &[Json]| matches!(items.first(), Some(Json::Array(_)));
            match (nested(&all), nested(&second)) {
                (true, false) if !second.is_empty() => all.push(Json::Array(second)),
                (false, true) if !all.is_empty() => {
                    let mut rows = vec![Json::Array(all)];
                    rows.extend(second);
                    all = rows;
                }
                _ => all.extend(second),
            }
            written(all)
        }
    }),
    ("pg_array_position", 2, |a| position(a, 0)),
    ("pg_array_position", 3, |a| {
        position(a, usize::try_from(a.int(2)? - 1).unwrap_or(0))
    }),
    ("pg_array_positions", 2, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let wanted = element(a, 1);
        let found = items(a, 0)?
            .into_iter()
            .enumerate()
            .filter(|(_, item)| item.equals(&wanted));
        written(
            found
                .map(|(index, _)| Json::Number((index + 1).to_string()))
                .collect(),
        )
    }),
    ("pg_array_remove", 2, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let wanted = element(a, 1);
        written(
            items(a, 0)?
                .into_iter()
                .filter(|item| !item.equals(&wanted))
                .collect(),
        )
    }),
    ("pg_array_replace", 3, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let (from, to) = (element(a, 1), element(a, 2));
        written(
            items(a, 0)?
                .into_iter()
                .map(|item| if item.equals(&from) { to.clone() } else { item })
                .collect(),
        )
    }),
    ("pg_array_fill", 2, |a| {
        let mut value = element(a, 0);
        for length in items(a, 1)?.iter().rev() {
            let Json::Number(digits) = length else {
                return Err(PgError::new("22004", "dimension values cannot be null"));
            };
            let count: usize = digits.parse().unwrap_or(0);
            if count > 10_000_000 {
                return Err(PgError::new(
                    "54000",
                    "array size exceeds the maximum allowed",
                ));
            }
            value = Json::Array(vec![value; count]);
        }
        text_value(value.compact())
    }),
    ("pg_array_to_string", 3, |a| joined(a, None)),
    ("pg_array_to_string", 4, |a| {
        let null = if a.is_null(3) {
            None
        } else {
            Some(a.text(3)?.to_owned())
        };
        joined(a, null)
    }),
    ("pg_string_to_array", 2, |a| parted(a, None)),
    ("pg_string_to_array", 3, |a| {
        let null = if a.is_null(2) {
            None
        } else {
            Some(a.text(2)?.to_owned())
        };
        parted(a, null)
    }),
    // Several arrays side by side: rows.
    ("pg_zip", -1, |a| {
        let mut all = Vec::new();
        for index in 0..a.len() {
            all.push(if a.is_null(index) {
                Vec::new()
            } else {
                flat(&items(a, index)?)
            });
        }
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        let rows = (0..longest).map(|row| {
            Json::Array(
                all.iter()
                    .map(|items| items.get(row).cloned().unwrap_or(Json::Null))
                    .collect(),
            )
        });
        written(rows.collect())
    }),
    ("pg_longest", -1, |a| {
        let mut best = Value::Text("[]".to_owned());
        let mut most = 0;
        for index in 0..a.len() {
            if !a.is_null(index) {
                let count = items(a, index)?.len();
                if count > most {
                    most = count;
                    best = a.owned(index);
                }
            }
        }
        Ok(best)
    }),
];

fn position(a: &Arguments<'_>, skip: usize) -> Result<Value> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let wanted = element(a, 1);
    let found = items(a, 0)?
        .into_iter()
        .enumerate()
        .skip(skip)
        .find(|(_, item)| same(item, &wanted));
    found.map_or(Ok(Value::Null), |(index, _)| int_value(index + 1))
}

/// Equal, numbers as text too.
fn same(a: &Json, b: &Json) -> bool {
    if a.equals(b) {
        return true;
    }
    match (a, b) {
        (Json::String(text), Json::Number(digits)) | (Json::Number(digits), Json::String(text)) => {
            match (Numeric::parse(text), Numeric::parse(digits)) {
                (Some(x), Some(y)) => x.compare(&y).is_eq(),
                _ => false,
            }
        }
        _ => false,
    }
}

/// `array_to_string(array, type, separator [, null])`.
fn joined(a: &Arguments<'_>, null: Option<String>) -> Result<Value> {
    if a.is_null(0) || a.is_null(2) {
        return Ok(Value::Null);
    }
    let element = Type::of(u32::try_from(a.int(1)?).unwrap_or(25));
    let style = super::session::style();
    let mut parts = Vec::new();
    for item in flat(&items(a, 0)?) {
        match (item, &null) {
            (Json::Null, None) => {}
            (Json::Null, Some(null)) => parts.push(null.clone()),
            (item, _) => parts.push(cast::output(
                element,
                ValueRef::from(&array::item_value(element, &item)),
                &style,
            )?),
        }
    }
    text_value(parts.join(a.text(2)?))
}

fn parted(a: &Arguments<'_>, null: Option<String>) -> Result<Value> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let text = a.text(0)?;
    let parts: Vec<String> = if text.is_empty() {
        Vec::new()
    } else if a.is_null(1) {
        text.chars().map(String::from).collect()
    } else if a.text(1)?.is_empty() {
        vec![text.to_owned()]
    } else {
        text.split(a.text(1)?).map(str::to_owned).collect()
    };
    let mut out = String::from("[");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if null.as_ref() == Some(part) {
            out.push_str("null");
        } else {
            quote(part, &mut out);
        }
    }
    out.push(']');
    text_value(out)
}

//! Functions that return rows.

use rusqlite::Result;
use rusqlite::types::ValueRef;
use serde_json::Value;

use super::TableFunction;
use crate::catalog::rows::Cell;
use crate::catalog::text;

const TEXT: u32 = 25;
const OID: u32 = 26;
const INT4: u32 = 23;
const BOOL: u32 = 16;

/// All of them.
pub(super) const FUNCTIONS: &[TableFunction] = &[
    TableFunction {
        name: "pg_get_keywords",
        arguments: 0,
        columns: &[("word", TEXT), ("catcode", 18), ("barelabel", BOOL), ("catdesc", TEXT), ("baredesc", TEXT)],
        rows: keywords,
    },
    TableFunction {
        name: "_pg_expandarray",
        arguments: 1,
        columns: &[("x", TEXT), ("n", INT4)],
        rows: expand_array,
    },
    TableFunction {
        name: "pg_options_to_table",
        arguments: 1,
        columns: &[("option_name", TEXT), ("option_value", TEXT)],
        rows: options,
    },
    TableFunction {
        name: "pg_partition_ancestors",
        arguments: 1,
        columns: &[("relid", 2205)],
        rows: nothing,
    },
    TableFunction {
        name: "pg_partition_tree",
        arguments: 1,
        columns: &[("relid", 2205), ("parentrelid", 2205), ("isleaf", BOOL), ("level", INT4)],
        rows: nothing,
    },
    TableFunction {
        name: "aclexplode",
        arguments: 1,
        columns: &[("grantor", OID), ("grantee", OID), ("privilege_type", TEXT), ("is_grantable", BOOL)],
        rows: nothing,
    },
    TableFunction {
        name: "pg_listening_channels",
        arguments: 0,
        columns: &[("pg_listening_channels", TEXT)],
        rows: nothing,
    },
];

/// SQLite has nothing of the kind: no partitions, no grants.
fn nothing(_: &[ValueRef<'_>]) -> Result<Vec<Vec<Cell>>> {
    Ok(Vec::new())
}

fn keywords(_: &[ValueRef<'_>]) -> Result<Vec<Vec<Cell>>> {
    let rows = text::keywords().map(|(word, category, label)| {
        let description = match category {
            "U" => "unreserved",
            "C" => "unreserved (cannot be function or type name)",
            "T" => "reserved (can be function or type name)",
            _ => "reserved",
        };
        let bare = if label { "can be bare label" } else { "requires AS" };
        vec![word.into(), category.into(), label.into(), description.into(), bare.into()]
    });
    Ok(rows.collect())
}

/// The elements of an array, which is JSON.
fn elements(arguments: &[ValueRef<'_>]) -> Vec<Value> {
    match arguments.first() {
        Some(ValueRef::Text(text)) => serde_json::from_slice(text).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The elements with their positions, from 1.
fn expand_array(arguments: &[ValueRef<'_>]) -> Result<Vec<Vec<Cell>>> {
    let rows = elements(arguments).into_iter().zip(1_i32..).map(|(element, number)| {
        let element = match element {
            Value::Null => Cell::Null,
            Value::Bool(truth) => truth.into(),
            Value::String(text) => text.into(),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => integer.into(),
                None => number.as_f64().into(),
            },
            other => other.to_string().into(),
        };
        vec![element, number.into()]
    });
    Ok(rows.collect())
}

/// `{a=1,b}` as rows.
fn options(arguments: &[ValueRef<'_>]) -> Result<Vec<Vec<Cell>>> {
    let rows = elements(arguments).into_iter().map(|element| {
        let option = element.as_str().unwrap_or_default().to_owned();
        match option.split_once('=') {
            Some((name, value)) => vec![name.to_owned().into(), value.to_owned().into()],
            None => vec![option.into(), Cell::Null],
        }
    });
    Ok(rows.collect())
}

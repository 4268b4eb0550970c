//! Functions that return rows.

use rusqlite::Result;
use rusqlite::types::ValueRef;

use super::TableFunction;
use crate::catalog::rows::Cell;
use crate::catalog::text;

const TEXT: u32 = 25;
const INT4: u32 = 23;
const BOOL: u32 = 16;

/// All of them.
pub(super) const FUNCTIONS: &[TableFunction] = &[
    TableFunction {
        name: "pg_get_keywords",
        arguments: 0,
        columns: &[
            ("word", TEXT),
            ("catcode", 18),
            ("barelabel", BOOL),
            ("catdesc", TEXT),
            ("baredesc", TEXT),
        ],
        rows: keywords,
    },
    TableFunction {
        name: "pg_partition_tree",
        arguments: 1,
        columns: &[
            ("relid", 2205),
            ("parentrelid", 2205),
            ("isleaf", BOOL),
            ("level", INT4),
        ],
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
        let bare = if label {
            "can be bare label"
        } else {
            "requires AS"
        };
        vec![
            word.into(),
            category.into(),
            label.into(),
            description.into(),
            bare.into(),
        ]
    });
    Ok(rows.collect())
}

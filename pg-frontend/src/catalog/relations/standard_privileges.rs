//! `table_privileges` and `column_privileges`: the owner may do everything.

use rusqlite::Result;

use super::information_schema::{database, schema, user, yes_or_no};
use crate::catalog::rows::{Cell, Rows, View};

/// What all of them say.
fn constants(view: &View<'_>) -> [(&'static str, Cell); 4] {
    [
        ("grantor", user(view)),
        ("grantee", user(view)),
        ("table_catalog", database(view)),
        ("is_grantable", "YES".into()),
    ]
}

/// What the owner may do with a table.
const TABLE_PRIVILEGES: [&str; 7] = [
    "INSERT",
    "SELECT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
];
/// What the owner may do with a column.
const COLUMN_PRIVILEGES: [&str; 4] = ["INSERT", "SELECT", "UPDATE", "REFERENCES"];

pub(super) fn table_privileges(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    rows.add(
        [
            "table_schema",
            "table_name",
            "privilege_type",
            "with_hierarchy",
        ],
        &constants(view),
        model.tables.iter().flat_map(|table| {
            TABLE_PRIVILEGES.map(move |privilege| {
                let hierarchy = yes_or_no(privilege == "SELECT");
                [
                    schema(model, table.namespace),
                    table.name.clone().into(),
                    privilege.into(),
                    hierarchy,
                ]
            })
        }),
    );
    Ok(())
}

pub(super) fn column_privileges(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    rows.add(
        [
            "table_schema",
            "table_name",
            "column_name",
            "privilege_type",
        ],
        &constants(view),
        model.tables.iter().flat_map(|table| {
            table.columns.iter().flat_map(move |column| {
                COLUMN_PRIVILEGES.map(move |privilege| {
                    [
                        schema(model, table.namespace),
                        table.name.clone().into(),
                        column.name.clone().into(),
                        privilege.into(),
                    ]
                })
            })
        }),
    );
    Ok(())
}

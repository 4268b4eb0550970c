//! The views of the SQL standard.
//! <https://www.postgresql.org/docs/15/information-schema.html>

use rusqlite::Result;

use crate::catalog::model::{Column, Identity, Model, Table};
use crate::catalog::names;
use crate::catalog::rows::{Cell, Rows, View};
use crate::catalog::{definitions, relations};
use crate::types::names::precision_and_scale;
use crate::types::{Oid, Type};

pub(super) fn yes_or_no(yes: bool) -> Cell {
    if yes { "YES" } else { "NO" }.into()
}

pub(super) fn database(view: &View<'_>) -> Cell {
    view.session.state(|state| state.database.clone()).into()
}

fn user(view: &View<'_>) -> Cell {
    view.session.state(|state| state.user.clone()).into()
}

pub(super) fn schema(model: &Model, namespace: Oid) -> Cell {
    model.namespace_name(namespace).map(str::to_owned).into()
}

pub(super) fn catalog_name(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(["catalog_name"], &[], [[database(view)]]);
    Ok(())
}

pub(super) fn schemata(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["schema_name"],
        &[
            ("catalog_name", database(view)),
            ("schema_owner", user(view)),
        ],
        view.model
            .namespaces
            .iter()
            .map(|namespace| [namespace.name.clone().into()]),
    );
    Ok(())
}

pub(super) fn tables(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let constants = [("table_catalog", database(view)), ("is_typed", "NO".into())];
    let columns = [
        "table_schema",
        "table_name",
        "table_type",
        "is_insertable_into",
        "commit_action",
    ];
    rows.add(
        columns,
        &constants,
        view.model.tables.iter().map(|table| {
            let kind = match (table.view, table.temporary) {
                (true, _) => "VIEW",
                (_, true) => "LOCAL TEMPORARY",
                _ => "BASE TABLE",
            };
            [
                schema(view.model, table.namespace),
                table.name.clone().into(),
                kind.into(),
                yes_or_no(!table.view),
                table.temporary.then_some("PRESERVE").into(),
            ]
        }),
    );
    rows.add(
        columns,
        &constants,
        relations::all().iter().map(|relation| {
            [
                relation.schema.into(),
                relation.name.into(),
                if relation.view { "VIEW" } else { "BASE TABLE" }.into(),
                yes_or_no(!relation.view),
                Cell::Null,
            ]
        }),
    );
    Ok(())
}

pub(super) fn views(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["table_schema", "table_name", "view_definition"],
        &[
            ("table_catalog", database(view)),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ],
        view.model
            .tables
            .iter()
            .filter(|table| table.view)
            .map(|table| {
                [
                    schema(view.model, table.namespace),
                    table.name.clone().into(),
                    definitions::view(view.model, None, table).into(),
                ]
            }),
    );
    Ok(())
}

/// What the standard says of a column's type: `data_type`, `character_maximum_length`,
/// `character_octet_length`, `numeric_precision`, `numeric_precision_radix`, `numeric_scale`,
/// `datetime_precision`, `udt_name`, `udt_schema`.
fn described(model: &Model, ty: Type) -> [Cell; 9] {
    let integer = |number: i64| Cell::Integer(number);
    let facts = relations::facts(ty.oid);
    let bare = crate::types::names::format(ty.bare());
    let (name, namespace) = type_name(model, ty.oid);
    let user_defined = model.enumeration(ty.oid).is_some();
    let kind = match bare {
        _ if facts.is_array => "ARRAY".to_owned(),
        _ if user_defined => "USER-DEFINED".to_owned(),
        Some(_) if ty.oid == 1042 => "character".to_owned(),
        Some(bare) => bare,
        None => name.as_str().unwrap_or_default().to_owned(),
    };
    let (mut length, mut octets) = (Cell::Null, Cell::Null);
    if matches!(ty.oid, 25 | 1042 | 1043) {
        if ty.modifier >= 4 {
            length = integer(i64::from(ty.modifier) - 4);
            octets = integer((i64::from(ty.modifier) - 4) * 4);
        } else {
            octets = integer(1 << 30);
        }
    }
    let (precision, radix, scale) = match ty.oid {
        21 => (integer(16), integer(2), integer(0)),
        23 => (integer(32), integer(2), integer(0)),
        20 => (integer(64), integer(2), integer(0)),
        700 => (integer(24), integer(2), Cell::Null),
        701 => (integer(53), integer(2), Cell::Null),
        1700 => match precision_and_scale(ty.modifier) {
            Some((precision, scale)) => (precision.into(), integer(10), scale.into()),
            None => (Cell::Null, integer(10), Cell::Null),
        },
        _ => (Cell::Null, Cell::Null, Cell::Null),
    };
    let time = match ty.oid {
        1082 => integer(0),
        1083 | 1114 | 1184 | 1186 | 1266 if ty.modifier >= 0 => ty.modifier.into(),
        1083 | 1114 | 1184 | 1186 | 1266 => integer(6),
        _ => Cell::Null,
    };
    [
        kind.into(),
        length,
        octets,
        precision,
        radix,
        scale,
        time,
        name,
        namespace,
    ]
}

/// `pg_type.typname` and its schema.
fn type_name(model: &Model, oid: Oid) -> (Cell, Cell) {
    if let Some(found) = model.enumeration(oid) {
        let name = if found.array == oid {
            format!("_{}", found.name)
        } else {
            found.name.clone()
        };
        return (name.into(), schema(model, found.namespace));
    }
    let name = names::builtin("pg_type", "oid", &oid.into(), "typname");
    (name.unwrap_or_else(|| "text".into()), "pg_catalog".into())
}

const COLUMNS: [&str; 26] = [
    "table_schema",
    "table_name",
    "column_name",
    "ordinal_position",
    "column_default",
    "is_nullable",
    "is_identity",
    "identity_generation",
    "identity_start",
    "identity_increment",
    "identity_maximum",
    "identity_minimum",
    "is_generated",
    "generation_expression",
    "is_updatable",
    "dtd_identifier",
    "identity_cycle",
    "data_type",
    "character_maximum_length",
    "character_octet_length",
    "numeric_precision",
    "numeric_precision_radix",
    "numeric_scale",
    "datetime_precision",
    "udt_name",
    "udt_schema",
];

pub(super) fn columns(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let constants = [
        ("table_catalog", catalog.clone()),
        ("udt_catalog", catalog),
        ("is_self_referencing", "NO".into()),
    ];
    rows.add(
        COLUMNS,
        &constants,
        model.tables.iter().flat_map(|table| {
            table
                .columns
                .iter()
                .map(move |column| of_table(model, table, column))
        }),
    );
    rows.add(
        COLUMNS,
        &constants,
        relations::all().iter().flat_map(|relation| {
            relation
                .columns
                .iter()
                .zip(1_i32..)
                .map(move |(column, number)| {
                    let [
                        kind,
                        length,
                        octets,
                        precision,
                        radix,
                        scale,
                        time,
                        name,
                        namespace,
                    ] = described(model, Type::of(column.ty));
                    [
                        relation.schema.into(),
                        relation.name.into(),
                        column.name.into(),
                        number.into(),
                        Cell::Null,
                        yes_or_no(!column.not_null),
                        "NO".into(),
                        Cell::Null,
                        Cell::Null,
                        Cell::Null,
                        Cell::Null,
                        Cell::Null,
                        "NEVER".into(),
                        Cell::Null,
                        yes_or_no(!relation.view),
                        number.to_string().into(),
                        "NO".into(),
                        kind,
                        length,
                        octets,
                        precision,
                        radix,
                        scale,
                        time,
                        name,
                        namespace,
                    ]
                })
        }),
    );
    Ok(())
}

fn of_table(model: &Model, table: &Table, column: &Column) -> [Cell; 26] {
    let [
        kind,
        length,
        octets,
        precision,
        radix,
        scale,
        time,
        name,
        namespace,
    ] = described(model, column.ty);
    let text = column.default.as_ref().map(|(_, text)| text.clone());
    let (default, generation) = if column.generated {
        (None, text)
    } else {
        (text, None)
    };
    let identity = |value: &'static str| -> Cell { column.identity.map(|_| value).into() };
    let generated_as = column.identity.map(|identity| match identity {
        Identity::Always => "ALWAYS",
        Identity::ByDefault => "BY DEFAULT",
    });
    [
        schema(model, table.namespace),
        table.name.clone().into(),
        column.name.clone().into(),
        column.number.into(),
        default.into(),
        yes_or_no(!column.not_null || table.view),
        yes_or_no(column.identity.is_some()),
        generated_as.into(),
        identity("1"),
        identity("1"),
        identity(match column.ty.oid {
            21 => "32767",
            23 => "2147483647",
            _ => "9223372036854775807",
        }),
        identity("1"),
        if column.generated { "ALWAYS" } else { "NEVER" }.into(),
        generation.into(),
        yes_or_no(!table.view && !column.generated),
        column.number.to_string().into(),
        "NO".into(),
        kind,
        length,
        octets,
        precision,
        radix,
        scale,
        time,
        name,
        namespace,
    ]
}

/// The elements' types of columns that are arrays.
pub(super) fn element_types(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let arrays = model
        .tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)));
    let found: Vec<[Cell; 7]> = arrays
        .filter_map(|(table, column)| {
            let element = column.ty.element()?;
            let [kind, .., name, namespace] = described(model, element);
            Some([
                schema(model, table.namespace),
                table.name.clone().into(),
                column.number.to_string().into(),
                format!("a{}", column.number).into(),
                kind,
                name,
                namespace,
            ])
        })
        .collect();
    rows.add(
        [
            "object_schema",
            "object_name",
            "collection_type_identifier",
            "dtd_identifier",
            "data_type",
            "udt_name",
            "udt_schema",
        ],
        &[
            ("object_catalog", catalog.clone()),
            ("udt_catalog", catalog),
            ("object_type", "TABLE".into()),
        ],
        found,
    );
    Ok(())
}

pub(super) fn sequences(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    rows.add(
        [
            "sequence_schema",
            "sequence_name",
            "data_type",
            "numeric_precision",
            "start_value",
            "minimum_value",
            "maximum_value",
            "increment",
            "cycle_option",
        ],
        &[
            ("sequence_catalog", database(view)),
            ("numeric_precision_radix", Cell::Integer(2)),
            ("numeric_scale", Cell::Integer(0)),
        ],
        model
            .sequences
            .iter()
            .filter(|sequence| !model.is_of_identity(sequence))
            .map(|sequence| {
                let [kind, _, _, precision, ..] = described(model, Type::of(sequence.ty));
                [
                    schema(model, sequence.namespace),
                    sequence.name.clone().into(),
                    kind,
                    precision,
                    sequence.start.to_string().into(),
                    sequence.minimum.to_string().into(),
                    sequence.maximum.to_string().into(),
                    sequence.increment.to_string().into(),
                    yes_or_no(sequence.cycle),
                ]
            }),
    );
    Ok(())
}

pub(super) fn triggers(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let mut found = Vec::new();
    for table in &model.tables {
        for (trigger, order) in table.triggers.iter().zip(1_i32..) {
            let event = match trigger.bits {
                bits if bits & 4 != 0 => "INSERT",
                bits if bits & 8 != 0 => "DELETE",
                _ => "UPDATE",
            };
            let timing = match trigger.bits {
                bits if bits & 2 != 0 => "BEFORE",
                bits if bits & 64 != 0 => "INSTEAD OF",
                _ => "AFTER",
            };
            found.push([
                schema(model, table.namespace),
                trigger.name.clone().into(),
                event.into(),
                schema(model, table.namespace),
                table.name.clone().into(),
                order.into(),
                trigger.sql.clone().into(),
                timing.into(),
            ]);
        }
    }
    rows.add(
        [
            "trigger_schema",
            "trigger_name",
            "event_manipulation",
            "event_object_schema",
            "event_object_table",
            "action_order",
            "action_statement",
            "action_timing",
        ],
        &[
            ("trigger_catalog", catalog.clone()),
            ("event_object_catalog", catalog),
            ("action_orientation", "ROW".into()),
        ],
        found,
    );
    Ok(())
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
        &[
            ("grantor", user(view)),
            ("grantee", user(view)),
            ("table_catalog", database(view)),
            ("is_grantable", "YES".into()),
        ],
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
        &[
            ("grantor", user(view)),
            ("grantee", user(view)),
            ("table_catalog", database(view)),
            ("is_grantable", "YES".into()),
        ],
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

pub(super) fn enabled_roles(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(["role_name"], &[], [[user(view)]]);
    Ok(())
}

pub(super) fn character_sets(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        [
            "character_set_name",
            "character_repertoire",
            "form_of_use",
            "default_collate_catalog",
        ],
        &[
            ("default_collate_schema", "pg_catalog".into()),
            ("default_collate_name", "C.UTF-8".into()),
        ],
        [["UTF8".into(), "UCS".into(), "UTF8".into(), database(view)]],
    );
    Ok(())
}

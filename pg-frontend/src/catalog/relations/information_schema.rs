//! The views of the SQL standard: schemas, tables, views, sequences, triggers, roles. Columns, privileges and
//! constraints are in `standard_columns`, `standard_privileges` and `standard_constraints`.
//! <https://www.postgresql.org/docs/15/information-schema.html>

use rusqlite::Result;

use super::standard_columns::described;
use crate::catalog::model::Model;
use crate::catalog::rows::{Cell, Rows, View};
use crate::catalog::{definitions, relations};
use crate::types::{Oid, Type};

pub(super) fn yes_or_no(yes: bool) -> Cell {
    if yes { "YES" } else { "NO" }.into()
}

pub(super) fn database(view: &View<'_>) -> Cell {
    view.session.state(|state| state.database.clone()).into()
}

pub(super) fn user(view: &View<'_>) -> Cell {
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

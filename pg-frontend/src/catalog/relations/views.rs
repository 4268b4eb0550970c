//! PostgreSQL's own views over the catalog: `pg_tables`, `pg_views`, `pg_indexes`, `pg_sequences`, and the
//! statistics, which SQLite does not keep: their counts are 0.

use rusqlite::Result;

use super::objects::{has_triggers, referred};
use crate::catalog::model::{Model, Table};
use crate::catalog::rows::{Cell, Relation, Rows, View};
use crate::catalog::{definitions, relations, side};

/// The schema of a relation, as the views name it.
fn schema(model: &Model, table: &Table) -> Cell {
    model
        .namespace_name(table.namespace)
        .map(str::to_owned)
        .into()
}

fn user(view: &View<'_>) -> Cell {
    view.session.state(|state| state.user.clone()).into()
}

pub(super) fn tables(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let owner = user(view);
    let columns = [
        "schemaname",
        "tablename",
        "tableowner",
        "hasindexes",
        "hastriggers",
    ];
    let nothing = [("hasrules", false.into()), ("rowsecurity", false.into())];
    let referred = referred(view.model);
    rows.add(
        columns,
        &nothing,
        view.model
            .tables
            .iter()
            .filter(|table| !table.view)
            .map(|table| {
                [
                    schema(view.model, table),
                    table.name.clone().into(),
                    owner.clone(),
                    (!table.indexes.is_empty()).into(),
                    has_triggers(table, &referred).into(),
                ]
            }),
    );
    let own = |relation: &&Relation| !relation.view && relation.schema == "pg_catalog";
    rows.add(
        columns,
        &nothing,
        relations::all().iter().filter(own).map(|relation| {
            [
                relation.schema.into(),
                relation.name.into(),
                owner.clone(),
                true.into(),
                false.into(),
            ]
        }),
    );
    Ok(())
}

pub(super) fn views(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let owner = user(view);
    let columns = ["schemaname", "viewname", "viewowner", "definition"];
    rows.add(
        columns,
        &[],
        view.model
            .tables
            .iter()
            .filter(|table| table.view)
            .map(|table| {
                [
                    schema(view.model, table),
                    table.name.clone().into(),
                    owner.clone(),
                    definitions::view(view.model, None, table).into(),
                ]
            }),
    );
    rows.add(
        columns,
        &[],
        relations::all()
            .iter()
            .filter(|relation| relation.view)
            .map(|relation| {
                [
                    relation.schema.into(),
                    relation.name.into(),
                    owner.clone(),
                    Cell::Null,
                ]
            }),
    );
    Ok(())
}

pub(super) fn indexes(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    rows.add(
        ["schemaname", "tablename", "indexname", "indexdef"],
        &[],
        model.tables.iter().flat_map(|table| {
            table.indexes.iter().map(move |index| {
                [
                    schema(model, table),
                    table.name.clone().into(),
                    index.name.clone().into(),
                    definitions::index(model, table, index, false).into(),
                ]
            })
        }),
    );
    Ok(())
}

pub(super) fn sequences(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let owner = user(view);
    let mut found = Vec::new();
    for each in &view.model.sequences {
        found.push([
            view.model
                .namespace_name(each.namespace)
                .map(str::to_owned)
                .into(),
            each.name.clone().into(),
            owner.clone(),
            each.ty.into(),
            each.start.into(),
            each.minimum.into(),
            each.maximum.into(),
            each.increment.into(),
            each.cycle.into(),
            side::last_value(view.connection, each)?.into(),
        ]);
    }
    rows.add(
        [
            "schemaname",
            "sequencename",
            "sequenceowner",
            "data_type",
            "start_value",
            "min_value",
            "max_value",
            "increment_by",
            "cycle",
            "last_value",
        ],
        &[("cache_size", Cell::Integer(1))],
        found,
    );
    Ok(())
}

pub(super) fn table_statistics(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add_zeros(
        ["relid", "schemaname", "relname"],
        view.model
            .tables
            .iter()
            .filter(|table| !table.view)
            .map(|table| {
                [
                    table.oid.into(),
                    schema(view.model, table),
                    table.name.clone().into(),
                ]
            }),
    );
    Ok(())
}

pub(super) fn index_statistics(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    rows.add_zeros(
        [
            "relid",
            "indexrelid",
            "schemaname",
            "relname",
            "indexrelname",
        ],
        model.tables.iter().flat_map(|table| {
            table.indexes.iter().map(move |index| {
                [
                    table.oid.into(),
                    index.oid.into(),
                    schema(model, table),
                    table.name.clone().into(),
                    index.name.clone().into(),
                ]
            })
        }),
    );
    Ok(())
}

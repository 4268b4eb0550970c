//! The views of the SQL standard about constraints.
//! <https://www.postgresql.org/docs/15/information-schema.html>

use rusqlite::Result;

use super::information_schema::{database, schema, yes_or_no};
use crate::catalog::model::{Column, Constraint, ConstraintRule, Model, Table};
use crate::catalog::rows::{Cell, Rows, View};
use crate::catalog::{print, text};

fn each_constraint<'m>(view: &View<'m>) -> impl Iterator<Item = (&'m Table, &'m Constraint)> {
    let tables = view.model.tables.iter();
    tables.flat_map(|table| {
        table
            .constraints
            .iter()
            .map(move |constraint| (table, constraint))
    })
}

pub(super) fn table_constraints(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let columns = [
        "constraint_schema",
        "constraint_name",
        "table_schema",
        "table_name",
        "constraint_type",
        "is_deferrable",
        "initially_deferred",
        "nulls_distinct",
    ];
    let constants = [
        ("constraint_catalog", catalog.clone()),
        ("table_catalog", catalog),
        ("enforced", "YES".into()),
    ];
    let named = each_constraint(view).map(|(table, constraint)| {
        let (deferrable, deferred) = match &constraint.rule {
            ConstraintRule::Foreign(reference) => (reference.deferrable, reference.deferred),
            _ => (false, false),
        };
        let (kind, nulls) = match constraint.rule {
            ConstraintRule::Primary(_) => ("PRIMARY KEY", Cell::Null),
            ConstraintRule::Unique(_) => ("UNIQUE", "YES".into()),
            ConstraintRule::Check(_) => ("CHECK", Cell::Null),
            ConstraintRule::Foreign(_) => ("FOREIGN KEY", Cell::Null),
        };
        [
            schema(model, table.namespace),
            constraint.name.clone().into(),
            schema(model, table.namespace),
            table.name.clone().into(),
            kind.into(),
            yes_or_no(deferrable),
            yes_or_no(deferred),
            nulls,
        ]
    });
    rows.add(columns, &constants, named);
    let not_null = not_null(view).into_iter().map(|(table, _, name)| {
        [
            schema(model, table.namespace),
            name,
            schema(model, table.namespace),
            table.name.clone().into(),
            "CHECK".into(),
            "NO".into(),
            "NO".into(),
            Cell::Null,
        ]
    });
    rows.add(columns, &constants, not_null);
    Ok(())
}

/// The standard has `NOT NULL` as a check; PostgreSQL names it by numbers.
fn not_null<'m>(view: &View<'m>) -> Vec<(&'m Table, &'m Column, Cell)> {
    let tables = view.model.tables.iter().filter(|table| !table.view);
    tables
        .flat_map(|table| {
            let columns = table.columns.iter().filter(|column| column.not_null);
            columns.map(move |column| {
                let name = format!(
                    "{}_{}_{}_not_null",
                    table.namespace, table.oid, column.number
                );
                (table, column, name.into())
            })
        })
        .collect()
}

pub(super) fn check_constraints(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let columns = ["constraint_schema", "constraint_name", "check_clause"];
    let constants = [("constraint_catalog", database(view))];
    let checks: Vec<[Cell; 3]> = each_constraint(view)
        .filter_map(|(table, constraint)| match &constraint.rule {
            ConstraintRule::Check(expression) => {
                let clause = format!("({})", print::condition(table, expression, false));
                Some([
                    schema(model, table.namespace),
                    constraint.name.clone().into(),
                    clause.into(),
                ])
            }
            _ => None,
        })
        .collect();
    rows.add(columns, &constants, checks);
    let not_null = not_null(view).into_iter().map(|(table, column, name)| {
        let clause = format!("{} IS NOT NULL", text::quote_ident(&column.name));
        [schema(model, table.namespace), name, clause.into()]
    });
    rows.add(columns, &constants, not_null);
    Ok(())
}

pub(super) fn key_column_usage(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let mut found = Vec::new();
    for (table, constraint) in each_constraint(view) {
        let foreign = match &constraint.rule {
            ConstraintRule::Check(_) => continue,
            ConstraintRule::Foreign(reference) => model.target(reference),
            _ => None,
        };
        for (at, &column) in constraint.columns.iter().enumerate() {
            let in_unique = foreign.as_ref().and_then(|target| {
                let referred = target.columns.get(at)?;
                target
                    .index?
                    .columns()
                    .iter()
                    .position(|key| key == referred)
            });
            let position = |at: usize| Cell::Integer(i64::try_from(at + 1).unwrap_or_default());
            found.push([
                schema(model, table.namespace),
                constraint.name.clone().into(),
                schema(model, table.namespace),
                table.name.clone().into(),
                table.column_name(column).to_owned().into(),
                position(at),
                in_unique.map_or(Cell::Null, position),
            ]);
        }
    }
    rows.add(
        [
            "constraint_schema",
            "constraint_name",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "position_in_unique_constraint",
        ],
        &[
            ("constraint_catalog", catalog.clone()),
            ("table_catalog", catalog),
        ],
        found,
    );
    Ok(())
}

pub(super) fn referential_constraints(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let mut found = Vec::new();
    for (table, constraint) in each_constraint(view) {
        let ConstraintRule::Foreign(reference) = &constraint.rule else {
            continue;
        };
        let target = model.target(reference);
        found.push([
            schema(model, table.namespace),
            constraint.name.clone().into(),
            target
                .as_ref()
                .map_or(Cell::Null, |target| schema(model, target.table.namespace)),
            target
                .and_then(|target| target.index)
                .map(|index| index.name.clone())
                .into(),
            reference.on_update.words().into(),
            reference.on_delete.words().into(),
        ]);
    }
    rows.add(
        [
            "constraint_schema",
            "constraint_name",
            "unique_constraint_schema",
            "unique_constraint_name",
            "update_rule",
            "delete_rule",
        ],
        &[
            ("constraint_catalog", catalog.clone()),
            ("unique_constraint_catalog", catalog),
            ("match_option", "NONE".into()),
        ],
        found,
    );
    Ok(())
}

/// The columns that a constraint relies on: for a foreign key, those it refers to.
fn used<'m>(
    model: &'m Model,
    table: &'m Table,
    constraint: &'m Constraint,
) -> (&'m Table, Vec<i16>) {
    match &constraint.rule {
        ConstraintRule::Foreign(reference) => match model.target(reference) {
            Some(target) => (target.table, target.columns),
            None => (table, Vec::new()),
        },
        _ => (table, constraint.columns.clone()),
    }
}

pub(super) fn constraint_column_usage(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let mut found = Vec::new();
    for (table, constraint) in each_constraint(view) {
        let (used_table, columns) = used(model, table, constraint);
        for column in columns {
            found.push([
                schema(model, used_table.namespace),
                used_table.name.clone().into(),
                used_table.column_name(column).to_owned().into(),
                schema(model, table.namespace),
                constraint.name.clone().into(),
            ]);
        }
    }
    rows.add(
        [
            "table_schema",
            "table_name",
            "column_name",
            "constraint_schema",
            "constraint_name",
        ],
        &[
            ("constraint_catalog", catalog.clone()),
            ("table_catalog", catalog),
        ],
        found,
    );
    Ok(())
}

pub(super) fn constraint_table_usage(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let found: Vec<[Cell; 4]> = each_constraint(view)
        .filter(|(_, constraint)| !matches!(constraint.rule, ConstraintRule::Check(_)))
        .map(|(table, constraint)| {
            let (used_table, _) = used(model, table, constraint);
            [
                schema(model, used_table.namespace),
                used_table.name.clone().into(),
                schema(model, table.namespace),
                constraint.name.clone().into(),
            ]
        })
        .collect();
    rows.add(
        [
            "table_schema",
            "table_name",
            "constraint_schema",
            "constraint_name",
        ],
        &[
            ("constraint_catalog", catalog.clone()),
            ("table_catalog", catalog),
        ],
        found,
    );
    Ok(())
}

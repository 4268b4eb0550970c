//! What hangs on a table: indexes, constraints, triggers, and the rules of views.

use rusqlite::Result;

use super::facts;
use crate::catalog::model::{Constraint, ConstraintRule, Index, Model, Table};
use crate::catalog::print;
use crate::catalog::rows::{Cell, Rows, View, array};
use crate::types::Oid;

/// What SQLite calls with `CREATE TRIGGER` is no function; this one's name comes nearest.
const TRIGGER_FUNCTION: i64 = 5029;

pub(super) fn indexes(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        [
            "indexrelid",
            "indrelid",
            "indnatts",
            "indnkeyatts",
            "indisunique",
            "indisprimary",
            "indkey",
            "indcollation",
            "indclass",
            "indoption",
            "indexprs",
            "indpred",
        ],
        &[
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
        ],
        view.model
            .tables
            .iter()
            .flat_map(|table| table.indexes.iter().map(move |each| index(table, each))),
    );
    Ok(())
}

fn index(table: &Table, index: &Index) -> [Cell; 12] {
    let keys = i16::try_from(index.keys.len()).unwrap_or_default();
    let types: Vec<Oid> = index
        .keys
        .iter()
        .map(|key| {
            let column = table
                .columns
                .iter()
                .find(|column| column.number == key.column);
            column.map_or(25, |column| column.ty.oid)
        })
        .collect();
    let expressions: Vec<&str> = index
        .keys
        .iter()
        .filter_map(|key| key.expression.as_deref())
        .collect();
    [
        index.oid.into(),
        table.oid.into(),
        keys.into(),
        keys.into(),
        index.unique.into(),
        index.primary.into(),
        array(index.columns()).into(),
        array(types.iter().map(|&ty| facts(ty).collation)).into(),
        array(types.iter().map(|&ty| facts(ty).operator_class)).into(),
        // Descending, and nulls first, as Postgres has it without another word.
        array(
            index
                .keys
                .iter()
                .map(|key| if key.descending { 3 } else { 0 }),
        )
        .into(),
        (!expressions.is_empty())
            .then(|| expressions.join(", "))
            .into(),
        index
            .condition
            .as_ref()
            .map(|condition| format!("({condition})"))
            .into(),
    ]
}

pub(super) fn constraints(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    rows.add(
        [
            "oid",
            "conname",
            "connamespace",
            "contype",
            "condeferrable",
            "condeferred",
            "conrelid",
            "conindid",
            "confrelid",
            "confupdtype",
            "confdeltype",
            "confmatchtype",
            "connoinherit",
            "conkey",
            "confkey",
            "conbin",
        ],
        &[("convalidated", true.into()), ("conislocal", true.into())],
        model.tables.iter().flat_map(|table| {
            table
                .constraints
                .iter()
                .map(move |each| constraint(model, table, each))
        }),
    );
    Ok(())
}

fn constraint(model: &Model, table: &Table, constraint: &Constraint) -> [Cell; 16] {
    let foreign = match &constraint.rule {
        ConstraintRule::Foreign(reference) => Some(reference),
        _ => None,
    };
    let target = foreign.and_then(|reference| model.target(reference));
    let index = match constraint.rule {
        ConstraintRule::Primary(at) | ConstraintRule::Unique(at) => table.indexes.get(at),
        _ => target.as_ref().and_then(|target| target.index),
    };
    let check = match &constraint.rule {
        ConstraintRule::Check(expression) => Some(print::condition(table, expression, false)),
        _ => None,
    };
    [
        constraint.oid.into(),
        constraint.name.clone().into(),
        table.namespace.into(),
        constraint.kind().into(),
        foreign.is_some_and(|reference| reference.deferrable).into(),
        foreign.is_some_and(|reference| reference.deferred).into(),
        table.oid.into(),
        index.map_or(0, |index| index.oid).into(),
        target.as_ref().map_or(0, |target| target.table.oid).into(),
        foreign
            .map_or(" ", |reference| reference.on_update.letter())
            .into(),
        foreign
            .map_or(" ", |reference| reference.on_delete.letter())
            .into(),
        foreign.map_or(" ", |_| "s").into(),
        check.is_none().into(),
        (!constraint.columns.is_empty())
            .then(|| array(&constraint.columns))
            .into(),
        target.map(|target| array(target.columns)).into(),
        check.into(),
    ]
}

pub(super) fn triggers(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["oid", "tgrelid", "tgname", "tgtype"],
        &[
            ("tgenabled", "O".into()),
            ("tgfoid", Cell::Integer(TRIGGER_FUNCTION)),
        ],
        view.model.tables.iter().flat_map(|table| {
            table.triggers.iter().map(move |trigger| {
                [
                    trigger.oid.into(),
                    table.oid.into(),
                    trigger.name.clone().into(),
                    trigger.bits.into(),
                ]
            })
        }),
    );
    Ok(())
}

pub(super) fn rules(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["oid", "ev_class"],
        &[
            ("rulename", "_RETURN".into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
        ],
        view.model
            .tables
            .iter()
            .filter(|table| table.view)
            .map(|table| [table.rule.into(), table.oid.into()]),
    );
    Ok(())
}

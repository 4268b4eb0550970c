//! Types, expressions and statements as text.

use rusqlite::Result;

use super::{Call, Entry};
use crate::catalog::rows::Cell;
use crate::catalog::text::quote_ident;
use crate::catalog::{definitions, names, relations};
use crate::types::Oid;

/// Of these, an argument that is NULL makes the result NULL.
pub(super) const FUNCTIONS: &[Entry] = &[
    ("pg_get_expr", 2, expression),
    ("pg_get_expr", 3, expression),
    ("pg_get_indexdef", 1, index),
    ("pg_get_indexdef", 3, index),
    ("pg_get_constraintdef", 1, constraint),
    ("pg_get_constraintdef", 2, constraint),
    ("pg_get_viewdef", 1, view),
    ("pg_get_viewdef", 2, view),
    ("pg_get_ruledef", 1, rule),
    ("pg_get_ruledef", 2, rule),
    ("pg_get_triggerdef", 1, trigger),
    ("pg_get_triggerdef", 2, trigger),
    ("pg_get_functiondef", 1, function_definition),
    ("pg_get_function_arguments", 1, function_arguments),
    ("pg_get_function_identity_arguments", 1, function_arguments),
    ("pg_get_function_result", 1, function_result),
    ("pg_get_function_arg_default", 2, nothing),
    ("pg_get_function_sqlbody", 1, nothing),
    ("pg_get_partkeydef", 1, nothing),
    ("pg_get_partition_constraintdef", 1, nothing),
    ("pg_get_statisticsobjdef", 1, nothing),
    ("pg_get_statisticsobjdef_columns", 1, nothing),
    ("pg_get_statisticsobjdef_expressions", 1, nothing),
    ("pg_get_serial_sequence", 2, serial_sequence),
    ("pg_index_column_has_property", 3, index_property),
    ("pg_index_has_property", 2, index_property),
    ("pg_indexam_has_property", 2, index_property),
    ("obj_description", 1, description),
    ("obj_description", 2, description),
    ("shobj_description", 2, description),
    ("col_description", 2, column_description),
    ("pg_describe_object", 3, describe),
    ("pg_get_replica_identity_index", 1, nothing),
    ("pg_frontend_origin", 2, origin),
];

/// These look at arguments that are NULL.
pub(super) const NULLABLE: &[Entry] = &[("format_type", 2, format_type)];

/// Expressions lie in the catalog as they are printed, but for the names of sequences.
fn expression(call: &Call<'_>) -> Result<Cell> {
    let text = call.text(0);
    if !text.starts_with("nextval(") {
        return Ok(text.to_owned().into());
    }
    let model = call.model()?;
    Ok(names::expression(&model, &call.path(&model), text).into())
}

fn nothing(_: &Call<'_>) -> Result<Cell> {
    Ok(Cell::Null)
}

fn format_type(call: &Call<'_>) -> Result<Cell> {
    let Some(oid) = call.integer(0) else {
        return Ok(Cell::Null);
    };
    let oid = Oid::try_from(oid).unwrap_or_default();
    let modifier = call
        .integer(1)
        .and_then(|modifier| i32::try_from(modifier).ok());
    if let Some(name) = names::format_builtin(oid, modifier) {
        return Ok(name.into());
    }
    let model = call.model()?;
    Ok(names::format_type(&model, &call.path(&model), oid, modifier).into())
}

fn index(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let Some((table, index)) = model.index(call.oid(0)) else {
        return Ok(Cell::Null);
    };
    // Column 0 is the whole statement.
    Ok(match call.integer(1).unwrap_or_default() {
        0 => definitions::index(&model, table, index, call.integer(2) == Some(1)).into(),
        number => usize::try_from(number - 1)
            .ok()
            .and_then(|at| index.keys.get(at))
            .map(|key| definitions::index_key(table, key, false))
            .into(),
    })
}

fn constraint(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let path = call.path(&model);
    let found = model.constraint(call.oid(0));
    Ok(found
        .map(|(table, constraint)| {
            let pretty = call.integer(1) == Some(1);
            definitions::constraint(&model, table, constraint, pretty, |oid| {
                path.sees(&model, oid)
            })
        })
        .into())
}

fn view(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.relation(0, &model)?;
    let table = model.table(oid).filter(|table| table.view);
    let path = call.path(&model);
    Ok(table
        .map(|table| definitions::view(&model, Some(&path), table))
        .into())
}

fn rule(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.oid(0);
    let view = model
        .tables
        .iter()
        .find(|table| table.view && table.rule == oid);
    Ok(view
        .map(|table| {
            let name = names::qualified(&model, table.namespace, &table.name);
            let query = definitions::view(&model, None, table);
            format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {query}")
        })
        .into())
}

fn trigger(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.oid(0);
    let mut triggers = model.tables.iter().flat_map(|table| &table.triggers);
    let found = triggers.find(|trigger| trigger.oid == oid);
    Ok(found.map(|trigger| trigger.sql.clone()).into())
}

/// A built-in function's column, by its oid.
fn function(oid: Oid, column: &str) -> Cell {
    names::builtin("pg_proc", "oid", &oid.into(), column).unwrap_or(Cell::Null)
}

/// What there is to say of a built-in function: its body is the server's.
fn function_definition(call: &Call<'_>) -> Result<Cell> {
    let name = function(call.oid(0), "proname");
    let (Some(name), arguments, result) = (
        name.as_str(),
        function_arguments(call)?,
        function_result(call)?,
    ) else {
        return Ok(Cell::Null);
    };
    let text = |cell: &Cell| cell.as_str().unwrap_or_default().to_owned();
    Ok(format!(
        "CREATE OR REPLACE FUNCTION pg_catalog.{}({})\n RETURNS {}\n LANGUAGE internal\nAS $function${name}$function$\n",
        quote_ident(name),
        text(&arguments),
        text(&result)
    )
    .into())
}

/// The argument types, with their names where they have some.
fn function_arguments(call: &Call<'_>) -> Result<Cell> {
    let oid = call.oid(0);
    let list = |column: &str| -> Vec<serde_json::Value> {
        let cell = function(oid, column);
        cell.as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    };
    if function(oid, "proname") == Cell::Null {
        return Ok(Cell::Null);
    }
    let model = call.model()?;
    let path = call.path(&model);
    let (types, all, modes, labels) = (
        list("proargtypes"),
        list("proallargtypes"),
        list("proargmodes"),
        list("proargnames"),
    );
    let types = if all.is_empty() { types } else { all };
    let mut out = Vec::new();
    for (at, ty) in types.iter().enumerate() {
        let mode = match modes.get(at).and_then(serde_json::Value::as_str) {
            Some("o") => "OUT ",
            Some("b") => "INOUT ",
            Some("v") => "VARIADIC ",
            Some("t") => continue,
            _ => "",
        };
        let label = match labels.get(at).and_then(serde_json::Value::as_str) {
            None | Some("") => String::new(),
            Some(label) => format!("{} ", quote_ident(label)),
        };
        let ty = ty
            .as_u64()
            .and_then(|oid| Oid::try_from(oid).ok())
            .unwrap_or_default();
        out.push(format!(
            "{mode}{label}{}",
            names::format_type(&model, &path, ty, None)
        ));
    }
    Ok(out.join(", ").into())
}

fn function_result(call: &Call<'_>) -> Result<Cell> {
    let oid = call.oid(0);
    let Some(result) = function(oid, "prorettype").as_integer() else {
        return Ok(Cell::Null);
    };
    let model = call.model()?;
    let result = Oid::try_from(result).unwrap_or_default();
    let name = names::format_type(&model, &call.path(&model), result, None);
    let set = function(oid, "proretset").as_integer() == Some(1);
    Ok(if set { format!("SETOF {name}") } else { name }.into())
}

/// The sequence that a column takes its values from.
fn serial_sequence(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let parts = names::parse(call.text(0)).unwrap_or_default();
    let path = call.path(&model);
    let relation = path.relation(&model, &parts);
    let Some(table) = relation.and_then(|oid| model.table(oid)) else {
        return Err(super::error(
            "42P01",
            format!("relation \"{}\" does not exist", call.text(0)),
        ));
    };
    let Some(column) = table.column(call.text(1)) else {
        let message = format!(
            "column \"{}\" of relation \"{}\" does not exist",
            call.text(1),
            table.name
        );
        return Err(super::error("42703", message));
    };
    let owned = model.sequences.iter().find(|sequence| {
        sequence.owner.as_ref().is_some_and(|(owner, name)| {
            owner.eq_ignore_ascii_case(&table.stored) && name.eq_ignore_ascii_case(&column.name)
        })
    });
    Ok(owned
        .map(|sequence| names::qualified(&model, sequence.namespace, &sequence.name))
        .into())
}

/// All indexes are B-trees.
fn index_property(call: &Call<'_>) -> Result<Cell> {
    let last = call.context.len() - 1;
    let property = call.text(last).to_lowercase();
    let model = call.model()?;
    let descending = last == 2
        && model.index(call.oid(0)).is_some_and(|(_, index)| {
            let at = call
                .integer(1)
                .and_then(|number| usize::try_from(number - 1).ok());
            at.and_then(|at| index.keys.get(at))
                .is_some_and(|key| key.descending)
        });
    Ok(match &*property {
        "asc" | "nulls_last" => (!descending).into(),
        "desc" | "nulls_first" => descending.into(),
        "orderable" | "returnable" | "search_array" | "search_nulls" | "clusterable"
        | "index_scan" | "backward_scan" | "bitmap_scan" | "can_order" | "can_unique"
        | "can_multi_col" | "can_include" => true.into(),
        "distance_orderable" | "can_exclude" => false.into(),
        _ => Cell::Null,
    })
}

fn description(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let object = call.oid(0);
    if call.context.len() == 1 {
        let comment = model
            .comments
            .iter()
            .find(|each| each.object == object && each.column == 0);
        return Ok(comment.map(|each| each.text.clone()).into());
    }
    let class = relations::by_name(call.text(1)).map_or(0, |relation| relation.oid);
    Ok(model.comment(class, object, 0).map(str::to_owned).into())
}

fn column_description(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let column = call
        .integer(1)
        .and_then(|number| i16::try_from(number).ok())
        .unwrap_or_default();
    let class = relations::get("pg_class").oid;
    Ok(model
        .comment(class, call.oid(0), column)
        .map(str::to_owned)
        .into())
}

fn describe(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let path = call.path(&model);
    let name = names::regclass(&model, &path, call.oid(1));
    Ok(name.map(|name| format!("table {name}")).into())
}

/// The oid of a table and the number of its column, packed; for the planner.
fn origin(call: &Call<'_>) -> Result<Cell> {
    let (name, column) = (call.text(0), call.text(1));
    let pack = |oid: Oid, number: i64| (i64::from(oid) << 16) | number;
    let model = call.model()?;
    if let Some(table) = model.stored(name) {
        let column = table.column(column);
        return Ok(column
            .map(|column| pack(table.oid, column.number.into()))
            .into());
    }
    let bare = name.strip_prefix("information_schema_").unwrap_or(name);
    let packed = relations::by_name(bare).and_then(|relation| {
        let number = i64::try_from(relation.position(column)? + 1).ok()?;
        Some(pack(relation.oid, number))
    });
    Ok(packed.into())
}

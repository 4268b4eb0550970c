//! Names to object ids and back, and whether a bare name finds an object.
//!
//! `'t'::regclass` is `regclassin('t')`, and a `regclass` is written by `regclassout`: PostgreSQL's own
//! names of the types' input and output functions.

use rusqlite::Result;

use super::{Call, Entry, error};
use crate::catalog::model::Model;
use crate::catalog::names::{self, Path};
use crate::catalog::oids::OWNER;
use crate::catalog::rows::Cell;
use crate::catalog::text::quote_ident;
use crate::types::Oid;

/// Of these, an argument that is NULL makes the result NULL.
pub(super) const FUNCTIONS: &[Entry] = &[
    ("to_regclass", 1, to_regclass),
    ("to_regtype", 1, to_regtype),
    ("to_regproc", 1, to_regproc),
    ("to_regprocedure", 1, to_regproc),
    ("to_regoper", 1, to_regoper),
    ("to_regoperator", 1, to_regoper),
    ("to_regnamespace", 1, to_regnamespace),
    ("to_regrole", 1, to_regrole),
    ("to_regcollation", 1, to_regcollation),
    ("regclassin", 1, regclassin),
    ("regtypein", 1, regtypein),
    ("regprocin", 1, regprocin),
    ("regprocedurein", 1, regprocin),
    ("regoperin", 1, regoperin),
    ("regoperatorin", 1, regoperin),
    ("regnamespacein", 1, regnamespacein),
    ("regrolein", 1, regrolein),
    ("regcollationin", 1, regcollationin),
    ("regclassout", 1, regclassout),
    ("regtypeout", 1, regtypeout),
    ("regprocout", 1, regprocout),
    ("regprocedureout", 1, regprocedureout),
    ("regoperout", 1, regoperout),
    ("regoperatorout", 1, regoperout),
    ("regnamespaceout", 1, regnamespaceout),
    ("regroleout", 1, regroleout),
    ("regcollationout", 1, regcollationout),
    ("pg_table_is_visible", 1, table_is_visible),
    ("pg_type_is_visible", 1, type_is_visible),
    ("pg_function_is_visible", 1, builtin_is_visible),
    ("pg_operator_is_visible", 1, builtin_is_visible),
    ("pg_opclass_is_visible", 1, builtin_is_visible),
    ("pg_opfamily_is_visible", 1, builtin_is_visible),
    ("pg_collation_is_visible", 1, builtin_is_visible),
    ("pg_conversion_is_visible", 1, builtin_is_visible),
    ("pg_statistics_obj_is_visible", 1, builtin_is_visible),
    ("pg_ts_config_is_visible", 1, builtin_is_visible),
    ("pg_ts_dict_is_visible", 1, builtin_is_visible),
    ("pg_ts_parser_is_visible", 1, builtin_is_visible),
    ("pg_ts_template_is_visible", 1, builtin_is_visible),
    ("pg_get_userbyid", 1, user_by_id),
    ("pg_my_temp_schema", 0, my_temporary_schema),
    ("pg_is_other_temp_schema", 1, is_other_temporary_schema),
];

/// A relation's oid by its name as SQL writes it.
///
/// # Errors
/// 42P01: there is none; 42602: it is no name.
pub(super) fn relation(model: &Model, path: &Path, name: &str) -> Result<Oid> {
    let parts = names::parse(name).ok_or_else(|| error("42602", "invalid name syntax"))?;
    path.relation(model, &parts)
        .ok_or_else(|| error("42P01", format!("relation \"{}\" does not exist", parts.join("."))))
}

/// Input of a reg* type: a number is an oid, `-` is 0, anything else is looked up.
fn input(
    call: &Call<'_>,
    find: fn(&Call<'_>) -> Result<Cell>,
    code: &'static str,
    what: &str,
) -> Result<Cell> {
    if let Some(oid) = call.integer(0) {
        return Ok(Cell::Integer(oid));
    }
    if call.text(0) == "-" {
        return Ok(Cell::Integer(0));
    }
    match find(call)? {
        Cell::Null => Err(error(code, format!("{what} \"{}\" does not exist", call.text(0)))),
        found => Ok(found),
    }
}

/// Output of a reg* type: the name; the number where there is no such object, `-` for 0.
fn output(call: &Call<'_>, name: impl FnOnce(Oid) -> Result<Option<String>>) -> Result<Cell> {
    let Some(oid) = call.integer(0) else {
        // It has been a name before.
        return Ok(call.text(0).to_owned().into());
    };
    let known = Oid::try_from(oid).unwrap_or_default();
    if known == 0 {
        return Ok("-".into());
    }
    Ok(name(known)?.unwrap_or_else(|| oid.to_string()).into())
}

fn to_regclass(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let parts = names::parse(call.text(0));
    let path = call.path(&model);
    Ok(parts.and_then(|parts| path.relation(&model, &parts)).into())
}

fn regclassin(call: &Call<'_>) -> Result<Cell> {
    if let Some(oid) = call.integer(0) {
        return Ok(Cell::Integer(oid));
    }
    if call.text(0) == "-" {
        return Ok(Cell::Integer(0));
    }
    let model = call.model()?;
    relation(&model, &call.path(&model), call.text(0)).map(Cell::from)
}

fn regclassout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| {
        let model = call.model()?;
        Ok(names::regclass(&model, &call.path(&model), oid))
    })
}

fn to_regtype(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    Ok(names::type_named(&model, &call.path(&model), call.text(0)).into())
}

fn regtypein(call: &Call<'_>) -> Result<Cell> {
    input(call, to_regtype, "42704", "type")
}

fn regtypeout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| {
        if let Some(name) = names::format_builtin(oid, None) {
            return Ok(Some(name));
        }
        let model = call.model()?;
        let name = names::format_type(&model, &call.path(&model), oid, None);
        Ok((name != "???").then_some(name))
    })
}

/// A built-in object's oid by its name, without the schema and the argument types before and behind it.
fn to_builtin(call: &Call<'_>, relation: &'static str, name: &'static str) -> Cell {
    let text = call.text(0).split('(').next().unwrap_or_default().trim();
    let bare = text.strip_prefix("pg_catalog.").unwrap_or(text);
    let bare = bare.trim_matches('"').to_owned();
    names::builtin(relation, name, &bare.into(), "oid").unwrap_or(Cell::Null)
}

/// A built-in object's name by its oid.
fn builtin_name(relation: &'static str, name: &'static str, oid: Oid) -> Option<String> {
    let found = names::builtin(relation, "oid", &oid.into(), name)?;
    found.as_str().map(str::to_owned)
}

fn to_regproc(call: &Call<'_>) -> Result<Cell> {
    Ok(to_builtin(call, "pg_proc", "proname"))
}

fn regprocin(call: &Call<'_>) -> Result<Cell> {
    input(call, to_regproc, "42883", "function")
}

fn regprocout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| Ok(builtin_name("pg_proc", "proname", oid)))
}

fn regprocedureout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| {
        let Some(name) = builtin_name("pg_proc", "proname", oid) else {
            return Ok(None);
        };
        let types = names::builtin("pg_proc", "oid", &oid.into(), "proargtypes").unwrap_or(Cell::Null);
        let types: Vec<Oid> = types.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let model = call.model()?;
        let path = call.path(&model);
        let types: Vec<String> = types
            .into_iter()
            .map(|ty| names::format_type(&model, &path, ty, None))
            .collect();
        Ok(Some(format!("{}({})", quote_ident(&name), types.join(","))))
    })
}

fn to_regoper(call: &Call<'_>) -> Result<Cell> {
    Ok(to_builtin(call, "pg_operator", "oprname"))
}

fn regoperin(call: &Call<'_>) -> Result<Cell> {
    input(call, to_regoper, "42883", "operator")
}

fn regoperout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| Ok(builtin_name("pg_operator", "oprname", oid)))
}

fn to_regcollation(call: &Call<'_>) -> Result<Cell> {
    Ok(to_builtin(call, "pg_collation", "collname"))
}

fn regcollationin(call: &Call<'_>) -> Result<Cell> {
    input(call, to_regcollation, "42704", "collation")
}

fn regcollationout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| {
        Ok(builtin_name("pg_collation", "collname", oid).map(|name| quote_ident(&name)))
    })
}

fn to_regnamespace(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let parts = names::parse(call.text(0)).unwrap_or_default();
    Ok(match &*parts {
        [name] => names::namespace(&model, name).into(),
        _ => Cell::Null,
    })
}

fn regnamespacein(call: &Call<'_>) -> Result<Cell> {
    input(call, to_regnamespace, "3F000", "schema")
}

fn regnamespaceout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| {
        let model = call.model()?;
        Ok(model.namespace_name(oid).map(quote_ident))
    })
}

fn to_regrole(call: &Call<'_>) -> Result<Cell> {
    let parts = names::parse(call.text(0)).unwrap_or_default();
    let owner = call.session.state(|state| parts == [&*state.user]);
    Ok(owner.then_some(OWNER).into())
}

fn regrolein(call: &Call<'_>) -> Result<Cell> {
    input(call, to_regrole, "42704", "role")
}

fn regroleout(call: &Call<'_>) -> Result<Cell> {
    output(call, |oid| {
        let user = call.session.state(|state| quote_ident(&state.user));
        Ok((oid == OWNER).then_some(user))
    })
}

fn user_by_id(call: &Call<'_>) -> Result<Cell> {
    let oid = call.oid(0);
    if oid == OWNER {
        return Ok(call.session.state(|state| state.user.clone()).into());
    }
    Ok(format!("unknown (OID={oid})").into())
}

fn table_is_visible(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.oid(0);
    let known = names::relation_name(&model, oid).is_some();
    Ok(known.then(|| call.path(&model).sees(&model, oid)).into())
}

fn type_is_visible(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.oid(0);
    let path = call.path(&model);
    if let Some(found) = model.enumeration(oid) {
        return Ok(path.has(found.namespace).into());
    }
    let table = model.tables.iter().find(|table| table.row_type == oid || table.row_array == oid);
    if let Some(table) = table {
        return Ok(path.has(table.namespace).into());
    }
    let schema = names::builtin("pg_type", "oid", &oid.into(), "typnamespace");
    let schema = schema.and_then(|schema| Oid::try_from(schema.as_integer()?).ok());
    Ok(schema.map(|schema| path.has(schema)).into())
}

/// They are all of `pg_catalog`, and that is always searched.
fn builtin_is_visible(_: &Call<'_>) -> Result<Cell> {
    Ok(true.into())
}

fn my_temporary_schema(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let mut namespaces = model.namespaces.iter();
    let own = namespaces.find(|each| each.name.starts_with("pg_temp_"));
    Ok(own.map_or(0, |each| each.oid).into())
}

/// Temporary tables of others are not to be seen.
fn is_other_temporary_schema(_: &Call<'_>) -> Result<Cell> {
    Ok(false.into())
}

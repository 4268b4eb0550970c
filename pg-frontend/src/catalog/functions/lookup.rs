//! Names to object ids and back, and whether a bare name finds an object.
//!
//! `'t'::regclass` is `pg_reg_oid('t', 2205)`, and a `regclass` is written by `pg_reg_name(value, 2205)`.

use rusqlite::Result;

use super::{Call, Entry, error};
use crate::catalog::model::Model;
use crate::catalog::names::{self, Path};
use crate::catalog::oids::OWNER;
use crate::catalog::relations;
use crate::catalog::rows::Cell;
use crate::catalog::text::quote_ident;
use crate::types::Oid;

/// Of these, an argument that is NULL makes the result NULL.
pub(super) const FUNCTIONS: &[Entry] = &[
    ("pg_reg_oid", 2, reg_oid),
    ("pg_reg_name", 2, reg_name),
    ("pg_reg_show", 2, reg_show),
    ("pg_to_regclass", 1, to_regclass),
    ("pg_to_regtype", 1, to_regtype),
    ("pg_to_regproc", 1, to_regproc),
    ("pg_to_regprocedure", 1, to_regproc),
    ("pg_to_regoper", 1, to_regoper),
    ("pg_to_regoperator", 1, to_regoper),
    ("pg_to_regnamespace", 1, to_regnamespace),
    ("pg_to_regrole", 1, to_regrole),
    ("pg_to_regcollation", 1, to_regcollation),
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
    path.relation(model, &parts).ok_or_else(|| {
        error(
            "42P01",
            format!("relation \"{}\" does not exist", parts.join(".")),
        )
    })
}

/// A name or number as a value of a reg* type: a number is an oid, `-` is 0, anything else is looked up.
fn reg_oid(call: &Call<'_>) -> Result<Cell> {
    if let Some(oid) = call.integer(0) {
        return Ok(Cell::Integer(oid));
    }
    if call.text(0) == "-" {
        return Ok(Cell::Integer(0));
    }
    type Find = fn(&Call<'_>) -> Result<Cell>;
    let (find, code, what): (Find, _, _) = match call.oid(1) {
        24 | 2202 => (to_regproc, "42883", "function"),
        2203 | 2204 => (to_regoper, "42883", "operator"),
        2206 => (to_regtype, "42704", "type"),
        4089 => (to_regnamespace, "3F000", "schema"),
        4096 => (to_regrole, "42704", "role"),
        4191 => (to_regcollation, "42704", "collation"),
        2205 => {
            let model = call.model()?;
            return relation(&model, &call.path(&model), call.text(0)).map(Cell::from);
        }
        _ => {
            return Err(error(
                "22P02",
                format!("\"{}\" is no object id", call.text(0)),
            ));
        }
    };
    match find(call)? {
        Cell::Null => Err(error(
            code,
            format!("{what} \"{}\" does not exist", call.text(0)),
        )),
        found => Ok(found),
    }
}

/// A value of a reg* type as its name; as the number where there is no such object, `-` for 0.
fn reg_name(call: &Call<'_>) -> Result<Cell> {
    let Some(oid) = call.integer(0) else {
        // It has been a name before.
        return Ok(call.text(0).to_owned().into());
    };
    let known = Oid::try_from(oid).unwrap_or_default();
    if known == 0 {
        return Ok("-".into());
    }
    let name = match call.oid(1) {
        24 => builtin_name("pg_proc", "proname", known),
        2202 => procedure_name(call, known)?,
        2203 | 2204 => builtin_name("pg_operator", "oprname", known),
        2205 => {
            let model = call.model()?;
            names::regclass(&model, &call.path(&model), known)
        }
        2206 => type_name(call, known)?,
        4089 => call.model()?.namespace_name(known).map(quote_ident),
        4096 if known == OWNER => Some(call.session.state(|state| quote_ident(&state.user))),
        4096 => relations::role_name(known).map(quote_ident),
        4191 => builtin_name("pg_collation", "collname", known).map(|name| quote_ident(&name)),
        _ => None,
    };
    Ok(name.unwrap_or_else(|| oid.to_string()).into())
}

/// Both, as `oid name`: a result is written as one or the other, by the client's format.
fn reg_show(call: &Call<'_>) -> Result<Cell> {
    let name = reg_name(call)?;
    Ok(match (call.integer(0), name.as_str()) {
        (Some(oid), Some(name)) => format!("{oid} {name}").into(),
        _ => name,
    })
}

fn type_name(call: &Call<'_>, oid: Oid) -> Result<Option<String>> {
    if let Some(name) = names::format_builtin(oid, None) {
        return Ok(Some(name));
    }
    let model = call.model()?;
    let name = names::format_type(&model, &call.path(&model), oid, None);
    Ok((name != "???").then_some(name))
}

/// A function with its arguments' types.
fn procedure_name(call: &Call<'_>, oid: Oid) -> Result<Option<String>> {
    let Some(name) = builtin_name("pg_proc", "proname", oid) else {
        return Ok(None);
    };
    let types = names::builtin("pg_proc", "oid", &oid.into(), "proargtypes").unwrap_or(Cell::Null);
    let types: Vec<Oid> = types
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let model = call.model()?;
    let path = call.path(&model);
    let types: Vec<String> = types
        .into_iter()
        .map(|ty| names::format_type(&model, &path, ty, None))
        .collect();
    Ok(Some(format!("{}({})", quote_ident(&name), types.join(","))))
}

fn to_regclass(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let parts = names::parse(call.text(0));
    let path = call.path(&model);
    Ok(parts.and_then(|parts| path.relation(&model, &parts)).into())
}

fn to_regtype(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    Ok(names::type_named(&model, &call.path(&model), call.text(0)).into())
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

fn to_regoper(call: &Call<'_>) -> Result<Cell> {
    Ok(to_builtin(call, "pg_operator", "oprname"))
}

fn to_regcollation(call: &Call<'_>) -> Result<Cell> {
    Ok(to_builtin(call, "pg_collation", "collname"))
}

fn to_regnamespace(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let parts = names::parse(call.text(0)).unwrap_or_default();
    Ok(match &*parts {
        [name] => names::namespace(&model, name).into(),
        _ => Cell::Null,
    })
}

fn to_regrole(call: &Call<'_>) -> Result<Cell> {
    let parts = names::parse(call.text(0)).unwrap_or_default();
    let owner = call.session.state(|state| parts == [&*state.user]);
    Ok(owner.then_some(OWNER).into())
}

fn user_by_id(call: &Call<'_>) -> Result<Cell> {
    let oid = call.oid(0);
    if oid == OWNER {
        return Ok(call.session.state(|state| state.user.clone()).into());
    }
    let own = relations::role_name(oid).map(str::to_owned);
    Ok(own.unwrap_or_else(|| format!("unknown (OID={oid})")).into())
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
    let table = model
        .tables
        .iter()
        .find(|table| table.row_type == oid || table.row_array == oid);
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

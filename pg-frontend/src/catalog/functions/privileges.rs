//! Privileges: there is one role, it owns everything, and it may do everything.

use rusqlite::Result;
use rusqlite::types::ValueRef;

use super::{Call, Entry};
use crate::catalog::rows::Cell;

/// These look at arguments that are NULL.
pub(super) const FUNCTIONS: &[Entry] = &[
    ("has_any_column_privilege", 2, all),
    ("has_any_column_privilege", 3, all),
    ("has_column_privilege", 3, all),
    ("has_column_privilege", 4, all),
    ("has_database_privilege", 2, all),
    ("has_database_privilege", 3, all),
    ("has_foreign_data_wrapper_privilege", 2, all),
    ("has_foreign_data_wrapper_privilege", 3, all),
    ("has_function_privilege", 2, all),
    ("has_function_privilege", 3, all),
    ("has_language_privilege", 2, all),
    ("has_language_privilege", 3, all),
    ("has_parameter_privilege", 2, all),
    ("has_parameter_privilege", 3, all),
    ("has_schema_privilege", 2, all),
    ("has_schema_privilege", 3, all),
    ("has_sequence_privilege", 2, all),
    ("has_sequence_privilege", 3, all),
    ("has_server_privilege", 2, all),
    ("has_server_privilege", 3, all),
    ("has_table_privilege", 2, table),
    ("has_table_privilege", 3, table),
    ("has_tablespace_privilege", 2, all),
    ("has_tablespace_privilege", 3, all),
    ("has_type_privilege", 2, all),
    ("has_type_privilege", 3, all),
    ("pg_has_role", 2, all),
    ("pg_has_role", 3, all),
    ("row_security_active", 1, none),
    ("acldefault", 2, default),
];

/// NULL for what does not exist is not told apart: the catalogs hand out what exists.
fn all(call: &Call<'_>) -> Result<Cell> {
    let null = (0..call.context.len()).any(|at| call.value(at) == ValueRef::Null);
    Ok(if null { Cell::Null } else { true.into() })
}

/// A table that is named must exist.
fn table(call: &Call<'_>) -> Result<Cell> {
    let at = call.context.len() - 2;
    if let ValueRef::Text(_) = call.value(at) {
        let model = call.model()?;
        call.relation(at, &model)?;
    }
    all(call)
}

fn none(_: &Call<'_>) -> Result<Cell> {
    Ok(false.into())
}

/// `acldefault(kind, owner)`: what an object without an ACL grants.
fn default(call: &Call<'_>) -> Result<Cell> {
    let user = call.session.state(|state| state.user.clone());
    let (public, owner) = match call.text(0) {
        "r" => ("", "arwdDxt"),
        "s" => ("", "rwU"),
        "d" => ("Tc", "CTc"),
        "f" => ("X", "X"),
        "l" | "T" => ("U", "U"),
        "n" => ("", "UC"),
        "t" => ("", "C"),
        "F" | "S" => ("", "U"),
        "L" => ("", "rw"),
        "p" => ("", "sA"),
        _ => return Ok("[]".into()),
    };
    let mut items = Vec::new();
    if !public.is_empty() {
        items.push(format!("={public}/{user}"));
    }
    items.push(format!("{user}={owner}/{user}"));
    Ok(serde_json::Value::from(items).to_string().into())
}

//! `CREATE VIEW`.

use rusqlite::Connection;
use sqlparser::ast::{CreateView, Spanned as _};

use super::create::{new_name, skipped};
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::Plan;
use crate::sql::command::script;
use crate::sql::names::{Name, fold, quote};
use crate::sql::query::{Compiler, unsupported};
use crate::sql::schema;

/// `CREATE [OR REPLACE] VIEW`.
pub(crate) fn create(
    view: &CreateView,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    if view.materialized {
        return Err(unsupported("materialized views")
            .hint("Make a view, or a table with CREATE TABLE … AS."));
    }
    let written = Name::of(&view.name)?;
    let name = if view.temporary {
        written.name.clone()
    } else {
        new_name(&written, connection, state)?
    };
    let there = schema::load(connection, &name)?;
    if let Some(table) = &there {
        if view.if_not_exists {
            return Ok(skipped(&written.name, "CREATE VIEW"));
        }
        if !view.or_replace {
            return Err(PgError::new(
                "42P07",
                format!("relation \"{}\" already exists", written.name),
            ));
        }
        if !table.view {
            return Err(PgError::new(
                "42809",
                format!("\"{}\" is not a view", written.name),
            ));
        }
    }
    let mut compiler = Compiler::new(connection, state, text, &[]);
    let compiled = compiler.query(&view.query, Some(&[]))?;
    if !compiler.parameters.is_empty() {
        return Err(compiler.error_at(view.query.span(), "42P02", "there is no parameter $1"));
    }
    if compiled.columns.is_empty() {
        return Err(unsupported("a view without columns"));
    }
    let columns: Vec<crate::sql::Column> = compiled
        .columns
        .iter()
        .map(|output| output.column(connection, state))
        .collect();
    let mut names = Vec::new();
    for (index, output) in compiled.columns.iter().enumerate() {
        let renamed = view.columns.get(index).map(|column| fold(&column.name));
        let name = renamed.unwrap_or_else(|| output.name.clone());
        if names.contains(&name) {
            return Err(PgError::new(
                "42701",
                format!("column \"{name}\" specified more than once"),
            ));
        }
        names.push(name);
    }
    let list: Vec<String> = names.iter().map(|name| quote(name)).collect();
    let header = schema::view_header(&columns, &view.query.to_string());
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    let mut statements = Vec::new();
    if there.is_some() {
        statements.push(format!("DROP VIEW {}", quote(&name)));
    }
    statements.push(format!(
        "CREATE {temporary}VIEW {}({}) AS {header}{}",
        quote(&name),
        list.join(", "),
        compiled.sql
    ));
    Ok(script(statements, "CREATE VIEW"))
}

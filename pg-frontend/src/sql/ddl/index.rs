//! `CREATE INDEX`.

use rusqlite::Connection;
use sqlparser::ast::{CreateIndex, Expr, IndexType, Spanned as _};

use super::create::skipped;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::Plan;
use crate::sql::command::script;
use crate::sql::names::{self, Name, fold, quote};
use crate::sql::query::from::relation_of;
use crate::sql::query::scope::Scope;
use crate::sql::query::{Compiler, unsupported};
use crate::sql::schema;

/// `CREATE INDEX`; operator classes, storage parameters and `CONCURRENTLY` say nothing to SQLite.
pub(crate) fn create(
    index: &CreateIndex,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    match &index.using {
        None | Some(IndexType::BTree | IndexType::Hash) => {}
        // Other kinds answer the same queries, more slowly: a plain index would not help them.
        Some(other) => {
            let name = other.to_string().to_lowercase();
            if !matches!(name.as_str(), "gin" | "gist" | "brin" | "spgist") {
                return Err(PgError::new(
                    "42704",
                    format!("access method \"{name}\" does not exist"),
                ));
            }
        }
    }
    if index.nulls_distinct == Some(false) {
        return Err(unsupported("NULLS NOT DISTINCT"));
    }
    let table_name = Name::of(&index.table_name)?;
    let table = schema::find(connection, state, &table_name)?.ok_or_else(|| {
        PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", table_name.display()),
        )
    })?;
    let mut compiler = Compiler::new(connection, state, text, &[]);
    compiler.scopes.push(Scope::default());
    let mut relation = relation_of(&table, names::split(&table.name).1, None);
    for column in &mut relation.columns {
        column.sql = quote(&column.name);
    }
    compiler.scope().relations.push(relation);
    let mut keys = Vec::new();
    let mut words = Vec::new();
    for column in &index.columns {
        let expr = &column.column.expr;
        let typed = compiler.expr(expr)?;
        let typed = compiler.settled(typed, expr.span())?;
        words.push(match expr {
            Expr::Identifier(ident) => fold(ident),
            Expr::Function(function) => Name::of(&function.name)?.name,
            _ => "expr".to_owned(),
        });
        let direction = match column.column.options.sort {
            Some(sqlparser::ast::OrderBySort::Desc) => " DESC",
            _ => "",
        };
        keys.push(format!("{}{direction}", typed.sql));
    }
    let predicate = match &index.predicate {
        Some(predicate) => format!(" WHERE {}", compiler.condition(predicate, "WHERE")?.sql),
        None => String::new(),
    };
    let (schema_name, bare) = names::split(&table.name);
    let name = match &index.name {
        Some(name) => Name::of(name)?.name,
        None => free_name(connection, &format!("{bare}_{}_idx", words.join("_")))?,
    };
    let full = names::in_schema(Some(schema_name), &name);
    if taken(connection, &full)? {
        if index.if_not_exists {
            return Ok(skipped(&name, "CREATE INDEX"));
        }
        return Err(PgError::new(
            "42P07",
            format!("relation \"{name}\" already exists"),
        ));
    }
    // An index of another kind than a btree would be none of use to SQLite: it is remembered as a plain one
    // on the same columns, where SQLite can have it.
    let unique = if index.unique { "UNIQUE " } else { "" };
    let sql = format!(
        "CREATE {unique}INDEX {} ON {}({}){predicate}",
        quote(&full),
        quote(&table.name),
        keys.join(", ")
    );
    Ok(script(vec![sql], "CREATE INDEX"))
}

fn taken(connection: &Connection, name: &str) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE")
        .and_then(|mut statement| statement.exists([name]))
        .map_err(|error| schema::unreadable(&error))
}

/// A name that is not taken: with a number behind it if need be.
fn free_name(connection: &Connection, base: &str) -> Result<String> {
    let mut name = base.to_owned();
    let mut number = 0;
    while taken(connection, &name)? {
        number += 1;
        name = format!("{base}{number}");
    }
    Ok(name)
}

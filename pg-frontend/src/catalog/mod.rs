//! `pg_catalog` and `information_schema`: what clients ask on connecting and browsing.
//!
//! All relations of PostgreSQL 15 are there as virtual tables with their columns, `pg_class` as `pg_class`,
//! `information_schema.columns` as `information_schema_columns`. Built-in rows (types, functions, operators)
//! come from data files with PostgreSQL's own object ids; the others are made from a model of the
//! database, which is read from SQLite when the schema has changed, also within a transaction.
//!
//! | module | what |
//! | --- | --- |
//! | [`model`], [`read`], [`read_keys`], [`ddl`], [`tokens`], [`side`] | the database as Postgres would describe it, and how it is read |
//! | [`current`] | the model of a connection, kept until the schema changes |
//! | [`oids`] | object ids of what is in the database |
//! | [`rows`], [`relations`] | the relations |
//! | [`functions`], [`definitions`] | `pg_get_indexdef`, `format_type`, `pg_reg_oid` and their kin |
//! | [`names`], [`text`], [`print`] | names to ids and back; SQL as Postgres prints it |
//! | [`ffi`] | virtual tables and functions of SQLite |

mod current;
pub mod ddl;
mod definitions;
mod ffi;
mod functions;
mod model;
mod names;
pub mod oids;
mod print;
mod read;
mod read_keys;
mod relations;
mod rows;
mod side;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

use std::rc::Rc;

use rusqlite::Connection;

use crate::session::state::Shared;
use crate::types::Oid;

/// Gives a connection the relations and the functions of the catalog.
///
/// # Errors
/// SQLite's, if it cannot take them (out of memory).
pub fn register(connection: &Connection, state: &Shared) -> rusqlite::Result<()> {
    let session = Rc::new(current::Session::new(state));
    for relation in relations::all() {
        let name = match relation.schema {
            "information_schema" => format!("information_schema_{}", relation.name),
            _ => relation.name.to_owned(),
        };
        ffi::table(connection, &name, relation, &session)?;
    }
    functions::register(connection, &session)
}

/// The oid of a table or view, and the number of one of its columns: where a result's column comes from.
/// Names are SQLite's. None: there is no such column.
///
/// # Errors
/// SQLite's, if the schema cannot be read or the connection has no catalog.
pub fn origin(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<Option<(Oid, i16)>> {
    let packed: Option<i64> = connection
        .prepare_cached("SELECT pg_frontend_origin(?1, ?2)")?
        .query_row([table, column], |row| row.get(0))?;
    Ok(packed.and_then(|packed| {
        let number = i16::try_from(packed & 0xffff).ok()?;
        Some((Oid::try_from(packed >> 16).ok()?, number))
    }))
}

//! Functions that look at the catalog: what psql, ORMs and drivers call while they browse.
//!
//! | module | what |
//! | --- | --- |
//! | [`definitions`] | `format_type`, `pg_get_indexdef`, `obj_description` … |
//! | [`lookup`] | `pg_reg_oid`, `pg_reg_name`, `pg_to_regclass`, `pg_table_is_visible` … |
//! | [`privileges`] | `has_table_privilege` …: there is one role, and it may do everything |
//! | [`sizes`] | `pg_relation_size`, `pg_size_pretty` … |
//! | [`server`] | `pg_encoding_to_char`, `pg_is_in_recovery`, statistics … |
//! | [`tables`] | functions that return rows |

mod definitions;
mod lookup;
mod privileges;
mod server;
mod sizes;
mod tables;

use std::rc::Rc;

use rusqlite::functions::Context;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::current::Session;
use super::ffi;
use super::model::Model;
use super::names::Path;
use super::rows::Cell;
use crate::error::PgError;
use crate::types::Oid;

/// What a function is.
pub(super) type Function = fn(&Call<'_>) -> Result<Cell>;

/// A function's name, the number of its arguments (-1: any), and itself.
type Entry = (&'static str, i32, Function);

/// A call of a function.
pub(super) struct Call<'a> {
    pub(super) session: &'a Session,
    pub(super) connection: &'a Connection,
    pub(super) context: &'a Context<'a>,
}

/// A function that returns rows.
pub(super) struct TableFunction {
    pub(super) name: &'static str,
    /// How many arguments it takes.
    pub(super) arguments: usize,
    /// The columns' names and types.
    pub(super) columns: &'static [(&'static str, Oid)],
    /// The rows for arguments.
    pub(super) rows: fn(&[ValueRef<'_>]) -> Result<Vec<Vec<Cell>>>,
}

/// Gives a connection the functions.
pub(super) fn register(connection: &Connection, session: &Rc<Session>) -> Result<()> {
    let strict = [
        definitions::FUNCTIONS,
        lookup::FUNCTIONS,
        sizes::FUNCTIONS,
        server::FUNCTIONS,
    ];
    for &(name, arguments, function) in strict.into_iter().flatten() {
        ffi::function(connection, session, name, arguments, true, function)?;
    }
    for &(name, arguments, function) in [definitions::NULLABLE, privileges::FUNCTIONS]
        .into_iter()
        .flatten()
    {
        ffi::function(connection, session, name, arguments, false, function)?;
    }
    for name in server::STATISTICS {
        ffi::function(connection, session, name, 1, true, server::no_statistics)?;
    }
    for function in tables::FUNCTIONS {
        ffi::table_function(connection, function)?;
    }
    Ok(())
}

impl Call<'_> {
    /// The database.
    fn model(&self) -> Result<Rc<Model>> {
        self.session.model(self.connection)
    }

    /// The search path.
    fn path(&self, model: &Model) -> Path {
        self.session.state(|state| Path::new(model, state))
    }

    fn value(&self, at: usize) -> ValueRef<'_> {
        if at < self.context.len() {
            self.context.get_raw(at)
        } else {
            ValueRef::Null
        }
    }

    /// An argument that is a number, or a number as text.
    fn integer(&self, at: usize) -> Option<i64> {
        match self.value(at) {
            ValueRef::Integer(integer) => Some(integer),
            ValueRef::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        }
    }

    fn oid(&self, at: usize) -> Oid {
        self.integer(at)
            .and_then(|oid| Oid::try_from(oid).ok())
            .unwrap_or_default()
    }

    fn text(&self, at: usize) -> &str {
        match self.value(at) {
            ValueRef::Text(text) => std::str::from_utf8(text).unwrap_or_default(),
            _ => "",
        }
    }

    /// An argument that is `regclass`: its oid, or its name.
    fn relation(&self, at: usize, model: &Model) -> Result<Oid> {
        if let Some(oid) = self.integer(at) {
            return Ok(Oid::try_from(oid).unwrap_or_default());
        }
        lookup::relation(model, &self.path(model), self.text(at))
    }
}

/// An error for the client, through SQLite.
fn error(code: &'static str, message: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(Box::new(PgError::new(code, message)))
}

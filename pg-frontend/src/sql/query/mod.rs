//! Queries: Postgres's syntax tree made SQLite's text, with types, in one walk.
//!
//! Each expression becomes a [`Typed`]: its SQLite text and its Postgres type. Literals and parameters
//! without a type take it from where they stand ([`coerce`]), and with it their representation.
//!
//! | module | what |
//! | --- | --- |
//! | [`scope`] | relations and columns in sight, names resolved |
//! | [`select`], [`with`], [`set_operations`] | queries, their `WITH`, `UNION` and its kin |
//! | [`target_list`], [`grouping`], [`grouping_sets`], [`order`] | the clauses of a `SELECT` |
//! | [`from`], [`joins`], [`from_function`], [`values`] | `FROM`, `VALUES` |
//! | [`dml`], [`insert`], [`update`] | `INSERT`, `UPDATE`, `DELETE` |
//! | [`expr`], [`subqueries`], [`parts`] | expressions |
//! | [`operators`], [`compare`], [`arithmetic`] | operators |
//! | [`call`], [`signatures`], [`special`], [`tables`] | function calls |
//! | [`aggregates`], [`windows`] | aggregates and window functions |
//! | [`coerce`] | types made to fit |

pub(crate) mod aggregates;
pub(crate) mod arithmetic;
pub(crate) mod call;
pub(crate) mod coerce;
pub(crate) mod compare;
pub(crate) mod dml;
pub(crate) mod expr;
pub(crate) mod from;
mod from_function;
mod grouping;
mod grouping_sets;
mod insert;
mod joins;
pub(crate) mod operators;
pub(crate) mod order;
mod parts;
pub(crate) mod scope;
pub(crate) mod select;
mod set_operations;
pub(crate) mod signatures;
pub(crate) mod special;
pub(crate) mod subqueries;
pub(crate) mod tables;
pub(crate) mod target_list;
pub(crate) mod typenames;
mod update;
pub(crate) mod values;
pub(crate) mod windows;
pub(crate) mod with;

use std::rc::Rc;

use rusqlite::Connection;
use sqlparser::tokenizer::{Location, Span};

use super::Column;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::types::{Oid, Style, Type};

use scope::{Cte, Scope};

/// An expression: SQLite's text of it, self-contained, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) sql: String,
    pub(crate) ty: Type,
    pub(crate) kind: Kind,
    /// It is never NULL.
    pub(crate) not_null: bool,
    /// A numeric that is INTEGER or REAL in SQLite, so that SQLite compares it rightly.
    pub(crate) native: bool,
    /// Sums, differences and products of integers whose range is still to be checked.
    pub(crate) unchecked: bool,
    /// Where it comes from, if it is a column of a table.
    pub(crate) source: Source,
}

/// Table and column that a value comes from as it is, as SQLite calls them.
pub(crate) type Source = Option<Rc<(String, String)>>;

/// What an expression is beside its text.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Value,
    Column,
    /// `$n`
    Parameter(usize),
    /// A string literal whose type is not known yet.
    Literal(String),
    /// `NULL`
    Null,
    /// A number's digits.
    Number(String),
    /// A row: names and values of its columns.
    Row(Vec<(String, Typed)>),
}

impl Typed {
    /// A value of a type.
    pub(crate) fn new(sql: impl Into<String>, ty: Type) -> Self {
        Self {
            sql: sql.into(),
            ty,
            kind: Kind::Value,
            not_null: false,
            native: false,
            unchecked: false,
            source: None,
        }
    }

    /// Its type is to be taken from where it stands.
    pub(crate) fn is_unknown(&self) -> bool {
        self.ty.oid == Type::UNKNOWN.oid
    }

    pub(crate) fn not_null(mut self) -> Self {
        self.not_null = true;
        self
    }
}

/// A query made SQLite's.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) sql: String,
    pub(crate) columns: Vec<Output>,
}

/// A column that a query gives.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) name: String,
    /// The name within SQLite's text.
    pub(crate) alias: String,
    pub(crate) ty: Type,
    pub(crate) not_null: bool,
    pub(crate) native: bool,
    pub(crate) source: Source,
    /// Names and types of a row's columns: within SQLite it is a JSON array.
    pub(crate) fields: Option<Vec<(String, Type)>>,
}

impl Output {
    pub(crate) fn column(&self, connection: &Connection, state: &State) -> Column {
        let origin = self
            .source
            .as_ref()
            .and_then(|source| state.known.origin(connection, source));
        let (table, number) = origin.unwrap_or((0, 0));
        Column {
            name: self.name.clone(),
            // What nobody gave a type is text.
            ty: if self.ty.oid == Type::UNKNOWN.oid {
                Type::TEXT
            } else {
                self.ty
            },
            table,
            number,
        }
    }
}

/// The state of one statement's walk.
pub(crate) struct Compiler<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) state: &'a State,
    /// The statement, for positions.
    pub(crate) text: &'a str,
    pub(crate) style: Style,
    /// Types of `$1` …, as far as known.
    pub(crate) parameters: Vec<Option<Type>>,
    /// From the outside in.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) ctes: Vec<Cte>,
    /// It calls something that changes the database (`nextval`).
    pub(crate) writes: bool,
    /// The whole query is for the client: values of reg types get their names.
    pub(crate) outermost: bool,
    next_name: usize,
    /// Expressions and queries that were looked at.
    steps: usize,
}

fn too_complex() -> PgError {
    PgError::new("54001", "statement too complex")
        .hint("Its parts are nested so deeply that translating them takes too long.")
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        state: &'a State,
        text: &'a str,
        given: &[Oid],
    ) -> Self {
        Self {
            connection,
            state,
            text,
            style: Style::of(&state.settings),
            parameters: given
                .iter()
                .map(|oid| (*oid != 0 && *oid != Type::UNKNOWN.oid).then(|| Type::of(*oid)))
                .collect(),
            scopes: Vec::new(),
            ctes: Vec::new(),
            writes: false,
            outermost: false,
            next_name: 0,
            steps: 0,
        }
    }

    /// Counts one more look at an expression or a query. Some are looked at again with the types that are wanted, and
    /// so are those inside of them: nested often enough, that would never end.
    ///
    /// # Errors
    /// 54001, far beyond what any text needs that is written by a program or by hand.
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > 100_000 + 64 * self.text.len() {
            return Err(too_complex());
        }
        Ok(())
    }

    /// The same for what stands for an expression: some are written twice, with all that is inside of them.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn must_be_short(&self, sql: &str) -> Result<()> {
        if sql.len() > 1_000_000 + 64 * self.text.len() {
            return Err(too_complex());
        }
        Ok(())
    }

    /// The parameters' types; those that nothing told are text.
    pub(crate) fn parameter_types(&self) -> Vec<Type> {
        self.parameters
            .iter()
            .map(|ty| ty.unwrap_or(Type::TEXT).bare())
            .collect()
    }

    /// A name that nobody else has.
    pub(crate) fn fresh(&mut self, what: &str) -> String {
        self.next_name += 1;
        format!("_{what}{}", self.next_name)
    }

    /// A place in the text in characters, from 1.
    pub(crate) fn position(&self, location: Location) -> Option<usize> {
        position(self.text, location)
    }

    /// An error at a place.
    pub(crate) fn error_at(
        &self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
    ) -> PgError {
        let error = PgError::new(code, message);
        match self.position(span.start) {
            Some(position) => error.at(position),
            None => error,
        }
    }

    /// An error in a literal gets the literal's place.
    pub(crate) fn place<T>(&self, result: Result<T>, span: Span) -> Result<T> {
        result.map_err(|error| match self.position(span.start) {
            Some(position) if error.position.is_none() => error.at(position),
            _ => error,
        })
    }
}

/// A place (line and column, from 1) in a text in characters, from 1.
pub(crate) fn position(text: &str, location: Location) -> Option<usize> {
    if location.line == 0 {
        return None;
    }
    let line = usize::try_from(location.line - 1).ok()?;
    let column = usize::try_from(location.column).ok()?;
    let before: usize = text
        .split_inclusive('\n')
        .take(line)
        .map(|line| line.chars().count())
        .sum();
    Some(before + column)
}

/// 0A000.
pub(crate) fn unsupported(what: impl std::fmt::Display) -> PgError {
    PgError::new("0A000", format!("{what} is not supported"))
}

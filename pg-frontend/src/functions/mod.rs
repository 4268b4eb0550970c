//! Postgres functions as functions of SQLite. The planner calls them by the names they have here:
//! `pg_` before Postgres's name where SQLite has another function of that name.
//!
//! Errors go through SQLite as text: a sentence and the SQLSTATE in brackets behind it.
//!
//! | module | what |
//! | --- | --- |
//! | [`values`] | casts, ranges, lengths, comparison keys |
//! | [`arithmetic`] | integers, floats, numerics |
//! | [`text`], [`regex`] | strings, regular expressions |
//! | [`time`], [`format`] | dates and times, `to_char` and its kin |
//! | [`json`], [`array`] | JSON, arrays, rows from them |
//! | [`aggregate`] | aggregates |
//! | [`session`], [`sequence`] | who and where, settings; sequences |

mod aggregate;
mod arithmetic;
mod array;
mod ffi;
mod format;
mod json;
mod regex;
pub(crate) mod sequence;
mod session;
mod text;
mod time;
mod values;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};

use crate::error::{PgError, Result};
use crate::session::state::Shared;
use crate::types::Type;
use crate::types::numeric::Numeric;
use crate::types::text as values_in_text;

/// Makes the functions known to a connection.
///
/// # Errors
/// SQLite refuses one (out of memory).
pub fn register(connection: &Connection, shared: &Shared) -> rusqlite::Result<()> {
    session::enter(shared);
    // LIKE as Postgres has it: case matters.
    connection.pragma_update(None, "case_sensitive_like", true)?;
    connection.create_collation("pg_numeric", |a, b| {
        match (Numeric::parse(a), Numeric::parse(b)) {
            (Some(a), Some(b)) => a.compare(&b),
            _ => a.cmp(b),
        }
    })?;
    for functions in [
        values::STRICT,
        arithmetic::STRICT,
        text::STRICT,
        text::bytes::STRICT,
        regex::STRICT,
        time::STRICT,
        format::STRICT,
        json::STRICT,
        array::STRICT,
    ] {
        for (name, arguments, function) in functions {
            add(connection, name, *arguments, true, true, *function)?;
        }
    }
    for functions in [
        values::NULLABLE,
        text::NULLABLE,
        json::NULLABLE,
        array::NULLABLE,
        time::NULLABLE,
        arithmetic::NULLABLE,
    ] {
        for (name, arguments, function) in functions {
            add(connection, name, *arguments, false, true, *function)?;
        }
    }
    for functions in [session::VOLATILE, time::VOLATILE, arithmetic::VOLATILE] {
        for (name, arguments, function) in functions {
            add(connection, name, *arguments, true, false, *function)?;
        }
    }
    session::register(connection)?;
    aggregate::register(connection)?;
    ffi::with_connection(connection, "pg_check_deferred", 0, check_deferred)?;
    sequence::register(connection)
}

/// An error where a foreign key is violated that is checked at the end of the transaction.
fn check_deferred(_: &Context<'_>, own: &Connection) -> rusqlite::Result<Value> {
    if ffi::has_deferred_violations(own) {
        let text = "insert, update or delete violates foreign key constraint";
        return Err(fail(PgError::new("23503", text)));
    }
    Ok(Value::Null)
}

/// A function: its value for arguments.
type Function = fn(&Arguments<'_>) -> Result<Value>;

/// A function's name, how many arguments it takes (-1: any number), and itself.
type Entry = (&'static str, i32, Function);

fn add(
    connection: &Connection,
    name: &'static str,
    count: i32,
    strict: bool,
    deterministic: bool,
    function: Function,
) -> rusqlite::Result<()> {
    let mut flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    if deterministic {
        flags |= FunctionFlags::SQLITE_DETERMINISTIC;
    }
    connection.create_scalar_function(name, count, flags, move |context| {
        let arguments = Arguments { context };
        if strict && (0..context.len()).any(|index| arguments.is_null(index)) {
            return Ok(Value::Null);
        }
        function(&arguments).map_err(fail)
    })
}

/// An error on its way through SQLite.
fn fail(error: PgError) -> Error {
    Error::UserFunctionError(Box::new(error))
}

/// The arguments of a call.
struct Arguments<'a> {
    context: &'a Context<'a>,
}

impl Arguments<'_> {
    fn len(&self) -> usize {
        self.context.len()
    }

    fn value(&self, index: usize) -> ValueRef<'_> {
        if index < self.context.len() {
            self.context.get_raw(index)
        } else {
            ValueRef::Null
        }
    }

    fn is_null(&self, index: usize) -> bool {
        self.value(index) == ValueRef::Null
    }

    fn owned(&self, index: usize) -> Value {
        owned(self.value(index))
    }

    /// An integer; text and reals are read as one.
    fn int(&self, index: usize) -> Result<i64> {
        match self.value(index) {
            ValueRef::Integer(integer) => Ok(integer),
            other => values_in_text::as_int(Type::INT8, other),
        }
    }

    fn int_or(&self, index: usize, default: i64) -> Result<i64> {
        if index < self.len() {
            self.int(index)
        } else {
            Ok(default)
        }
    }

    fn real(&self, index: usize) -> Result<f64> {
        values_in_text::as_f64(Type::FLOAT8, self.value(index))
    }

    fn bool(&self, index: usize) -> Result<bool> {
        values_in_text::as_bool(self.value(index))
    }

    fn text(&self, index: usize) -> Result<&str> {
        values_in_text::as_str(Type::TEXT, self.value(index))
    }

    fn text_or<'s>(&'s self, index: usize, default: &'s str) -> Result<&'s str> {
        if index < self.len() {
            self.text(index)
        } else {
            Ok(default)
        }
    }

    fn bytes(&self, index: usize) -> Result<&[u8]> {
        match self.value(index) {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(bytes),
            other => Err(values_in_text::misfit(Type::BYTEA, other)),
        }
    }

    fn numeric(&self, index: usize) -> Result<Numeric> {
        values_in_text::as_numeric(Type::NUMERIC, self.value(index))
    }

    fn ty(&self, oid: usize, modifier: usize) -> Result<Type> {
        Ok(Type {
            oid: u32::try_from(self.int(oid)?).unwrap_or(0),
            modifier: i32::try_from(self.int(modifier)?).unwrap_or(-1),
        })
    }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn text_value(text: impl Into<String>) -> Result<Value> {
    Ok(Value::Text(text.into()))
}

fn bool_value(truth: bool) -> Result<Value> {
    Ok(Value::Integer(truth.into()))
}

fn int_value(integer: usize) -> Result<Value> {
    Ok(Value::Integer(i64::try_from(integer).unwrap_or(i64::MAX)))
}

fn numeric_value(number: &Numeric) -> Result<Value> {
    Ok(Value::Text(number.to_string()))
}

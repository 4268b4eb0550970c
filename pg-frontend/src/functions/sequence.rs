//! Sequences: rows of `pg_frontend_sequences`, and the counters of rowids (`sqlite_sequence`).

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::functions::Context;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result};

use super::{fail, ffi};
use crate::error::PgError;
use crate::sql::names::{literal, split};

thread_local! {
    /// `currval` of this session, and the name that `lastval` is of.
    static CURRENT: RefCell<(HashMap<String, i64>, Option<String>)> = RefCell::new((HashMap::new(), None));
}

pub(super) fn register(connection: &Connection) -> Result<()> {
    CURRENT.with_borrow_mut(|current| *current = (HashMap::new(), None));
    ffi::with_connection(connection, "pg_nextval", 1, |context, own| {
        next(own, &name(context)?)
    })?;
    ffi::with_connection(connection, "pg_currval", 1, |context, own| {
        current(own, &name(context)?)
    })?;
    ffi::with_connection(connection, "pg_lastval", 0, |_, own| last(own))?;
    ffi::with_connection(connection, "pg_setval", 2, |context, own| {
        set(own, &name(context)?, context.get(1)?, true)
    })?;
    ffi::with_connection(connection, "pg_setval", 3, |context, own| {
        set(
            own,
            &name(context)?,
            context.get(1)?,
            context.get::<i64>(2)? != 0,
        )
    })?;
    ffi::with_connection(connection, "pg_get_serial_sequence", 2, |context, own| {
        let (table, column): (String, String) = (context.get(0)?, context.get(1)?);
        serial(own, &plain(&table), &column)
    })
}

/// A name as text, its quotes and the schema `public` taken away.
fn plain(text: &str) -> String {
    let parts: Vec<String> = text
        .split('.')
        .map(|part| {
            match part
                .strip_prefix('"')
                .and_then(|part| part.strip_suffix('"'))
            {
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => part.to_lowercase(),
            }
        })
        .collect();
    match parts.as_slice() {
        [schema, name] => crate::sql::names::in_schema(Some(schema), name),
        _ => parts.join("."),
    }
}

fn name(context: &Context<'_>) -> Result<String> {
    Ok(plain(&context.get::<String>(0)?))
}

fn undefined(name: &str) -> rusqlite::Error {
    fail(PgError::new(
        "42P01",
        format!("relation \"{name}\" does not exist"),
    ))
}

/// What a row of the table of sequences says.
struct Sequence {
    increment: i64,
    minimum: i64,
    maximum: i64,
    cycle: bool,
    last: i64,
    called: bool,
}

fn table_is_there(connection: &Connection, table: &str) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM pragma_table_info(?1)")?
        .exists([table])
}

fn find(connection: &Connection, name: &str) -> Result<Option<Sequence>> {
    if !table_is_there(connection, "pg_frontend_sequences")? {
        return Ok(None);
    }
    connection
        .prepare_cached("SELECT increment, minimum, maximum, cycle, last, called FROM pg_frontend_sequences WHERE name = ?1")?
        .query_row([name], |row| {
            Ok(Sequence {
                increment: row.get(0)?,
                minimum: row.get(1)?,
                maximum: row.get(2)?,
                cycle: row.get(3)?,
                last: row.get(4)?,
                called: row.get(5)?,
            })
        })
        .optional()
}

fn remember(name: &str, value: i64) -> Value {
    CURRENT.with_borrow_mut(|(values, last)| {
        values.insert(name.to_owned(), value);
        *last = Some(name.to_owned());
    });
    Value::Integer(value)
}

fn next(connection: &Connection, name: &str) -> Result<Value> {
    let Some(sequence) = find(connection, name)? else {
        return next_rowid(connection, name);
    };
    let limit = |what: &str, bound: i64| {
        fail(PgError::new(
            "2200H",
            format!("nextval: reached {what} value of sequence \"{name}\" ({bound})"),
        ))
    };
    let value = if sequence.called {
        match sequence
            .last
            .checked_add(sequence.increment)
            .filter(|next| (sequence.minimum..=sequence.maximum).contains(next))
        {
            Some(next) => next,
            None if sequence.cycle && sequence.increment > 0 => sequence.minimum,
            None if sequence.cycle => sequence.maximum,
            None if sequence.increment > 0 => return Err(limit("maximum", sequence.maximum)),
            None => return Err(limit("minimum", sequence.minimum)),
        }
    } else {
        sequence.last
    };
    connection
        .prepare_cached("UPDATE pg_frontend_sequences SET last = ?2, called = 1 WHERE name = ?1")?
        .execute(rusqlite::params![name, value])?;
    Ok(remember(name, value))
}

/// Table and column of a rowid that counts, by the name that Postgres gives its sequence.
pub(crate) fn owner_of(connection: &Connection, sequence: &str) -> Option<(String, String)> {
    let body = sequence.strip_suffix("_seq")?;
    // The table's name may have underscores, and so may the column's.
    for (at, _) in body
        .match_indices('_')
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let (table, column) = (&body[..at], &body[at + 1..]);
        let Ok(Some(found)) = crate::sql::schema::load(connection, table) else {
            continue;
        };
        let counts = found.column(column).is_some_and(|column| {
            matches!(
                column.key,
                Some(crate::sql::schema::Key::Serial | crate::sql::schema::Key::Identity { .. })
            )
        });
        if counts {
            return Some((table.to_owned(), column.to_owned()));
        }
    }
    None
}

/// The statements that make a rowid's next value `next`.
pub(crate) fn restart(table: &str, next: i64) -> Vec<String> {
    let name = literal(table);
    vec![
        format!("DELETE FROM sqlite_sequence WHERE name = {name}"),
        format!(
            "INSERT INTO sqlite_sequence(name, seq) VALUES ({name}, {})",
            next - 1
        ),
    ]
}

fn rowid_counter(connection: &Connection, table: &str) -> Result<i64> {
    let seq = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?
        .query_row([table], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0))
}

fn store_counter(connection: &Connection, table: &str, value: i64) -> Result<()> {
    let changed = connection
        .prepare_cached("UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1")?
        .execute(rusqlite::params![table, value])?;
    if changed == 0 {
        connection
            .prepare_cached("INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)")?
            .execute(rusqlite::params![table, value])?;
    }
    Ok(())
}

fn next_rowid(connection: &Connection, name: &str) -> Result<Value> {
    let (table, _) = owner_of(connection, name).ok_or_else(|| undefined(name))?;
    let value = rowid_counter(connection, &table)? + 1;
    store_counter(connection, &table, value)?;
    Ok(remember(name, value))
}

fn current(connection: &Connection, name: &str) -> Result<Value> {
    if let Some(value) = CURRENT.with_borrow(|(values, _)| values.get(name).copied()) {
        return Ok(Value::Integer(value));
    }
    if find(connection, name)?.is_none() {
        // SQLite counts a rowid itself: its last value is the counter's.
        let (table, _) = owner_of(connection, name).ok_or_else(|| undefined(name))?;
        let value = rowid_counter(connection, &table)?;
        if value > 0 {
            return Ok(Value::Integer(value));
        }
    }
    Err(fail(PgError::new(
        "55000",
        format!("currval of sequence \"{name}\" is not yet defined in this session"),
    )))
}

fn last(connection: &Connection) -> Result<Value> {
    if let Some(value) = CURRENT.with_borrow(|(values, last)| values.get(last.as_ref()?).copied()) {
        return Ok(Value::Integer(value));
    }
    match connection.last_insert_rowid() {
        0 => Err(fail(PgError::new(
            "55000",
            "lastval is not yet defined in this session",
        ))),
        rowid => Ok(Value::Integer(rowid)),
    }
}

fn set(connection: &Connection, name: &str, value: i64, called: bool) -> Result<Value> {
    match find(connection, name)? {
        Some(sequence) => {
            if !(sequence.minimum..=sequence.maximum).contains(&value) {
                return Err(fail(PgError::new(
                    "22003",
                    format!(
                        "setval: value {value} is out of bounds for sequence \"{name}\" ({}..{})",
                        sequence.minimum, sequence.maximum
                    ),
                )));
            }
            connection
                .prepare_cached(
                    "UPDATE pg_frontend_sequences SET last = ?2, called = ?3 WHERE name = ?1",
                )?
                .execute(rusqlite::params![name, value, called])?;
        }
        None => {
            let (table, _) = owner_of(connection, name).ok_or_else(|| undefined(name))?;
            store_counter(connection, &table, if called { value } else { value - 1 })?;
        }
    }
    if called {
        remember(name, value);
    }
    Ok(Value::Integer(value))
}

/// The name of a column's sequence; NULL where it has none.
fn serial(connection: &Connection, table: &str, column: &str) -> Result<Value> {
    let found = crate::sql::schema::load(connection, table).map_err(fail)?;
    let Some(found) = found else {
        return Err(undefined(table));
    };
    let Some(part) = found.column(column) else {
        return Err(fail(PgError::new(
            "42703",
            format!("column \"{column}\" of relation \"{table}\" does not exist"),
        )));
    };
    if matches!(
        part.key,
        Some(crate::sql::schema::Key::Serial | crate::sql::schema::Key::Identity { .. })
    ) {
        let (schema, bare) = split(table);
        return Ok(Value::Text(format!("{schema}.{bare}_{column}_seq")));
    }
    let Some(default) = &part.default else {
        return Ok(Value::Null);
    };
    let name = default
        .split_once("nextval(")
        .and_then(|(_, rest)| rest.trim_start_matches('\'').split('\'').next())
        .map(|name| {
            let (schema, bare) = split(name);
            format!("{schema}.{bare}")
        });
    Ok(name.map_or(Value::Null, Value::Text))
}

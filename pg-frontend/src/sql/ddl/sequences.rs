//! Sequences: rows of a table of ours, which `nextval` counts up.

use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::words::Words;
use crate::sql::command::{plain, script};
use crate::sql::names::{Name, literal};
use crate::sql::schema::{self};
use crate::sql::{Action, Plan};
use crate::types::Type;
use rusqlite::Connection;

/// The table of sequences.
pub(crate) const SEQUENCES: &str = "pg_frontend_sequences";

const CREATE_SEQUENCES: &str = "CREATE TABLE IF NOT EXISTS pg_frontend_sequences (\
     name TEXT PRIMARY KEY, type TEXT NOT NULL, start INTEGER NOT NULL, increment INTEGER NOT NULL, \
     minimum INTEGER NOT NULL, maximum INTEGER NOT NULL, cycle INTEGER NOT NULL, last INTEGER NOT NULL, \
     called INTEGER NOT NULL, owner_table TEXT, owner_column TEXT) WITHOUT ROWID";

/// What makes a sequence for a column.
pub(crate) fn sequence_for(name: &str, table: &str, column: &str, ty: Type) -> Vec<String> {
    let (_, maximum) = ty.int_range();
    vec![
        CREATE_SEQUENCES.to_owned(),
        format!(
            "INSERT INTO {SEQUENCES} VALUES ({}, {}, 1, 1, 1, {maximum}, 0, 1, 0, {}, {})",
            literal(name),
            literal(&ty.display()),
            literal(table),
            literal(column)
        ),
    ]
}

/// The sequence's name in the table of sequences, if it is there.
pub(crate) fn sequence_exists(
    connection: &Connection,
    state: &State,
    name: &Name,
) -> Result<Option<String>> {
    if schema::load(connection, SEQUENCES)?.is_none() {
        return Ok(None);
    }
    for candidate in name.candidates(state) {
        let found = connection
            .prepare_cached("SELECT 1 FROM pg_frontend_sequences WHERE name = ?1")
            .and_then(|mut statement| statement.exists([&candidate]))
            .map_err(|error| schema::unreadable(&error))?;
        if found {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// What the options of a sequence say.
#[derive(Debug, Default)]
struct Options {
    ty: Option<Type>,
    start: Option<i64>,
    increment: Option<i64>,
    minimum: Option<i64>,
    maximum: Option<i64>,
    cycle: Option<bool>,
    restart: Option<Option<i64>>,
    owner: Option<(String, String)>,
}

fn sequence_options(words: &mut Words<'_>) -> Result<Options> {
    let mut out = Options::default();
    while !words.at_end() {
        if words.accept("AS") {
            out.ty = crate::types::parse_name(&words.name()?);
        } else if words.accept("INCREMENT") {
            words.accept("BY");
            out.increment = Some(words.integer()?);
        } else if words.accept("MINVALUE") {
            out.minimum = Some(words.integer()?);
        } else if words.accept("MAXVALUE") {
            out.maximum = Some(words.integer()?);
        } else if words.accept("NO MINVALUE") || words.accept("NO MAXVALUE") {
        } else if words.accept("START") {
            words.accept("WITH");
            out.start = Some(words.integer()?);
        } else if words.accept("RESTART") {
            let value = if words.accept("WITH")
                || words
                    .peek()
                    .is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            {
                Some(words.integer()?)
            } else {
                None
            };
            out.restart = Some(value);
        } else if words.accept("CACHE") {
            words.integer()?;
        } else if words.accept("NO CYCLE") {
            out.cycle = Some(false);
        } else if words.accept("CYCLE") {
            out.cycle = Some(true);
        } else if words.accept("OWNED BY") {
            if !words.accept("NONE") {
                let mut name = words.qualified()?;
                // `schema.table.column`: what qualified() takes for the schema is the table.
                let table = name.schema.take().unwrap_or_default();
                out.owner = Some((table, name.name));
            }
        } else {
            return Err(words.unexpected());
        }
    }
    Ok(out)
}

pub(super) fn create_sequence(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    let if_not_exists = words.accept("IF NOT EXISTS");
    let written = words.qualified()?;
    let name = super::create::new_name(&written, connection, state)?;
    if sequence_exists(connection, state, &written)?.is_some()
        || schema::load(connection, &name)?.is_some()
    {
        if if_not_exists {
            return Ok(super::create::skipped(&written.name, "CREATE SEQUENCE"));
        }
        return Err(PgError::new(
            "42P07",
            format!("relation \"{}\" already exists", written.name),
        ));
    }
    let options = sequence_options(words)?;
    let ty = options.ty.unwrap_or(Type::INT8);
    let increment = options.increment.unwrap_or(1);
    if increment == 0 {
        return Err(PgError::new("22023", "INCREMENT must not be zero"));
    }
    let (low, high) = ty.int_range();
    let minimum = options
        .minimum
        .unwrap_or(if increment > 0 { 1 } else { low });
    let maximum = options
        .maximum
        .unwrap_or(if increment > 0 { high } else { -1 });
    let start = options
        .start
        .unwrap_or(if increment > 0 { minimum } else { maximum });
    if start < minimum || start > maximum {
        return Err(PgError::new(
            "22023",
            format!("START value ({start}) is out of range"),
        ));
    }
    let cycle = i32::from(options.cycle.unwrap_or(false));
    let owner = match &options.owner {
        Some((table, column)) => format!("{}, {}", literal(table), literal(column)),
        None => "NULL, NULL".to_owned(),
    };
    Ok(script(
        vec![
            CREATE_SEQUENCES.to_owned(),
            format!(
                "INSERT INTO {SEQUENCES} VALUES ({}, {}, {start}, {increment}, {minimum}, {maximum}, {cycle}, {start}, 0, {owner})",
                literal(&name),
                literal(&ty.display())
            ),
        ],
        "CREATE SEQUENCE",
    ))
}

pub(super) fn alter_sequence(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    let if_exists = words.accept("IF EXISTS");
    let written = words.qualified()?;
    let Some(name) = sequence_exists(connection, state, &written)? else {
        // The sequence of a rowid is SQLite's own.
        if let Some((table, _)) = crate::functions::sequence::owner_of(connection, &written.name) {
            if words.accept("RESTART") {
                let next = if words.accept("WITH") {
                    words.integer()?
                } else {
                    1
                };
                return Ok(script(
                    crate::functions::sequence::restart(&table, next),
                    "ALTER SEQUENCE",
                ));
            }
            return Ok(plain(Action::Nothing(None), "ALTER SEQUENCE"));
        }
        if if_exists {
            return Ok(plain(
                Action::Nothing(Some(format!(
                    "relation \"{}\" does not exist, skipping",
                    written.name
                ))),
                "ALTER SEQUENCE",
            ));
        }
        return Err(PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", written.display()),
        ));
    };
    if words.accept("OWNER TO") || words.accept("SET SCHEMA") {
        return Ok(plain(Action::Nothing(None), "ALTER SEQUENCE"));
    }
    if words.accept("RENAME TO") {
        let new = words.name()?;
        return Ok(script(
            vec![format!(
                "UPDATE {SEQUENCES} SET name = {} WHERE name = {}",
                literal(&new),
                literal(&name)
            )],
            "ALTER SEQUENCE",
        ));
    }
    let options = sequence_options(words)?;
    let mut sets = Vec::new();
    for (column, value) in [
        ("start", options.start),
        ("increment", options.increment),
        ("minimum", options.minimum),
        ("maximum", options.maximum),
        ("cycle", options.cycle.map(i64::from)),
    ] {
        if let Some(value) = value {
            sets.push(format!("{column} = {value}"));
        }
    }
    if let Some(restart) = options.restart {
        let value = restart.map_or_else(|| "start".to_owned(), |value| value.to_string());
        sets.push(format!("last = {value}, called = 0"));
    }
    if let Some((table, column)) = options.owner {
        sets.push(format!(
            "owner_table = {}, owner_column = {}",
            literal(&table),
            literal(&column)
        ));
    }
    if sets.is_empty() {
        return Ok(plain(Action::Nothing(None), "ALTER SEQUENCE"));
    }
    Ok(script(
        vec![format!(
            "UPDATE {SEQUENCES} SET {} WHERE name = {}",
            sets.join(", "),
            literal(&name)
        )],
        "ALTER SEQUENCE",
    ))
}

//! `COMMENT ON`: kept in a table of the server's own, from which the catalog's `pg_description` comes.
//!
//! What the catalog does not describe (functions, roles …) may be commented on, without effect.

use rusqlite::Connection;

use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::Plan;
use crate::sql::command::script;
use crate::sql::command::words::Words;
use crate::sql::names::{self, Name, literal};
use crate::sql::schema;

/// The table of comments.
const COMMENTS: &str = "pg_frontend_comments";

/// The object's kind and name in SQLite, and the part of it (a column, a constraint) or nothing.
const CREATE_COMMENTS: &str = "CREATE TABLE IF NOT EXISTS pg_frontend_comments (\
     kind TEXT, object TEXT, part TEXT, text TEXT NOT NULL, PRIMARY KEY (kind, object, part)) WITHOUT ROWID";

/// What is commented on.
struct Object {
    kind: &'static str,
    name: String,
    part: String,
}

/// `COMMENT ON kind name IS text`
pub(crate) fn read(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
    words.expect("COMMENT ON")?;
    let object = object(words, connection, state)?;
    while !words.at_end() && words.peek().as_deref() != Some("IS") {
        words.advance();
    }
    words.expect("IS")?;
    let text = if words.accept("NULL") { None } else { Some(words.string()?) };
    words.end()?;
    let Some(Object { kind, name, part }) = object else {
        return Ok(super::super::command::plain(crate::sql::Action::Nothing(None), "COMMENT"));
    };
    let (name, part) = (literal(&name), literal(&part));
    let mut statements = vec![
        CREATE_COMMENTS.to_owned(),
        format!("DELETE FROM {COMMENTS} WHERE kind = '{kind}' AND object = {name} AND part = {part}"),
    ];
    if let Some(text) = text {
        statements.push(format!("INSERT INTO {COMMENTS} VALUES ('{kind}', {name}, {part}, {})", literal(&text)));
    }
    Ok(script(statements, "COMMENT"))
}

fn object(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Option<Object>> {
    let kind = words.advance().unwrap_or_default();
    let whole = |kind: &'static str, name: String| {
        Some(Object {
            kind,
            name,
            part: String::new(),
        })
    };
    Ok(match kind.as_str() {
        "TABLE" | "VIEW" => whole("relation", table(&words.qualified()?, connection, state)?),
        "INDEX" | "SEQUENCE" => whole("relation", words.qualified()?.in_sqlite()),
        "COLUMN" => {
            let mut parts = vec![words.name()?];
            while words.accept(".") {
                parts.push(words.name()?);
            }
            let part = parts.pop().unwrap_or_default();
            let name = Name {
                name: parts.pop().unwrap_or_default(),
                schema: parts.pop(),
                position: (0, 0),
            };
            let name = table(&name, connection, state)?;
            let known = schema::load(connection, &name)?.is_some_and(|table| table.column(&part).is_some());
            if !known {
                let message = format!("column \"{part}\" of relation \"{}\" does not exist", names::split(&name).1);
                return Err(PgError::new("42703", message));
            }
            Some(Object {
                kind: "column",
                name,
                part,
            })
        }
        "CONSTRAINT" => {
            let part = words.name()?;
            words.expect("ON")?;
            let name = table(&words.qualified()?, connection, state)?;
            Some(Object {
                kind: "constraint",
                name,
                part,
            })
        }
        "SCHEMA" => whole("schema", words.name()?),
        "TYPE" => whole("type", words.qualified()?.in_sqlite()),
        _ => None,
    })
}

fn table(name: &Name, connection: &Connection, state: &State) -> Result<String> {
    let found = schema::find(connection, state, name)?;
    found
        .map(|table| table.name.clone())
        .ok_or_else(|| PgError::new("42P01", format!("relation \"{}\" does not exist", name.display())))
}

/// What goes with a table or view that is dropped, or gets another name.
pub(crate) fn follow(connection: &Connection, old: &str, new: Option<&str>) -> Result<Vec<String>> {
    if schema::load(connection, COMMENTS)?.is_none() {
        return Ok(Vec::new());
    }
    let of_it = format!("object = {} AND kind IN ('relation', 'column', 'constraint')", literal(old));
    Ok(vec![match new {
        Some(new) => format!("UPDATE {COMMENTS} SET object = {} WHERE {of_it}", literal(new)),
        None => format!("DELETE FROM {COMMENTS} WHERE {of_it}"),
    }])
}

/// What goes with a column that gets another name.
pub(crate) fn follow_column(connection: &Connection, table: &str, old: &str, new: &str) -> Result<Vec<String>> {
    if schema::load(connection, COMMENTS)?.is_none() {
        return Ok(Vec::new());
    }
    let (table, old, new) = (literal(table), literal(old), literal(new));
    Ok(vec![format!("UPDATE {COMMENTS} SET part = {new} WHERE kind = 'column' AND object = {table} AND part = {old}")])
}

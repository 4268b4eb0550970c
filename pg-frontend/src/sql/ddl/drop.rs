//! `DROP`: what goes, what goes with it (`CASCADE`), and what keeps it (`RESTRICT`).

use std::ops::ControlFlow;

use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::words::Words;
use crate::sql::command::{plain, script};
use crate::sql::names::{self, Name, SCHEMAS, literal, quote};
use crate::sql::schema::{self, ENUMS, Table};
use crate::sql::{Action, Plan};
use rusqlite::Connection;
use sqlparser::ast::visit_relations;

use super::sequences::{SEQUENCES, sequence_exists};

/// `DROP TABLE a, b` and its kin.
pub(super) fn drop(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
) -> Result<Option<Plan>> {
    let kind = match words.advance().as_deref() {
        Some("TABLE") => "TABLE",
        Some("VIEW") => "VIEW",
        Some("INDEX") => "INDEX",
        Some("SEQUENCE") => "SEQUENCE",
        Some("SCHEMA") => "SCHEMA",
        Some("TYPE") => "TYPE",
        Some("TRIGGER") => {
            let if_exists = words.accept("IF EXISTS");
            let name = words.name()?;
            let clause = if if_exists { "IF EXISTS " } else { "" };
            return Ok(Some(script(
                vec![format!("DROP TRIGGER {clause}{}", quote(&name))],
                "DROP TRIGGER",
            )));
        }
        Some(
            word @ ("ROLE" | "USER" | "EXTENSION" | "OWNED" | "DOMAIN" | "AGGREGATE" | "FUNCTION"
            | "PROCEDURE" | "COLLATION" | "STATISTICS"),
        ) => {
            let tag = format!("DROP {}", if word == "USER" { "ROLE" } else { word });
            if matches!(word, "FUNCTION" | "PROCEDURE" | "AGGREGATE" | "DOMAIN")
                && !words.accept("IF EXISTS")
            {
                return Err(PgError::new(
                    "42883",
                    format!("{} {} does not exist", word.to_lowercase(), words.rest()),
                ));
            }
            return Ok(Some(plain(Action::Nothing(None), &tag)));
        }
        Some("MATERIALIZED") => {
            words.accept("VIEW");
            "VIEW"
        }
        _ => return Ok(None),
    };
    words.accept("CONCURRENTLY");
    let if_exists = words.accept("IF EXISTS");
    let mut dropped = Vec::new();
    loop {
        dropped.push(words.qualified()?);
        if !words.accept(",") {
            break;
        }
    }
    let cascade = words.accept("CASCADE");
    if !cascade {
        words.accept("RESTRICT");
    }
    words.end()?;
    let tag = format!("DROP {kind}");
    let mut statements = Vec::new();
    let mut notice = None;
    for name in &dropped {
        match drop_one(kind, name, &dropped, cascade, connection, state)? {
            Some(made) => statements.extend(made),
            None if if_exists => {
                notice = Some(format!(
                    "{} \"{}\" does not exist, skipping",
                    kind.to_lowercase(),
                    name.name
                ));
            }
            None => {
                let code = match kind {
                    "SCHEMA" => "3F000",
                    "TYPE" | "INDEX" => "42704",
                    _ => "42P01",
                };
                return Err(PgError::new(
                    code,
                    format!(
                        "{} \"{}\" does not exist",
                        kind.to_lowercase(),
                        name.display()
                    ),
                ));
            }
        }
    }
    if statements.is_empty() {
        return Ok(Some(plain(Action::Nothing(notice), &tag)));
    }
    if kind == "TABLE" {
        // Tables that are dropped together may refer to each other.
        statements.insert(0, "PRAGMA defer_foreign_keys = ON".to_owned());
    }
    Ok(Some(script(statements, &tag)))
}

fn drop_one(
    kind: &str,
    name: &Name,
    all: &[Name],
    cascade: bool,
    connection: &Connection,
    state: &State,
) -> Result<Option<Vec<String>>> {
    match kind {
        "TABLE" | "VIEW" => {
            let Some(table) = schema::find(connection, state, name)? else {
                return Ok(None);
            };
            if (kind == "VIEW") != is_view(connection, &table.name)? {
                return Err(PgError::new(
                    "42809",
                    format!("\"{}\" is not a {}", name.name, kind.to_lowercase()),
                )
                .hint(format!(
                    "Use DROP {} to remove it.",
                    if kind == "VIEW" { "TABLE" } else { "VIEW" }
                )));
            }
            let mut out = Vec::new();
            if kind == "TABLE" {
                if cascade {
                    out.extend(detach(connection, &table.name)?);
                } else {
                    refuse_referenced(connection, &table.name, all)?;
                }
            }
            if !cascade {
                refuse_viewed(connection, &table, all)?;
            }
            if cascade {
                out.extend(
                    dependent_views(connection, &table.name)?
                        .iter()
                        .map(|view| format!("DROP VIEW IF EXISTS {}", quote(view))),
                );
            }
            out.push(format!("DROP {kind} {}", quote(&table.name)));
            out.extend(super::comments::follow(connection, &table.name, None)?);
            if kind == "TABLE" && schema::load(connection, SEQUENCES)?.is_some() {
                out.push(format!(
                    "DELETE FROM {SEQUENCES} WHERE owner_table = {}",
                    literal(&table.name)
                ));
            }
            Ok(Some(out))
        }
        "INDEX" => {
            for candidate in name.candidates(state) {
                let found = connection
                    .prepare_cached(
                        "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1",
                    )
                    .and_then(|mut statement| statement.exists([&candidate]))
                    .map_err(|error| schema::unreadable(&error))?;
                if found {
                    return Ok(Some(vec![format!("DROP INDEX {}", quote(&candidate))]));
                }
            }
            Ok(None)
        }
        "SEQUENCE" => Ok(sequence_exists(connection, state, name)?.map(|name| {
            vec![format!(
                "DELETE FROM {SEQUENCES} WHERE name = {}",
                literal(&name)
            )]
        })),
        "TYPE" => {
            let sqlite = name.in_sqlite();
            Ok(schema::enum_type(connection, &sqlite).map(|_| {
                vec![format!(
                    "DELETE FROM {ENUMS} WHERE name = {}",
                    literal(&sqlite)
                )]
            }))
        }
        _ => drop_schema(name, cascade, connection),
    }
}

fn is_view(connection: &Connection, name: &str) -> Result<bool> {
    Ok(schema::view_text(connection, name)?.is_some())
}

fn drop_schema(name: &Name, cascade: bool, connection: &Connection) -> Result<Option<Vec<String>>> {
    if name.name == "public" || !names::schema_exists(connection, &name.name) {
        return Ok(None);
    }
    let mut statement = connection
        .prepare("SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND substr(name, 1, ?1) = ?2")
        .map_err(|error| schema::unreadable(&error))?;
    let prefix = format!("{}.", name.name);
    let inside: Vec<(String, String)> = statement
        .query_map(rusqlite::params![prefix.len() as i64, prefix], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .and_then(Iterator::collect)
        .map_err(|error| schema::unreadable(&error))?;
    if !inside.is_empty() && !cascade {
        return Err(PgError::new(
            "2BP01",
            format!(
                "cannot drop schema {} because other objects depend on it",
                name.name
            ),
        )
        .hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    let mut out = vec!["PRAGMA defer_foreign_keys = ON".to_owned()];
    out.extend(
        inside
            .iter()
            .map(|(kind, name)| format!("DROP {} {}", kind.to_uppercase(), quote(name))),
    );
    out.push(format!(
        "DELETE FROM {SCHEMAS} WHERE name = {}",
        literal(&name.name)
    ));
    Ok(Some(out))
}

/// Tables with a foreign key to this one.
fn referencing(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare(
            "SELECT DISTINCT m.name FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f \
             WHERE m.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE AND m.name <> ?1",
        )
        .map_err(|error| schema::unreadable(&error))?;
    statement
        .query_map([table], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(|error| schema::unreadable(&error))
}

/// Tables that refer to it must go in the same command.
fn refuse_referenced(connection: &Connection, table: &str, all: &[Name]) -> Result<()> {
    let (_, bare) = names::split(table);
    for other in referencing(connection, table)? {
        if !all
            .iter()
            .any(|name| name.in_sqlite() == other || name.name == names::split(&other).1)
        {
            let mut error = PgError::new(
                "2BP01",
                format!("cannot drop table {bare} because other objects depend on it"),
            );
            error.detail = Some(format!(
                "a foreign key of table {} depends on table {bare}",
                names::split(&other).1
            ));
            return Err(error.hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
    }
    Ok(())
}

/// The foreign keys of others to a table taken away.
fn detach(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for other in referencing(connection, table)? {
        let mut parts = super::rebuild::Parts::read(connection, &other)?;
        parts.constraints.retain(|constraint| {
            !matches!(&constraint.kind, super::constraints::Kind::Foreign { table: target, .. } if target.eq_ignore_ascii_case(table))
        });
        out.extend(parts.replace());
    }
    Ok(out)
}

/// Views that read it must go in the same command.
fn refuse_viewed(connection: &Connection, table: &Table, all: &[Name]) -> Result<()> {
    let kind = if table.view { "view" } else { "table" };
    let (_, bare) = names::split(&table.name);
    for view in dependent_views(connection, &table.name)? {
        if all.iter().any(|name| is_named(name, &view)) {
            continue;
        }
        let text = format!("cannot drop {kind} {bare} because other objects depend on it");
        let mut error = PgError::new("2BP01", text);
        let (_, view) = names::split(&view);
        error.detail = Some(format!("view {view} depends on {kind} {bare}"));
        return Err(error.hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    Ok(())
}

/// Whether a name as it is written may be that of SQLite's relation.
fn is_named(name: &Name, relation: &str) -> bool {
    name.in_sqlite() == relation || name.schema.is_none() && name.name == names::split(relation).1
}

/// Views that read a table or view, and the views that read those.
fn dependent_views(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view' UNION ALL SELECT name, sql FROM sqlite_temp_schema WHERE type = 'view'")
        .map_err(|error| schema::unreadable(&error))?;
    let views: Vec<(String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(|error| schema::unreadable(&error))?;
    let mut found = vec![table.to_owned()];
    let mut asked = 0;
    while let Some(name) = found.get(asked).cloned() {
        for (view, text) in &views {
            if !found.contains(view) && reads(text, &name) {
                found.push(view.clone());
            }
        }
        asked += 1;
    }
    Ok(found.split_off(1))
}

/// Whether a view, by SQLite's text of it, reads a relation.
fn reads(text: &str, relation: &str) -> bool {
    let query = schema::read_view_header(text).map(|(_, query)| query);
    let Some(statement) = query.and_then(|query| crate::sql::parse::statement(&query).ok()) else {
        return text.contains(&quote(relation));
    };
    let read = visit_relations(&statement, |name| match Name::of(name) {
        Ok(name) if is_named(&name, relation) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    read.is_break()
}

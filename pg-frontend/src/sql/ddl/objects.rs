//! Schemas, sequences, enums, databases, `DROP`, and what is accepted without effect.

use rusqlite::Connection;

use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::words::Words;
use crate::sql::command::{plain, script};
use crate::sql::names::{self, Name, SCHEMAS, literal, quote};
use crate::sql::query::unsupported;
use crate::sql::schema::{self, ENUMS};
use crate::sql::{Action, Plan};
use crate::types::{Type, USER_TYPES, array};
use rusqlite::types::Value;

/// The table of sequences.
pub(crate) const SEQUENCES: &str = "pg_frontend_sequences";

const CREATE_SEQUENCES: &str = "CREATE TABLE IF NOT EXISTS pg_frontend_sequences (\
     name TEXT PRIMARY KEY, type TEXT NOT NULL, start INTEGER NOT NULL, increment INTEGER NOT NULL, \
     minimum INTEGER NOT NULL, maximum INTEGER NOT NULL, cycle INTEGER NOT NULL, last INTEGER NOT NULL, \
     called INTEGER NOT NULL, owner_table TEXT, owner_column TEXT) WITHOUT ROWID";

/// One of these commands; none where the text is another's.
pub(crate) fn read(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
) -> Result<Option<Plan>> {
    let mut ahead = Words::new(words.text)?;
    if ahead.accept("CREATE SCHEMA") {
        return create_schema(&mut ahead, connection, state).map(Some);
    }
    if ahead.accept("CREATE DATABASE") {
        let name = ahead.name()?;
        return Ok(Some(plain(
            Action::CreateDatabase { name },
            "CREATE DATABASE",
        )));
    }
    if ahead.accept("DROP DATABASE") {
        let if_exists = ahead.accept("IF EXISTS");
        let name = ahead.name()?;
        return Ok(Some(plain(
            Action::DropDatabase { name, if_exists },
            "DROP DATABASE",
        )));
    }
    if ahead.accept("CREATE EXTENSION") {
        return extension(&mut ahead).map(Some);
    }
    if ahead.accept("CREATE TYPE") {
        return create_type(&mut ahead, connection).map(Some);
    }
    if ahead.accept("ALTER TYPE") {
        return alter_type(&mut ahead, connection).map(Some);
    }
    if ahead.accept("CREATE SEQUENCE")
        || ahead.accept("CREATE TEMP SEQUENCE")
        || ahead.accept("CREATE TEMPORARY SEQUENCE")
    {
        return create_sequence(&mut ahead, connection, state).map(Some);
    }
    if ahead.accept("ALTER SEQUENCE") {
        return alter_sequence(&mut ahead, connection, state).map(Some);
    }
    if ahead.accept("DROP") {
        return drop(&mut ahead, connection, state);
    }
    if ahead.accept("ALTER TABLE") {
        return alter_accepted(&mut ahead, connection, state);
    }
    for (start, tag) in [
        ("CREATE ROLE", "CREATE ROLE"),
        ("CREATE USER", "CREATE ROLE"),
        ("CREATE GROUP", "CREATE ROLE"),
        ("ALTER ROLE", "ALTER ROLE"),
        ("ALTER USER", "ALTER ROLE"),
        ("ALTER DATABASE", "ALTER DATABASE"),
        ("ALTER SCHEMA", "ALTER SCHEMA"),
        ("ALTER DEFAULT PRIVILEGES", "ALTER DEFAULT PRIVILEGES"),
        ("ALTER FUNCTION", "ALTER FUNCTION"),
        ("ALTER VIEW", "ALTER VIEW"),
        ("ALTER INDEX", "ALTER INDEX"),
        ("ALTER EXTENSION", "ALTER EXTENSION"),
        ("ALTER SYSTEM", "ALTER SYSTEM"),
        ("CREATE STATISTICS", "CREATE STATISTICS"),
        ("CREATE COLLATION", "CREATE COLLATION"),
        ("ALTER OPERATOR", "ALTER OPERATOR"),
        ("ALTER COLLATION", "ALTER COLLATION"),
        ("CREATE CAST", "CREATE CAST"),
    ] {
        if ahead.accept(start) {
            return other(&mut ahead, start, tag, connection, state).map(Some);
        }
    }
    for start in [
        "CREATE FUNCTION",
        "CREATE OR REPLACE FUNCTION",
        "CREATE PROCEDURE",
        "CREATE OR REPLACE PROCEDURE",
        "CREATE TRIGGER",
        "CREATE OR REPLACE TRIGGER",
        "CREATE CONSTRAINT TRIGGER",
        "CREATE RULE",
        "CREATE OR REPLACE RULE",
        "CREATE DOMAIN",
        "CREATE AGGREGATE",
        "CREATE OPERATOR",
        "CREATE POLICY",
        "CREATE PUBLICATION",
        "CREATE SUBSCRIPTION",
        "CREATE EVENT TRIGGER",
        "CREATE FOREIGN",
        "CREATE SERVER",
        "CREATE TABLESPACE",
        "CREATE LANGUAGE",
        "CREATE OR REPLACE LANGUAGE",
        "CREATE TEXT SEARCH",
        "CREATE MATERIALIZED VIEW",
        "CREATE UNLOGGED MATERIALIZED",
        "CREATE ACCESS METHOD",
        "CREATE CONVERSION",
        "CREATE TRANSFORM",
    ] {
        if ahead.accept(start) {
            // SQLite's own triggers go through as they stand.
            if start.ends_with("TRIGGER") && words.text.to_ascii_uppercase().contains("BEGIN") {
                return Ok(Some(script(vec![words.text.to_owned()], "CREATE TRIGGER")));
            }
            return Err(unsupported(start));
        }
    }
    // SQLite's virtual tables, too.
    if ahead.accept("CREATE VIRTUAL TABLE") {
        return Ok(Some(script(vec![words.text.to_owned()], "CREATE TABLE")));
    }
    Ok(None)
}

/// `ALTER … RENAME TO` that means something here; the rest says nothing to SQLite.
fn other(
    words: &mut Words<'_>,
    start: &str,
    tag: &str,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    if matches!(start, "ALTER INDEX" | "ALTER VIEW") {
        let if_exists = words.accept("IF EXISTS");
        let name = words.qualified()?;
        if words.accept("RENAME TO") {
            let new = words.name()?;
            return rename_relation(start, &name, &new, if_exists, connection, state, tag);
        }
    }
    Ok(plain(Action::Nothing(None), tag))
}

fn rename_relation(
    start: &str,
    name: &Name,
    new: &str,
    if_exists: bool,
    connection: &Connection,
    state: &State,
    tag: &str,
) -> Result<Plan> {
    let kind = if start == "ALTER INDEX" {
        "index"
    } else {
        "view"
    };
    for candidate in name.candidates(state) {
        let sql: rusqlite::Result<String> = connection.query_row(
            "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2",
            [kind, candidate.as_str()],
            |row| row.get(0),
        );
        if let Ok(sql) = sql {
            let new = names::in_schema(Some(names::split(&candidate).0), new);
            let made = sql.replacen(&quote(&candidate), &quote(&new), 1);
            let drop = format!("DROP {} {}", kind.to_uppercase(), quote(&candidate));
            return Ok(script(vec![drop, made], tag));
        }
    }
    if if_exists {
        return Ok(plain(
            Action::Nothing(Some(format!(
                "relation \"{}\" does not exist, skipping",
                name.name
            ))),
            tag,
        ));
    }
    Err(PgError::new(
        "42P01",
        format!("relation \"{}\" does not exist", name.display()),
    ))
}

/// Forms of `ALTER TABLE` that the parser does not read and that say nothing to SQLite.
fn alter_accepted(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
) -> Result<Option<Plan>> {
    let if_exists = words.accept("IF EXISTS");
    words.accept("ONLY");
    let name = words.qualified()?;
    let accepted = [
        "OWNER TO",
        "CLUSTER ON",
        "SET WITHOUT CLUSTER",
        "SET LOGGED",
        "SET UNLOGGED",
        "SET TABLESPACE",
        "SET (",
        "RESET (",
        "INHERIT",
        "NO INHERIT",
        "ENABLE TRIGGER",
        "DISABLE TRIGGER",
        "REPLICA IDENTITY",
        "VALIDATE CONSTRAINT",
    ];
    let column = {
        let mut inner = Words::new(words.rest())?;
        inner.accept("ALTER") && {
            inner.accept("COLUMN");
            inner.name().is_ok()
                && (inner.accept("SET STORAGE")
                    || inner.accept("SET STATISTICS")
                    || inner.accept("SET COMPRESSION"))
        }
    };
    if !column && !accepted.iter().any(|start| words.accept(start)) {
        if words.accept("SET SCHEMA") {
            let schema = words.name()?;
            let table = schema::find(connection, state, &name)?.ok_or_else(|| {
                PgError::new(
                    "42P01",
                    format!("relation \"{}\" does not exist", name.display()),
                )
            })?;
            let new = names::in_schema(Some(&schema), names::split(&table.name).1);
            return Ok(Some(script(
                vec![format!(
                    "ALTER TABLE {} RENAME TO {}",
                    quote(&table.name),
                    quote(&new)
                )],
                "ALTER TABLE",
            )));
        }
        return Ok(None);
    }
    let sequence = sequence_exists(connection, state, &name)?;
    if sequence.is_none() && schema::find(connection, state, &name)?.is_none() && !if_exists {
        return Err(PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", name.display()),
        ));
    }
    Ok(Some(plain(Action::Nothing(None), "ALTER TABLE")))
}

fn create_schema(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
    let if_not_exists = words.accept("IF NOT EXISTS");
    let name = if words.accept("AUTHORIZATION") {
        words.name()?
    } else {
        let name = words.name()?;
        if words.accept("AUTHORIZATION") {
            words.name()?;
        }
        name
    };
    let _ = state;
    words.end()?;
    if names::schema_exists(connection, &name) {
        if if_not_exists {
            return Ok(plain(
                Action::Nothing(Some(format!("schema \"{name}\" already exists, skipping"))),
                "CREATE SCHEMA",
            ));
        }
        return Err(PgError::new(
            "42P06",
            format!("schema \"{name}\" already exists"),
        ));
    }
    if name.starts_with("pg_") {
        return Err(PgError::new(
            "42939",
            format!("unacceptable schema name \"{name}\""),
        ));
    }
    Ok(script(
        vec![
            format!("CREATE TABLE IF NOT EXISTS {SCHEMAS} (name TEXT PRIMARY KEY) WITHOUT ROWID"),
            format!("INSERT INTO {SCHEMAS}(name) VALUES ({})", literal(&name)),
        ],
        "CREATE SCHEMA",
    ))
}

/// Extensions whose functions are here anyway are accepted.
fn extension(words: &mut Words<'_>) -> Result<Plan> {
    words.accept("IF NOT EXISTS");
    let name = words.name()?;
    if matches!(
        name.as_str(),
        "plpgsql"
            | "uuid-ossp"
            | "pgcrypto"
            | "citext"
            | "pg_stat_statements"
            | "btree_gin"
            | "btree_gist"
            | "unaccent"
    ) {
        return Ok(plain(Action::Nothing(None), "CREATE EXTENSION"));
    }
    Err(PgError::new(
        "0A000",
        format!("extension \"{name}\" is not available"),
    ))
}

fn create_type(words: &mut Words<'_>, connection: &Connection) -> Result<Plan> {
    let name = words.qualified()?.in_sqlite();
    if !words.accept("AS ENUM") {
        return Err(unsupported("CREATE TYPE other than AS ENUM"));
    }
    words.expect("(")?;
    let mut labels = Vec::new();
    while words.is_string() {
        labels.push(words.string()?);
        if !words.accept(",") {
            break;
        }
    }
    words.expect(")")?;
    if schema::enum_type(connection, &name).is_some() || crate::types::parse_name(&name).is_some() {
        return Err(PgError::new(
            "42710",
            format!("type \"{name}\" already exists"),
        ));
    }
    Ok(script(
        vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {ENUMS} (oid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, labels TEXT NOT NULL)"
            ),
            format!(
                "INSERT INTO {ENUMS}(oid, name, labels) VALUES ((SELECT ifnull(max(oid) + 1, {USER_TYPES}) FROM {ENUMS}), {}, {})",
                literal(&name),
                literal(&json_list(&labels))
            ),
        ],
        "CREATE TYPE",
    ))
}

fn json_list(labels: &[String]) -> String {
    let mut json = String::from("[");
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        array::push_value(&Value::Text(label.clone()), &mut json);
    }
    json.push(']');
    json
}

fn alter_type(words: &mut Words<'_>, connection: &Connection) -> Result<Plan> {
    let name = words.qualified()?.in_sqlite();
    let ty = schema::enum_type(connection, &name)
        .ok_or_else(|| PgError::new("42704", format!("type \"{name}\" does not exist")))?;
    let (_, mut labels) = schema::enum_labels(connection, ty).unwrap_or_default();
    if words.accept("ADD VALUE") {
        let if_not_exists = words.accept("IF NOT EXISTS");
        let label = words.string()?;
        if labels.contains(&label) {
            if if_not_exists {
                return Ok(plain(
                    Action::Nothing(Some(format!(
                        "enum label \"{label}\" already exists, skipping"
                    ))),
                    "ALTER TYPE",
                ));
            }
            return Err(PgError::new(
                "42710",
                format!("enum label \"{label}\" already exists"),
            ));
        }
        let behind = words.accept("AFTER");
        if behind || words.accept("BEFORE") {
            let neighbour = words.string()?;
            let at = labels
                .iter()
                .position(|other| *other == neighbour)
                .ok_or_else(|| {
                    PgError::new(
                        "22023",
                        format!("\"{neighbour}\" is not an existing enum label"),
                    )
                })?;
            labels.insert(at + usize::from(behind), label);
        } else {
            labels.push(label);
        }
    } else if words.accept("RENAME TO") {
        let new = words.name()?;
        return Ok(script(
            vec![format!(
                "UPDATE {ENUMS} SET name = {} WHERE name = {}",
                literal(&new),
                literal(&name)
            )],
            "ALTER TYPE",
        ));
    } else if words.accept("OWNER TO") {
        return Ok(plain(Action::Nothing(None), "ALTER TYPE"));
    } else {
        return Err(unsupported("this form of ALTER TYPE"));
    }
    Ok(script(
        vec![
            format!(
                "UPDATE {ENUMS} SET labels = {} WHERE name = {}",
                literal(&json_list(&labels)),
                literal(&name)
            ),
            // Plans are made again when the schema's version has changed.
            "CREATE TABLE pg_frontend_touch(x)".to_owned(),
            "DROP TABLE pg_frontend_touch".to_owned(),
        ],
        "ALTER TYPE",
    ))
}

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

fn create_sequence(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
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

fn alter_sequence(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
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

/// `DROP TABLE a, b` and its kin.
fn drop(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Option<Plan>> {
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

fn dependent_views(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'view' AND name <> ?1 AND instr(sql, ?2)",
        )
        .map_err(|error| schema::unreadable(&error))?;
    statement
        .query_map([table, &quote(table)], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(|error| schema::unreadable(&error))
}

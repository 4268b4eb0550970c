//! Which command makes, changes or drops what is no table: schemas and extensions here, sequences, enums and
//! `DROP` in files of their own; and what is accepted without effect.

use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::words::Words;
use crate::sql::command::{plain, script};
use crate::sql::names::{self, Name, SCHEMAS, literal, quote};
use crate::sql::query::unsupported;
use crate::sql::schema::{self};
use crate::sql::{Action, Plan};
use rusqlite::Connection;

use super::drop::drop;
use super::enums::{alter_type, create_type};
use super::sequences::{alter_sequence, create_sequence, sequence_exists};

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
pub(super) fn other(
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

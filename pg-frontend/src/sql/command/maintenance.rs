//! `VACUUM`, `ANALYZE`, `TRUNCATE`, `EXPLAIN`, `LOCK`, and commands that are accepted without effect.

use rusqlite::Connection;

use super::words::Words;
use super::{plain, script};
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::names::{Name, literal, quote};
use crate::sql::{Action, Column, Plan, Tag, schema};
use crate::types::{Oid, Type};

/// One of these commands; none where the text is a query.
pub(crate) fn read(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
    given: &[Oid],
) -> Result<Option<Plan>> {
    let first = words.peek().unwrap_or_default();
    let accepted = |tag: &str| Ok(Some(plain(Action::Nothing(None), tag)));
    match first.as_str() {
        "TABLE" => {
            words.advance();
            let parsed = crate::sql::Parsed {
                text: format!("SELECT * FROM {}", words.rest()).into(),
                offset: 0,
            };
            crate::sql::plan(connection, state, &parsed, given).map(Some)
        }
        "SELECT" => select_into(words, connection, state, given),
        "VACUUM" => vacuum(words, connection, state).map(Some),
        "ANALYZE" | "ANALYSE" => {
            words.advance();
            words.accept("VERBOSE");
            analyze(words, connection, state, "ANALYZE").map(Some)
        }
        "TRUNCATE" => truncate(words, connection, state).map(Some),
        "EXPLAIN" => explain(words, connection, state, given).map(Some),
        "LISTEN" | "UNLISTEN" | "CHECKPOINT" | "CLUSTER" | "LOAD" => accepted(&first),
        "NOTIFY" => Ok(Some(plain(
            Action::Nothing(Some(
                "notifications are not delivered by this server".to_owned(),
            )),
            "NOTIFY",
        ))),
        "REINDEX" => Ok(Some(script(vec!["REINDEX".to_owned()], "REINDEX"))),
        "LOCK" => accepted("LOCK TABLE"),
        "GRANT" | "REVOKE" => accepted(&first),
        "COMMENT" => crate::sql::ddl::comments::read(words, connection, state).map(Some),
        "SECURITY" => accepted("SECURITY LABEL"),
        "REASSIGN" => accepted("REASSIGN OWNED"),
        "REFRESH" => accepted("REFRESH MATERIALIZED VIEW"),
        "ATTACH" | "DETACH" => Err(PgError::new(
            "0A000",
            format!("{first} is not allowed for clients of this server"),
        )
        .hint("Connect to the other database instead.")),
        "DO" => Err(crate::sql::query::unsupported("DO: code in PL/pgSQL")),
        "CALL" => {
            Err(crate::sql::query::unsupported("CALL").hint("Call the function in a SELECT."))
        }
        "MERGE" => Err(crate::sql::query::unsupported("MERGE").hint("Use INSERT … ON CONFLICT.")),
        "IMPORT" => Err(crate::sql::query::unsupported("IMPORT FOREIGN SCHEMA")),
        _ => Ok(None),
    }
}

/// `SELECT … INTO t FROM …` is `CREATE TABLE t AS SELECT … FROM …`.
fn select_into(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
    _given: &[Oid],
) -> Result<Option<Plan>> {
    let text = words.text;
    let mut depth = 0;
    while let Some(word) = words.peek() {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            "FROM" if depth == 0 => return Ok(None),
            "INTO" if depth == 0 => {
                let start = words.offset();
                words.advance();
                let temporary = words.accept("TEMPORARY") || words.accept("TEMP");
                words.accept("UNLOGGED");
                words.accept("TABLE");
                let name_at = words.offset();
                words.qualified()?;
                let name = words.since(name_at);
                let query = format!("{}{}", &text[..start], words.rest());
                let temporary = if temporary { "TEMPORARY " } else { "" };
                let created = format!("CREATE {temporary}TABLE {name} AS {query}");
                let mut inner = Words::new(&created)?;
                return crate::sql::ddl::read(&mut inner, connection, state);
            }
            _ => {}
        }
        words.advance();
    }
    Ok(None)
}

fn find(connection: &Connection, state: &State, name: &Name) -> Result<std::rc::Rc<schema::Table>> {
    schema::find(connection, state, name)?.ok_or_else(|| {
        PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", name.display()),
        )
    })
}

fn vacuum(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
    words.advance();
    let mut analyzed = false;
    let mut full = false;
    if words.accept("(") {
        let options = words.bracketed()?.to_ascii_uppercase();
        analyzed = options.contains("ANALYZE");
        full = options.contains("FULL");
    }
    loop {
        if words.accept("FULL") {
            full = true;
        } else if words.accept("FREEZE") || words.accept("VERBOSE") {
        } else if words.accept("ANALYZE") || words.accept("ANALYSE") {
            analyzed = true;
        } else {
            break;
        }
    }
    // A table's space is given back by SQLite itself; only the whole file is ever rebuilt, and only on demand.
    let mut plan = analyze(words, connection, state, "VACUUM")?;
    if !analyzed {
        plan.action = Action::Nothing(None);
    }
    if full {
        plan.action = Action::Run("VACUUM".into());
    }
    Ok(plan)
}

fn analyze(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
    tag: &str,
) -> Result<Plan> {
    if tag == "ANALYZE" && words.accept("(") {
        words.bracketed()?;
    }
    let mut statements = Vec::new();
    while !words.at_end() {
        let name = words.qualified()?;
        let table = find(connection, state, &name)?;
        if words.accept("(") {
            words.bracketed()?;
        }
        statements.push(format!("ANALYZE {}", quote(&table.name)));
        if !words.accept(",") {
            break;
        }
    }
    words.end()?;
    if statements.is_empty() {
        statements.push("ANALYZE".to_owned());
    }
    Ok(script(statements, tag))
}

fn truncate(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
    words.advance();
    words.accept("TABLE");
    let mut tables = Vec::new();
    loop {
        words.accept("ONLY");
        let name = words.qualified()?;
        words.accept("*");
        tables.push(find(connection, state, &name)?);
        if !words.accept(",") {
            break;
        }
    }
    let restart = words.accept("RESTART IDENTITY");
    if !restart {
        words.accept("CONTINUE IDENTITY");
    }
    if !words.accept("CASCADE") {
        words.accept("RESTRICT");
    }
    words.end()?;
    // Tables that are emptied together may refer to each other.
    let mut statements = vec!["PRAGMA defer_foreign_keys = ON".to_owned()];
    for table in &tables {
        statements.push(format!("DELETE FROM {}", quote(&table.name)));
    }
    if restart && schema::load(connection, "sqlite_sequence")?.is_some() {
        for table in &tables {
            statements.push(format!(
                "DELETE FROM sqlite_sequence WHERE name = {}",
                literal(&table.name)
            ));
        }
    }
    Ok(script(statements, "TRUNCATE TABLE"))
}

/// `EXPLAIN` shows SQLite's plan; nothing is run.
fn explain(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
    given: &[Oid],
) -> Result<Plan> {
    words.advance();
    if words.peek().as_deref() == Some("(") {
        words.advance();
        words.bracketed()?;
    }
    while words.accept("ANALYZE") || words.accept("ANALYSE") || words.accept("VERBOSE") {}
    let inner = words.rest();
    let parsed = crate::sql::Parsed {
        text: inner.into(),
        offset: 0,
    };
    let plan = crate::sql::plan(connection, state, &parsed, given)?;
    let Action::Run(sql) = plan.action else {
        return Err(words.unexpected());
    };
    let lines = query_plan(connection, &sql).map_err(|error| schema::unreadable(&error))?;
    let rows: Vec<String> = lines
        .iter()
        .map(|line| format!("({})", literal(line)))
        .collect();
    Ok(Plan {
        action: Action::Run(format!("VALUES {}", rows.join(", ")).into()),
        tag: Tag::Rows("EXPLAIN"),
        parameters: plan.parameters,
        columns: Some(vec![Column {
            name: "QUERY PLAN".to_owned(),
            ty: Type::TEXT,
            table: 0,
            number: 0,
        }]),
        read_only: true,
    })
}

/// SQLite's plan, a line for each step, steps within steps indented.
fn query_plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = statement.raw_query();
    let mut depths = std::collections::HashMap::new();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, parent, detail): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let depth = depths.get(&parent).map_or(0usize, |depth| depth + 1);
        depths.insert(id, depth);
        out.push(format!("{}{detail}", "  ".repeat(depth)));
    }
    if out.is_empty() {
        out.push("Result".to_owned());
    }
    Ok(out)
}

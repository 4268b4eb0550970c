//! Sessions: capture of changes.

use std::sync::Arc;

use serde_json::Value as Json;
use sqlite_abi::{
    Arguments, Column, Connection, Error as SqliteError, FunctionError, FunctionFlags, Rows,
    TableFunction, Value,
};

use super::{FunctionDoc, doc};
use crate::capture::{CAPTURE, Error, RECORD, Sessions};
use crate::changeset::{Kind, value::encode};

pub(super) const FUNCTIONS: &[FunctionDoc] = &[
    doc(
        "session_create(db [, json])",
        "a handle",
        "begins a session on a schema; `{\"strict\": true}` makes an error of what would be left out silently",
    ),
    doc(
        "session_attach(h, table)",
        "1, or 0 where there was nothing to do",
        "captures changes of a table; with NULL, of all tables, also of those made later",
    ),
    doc(
        "session_changeset(h)",
        "changeset",
        "what changed since the session attached, by row; the session goes on",
    ),
    doc(
        "session_patchset(h)",
        "patchset",
        "the same without the old values",
    ),
    doc(
        "session_reset(h)",
        "1",
        "forgets what was captured so far, and goes on from here; a table that was new is new no more",
    ),
    doc(
        "session_delete(h)",
        "1, or 0 where there is no such session",
        "ends a session",
    ),
    doc(
        "session_enable(h, on)",
        "1 or 0: what holds then",
        "1: captures; 0: does not, until switched on again; NULL: only asks",
    ),
    doc(
        "session_indirect(h, on)",
        "1 or 0: what holds then",
        "1: changes to come are marked as indirect; NULL: only asks",
    ),
    doc(
        "session_isempty(h)",
        "1 or 0",
        "whether the changeset would have no change",
    ),
    doc(
        "session_diff(h, from_db, table)",
        "the number of rows that differ",
        "takes the rows in which the table differs from the one in another schema for changed; NULL where the session is not attached to it",
    ),
    doc(
        "session_list",
        "table: session, db, table, touched, memory, enabled, indirect, strict, problem",
        "the sessions of this connection, each with the tables it captures",
    ),
    doc(
        "session_capture(sql [, json])",
        "table: changeset",
        "runs a script and returns what it changed; in the JSON `db`, `table`, `patchset`, `indirect`, `strict`",
    ),
    doc(
        "changeset_between(db, txid_a, txid_b)",
        "changeset",
        "what changed between two points of a blob database's history (0 is before the first), read from the pages that changed; backwards, where b is before a",
    ),
];

type Answer = Result<Value, FunctionError>;
type Body = fn(&Sessions, &Connection<'_>, &Arguments<'_>) -> Answer;

/// Name, number of arguments, function.
const SCALARS: &[(&str, i32, Body)] = &[
    ("session_create", 1, create),
    ("session_create", 2, create),
    ("session_attach", 2, attach),
    ("session_changeset", 1, changeset),
    ("session_patchset", 1, patchset),
    ("session_reset", 1, reset),
    ("session_delete", 1, delete),
    ("session_enable", 2, enable),
    ("session_indirect", 2, indirect),
    ("session_isempty", 1, is_empty),
    ("session_diff", 3, diff),
];

pub(super) fn register(connection: &Connection<'_>) -> Result<(), SqliteError> {
    let sessions = Arc::new(Sessions::default());
    for (name, arguments, body) in SCALARS {
        let sessions = Arc::clone(&sessions);
        let body = move |connection: &Connection<'_>, arguments: &Arguments<'_>| {
            body(&sessions, connection, arguments)
        };
        connection.create_scalar(name, *arguments, FunctionFlags::DIRECTONLY, body)?;
    }
    let captured = Arc::clone(&sessions);
    connection.create_scalar(CAPTURE, -1, FunctionFlags::NONE, move |_, arguments| {
        captured.lock()?.capture(arguments)?;
        Ok(Value::Null)
    })?;
    let pure = FunctionFlags::DETERMINISTIC | FunctionFlags::INNOCUOUS;
    connection.create_scalar(RECORD, -1, pure, |_, arguments| {
        let mut record = Vec::new();
        (0..arguments.len()).for_each(|at| encode(&mut record, Some(arguments.get(at))));
        Ok(Value::Blob(record))
    })?;
    connection.create_table_function(List(Arc::clone(&sessions)))?;
    connection.create_table_function(Capture(sessions))
}

fn handle(arguments: &Arguments<'_>) -> Result<i64, FunctionError> {
    Ok(arguments.integer(0)?.ok_or(Error::Argument {
        name: "session",
        expected: "a handle from session_create(), not NULL",
    })?)
}

fn switch(arguments: &Arguments<'_>) -> Result<Option<bool>, FunctionError> {
    Ok(arguments.integer(1)?.map(|on| on != 0))
}

fn text<'a>(
    arguments: &Arguments<'a>,
    at: usize,
    name: &'static str,
) -> Result<&'a str, FunctionError> {
    Ok(arguments.text(at)?.ok_or(Error::Argument {
        name,
        expected: "a name, not NULL",
    })?)
}

fn flag(on: bool) -> Answer {
    Ok(Value::Integer(on.into()))
}

fn create(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let schema = text(arguments, 0, "schema")?;
    let options = Options::parse(arguments.text(1)?, &["strict"])?;
    let handle = sessions
        .lock()?
        .create(connection, schema, options.strict)?;
    Ok(Value::Integer(handle))
}

fn attach(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let (handle, table) = (handle(arguments)?, arguments.text(1)?);
    flag(sessions.lock()?.attach(connection, handle, table)?)
}

fn changeset(
    sessions: &Sessions,
    connection: &Connection<'_>,
    arguments: &Arguments<'_>,
) -> Answer {
    let changes = sessions
        .lock()?
        .changes(connection, handle(arguments)?, Kind::Changeset)?;
    Ok(Value::Blob(changes))
}

fn patchset(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let changes = sessions
        .lock()?
        .changes(connection, handle(arguments)?, Kind::Patchset)?;
    Ok(Value::Blob(changes))
}

fn reset(sessions: &Sessions, _: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    sessions.lock()?.reset(handle(arguments)?)?;
    flag(true)
}

fn delete(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    flag(sessions.lock()?.delete(connection, handle(arguments)?))
}

fn enable(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let (handle, on) = (handle(arguments)?, switch(arguments)?);
    flag(sessions.lock()?.enable(connection, handle, on)?)
}

fn indirect(sessions: &Sessions, _: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    flag(
        sessions
            .lock()?
            .indirect(handle(arguments)?, switch(arguments)?)?,
    )
}

fn is_empty(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    flag(sessions.lock()?.is_empty(connection, handle(arguments)?)?)
}

fn diff(sessions: &Sessions, connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let handle = handle(arguments)?;
    let (from, table) = (text(arguments, 1, "schema")?, text(arguments, 2, "table")?);
    let changed = sessions.lock()?.diff(connection, handle, from, table)?;
    Ok(changed.map_or(Value::Null, |changed| Value::Integer(changed as i64)))
}

/// What a JSON argument says.
#[derive(Debug, Default)]
struct Options {
    db: Option<String>,
    table: Option<String>,
    patchset: bool,
    indirect: bool,
    strict: bool,
}

impl Options {
    fn parse(json: Option<&str>, known: &[&str]) -> Result<Self, FunctionError> {
        let mut options = Self::default();
        let Some(json) = json else { return Ok(options) };
        let json: Json = serde_json::from_str(json)
            .map_err(|error| FunctionError::new(format!("the options are not JSON: {error}")))?;
        let Json::Object(fields) = json else {
            return Err(FunctionError::new("the options must be a JSON object"));
        };
        for (name, value) in fields {
            let wrong = |expected| {
                FunctionError::new(format!(
                    "the option '{name}' must be {expected}, not {value}"
                ))
            };
            let text = || {
                value
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| wrong("a text"))
            };
            let flag = || value.as_bool().ok_or_else(|| wrong("true or false"));
            match name.as_str() {
                name if !known.contains(&name) => {
                    let known = known.join(", ");
                    return Err(FunctionError::new(format!(
                        "there is no option '{name}'; known: {known}"
                    )));
                }
                "db" => options.db = Some(text()?),
                "table" => options.table = Some(text()?),
                "patchset" => options.patchset = flag()?,
                "indirect" => options.indirect = flag()?,
                _ => options.strict = flag()?,
            }
        }
        Ok(options)
    }
}

/// `session_list`.
struct List(Arc<Sessions>);

impl TableFunction for List {
    fn name(&self) -> &str {
        "session_list"
    }

    fn columns(&self) -> &[Column] {
        const {
            &[
                Column::new("session", "INTEGER"),
                Column::new("db", "TEXT"),
                Column::new("table", "TEXT"),
                Column::new("touched", "INTEGER"),
                Column::new("memory", "INTEGER"),
                Column::new("enabled", "INTEGER"),
                Column::new("indirect", "INTEGER"),
                Column::new("strict", "INTEGER"),
                Column::new("problem", "TEXT"),
            ]
        }
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn rows(&self, _: &Connection<'_>, _: &[Option<Value>]) -> Result<Rows, FunctionError> {
        let rows = self.0.lock()?.list();
        Ok(Box::new(rows.into_iter().map(|row| {
            Ok(vec![
                Value::Integer(row.handle),
                Value::from(row.session.schema),
                row.table.map_or(Value::Null, Value::from),
                Value::Integer(row.touched as i64),
                Value::Integer(row.memory as i64),
                Value::Integer(row.session.enabled.into()),
                Value::Integer(row.session.indirect.into()),
                Value::Integer(row.session.strict.into()),
                row.session.problem.map_or(Value::Null, Value::from),
            ])
        })))
    }
}

/// `session_capture(sql [, json])`.
struct Capture(Arc<Sessions>);

impl TableFunction for Capture {
    fn name(&self) -> &str {
        "session_capture"
    }

    fn columns(&self) -> &[Column] {
        const {
            &[
                Column::new("changeset", "BLOB"),
                Column::argument("sql", "TEXT"),
                Column::argument("options", "TEXT"),
            ]
        }
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn rows(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        let text = |at: usize| match arguments.get(at).and_then(Option::as_ref) {
            Some(Value::Text(text)) => Ok(Some(text.as_str())),
            None | Some(Value::Null) => Ok(None),
            Some(_) => Err(FunctionError::new(
                "session_capture takes a script and JSON, both text",
            )),
        };
        let script =
            text(0)?.ok_or_else(|| FunctionError::new("session_capture needs a script"))?;
        let known = ["db", "table", "patchset", "indirect", "strict"];
        let options = Options::parse(text(1)?, &known)?;
        let changeset = self.run(connection, script, &options)?;
        Ok(Box::new(std::iter::once(Ok(vec![Value::Blob(changeset)]))))
    }
}

impl Capture {
    fn run(
        &self,
        connection: &Connection<'_>,
        script: &str,
        options: &Options,
    ) -> Result<Vec<u8>, FunctionError> {
        let schema = options.db.as_deref().unwrap_or("main");
        let handle = self.0.lock()?.create(connection, schema, options.strict)?;
        let captured = self.capture(connection, script, options, handle);
        self.0.lock()?.delete(connection, handle);
        captured
    }

    fn capture(
        &self,
        connection: &Connection<'_>,
        script: &str,
        options: &Options,
        handle: i64,
    ) -> Result<Vec<u8>, FunctionError> {
        let kind = if options.patchset {
            Kind::Patchset
        } else {
            Kind::Changeset
        };
        let mut sessions = self.0.lock()?;
        sessions.attach(connection, handle, options.table.as_deref())?;
        sessions.indirect(handle, Some(options.indirect))?;
        drop(sessions);
        connection.exec(script)?;
        Ok(self.0.lock()?.changes(connection, handle, kind)?)
    }
}

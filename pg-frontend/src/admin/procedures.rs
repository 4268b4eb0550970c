//! The procedure API: create, list, call, drop. What it does, the extension's SQL functions do.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use metrics::counter;
use rusqlite::ffi::ErrorCode;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use serde_json::{Value as Node, json};
use tokio::sync::Semaphore;

use super::Office;
use super::answer::{Failure, Object};
use crate::error::PgError;
use crate::server::clock;

/// The header that names the database; without it, it is the one of the settings.
const DATABASE: &str = "x-mindb-database";

type Answer = Result<(StatusCode, Json<Node>), Failure>;

/// Calls that have not come to their turn yet wait here.
static SEATS: Semaphore = Semaphore::const_new(super::SEATS);

/// `POST /procedures`
pub(super) async fn create(
    State(office): State<Arc<Office>>,
    headers: HeaderMap,
    Object(mut body): Object,
) -> Answer {
    let mut take = |key: &str| match body.remove(key) {
        Some(Node::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(Failure::bad_request(format!(
            "\"{key}\" should be a text that is not empty"
        ))),
        None => Err(Failure::bad_request(format!("\"{key}\" is missing"))),
    };
    let (name, module) = (take("name")?, take("wasm_base64")?);
    let module = BASE64
        .decode(module.trim_end())
        .map_err(|error| Failure::bad_request(format!("\"wasm_base64\" is not base64: {error}")))?;
    let replaces = body.get("replace") == Some(&Node::Bool(true));
    let definition = Node::Object(body).to_string();
    run(office, headers, "create", name, move |connection, name| {
        if !replaces && find(connection, name)?.is_some() {
            let message =
                format!("procedure '{name}' exists already; to replace it, say \"replace\": true");
            return Err(Failure::new(
                StatusCode::CONFLICT,
                "ALREADY_EXISTS",
                message,
            ));
        }
        connection
            .query_row(
                "SELECT proc_create(?1, ?2, ?3)",
                (name, module, definition),
                |_| Ok(()),
            )
            .map_err(|error| failed(&error, StatusCode::BAD_REQUEST))?;
        let reply = json!({"name": name, "message": "Procedure created successfully"});
        Ok((StatusCode::CREATED, reply))
    })
    .await
}

/// `GET /procedures`
pub(super) async fn list(State(office): State<Arc<Office>>, headers: HeaderMap) -> Answer {
    run(office, headers, "list", String::new(), |connection, _| {
        let listed = connection.prepare(
            "SELECT name, language, params, return_type, description, created_at, updated_at
             FROM proc_list WHERE schema = 'main' ORDER BY name",
        );
        let procedures: rusqlite::Result<Vec<Node>> = listed.and_then(|mut statement| {
            let rows = statement.query_map([], |row| {
                let params: Option<String> = row.get(2)?;
                let params = params.and_then(|text| serde_json::from_str::<Node>(&text).ok());
                Ok(json!({
                    "name": row.get::<_, String>(0)?,
                    "language": row.get::<_, Option<String>>(1)?,
                    "params": params.unwrap_or_else(|| json!([])),
                    "return_type": row.get::<_, Option<String>>(3)?,
                    "description": row.get::<_, Option<String>>(4)?,
                    "created_at": row.get::<_, Option<String>>(5)?,
                    "updated_at": row.get::<_, Option<String>>(6)?,
                }))
            })?;
            rows.collect()
        });
        let procedures =
            procedures.map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))?;
        let reply = json!({"count": procedures.len(), "procedures": procedures});
        Ok((StatusCode::OK, reply))
    })
    .await
}

/// `DELETE /procedures/{name}`
pub(super) async fn remove(
    State(office): State<Arc<Office>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    run(office, headers, "drop", name, |connection, name| {
        let dropped: i64 = connection
            .query_row("SELECT proc_drop(?1)", [name], |row| row.get(0))
            .map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))?;
        if dropped == 0 {
            return Err(not_found());
        }
        let reply = json!({"name": name, "message": "Procedure dropped successfully"});
        Ok((StatusCode::OK, reply))
    })
    .await
}

/// `POST /procedures/{name}/call`
pub(super) async fn call(
    State(office): State<Arc<Office>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Object(mut body): Object,
) -> Answer {
    let given = match body.remove("args") {
        Some(Node::Array(given)) => given,
        None | Some(Node::Null) => Vec::new(),
        Some(_) => return Err(Failure::bad_request("\"args\" should be an array")),
    };
    if let Some(key) = body.keys().next() {
        return Err(Failure::bad_request(format!(
            "there is nothing called \"{key}\" in a call; it has \"args\""
        )));
    }
    run(office, headers, "call", name, move |connection, name| {
        let procedure = find(connection, name)?.ok_or_else(not_found)?;
        let arguments = procedure.arguments(given)?;
        let result = procedure.call(connection, name, &arguments)?;
        Ok((StatusCode::OK, json!({"result": result})))
    })
    .await
}

/// Runs the body of a request on a connection to its database, and says how long it took, in the
/// reply and in the log.
async fn run<F>(
    office: Arc<Office>,
    headers: HeaderMap,
    what: &'static str,
    procedure: String,
    body: F,
) -> Answer
where
    F: FnOnce(&Connection, &str) -> Result<(StatusCode, Node), Failure> + Send + 'static,
{
    let begun = clock::monotonic();
    let work = move || {
        let database = match headers.get(DATABASE) {
            Some(name) => name.to_str().unwrap_or_default().to_owned(),
            None => office.database.clone(),
        };
        let answer = office
            .databases
            .reuse(&database)
            .map_err(|error| no_connection(&error))
            .and_then(|connection| {
                let answer = body(&connection, &procedure);
                office.databases.give_back(&database, connection);
                answer
            });
        let latency = clock::monotonic().saturating_duration_since(begun);
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        let status = if answer.is_ok() { "ok" } else { "error" };
        if what == "call" {
            counter!("pg_procedure_calls_total", "status" => status).increment(1);
        }
        let error = answer
            .as_ref()
            .err()
            .map(|failure| failure.message.as_str());
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            what,
            procedure,
            database,
            status,
            error,
            latency_us,
            "procedure API"
        );
        let (status, mut reply) = answer?;
        reply["latency_ms"] = latency_ms.into();
        Ok((status, Json(reply)))
    };
    let seat = SEATS.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    drop(seat);
    done.unwrap_or_else(|error| {
        Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            error.to_string(),
        ))
    })
}

/// What a call needs to know of a procedure.
struct Procedure {
    kind: String,
    /// The declared types of its parameters.
    params: Vec<String>,
    return_type: String,
}

fn find(connection: &Connection, name: &str) -> Result<Option<Procedure>, Failure> {
    let found = connection
        .prepare_cached("SELECT kind, params, return_type FROM proc_list WHERE name = ?1 COLLATE NOCASE AND schema = 'main'")
        .and_then(|mut statement| {
            let row = |row: &rusqlite::Row<'_>| {
                let params: Option<String> = row.get(1)?;
                let params = params.and_then(|text| serde_json::from_str::<Vec<Node>>(&text).ok());
                let declared = |param: &Node| param["data_type"].as_str().unwrap_or_default().to_ascii_uppercase();
                Ok(Procedure {
                    kind: row.get(0)?,
                    params: params.unwrap_or_default().iter().map(declared).collect(),
                    return_type: row.get::<_, Option<String>>(2)?.unwrap_or_default().to_ascii_uppercase(),
                })
            };
            statement.query_row([name], row).optional()
        });
    found.map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))
}

fn is_bytes(declared: &str) -> bool {
    matches!(declared, "BLOB" | "BYTES")
}

impl Procedure {
    /// JSON as SQLite's values. Bytes are base64, where a parameter is declared so.
    fn arguments(&self, given: Vec<Node>) -> Result<Vec<Value>, Failure> {
        let one = |(at, node): (usize, Node)| {
            let declared = self.params.get(at).map_or("", String::as_str);
            Ok(match node {
                Node::Null => Value::Null,
                Node::Bool(on) => Value::Integer(on.into()),
                Node::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(integer), _) => Value::Integer(integer),
                    (None, Some(real)) if !number.is_u64() => Value::Real(real),
                    _ => {
                        return Err(Failure::bad_request(format!(
                            "args[{at}] is {number}, beyond 64 bits"
                        )));
                    }
                },
                Node::String(text) if is_bytes(declared) => {
                    let bytes = BASE64.decode(&text).map_err(|error| {
                        Failure::bad_request(format!(
                            "args[{at}] is declared {declared} and is not base64: {error}"
                        ))
                    })?;
                    Value::Blob(bytes)
                }
                Node::String(text) => Value::Text(text),
                node => Value::Text(node.to_string()),
            })
        };
        given.into_iter().enumerate().map(one).collect()
    }

    fn call(
        &self,
        connection: &Connection,
        name: &str,
        arguments: &[Value],
    ) -> Result<Node, Failure> {
        let places: String = (2..arguments.len() + 2)
            .map(|at| format!(", ?{at}"))
            .collect();
        let sql = match self.kind.as_str() {
            "scalar" => format!("SELECT proc_call(?1{places})"),
            "table" => format!("SELECT value FROM proc_rows(?1{places})"),
            kind => {
                return Err(Failure::bad_request(format!(
                    "procedure '{name}' is of the kind {kind}, which is called from SQL only"
                )));
            }
        };
        let name = Value::Text(name.to_owned());
        let values = || params_from_iter(std::iter::once(&name).chain(arguments));
        let mut statement = connection
            .prepare_cached(&sql)
            .map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))?;
        let result = if self.kind == "table" {
            statement
                .query_map(values(), |row| Ok(row_node(row.get_ref(0)?)))
                .and_then(Iterator::collect)
                .map(Node::Array)
        } else {
            statement.query_row(values(), |row| Ok(self.node(row.get_ref(0)?)))
        };
        result.map_err(|error| failed(&error, StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// A result as JSON, by its declared type.
    fn node(&self, value: ValueRef<'_>) -> Node {
        match (value, self.return_type.as_str()) {
            (ValueRef::Integer(integer), "BOOL" | "BOOLEAN") => (integer != 0).into(),
            (ValueRef::Text(text), "JSON") => {
                serde_json::from_slice(text).unwrap_or_else(|_| plain(value))
            }
            _ => plain(value),
        }
    }
}

/// A row of a table procedure: the value of its only column, or an array.
fn row_node(value: ValueRef<'_>) -> Node {
    match value {
        ValueRef::Text(text) if text.starts_with(b"[") => {
            serde_json::from_slice(text).unwrap_or_else(|_| plain(value))
        }
        _ => plain(value),
    }
}

/// A value as JSON: bytes as base64, what is no number of JSON's as null.
fn plain(value: ValueRef<'_>) -> Node {
    match value {
        ValueRef::Null => Node::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) => real.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => BASE64.encode(bytes).into(),
    }
}

/// As the specification has it.
fn not_found() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "INTERNAL_ERROR",
        "procedure not found",
    )
}

fn no_connection(error: &PgError) -> Failure {
    match error.code {
        "3D000" => Failure::new(
            StatusCode::NOT_FOUND,
            "DATABASE_NOT_FOUND",
            error.message.clone(),
        ),
        _ => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            error.message.clone(),
        ),
    }
}

/// What SQLite said, with the status for it; `otherwise` where nothing else fits.
fn failed(error: &rusqlite::Error, otherwise: StatusCode) -> Failure {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    let (status, code) = match error.sqlite_error_code() {
        Some(ErrorCode::TypeMismatch) => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (StatusCode::CONFLICT, "CONFLICT")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull) => {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
        }
        _ if otherwise == StatusCode::BAD_REQUEST => (otherwise, "BAD_REQUEST"),
        _ => (otherwise, "INTERNAL_ERROR"),
    };
    Failure::new(status, code, message)
}

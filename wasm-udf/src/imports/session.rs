//! `sqlbridge:procedures/session`: change capture for components, on the calling connection. It is
//! the `session_` functions of SQL; in a build without them every call is an error.

use sqlite_abi::{Connection, Error, Value};
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::sqlproxy::on_connection;
use crate::guest::Guest;

/// The interface of `guests/procedures/wit/sqlbridge.wit`.
pub(super) const SESSION: &str = "sqlbridge:procedures/session";

type Context<'a> = StoreContextMut<'a, Guest>;

/// An error of SQLite as a component sees it.
#[derive(
    Debug,
    Clone,
    wasmtime::component::ComponentType,
    wasmtime::component::Lift,
    wasmtime::component::Lower,
)]
#[component(record)]
struct SqliteError {
    #[component(name = "code")]
    code: i32,
    #[component(name = "extended-code")]
    extended_code: i32,
    #[component(name = "message")]
    message: String,
}

impl From<Error> for SqliteError {
    fn from(error: Error) -> Self {
        Self {
            code: error.code.0 & 0xff,
            extended_code: error.code.0,
            message: error.message,
        }
    }
}

type Answer<T> = Result<T, SqliteError>;

/// Defines one function of the interface.
pub(super) fn define(
    target: &mut LinkerInstance<'_, Guest>,
    function: &str,
) -> wasmtime::Result<()> {
    match function {
        "create" => target.func_wrap(function, |context: Context<'_>, (db,): (String,)| {
            let handle = call(context, "SELECT session_create(?1)", vec![db.into()])?;
            Ok((handle.map(|handle| integer(&handle).cast_unsigned()),))
        }),
        "attach" => target.func_wrap(
            function,
            |context: Context<'_>, (handle, table): (u64, Option<String>)| {
                let arguments = vec![Value::Integer(handle.cast_signed()), table.into()];
                let done = call(context, "SELECT session_attach(?1, ?2)", arguments)?;
                Ok((done.map(drop),))
            },
        ),
        "changeset" => target.func_wrap(function, |context: Context<'_>, (handle,): (u64,)| {
            let arguments = vec![Value::Integer(handle.cast_signed())];
            let changeset = call(context, "SELECT session_changeset(?1)", arguments)?;
            Ok((changeset.map(bytes),))
        }),
        "delete" => target.func_wrap(function, |context: Context<'_>, (handle,): (u64,)| {
            let arguments = vec![Value::Integer(handle.cast_signed())];
            let done = call(context, "SELECT session_delete(?1)", arguments)?;
            Ok((done.map(drop),))
        }),
        _ => Ok(()),
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(integer) => *integer,
        _ => 0,
    }
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Blob(bytes) => bytes,
        _ => Vec::new(),
    }
}

/// The value of a statement of ours, within the limits of the call.
fn call(
    mut context: Context<'_>,
    sql: &'static str,
    arguments: Vec<Value>,
) -> wasmtime::Result<Answer<Value>> {
    on_connection(context.data_mut(), |_, lent| {
        let value = lent.with(|connection| value(connection, sql, &arguments));
        value.flatten().map_err(SqliteError::from)
    })
}

fn value(connection: &Connection<'_>, sql: &str, arguments: &[Value]) -> Result<Value, Error> {
    let mut statement = connection.prepare(sql)?;
    statement.bind_all(arguments)?;
    statement.step()?;
    statement.column(0)
}

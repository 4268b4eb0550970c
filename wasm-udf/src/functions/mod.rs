//! The SQL surface: registration, and what the functions share.
//!
//! | module | functions |
//! | --- | --- |
//! | `manage` | `proc_create`, `proc_drop` |
//! | `scalar` | `proc_call`, and scalar procedures by name |
//! | `aggregate` | aggregate and window procedures by name |
//! | `rows` | `proc_rows`, and table procedures by name |
//! | `list` | `proc_list` |

pub(crate) mod aggregate;
mod list;
mod manage;
pub(crate) mod rows;
pub(crate) mod scalar;

use std::sync::Arc;

use sqlite_abi::{Connection, ConnectionId, Extension, ValueRef};

use crate::catalog;
use crate::error::{Error, Result};
use crate::guest::Spent;
use crate::instance::{Instance, Sink};
use crate::names;
use crate::procedure::Procedure;
use crate::process::Process;
use crate::serve;
use crate::signature::{Isolation, Kind};
use crate::stats::Count;

/// Makes procedures known to a connection. `E` is the extension that is registered, whose other
/// connections learn of new procedures.
///
/// # Errors
/// A sentence.
pub fn register<E: Extension>(connection: &Connection<'_>) -> std::result::Result<(), String> {
    let process = Process::current();
    let registered = manage::register::<E>(connection)
        .and_then(|()| connection.create_table_function(list::List))
        .and_then(|()| connection.create_table_function(rows::ProcRows::new()))
        .and_then(|()| serve::register(connection))
        .and_then(|()| scalar::register(connection, names::open(&process, connection)));
    registered.map_err(|error| error.message)
}

/// One function, for the reference and its test.
#[derive(Debug, Clone, Copy)]
pub struct FunctionDoc {
    /// Name with arguments.
    pub signature: &'static str,
    /// What it returns.
    pub returns: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All functions.
pub const FUNCTIONS: &[FunctionDoc] = &[
    doc(
        "proc_create(name, module [, definition])",
        "the name",
        "stores a WebAssembly module (a blob, or base64 text) as a procedure; the definition is JSON",
    ),
    doc(
        "proc_call(name, …)",
        "what it returns",
        "calls a scalar procedure with the arguments that follow the name",
    ),
    doc(
        "proc_rows(name, …)",
        "table: value",
        "the rows of a table procedure: the value of its only column, else a JSON array of the row",
    ),
    doc(
        "proc_drop(name)",
        "1, or 0",
        "removes a procedure; 0 if there is none",
    ),
    doc(
        "proc_list",
        "table: name, kind, language, params, return_type, description, created_at, updated_at, size, calls, errors, total_ms, max_ms, schema, definition",
        "the procedures of all databases of the connection; counts and times are this process's",
    ),
    doc(
        "sqlproxy_serve(module [, options])",
        "table: stream, line",
        "runs a program; the module is a blob, the name of a stored guest, or a path; the options are JSON",
    ),
    doc(
        "sqlproxy_run(module [, options])",
        "what it wrote to standard output",
        "the same to its end, as one value, without the last end of a line; a trap or an exit status other than 0 is an error",
    ),
    doc(
        "sqlproxy_request(table, request)",
        "the answer",
        "hands the program of a virtual table a request, in a statement that need not read the table",
    ),
    doc(
        "sqlbridge_modules(directory)",
        "the directory",
        "allows this process to run programs from files in a directory",
    ),
];

const fn doc(signature: &'static str, returns: &'static str, meaning: &'static str) -> FunctionDoc {
    FunctionDoc {
        signature,
        returns,
        meaning,
    }
}

/// A procedure within a statement: looked up and instantiated once, called for each row.
#[derive(Debug)]
pub(crate) struct Running {
    process: Arc<Process>,
    pub(crate) procedure: Arc<Procedure>,
    count: Arc<Count>,
    /// Time in all its instances.
    spent: Arc<Spent>,
    instance: Option<Instance>,
}

impl Running {
    /// Looks a procedure up.
    ///
    /// # Errors
    /// There is none, it is not of these kinds, or it is broken.
    pub(crate) fn start(connection: &Connection<'_>, name: &str, kinds: &[Kind]) -> Result<Self> {
        let process = Process::current();
        let stored = catalog::find(connection, name)?;
        names::learn(&process, connection, &stored);
        let procedure = process.procedures.get(&process, connection, &stored)?;
        procedure.must_be(kinds)?;
        let database = database(connection, &stored.schema);
        let count = process.counts.of(&database, &stored.name);
        Ok(Self {
            process,
            procedure,
            count,
            spent: Arc::default(),
            instance: None,
        })
    }

    /// Refuses what SQLite overlooks (see `trust` in `sqlite-abi`): that the schema calls a
    /// procedure that queries, or with `trusted_schema=OFF` any. Temporary views and triggers are
    /// the user's own.
    ///
    /// # Errors
    /// `Untrusted`.
    pub(crate) fn must_be_written(
        &self,
        connection: &Connection<'_>,
        function: &str,
    ) -> Result<()> {
        let queries = self.procedure.signature.sql.is_some();
        if (connection.trusts_schema() && !queries) || connection.is_written(function) {
            return Ok(());
        }
        if !queries && catalog::is_temporary(connection, function)? {
            return Ok(());
        }
        Err(Error::Untrusted {
            function: function.to_owned(),
        })
    }

    /// Runs `body` with the statement's instance. After an error the instance is thrown away:
    /// nobody knows what state it is in.
    pub(crate) fn with_instance<R>(
        &mut self,
        connection: &Connection<'_>,
        body: impl FnOnce(&mut Instance) -> Result<R>,
    ) -> Result<R> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                self.procedure
                    .instantiate(&self.process, connection, &self.count, &self.spent)?
            }
        };
        let result = body(&mut instance);
        if result.is_ok() && self.procedure.signature.isolation == Isolation::Statement {
            self.instance = Some(instance);
        }
        result
    }

    /// Calls a scalar procedure.
    pub(crate) fn scalar<'v>(
        &mut self,
        connection: &Connection<'_>,
        count: usize,
        arguments: impl Fn(usize) -> ValueRef<'v>,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.procedure.must_take(count)?;
        self.with_instance(connection, |instance| {
            instance.scalar(connection, arguments, sink)
        })
    }

    /// Whether there is an instance that still works.
    pub(crate) fn has_instance(&self) -> bool {
        self.instance.is_some()
    }
}

/// What counts are kept by: the file, or for a database without one the connection.
pub(crate) fn database(connection: &Connection<'_>, schema: &str) -> String {
    match connection.filename(schema) {
        Some(path) if !path.is_empty() => path,
        _ => unnamed(connection.id()) + schema,
    }
}

/// How the names of a connection's databases without a file begin.
pub(crate) fn unnamed(connection: ConnectionId) -> String {
    format!("{connection:?} ")
}

/// The subtype of JSON text: <https://www.sqlite.org/json1.html>.
pub(crate) const JSON_SUBTYPE: u8 = b'J';

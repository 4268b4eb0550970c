//! Programs inside the database: `sqlproxy_serve`.
//!
//! | module | what |
//! | --- | --- |
//! | `options` | how a program is run |
//! | `program`, `paths` | its module: found, compiled, fitted |
//! | `command`, [`turns`] | one that runs to its end, its lines as they come |
//! | `reactor`, `pool` | one that is kept and answers requests |
//!
//! As a table function it runs a command. As a virtual table it keeps a reactor: each row that is
//! asked for is a request.

mod command;
pub mod options;
mod paths;
mod pool;
mod program;
mod reactor;
pub(crate) mod turns;

use std::sync::{Arc, Mutex};

use sqlite_abi::{
    Column, Connection, Declaration, FunctionError, FunctionFlags, Lent, Scan, TableFunction,
    Value, ValueRef,
};

use self::command::Command;
use self::options::{Declared, Module, Options};
use self::pool::Pool;
pub(crate) use self::pool::Pools;
use self::program::Program;
pub(crate) use self::program::{Programs, check};
use self::reactor::Reactor;
use crate::error::{Error, Result};
use crate::guest::Role;
use crate::imports::Offer;
use crate::names;
use crate::process::{Process, TICK, lock};
use crate::signature::SqlGrant;
use crate::sqlproxy::{Grant, Proxy, Warm};
use crate::world::Response;

/// The name of the function, and of the kind of tables.
const NAME: &str = "sqlproxy_serve";

/// Makes the function, and the tables, known to a connection.
///
/// # Errors
/// SQLite's.
pub(crate) fn register(connection: &Connection<'_>) -> std::result::Result<(), sqlite_abi::Error> {
    connection.create_table_function(Serve(Kind::Function))?;
    let flags = FunctionFlags::DIRECTONLY;
    connection.create_scalar("sqlbridge_modules", 1, flags, |_, arguments| {
        let Some(directory) = arguments.text(0)? else {
            return Err("sqlbridge_modules needs a directory, whose modules may be run".into());
        };
        Process::current().programs.paths.allow(directory)?;
        Ok(Value::from(directory))
    })
}

struct Serve(Kind);

enum Kind {
    Function,
    Table(Box<Table>),
}

static FUNCTION_COLUMNS: [Column; 4] = [
    Column::new("stream", "TEXT"),
    Column::new("line", "TEXT"),
    Column::argument("module", ""),
    Column::argument("options", "TEXT"),
];

static TABLE_COLUMNS: [Column; 2] = [Column::new("response", ""), Column::argument("request", "")];

impl TableFunction for Serve {
    const DECLARABLE: bool = true;

    fn name(&self) -> &str {
        match &self.0 {
            Kind::Function => NAME,
            Kind::Table(table) => &table.name,
        }
    }

    fn columns(&self) -> &[Column] {
        match &self.0 {
            Kind::Function => &FUNCTION_COLUMNS,
            Kind::Table(_) => &TABLE_COLUMNS,
        }
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn declare(
        &self,
        connection: &Connection<'_>,
        declaration: &Declaration<'_>,
    ) -> std::result::Result<Self, FunctionError> {
        let table = Table::new(connection, declaration);
        if declaration.is_new {
            // What is wrong is said now. Later it is said when the table is used, so that a table
            // can always be dropped.
            let process = Process::current();
            table.program(&process, connection)?;
        }
        Ok(Self(Kind::Table(Box::new(table))))
    }

    fn scan(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> std::result::Result<Box<dyn Scan>, FunctionError> {
        connection.lend(|lent| self.scan_lent(lent, arguments))
    }

    fn scan_lent(
        &self,
        lent: &Lent,
        arguments: &[Option<Value>],
    ) -> std::result::Result<Box<dyn Scan>, FunctionError> {
        match &self.0 {
            Kind::Function => Ok(Box::new(
                lent.with(|connection| run(connection, arguments))??,
            )),
            Kind::Table(table) => {
                let Some(Some(request)) = arguments.first() else {
                    return Err(format!(
                        "{} answers requests: SELECT response FROM {} WHERE request = '…'",
                        table.name, table.name
                    )
                    .into());
                };
                let response = table.request(lent, request.as_ref())?;
                Ok(Box::new(Answer::new(response)?))
            }
        }
    }

    fn insert(&self, lent: &Lent, row: &[Value]) -> std::result::Result<(), FunctionError> {
        let Kind::Table(table) = &self.0 else {
            return Err(
                "sqlproxy_serve takes no rows; CREATE VIRTUAL TABLE makes a table that does".into(),
            );
        };
        let [Value::Null, request] = row else {
            return Err(format!(
                "{} takes requests: INSERT INTO {}(request) VALUES ('…')",
                table.name, table.name
            )
            .into());
        };
        let response = table.request(lent, request.as_ref())?;
        Answer::new(response).map(drop)
    }

    fn dropped(&self) {
        if let Kind::Table(table) = &self.0 {
            let key = &table.name.to_ascii_lowercase();
            Process::current().pools.remove(&table.database, key);
        }
    }
}

// Commands ----------------------------------------------------------------------------------

/// Starts a command.
fn run(
    connection: &Connection<'_>,
    arguments: &[Option<Value>],
) -> std::result::Result<Command, FunctionError> {
    let module = match arguments.first() {
        Some(Some(Value::Blob(bytes))) => Module::Bytes(bytes.clone()),
        Some(Some(Value::Text(name))) => Module::Named(name.clone()),
        Some(Some(Value::Null)) => return Err("the module is NULL; was the file read?".into()),
        _ => {
            return Err(
                "sqlproxy_serve needs a module as its first argument: a BLOB, or a TEXT with the name of a stored guest or a path"
                    .into(),
            );
        }
    };
    let options = match arguments.get(1) {
        Some(Some(Value::Text(json))) => Options::parse(json)?,
        Some(Some(Value::Null) | None) | None => Options::parse("{}")?,
        _ => return Err("the options of sqlproxy_serve are JSON text".into()),
    };
    let process = Process::current();
    let offer = Offer {
        role: Role::Command,
        sql: options.sql.is_some(),
    };
    let program = process
        .programs
        .find(&process, connection, None, &module, offer)?;
    let proxy = proxy(&process, &program, &options);
    Ok(Command::new(&process, &program, &options, proxy))
}

/// Gives a guest's way to the database what it needs of the process.
pub(crate) fn connected(process: &Arc<Process>, proxy: Proxy) -> Proxy {
    let (names, watch) = (Arc::clone(process), Arc::clone(process));
    proxy
        .allowing(move |connection, name| names::is_callable(&names, connection, name))
        .watched(move |lent, deadline, body| {
            // A little later, so that a statement that gives rows is given up between two of them,
            // where nothing else is harmed. A loan that is over is an error of the body's own.
            let _ = lent.with(|connection| {
                connection.with_interrupter(|interrupter| {
                    watch.watch(deadline + 2 * TICK, interrupter).during(body);
                })
            });
        })
}

/// The program's way to the database, where it has one.
fn proxy(process: &Arc<Process>, program: &Program, options: &Options) -> Option<Proxy> {
    let grant = match options.sql? {
        SqlGrant::Read => Grant::Read,
        SqlGrant::Write => Grant::Write,
    };
    let proxy = connected(process, Proxy::new(&*program.title, grant, options.limits));
    // Another program may change the database, so only who may do so himself can use one.
    Some(match grant {
        Grant::Read => proxy,
        Grant::Write => proxy.with_tables(NAME),
    })
}

// Reactors ----------------------------------------------------------------------------------

/// A virtual table on one connection.
struct Table {
    name: String,
    schema: String,
    /// Its database, as the pools know it.
    database: String,
    declared: std::result::Result<Declared, String>,
    ready: Mutex<Option<Ready>>,
    /// Compiled statements of the program on this connection, while no request uses them.
    warm: Mutex<Option<Warm>>,
}

/// What was found out at the last request.
#[derive(Clone)]
struct Ready {
    process: Arc<Process>,
    changes: u64,
    program: Arc<Program>,
    pool: Arc<Pool>,
}

impl Table {
    fn new(connection: &Connection<'_>, declaration: &Declaration<'_>) -> Self {
        Self {
            name: declaration.table.to_owned(),
            schema: declaration.schema.to_owned(),
            database: pool::identity(connection, declaration.schema),
            declared: Declared::parse(&declaration.arguments),
            ready: Mutex::new(None),
            warm: Mutex::new(None),
        }
    }

    fn declared(&self) -> Result<&Declared> {
        self.declared.as_ref().map_err(|reason| Error::Failed {
            guest: format!("table '{}'", self.name),
            message: reason.clone(),
        })
    }

    fn program(&self, process: &Process, connection: &Connection<'_>) -> Result<Program> {
        let declared = self.declared()?;
        let offer = Offer {
            role: Role::Reactor,
            sql: declared.options.sql.is_some(),
        };
        let schema = Some(self.schema.as_str());
        process
            .programs
            .find(process, connection, schema, &declared.module, offer)
    }

    /// The program and its instances. They are looked for again when a stored guest has changed,
    /// and in a child process.
    fn ready(&self, connection: &Connection<'_>) -> Result<Ready> {
        let process = Process::current();
        let changes = process.programs.changes();
        if let Some(ready) = &*lock(&self.ready)
            && ready.changes == changes
            && Arc::ptr_eq(&ready.process, &process)
        {
            return Ok(ready.clone());
        }
        let program = self.program(&process, connection)?;
        let form = (program.hash, self.declared()?.options.clone());
        let key = self.name.to_ascii_lowercase();
        let pool = process.pools.get(&self.database, &key, form);
        let ready = Ready {
            process,
            changes,
            program: Arc::new(program),
            pool,
        };
        // What a transaction finds may be undone with it, which nobody is told.
        if connection.is_autocommit() {
            *lock(&self.ready) = Some(ready.clone());
        }
        Ok(ready)
    }

    /// Serves a request with an instance of its own.
    fn request(
        &self,
        lent: &Lent,
        request: ValueRef<'_>,
    ) -> std::result::Result<Response, FunctionError> {
        let served = lent.with(|connection| self.serve(connection, lent, request));
        Ok(served??)
    }

    fn serve(
        &self,
        connection: &Connection<'_>,
        lent: &Lent,
        request: ValueRef<'_>,
    ) -> Result<Response> {
        let options = &self.declared()?.options;
        let number;
        let request = match request {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
            ValueRef::Null => return Ok(Response::Null),
            ValueRef::Integer(integer) => {
                number = integer.to_string();
                number.as_bytes()
            }
            ValueRef::Real(real) => {
                number = format!("{real:?}");
                number.as_bytes()
            }
        };
        let Ready {
            process,
            program,
            pool,
            ..
        } = self.ready(connection)?;
        let patience = options.terms.limits.call;
        let (taken, instance) = pool.take(&program.title, connection, patience)?;
        let mut reactor = match instance {
            Some(reactor) => reactor,
            None => {
                let proxy = proxy(&process, &program, options);
                Reactor::new(&process, connection, &program, options, proxy)?
            }
        };
        let mut warm = lock(&self.warm).take();
        let response = reactor.serve(connection, lent, &mut warm, request);
        if let Some(warm) = warm {
            *lock(&self.warm) = Some(warm);
        }
        // An instance that failed is not given back; the next request gets a fresh one.
        let response = response?;
        taken.give_back(reactor);
        Ok(response)
    }
}

/// The one row of a request.
struct Answer {
    value: Value,
    read: bool,
}

impl Answer {
    fn new(response: Response) -> std::result::Result<Self, FunctionError> {
        let value = match response {
            Response::Null => Value::Null,
            Response::Text(text) => match String::from_utf8(text) {
                Ok(text) => Value::Text(text),
                Err(error) => Value::Blob(error.into_bytes()),
            },
            Response::Blob(blob) => Value::Blob(blob),
            Response::Error(message) => return Err(message.into()),
        };
        Ok(Self { value, read: false })
    }
}

impl Scan for Answer {
    fn advance(&mut self, _: &Connection<'_>) -> std::result::Result<bool, FunctionError> {
        Ok(!std::mem::replace(&mut self.read, true))
    }

    fn value(&self, _column: usize) -> ValueRef<'_> {
        self.value.as_ref()
    }
}

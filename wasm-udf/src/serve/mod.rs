//! Programs inside the database: `sqlproxy_serve`.
//!
//! | module | what |
//! | --- | --- |
//! | `options` | how a program is run |
//! | `program`, `paths` | its module: found, compiled, fitted |
//! | `command`, [`turns`] | one that runs to its end, its lines as they come |
//! | `reactor`, `pool` | one that is kept and answers requests |
//! | `table` | the virtual table of such a program |
//! | `scalar` | both as functions of one value |
//!
//! As a table function it runs a command. As a virtual table it keeps a reactor: each row that is
//! asked for is a request.

mod command;
pub mod options;
mod paths;
mod pool;
mod program;
mod reactor;
mod scalar;
mod table;
pub(crate) mod turns;

use std::sync::Arc;

use sqlite_abi::{
    Column, Connection, Declaration, FunctionError, FunctionFlags, Lent, Scan, TableFunction,
    Value, ValueRef,
};

use self::command::Command;
use self::options::{Module, Options};
pub(crate) use self::pool::Pools;
use self::program::Program;
pub(crate) use self::program::{Programs, check};
use self::table::{Table, Tables, value};
use crate::guest::Role;
use crate::imports::Offer;
use crate::names;
use crate::process::{Process, Stack, TICK};
use crate::signature::SqlGrant;
use crate::sqlproxy::{Grant, Proxy};

/// The name of the function, and of the kind of tables.
const NAME: &str = "sqlproxy_serve";

/// Makes the function, and the tables, known to a connection.
///
/// # Errors
/// SQLite's.
pub(crate) fn register(connection: &Connection<'_>) -> std::result::Result<(), sqlite_abi::Error> {
    let tables = Arc::<Tables>::default();
    connection.create_table_function(Serve(Kind::Function(Arc::clone(&tables))))?;
    scalar::register(connection, &tables)?;
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
    /// With the tables that the connection has made of it.
    Function(Arc<Tables>),
    Table(Arc<Table>),
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
            Kind::Function(_) => NAME,
            Kind::Table(table) => &table.name,
        }
    }

    fn columns(&self) -> &[Column] {
        match &self.0 {
            Kind::Function(_) => &FUNCTION_COLUMNS,
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
        let table = Arc::new(Table::new(connection, declaration));
        if declaration.is_new {
            // What is wrong is said now. Later it is said when the table is used, so that a table
            // can always be dropped.
            let process = Process::current();
            table.program(&process, connection, Stack::that_fits())?;
        }
        if let Kind::Function(tables) = &self.0 {
            tables.add(&table);
        }
        Ok(Self(Kind::Table(table)))
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
            Kind::Function(_) => Ok(Box::new(
                lent.with(|connection| run(NAME, connection, arguments))??,
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
                Ok(Box::new(Answer {
                    value: value(response)?,
                    read: false,
                }))
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
        value(response).map(drop)
    }

    fn dropped(&self) {
        if let Kind::Table(table) = &self.0 {
            table.forget();
        }
    }
}

// Commands ----------------------------------------------------------------------------------

/// Starts a command for the function of this name.
fn run(
    function: &str,
    connection: &Connection<'_>,
    arguments: &[Option<Value>],
) -> std::result::Result<Command, FunctionError> {
    let module = match arguments.first() {
        Some(Some(Value::Blob(bytes))) => Module::Bytes(bytes.clone()),
        Some(Some(Value::Text(name))) => Module::Named(name.clone()),
        Some(Some(Value::Null)) => return Err("the module is NULL; was the file read?".into()),
        _ => {
            return Err(format!(
                "{function} needs a module as its first argument: a BLOB, or a TEXT with the name of a stored guest or a path"
            )
            .into());
        }
    };
    let options = match arguments.get(1) {
        Some(Some(Value::Text(json))) => Options::parse(json)?,
        Some(Some(Value::Null) | None) | None => Options::parse("{}")?,
        _ => return Err(format!("the options of {function} are JSON text").into()),
    };
    let process = Process::current();
    let offer = Offer {
        role: Role::Command,
        sql: options.sql.is_some(),
    };
    let program =
        process
            .programs
            .find(&process, connection, None, &module, (offer, Stack::Large))?;
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

/// The one row of a request.
struct Answer {
    value: Value,
    read: bool,
}

impl Scan for Answer {
    fn advance(&mut self, _: &Connection<'_>) -> std::result::Result<bool, FunctionError> {
        Ok(!std::mem::replace(&mut self.read, true))
    }

    fn value(&self, _column: usize) -> ValueRef<'_> {
        self.value.as_ref()
    }
}

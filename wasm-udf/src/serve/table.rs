//! A program that is kept, as a virtual table of one connection; and the tables of a connection.

use std::sync::{Arc, Mutex, Weak};

use sqlite_abi::{Connection, Declaration, FunctionError, Lent, Value, ValueRef};

use super::options::Declared;
use super::pool::{self, Identity, Pool};
use super::program::Program;
use super::proxy;
use super::reactor::Reactor;
use crate::error::{Error, Result};
use crate::guest::Role;
use crate::imports::Offer;
use crate::process::{Process, Stack, lock};
use crate::sqlproxy::Warm;
use crate::world::Response;

/// A virtual table on one connection.
pub(super) struct Table {
    pub(super) name: String,
    schema: String,
    /// Its database, as the pools know it.
    database: String,
    /// Whether nobody else has its pool.
    alone: bool,
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
    pub(super) fn new(connection: &Connection<'_>, declaration: &Declaration<'_>) -> Self {
        let Identity { database, alone } = pool::identity(connection, declaration.schema);
        Self {
            name: declaration.table.to_owned(),
            schema: declaration.schema.to_owned(),
            database,
            alone,
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

    pub(super) fn program(
        &self,
        process: &Process,
        connection: &Connection<'_>,
        stack: Stack,
    ) -> Result<Program> {
        let declared = self.declared()?;
        let offer = Offer {
            role: Role::Reactor,
            sql: declared.options.sql.is_some(),
        };
        let schema = Some(self.schema.as_str());
        process.programs.find(
            process,
            connection,
            schema,
            &declared.module,
            (offer, stack),
        )
    }

    /// The program and its instances. They are looked for again when a stored guest has changed,
    /// in a child process, and on a thread that has more or less stack.
    fn ready(&self, connection: &Connection<'_>) -> Result<Ready> {
        let process = Process::current();
        let changes = process.programs.changes();
        let stack = Stack::that_fits();
        if let Some(ready) = &*lock(&self.ready)
            && ready.changes == changes
            && ready.program.stack == stack
            && Arc::ptr_eq(&ready.process, &process)
        {
            return Ok(ready.clone());
        }
        let program = self.program(&process, connection, stack)?;
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

    /// Serves a request with an instance of its own, on the loan that the table has from SQLite: what
    /// was compiled stays so until the table is closed.
    pub(super) fn request(
        &self,
        lent: &Lent,
        request: ValueRef<'_>,
    ) -> std::result::Result<Response, FunctionError> {
        let mut warm = lock(&self.warm).take();
        let served = lent.with(|connection| self.serve(connection, lent, &mut warm, request));
        if let Some(warm) = warm {
            *lock(&self.warm) = Some(warm);
        }
        Ok(served??)
    }

    /// The same on any loan. Nothing is kept compiled: the program may drop this very table.
    pub(super) fn request_once(
        &self,
        lent: &Lent,
        request: ValueRef<'_>,
    ) -> std::result::Result<Response, FunctionError> {
        let served = lent.with(|connection| self.serve(connection, lent, &mut None, request));
        Ok(served??)
    }

    /// Nobody will use the table's instances again.
    pub(super) fn forget(&self) {
        let key = &self.name.to_ascii_lowercase();
        Process::current().pools.remove(&self.database, key);
    }

    fn serve(
        &self,
        connection: &Connection<'_>,
        lent: &Lent,
        warm: &mut Option<Warm>,
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
        let (taken, instance) = pool.take(&program, connection, patience)?;
        let mut reactor = match instance {
            Some(reactor) => reactor,
            None => {
                process.pools.make_room();
                let proxy = proxy(&process, &program, options);
                Reactor::new(&process, connection, &program, options, proxy)?
            }
        };
        // An instance that failed is not given back; the next request gets a fresh one.
        let response = reactor.serve(connection, lent, warm, request)?;
        taken.give_back(reactor);
        Ok(response)
    }
}

impl Drop for Table {
    /// What a database without a file has of instances goes with it.
    fn drop(&mut self) {
        if self.alone {
            self.forget();
        }
    }
}

/// What a request gives to SQL.
///
/// # Errors
/// The program's own.
pub(super) fn value(response: Response) -> std::result::Result<Value, FunctionError> {
    Ok(match response {
        Response::Null => Value::Null,
        Response::Text(text) => text_or_blob(text),
        Response::Blob(blob) => Value::Blob(blob),
        Response::Error(message) => return Err(message.into()),
    })
}

/// Text, if it is some.
pub(super) fn text_or_blob(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Blob(error.into_bytes()),
    }
}

/// The tables that a connection has open, by which a function finds one.
#[derive(Default)]
pub(super) struct Tables(Mutex<Vec<Weak<Table>>>);

impl Tables {
    /// SQLite has made a table, or read it from the schema.
    pub(super) fn add(&self, table: &Arc<Table>) {
        let mut tables = lock(&self.0);
        tables.retain(|table| table.strong_count() > 0);
        tables.push(Arc::downgrade(table));
    }

    /// The newest of this name: SQLite may keep an older one for statements that still run.
    pub(super) fn get(&self, schema: &str, name: &str) -> Option<Arc<Table>> {
        let tables = lock(&self.0);
        tables.iter().rev().filter_map(Weak::upgrade).find(|table| {
            table.schema.eq_ignore_ascii_case(schema) && table.name.eq_ignore_ascii_case(name)
        })
    }
}

//! Connections, and statements that were prepared on them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::many;
use crate::params::Params;
use crate::protocol::{Answer, Columns, Request, needed};
use crate::rows::{Mapped, Row, Rows};
use crate::transaction::{Behavior, Transaction};
use crate::transport::{Host, Transport};

/// Rows that are asked for at a time, unless it is said otherwise.
const FETCH: u32 = 256;

/// A connection to the database that runs this program. What happens on it is part of the
/// transaction of the statement that runs the program, if there is one.
///
/// Connections of one program share that one connection of the host; while one has a
/// [transaction](Self::transaction) open, the others get `SQLITE_BUSY`.
#[derive(Debug)]
pub struct Connection {
    transport: Box<dyn Transport>,
    id: i64,
    timeout: Cell<Option<Duration>>,
    fetch: Cell<u32>,
    last_insert_rowid: Cell<i64>,
    /// The innermost open transaction. The host is told with each request, and refuses it if that
    /// is not so: nothing happens outside of a transaction that was believed to be in it.
    pub(crate) transaction: Cell<Option<i64>>,
}

/// What a statement is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Sql(&'a str),
    Prepared(i64),
}

impl Connection {
    /// A connection to the host.
    pub fn open() -> Self {
        Self::with_transport(Host)
    }

    /// A connection to something else that speaks the host interface: for tests.
    pub fn with_transport(transport: impl Transport + 'static) -> Self {
        static NEXT: AtomicI64 = AtomicI64::new(0);
        Self {
            transport: Box::new(transport),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            timeout: Cell::new(None),
            fetch: Cell::new(FETCH),
            last_insert_rowid: Cell::new(0),
            transaction: Cell::new(None),
        }
    }

    /// The most time that each request may take from now on: a statement, or the next rows of one.
    /// Then it is stopped with `SQLITE_INTERRUPT`, and the program goes on. If SQLite has to be
    /// stopped within one of its steps, before the next row, the statement that runs the program
    /// is stopped with it. Without a timeout, the time limit of the program as a whole counts.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        self.timeout.set(timeout);
    }

    /// How many rows queries ask for at a time, at least 1. The memory that a query takes is that of
    /// so many rows.
    pub fn set_fetch(&self, rows: u32) {
        self.fetch.set(rows.max(1));
    }

    /// Runs a statement and drops its rows; returns how many rows it changed.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<u64> {
        self.run(Source::Sql(sql), params)
    }

    /// Runs a statement for each of many rows of values, and keeps all that it changes or nothing;
    /// returns how many rows it changed. Rows are sent many at a time, which is several times faster
    /// than one by one.
    ///
    /// # Errors
    /// SQLite's, with the number of the row, and the host's: what was changed is undone then.
    pub fn execute_many<P: Params>(
        &self,
        sql: &str,
        rows: impl IntoIterator<Item = P>,
    ) -> Result<u64> {
        many::execute(self, Source::Sql(sql), rows)
    }

    /// The rowid of the last row that [`execute`](Self::execute) inserted.
    pub fn last_insert_rowid(&self) -> i64 {
        self.last_insert_rowid.get()
    }

    /// The rows of a statement, one by one.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn query(&self, sql: &str, params: impl Params) -> Result<Rows<'_>> {
        self.rows(Source::Sql(sql), params, self.fetch.get())
    }

    /// What `read` makes of each row of a statement.
    ///
    /// # Errors
    /// SQLite's, and the host's; those of `read` are items of the iterator.
    pub fn query_map<T, F: FnMut(&Row<'_>) -> Result<T>>(
        &self,
        sql: &str,
        params: impl Params,
        read: F,
    ) -> Result<Mapped<'_, F>> {
        Ok(Mapped::new(self.query(sql, params)?, read))
    }

    /// What `read` makes of the first row of a statement.
    ///
    /// # Errors
    /// [`Error::NoRows`] if there is none, see [`Optional`]; SQLite's, the host's and those of `read`.
    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        first(self.rows(Source::Sql(sql), params, 1)?, read)
    }

    /// All rows of a statement, each as a `T`: a struct with the columns as fields, a tuple of all
    /// columns, or the value of the only one.
    ///
    /// # Errors
    /// SQLite's, the host's, and rows that do not fit `T`.
    pub fn query_as<T: DeserializeOwned>(&self, sql: &str, params: impl Params) -> Result<Vec<T>> {
        self.query_map(sql, params, |row| row.to())?.collect()
    }

    /// Compiles a statement. For speed alone there is no need to: the host keeps statements that
    /// were used compiled.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        let mut request = self.request("prepare");
        request.field("sql").text(sql);
        let answer = Answer::parse(&self.call(request))?;
        Ok(Statement {
            connection: self,
            id: needed(answer.statement, "stmt_id")?,
            parameters: answer.parameters,
            columns: Rc::new(answer.columns),
            read_only: answer.read_only,
        })
    }

    /// Statements that are sent to the host at once.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Begins a transaction that takes its locks when it needs them. Inside of a transaction of the
    /// program's caller it is a savepoint.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        self.transaction_with(Behavior::Deferred)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn transaction_with(&mut self, behavior: Behavior) -> Result<Transaction<'_>> {
        Transaction::begin(self, behavior)
    }

    /// The version of SQLite.
    ///
    /// # Errors
    /// The host's.
    pub fn sqlite_version(&self) -> Result<String> {
        needed(
            Answer::parse(&self.call(self.request("ping")))?.sqlite,
            "sqlite",
        )
    }

    /// A request with what all of this connection's have.
    pub(crate) fn request(&self, command: &str) -> Request {
        let mut request = Request::new(command);
        request.field("conn_id").integer(self.id);
        if let Some(timeout) = self.timeout.get() {
            let milliseconds = timeout.as_millis().max(1).try_into().unwrap_or(i64::MAX);
            request.field("timeout_ms").integer(milliseconds);
        }
        request
    }

    /// The same for a statement, which has to run in the transaction that is open.
    pub(crate) fn source_request(&self, command: &str, source: Source<'_>) -> Request {
        let mut request = self.request(command);
        if let Some(transaction) = self.transaction.get() {
            request.field("tx_id").integer(transaction);
        }
        match source {
            Source::Sql(sql) => request.field("sql").text(sql),
            Source::Prepared(id) => request.field("stmt_id").integer(id),
        }
        request
    }

    /// The same, with the values of its parameters.
    pub(crate) fn statement_request(
        &self,
        command: &str,
        source: Source<'_>,
        params: impl Params,
    ) -> Result<Request> {
        let mut request = self.source_request(command, source);
        params.encode(request.field("args"))?;
        Ok(request)
    }

    pub(crate) fn call(&self, request: Request) -> Vec<u8> {
        self.transport.call(&request.into_bytes())
    }

    /// Sends a request whose failure is nobody's concern, for what it ends may have ended already.
    pub(crate) fn end(&self, command: &str, field: &str, id: i64) {
        let mut request = self.request(command);
        request.field(field).integer(id);
        self.call(request);
    }

    fn run(&self, source: Source<'_>, params: impl Params) -> Result<u64> {
        self.changed(self.statement_request("exec", source, params)?)
    }

    /// How many rows a request changed.
    pub(crate) fn changed(&self, request: Request) -> Result<u64> {
        let answer = Answer::parse(&self.call(request))?;
        self.last_insert_rowid.set(answer.last_insert_rowid);
        Ok(answer.rows_affected)
    }

    fn rows(&self, source: Source<'_>, params: impl Params, fetch: u32) -> Result<Rows<'_>> {
        let mut request = self.statement_request("query", source, params)?;
        request.field("fetch").integer(fetch.into());
        Rows::new(self, self.call(request), self.fetch.get())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.call(self.request("close_conn"));
    }
}

/// A statement that is compiled.
#[derive(Debug)]
pub struct Statement<'c> {
    connection: &'c Connection,
    id: i64,
    parameters: Vec<Option<String>>,
    columns: Rc<Columns>,
    read_only: bool,
}

impl<'c> Statement<'c> {
    /// As [`Connection::execute`].
    ///
    /// # Errors
    /// As there.
    pub fn execute(&self, params: impl Params) -> Result<u64> {
        self.connection.run(Source::Prepared(self.id), params)
    }

    /// As [`Connection::execute_many`].
    ///
    /// # Errors
    /// As there.
    pub fn execute_many<P: Params>(&self, rows: impl IntoIterator<Item = P>) -> Result<u64> {
        many::execute(self.connection, Source::Prepared(self.id), rows)
    }

    /// As [`Connection::query`].
    ///
    /// # Errors
    /// As there.
    pub fn query(&self, params: impl Params) -> Result<Rows<'c>> {
        self.connection.rows(
            Source::Prepared(self.id),
            params,
            self.connection.fetch.get(),
        )
    }

    /// As [`Connection::query_map`].
    ///
    /// # Errors
    /// As there.
    pub fn query_map<T, F: FnMut(&Row<'_>) -> Result<T>>(
        &self,
        params: impl Params,
        read: F,
    ) -> Result<Mapped<'c, F>> {
        Ok(Mapped::new(self.query(params)?, read))
    }

    /// As [`Connection::query_row`].
    ///
    /// # Errors
    /// As there.
    pub fn query_row<T>(
        &self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        first(
            self.connection.rows(Source::Prepared(self.id), params, 1)?,
            read,
        )
    }

    /// As [`Connection::query_as`].
    ///
    /// # Errors
    /// As there.
    pub fn query_as<T: DeserializeOwned>(&self, params: impl Params) -> Result<Vec<T>> {
        self.query_map(params, |row| row.to())?.collect()
    }

    /// The names of the parameters, where they have names.
    pub fn parameters(&self) -> &[Option<String>] {
        &self.parameters
    }

    /// The names of the columns.
    pub fn column_names(&self) -> &[String] {
        &self.columns.names
    }

    /// What the columns were declared as, where they are columns of tables.
    pub fn column_decltypes(&self) -> &[Option<String>] {
        &self.columns.decltypes
    }

    /// Whether the statement leaves the database as it is.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        self.connection.end("close_stmt", "stmt_id", self.id);
    }
}

fn first<T>(mut rows: Rows<'_>, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<T> {
    let row = rows.next()?;
    read(&row.ok_or(Error::NoRows)?)
}

/// For rows that may not be there: `connection.query_row(…).optional()`.
pub trait Optional<T> {
    /// `None` instead of [`Error::NoRows`].
    ///
    /// # Errors
    /// All others.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> Optional<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Err(Error::NoRows) => Ok(None),
            other => other.map(Some),
        }
    }
}

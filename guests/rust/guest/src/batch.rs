//! Statements that are sent to the host at once.

use crate::connection::{Connection, Source};
use crate::error::{Error, Result};
use crate::messagepack::{Decoder, Encoder};
use crate::params::Params;
use crate::protocol::{Answer, Columns, Request, needed};
use crate::value::Value;

/// Statements to be run in order, up to the first error. A batch is no transaction.
#[derive(Debug)]
pub struct Batch<'c> {
    connection: &'c Connection,
    requests: Encoder,
    count: usize,
}

/// What one statement of a batch did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The names of a query's columns.
    pub columns: Vec<String>,
    /// The rows of a query, all of them.
    pub rows: Vec<Vec<Value>>,
    /// How many rows a statement changed.
    pub rows_affected: u64,
    /// The rowid of the last row that was inserted on the connection.
    pub last_insert_rowid: i64,
}

impl<'c> Batch<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            requests: Encoder::default(),
            count: 0,
        }
    }

    /// Adds a statement whose rows are dropped.
    ///
    /// # Errors
    /// If SQLite cannot hold one of the values.
    pub fn execute(&mut self, sql: &str, params: impl Params) -> Result<&mut Self> {
        let request = self
            .connection
            .statement_request("exec", Source::Sql(sql), params)?;
        Ok(self.add(request))
    }

    /// Adds a query.
    ///
    /// # Errors
    /// If SQLite cannot hold one of the values.
    pub fn query(&mut self, sql: &str, params: impl Params) -> Result<&mut Self> {
        let request = self
            .connection
            .statement_request("query", Source::Sql(sql), params)?;
        Ok(self.add(request))
    }

    /// Runs them. There is a result for each that was run: the last may be an error.
    ///
    /// # Errors
    /// If the host does not understand the batch as such.
    pub fn run(self) -> Result<Vec<Result<Outcome>>> {
        let mut request = self.connection.request("batch");
        let requests = request.field("requests");
        requests.list(self.count);
        requests.raw(&self.requests.into_bytes());
        let bytes = self.connection.call(request);
        let (mut at, count) = needed(Answer::parse(&bytes)?.results, "results")?;
        let mut results = Vec::new();
        for _ in 0..count {
            results.push(outcome(&bytes, at));
            at = Answer::end_of(&bytes, at)?;
        }
        Ok(results)
    }

    fn add(&mut self, request: Request) -> &mut Self {
        self.requests.raw(&request.into_bytes());
        self.count += 1;
        self
    }
}

fn outcome(bytes: &[u8], at: usize) -> Result<Outcome> {
    let answer = Answer::parse_at(bytes, at)?;
    let Columns { names: columns, .. } = answer.columns;
    let rows = answer
        .rows
        .map_or(Ok(Vec::new()), |(at, count)| rows(bytes, at, count))?;
    Ok(Outcome {
        columns,
        rows,
        rows_affected: answer.rows_affected,
        last_insert_rowid: answer.last_insert_rowid,
    })
}

fn rows(bytes: &[u8], at: usize, count: usize) -> Result<Vec<Vec<Value>>, Error> {
    let mut decoder = Decoder::at(bytes, at);
    let mut rows = Vec::new();
    for _ in 0..count {
        let mut row = Vec::new();
        for _ in 0..decoder.list()? {
            row.push(decoder.value()?.to_owned());
        }
        rows.push(row);
    }
    Ok(rows)
}

//! Transactions.

use std::ops::Deref;

use crate::connection::Connection;
use crate::error::Result;
use crate::protocol::{Answer, needed};

/// How a transaction begins. Inside of another one, the caller's for example, all are savepoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behavior {
    /// With its locks when it needs them.
    #[default]
    Deferred,
    /// With the lock for writing at once.
    Immediate,
    /// With all locks at once.
    Exclusive,
    /// Whatever changes the database in it is an error.
    ReadOnly,
}

/// A transaction that is open. It is a [`Connection`], and rolled back when it is dropped.
#[derive(Debug)]
pub struct Transaction<'c> {
    connection: &'c Connection,
    id: i64,
    /// What it is in.
    outer: Option<i64>,
    ended: bool,
}

impl<'c> Transaction<'c> {
    pub(crate) fn begin(connection: &'c Connection, behavior: Behavior) -> Result<Self> {
        let mut request = connection.request("begin_tx");
        let mode = match behavior {
            Behavior::Deferred | Behavior::ReadOnly => "deferred",
            Behavior::Immediate => "immediate",
            Behavior::Exclusive => "exclusive",
        };
        request.field("mode").text(mode);
        if behavior == Behavior::ReadOnly {
            request.field("read_only").boolean(true);
        }
        let outer = connection.transaction.get();
        if let Some(outer) = outer {
            request.field("tx_id").integer(outer);
        }
        let id = needed(
            Answer::parse(&connection.call(request))?.transaction,
            "tx_id",
        )?;
        connection.transaction.set(Some(id));
        Ok(Self {
            connection,
            id,
            outer,
            ended: false,
        })
    }

    /// A transaction inside of this one: what happens in it can be undone on its own.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn savepoint(&mut self) -> Result<Transaction<'_>> {
        Transaction::begin(self.connection, Behavior::Deferred)
    }

    /// Keeps what happened.
    ///
    /// # Errors
    /// SQLite's; then everything is rolled back.
    pub fn commit(mut self) -> Result<()> {
        self.finish("commit")
    }

    /// Undoes what happened.
    ///
    /// # Errors
    /// SQLite's, and the host's.
    pub fn rollback(mut self) -> Result<()> {
        self.finish("rollback")
    }

    fn finish(&mut self, command: &str) -> Result<()> {
        let mut request = self.connection.request(command);
        request.field("tx_id").integer(self.id);
        Answer::parse(&self.connection.call(request))?;
        self.leave();
        Ok(())
    }

    fn leave(&mut self) {
        self.ended = true;
        self.connection.transaction.set(self.outer);
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.end("rollback", "tx_id", self.id);
            self.leave();
        }
    }
}

//! All or nothing, and foreign keys checked at the end.

use sqlite_abi::{Code, Connection, ValueRef};

use super::error::Error;

const BEGIN: &str = "SAVEPOINT sqlbridge_changeset_apply";
const RELEASE: &str = "RELEASE sqlbridge_changeset_apply";
const ROLLBACK: &str = "ROLLBACK TO sqlbridge_changeset_apply";

/// What undoes an application that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// A savepoint.
    Savepoint,
    /// The statement that calls us writes, so there can be no savepoint; it is a transaction of
    /// its own, which our error ends.
    Statement,
}

/// An application under way.
pub(super) struct Transaction<'c> {
    connection: &'c Connection<'c>,
    undo: Undo,
    /// Whether foreign keys were made to wait, which the end takes back.
    deferred: bool,
}

impl<'c> Transaction<'c> {
    pub(super) fn begin(connection: &'c Connection<'c>) -> Result<Self, Error> {
        let undo = match connection.exec(BEGIN) {
            Ok(()) => Undo::Savepoint,
            Err(error) if error.code.primary() == Code::BUSY => {
                if !connection.is_autocommit() {
                    return Err(Error::InStatement);
                }
                Undo::Statement
            }
            Err(error) => return Err(Error::sqlite("open a savepoint")(error)),
        };
        let mut transaction = Self {
            connection,
            undo,
            deferred: false,
        };
        match transaction.defer_foreign_keys() {
            Ok(deferred) => {
                transaction.deferred = deferred;
                Ok(transaction)
            }
            Err(error) => {
                transaction.roll_back();
                Err(Error::sqlite("defer foreign keys")(error))
            }
        }
    }

    /// Only where it matters: the pragma makes SQLite compile all statements anew.
    fn defer_foreign_keys(&self) -> Result<bool, sqlite_abi::Error> {
        let is_on = |pragma| {
            let mut pragma = self.connection.prepare(pragma)?;
            let row = pragma.step()?;
            Ok(row && pragma.column_ref(0) == ValueRef::Integer(1))
        };
        if !is_on("PRAGMA foreign_keys")? || is_on("PRAGMA defer_foreign_keys")? {
            return Ok(false);
        }
        self.connection.exec("PRAGMA defer_foreign_keys = 1")?;
        Ok(true)
    }

    /// Whether savepoints can be opened inside.
    pub(super) fn has_savepoints(&self) -> bool {
        self.undo == Undo::Savepoint
    }

    /// Whether a trigger ended the transaction behind our back.
    pub(super) fn is_lost(&self) -> bool {
        self.undo == Undo::Savepoint && self.connection.is_autocommit()
    }

    /// Keeps what was done if `outcome` is good and undoes it otherwise.
    pub(super) fn end<T>(self, outcome: Result<T, Error>) -> Result<T, Error> {
        let outcome = outcome.and_then(|value| {
            self.restore_foreign_keys()
                .and_then(|()| match self.undo {
                    Undo::Savepoint => self.connection.exec(RELEASE),
                    Undo::Statement => Ok(()),
                })
                .map_err(Error::sqlite("commit"))?;
            Ok(value)
        });
        if outcome.is_err() {
            self.roll_back();
        }
        outcome
    }

    fn restore_foreign_keys(&self) -> Result<(), sqlite_abi::Error> {
        if self.deferred {
            self.connection.exec("PRAGMA defer_foreign_keys = 0")?;
        }
        Ok(())
    }

    /// Best effort: where it fails, the transaction is gone already.
    fn roll_back(&self) {
        let _ = self.restore_foreign_keys();
        if self.undo == Undo::Savepoint && !self.connection.is_autocommit() {
            let _ = self.connection.exec(ROLLBACK);
            let _ = self.connection.exec(RELEASE);
        }
    }
}

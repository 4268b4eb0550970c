//! The transactions a guest has open.
//!
//! A guest always runs inside a statement of the caller, so its transactions are savepoints; only
//! where the caller has no transaction, a guest that asks for locks at once gets a real `BEGIN`.
//! While the caller's own statement writes, SQLite can open no savepoint: the guest then has no
//! transactions, and what it changes is part of that statement.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlite_abi::{Code, Connection};

use super::error::Error;
use super::gate::{Grant, Token};
use super::request::Mode;

/// Open transactions, the innermost last. All belong to one connection of the guest.
#[derive(Debug)]
pub(crate) struct Transactions {
    grant: Grant,
    open: Vec<Open>,
    pub(crate) last_id: i64,
}

#[derive(Debug)]
struct Open {
    id: i64,
    connection: i64,
    /// The name the guest's own SQL text gave it.
    name: Option<String>,
    started: Started,
    read_only: bool,
    /// Whether the caller, or one outside of it, had a transaction already.
    inside: bool,
}

#[derive(Debug)]
enum Started {
    /// By `BEGIN`.
    Begin,
    /// By `SAVEPOINT` with this name.
    Savepoint(String),
}

/// Savepoints are found by name from the innermost on, across all that is open on the connection,
/// so no two in a process have the same.
static SERIAL: AtomicU64 = AtomicU64::new(1);

impl Transactions {
    /// `last_id`: the last number that the guest has seen.
    pub(crate) fn new(grant: Grant, last_id: i64) -> Self {
        Self {
            grant,
            open: Vec::new(),
            last_id,
        }
    }

    pub(crate) fn are_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Checks that a connection of the guest may run SQL now, and that the transaction it names is
    /// the innermost.
    pub(crate) fn check(&self, connection: i64, transaction: Option<i64>) -> Result<(), Error> {
        if let Some(other) = self
            .open
            .first()
            .filter(|open| open.connection != connection)
        {
            return Err(Error::Busy {
                connection: other.connection,
                transaction: other.id,
            });
        }
        match transaction {
            None => Ok(()),
            Some(id) => self.innermost(connection, id).map(|_| ()),
        }
    }

    /// Checks that a statement that writes may do so.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        let read_only = self.open.iter().find(|open| open.read_only);
        read_only.map_or(Ok(()), |open| Err(Error::ReadOnly(open.id)))
    }

    /// Forgets all if SQLite rolled them back because of an error: then the connection is in no
    /// transaction.
    pub(crate) fn notice(&mut self, db: &Connection<'_>) {
        if !self.open.is_empty() && db.is_autocommit() {
            self.open.clear();
        }
    }

    pub(crate) fn begin(
        &mut self,
        db: &Connection<'_>,
        connection: i64,
        mode: Mode,
        read_only: bool,
    ) -> Result<i64, Error> {
        let inside = !db.is_autocommit();
        let started = self.start(db, mode)?;
        Ok(self.push(connection, None, started, read_only, inside))
    }

    pub(crate) fn commit(
        &mut self,
        db: &Connection<'_>,
        connection: i64,
        id: i64,
    ) -> Result<(), Error> {
        let place = self.innermost(connection, id)?;
        self.release(db, place)
    }

    /// Runs `body`, and keeps all that it changes or nothing.
    pub(crate) fn all_or_nothing<R>(
        &mut self,
        db: &Connection<'_>,
        connection: i64,
        body: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Error> {
        let id = self.begin(db, connection, Mode::Deferred, false)?;
        let done = body().and_then(|done| self.commit(db, connection, id).map(|()| done));
        if done.is_err() {
            // Where SQLite rolled back everything, there is none any more.
            self.notice(db);
            if let Ok(place) = self.find(connection, id) {
                // What cannot be undone now, after an interrupt, is when the call ends.
                let _ = self.undo(db, place);
            }
        }
        if self.find(connection, id).is_err() {
            // The guest never saw its number.
            self.last_id = id - 1;
        }
        done
    }

    /// Undoes a transaction and those inside of it.
    pub(crate) fn rollback(
        &mut self,
        db: &Connection<'_>,
        connection: i64,
        id: i64,
    ) -> Result<(), Error> {
        let place = self.find(connection, id)?;
        self.undo(db, place)
    }

    /// Rolls everything back to where the first one began.
    ///
    /// A connection that was interrupted runs nothing until its user's statement has ended, no `ROLLBACK`
    /// either. It can only roll back everything, and does so where nothing but reading was possible only
    /// if there is no transaction of the caller's.
    pub(crate) fn undo_all(&mut self, db: &Connection<'_>) -> Result<(), Error> {
        self.notice(db);
        let Some(first) = self.open.first() else {
            return Ok(());
        };
        let harmless = first.inside && (first.read_only || self.grant == Grant::Read);
        match self.undo(db, 0) {
            Err(error) if error.code().primary() == Code::INTERRUPT => {
                if !harmless {
                    // When a statement is interrupted that might write, SQLite rolls everything back. This
                    // is one which it does not run while another one runs. And it has no space and a semicolon,
                    // because an interrupted SQLite reads no space, and not the end of a text.
                    let _ = db.exec("VACUUM;");
                    if !db.is_autocommit() {
                        return Err(error);
                    }
                }
                self.open.clear();
                Ok(())
            }
            undone => undone,
        }
    }

    /// Does what `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT`, `RELEASE` or one of their forms as
    /// text asks for. SQLite never sees such a text: it would act on the caller's transaction.
    pub(crate) fn text(
        &mut self,
        db: &Connection<'_>,
        connection: i64,
        words: &[&Token<'_>],
    ) -> Result<(), Error> {
        match Verb::parse(words)? {
            Verb::Begin(_) if !self.open.is_empty() => {
                Err(wrong("cannot start a transaction within a transaction"))
            }
            Verb::Begin(mode) => {
                let inside = !db.is_autocommit();
                let started = self.start(db, mode)?;
                self.push(connection, None, started, false, inside);
                Ok(())
            }
            Verb::Commit if self.open.is_empty() => {
                Err(wrong("cannot commit - no transaction is active"))
            }
            Verb::Commit => self.release(db, 0),
            Verb::Rollback if self.open.is_empty() => {
                Err(wrong("cannot rollback - no transaction is active"))
            }
            Verb::Rollback => self.undo(db, 0),
            Verb::Savepoint(name) => {
                let inside = !db.is_autocommit();
                let started = self.start(db, Mode::Deferred)?;
                self.push(connection, Some(name), started, false, inside);
                Ok(())
            }
            Verb::Release(name) => {
                let place = self.named(&name)?;
                self.release(db, place)
            }
            Verb::RollbackTo(name) => {
                let place = self.named(&name)?;
                self.back_to(db, place)
            }
        }
    }

    fn start(&self, db: &Connection<'_>, mode: Mode) -> Result<Started, Error> {
        let name = format!("sqlproxy_{}", SERIAL.fetch_add(1, Ordering::Relaxed));
        db.exec(&format!("SAVEPOINT {name}")).map_err(explain)?;
        let begin = match mode {
            // Who may only read needs no lock that keeps others out.
            _ if self.grant == Grant::Read => return Ok(Started::Savepoint(name)),
            Mode::Deferred => return Ok(Started::Savepoint(name)),
            Mode::Immediate => "BEGIN IMMEDIATE",
            Mode::Exclusive => "BEGIN EXCLUSIVE",
        };
        // The savepoint has shown that the caller writes nothing just now. Inside a transaction of the
        // caller's it has to do: locks cannot be asked for there.
        db.exec(&format!("RELEASE {name}"))?;
        if db.is_autocommit() {
            db.exec(begin)?;
            return Ok(Started::Begin);
        }
        db.exec(&format!("SAVEPOINT {name}"))?;
        Ok(Started::Savepoint(name))
    }

    fn push(
        &mut self,
        connection: i64,
        name: Option<String>,
        started: Started,
        read_only: bool,
        inside: bool,
    ) -> i64 {
        self.last_id += 1;
        self.open.push(Open {
            id: self.last_id,
            connection,
            name,
            started,
            read_only,
            inside,
        });
        self.last_id
    }

    fn find(&self, connection: i64, id: i64) -> Result<usize, Error> {
        self.open
            .iter()
            .position(|open| open.id == id && open.connection == connection)
            .ok_or(Error::Unknown {
                what: "open transaction",
                id,
                connection,
            })
    }

    fn innermost(&self, connection: i64, id: i64) -> Result<usize, Error> {
        let place = self.find(connection, id)?;
        match self.open.last() {
            Some(last) if last.id != id => Err(Error::Transaction(format!(
                "transaction {} is open inside transaction {id}; end it first",
                last.id
            ))),
            _ => Ok(place),
        }
    }

    fn named(&self, name: &str) -> Result<usize, Error> {
        self.open
            .iter()
            .rposition(|open| open.name.as_deref() == Some(name))
            .ok_or_else(|| wrong(&format!("no such savepoint: {name}")))
    }

    /// Keeps what was done since the one at `place` began.
    fn release(&mut self, db: &Connection<'_>, place: usize) -> Result<(), Error> {
        let Some(open) = self.open.get(place) else {
            return Ok(());
        };
        db.exec(&match &open.started {
            Started::Begin => "COMMIT".to_owned(),
            Started::Savepoint(name) => format!("RELEASE {name}"),
        })?;
        self.open.truncate(place);
        Ok(())
    }

    /// Undoes what was done since the one at `place` began, and ends it.
    fn undo(&mut self, db: &Connection<'_>, place: usize) -> Result<(), Error> {
        if let Some(Open {
            started: Started::Begin,
            ..
        }) = self.open.get(place)
        {
            db.exec("ROLLBACK")?;
            self.open.truncate(place);
            return Ok(());
        }
        self.back_to(db, place)?;
        self.release(db, place)
    }

    /// Undoes what was done since the one at `place` began; it stays open.
    fn back_to(&mut self, db: &Connection<'_>, place: usize) -> Result<(), Error> {
        if let Some(Open {
            started: Started::Savepoint(name),
            ..
        }) = self.open.get(place)
        {
            db.exec(&format!("ROLLBACK TO {name}"))?;
            self.open.truncate(place + 1);
        }
        Ok(())
    }
}

/// SQLite says "cannot open savepoint - SQL statements in progress".
fn explain(error: sqlite_abi::Error) -> Error {
    if error.code.primary() == Code::BUSY {
        Error::Transaction(format!(
            "a guest has no transactions of its own while the statement that calls it, or one \
             of its own whose rows are not all read, changes the database; what it changes is part of \
             that statement ({})",
            error.message
        ))
    } else {
        error.into()
    }
}

fn wrong(message: &str) -> Error {
    Error::Transaction(message.to_owned())
}

/// A transaction command's text, understood.
enum Verb {
    Begin(Mode),
    Commit,
    Rollback,
    RollbackTo(String),
    Savepoint(String),
    Release(String),
}

impl Verb {
    /// <https://www.sqlite.org/lang_transaction.html>, <https://www.sqlite.org/lang_savepoint.html>.
    fn parse(words: &[&Token<'_>]) -> Result<Self, Error> {
        let shown = || {
            let words: Vec<_> = words.iter().take(8).map(|word| word.text).collect();
            wrong(&format!("{} is no transaction command", words.join(" ")))
        };
        let (verb, mut rest) = words.split_first().ok_or_else(shown)?;
        let mut skip = |word: &str| match rest.split_first() {
            Some((first, after)) if first.is(word) => {
                rest = after;
                true
            }
            _ => false,
        };
        let parsed = if verb.is("begin") {
            let mode = if skip("immediate") {
                Mode::Immediate
            } else if skip("exclusive") {
                Mode::Exclusive
            } else {
                skip("deferred");
                Mode::Deferred
            };
            skip("transaction");
            Self::Begin(mode)
        } else if verb.is("commit") || verb.is("end") {
            skip("transaction");
            Self::Commit
        } else if verb.is("rollback") {
            skip("transaction");
            if skip("to") {
                skip("savepoint");
                let (name, after) = rest.split_first().ok_or_else(shown)?;
                rest = after;
                Self::RollbackTo(name.name().ok_or_else(shown)?.into_owned())
            } else {
                Self::Rollback
            }
        } else {
            let release = verb.is("release");
            if release {
                skip("savepoint");
            }
            let (name, after) = rest.split_first().ok_or_else(shown)?;
            rest = after;
            let name = name.name().ok_or_else(shown)?.into_owned();
            if release {
                Self::Release(name)
            } else {
                Self::Savepoint(name)
            }
        };
        if rest.is_empty() {
            Ok(parsed)
        } else {
            Err(shown())
        }
    }
}

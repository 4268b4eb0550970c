//! Sessions: capture of changes that needs nothing of the host but TEMP triggers.
//!
//! | module | what |
//! | --- | --- |
//! | this one | the sessions of a connection, and the call from the triggers |
//! | `attach` | which tables are captured; keeping up with the schema |
//! | `triggers`, `index_sql` | the triggers as SQL |
//! | `shape` | a table's columns, key and unique constraints |
//! | `touched` | the rows that were touched, with what they were before |
//! | `changes` | from touched rows to a changeset |
//! | `diff` | rows that differ between two databases, as if they had been touched |
//!
//! The idea is that of SQLite's own session extension: note for each touched row what it was
//! before the first touch, and when the changeset is asked for, read what it is now. So a touch
//! too many is harmless, rollbacks need no attention, and the order of
//! events does not matter.
//!
//! No statement lives between two calls, so nothing of ours keeps a connection from closing; the
//! sessions are owned by its functions and go with them.

mod attach;
mod changes;
mod diff;
mod error;
mod index_sql;
pub(crate) mod quote;
pub(crate) mod shape;
mod touched;
mod triggers;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use sqlite_abi::{Arguments, Connection, ValueRef};

use crate::changeset::value::encode;
use shape::Shape;
use touched::Touched;
use triggers::Passing;

pub(crate) use error::{Error, Result};
pub(crate) use triggers::{CAPTURE, RECORD};

/// The sessions of a connection.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<State>);

impl Sessions {
    /// Never waits: a connection runs one function at a time, so if the lock is taken, it is by a
    /// function further up in this very call.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, State>> {
        match self.0.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
        }
    }
}

/// See [`Sessions`].
#[derive(Debug, Default)]
pub(crate) struct State {
    sessions: BTreeMap<i64, Session>,
    last_handle: i64,
    /// By slot; a slot is never used for another table.
    tables: BTreeMap<usize, Tracked>,
    next_slot: usize,
    last_mark: u64,
    routes: hashbrown::HashMap<i64, Route, BuildHasherDefault<Token>>,
    /// A hash of each schema's definition when it was last looked at.
    definitions: HashMap<String, u64>,
    random: RandomState,
    /// The key that is being looked up.
    key: Vec<u8>,
}

/// One session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The schema it watches.
    pub(crate) schema: String,
    /// Attached to all tables.
    pub(crate) all: bool,
    /// Attached to these.
    pub(crate) names: Vec<String>,
    pub(crate) enabled: bool,
    pub(crate) indirect: bool,
    pub(crate) strict: bool,
    /// Why its changes are not known any more.
    pub(crate) problem: Option<String>,
}

/// A table that sessions watch.
#[derive(Debug)]
struct Tracked {
    schema: String,
    name: String,
    shape: Arc<Shape>,
    /// Names of its triggers; none for `sqlite_stat1`.
    triggers: Vec<String>,
    /// The number of the mark that was made with them, from 1 on.
    mark: u64,
    /// It is not there at present.
    gone: bool,
    watches: Vec<Watch>,
}

/// What a session knows of a table.
#[derive(Debug)]
struct Watch {
    session: i64,
    enabled: bool,
    indirect: bool,
    strict: bool,
    touched: Touched,
    /// The table was made while the session ran: all its rows are new.
    fresh: bool,
    /// The table is not the one any more whose rows were captured.
    replaced: bool,
}

/// What a token stands for. A rollback can bring back triggers that were replaced, so each has
/// tokens of its own, which tell the shape that it was made for.
#[derive(Debug, Clone)]
struct Route {
    slot: usize,
    says: Says,
    shape: Arc<Shape>,
}

/// The hash of a token: itself, as it is random.
#[derive(Debug, Default)]
struct Token(u64);

impl Hasher for Token {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_i64(&mut self, token: i64) {
        self.0 = token as u64;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// A row as it is.
    Row,
    /// A key; there was no row with it, unless it was touched before.
    Key,
}

/// What [`State::list`] tells of a session and one of its tables.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) handle: i64,
    pub(crate) session: Session,
    pub(crate) table: Option<String>,
    pub(crate) touched: usize,
    pub(crate) memory: usize,
}

impl State {
    /// A new session on a schema.
    pub(crate) fn create(
        &mut self,
        connection: &Connection<'_>,
        schema: &str,
        strict: bool,
    ) -> Result<i64> {
        let names = shape::rows(connection, "PRAGMA database_list")?;
        let known = names.iter().find(|row| row[1].eq_ignore_ascii_case(schema));
        let schema = match known {
            Some(row) => row[1].clone(),
            None if schema.eq_ignore_ascii_case("temp") => "temp".to_owned(),
            None => return Err(Error::NoSchema(schema.to_owned())),
        };
        self.last_handle += 1;
        let session = Session {
            schema,
            all: false,
            names: Vec::new(),
            enabled: true,
            indirect: false,
            strict,
            problem: None,
        };
        self.sessions.insert(self.last_handle, session);
        Ok(self.last_handle)
    }

    pub(crate) fn session(&self, handle: i64) -> Result<&Session> {
        self.sessions.get(&handle).ok_or(Error::NoSession(handle))
    }

    /// Switches capture on or off; returns what holds then.
    pub(crate) fn enable(
        &mut self,
        connection: &Connection<'_>,
        handle: i64,
        on: Option<bool>,
    ) -> Result<bool> {
        let Some(on) = on else {
            return Ok(self.session(handle)?.enabled);
        };
        // Tables that are new by now belong to the time before the switch.
        self.refresh(connection)?;
        self.change(handle, |session| session.enabled = on)?;
        self.watches_of(handle).for_each(|watch| watch.enabled = on);
        Ok(on)
    }

    /// Marks the changes to come as indirect or not; returns what holds then.
    pub(crate) fn indirect(&mut self, handle: i64, on: Option<bool>) -> Result<bool> {
        if let Some(on) = on {
            self.change(handle, |session| session.indirect = on)?;
            self.watches_of(handle)
                .for_each(|watch| watch.indirect = on);
        }
        Ok(self.session(handle)?.indirect)
    }

    /// Forgets what a session has captured, and goes on from here.
    pub(crate) fn reset(&mut self, handle: i64) -> Result<()> {
        self.session(handle)?;
        let seed = self.secret(handle) as u64;
        for watch in self.watches_of(handle) {
            watch.touched = Touched::new(seed);
            watch.fresh = false;
            watch.replaced = false;
        }
        Ok(())
    }

    fn change(&mut self, handle: i64, body: impl FnOnce(&mut Session)) -> Result<()> {
        let session = self.sessions.get_mut(&handle);
        session.map(body).ok_or(Error::NoSession(handle))
    }

    fn watches_of(&mut self, handle: i64) -> impl Iterator<Item = &mut Watch> {
        let watches = self
            .tables
            .values_mut()
            .flat_map(|table| &mut table.watches);
        watches.filter(move |watch| watch.session == handle)
    }

    /// All sessions, each with its tables.
    pub(crate) fn list(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (&handle, session) in &self.sessions {
            let before = rows.len();
            for table in self.tables.values() {
                for watch in table.watches.iter().filter(|watch| watch.session == handle) {
                    rows.push(Row {
                        handle,
                        session: session.clone(),
                        table: Some(table.name.clone()),
                        touched: watch.touched.len(),
                        memory: watch.touched.memory(),
                    });
                }
            }
            if rows.len() == before {
                rows.push(Row {
                    handle,
                    session: session.clone(),
                    table: None,
                    touched: 0,
                    memory: 0,
                });
            }
        }
        rows
    }

    /// The call from the triggers: a token, then what it announces. Without a token of ours
    /// nothing happens.
    pub(crate) fn capture(&mut self, arguments: &Arguments<'_>) -> Result<()> {
        let ValueRef::Integer(token) = arguments.get(0) else {
            return Ok(());
        };
        let Some(route) = self.routes.get(&token) else {
            return Ok(());
        };
        let Some(table) = self.tables.get_mut(&route.slot) else {
            return Ok(());
        };
        if let Some(rule) = route.shape.obstacle() {
            return table.refuse(rule);
        }
        let shape = &*route.shape;
        let in_row = route.says == Says::Row && shape.passing() == Passing::Columns;
        self.key.clear();
        for (at, column) in shape.key.iter().enumerate() {
            let value = arguments.get(1 + if in_row { *column } else { at });
            if value == ValueRef::Null {
                return table.refuse("has a row with a NULL in its primary key");
            }
            encode(&mut self.key, Some(value));
        }
        let says = route.says;
        let table = &mut *table;
        for watch in table.watches.iter_mut().filter(|watch| watch.enabled) {
            watch.touched.touch(&self.key, watch.indirect, |row| {
                (says == Says::Row).then(|| read_row(shape, arguments, row))
            });
        }
        Ok(())
    }
}

/// Appends the row that a trigger hands over; returns how many columns it has.
fn read_row(shape: &Shape, arguments: &Arguments<'_>, row: &mut Vec<u8>) -> u16 {
    match shape.passing() {
        Passing::Columns => {
            for at in 1..arguments.len() {
                encode(row, Some(arguments.get(at)));
            }
        }
        Passing::Pieces => {
            for at in 1 + shape.key.len()..arguments.len() {
                if let ValueRef::Blob(piece) = arguments.get(at) {
                    row.extend_from_slice(piece);
                }
            }
        }
    }
    shape.columns.len() as u16
}

impl Tracked {
    /// What cannot be captured: an error in strict sessions, ignored by the others, as SQLite does.
    fn refuse(&self, rule: &str) -> Result<()> {
        let strict = self
            .watches
            .iter()
            .find(|watch| watch.enabled && watch.strict);
        strict.map_or(Ok(()), |watch| Err(self.error(watch.session, rule)))
    }

    fn error(&self, handle: i64, rule: impl Into<String>) -> Error {
        Error::Table {
            handle,
            schema: self.schema.clone(),
            table: self.name.clone(),
            rule: rule.into(),
        }
    }
}

impl Watch {
    fn new(handle: i64, session: &Session, seed: u64, fresh: bool) -> Self {
        Self {
            session: handle,
            enabled: session.enabled,
            indirect: session.indirect,
            strict: session.strict,
            touched: Touched::new(seed),
            fresh,
            replaced: false,
        }
    }
}

impl State {
    /// A number that nobody can guess.
    fn secret(&self, about: impl std::hash::Hash) -> i64 {
        self.random.hash_one(about) as i64
    }
}

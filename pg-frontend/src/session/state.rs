//! What a session is: who, where, its settings. Shared with the functions of its connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::variables::{self, Variable};
use crate::databases::Databases;
use crate::error::{PgError, Result};
use crate::sql::schema::Known;
use crate::types::Oid;

/// What functions, the catalog and the planner ask about the session. One thread, so no lock.
#[derive(Debug, Default)]
pub struct State {
    /// The user's name.
    pub user: String,
    /// The database's name.
    pub database: String,
    /// The server's databases, for `pg_database`.
    pub databases: Option<Databases>,
    /// What `pg_backend_pid()` says and cancel requests name.
    pub pid: i32,
    /// Settings by lower-case name, as they are in force; those not here have their built-in defaults.
    pub settings: BTreeMap<String, String>,
    /// Tables that the planner has read.
    pub known: Known,
    /// Prepared statements that have names.
    pub listed: BTreeMap<Box<str>, Listed>,
    /// When the transaction began (`now()`), in microseconds since 1970, UTC.
    pub transaction_time: i64,
    /// When the statement began (`statement_timestamp()`).
    pub statement_time: i64,
    /// What `RESET` goes back to, where it is not the built-in default.
    defaults: BTreeMap<String, String>,
    /// Grows with each change of a setting.
    version: u64,
    /// Grows with each change that plans depend on.
    plan_version: u64,
    undo: Option<Undo>,
    /// For each open savepoint what was in force there; none where nothing had been changed yet.
    marks: Vec<Option<Settings>>,
}

/// A prepared statement as `pg_prepared_statements` has it.
#[derive(Debug)]
pub struct Listed {
    /// The statement; the PREPARE it comes from.
    pub text: Arc<str>,
    /// When it was prepared, in microseconds since 1970, UTC.
    pub time: i64,
    /// The parameters' types.
    pub types: Vec<Oid>,
    /// By PREPARE, not by the protocol.
    pub from_sql: bool,
}

/// As held by the connection's functions.
pub type Shared = Rc<RefCell<State>>;

type Map = BTreeMap<String, String>;

/// Settings at one moment of a transaction.
#[derive(Debug, Clone)]
struct Settings {
    /// With what `SET LOCAL` did.
    in_force: Map,
    /// What stays after COMMIT.
    lasting: Map,
}

/// What the transaction's end does to the settings.
#[derive(Debug)]
struct Undo {
    before: Map,
    lasting: Map,
}

impl State {
    /// A state whose settings are `defaults`: what the server and the client's startup message say.
    #[must_use]
    pub fn new(
        user: String,
        database: String,
        pid: i32,
        defaults: BTreeMap<String, String>,
    ) -> Self {
        Self {
            user,
            database,
            pid,
            settings: defaults.clone(),
            defaults,
            ..Self::default()
        }
    }

    /// What `SHOW` says; none: there is no such setting.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        if let Some(value) = self.settings.get(&name) {
            return Some(value.clone());
        }
        match (name.as_str(), variables::find(&name)) {
            ("is_superuser", _) => Some("on".to_owned()),
            ("session_authorization", _) => Some(self.user.clone()),
            (_, Some(variable)) => Some(variable.default.to_owned()),
            (_, None) => None,
        }
    }

    /// Changes a setting; no value: back to the default. `local`: until the transaction's end.
    ///
    /// # Errors
    /// 42704: there is no such setting. 22023: it cannot have this value. 55P02: it cannot be changed.
    pub fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let name = name.to_ascii_lowercase();
        let variable = variables::find(&name);
        if variable.is_none() && !name.contains('.') {
            return Err(unknown(&name));
        }
        let value = match (value, variable) {
            (Some(value), Some(variable)) => Some(variable.accept(value)?),
            (Some(value), None) => Some(value.to_owned()),
            (None, Some(variable)) if variable.is_fixed() => return Err(variable.refuse()),
            (None, _) => self.defaults.get(&name).cloned(),
        };
        self.undoable();
        put(&mut self.settings, &name, value.clone());
        if !local && let Some(undo) = &mut self.undo {
            put(&mut undo.lasting, &name, value);
        }
        self.changed(variable);
        Ok(())
    }

    /// `RESET ALL`
    pub fn reset_all(&mut self) {
        self.undoable();
        self.settings = self.defaults.clone();
        if let Some(undo) = &mut self.undo {
            undo.lasting = self.defaults.clone();
        }
        self.version += 1;
        self.plan_version += 1;
    }

    fn changed(&mut self, variable: Option<&Variable>) {
        self.version += 1;
        if variable.is_some_and(Variable::matters_to_plans) {
            self.plan_version += 1;
        }
    }

    fn undoable(&mut self) {
        self.undo.get_or_insert_with(|| Undo {
            before: self.settings.clone(),
            lasting: self.settings.clone(),
        });
    }

    /// A number that differs if a setting has.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A number that differs if a setting has on which plans depend.
    #[must_use]
    pub fn plan_version(&self) -> u64 {
        self.plan_version
    }

    /// A transaction ends: what it set stays, or is undone.
    pub(crate) fn end_transaction(&mut self, committed: bool) {
        self.marks.clear();
        if let Some(undo) = self.undo.take() {
            self.settings = if committed { undo.lasting } else { undo.before };
            self.version += 1;
            self.plan_version += 1;
        }
    }

    /// A savepoint.
    pub(crate) fn savepoint(&mut self) {
        self.marks.push(self.undo.as_ref().map(|undo| Settings {
            in_force: self.settings.clone(),
            lasting: undo.lasting.clone(),
        }));
    }

    /// Only the first `depth` savepoints are left.
    pub(crate) fn release(&mut self, depth: usize) {
        self.marks.truncate(depth);
    }

    /// Back to the savepoint with this index, which stays.
    pub(crate) fn rollback_to(&mut self, index: usize) {
        self.marks.truncate(index + 1);
        let Some(undo) = &mut self.undo else { return };
        match self.marks.get(index) {
            Some(Some(settings)) => {
                self.settings.clone_from(&settings.in_force);
                undo.lasting.clone_from(&settings.lasting);
            }
            _ => {
                self.settings.clone_from(&undo.before);
                undo.lasting.clone_from(&undo.before);
            }
        }
        self.version += 1;
        self.plan_version += 1;
    }
}

fn put(settings: &mut Map, name: &str, value: Option<String>) {
    match value {
        Some(value) => settings.insert(name.to_owned(), value),
        None => settings.remove(name),
    };
}

pub(super) fn unknown(name: &str) -> PgError {
    PgError::new(
        "42704",
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(state: &State) -> String {
        state.setting("TimeZone").unwrap()
    }

    #[test]
    fn what_a_transaction_set_is_undone_with_it() {
        let mut state = State::default();
        state.set("TimeZone", Some("Europe/Berlin"), false).unwrap();
        state.end_transaction(true);
        state.set("timezone", Some("Asia/Tokyo"), false).unwrap();
        assert_eq!(zone(&state), "Asia/Tokyo");
        state.end_transaction(false);
        assert_eq!(zone(&state), "Europe/Berlin");
    }

    #[test]
    fn what_is_local_ends_with_the_transaction() {
        let mut state = State::default();
        state.set("timezone", Some("Asia/Tokyo"), false).unwrap();
        state.set("timezone", Some("Europe/Berlin"), true).unwrap();
        assert_eq!(zone(&state), "Europe/Berlin");
        state.end_transaction(true);
        assert_eq!(zone(&state), "Asia/Tokyo");
    }

    #[test]
    fn savepoints_have_their_settings() {
        let mut state = State::default();
        state.savepoint();
        state.set("timezone", Some("Asia/Tokyo"), false).unwrap();
        state.savepoint();
        state.set("timezone", Some("Europe/Berlin"), false).unwrap();
        state.rollback_to(1);
        assert_eq!(zone(&state), "Asia/Tokyo");
        state.rollback_to(0);
        assert_eq!(zone(&state), "UTC");
    }

    #[test]
    fn unknown_names_are_refused_unless_they_have_a_prefix() {
        let mut state = State::default();
        assert_eq!(
            state.set("no_such", Some("1"), false).unwrap_err().code,
            "42704"
        );
        state.set("my.thing", Some("1"), false).unwrap();
        assert_eq!(state.setting("my.thing").as_deref(), Some("1"));
        assert_eq!(
            state
                .set("server_version", Some("1"), false)
                .unwrap_err()
                .code,
            "55P02"
        );
    }
}

//! What a session is: who, where, its settings. Shared with the functions of its connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What functions, the catalog and the planner ask about the session. One thread, so no lock.
#[derive(Debug)]
pub struct State {
    /// The user's name.
    pub user: String,
    /// The database's name.
    pub database: String,
    /// What `pg_backend_pid()` says and cancel requests name.
    pub pid: i32,
    /// Settings by lower-case name; those not here have their defaults.
    pub settings: BTreeMap<String, String>,
    /// When the transaction began (`now()`), in microseconds since 1970, UTC.
    pub transaction_time: i64,
    /// When the statement began (`statement_timestamp()`).
    pub statement_time: i64,
}

/// As held by the connection's functions.
pub type Shared = Rc<RefCell<State>>;

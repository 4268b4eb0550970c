//! Who and where; settings; what is accepted and does nothing (advisory locks).

use std::cell::RefCell;
use std::rc::Rc;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::{Entry, bool_value, fail, ffi, text_value};
use crate::error::{PgError, Result};
use crate::session::state::{Shared, State};
use crate::sql::names;
use crate::types::{Style, json};

thread_local! {
    /// The session of this thread: each has its own.
    static SESSION: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

/// The session whose connection runs on this thread.
pub(super) fn enter(shared: &Shared) {
    SESSION.set(Some(Rc::clone(shared)));
}

/// Looks at the session's state.
pub(super) fn with_state<T>(look: impl FnOnce(&State) -> T) -> Result<T> {
    SESSION.with_borrow(|session| match session {
        Some(shared) => Ok(look(&shared.borrow())),
        None => Err(PgError::new("XX000", "this connection has no session")),
    })
}

/// How the session wants values read and written.
pub(super) fn style() -> Style {
    with_state(|state| Style::of(&state.settings)).unwrap_or_default()
}

fn name_list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut out = String::from("[");
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::quote(name, &mut out);
    }
    out.push(']');
    out
}

pub(super) const VOLATILE: &[Entry] = &[
    ("pg_version", 0, |_| {
        let version = with_state(|state| state.settings.get("server_version").cloned())?
            .unwrap_or_else(|| "13.0".to_owned());
        text_value(format!(
            "PostgreSQL {version} on {}-{}, sqlbridge {} on SQLite {}",
            std::env::consts::ARCH,
            std::env::consts::OS,
            env!("CARGO_PKG_VERSION"),
            rusqlite::version()
        ))
    }),
    ("pg_current_user", 0, |_| {
        text_value(with_state(|state| state.user.clone())?)
    }),
    ("pg_current_database", 0, |_| {
        text_value(with_state(|state| state.database.clone())?)
    }),
    ("pg_current_schema", 0, |_| {
        let path = with_state(names::search_path)?;
        // A schema of the user's name is seldom there.
        let user = with_state(|state| state.user.clone())?;
        Ok(path
            .into_iter()
            .find(|schema| *schema != user)
            .map_or(Value::Null, Value::Text))
    }),
    ("pg_current_schemas", 1, |a| {
        let (path, user) = with_state(|state| (names::search_path(state), state.user.clone()))?;
        let implicit = a.bool(0)?.then_some("pg_catalog");
        let own = path
            .iter()
            .map(String::as_str)
            .filter(|schema| *schema != user && Some(*schema) != implicit);
        text_value(name_list(implicit.into_iter().chain(own)))
    }),
    ("pg_backend_pid", 0, |_| {
        Ok(Value::Integer(with_state(|state| state.pid)?.into()))
    }),
    ("pg_client_encoding", 0, |_| text_value("UTF8")),
    ("pg_txid_current", 0, |_| {
        Ok(Value::Integer(
            with_state(|state| state.transaction_time)? / 1000 % 4_000_000_000,
        ))
    }),
    ("pg_advisory_lock", -1, |_| text_value("")),
    ("pg_advisory_lock_shared", -1, |_| text_value("")),
    ("pg_advisory_xact_lock", -1, |_| text_value("")),
    ("pg_advisory_xact_lock_shared", -1, |_| text_value("")),
    ("pg_advisory_unlock_all", 0, |_| text_value("")),
    ("pg_advisory_unlock", -1, |_| bool_value(true)),
    ("pg_advisory_unlock_shared", -1, |_| bool_value(true)),
    ("pg_try_advisory_lock", -1, |_| bool_value(true)),
    ("pg_try_advisory_xact_lock", -1, |_| bool_value(true)),
    ("pg_notify", 2, |_| text_value("")),
    ("pg_cancel_backend", 1, |_| bool_value(false)),
    ("pg_terminate_backend", 1, |_| bool_value(false)),
    ("pg_inet_server_addr", 0, |_| Ok(Value::Null)),
    ("pg_inet_client_addr", 0, |_| Ok(Value::Null)),
    ("pg_inet_server_port", 0, |_| Ok(Value::Null)),
    ("pg_inet_client_port", 0, |_| Ok(Value::Null)),
    ("pg_current_setting", 1, |a| setting(a.text(0)?, false)),
    ("pg_current_setting", 2, |a| setting(a.text(0)?, a.bool(1)?)),
    ("pg_set_config", 3, |a| {
        let (name, value, local) = (a.text(0)?, a.text(1)?, a.bool(2)?);
        change(name, value, local)?;
        text_value(value)
    }),
];

/// `pg_sleep`, in short steps: an interrupt ends it.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    ffi::with_connection(connection, "pg_sleep", 1, |context, own| {
        let mut rest = context.get::<f64>(0)?.clamp(0.0, 86_400.0);
        while rest > 0.0 {
            if own.is_interrupted() {
                return Err(fail(PgError::new(
                    "57014",
                    "canceling statement due to user request",
                )));
            }
            let step = rest.min(0.02);
            #[allow(clippy::disallowed_methods, reason = "a client asks to wait")]
            std::thread::sleep(std::time::Duration::from_secs_f64(step));
            rest -= step;
        }
        Ok(Value::Text(String::new()))
    })
}

fn setting(name: &str, missing_ok: bool) -> Result<Value> {
    match with_state(|state| state.setting(name))? {
        Some(value) => text_value(value),
        None if missing_ok => Ok(Value::Null),
        None => Err(PgError::new(
            "42704",
            format!("unrecognized configuration parameter \"{name}\""),
        )),
    }
}

fn change(name: &str, value: &str, local: bool) -> Result<()> {
    SESSION.with_borrow(|session| match session {
        Some(shared) => shared.borrow_mut().set(name, Some(value), local),
        None => Err(PgError::new("XX000", "this connection has no session")),
    })
}

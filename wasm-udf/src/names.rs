//! Procedures by their own names: each is a function, or a table, of the connection.
//!
//! A name becomes known to a connection when it is opened, when one of the `proc_` functions
//! meets it, and when another connection of the process creates it. A function looks its
//! procedure up when a statement uses it, so replacing needs nothing, and one that was dropped
//! says so.
//!
//! No function of SQLite's or of anybody's is ever replaced: a name that SQLite knows already is
//! not registered, and `YIELDING` makes ours give way to what comes later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sqlite_abi::{Connection, ConnectionId, Extension, FunctionFlags, peers};

use crate::catalog::{self, Stored};
use crate::functions::{aggregate, rows, scalar, unnamed};
use crate::process::{Process, lock};
use crate::signature::{Kind, Signature};
use crate::types::DataType;

/// The names that connections know, by connection.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<ConnectionId, Known>>);

/// What one connection knows: lower-case names, and as what.
#[derive(Debug, Default)]
struct Known {
    names: HashMap<String, Form>,
    /// Databases in UTF-16 are not reached from other connections, because ours would not give
    /// way there.
    utf16: bool,
}

/// What a name was registered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    kind: Kind,
    deterministic: bool,
    direct_only: bool,
    json: bool,
}

impl Form {
    fn of(signature: &Signature) -> Self {
        let json = signature
            .return_type
            .as_deref()
            .is_some_and(|name| DataType::parse(name) == Some(DataType::Json));
        Self {
            kind: signature.kind,
            deterministic: signature.deterministic,
            direct_only: signature.sql.is_some(),
            json,
        }
    }

    fn flags(self) -> FunctionFlags {
        [
            (self.deterministic, FunctionFlags::DETERMINISTIC),
            (self.direct_only, FunctionFlags::DIRECTONLY),
            (self.json, FunctionFlags::RESULT_SUBTYPE),
        ]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .fold(FunctionFlags::YIELDING, |flags, flag| flags | flag)
    }
}

/// The mark that a connection is open; dropped with it.
#[derive(Debug)]
pub(crate) struct Opened {
    process: Arc<Process>,
    id: ConnectionId,
}

impl Drop for Opened {
    fn drop(&mut self) {
        // In a child process the lock may be held by a thread that is not there.
        if self.process.is_current() {
            lock(&self.process.names.0).remove(&self.id);
            // The next connection may get the same address.
            self.process.counts.forget(&unnamed(self.id));
        }
    }
}

/// A connection is being opened: it learns the names of its databases. What cannot be read (a
/// locked or encrypted file, say) is learned later.
pub(crate) fn open(process: &Arc<Process>, connection: &Connection<'_>) -> Opened {
    lock(&process.names.0).insert(connection.id(), Known::default());
    if let Ok(procedures) = catalog::list(connection) {
        let mut any = false;
        for stored in &procedures {
            learn(process, connection, stored);
            any = true;
        }
        if any {
            let utf16 = is_utf16(connection);
            if let Some(known) = lock(&process.names.0).get_mut(&connection.id()) {
                known.utf16 = utf16;
            }
        }
    }
    // SQLite takes an error that is left here for a failure to open.
    let _ = connection.exec("SELECT 1");
    Opened {
        process: Arc::clone(process),
        id: connection.id(),
    }
}

fn is_utf16(connection: &Connection<'_>) -> bool {
    let encoding = connection
        .prepare("PRAGMA encoding")
        .and_then(|mut statement| {
            statement.step()?;
            statement.column(0)
        });
    encoding != Ok(sqlite_abi::Value::from("UTF-8"))
}

/// Makes a stored procedure callable by its name on its own connection. A definition that cannot
/// be read is passed over: it must not keep the others from working.
pub(crate) fn learn(process: &Process, connection: &Connection<'_>, stored: &Stored) {
    let Ok(signature) = Signature::stored(&stored.definition) else {
        return;
    };
    let form = Form::of(&signature);
    let key = stored.name.to_ascii_lowercase();
    let known = |names: &HashMap<_, Known>| {
        names
            .get(&connection.id())
            .and_then(|known| known.names.get(&key).copied())
    };
    let before = known(&lock(&process.names.0));
    if before == Some(form) && form.kind != Kind::Table {
        return;
    }
    if before.is_none() && is_taken(connection, &stored.name, form.kind).unwrap_or(true) {
        return;
    }
    register(process, connection, &stored.name, &signature, form);
}

/// Makes a procedure callable by its name on the other connections of the process.
pub(crate) fn share<E: Extension>(
    process: &Process,
    connection: &Connection<'_>,
    name: &str,
    signature: &Signature,
) {
    let form = Form::of(signature);
    let key = name.to_ascii_lowercase();
    peers::visit::<E>(connection.id(), |peer| {
        let wanted = lock(&process.names.0)
            .get(&peer.id())
            .is_some_and(|known| !known.utf16 && known.names.get(&key) != Some(&form));
        if wanted {
            register(process, peer, name, signature, form);
        }
    });
}

/// Registers, if SQLite lets us: what runs just now cannot be changed, and is tried again when
/// the name is met the next time.
fn register(
    process: &Process,
    connection: &Connection<'_>,
    name: &str,
    signature: &Signature,
    form: Form,
) {
    let changed = lock(&process.names.0)
        .get(&connection.id())
        .is_some_and(|known| known.names.contains_key(&name.to_ascii_lowercase()));
    if changed && form.kind != Kind::Table && connection.has_running_statement() {
        return;
    }
    let registered = match form.kind {
        Kind::Scalar => scalar::register_named(connection, name, form.flags()),
        Kind::Aggregate | Kind::Window => {
            let window = form.kind == Kind::Window;
            aggregate::register_named(connection, name, form.flags(), window)
        }
        Kind::Table => rows::register_named(connection, name, signature),
    };
    if registered.is_ok()
        && let Some(known) = lock(&process.names.0).get_mut(&connection.id())
    {
        known.names.insert(name.to_ascii_lowercase(), form);
    }
}

/// Whether SQLite, on this connection, knows a function (or for a table a module) of this name
/// that is not ours.
pub(crate) fn is_taken(
    connection: &Connection<'_>,
    name: &str,
    kind: Kind,
) -> Result<bool, sqlite_abi::Error> {
    if kind == Kind::Table {
        let mut statement = connection
            .prepare("SELECT 1 FROM pragma_module_list WHERE name = ?1 COLLATE NOCASE")?;
        statement.bind(1, &name.into())?;
        return statement.step();
    }
    let quoted = name.replace('"', "\"\"");
    match connection.prepare(&format!("SELECT \"{quoted}\"()")) {
        Err(error) => Ok(!error.message.starts_with("no such function")),
        Ok(_) => Ok(true),
    }
}

/// Whether a connection has registered this name itself.
pub(crate) fn is_ours(process: &Process, connection: &Connection<'_>, name: &str) -> bool {
    lock(&process.names.0)
        .get(&connection.id())
        .is_some_and(|known| known.names.contains_key(&name.to_ascii_lowercase()))
}

/// Whether a procedure may call this one by its name: one that itself has no way to the database.
pub(crate) fn is_callable(process: &Process, connection: ConnectionId, name: &str) -> bool {
    lock(&process.names.0)
        .get(&connection)
        .and_then(|known| known.names.get(name))
        .is_some_and(|form| !form.direct_only)
}

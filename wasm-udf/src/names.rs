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
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, Weak};

use sqlite_abi::{Connection, ConnectionId, Extension, FunctionFlags, peers};

use crate::catalog::{self, Stored};
use crate::functions::{aggregate, rows, scalar, unnamed};
use crate::process::{Process, lock};
use crate::signature::{Kind, Signature};
use crate::types::DataType;

/// The names that connections know, by connection.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<ConnectionId, Known>>);

/// What one connection knows.
#[derive(Debug, Default)]
struct Known {
    /// By lower-case name, and whether it is a table: those have names of their own.
    names: HashMap<(String, bool), Entry>,
    /// Databases in UTF-16 are not reached from other connections, because ours would not give
    /// way there.
    utf16: bool,
}

/// A name that was registered.
#[derive(Debug, Clone)]
struct Entry {
    form: Form,
    /// For a table: alive until SQLite drops our module, as it does when another takes its place.
    module: Option<Weak<()>>,
}

impl Entry {
    /// Whether what SQLite has under the name is still ours.
    fn is_alive(&self) -> bool {
        self.module
            .as_ref()
            .is_none_or(|module| module.strong_count() > 0)
    }
}

/// What a name was registered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    kind: Kind,
    deterministic: bool,
    direct_only: bool,
    json: bool,
    /// A hash of a table's columns and arguments.
    columns: u64,
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
            direct_only: signature.sql.is_some() || signature.kind == Kind::Guest,
            json,
            columns: if signature.kind == Kind::Table {
                let mut hasher = DefaultHasher::new();
                (&signature.columns, &signature.params).hash(&mut hasher);
                hasher.finish()
            } else {
                0
            },
        }
    }

    fn is_table(self) -> bool {
        self.kind == Kind::Table
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
            self.process.pools.forget(&unnamed(self.id));
        }
    }
}

/// A connection is being opened: it learns the names of its databases. What cannot be read (a
/// locked or encrypted file, say) is learned later.
pub(crate) fn open(process: &Arc<Process>, connection: &Connection<'_>) -> Opened {
    lock(&process.names.0).insert(connection.id(), Known::default());
    if let Ok(procedures) = catalog::list(connection) {
        for stored in &procedures {
            learn(process, connection, stored);
        }
        let utf16 = is_utf16(connection);
        if let Some(known) = lock(&process.names.0).get_mut(&connection.id()) {
            known.utf16 = utf16;
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
/// be read, or a name that `proc_create` would not have taken, is passed over: a stranger may have
/// written it.
pub(crate) fn learn(process: &Process, connection: &Connection<'_>, stored: &Stored) {
    let Ok(signature) = Signature::stored(&stored.definition) else {
        return;
    };
    if check_name(&stored.name).is_err() {
        return;
    }
    let form = Form::of(&signature);
    let before = known(process, connection.id(), &stored.name, form.is_table());
    if before.as_ref().is_some_and(|entry| entry.form == form) {
        return;
    }
    if before.is_none() && is_taken(connection, &stored.name, form.kind).unwrap_or(true) {
        return;
    }
    register(process, connection, &stored.name, &signature, form);
}

/// What a connection has registered under a name, if it still has it.
fn known(process: &Process, connection: ConnectionId, name: &str, table: bool) -> Option<Entry> {
    lock(&process.names.0)
        .get(&connection)?
        .names
        .get(&(name.to_ascii_lowercase(), table))
        .filter(|entry| entry.is_alive())
        .cloned()
}

/// Makes a procedure callable by its name on the other connections of the process. Not a table:
/// there is no way to see, without running SQL on them, whether they have another module of that
/// name, and no way for ours to give way to it.
pub(crate) fn share<E: Extension>(
    process: &Process,
    connection: &Connection<'_>,
    name: &str,
    signature: &Signature,
) {
    let form = Form::of(signature);
    if form.is_table() {
        return;
    }
    let key = (name.to_ascii_lowercase(), false);
    let wanted = |peer: ConnectionId| {
        lock(&process.names.0).get(&peer).is_some_and(|known| {
            !known.utf16 && known.names.get(&key).is_none_or(|entry| entry.form != form)
        })
    };
    peers::visit::<E>(connection.id(), wanted, |peer| {
        register(process, peer, name, signature, form);
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
    let changed = known(process, connection.id(), name, form.is_table()).is_some();
    if changed && !form.is_table() && connection.has_running_statement() {
        return;
    }
    let registered = match form.kind {
        // Calling a guest gives a sentence that says how to run it.
        Kind::Scalar | Kind::Guest => {
            scalar::register_named(connection, name, form.flags()).map(|()| None)
        }
        Kind::Aggregate | Kind::Window => {
            let window = form.kind == Kind::Window;
            aggregate::register_named(connection, name, form.flags(), window).map(|()| None)
        }
        Kind::Table => rows::register_named(connection, name, signature).map(Some),
    };
    if let Ok(module) = registered
        && let Some(known) = lock(&process.names.0).get_mut(&connection.id())
    {
        let key = (name.to_ascii_lowercase(), form.is_table());
        known.names.insert(key, Entry { form, module });
    }
}

/// Whether SQLite, on this connection, knows a function (or for a table a module) of this name
/// that is not ours.
pub(crate) fn is_taken(
    connection: &Connection<'_>,
    name: &str,
    kind: Kind,
) -> Result<bool, sqlite_abi::Error> {
    let quoted = name.replace('"', "\"\"");
    if kind == Kind::Table {
        let mut statement = connection
            .prepare("SELECT 1 FROM pragma_module_list WHERE name = ?1 COLLATE NOCASE")?;
        statement.bind(1, &name.into())?;
        if statement.step()? {
            return Ok(true);
        }
        // Modules that SQLite makes when they are first asked for are on no list.
        return Ok(
            match connection.prepare(&format!("SELECT 1 FROM \"{quoted}\"")) {
                Err(error) => !error.message.starts_with("no such table"),
                Ok(_) => true,
            },
        );
    }
    match connection.prepare(&format!("SELECT \"{quoted}\"()")) {
        Err(error) => Ok(!error.message.starts_with("no such function")),
        Ok(_) => Ok(true),
    }
}

/// Whether a connection has registered this name itself, as a function or as a table.
pub(crate) fn is_ours(
    process: &Process,
    connection: &Connection<'_>,
    name: &str,
    kind: Kind,
) -> bool {
    known(process, connection.id(), name, kind == Kind::Table).is_some()
}

/// Beginnings of names that are ours or SQLite's.
const RESERVED: [&str; 9] = [
    "sqlite_",
    "pragma_",
    "json",
    "proc_",
    "sqlbridge_",
    "blob_",
    "session_",
    "changeset_",
    "sqlproxy_",
];

/// Keywords after which SQL has parentheses that are no call: under such a name it could not be
/// told who calls.
const BEFORE_PARENTHESES: [&str; 42] = [
    "all",
    "and",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "collate",
    "conflict",
    "distinct",
    "else",
    "escape",
    "except",
    "exists",
    "filter",
    "from",
    "glob",
    "having",
    "in",
    "intersect",
    "is",
    "join",
    "like",
    "limit",
    "match",
    "not",
    "offset",
    "on",
    "or",
    "over",
    "raise",
    "regexp",
    "returning",
    "select",
    "set",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "window",
];

const LONGEST_NAME: usize = 200;

/// Whether a procedure may have this name.
///
/// # Errors
/// Why not, as a sentence's end.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let begins = characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_');
    if !begins || !characters.all(|c| c.is_alphanumeric() || c == '_') {
        return Err(
            "a name has letters, digits and underscores, and begins with no digit".to_owned(),
        );
    }
    if name.len() > LONGEST_NAME {
        return Err(format!("a name has at most {LONGEST_NAME} bytes"));
    }
    let lower = name.to_ascii_lowercase();
    if BEFORE_PARENTHESES.contains(&lower.as_str()) {
        return Err(format!(
            "'{name}' is a keyword of SQL that stands before parentheses"
        ));
    }
    match RESERVED
        .iter()
        .find(|reserved| lower.starts_with(*reserved))
    {
        Some(reserved) => Err(format!("names that begin with '{reserved}' are reserved")),
        None => Ok(()),
    }
}

/// Whether a procedure may call this one by its name: one that itself has no way to the database.
pub(crate) fn is_callable(process: &Process, connection: ConnectionId, name: &str) -> bool {
    lock(&process.names.0)
        .get(&connection)
        .is_some_and(|known| {
            let named = |table| known.names.get(&(name.to_owned(), table));
            let entries = [named(false), named(true)];
            let mut there = entries.into_iter().flatten().peekable();
            there.peek().is_some() && there.all(|entry| !entry.form.direct_only)
        })
}

//! The catalog of a connection as it is now: [`Session`] keeps the [`Model`] until the schema changes.
//!
//! SQLite's schema cookie names a committed schema for good. Within a transaction that writes it does
//! not: two schemas of which the first was rolled back have one number. So there, and where the side
//! tables may have changed, the text of the schema is compared as well.

use std::cell::RefCell;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, TransactionState};

use super::model::Model;
use super::read;
use super::rows::{Lifetime, Relation, Rows, View};
use crate::session::state::{Shared, State};

/// Tables of the server's own that describe what SQLite has no place for.
const SIDE_TABLES: [&str; 4] = [
    "pg_frontend_schemas",
    "pg_frontend_sequences",
    "pg_frontend_enums",
    "pg_frontend_comments",
];

/// The catalog of one connection.
pub(super) struct Session {
    state: Shared,
    cached: RefCell<Option<Cached>>,
}

struct Cached {
    stamp: Stamp,
    /// Of the schema's text and the side tables.
    fingerprint: u64,
    side_tables: bool,
    model: Rc<Model>,
}

/// What shows cheaply that something may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    cookie: i64,
    temporary: i64,
    /// Changes with others' commits.
    data: i64,
    /// Grows with our own changes.
    changes: u64,
    /// In a transaction that writes.
    writing: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(state: &Shared) -> Self {
        Self {
            state: Shared::clone(state),
            cached: RefCell::default(),
        }
    }

    /// Looks at the session's state.
    pub(super) fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.borrow())
    }

    /// The model, read again if the database is not as it was.
    pub(super) fn model(&self, connection: &Connection) -> Result<Rc<Model>> {
        let stamp = stamp(connection)?;
        let mut cached = self.cached.borrow_mut();
        if let Some(cached) = &mut *cached
            && cached.stamp.cookie == stamp.cookie
            && cached.stamp.temporary == stamp.temporary
        {
            let committed = !cached.stamp.writing && !stamp.writing;
            let unchanged = cached.stamp == stamp || !cached.side_tables;
            if committed && unchanged || fingerprint(connection)?.0 == cached.fingerprint {
                cached.stamp = stamp;
                return Ok(Rc::clone(&cached.model));
            }
        }
        let (fingerprint, side_tables) = fingerprint(connection)?;
        let model = Rc::new(read::read(connection, stamp.cookie)?);
        *cached = Some(Cached {
            stamp,
            fingerprint,
            side_tables,
            model: Rc::clone(&model),
        });
        Ok(model)
    }

    /// What a relation holds, with the schema's version.
    pub(super) fn rows(
        &self,
        connection: &Connection,
        relation: &'static Relation,
    ) -> Result<(i64, Rc<Rows>)> {
        let model = self.model(connection)?;
        let view = View {
            model: &model,
            session: self,
            connection,
        };
        if relation.lifetime() == Lifetime::Statement {
            return Ok((model.version, Rc::new(relation.rows(&view)?)));
        }
        let made = model.relations.borrow().get(relation.name).cloned();
        let rows = match made {
            Some(rows) => rows,
            None => {
                let rows = Rc::new(relation.rows(&view)?);
                model
                    .relations
                    .borrow_mut()
                    .insert(relation.name, Rc::clone(&rows));
                rows
            }
        };
        Ok((model.version, rows))
    }
}

fn stamp(connection: &Connection) -> Result<Stamp> {
    let pragma = |sql: &str| {
        connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))
    };
    let state = connection.transaction_state(None::<&str>)?;
    Ok(Stamp {
        cookie: pragma("PRAGMA main.schema_version")?,
        temporary: pragma("PRAGMA temp.schema_version")?,
        data: pragma("PRAGMA main.data_version")?,
        changes: connection.total_changes(),
        writing: state == TransactionState::Write,
    })
}

/// A hash of the schema's text and of the side tables; whether there are any of these.
fn fingerprint(connection: &Connection) -> Result<(u64, bool)> {
    let mut hasher = DefaultHasher::new();
    let mut side = Vec::new();
    let mut schema = connection.prepare(
        "SELECT name, tbl_name, sql FROM main.sqlite_schema
         UNION ALL SELECT name, tbl_name, sql FROM temp.sqlite_schema",
    )?;
    let mut rows = schema.query([])?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str().unwrap_or_default();
        side.extend(SIDE_TABLES.into_iter().filter(|&table| table == name));
        for column in 0..3 {
            hash(row.get_ref(column)?, &mut hasher);
        }
    }
    for &table in &side {
        let mut statement = connection.prepare(&format!("SELECT * FROM main.{table}"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                hash(row.get_ref(column)?, &mut hasher);
            }
        }
    }
    Ok((hasher.finish(), !side.is_empty()))
}

fn hash(value: ValueRef<'_>, hasher: &mut DefaultHasher) {
    match value {
        ValueRef::Null => 0_u8.hash(hasher),
        ValueRef::Integer(integer) => integer.hash(hasher),
        ValueRef::Real(real) => real.to_bits().hash(hasher),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(hasher),
    }
}

//! Names of databases, and connections to them.
//!
//! | module | what |
//! | --- | --- |
//! | this one | [`Databases`]: open, create, drop, list |
//! | `name` | what may be a name |
//! | `place` | where databases lie: a directory of plain files, or a store |
//! | `setup` | what every connection is told before anybody uses it |
//! | [`health`] | whether the store is reached, and whether there is space |
//!
//! A connection holds a lease on its database for as long as it is open: while there is one, the
//! database cannot be dropped.

pub mod health;
mod name;
mod place;
mod setup;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::capture::Captures;
use crate::error::{PgError, Result};

pub use name::check as check_name;
pub use place::{Place, Store};

/// Spare connections that are kept for a database.
const SPARE: usize = 2;
/// How long a new connection waits for a lock.
const SHORT_WAIT: Duration = Duration::from_secs(5);

/// All databases of the server.
#[derive(Debug, Clone)]
pub struct Databases {
    place: Arc<Place>,
    in_use: Arc<Mutex<HashMap<String, Use>>>,
    /// A connection to each database that was ever opened. With it stays what is known of a database in a
    /// store, so that reads go on while the store is out of reach; and a plain file is not
    /// closed, with a checkpoint and under an exclusive lock, whenever the last client leaves.
    keepers: Arc<Mutex<BTreeMap<String, Connection>>>,
    /// Connections that wait for the next use, by database: they do not count as a use of it.
    spare: Arc<Mutex<HashMap<String, Vec<Connection>>>>,
    captures: Arc<Captures>,
    watched: Arc<health::Shared>,
    /// The disk was found full, and has not been seen to have space since.
    full: Arc<AtomicBool>,
}

/// Who has a database open.
#[derive(Debug, Default)]
struct Use {
    connections: usize,
    /// It is being made or dropped: nobody else may do so, or open it.
    exclusive: bool,
}

/// One connection's hold on its database, given back when it is closed.
#[derive(Debug)]
struct Lease {
    in_use: Arc<Mutex<HashMap<String, Use>>>,
    name: String,
    exclusive: bool,
}

impl Databases {
    /// The databases of a place. Nothing is opened or made yet.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place: Arc::new(place),
            in_use: Arc::default(),
            keepers: Arc::default(),
            spare: Arc::default(),
            captures: Arc::default(),
            watched: Arc::default(),
            full: Arc::default(),
        }
    }

    /// With what is captured of their clients' changes.
    #[must_use]
    pub fn with_captures(self, captures: Captures) -> Self {
        Self {
            captures: Arc::new(captures),
            ..self
        }
    }

    /// What is captured.
    #[must_use]
    pub fn captures(&self) -> &Captures {
        &self.captures
    }

    /// Where they lie.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A new connection, set up for the use of one thread. It waits a few seconds for locks; a caller
    /// that knows better sets its own busy handler.
    ///
    /// # Errors
    /// 3D000: there is no such database. 55006: it is being dropped. 08006, 53100, 58030: it cannot be opened.
    pub fn open(&self, name: &str) -> Result<Connection> {
        name::check(name).map_err(|_| no_database(name))?;
        let lease = self.lease(name, false)?;
        let connection = self.place.open(name)?.ok_or_else(|| no_database(name))?;
        setup::prepare(&connection, self.place.is_store())
            .and_then(|()| setup::keep(&connection, lease))
            .map_err(|error| place::refused(&format!("cannot open database \"{name}\""), &error))?;
        self.keep(name)?;
        Ok(connection)
    }

    /// A connection for one short use, a spare one where there is one: see [`give_back`](Self::give_back).
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn reuse(&self, name: &str) -> Result<Connection> {
        let spare = lock(&self.spare).get_mut(name).and_then(Vec::pop);
        match spare {
            Some(connection) => Ok(connection),
            None => self.open(name),
        }
    }

    /// Gives back what [`reuse`](Self::reuse) gave, for others; one with an open transaction is closed.
    pub fn give_back(&self, name: &str, connection: Connection) {
        let mut spare = lock(&self.spare);
        let waiting = spare.entry(name.to_owned()).or_default();
        if waiting.len() < SPARE && connection.is_autocommit() {
            waiting.push(connection);
        }
    }

    fn keep(&self, name: &str) -> Result<()> {
        let mut keepers = lock(&self.keepers);
        if !keepers.contains_key(name)
            && let Some(keeper) = self.place.open(name)?
        {
            if self.place.is_store() {
                let transaction = place::transaction(&keeper).unwrap_or_default();
                tracing::info!(database = name, transaction, "storage: database opened");
            }
            keepers.insert(name.to_owned(), keeper);
        }
        Ok(())
    }

    /// Whether a transaction may begin to write.
    ///
    /// # Errors
    /// 53100: the disk is full.
    pub fn admit(&self) -> Result<()> {
        if !self.full.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(PgError::new(
            "53100",
            "the disk is full: no transaction may write until there is space",
        )
        .hint("Make room; the server looks every two seconds."))
    }

    /// Looks at an error that a client is told. After 53100 nobody writes before there is space, and a
    /// store that was not reached is looked at.
    pub fn note(&self, error: &PgError) {
        if matches!(error.code, "08006" | "08007" | "53100") {
            self.watched.ask();
        }
        if error.code == "53100"
            && self.place.has_space().is_err()
            && !self.full.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                "storage: the disk is full; no transaction may write until there is space"
            );
        }
    }

    /// The end: what is not yet stored is stored, and what is kept open is closed.
    ///
    /// # Errors
    /// 08006: whether the last COMMIT of a database was stored could not be found out.
    pub fn close(&self) -> Result<()> {
        lock(&self.spare).clear();
        if self.place.is_store() {
            let statistics = self.statistics();
            tracing::info!(?statistics, "storage: so much was done");
        }
        let keepers = std::mem::take(&mut *lock(&self.keepers));
        let in_stores = keepers.into_iter().filter(|_| self.place.is_store());
        for (name, keeper) in in_stores {
            place::settle(&keeper).map_err(|error| {
                place::refused(
                    &format!("the outcome of the last COMMIT in \"{name}\" is not known"),
                    &error,
                )
            })?;
        }
        Ok(())
    }

    /// What the store was asked for so far, and what came of COMMITs, by the names of `blob_stats`;
    /// nothing for plain files.
    #[must_use]
    pub fn statistics(&self) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        if !self.place.is_store() {
            return sums;
        }
        for keeper in lock(&self.keepers).values() {
            for (name, value) in place::statistics(keeper).unwrap_or_default() {
                let sum = sums.entry(name.clone()).or_default();
                // Counts of the store are the same for each of its databases.
                *sum = if name.starts_with("store_") {
                    value
                } else {
                    *sum + value
                };
            }
        }
        sums
    }

    /// Whether there is such a database.
    ///
    /// # Errors
    /// 08006: the store is out of reach.
    pub fn exists(&self, name: &str) -> Result<bool> {
        Ok(name::check(name).is_ok() && self.place.open(name)?.is_some())
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// 42P04: there is one. 42602: the name cannot be one. 55006: somebody else makes or drops it at this moment.
    pub fn create(&self, name: &str) -> Result<()> {
        name::check(name)?;
        let _lease = self.lease(name, true)?;
        if self.place.open(name)?.is_some() {
            let message = format!("database \"{name}\" already exists");
            return Err(PgError::new("42P04", message));
        }
        self.place.create(name)?;
        tracing::info!(database = name, "database created");
        Ok(())
    }

    /// At the start: whether the store can be reached, soon.
    ///
    /// # Errors
    /// 08006, 42501: why not.
    pub fn reach(&self, name: &str) -> Result<()> {
        self.place.reach(name, health::PATIENCE)
    }

    /// Makes a database where there is none; another server may do the same at this moment.
    ///
    /// # Errors
    /// As for [`create`](Self::create), except 42P04.
    pub fn ensure(&self, name: &str) -> Result<()> {
        if self.exists(name)? {
            return Ok(());
        }
        match self.create(name) {
            Err(error) if error.code == "42P04" => Ok(()),
            Err(_) if self.exists(name).unwrap_or(false) => Ok(()),
            outcome => outcome,
        }
    }

    /// Removes a database. In a store its past goes with it.
    ///
    /// # Errors
    /// 3D000: there is none. 55006: it is in use.
    pub fn drop(&self, name: &str) -> Result<()> {
        name::check(name).map_err(|_| no_database(name))?;
        let spare = lock(&self.spare).remove(name);
        drop(spare);
        let _lease = self.lease(name, true)?;
        if self.place.open(name)?.is_none() {
            return Err(no_database(name));
        }
        lock(&self.keepers).remove(name);
        self.place.remove(name)?;
        tracing::info!(database = name, "database dropped");
        Ok(())
    }

    /// The names of all databases, sorted.
    ///
    /// # Errors
    /// 08006: the store is out of reach. 58030: the directory cannot be read.
    pub fn list(&self) -> Result<Vec<String>> {
        let mut names = self.place.list()?;
        names.retain(|name| name::check(name).is_ok());
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn lease(&self, name: &str, exclusive: bool) -> Result<Lease> {
        let mut table = lock(&self.in_use);
        let known = table.entry(name.to_owned()).or_default();
        if known.exclusive || exclusive && known.connections > 0 {
            let mut error = PgError::new(
                "55006",
                format!("database \"{name}\" is being accessed by other users"),
            );
            error.detail = Some(match known.connections {
                0 => "It is being created or dropped at this moment.".to_owned(),
                1 => "There is 1 other session using the database.".to_owned(),
                n => format!("There are {n} other sessions using the database."),
            });
            return Err(error);
        }
        known.exclusive = exclusive;
        known.connections += usize::from(!exclusive);
        Ok(Lease {
            in_use: Arc::clone(&self.in_use),
            name: name.to_owned(),
            exclusive,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = lock(&self.in_use);
        let Some(known) = table.get_mut(&self.name) else {
            return;
        };
        if self.exclusive {
            known.exclusive = false;
        } else {
            known.connections -= 1;
        }
        if known.connections == 0 && !known.exclusive {
            table.remove(&self.name);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_database(name: &str) -> PgError {
    PgError::new("3D000", format!("database \"{name}\" does not exist"))
}

#[cfg(test)]
mod tests;

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

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::{PgError, Result};

pub use name::check as check_name;
pub use place::{Place, Store};

/// All databases of the server.
#[derive(Debug, Clone)]
pub struct Databases {
    place: Arc<Place>,
    in_use: Arc<Mutex<HashMap<String, Use>>>,
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
        }
    }

    /// Where they lie.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A new connection, set up for the use of one thread. How it waits for locks (its busy handler)
    /// is left to the caller.
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
        Ok(connection)
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
        let _lease = self.lease(name, true)?;
        if self.place.open(name)?.is_none() {
            return Err(no_database(name));
        }
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

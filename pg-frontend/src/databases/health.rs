//! Whether the store is reached, and whether there is space.
//!
//! A thread looks: at a store as often as the settings say while all is well, every two seconds
//! while it is not, and as often at disks. It asks through a connection of its own, which gives up sooner than clients' do.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::place::{self, Place, Store};
use super::{Databases, lock};
use crate::error::Result;

/// While something is wrong, look again after this time.
const SOON: Duration = Duration::from_secs(2);
/// A store that does not answer within this time is out of reach.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Looks after a place, in a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and those who ask share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Why the place cannot be used, in a sentence; none: it can.
    problem: Option<String>,
    /// How often it was looked at.
    looks: u64,
    /// Somebody wants to know now.
    asked: bool,
    ended: bool,
}

/// The view of the watchdog that others hold.
#[derive(Debug, Clone)]
pub struct Health(Arc<Shared>);

impl Health {
    /// Looks now, and says why the place cannot be used, in a sentence. Waits for as long as a store
    /// is waited for.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let mut state = lock(&self.0.state);
        state.asked = true;
        self.0.changed.notify_all();
        let before = state.looks;
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, 2 * PATIENCE, |state| {
                state.looks == before && !state.ended
            });
        let (state, time) = waited.unwrap_or_else(PoisonError::into_inner);
        if time.timed_out() {
            return Some("the store does not answer".to_owned());
        }
        state.problem.clone()
    }
}

impl Watchdog {
    /// Begins to look after the databases; `name` is one that exists.
    ///
    /// # Errors
    /// The machine gives no thread.
    pub fn start(databases: &Databases, name: &str, every: Duration) -> io::Result<Self> {
        let shared = Arc::clone(&databases.watched);
        let mut probe = Probe {
            place: Arc::clone(&databases.place),
            full: Arc::clone(&databases.full),
            name: name.to_owned(),
            connection: None,
        };
        // Disks are asked for nothing, stores are not.
        let every = if probe.place.is_store() { every } else { SOON };
        let thread = {
            let shared = Arc::clone(&shared);
            let watch = move || {
                while shared.wait(every) {
                    shared.note(probe.look());
                }
            };
            std::thread::Builder::new()
                .name("watchdog".to_owned())
                .spawn(watch)?
        };
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// For those who ask.
    #[must_use]
    pub fn health(&self) -> Health {
        Health(Arc::clone(&self.shared))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watchdog of the store ended early");
        }
    }
}

impl Shared {
    /// Somebody has met a problem: look now.
    pub(super) fn ask(&self) {
        lock(&self.state).asked = true;
        self.changed.notify_all();
    }

    /// Waits until it is time to look, or somebody asks. False: it is over.
    fn wait(&self, every: Duration) -> bool {
        let state = lock(&self.state);
        let pause = if state.problem.is_some() { SOON } else { every };
        let idle = |state: &mut State| !state.ended && !state.asked;
        let waited = self.changed.wait_timeout_while(state, pause, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.asked = false;
        !state.ended
    }

    fn note(&self, found: Result<()>) {
        let problem = found.err().map(|error| error.message.clone());
        let mut state = lock(&self.state);
        match (&state.problem, &problem) {
            (None, Some(problem)) => {
                tracing::error!("storage: {problem}; commits are refused until it is back");
            }
            (Some(_), None) => tracing::info!("storage: back in order"),
            _ => {}
        }
        metrics::gauge!("pg_storage_up").set(f64::from(u8::from(problem.is_none())));
        state.problem = problem;
        state.looks += 1;
        self.changed.notify_all();
    }
}

/// Asks a place whether it can be used.
#[derive(Debug)]
struct Probe {
    place: Arc<Place>,
    full: Arc<AtomicBool>,
    name: String,
    connection: Option<Connection>,
}

impl Probe {
    fn look(&mut self) -> Result<()> {
        match &*self.place {
            Place::Files { .. } => {
                let looked = self.place.has_space();
                self.full.store(looked.is_err(), Ordering::Relaxed);
                looked
            }
            Place::Store(store) => {
                let asked = ask(&mut self.connection, store, &self.name);
                asked.map_err(|error| place::refused("the store is out of reach", &error))
            }
        }
    }
}

fn ask(kept: &mut Option<Connection>, store: &Store, name: &str) -> rusqlite::Result<()> {
    let connection = match kept.take() {
        Some(connection) => connection,
        None => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_URI
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let patience = format!("{}ms", PATIENCE.as_millis());
            Connection::open_with_flags(store.uri(name, &[("timeout", &patience)]), flags)?
        }
    };
    let asked = connection.query_row("SELECT blob_sync()", [], |_| Ok(()));
    *kept = Some(connection);
    asked
}

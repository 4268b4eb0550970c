//! The instances of a program that is kept: one pool for each process, database file and table. A table
//! of a database that has no file has a pool of its own for as long as SQLite has it open.
//!
//! A request has an instance to itself. Where all are in use and no more are allowed, it waits for
//! one, but never for a request that waits for it: where one of the requests under way was made on this
//! very thread, it may be the one that led to this request.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlite_abi::Connection;

use super::program::Program;
use super::reactor::Reactor;
use crate::error::{Error, Result};
use crate::functions::unnamed;
use crate::guest::time_text;
use crate::process::{TICK, lock};

/// The pools of a process, by database and table.
#[derive(Debug, Default)]
pub(crate) struct Pools(Mutex<HashMap<Key, Arc<Pool>>>);

/// A database, and a table of it.
type Key = (String, String);

/// Counts the uses of pools, and databases without a file.
static CLOCK: AtomicU64 = AtomicU64::new(1);

fn now() -> u64 {
    CLOCK.fetch_add(1, Ordering::Relaxed)
}

/// Which database a schema is, so that nobody sees what a program knows of another one.
pub(super) struct Identity {
    pub(super) database: String,
    /// Whether this is the only time that it is called that.
    pub(super) alone: bool,
}

/// The identity of a database whose table SQLite opens. A file that took the place of another has the same
/// path, and a database in memory may have any: there only the table as SQLite has it open is surely the
/// same.
pub(super) fn identity(connection: &Connection<'_>, schema: &str) -> Identity {
    let alone = || Identity {
        database: format!("{}{schema} {}", unnamed(connection.id()), now()),
        alone: true,
    };
    let path = match connection.filename(schema) {
        Some(path) if !path.is_empty() => path,
        _ => return alone(),
    };
    let vfs = connection.vfs_name(schema).unwrap_or_default();
    if vfs.starts_with("memdb") {
        return alone();
    }
    // What is in no file of this machine has a name that is its own.
    let file = fs::metadata(&path).map(|data| (data.dev(), data.ino(), data.created().ok()));
    Identity {
        database: format!("{path} {vfs} {:?}", file.ok()),
        alone: false,
    }
}

/// Most tables that keep instances.
const MOST: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Pool {
    /// What all its instances are made of.
    form: Form,
    state: Mutex<State>,
    free: Condvar,
}

/// What makes two programs the same: the module's hash, and the options.
pub(super) type Form = (crate::code::ContentHash, super::options::Options);

#[derive(Default)]
struct State {
    idle: Vec<Reactor>,
    /// The threads of the requests under way.
    busy: Vec<std::thread::ThreadId>,
    used: u64,
}

impl Pools {
    /// The pool of a table. One that was made of something else is replaced.
    pub(super) fn get(&self, database: &str, table: &str, form: Form) -> Arc<Pool> {
        let key = (database.to_owned(), table.to_owned());
        let mut pools = lock(&self.0);
        if let Some(pool) = pools.get(&key)
            && pool.form == form
        {
            return Arc::clone(pool);
        }
        // Who has a pool goes on using it. So it is forgotten when nobody has it: a second one for the
        // same table would let in as many requests again.
        pools.retain(|_, pool| Arc::strong_count(pool) > 1 || pool.keeps());
        let pool = Arc::new(Pool {
            form,
            state: Mutex::default(),
            free: Condvar::new(),
        });
        let replaced = pools.insert(key, Arc::clone(&pool));
        drop(pools);
        drop(replaced);
        pool
    }

    /// Ends the instances that were not used for longest where too many tables keep some.
    pub(super) fn make_room(&self) {
        let pools = lock(&self.0);
        let keeping: Vec<_> = pools.values().filter(|pool| pool.keeps()).collect();
        if keeping.len() < MOST {
            return;
        }
        let oldest = keeping
            .into_iter()
            .min_by_key(|pool| lock(&pool.state).used);
        let idle = oldest.map(|pool| std::mem::take(&mut lock(&pool.state).idle));
        drop(pools);
        // Instances end outside of the lock.
        drop(idle);
    }

    /// A table is there no longer.
    pub(super) fn remove(&self, database: &str, table: &str) {
        let key = (database.to_owned(), table.to_owned());
        let removed = lock(&self.0).remove(&key);
        // Instances end outside of the lock.
        drop(removed);
    }

    /// A connection was closed, whose databases without a file begin with this.
    pub(crate) fn forget(&self, beginning: &str) {
        let mut removed = Vec::new();
        lock(&self.0).retain(|(database, _), pool| {
            let stays = !database.starts_with(beginning);
            if !stays {
                removed.push(Arc::clone(pool));
            }
            stays
        });
    }
}

/// An instance for the time of a request.
pub(super) struct Taken<'p> {
    pool: &'p Pool,
    thread: std::thread::ThreadId,
}

impl Pool {
    /// Whether it has instances that wait for requests.
    fn keeps(&self) -> bool {
        !lock(&self.state).idle.is_empty()
    }

    /// Takes an instance; none is to be made. Waits where there are enough, up to `patience`.
    ///
    /// # Errors
    /// `Busy`, or the statement was interrupted while it waited.
    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    pub(super) fn take(
        &self,
        program: &Program,
        connection: &Connection<'_>,
        patience: Duration,
    ) -> Result<(Taken<'_>, Option<Reactor>)> {
        let title = &*program.title;
        let most = self.form.1.instances;
        let thread = std::thread::current().id();
        let mut deadline = None;
        let mut state = lock(&self.state);
        state.used = now();
        loop {
            let fits = |reactor: &Reactor| reactor.stack <= program.stack;
            if let Some(place) = state.idle.iter().rposition(fits) {
                let reactor = state.idle.remove(place);
                state.busy.push(thread);
                return Ok((Taken { pool: self, thread }, Some(reactor)));
            }
            if state.busy.len() < most {
                // Those that wait for a thread with more stack make room, if they have to.
                let full = state.idle.len() + state.busy.len() >= most;
                let ended = if full { state.idle.pop() } else { None };
                state.busy.push(thread);
                drop(state);
                drop(ended);
                return Ok((Taken { pool: self, thread }, None));
            }
            if state.busy.contains(&thread) {
                return Err(busy(
                    title,
                    most,
                    "and one of them led to this request".to_owned(),
                ));
            }
            let now = Instant::now();
            if now >= *deadline.get_or_insert(now + patience) {
                let waited = format!("and none became free within {}", time_text(patience));
                return Err(busy(title, most, waited));
            }
            (state, _) = self
                .free
                .wait_timeout(state, TICK)
                .unwrap_or_else(PoisonError::into_inner);
            if connection.is_interrupted() {
                return Err(Error::Interrupted {
                    guest: title.to_owned(),
                });
            }
        }
    }
}

fn busy(title: &str, most: usize, why: String) -> Error {
    Error::Busy {
        guest: title.to_owned(),
        most,
        why,
    }
}

impl Taken<'_> {
    /// Gives the instance back, to be used again.
    pub(super) fn give_back(self, reactor: Reactor) {
        lock(&self.pool.state).idle.push(reactor);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        if let Some(place) = state.busy.iter().position(|thread| *thread == self.thread) {
            state.busy.swap_remove(place);
        }
        drop(state);
        self.pool.free.notify_one();
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("idle", &self.idle.len())
            .field("busy", &self.busy.len())
            .finish_non_exhaustive()
    }
}

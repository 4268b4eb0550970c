//! What the connections of one process share: stores, open databases, who writes, last errors.
//!
//! Everything here belongs to one process id. After `fork()` the child finds
//! another id, makes an engine of its own and never touches a lock, thread or
//! socket of its parent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use sqlite_abi::ConnectionId;

use crate::database::{Database, WriterId};
use crate::env::{Environment, System};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::store::{self, Store};
use crate::vfs::Target;

/// More remembered errors than this mean that their connections are long gone.
const MOST_ERRORS: usize = 1024;

/// See the module's documentation.
pub struct Engine {
    pid: u32,
    env: Arc<dyn Environment>,
    open_store: Box<OpenStore>,
    stores: Mutex<HashMap<String, Arc<dyn Store>>>,
    databases: Mutex<HashMap<String, Weak<Database>>>,
    /// Databases with a COMMIT of unknown outcome. They outlive their connections, so
    /// that the next one settles it.
    unsettled: Mutex<Vec<Arc<Database>>>,
    reserved: Mutex<HashMap<ConnectionId, WriterId>>,
    errors: Mutex<HashMap<ConnectionId, (u64, String)>>,
    next_error: AtomicU64,
    next_writer: AtomicU64,
}

type OpenStore = dyn Fn(&Target, Arc<dyn Environment>) -> Result<Arc<dyn Store>> + Send + Sync;

thread_local! {
    /// The last error on this thread and its number, for opens that failed and left no connection.
    static LAST_ERROR: RefCell<Option<(u64, String)>> = const { RefCell::new(None) };
}

static CURRENT: ArcSwapOption<Engine> = ArcSwapOption::const_empty();

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// This process's engine.
    #[must_use]
    pub fn current() -> Arc<Self> {
        let pid = std::process::id();
        loop {
            let current = CURRENT.load();
            if let Some(engine) = current.as_ref().filter(|engine| engine.pid == pid) {
                return Arc::clone(engine);
            }
            let fresh = Arc::new(Self::new(Arc::new(System), Box::new(open_store)));
            // Never freed: in a child its locks may be held by threads that are not there.
            std::mem::forget(Arc::clone(&fresh));
            CURRENT.compare_and_swap(&*current, Some(fresh));
        }
    }

    /// An engine in a world of its own, for simulations.
    #[must_use]
    pub fn new(env: Arc<dyn Environment>, open_store: Box<OpenStore>) -> Self {
        Self {
            pid: std::process::id(),
            env,
            open_store,
            stores: Mutex::default(),
            databases: Mutex::default(),
            unsettled: Mutex::default(),
            reserved: Mutex::default(),
            errors: Mutex::default(),
            next_error: AtomicU64::new(0),
            next_writer: AtomicU64::new(1),
        }
    }

    /// The world.
    #[must_use]
    pub fn env(&self) -> &Arc<dyn Environment> {
        &self.env
    }

    /// Fails in a child of the process that made this engine.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn check_process(&self) -> Result<()> {
        if self.pid == std::process::id() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// True in the process that made this engine.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    /// A number for a file handle that may write.
    #[must_use]
    pub fn new_writer(&self) -> WriterId {
        WriterId(self.next_writer.fetch_add(1, Ordering::Relaxed))
    }

    /// The store a target lies in; one per URL and settings.
    ///
    /// # Errors
    /// The URL or a setting is wrong.
    pub fn store(&self, target: &Target) -> Result<Arc<dyn Store>> {
        let key = target.store_identity();
        if let Some(store) = lock(&self.stores).get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = (self.open_store)(target, Arc::clone(&self.env))?;
        Ok(Arc::clone(lock(&self.stores).entry(key).or_insert(store)))
    }

    /// The database a target names, shared with the other connections of the process.
    ///
    /// # Errors
    /// See [`Database::open`].
    pub fn database(&self, target: &Target, options: &Options) -> Result<Arc<Database>> {
        let store = self.store(target)?;
        let key = format!("{}\n{}", store.url(), target.name);
        let known = |databases: &HashMap<String, Weak<Database>>| {
            let database = databases.get(&key).and_then(Weak::upgrade);
            database.filter(|database| !database.has_diverged())
        };
        if let Some(database) = known(&lock(&self.databases)) {
            return Ok(database);
        }
        let opened = Database::open(store, Arc::clone(&self.env), &target.name, options.clone())?;
        let mut databases = lock(&self.databases);
        databases.retain(|_, database| database.strong_count() > 0);
        Ok(known(&databases).unwrap_or_else(|| {
            databases.insert(key.clone(), Arc::downgrade(&opened));
            opened
        }))
    }

    /// Keeps a database that has a COMMIT of unknown outcome until it is settled.
    pub fn keep_unsettled(&self, database: &Arc<Database>) {
        let mut unsettled = lock(&self.unsettled);
        unsettled.retain(|kept| kept.unsettled().is_some() && !Arc::ptr_eq(kept, database));
        unsettled.push(Arc::clone(database));
    }

    /// Lets a connection write to one blob database in a transaction (storage rule 4).
    ///
    /// # Errors
    /// Another of its databases is being written.
    pub fn reserve(&self, connection: Option<ConnectionId>, writer: WriterId) -> Result<()> {
        let Some(connection) = connection else {
            return Ok(());
        };
        let mut reserved = lock(&self.reserved);
        match reserved.get(&connection) {
            Some(other) if *other != writer => {
                Err(Error::Refused(
                    "a transaction can write to one blob database only, because two commits in a store cannot be made one; commit the first, then write to the second".to_owned(),
                ))
            }
            _ => {
                reserved.insert(connection, writer);
                Ok(())
            }
        }
    }

    /// Undoes [`Engine::reserve`].
    pub fn release(&self, connection: Option<ConnectionId>, writer: WriterId) {
        let Some(connection) = connection else { return };
        let mut reserved = lock(&self.reserved);
        if reserved.get(&connection) == Some(&writer) {
            reserved.remove(&connection);
        }
    }

    /// Keeps an error's sentence for `sqlbridge_last_error()` and logs it.
    pub fn record(&self, connection: Option<ConnectionId>, error: &Error) {
        let message = error.to_string();
        crate::log::error(error.code(), &message);
        let number = self.next_error.fetch_add(1, Ordering::Relaxed);
        if let (Some(connection), true) = (connection, self.is_ours()) {
            let mut errors = lock(&self.errors);
            if errors.len() > MOST_ERRORS {
                errors.clear();
            }
            errors.insert(connection, (number, message.clone()));
        }
        LAST_ERROR.set(Some((number, message)));
    }

    /// Forgets what an earlier connection with the same identity left.
    pub fn forget_error(&self, connection: ConnectionId) {
        lock(&self.errors).remove(&connection);
    }

    /// The last error of a connection or of this thread, whichever is newer: an open
    /// that failed has no connection.
    #[must_use]
    pub fn last_error(&self, connection: ConnectionId) -> Option<String> {
        let own = lock(&self.errors).get(&connection).cloned();
        let threads = LAST_ERROR.with_borrow(Clone::clone);
        own.max(threads).map(|(_, message)| message)
    }
}

/// Opens a store in the real world.
fn open_store(target: &Target, env: Arc<dyn Environment>) -> Result<Arc<dyn Store>> {
    let options = store::Options::new(target.store_parameters(), |name| std::env::var(name).ok())
        .with_foreign(&crate::options::NAMES)
        .with_state_dir(target.options_lookup("cache_dir").map_or_else(
            || crate::options::default_cache_dir().join("stores"),
            |directory| PathBuf::from(directory).join("stores"),
        ));
    store::open(&target.store, &options, env).map_err(|error| Error::Refused(error.to_string()))
}

//! What the connections of one process share: the engine, compiled code, counts, and the thread
//! that makes time limits work.
//!
//! Everything here belongs to one process id, as in the storage room: after `fork()` the child
//! makes its own and never touches a lock or a thread of its parent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use sqlite_abi::Interrupter;
use wasmtime::{Config, Engine};

use crate::code::CodeCache;
use crate::names::Names;
use crate::procedure::Procedures;
use crate::serve::{Pools, Programs};
use crate::signature::Kind;
use crate::stats::Counts;

/// How often a running guest is looked at: time limits and interrupts hold to within this.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Most native stack that a call into a guest may use. Engines know no other number than one for all that they run,
/// so each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stack {
    /// For procedures, and for programs on threads that have no more.
    Small,
    /// For programs: interpreters among them call themselves for each call of what they run.
    Large,
}

impl Stack {
    pub(crate) const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Of an engine that has what is stored as this.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Guest => Self::Large,
            _ => Self::Small,
        }
    }

    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Small => 512 << 10,
            Self::Large => 4 << 20,
        }
    }
}

/// See the module's documentation.
pub(crate) struct Process {
    pid: u32,
    /// Made when the first procedure is needed: most connections never call one.
    runtimes: [OnceLock<Result<Runtime, String>>; Stack::ALL.len()],
    pub(crate) procedures: Procedures,
    pub(crate) counts: Counts,
    pub(crate) names: Names,
    /// Programs that are kept, and the modules of programs.
    pub(crate) pools: Pools,
    pub(crate) programs: Programs,
    ticker: Mutex<Ticker>,
    /// Instances that exist; the ticker sleeps while there are none.
    alive: AtomicUsize,
    /// Whether the ticker's thread was started.
    ticking: AtomicBool,
    wake: Condvar,
    /// Whether the ticker waits to be woken.
    asleep: AtomicBool,
}

/// What wasmtime needs.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) code: CodeCache,
}

#[derive(Default)]
struct Ticker {
    started: bool,
    /// Calls that run SQL, and when they must have ended.
    watched: HashMap<u64, Arc<Watched>>,
    next: u64,
}

/// A connection that is interrupted where it runs SQL later than it may.
struct Watched {
    deadline: Instant,
    interrupter: Arc<Interrupter>,
    /// Whether SQL runs: a guest that computes is stopped in another way.
    in_sql: AtomicBool,
    /// Whether it was interrupted.
    fired: AtomicBool,
}

static CURRENT: ArcSwapOption<Process> = ArcSwapOption::const_empty();

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// This process's.
    pub(crate) fn current() -> Arc<Self> {
        let pid = std::process::id();
        loop {
            let current = CURRENT.load();
            if let Some(process) = current.as_ref().filter(|process| process.pid == pid) {
                return Arc::clone(process);
            }
            let fresh = Arc::new(Self::new(pid));
            // Never freed: in a child its locks may be held by threads that are not there.
            std::mem::forget(Arc::clone(&fresh));
            CURRENT.compare_and_swap(&*current, Some(fresh));
        }
    }

    fn new(pid: u32) -> Self {
        Self {
            pid,
            runtimes: Default::default(),
            procedures: Procedures::default(),
            counts: Counts::default(),
            names: Names::default(),
            pools: Pools::default(),
            programs: Programs::default(),
            ticker: Mutex::default(),
            alive: AtomicUsize::new(0),
            ticking: AtomicBool::new(false),
            wake: Condvar::new(),
            asleep: AtomicBool::new(false),
        }
    }

    /// The engine and the compiled code, for guests with this stack.
    ///
    /// # Errors
    /// A machine on which wasmtime does not run, as a sentence.
    pub(crate) fn runtime(&self, stack: Stack) -> Result<&Runtime, String> {
        let [small, large] = &self.runtimes;
        let runtime = match stack {
            Stack::Small => small,
            Stack::Large => large,
        };
        let runtime = runtime.get_or_init(|| {
            let engine = Engine::new(&config(stack))
                .map_err(|error| format!("WebAssembly cannot run on this machine: {error:#}"))?;
            let code = CodeCache::new(&engine);
            Ok(Runtime { engine, code })
        });
        runtime.as_ref().map_err(Clone::clone)
    }

    /// Whether this is still the process it was made for.
    pub(crate) fn is_current(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Says that an instance exists, for which time must pass. Starts the ticker's thread.
    ///
    /// # Errors
    /// No thread can be started: without one, nothing would stop an endless loop.
    pub(crate) fn instance_begins(self: &Arc<Self>) -> Result<Alive, String> {
        if !self.ticking.load(Ordering::Acquire) {
            let mut ticker = lock(&self.ticker);
            if !ticker.started {
                let process = Arc::clone(self);
                std::thread::Builder::new()
                    .name("sqlbridge-ticker".to_owned())
                    .stack_size(128 << 10)
                    .spawn(move || process.tick())
                    .map_err(|error| {
                        format!("no thread for time limits can be started: {error}")
                    })?;
                ticker.started = true;
            }
            self.ticking.store(true, Ordering::Release);
        }
        // Sequentially consistent with the ticker's own pair: it says that it sleeps, then looks.
        self.alive.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            // Under the lock, so that the ticker is not between its look and its wait.
            let _ticker = lock(&self.ticker);
            self.wake.notify_all();
        }
        Ok(Alive(Arc::clone(self)))
    }

    /// Interrupts the connection behind `interrupter` if it runs SQL, within [`Watch::during`],
    /// later than `deadline`.
    pub(crate) fn watch(
        self: &Arc<Self>,
        deadline: Instant,
        interrupter: &Arc<Interrupter>,
    ) -> Watch {
        let watched = Arc::new(Watched {
            deadline,
            interrupter: Arc::clone(interrupter),
            in_sql: AtomicBool::new(false),
            fired: AtomicBool::new(false),
        });
        let mut ticker = lock(&self.ticker);
        let number = ticker.next;
        ticker.next += 1;
        ticker.watched.insert(number, Arc::clone(&watched));
        Watch {
            process: Arc::clone(self),
            watched,
            number,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    fn tick(&self) {
        loop {
            let mut ticker = lock(&self.ticker);
            self.asleep.store(true, Ordering::SeqCst);
            while self.alive.load(Ordering::SeqCst) == 0 {
                ticker = self
                    .wake
                    .wait(ticker)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.store(false, Ordering::SeqCst);
            let now = Instant::now();
            for watched in ticker.watched.values() {
                // Again and again: SQLite forgets an interrupt when the statement it meant ends.
                if now >= watched.deadline && watched.in_sql.load(Ordering::Acquire) {
                    watched.fired.store(true, Ordering::Release);
                    watched.interrupter.interrupt();
                }
            }
            drop(ticker);
            for runtime in self.runtimes.iter().filter_map(OnceLock::get).flatten() {
                runtime.engine.increment_epoch();
            }
            std::thread::sleep(TICK);
        }
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// An instance exists.
#[derive(Debug)]
pub(crate) struct Alive(Arc<Process>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A call that runs SQL.
pub(crate) struct Watch {
    process: Arc<Process>,
    watched: Arc<Watched>,
    number: u64,
}

impl Watch {
    /// Whether SQL was interrupted because it took too long.
    pub(crate) fn has_fired(&self) -> bool {
        self.watched.fired.load(Ordering::Acquire)
    }

    /// Runs `body`, which may be interrupted.
    pub(crate) fn during<R>(&self, body: impl FnOnce() -> R) -> R {
        struct End<'a>(&'a AtomicBool, bool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Release);
            }
        }
        let in_sql = &self.watched.in_sql;
        let _end = End(in_sql, in_sql.swap(true, Ordering::AcqRel));
        body()
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("deadline", &self.watched.deadline)
            .finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.process.ticker).watched.remove(&self.number);
    }
}

/// No signal handler is installed (`docs/decisions/010`): hosts have their own. Memory is bounded
/// by its limit, not by reserved addresses, so an instance costs nothing but what it uses.
fn config(stack: Stack) -> Config {
    let mut config = Config::new();
    config
        .signals_based_traps(false)
        .epoch_interruption(true)
        .max_wasm_stack(stack.bytes())
        .async_stack_size(2 * stack.bytes())
        .memory_reservation(0)
        .memory_guard_size(0)
        .memory_reservation_for_growth(64 << 20)
        .wasm_component_model(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    config
}

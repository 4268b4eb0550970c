//! The world: a clock, a scheduler, a bucket, hosts.
//!
//! Divisions: time and turns · the environment · the store · the world.
//!
//! Hosts that run at the same time are threads, but only one of them runs at any
//! moment: each request and each sleep is a turn, after which the seeded scheduler
//! says who goes on. So hosts interleave between any two requests, and a history
//! replays from its seed. Nobody waits in real time: when all sleep, the clock jumps.
//! On the test's own thread a sleep moves the clock.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlbridge_vfs::engine::Engine;
use sqlbridge_vfs::env::Environment;
use sqlbridge_vfs::store::memory::{self, Bucket, Fault};
use sqlbridge_vfs::store::{
    Body, Counters, Fetched, KeyStyle, Listing, Operation, Part, Store, StoreError,
};

/// A small generator (splitmix64): its history is ours, whatever crates do.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A blob literal that does not compress. SQLite's own random() has no seed.
    pub fn blob(&mut self, bytes: u64) -> String {
        let digits: String = (0..bytes)
            .map(|_| format!("{:02x}", self.next() as u8))
            .collect();
        format!("x'{digits}'")
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// The seeds a test runs: one to replay, many to soak, else `few`.
pub fn seeds(few: u64) -> Vec<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match (number("SIM_SEED"), number("SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(many)) => {
            let first = number("SIM_FIRST").unwrap_or(1);
            (first..first + many).collect()
        }
        (None, None) => (1..=few).collect(),
    }
}

/// Runs a history for each seed, to the last, and says how to replay those that fail.
pub fn every_seed(few: u64, run: impl Fn(u64) -> String) {
    let mut failed = Vec::new();
    for seed in seeds(few) {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed))) {
            Ok(story) if std::env::var("SIM_TRACE").is_ok() => eprintln!("seed {seed}: {story}"),
            Ok(_) => {}
            Err(_) => {
                eprintln!("replay with SIM_SEED={seed}");
                failed.push(seed);
            }
        }
    }
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// Time and turns.

struct Turns {
    now_us: u64,
    rng: Rng,
    tasks: Vec<Task>,
    current: Option<usize>,
    started: bool,
}

enum Task {
    Ready,
    Asleep(u64),
    Done,
}

struct Clock {
    turns: Mutex<Turns>,
    turned: Condvar,
}

thread_local! {
    static TASK: RefCell<Option<usize>> = const { RefCell::new(None) };
    static ENGINE: RefCell<Option<Arc<Engine>>> = const { RefCell::new(None) };
}

impl Clock {
    /// The number of a thread that takes turns.
    fn task() -> Option<usize> {
        TASK.with_borrow(|task| *task)
    }

    /// Lets somebody else go on, perhaps.
    fn turn(&self) {
        if let Some(task) = Self::task() {
            self.leave(task, Task::Ready);
        }
    }

    fn sleep(&self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        match Self::task() {
            Some(task) => {
                let until = lock(&self.turns).now_us + micros;
                self.leave(task, Task::Asleep(until));
            }
            None => lock(&self.turns).now_us += micros,
        }
    }

    fn leave(&self, task: usize, state: Task) {
        let mut turns = lock(&self.turns);
        let done = matches!(state, Task::Done);
        turns.tasks[task] = state;
        turns.choose();
        self.turned.notify_all();
        while !done && turns.current != Some(task) {
            turns = self
                .turned
                .wait(turns)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_start(&self, task: usize) {
        let mut turns = lock(&self.turns);
        while !(turns.started && turns.current == Some(task)) {
            turns = self
                .turned
                .wait(turns)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Turns {
    fn choose(&mut self) {
        let now = self.now_us;
        let awake = |task: &Task| match task {
            Task::Ready => true,
            Task::Asleep(until) => *until <= now,
            Task::Done => false,
        };
        let ready: Vec<usize> = (0..self.tasks.len())
            .filter(|&task| awake(&self.tasks[task]))
            .collect();
        if !ready.is_empty() {
            let next = self.rng.pick(&ready);
            self.tasks[next] = Task::Ready;
            self.current = Some(next);
            return;
        }
        let sleepers = self
            .tasks
            .iter()
            .enumerate()
            .filter_map(|(number, task)| match task {
                Task::Asleep(until) => Some((*until, number)),
                _ => None,
            });
        self.current = sleepers.min().map(|(until, number)| {
            self.now_us = until;
            self.tasks[number] = Task::Ready;
            number
        });
    }
}

// The environment.

/// What one host (or the bucket) knows of time and chance.
pub struct SimEnv {
    clock: Arc<Clock>,
    rng: Mutex<Rng>,
    /// How much a host's wall clock is off, ms. May change at any time.
    pub wall_skew_ms: AtomicI64,
    boot_us: u64,
    /// Of a dead host: it sees its own time pass, nobody else does.
    dead: AtomicBool,
    dead_us: AtomicU64,
}

impl std::fmt::Debug for SimEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimEnv")
    }
}

/// Friday, 20 November 2026, 10:00.
pub const EPOCH_MS: i64 = 1_795_168_800_000;

impl Environment for SimEnv {
    fn wall_ms(&self) -> i64 {
        let now = lock(&self.clock.turns).now_us / 1000;
        EPOCH_MS + now as i64 + self.wall_skew_ms.load(Ordering::Relaxed)
    }

    fn boot_time(&self) -> Duration {
        let now = lock(&self.clock.turns).now_us;
        Duration::from_micros(now + self.boot_us + self.dead_us.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) {
        if self.dead.load(Ordering::Relaxed) {
            self.dead_us
                .fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
        } else {
            self.clock.sleep(duration);
        }
    }

    fn random(&self) -> u64 {
        lock(&self.rng).next()
    }
}

// The store: a host's handle that takes a turn at each request.

#[derive(Debug)]
struct SimStore {
    inner: Arc<memory::Host>,
    env: Arc<SimEnv>,
    limit: Arc<AtomicU64>,
}

impl SimStore {
    fn turn(&self) -> &memory::Host {
        if !self.env.dead.load(Ordering::Relaxed) {
            self.env.clock.turn();
        }
        &self.inner
    }
}

impl Store for SimStore {
    fn url(&self) -> &str {
        self.inner.url()
    }
    fn key_style(&self) -> KeyStyle {
        self.inner.key_style()
    }
    fn max_object_size(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }
    fn get(&self, key: &str, range: Part) -> Result<Fetched, StoreError> {
        self.turn().get(key, range)
    }
    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError> {
        self.turn().create(key, body, timestamp_ms)
    }
    fn put(&self, key: &str, body: &Body) -> Result<(), StoreError> {
        self.turn().put(key, body)
    }
    fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.turn().list(prefix)
    }
    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.turn().list_names(prefix)
    }
    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.turn().delete(keys)
    }
    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

// The world.

type Faults = Box<dyn FnMut(&memory::Request<'_>) -> Strike + Send>;

/// What happens at a request.
#[derive(Debug, Clone, Copy)]
pub enum Strike {
    Nothing,
    Fault(Fault),
    /// The host dies before the request takes effect.
    KillBefore,
    /// The host dies after it took effect, before it hears of it.
    KillAfter,
}

/// Hosts by name, each with its own view of time.
type Hosts = Vec<(String, Arc<SimEnv>)>;

/// See the module's documentation.
#[derive(Clone)]
pub struct World {
    clock: Arc<Clock>,
    pub bucket: Arc<Bucket>,
    faults: Arc<Mutex<Faults>>,
    hosts: Arc<Mutex<Hosts>>,
    dead: Arc<Mutex<HashSet<String>>>,
    /// Bytes that one object can have.
    limit: Arc<AtomicU64>,
    seed: u64,
    pub dir: Arc<Directory>,
}

/// A directory of its own, removed at the end.
#[derive(Debug)]
pub struct Directory(std::path::PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("sqlbridge-sim-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One incarnation of a host: its engine and its environment.
#[derive(Clone)]
pub struct Machine {
    pub name: String,
    pub env: Arc<SimEnv>,
    pub engine: Arc<Engine>,
    /// Where its cache is.
    pub cache: std::path::PathBuf,
    world: World,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with_style(seed, KeyStyle::Hex)
    }

    pub fn with_style(seed: u64, style: KeyStyle) -> Self {
        let turns = Turns {
            now_us: 0,
            rng: Rng::new(seed ^ 0x7075),
            tasks: Vec::new(),
            current: None,
            started: false,
        };
        let clock = Arc::new(Clock {
            turns: Mutex::new(turns),
            turned: Condvar::new(),
        });
        let env = Self::env_of(&clock, seed, 0);
        let world = Self {
            bucket: Bucket::with_style(env, style),
            clock,
            faults: Arc::new(Mutex::new(Box::new(|_| Strike::Nothing))),
            hosts: Arc::default(),
            dead: Arc::default(),
            limit: Arc::new(AtomicU64::new(u64::MAX)),
            seed,
            dir: Arc::new(Directory::new()),
        };
        world.heal();
        world
    }

    fn env_of(clock: &Arc<Clock>, seed: u64, boot_us: u64) -> Arc<SimEnv> {
        Arc::new(SimEnv {
            clock: Arc::clone(clock),
            rng: Mutex::new(Rng::new(seed)),
            wall_skew_ms: AtomicI64::new(0),
            boot_us,
            dead: AtomicBool::new(false),
            dead_us: AtomicU64::new(0),
        })
    }

    /// Starts a host with a cache of its own.
    pub fn host(&self, name: &str) -> Machine {
        self.host_with_cache(name, name)
    }

    /// Starts a host, for instance again after a crash, with the cache directory `cache`.
    pub fn host_with_cache(&self, name: &str, cache: &str) -> Machine {
        let mut hosts = lock(&self.hosts);
        let number = hosts.len() as u64 + 1;
        let seed = Rng::new(self.seed ^ (number << 32)).next();
        let env = Self::env_of(&self.clock, seed, 1_000_000_000 + (seed % 1_000_000_000));
        hosts.push((name.to_owned(), Arc::clone(&env)));
        drop(hosts);
        let store = self
            .bucket
            .host(name, Arc::clone(&env) as Arc<dyn Environment>);
        let limit = Arc::clone(&self.limit);
        let handle = Arc::new(SimStore {
            inner: store,
            env: Arc::clone(&env),
            limit,
        });
        let engine = Engine::new(
            Arc::clone(&env) as Arc<dyn Environment>,
            Box::new(move |_, _| Ok(Arc::clone(&handle) as Arc<dyn Store>)),
        );
        Machine {
            name: name.to_owned(),
            env,
            engine: Arc::new(engine),
            cache: self.dir.path().join("cache").join(cache),
            world: self.clone(),
        }
    }

    /// Asks `faults` before each request from now on. A dead host's requests never get there.
    pub fn on_request(&self, faults: impl FnMut(&memory::Request<'_>) -> Strike + Send + 'static) {
        *lock(&self.faults) = Box::new(faults);
        let (faults, dead, hosts) = (
            Arc::clone(&self.faults),
            Arc::clone(&self.dead),
            Arc::clone(&self.hosts),
        );
        self.bucket.on_request(move |request| {
            if lock(&dead).contains(request.host) {
                return Some(Fault::Unreachable);
            }
            let strike = (lock(&faults))(request);
            if matches!(strike, Strike::KillBefore | Strike::KillAfter) {
                lock(&dead).insert(request.host.to_owned());
                for (_, env) in lock(&hosts).iter().filter(|(name, _)| name == request.host) {
                    env.dead.store(true, Ordering::Relaxed);
                }
            }
            match strike {
                Strike::Nothing => None,
                Strike::Fault(fault) => Some(fault),
                Strike::KillBefore => Some(Fault::Unreachable),
                Strike::KillAfter => Some(Fault::Timeout {
                    after: Duration::ZERO,
                    applied: true,
                }),
            }
        });
    }

    /// The `n`th request from now (1 is the next) gets `strike`.
    pub fn strike_nth(&self, n: u64, strike: Strike) {
        let due = self.bucket.requests() + n;
        self.on_request(move |request| {
            if request.number == due {
                strike
            } else {
                Strike::Nothing
            }
        });
    }

    /// The next `count` requests of this kind get `strike`.
    pub fn strike_next(&self, operation: Operation, count: u64, strike: Strike) {
        let mut left = count;
        self.on_request(move |request| {
            if request.operation == operation && left > 0 {
                left -= 1;
                return strike;
            }
            Strike::Nothing
        });
    }

    /// No more faults; the dead stay dead.
    pub fn heal(&self) {
        self.on_request(|_| Strike::Nothing);
    }

    /// How large an object can be.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }

    /// Requests of one kind since `from` (a value of `bucket.requests()`), from the log.
    pub fn log_since(&self, from: u64) -> Vec<String> {
        self.bucket.log().split_off(from as usize)
    }

    /// Runs the bodies as hosts at the same time, to the end.
    pub fn together<'a>(&self, bodies: Vec<Box<dyn FnOnce() + Send + 'a>>) {
        {
            let mut turns = lock(&self.clock.turns);
            turns.tasks = bodies.iter().map(|_| Task::Ready).collect();
            turns.started = false;
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = bodies
                .into_iter()
                .enumerate()
                .map(|(number, body)| {
                    let clock = Arc::clone(&self.clock);
                    scope.spawn(move || {
                        TASK.set(Some(number));
                        clock.wait_for_start(number);
                        let _done = Done(&clock, number);
                        body();
                        ENGINE.set(None);
                    })
                })
                .collect();
            let mut turns = lock(&self.clock.turns);
            turns.started = true;
            turns.choose();
            drop(turns);
            self.clock.turned.notify_all();
            for thread in threads {
                if let Err(panic) = thread.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        lock(&self.clock.turns).tasks.clear();
    }
}

/// Gives the turn on, also where the body panicked.
struct Done<'a>(&'a Clock, usize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1, Task::Done);
        TASK.set(None);
    }
}

impl Machine {
    /// Makes this host's engine the one that opens files on this thread.
    pub fn enter(&self) {
        ENGINE.set(Some(Arc::clone(&self.engine)));
    }

    /// A file on its disk.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.world.dir.path().join(name)
    }

    /// Whether it was killed.
    pub fn is_dead(&self) -> bool {
        lock(&self.world.dead).contains(&self.name)
    }

    pub fn sleep(&self, duration: Duration) {
        self.env.sleep(duration);
    }
}

/// The engine that opens files on this thread.
pub fn current_engine() -> Arc<Engine> {
    ENGINE
        .with_borrow(Clone::clone)
        .expect("no host was entered on this thread")
}

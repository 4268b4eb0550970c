//! What the host knows of a guest while it runs: its limits, why it was stopped, its grants, and
//! the connection it was called from. The data of a wasmtime store, for procedures and programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlite_abi::{InterruptProbe, Interrupter, Lent};
use wasmtime::{Engine, Memory, ResourceLimiter, Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::error::Error;
use crate::nesting::DEEPEST;
use crate::process::{Process, Stack, TICK, Watch};
use crate::signature::Limits;
use crate::sqlproxy::Proxy;
use crate::world::World;

/// Most elements of a guest's tables together: 16 bytes each for the host.
const MOST_TABLE_ELEMENTS: usize = 1_000_000;
/// Most memories, tables and instances; a component has several of each.
const MOST_OBJECTS: usize = 100;

/// How long a guest may go on after its own time limit for a request has interrupted the connection. What it
/// asks then fails, and so does the statement that runs it; and an interrupt by the user could not be told
/// from that one.
const GRACE: Duration = Duration::from_millis(200);

/// See the module's documentation.
pub(crate) struct Guest {
    /// What it is, and its name: `procedure 'discount'`.
    pub(crate) title: Arc<str>,
    pub(crate) role: Role,
    /// That of its engine.
    pub(crate) stack: Stack,
    pub(crate) process: Arc<Process>,
    pub(crate) limits: Limits,
    pub(crate) clock: bool,
    pub(crate) random: bool,
    /// What a program has around it.
    pub(crate) world: World,
    /// State of the random numbers that are the same in every instance.
    pub(crate) seed: u64,
    /// Why the guest was stopped, where the trap alone does not say it.
    pub(crate) stopped: Option<Stopped>,
    /// The guest said that the result is NULL.
    pub(crate) null: bool,
    /// Looks at the connection while a call runs.
    pub(crate) probe: Arc<InterruptProbe>,
    /// Whether the connection was interrupted by a time limit of the guest's own.
    pub(crate) interrupts_itself: Arc<AtomicBool>,
    /// SQL on the connection, where it was granted.
    pub(crate) sql: Option<Sql>,
    /// The answer that waits to be copied.
    pub(crate) answer: Vec<u8>,
    /// The memory that host calls are about, once it is known.
    pub(crate) main_memory: Option<Memory>,
    memory: usize,
    table_elements: usize,
    /// When the call began, known from its first tick on.
    started: Option<Instant>,
    /// When its own interrupt was first seen.
    interrupted: Option<Instant>,
    /// Time in earlier calls of the statement.
    spent: Arc<Spent>,
}

/// How a guest is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Its exports are called for rows.
    Procedure,
    /// It runs once, from its beginning to its end.
    Command,
    /// It is kept, and answers requests.
    Reactor,
}

/// What a guest is held back by, and what it was granted besides SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) clock: bool,
    pub(crate) random: bool,
}

/// Time in calls of a procedure within a statement, in nanoseconds, counted where there is a limit
/// for it.
#[derive(Debug, Default)]
pub(crate) struct Spent(AtomicU64);

impl Spent {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// A guest's way to the database.
pub(crate) struct Sql {
    pub(crate) proxy: Proxy,
    /// The connection, while a call runs.
    pub(crate) lent: Option<Lent>,
    /// What can interrupt it.
    pub(crate) interrupter: Option<Arc<Interrupter>>,
    /// What watches the time, once the call has run SQL.
    pub(crate) watch: Option<Watch>,
}

/// Why a guest was stopped by the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stopped {
    Memory,
    TableElements,
    CallTime,
    StatementTime,
    Interrupted,
    /// Procedures call each other too deeply.
    Nested,
    /// The host's thread has too little stack left.
    NativeStack,
    /// It called `sqlbridge.fail`.
    Failed(String),
    /// It called `proc_exit`.
    Exited(i32),
    /// It gave the host an address outside of its memory.
    BadAddress(&'static str),
    /// It wrote more than is kept at a time.
    Output(&'static str),
}

impl Guest {
    pub(crate) fn new(
        title: &Arc<str>,
        role: Role,
        terms: Terms,
        process: &Arc<Process>,
        sql: Option<Proxy>,
        spent: &Arc<Spent>,
    ) -> Self {
        Self {
            title: Arc::clone(title),
            role,
            stack: Stack::Small,
            process: Arc::clone(process),
            limits: terms.limits,
            clock: terms.clock,
            random: terms.random,
            world: World::default(),
            seed: 0x5eed,
            stopped: None,
            null: false,
            probe: Arc::default(),
            interrupts_itself: sql
                .as_ref()
                .map(|proxy| Arc::clone(proxy.interrupted()))
                .unwrap_or_default(),
            sql: sql.map(|proxy| Sql {
                proxy,
                lent: None,
                interrupter: None,
                watch: None,
            }),
            answer: Vec::new(),
            main_memory: None,
            memory: 0,
            table_elements: 0,
            started: None,
            interrupted: None,
            spent: Arc::clone(spent),
        }
    }

    /// A store for this guest, with its limits in force.
    pub(crate) fn into_store(self, engine: &Engine) -> Store<Self> {
        let mut store = Store::new(engine, self);
        store.limiter(|guest| guest);
        store.epoch_deadline_callback(|mut context| {
            context.data_mut().tick()?;
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_epoch_deadline(1);
        store
    }

    /// Forgets the last call.
    #[inline]
    pub(crate) fn begin_call(&mut self) {
        self.null = false;
        self.interrupted = None;
        self.go_on();
    }

    /// The program is let go on: its time is counted from here.
    #[inline]
    pub(crate) fn go_on(&mut self) {
        self.started = None;
    }

    /// Adds to what counts against the statement's limit.
    pub(crate) fn spend(&self, time: Duration) {
        self.spent.add(time);
    }

    /// Whether the statement's time is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.limits
            .statement
            .is_some_and(|limit| self.spent.get() >= limit)
    }

    /// When the running call must end.
    pub(crate) fn deadline(&mut self) -> Instant {
        let started = self.started();
        let statement = self
            .limits
            .statement
            .map(|limit| limit.saturating_sub(self.spent.get()));
        started + statement.map_or(self.limits.call, |left| left.min(self.limits.call))
    }

    /// Since when the call has been running. It is asked for at a tick, or at a host call: so at
    /// most one tick after the truth.
    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    fn started(&mut self) -> Instant {
        *self.started.get_or_insert_with(|| {
            let now = Instant::now();
            now.checked_sub(TICK).unwrap_or(now)
        })
    }

    /// Called about once in [`TICK`] while the guest computes.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<()> {
        self.must_have_time()?;
        if self.probe.is_interrupted() && !self.has_grace() {
            return self.stop(Stopped::Interrupted);
        }
        Ok(())
    }

    /// Whether it was the guest that interrupted the connection, just now.
    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    fn has_grace(&mut self) -> bool {
        let now = Instant::now();
        self.interrupts_itself.load(Ordering::Relaxed)
            && now.saturating_duration_since(*self.interrupted.get_or_insert(now)) < GRACE
    }

    /// Called in host calls too, which a guest may make all the time.
    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    pub(crate) fn must_have_time(&mut self) -> wasmtime::Result<()> {
        let running = Instant::now().saturating_duration_since(self.started());
        let over = |limit: Option<Duration>, spent| limit.is_some_and(|limit| spent >= limit);
        if over(Some(self.limits.call), running) {
            return self.stop(Stopped::CallTime);
        }
        if over(self.limits.statement, self.spent.get() + running) {
            return self.stop(Stopped::StatementTime);
        }
        Ok(())
    }

    /// Stops the guest: an error that is returned into the module ends the call.
    pub(crate) fn stop<T>(&mut self, why: Stopped) -> wasmtime::Result<T> {
        self.stopped = Some(why);
        Err(wasmtime::Error::msg("stopped by the host"))
    }

    /// Makes the end of a call an error for the user.
    pub(crate) fn explain(&mut self, error: &wasmtime::Error) -> Error {
        let guest = self.title.to_string();
        let limit = |limit, value, advice| Error::Limit {
            guest: self.title.to_string(),
            limit,
            value,
            advice,
        };
        let within = match self.role {
            Role::Procedure => " for a call",
            Role::Command => "",
            Role::Reactor => " for a request",
        };
        match self.stopped.take() {
            Some(Stopped::Memory) => limit(
                "memory",
                size_text(self.limits.memory),
                "; set \"memory\" to allow more",
            ),
            Some(Stopped::TableElements) => {
                limit("table", format!("{MOST_TABLE_ELEMENTS} elements"), "")
            }
            Some(Stopped::StatementTime) if self.role == Role::Procedure => limit(
                "time",
                format!(
                    "{} for a statement",
                    time_text(self.limits.statement.unwrap_or_default())
                ),
                "",
            ),
            Some(Stopped::CallTime | Stopped::StatementTime) => limit(
                "time",
                format!("{}{within}", time_text(self.limits.call)),
                "; set \"timeout\" to allow more",
            ),
            Some(Stopped::Output(advice)) => limit("output", size_text(self.limits.output), advice),
            Some(stopped @ (Stopped::Nested | Stopped::NativeStack)) => {
                too_deep(guest, &stopped, self.stack)
            }
            Some(Stopped::Interrupted) => Error::Interrupted { guest },
            Some(Stopped::Failed(message)) => Error::Failed { guest, message },
            Some(Stopped::Exited(code)) => Error::Failed {
                guest,
                message: format!(
                    "the program ended itself with exit code {code}{}",
                    self.world.output.last_words()
                ),
            },
            Some(Stopped::BadAddress(what)) => Error::Failed {
                guest,
                message: format!("{what} lies outside of the module's memory"),
            },
            None => match error.downcast_ref::<Trap>() {
                Some(Trap::StackOverflow) => limit(
                    "stack",
                    size_text(self.stack.bytes()),
                    "; it recursed too deeply",
                ),
                Some(trap) => Error::Trapped {
                    guest,
                    trap: format!(
                        "{}{}{}",
                        trap_text(*trap),
                        frames(error),
                        self.world.output.last_words()
                    ),
                },
                // wasmtime's own bound on what a component hands to the host at once.
                None if error.to_string().contains("fuel allocated for hostcalls") => limit(
                    "output",
                    "128 MB of the host's memory for the values of a component".to_owned(),
                    ", in which a byte of list<u8> takes 40",
                ),
                None => Error::Internal {
                    guest,
                    reason: format!("{:#}", error.root_cause()),
                },
            },
        }
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest")
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.limits.memory {
            return self.stop(Stopped::Memory);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_sub(current)
            .saturating_add(desired);
        if total > MOST_TABLE_ELEMENTS {
            return self.stop(Stopped::TableElements);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MOST_OBJECTS
    }

    fn tables(&self) -> usize {
        MOST_OBJECTS
    }

    fn memories(&self) -> usize {
        MOST_OBJECTS
    }
}

/// Why a call could not begin.
pub(crate) fn too_deep(guest: String, stopped: &Stopped, stack: Stack) -> Error {
    let (limit, value, advice) = match stopped {
        Stopped::NativeStack => (
            "stack",
            size_text(stack.bytes()),
            ": the calling thread has less than that left",
        ),
        _ => ("nesting", format!("{DEEPEST} calls"), ""),
    };
    Error::Limit {
        guest,
        limit,
        value,
        advice,
    }
}

fn trap_text(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

/// `, in inner < outer`, as far as the module has names.
fn frames(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => name.chars().take(200).collect(),
            None => format!("function {}", frame.func_index()),
        })
        .take(10)
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", in {}", names.join(" < "))
    }
}

/// `100 MB`, or bytes where that is not whole.
pub(crate) fn size_text(bytes: usize) -> String {
    for (unit, name) in [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

/// `5 s`, or milliseconds where that is not whole.
pub(crate) fn time_text(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

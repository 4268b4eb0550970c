//! All sessions of the process: who may be cancelled, watched, told to end.

use std::collections::HashMap;
use std::fmt;
use std::net::Shutdown;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;
use subtle::ConstantTimeEq;

use super::clock;
use crate::protocol::transport::Socket;

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Not let in yet.
    Starting,
    /// Waiting for the client, outside of a transaction.
    Idle,
    /// Waiting for the client, inside of a transaction.
    InTransaction,
    /// Executing.
    Active,
    /// Waiting for the client's data of a COPY.
    Copying,
}

impl Phase {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Starting,
            1 => Self::Idle,
            2 => Self::InTransaction,
            3 => Self::Active,
            _ => Self::Copying,
        }
    }
}

/// Why a session was interrupted. The later ones outweigh the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Interrupt {
    /// It was not.
    None,
    /// A cancel request: the statement ends.
    Cancel,
    /// `statement_timeout`: the statement ends.
    StatementTimeout,
    /// Silent in a transaction for too long: the session ends.
    IdleInTransaction,
    /// Silent outside of one for too long (`idle_session_timeout`): the session ends.
    Idle,
    /// Not let in for too long: the session ends.
    AuthenticationTimeout,
    /// Not let in yet, when others wanted its place: the session ends.
    Crowded,
    /// The server ends.
    Shutdown,
    /// The client is gone.
    Gone,
}

impl Interrupt {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Cancel,
            2 => Self::StatementTimeout,
            3 => Self::IdleInTransaction,
            4 => Self::Idle,
            5 => Self::AuthenticationTimeout,
            6 => Self::Crowded,
            7 => Self::Shutdown,
            _ => Self::Gone,
        }
    }

    /// The session ends, not only the statement.
    #[must_use]
    pub fn ends_session(self) -> bool {
        self >= Self::IdleInTransaction
    }
}

/// A session as others see it. The session itself only stores numbers here, without a lock.
pub struct Handle {
    /// What `pg_backend_pid()` says.
    pub pid: i32,
    secret: u32,
    started: Instant,
    phase: AtomicU8,
    /// Since when, in milliseconds after `started`.
    since: AtomicU64,
    /// Milliseconds that this phase may take, 0 for ever.
    allowed: AtomicU64,
    interrupt: AtomicU8,
    socket: Socket,
    thread: OnceLock<Thread>,
    connection: OnceLock<InterruptHandle>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("pid", &self.pid)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// A handle of a session that begins now, on the current thread.
    #[must_use]
    pub fn new(pid: i32, secret: u32, socket: Socket, allowed: Duration) -> Self {
        let handle = Self {
            pid,
            secret,
            started: clock::monotonic(),
            phase: AtomicU8::new(Phase::Starting as u8),
            since: AtomicU64::new(0),
            allowed: AtomicU64::new(milliseconds(allowed)),
            interrupt: AtomicU8::new(0),
            socket,
            thread: OnceLock::new(),
            connection: OnceLock::new(),
        };
        let _ = handle.thread.set(std::thread::current());
        handle
    }

    /// What the client needs to cancel.
    #[must_use]
    pub fn secret(&self) -> u32 {
        self.secret
    }

    /// The connection that interrupts reach.
    pub fn connected(&self, connection: InterruptHandle) {
        let _ = self.connection.set(connection);
    }

    /// Enters a phase that may take `allowed`; zero: for ever.
    pub fn enter(&self, phase: Phase, allowed: Duration) {
        self.since.store(self.age(), Ordering::Relaxed);
        self.allowed.store(milliseconds(allowed), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Release);
    }

    fn age(&self) -> u64 {
        milliseconds(clock::monotonic().saturating_duration_since(self.started))
    }

    /// What it is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::from(self.phase.load(Ordering::Acquire))
    }

    /// Why it was interrupted.
    #[must_use]
    pub fn interrupted(&self) -> Interrupt {
        Interrupt::from(self.interrupt.load(Ordering::Acquire))
    }

    /// A new statement: what was meant for the last one is over.
    pub fn forget_cancel(&self) {
        let last = Interrupt::StatementTimeout as u8;
        let _ = self
            .interrupt
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (now != 0 && now <= last).then_some(0)
            });
    }

    /// Interrupts it: its statement, its waiting for a lock, and, if the session ends, its waiting for
    /// the client.
    pub fn interrupt(&self, why: Interrupt) {
        self.interrupt.fetch_max(why as u8, Ordering::AcqRel);
        self.deliver();
    }

    /// An interrupt that comes between two statements of SQLite's is lost: it is delivered again until
    /// the session has seen it.
    fn deliver(&self) {
        let why = self.interrupted();
        if why == Interrupt::None {
            return;
        }
        if self.phase() == Phase::Active
            && let Some(connection) = self.connection.get()
        {
            connection.interrupt();
        }
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        if why.ends_session() {
            let how = if why == Interrupt::Gone {
                Shutdown::Both
            } else {
                Shutdown::Read
            };
            self.socket.shutdown(how);
        }
    }

    /// It executes, or is inside of a transaction.
    #[must_use]
    pub fn may_hold_snapshot(&self) -> bool {
        !matches!(self.phase(), Phase::Starting | Phase::Idle)
    }

    /// Looks after it. True: it has a deadline, so look again soon.
    pub(super) fn watch(&self) -> bool {
        self.deliver();
        let phase = self.phase();
        let allowed = self.allowed.load(Ordering::Relaxed);
        let spent = self
            .age()
            .saturating_sub(self.since.load(Ordering::Relaxed));
        if allowed > 0 && spent >= allowed && self.interrupted() == Interrupt::None {
            match phase {
                Phase::Starting => self.interrupt(Interrupt::AuthenticationTimeout),
                Phase::Idle => self.interrupt(Interrupt::Idle),
                Phase::InTransaction | Phase::Copying => {
                    self.interrupt(Interrupt::IdleInTransaction);
                }
                Phase::Active => self.interrupt(Interrupt::StatementTimeout),
            }
        }
        // A socket that was shut from this side looks like one that was hung up.
        let ending = self.interrupted().ends_session();
        if phase == Phase::Active && spent >= 20 && !ending && self.hung_up() {
            self.interrupt(Interrupt::Gone);
        }
        phase == Phase::Active && allowed > 0
    }

    /// The client has not said yet who it is: it may have to make room for others.
    fn may_be_turned_out(&self) -> bool {
        self.phase() == Phase::Starting
            && self.allowed.load(Ordering::Relaxed) > 0
            && self.interrupted() == Interrupt::None
    }

    fn hung_up(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(poll(&mut fds, Some(&at_once)), Ok(1)) && fds[0].revents().intersects(gone)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A session's place among the others; it is gone with it, also after a panic.
#[derive(Debug)]
pub struct Registered<'a> {
    sessions: &'a Sessions,
    handle: Arc<Handle>,
}

impl std::ops::Deref for Registered<'_> {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.handle.pid);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Sessions {
    all: Mutex<HashMap<i32, Arc<Handle>>>,
    last: AtomicI32,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Arc<Handle>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins on the current thread.
    pub fn begin(&self, secret: u32, socket: Socket, allowed: Duration) -> Registered<'_> {
        let mut all = self.lock();
        let pid = loop {
            let pid = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX;
            if pid != 0 && !all.contains_key(&pid) {
                break pid;
            }
        };
        let handle = Arc::new(Handle::new(pid, secret, socket, allowed));
        all.insert(pid, Arc::clone(&handle));
        Registered {
            sessions: self,
            handle,
        }
    }

    /// Cancels the statement of a session, if the secret is right. Nobody learns whether it was.
    pub fn cancel(&self, pid: i32, secret: u32) {
        let handle = self.lock().get(&pid).cloned();
        if let Some(handle) = handle
            && bool::from(handle.secret.ct_eq(&secret))
            && matches!(handle.phase(), Phase::Active | Phase::Copying)
        {
            handle.interrupt(Interrupt::Cancel);
        }
    }

    /// Ends the one that has been at its beginning for longest. False: there is none.
    pub fn make_room(&self) -> bool {
        let sessions = self.list();
        let beginning = sessions.iter().filter(|handle| handle.may_be_turned_out());
        let Some(oldest) = beginning.min_by_key(|handle| handle.started) else {
            return false;
        };
        oldest.interrupt(Interrupt::Crowded);
        true
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Handle>> {
        self.lock().values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }
}

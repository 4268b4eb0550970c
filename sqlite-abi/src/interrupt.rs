//! Stopping a connection's SQL from another thread, and seeing that somebody did.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{call, routines};
use crate::bindings as c;
use crate::lending::token;
use crate::{Code, Connection};

/// Stops the SQL of a connection: <https://www.sqlite.org/c3ref/interrupt.html>. Can be kept and
/// sent anywhere; it does nothing after the callback that made it has ended.
pub struct Interrupter(Mutex<Option<Target>>);

struct Target(NonNull<c::sqlite3>);

// SAFETY: the pointer is only used for sqlite3_interrupt, which any thread may call.
unsafe impl Send for Target {}

impl Interrupter {
    /// Interrupts what the connection runs.
    pub fn interrupt(&self) {
        let target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = &*target {
            // SAFETY: the connection is open until `with_interrupter` takes the target away,
            // which the lock delays.
            unsafe { call!(interruptx(target.0.as_ptr())) };
        }
    }
}

impl Connection<'_> {
    /// Lends `body` something that can interrupt this connection while it runs.
    pub fn with_interrupter<R>(&self, body: impl FnOnce(&Arc<Interrupter>) -> R) -> R {
        struct End<'a>(&'a Interrupter);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
        let target = NonNull::new(self.raw()).map(Target);
        let interrupter = Arc::new(Interrupter(Mutex::new(target)));
        let _end = End(&interrupter);
        body(&interrupter)
    }

    /// Whether the statement that runs now was interrupted. SQLite before 3.41 has no function
    /// for that: there a statement is begun, which fails if so.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        if let Some(is_interrupted) = routines().is_interrupted {
            // SAFETY: the connection is open.
            return unsafe { is_interrupted(self.raw()) != 0 };
        }
        let probe = self
            .prepare("SELECT 1")
            .and_then(|mut statement| statement.step());
        matches!(probe, Err(error) if error.code == Code::INTERRUPT)
    }
}

/// Tells whether the statement that runs was interrupted, for an owner that must be `'static`: it
/// knows the connection only within [`Connection::with_probe`], and on that thread.
#[derive(Debug, Default)]
pub struct InterruptProbe {
    db: AtomicPtr<c::sqlite3>,
    thread: AtomicUsize,
}

impl InterruptProbe {
    /// False outside of [`Connection::with_probe`] and on other threads.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        if self.thread.load(Ordering::Relaxed) != token() {
            return false;
        }
        let Some(db) = NonNull::new(self.db.load(Ordering::Relaxed)) else {
            return false;
        };
        // SAFETY: this thread is within `with_probe`, whose connection is open.
        unsafe { Connection::new(db) }.is_interrupted()
    }
}

impl Connection<'_> {
    /// Lets `probe` look at this connection while `body` runs.
    pub fn with_probe<R>(&self, probe: &InterruptProbe, body: impl FnOnce() -> R) -> R {
        struct End<'a>(&'a InterruptProbe, *mut c::sqlite3, usize);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.db.store(self.1, Ordering::Relaxed);
                self.0.thread.store(self.2, Ordering::Relaxed);
            }
        }
        let _end = End(
            probe,
            probe.db.load(Ordering::Relaxed),
            probe.thread.load(Ordering::Relaxed),
        );
        probe.db.store(self.raw(), Ordering::Relaxed);
        probe.thread.store(token(), Ordering::Relaxed);
        body()
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupter")
    }
}

//! The right to write a database: SQLite has one writer at a time, and its waiters poll. The sessions of
//! this process wait in line instead, asleep, and the right is handed from one to the next.
//!
//! It is taken before a transaction's first write and held to the transaction's end. A session has at
//! most one, and takes it before SQLite's own lock, never while it holds that: nobody waits in a circle.
//! Writers of other processes know nothing of the line; SQLite's busy handler waits for those.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::clock;
use super::flusher::Flusher;

/// What the sessions of one database share.
#[derive(Debug, Default)]
pub struct Common {
    line: Mutex<Line>,
    /// Makes commits durable, several at a time.
    pub flusher: Flusher,
    /// Grows with each change of the schema by a session: plans made before are made again.
    pub schema: AtomicU64,
}

#[derive(Debug, Default)]
struct Line {
    held: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    granted: AtomicBool,
}

/// The right to write; given on when dropped.
#[derive(Debug)]
pub struct Turn(Arc<Common>);

/// Why it was not got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It took too long.
    Timeout,
    /// `stop` said so.
    Stopped,
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to write. `stop` is asked whenever the thread is unparked.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn write(
        self: &Arc<Self>,
        patience: Duration,
        stop: impl Fn() -> bool,
    ) -> Result<Turn, Denied> {
        let waiter = {
            let mut line = self.lock();
            if !line.held {
                line.held = true;
                return Ok(Turn(Arc::clone(self)));
            }
            let waiter = Arc::new(Waiter {
                thread: thread::current(),
                granted: AtomicBool::new(false),
            });
            line.waiting.push_back(Arc::clone(&waiter));
            waiter
        };
        let deadline = clock::monotonic() + patience;
        loop {
            let left = deadline.saturating_duration_since(clock::monotonic());
            if !waiter.granted.load(Ordering::Acquire) && !left.is_zero() && !stop() {
                thread::park_timeout(left);
            }
            if waiter.granted.load(Ordering::Acquire) {
                return Ok(Turn(Arc::clone(self)));
            }
            if left.is_zero() || stop() {
                let mut line = self.lock();
                // It may have been granted in between.
                if waiter.granted.load(Ordering::Acquire) {
                    return Ok(Turn(Arc::clone(self)));
                }
                line.waiting.retain(|other| !Arc::ptr_eq(other, &waiter));
                return Err(if left.is_zero() {
                    Denied::Timeout
                } else {
                    Denied::Stopped
                });
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = self.0.lock();
        match line.waiting.pop_front() {
            Some(next) => {
                next.granted.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => line.held = false,
        }
    }
}

/// [`Common`] of each database by name.
#[derive(Debug, Default)]
pub struct Commons(Mutex<HashMap<String, Arc<Common>>>);

impl Commons {
    /// That of a database.
    #[must_use]
    pub fn of(&self, database: &str) -> Arc<Common> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Databases that nobody uses any more are forgotten.
        all.retain(|_, common| Arc::strong_count(common) > 1);
        Arc::clone(all.entry(database.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_right_goes_down_the_line() {
        let common = Arc::new(Common::default());
        let first = common.write(LONG, || false).unwrap();
        assert_eq!(
            common.write(Duration::ZERO, || false).unwrap_err(),
            Denied::Timeout
        );
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        for number in 0..5 {
            let (common, order) = (Arc::clone(&common), Arc::clone(&order));
            let before = common.lock().waiting.len();
            let inner = Arc::clone(&common);
            threads.push(thread::spawn(move || {
                let turn = inner.write(LONG, || false).unwrap();
                order.lock().unwrap().push(number);
                drop(turn);
            }));
            while common.lock().waiting.len() == before {
                thread::yield_now();
            }
        }
        drop(first);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
        assert!(!common.lock().held);
    }

    #[test]
    fn who_is_told_to_stop_leaves_the_line() {
        let common = Arc::new(Common::default());
        let turn = common.write(LONG, || false).unwrap();
        assert_eq!(common.write(LONG, || true).unwrap_err(), Denied::Stopped);
        drop(turn);
        assert!(!common.lock().held);
    }
}

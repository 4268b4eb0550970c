//! Calls, errors and times of each procedure, as `proc_list` shows them: of this process, since
//! it first called the procedure.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::process::lock;

/// Of one procedure.
#[derive(Debug, Default)]
pub(crate) struct Count {
    calls: AtomicU64,
    errors: AtomicU64,
    total: AtomicU64,
    longest: AtomicU64,
}

/// What a [`Count`] says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counted {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) total_ms: f64,
    pub(crate) max_ms: f64,
}

impl Count {
    pub(crate) fn add(&self, calls: u64, total: Duration, longest: Duration) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.total.fetch_add(nanos(total), Ordering::Relaxed);
        self.longest.fetch_max(nanos(longest), Ordering::Relaxed);
    }

    pub(crate) fn add_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counted {
        let milliseconds = |nanos: &AtomicU64| nanos.load(Ordering::Relaxed) as f64 / 1e6;
        Counted {
            calls: self.calls.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            total_ms: milliseconds(&self.total),
            max_ms: milliseconds(&self.longest),
        }
    }
}

/// Of all procedures, by database and name.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<HashMap<(String, String), Arc<Count>>>);

/// More than this many procedures are not counted apart; a bound for hosts that open very many
/// databases.
const MOST: usize = 10_000;

impl Counts {
    /// The count of a procedure; a fresh one where there is none.
    pub(crate) fn of(&self, database: &str, procedure: &str) -> Arc<Count> {
        let mut counts = lock(&self.0);
        if counts.len() >= MOST {
            counts.clear();
        }
        let key = (database.to_owned(), procedure.to_ascii_lowercase());
        Arc::clone(counts.entry(key).or_default())
    }

    /// Forgets the databases whose names begin like this.
    pub(crate) fn forget(&self, prefix: &str) {
        lock(&self.0).retain(|(database, _), _| !database.starts_with(prefix));
    }
}

/// The clock of the calls of one instance. Reading the time costs as much as a small call, so
/// after the first calls only one in [`EACH`] is timed and stands for the others.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    count: Arc<Count>,
    calls: u64,
    reported: u64,
    total: Duration,
    longest: Duration,
}

const FIRST: u64 = 16;
const EACH: u64 = 16;

impl Stopwatch {
    pub(crate) fn new(count: Arc<Count>) -> Self {
        Self {
            count,
            calls: 0,
            reported: 0,
            total: Duration::ZERO,
            longest: Duration::ZERO,
        }
    }

    /// Runs a call.
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "users want to know real times")]
    pub(crate) fn time<R>(&mut self, call: impl FnOnce() -> R) -> R {
        self.calls += 1;
        let weight = match self.calls {
            ..=FIRST => 1,
            calls if calls.is_multiple_of(EACH) => EACH,
            _ => return call(),
        };
        let started = std::time::Instant::now();
        let result = call();
        let time = started.elapsed();
        self.total += time * weight as u32;
        self.longest = self.longest.max(time);
        if self.calls.is_multiple_of(4096) {
            self.report();
        }
        result
    }

    pub(crate) fn error(&self) {
        self.count.add_error();
    }

    fn report(&mut self) {
        self.count
            .add(self.calls - self.reported, self.total, self.longest);
        self.reported = self.calls;
        self.total = Duration::ZERO;
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.report();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counts, Stopwatch};

    #[test]
    fn calls_are_counted_and_times_add_up() {
        let counts = Counts::default();
        let mut watch = Stopwatch::new(counts.of("db", "F"));
        for _ in 0..1000 {
            watch.time(|| std::hint::black_box(1));
        }
        watch.error();
        drop(watch);
        let counted = counts.of("db", "f").read();
        assert_eq!((counted.calls, counted.errors), (1000, 1));
        assert!(counted.max_ms <= counted.total_ms && counted.total_ms > 0.0);
        counts
            .of("db", "f")
            .add(1, Duration::from_secs(1), Duration::from_secs(1));
        assert!(counts.of("db", "f").read().max_ms >= 1000.0);
        counts.forget("d");
        assert_eq!(counts.of("db", "f").read().calls, 0);
    }
}

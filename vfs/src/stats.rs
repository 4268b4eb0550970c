//! Counts of what a database did in this process, for `blob_stats`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Stats {
    /// Acknowledged commits.
    pub commits: AtomicU64,
    /// Transactions refused because another writer was first.
    pub conflicts: AtomicU64,
    /// Commits that ended with an unknown outcome.
    pub unknown: AtomicU64,
    commit_us_total: AtomicU64,
    commit_us_max: AtomicU64,
}

impl Stats {
    /// Counts an acknowledged commit.
    pub fn committed(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_us_total.fetch_add(micros, Ordering::Relaxed);
        self.commit_us_max.fetch_max(micros, Ordering::Relaxed);
    }

    /// Counts one more of something.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Names and values, in the order of the reference page.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("commits", get(&self.commits)),
            ("conflicts", get(&self.conflicts)),
            ("unknown_outcomes", get(&self.unknown)),
            ("commit_us_total", get(&self.commit_us_total)),
            ("commit_us_max", get(&self.commit_us_max)),
        ]
    }
}

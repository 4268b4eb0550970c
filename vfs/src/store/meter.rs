//! Counters that several threads add to, and what counts as an error.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Counters, ErrorKind, Operation, StoreError};

/// The live form of [`Counters`].
#[derive(Debug, Default)]
pub(super) struct Meter {
    gets: AtomicU64,
    puts: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    errors: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Meter {
    pub(super) fn request(&self, operation: Operation) {
        let counter = match operation {
            Operation::Get => &self.gets,
            Operation::Create | Operation::Put => &self.puts,
            Operation::List => &self.lists,
            Operation::Delete => &self.deletes,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    /// Counts a failed request. "No such object" and "already there" are answers,
    /// asked for on purpose by the freshness check and the commit, not failures.
    pub(super) fn failed(&self, error: &StoreError) {
        if !matches!(error.kind, ErrorKind::NotFound | ErrorKind::AlreadyExists) {
            self.errors.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn read(&self) -> Counters {
        Counters {
            gets: self.gets.load(Relaxed),
            puts: self.puts.load(Relaxed),
            lists: self.lists.load(Relaxed),
            deletes: self.deletes.load(Relaxed),
            errors: self.errors.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
        }
    }
}

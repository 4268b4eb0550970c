//! Failed proofs by address, so that passwords cannot be guessed by trying.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::clock;

const WINDOW: Duration = Duration::from_secs(60);
/// More addresses than this are not told apart: the oldest are forgotten.
const MAX_ADDRESSES: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub struct Attempts {
    limit: u32,
    failed: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

impl Attempts {
    /// So many within a minute.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            failed: Mutex::default(),
        }
    }

    /// This address has failed too often.
    #[must_use]
    pub fn exhausted(&self, address: IpAddr) -> bool {
        self.exhausted_at(address, clock::monotonic())
    }

    fn exhausted_at(&self, address: IpAddr, now: Instant) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&address).is_some_and(|(count, since)| {
            *count >= self.limit && now.saturating_duration_since(*since) < WINDOW
        })
    }

    /// This address has failed once more.
    pub fn failed(&self, address: IpAddr) {
        self.failed_at(address, clock::monotonic());
    }

    fn failed_at(&self, address: IpAddr, now: Instant) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MAX_ADDRESSES {
            failed.retain(|_, (_, since)| now.saturating_duration_since(*since) < WINDOW);
        }
        if failed.len() >= MAX_ADDRESSES {
            failed.clear();
        }
        let (count, since) = failed.entry(address).or_insert((0, now));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*count, *since) = (0, now);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_so_many_attempts_a_minute() {
        let attempts = Attempts::new(2);
        let address = IpAddr::from([127, 0, 0, 1]);
        let now = clock::monotonic();
        attempts.failed_at(address, now);
        assert!(!attempts.exhausted_at(address, now));
        attempts.failed_at(address, now);
        assert!(attempts.exhausted_at(address, now));
        assert!(!attempts.exhausted_at(IpAddr::from([127, 0, 0, 2]), now));
        assert!(!attempts.exhausted_at(address, now + WINDOW));
        attempts.failed_at(address, now + WINDOW);
        assert!(!attempts.exhausted_at(address, now + WINDOW));
    }
}

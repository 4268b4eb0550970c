//! Time and randomness, injected so that a simulation can replay a history from one seed.

use std::fmt;
use std::time::Duration;

/// What the engine may know of the world besides its store.
pub trait Environment: Send + Sync + fmt::Debug {
    /// Wall clock, ms since the Unix epoch. Only for what people read.
    fn wall_ms(&self) -> i64;

    /// Time since boot with suspended time included, so that a laptop that slept
    /// knows that it did. Every age of our own knowledge is measured with it.
    fn boot_time(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration);

    /// Unpredictable bits.
    fn random(&self) -> u64;
}

/// The real world.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Environment for System {
    fn wall_ms(&self) -> i64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    fn boot_time(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
    }

    #[expect(clippy::disallowed_methods, reason = "the sanctioned place")]
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn random(&self) -> u64 {
        // RandomState is keyed from the operating system's generator, anew for each thread;
        // the keys of further states on a thread differ by one, which the hash spreads.
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u128(self.boot_time().as_nanos());
        hasher.write_u32(std::process::id());
        hasher.finish()
    }
}

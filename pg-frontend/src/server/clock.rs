//! The one place that asks the machine for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time that only goes forward.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the server's own clock, apart from the simulations of storage"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Microseconds since 1970, UTC.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the server's own clock, apart from the simulations of storage"
)]
pub fn wall_microseconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// Waits.
#[expect(
    clippy::disallowed_methods,
    reason = "the server's own clock, apart from the simulations of storage"
)]
pub fn sleep(time: Duration) {
    std::thread::sleep(time);
}

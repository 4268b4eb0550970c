//! How long an instance lives: one statement, or with `"isolation": "call"` one call.

use std::sync::atomic::{AtomicI64, Ordering};

static VISITS: AtomicI64 = AtomicI64::new(0);

/// 1 at the first call of an instance, then 2, 3, …
#[unsafe(no_mangle)]
pub extern "C" fn visits() -> i64 {
    VISITS.fetch_add(1, Ordering::Relaxed) + 1
}

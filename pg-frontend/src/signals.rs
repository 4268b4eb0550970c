//! SIGTERM and SIGINT: the first lets sessions finish, the second ends the program at once.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::server::Shutdown;

/// The status of a program that was told twice.
const AT_ONCE: i32 = 130;

/// Begins the shutdown when a signal comes, from a thread of its own.
///
/// # Errors
/// The signals cannot be caught.
pub fn catch(shutdown: Shutdown) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        for signal in signals.forever() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            if shutdown.begun() {
                tracing::warn!(
                    signal = name,
                    "ending at once; open transactions are rolled back"
                );
                std::process::exit(AT_ONCE);
            }
            tracing::info!(signal = name, "shutting down; a second signal ends at once");
            shutdown.begin();
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
}

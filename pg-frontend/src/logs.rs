//! Logs: text or JSON on stderr, of this program's own events and of SQLite's error log, where the
//! extension writes what happens to stores.

use std::io::IsTerminal as _;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::config::Logs;

/// The target of events from SQLite's error log.
pub const SQLITE: &str = "sqlite";

/// Begins to log. Call it once, before anything else is started.
///
/// # Errors
/// Something logs already.
pub fn start(logs: Logs) -> Result<(), tracing::dispatcher::SetGlobalDefaultError> {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = if logs.json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_target(false).boxed()
    };
    let level = LevelFilter::from_level(logs.level);
    let lines = lines.with_filter(filter_fn(is_ours)).with_filter(level);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines))?;
    #[cfg(feature = "extension")]
    if let Err(code) = sqlbridge::log_to::<sqlite::Lines>() {
        tracing::warn!(?code, "SQLite's error log cannot be read");
    }
    Ok(())
}

/// Libraries have events too, which say nothing to those who run the server.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("pg_frontend") || metadata.target() == SQLITE
}

#[cfg(feature = "extension")]
mod sqlite {
    use rusqlite::ffi;

    use super::SQLITE;

    /// Takes lines of SQLite's error log. Calls nothing of SQLite's.
    pub(super) struct Lines;

    impl sqlbridge::ErrorLog for Lines {
        fn line(code: i32, message: &str) {
            match (message.strip_prefix("sqlbridge: "), code & 0xff) {
                (Some(message), ffi::SQLITE_WARNING) => {
                    tracing::warn!(target: SQLITE, "storage: {message}");
                }
                (Some(message), _) => tracing::error!(target: SQLITE, code, "storage: {message}"),
                (
                    None,
                    ffi::SQLITE_IOERR
                    | ffi::SQLITE_CORRUPT
                    | ffi::SQLITE_FULL
                    | ffi::SQLITE_NOTADB
                    | ffi::SQLITE_NOMEM,
                ) => {
                    tracing::error!(target: SQLITE, code, "{message}");
                }
                // Mistakes in clients' SQL, and hints about missing indexes.
                (None, _) => tracing::debug!(target: SQLITE, code, "{message}"),
            }
        }
    }
}

//! Settings: `config.yaml`, then the environment, then flags; later ones win.
//!
//! | module | what |
//! | --- | --- |
//! | this one | [`Settings`] as the rest of the program takes them |
//! | [`table`] | all settings with their names, defaults and meanings |
//! | [`sources`] | reading the file, the environment and flags |
//! | [`values`] | from text to ports, times and sizes |
//! | `clients` | what the server takes of it |
//! | `build` | from values to settings; what does not go together |
//! | [`command`] | the command line |
//! | [`show`] | `--print-config` |
//! | [`error`] | what is wrong, in sentences |

mod build;
mod clients;
pub mod command;
pub mod error;
pub mod show;
pub mod sources;
pub mod table;
pub mod values;

use std::path::PathBuf;
use std::time::Duration;

use crate::capture::Captures;
use crate::databases::Place;
use crate::protocol::auth::Method;
use crate::server::settings::{Tls, TransactionMode};

pub use build::build;
pub use clients::addresses;

/// What the server does.
#[derive(Debug)]
pub struct Settings {
    /// Postgres clients.
    pub clients: Clients,
    /// The database that exists from the first start on, besides `postgres`.
    pub database: String,
    /// Where databases lie.
    pub place: Place,
    /// How often the store is asked whether it is there.
    pub watch_every: Duration,
    /// Logs.
    pub logs: Logs,
    /// The admin port, if there is one.
    pub admin: Option<Admin>,
    /// What is captured, and where clients' captures go.
    pub captures: Captures,
    /// What the person who started it should know.
    pub warnings: Vec<String>,
}

/// How Postgres clients are served.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: u16,
    /// A directory for a Unix socket.
    pub socket_directory: Option<PathBuf>,
    /// The user's name.
    pub user: String,
    /// The user's password; none where clients are trusted.
    pub password: Option<Secret>,
    /// How the password is proved.
    pub method: Method,
    /// Certificate and key.
    pub tls: Option<Tls>,
    /// Told as `server_version`.
    pub version: String,
    /// Zero: none.
    pub statement_timeout: Duration,
    /// Zero: none.
    pub idle_in_transaction_timeout: Duration,
    /// Zero: none.
    pub send_timeout: Duration,
    /// The longest message, in bytes.
    pub max_message: usize,
    /// The default of `TimeZone`.
    pub time_zone: String,
    /// For sessions that have work at a shutdown.
    pub shutdown_timeout: Duration,
    /// Clients served at a time.
    pub pool_size: usize,
    /// How long a client beyond them waits.
    pub pool_wait: Duration,
    /// How long a statement waits for a lock.
    pub lock_wait: Duration,
    /// What a BEGIN without a mode begins.
    pub transaction_mode: TransactionMode,
    /// Statements that take longer are logged; zero: none.
    pub slow_query: Duration,
}

/// Logs.
#[derive(Debug, Clone, Copy)]
pub struct Logs {
    /// The least that is logged.
    pub level: tracing::Level,
    /// As JSON, one object a line.
    pub json: bool,
}

/// The admin port.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: u16,
    /// A bearer token, besides the user and password.
    pub token: Option<Secret>,
    /// Bytes.
    pub body_limit: usize,
}

/// Text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Whether a host to listen on can be reached from this machine only.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;

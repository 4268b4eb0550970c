//! What an operator can set about sessions; the configuration fills it in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::protocol::auth::Authentication;

/// See the module.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// A directory for the Unix socket `.s.PGSQL.<port>`, with the port of the first address.
    pub socket_directory: Option<PathBuf>,
    /// Certificate and key; without them clients that insist on TLS are told that there is none.
    pub tls: Option<Tls>,
    /// Who may come.
    pub authentication: Authentication,
    /// From connecting to being let in.
    pub authentication_timeout: Duration,
    /// Failed proofs of one address within a minute, after which it is refused until the minute is over.
    pub authentication_attempts: u32,
    /// Sessions at a time.
    pub connections: usize,
    /// How long a client beyond them waits for its turn, before 53300.
    pub connection_wait: Duration,
    /// The longest message, in bytes.
    pub max_message: usize,
    /// The default of `statement_timeout`; zero is none.
    pub statement_timeout: Duration,
    /// The default of `idle_in_transaction_session_timeout`; zero is none.
    pub idle_in_transaction_timeout: Duration,
    /// For how long a client may take nothing of what is sent to it; zero: for ever. One that holds the right to
    /// write has the shorter time of a client that is silent.
    pub send_timeout: Duration,
    /// How long a transaction waits for the one that writes, before 40001 (55P03 if the client set `lock_timeout`).
    pub lock_wait: Duration,
    /// How `BEGIN` begins.
    pub transaction_mode: TransactionMode,
    /// What `server_version` says.
    pub server_version: String,
    /// The default of `TimeZone`.
    pub time_zone: String,
    /// Statements that take longer are logged.
    pub slow_query: Duration,
    /// How long a shutdown waits for open transactions.
    pub shutdown_grace: Duration,
}

/// Where certificate chain and private key lie, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain, the server's own first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Clients over TCP without TLS are refused.
    pub required: bool,
}

/// SQLite's ways to begin a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionMode {
    /// Locks are taken when they are needed.
    #[default]
    Deferred,
    /// The right to write is taken at once.
    Immediate,
    /// As `Immediate`, and with a rollback journal nobody reads meanwhile.
    Exclusive,
}

impl TransactionMode {
    /// The word after `BEGIN`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deferred => "DEFERRED",
            Self::Immediate => "IMMEDIATE",
            Self::Exclusive => "EXCLUSIVE",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5432))],
            socket_directory: None,
            tls: None,
            authentication: Authentication::default(),
            authentication_timeout: Duration::from_secs(60),
            authentication_attempts: 10,
            connections: 10,
            connection_wait: Duration::from_secs(10),
            max_message: 256 << 20,
            statement_timeout: Duration::ZERO,
            idle_in_transaction_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(300),
            lock_wait: Duration::from_secs(10),
            transaction_mode: TransactionMode::Deferred,
            server_version: "13.0".to_owned(),
            time_zone: "UTC".to_owned(),
            slow_query: Duration::from_millis(100),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

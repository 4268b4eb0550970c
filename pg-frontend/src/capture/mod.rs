//! Recording what clients change, as one changeset in a file.
//!
//! | module | what |
//! | --- | --- |
//! | [`recorder`] | one client's connection: its session of the extension, and what it adds to each transaction |
//! | [`outbox`] | the table in which changes wait, and the file that is made of them |
//! | `functions` | `capture_start`, `capture_stop` |
//!
//! A client's changes go into a table of the same database, by the very transaction that makes them:
//! what is committed is captured, what is not is not, whoever is killed when; and their order there
//! is that of the commits. `capture_stop`, the end of the client's session or a clean stop of the
//! server makes the file of them. After a kill, the next stop or `pg-frontend capture-recover` does.

mod functions;
pub mod outbox;
pub mod recorder;

use std::path::PathBuf;

pub use recorder::Recorder;

/// What is captured of every client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Everything {
    /// Of this database.
    pub database: String,
    /// Where it goes.
    pub file: PathBuf,
    /// What it is called in the outbox: the file's whole path.
    pub name: String,
    /// Only these tables; empty: all.
    pub tables: Vec<String>,
}

/// What the server captures, and where clients may have captures written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captures {
    /// Every client's changes, where the settings ask for it.
    pub everything: Option<Everything>,
    /// The directory of the files that clients name; made when it is needed.
    pub directory: PathBuf,
}

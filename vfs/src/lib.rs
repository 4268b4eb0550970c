//! SQLite databases in blob storage: a VFS whose COMMIT is one conditional PUT
//! of a transaction file in Litestream's format and layout.
//!
//! The way of a write: [`file`] collects the pages of a transaction in an
//! [`overlay`]; at `SQLITE_FCNTL_SYNC` [`database`] encodes them ([`ltx`]), creates the
//! next object ([`store`]) and moves the head to the next [`snapshot`]. The way of a
//! read: `file` pins the head at its SHARED lock; each page is located in the
//! snapshot and comes from the [`cache`], else from a range of an object, checked
//! by hash.
//!
//! | module | what |
//! | --- | --- |
//! | [`vfs`], [`file`], [`journal`] | what SQLite calls |
//! | [`engine`] | what one process shares: stores, databases, who writes |
//! | [`database`] | one database: head, pages, commit, history, compaction |
//! | [`snapshot`], [`transaction_file`], [`overlay`], [`plan`] | the values it works with |
//! | [`cache`], [`spill`], [`sums`], [`checksum`] | bytes on local disk, and what proves them |
//! | [`store`], [`layout`] | objects and their names |
//! | [`ltx`] | the file format, pure |
//! | [`functions`] | the SQL functions |
//! | [`options`], [`env`], [`error`], [`stats`], [`time`], [`log`] | settings, the world, errors, counts |

#![forbid(unsafe_code)]

pub mod cache;
pub mod checksum;
pub mod database;
pub mod engine;
pub mod env;
pub mod error;
pub mod file;
pub mod functions;
pub mod journal;
pub mod layout;
pub mod log;
pub mod ltx;
pub mod options;
pub mod overlay;
pub mod plan;
pub mod snapshot;
pub mod spill;
pub mod stats;
pub mod store;
pub mod sums;
pub mod time;
pub mod transaction_file;
pub mod vfs;

pub use functions::register;

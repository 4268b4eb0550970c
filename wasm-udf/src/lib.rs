//! WebAssembly inside the database, sandboxed: stored procedures, kept in a table and called from
//! SQL, and programs, which run SQL themselves.
//!
//! The way of a call: a function of [`functions`] finds the procedure in the [`catalog`] once for
//! its statement, takes it ready to run from [`procedure`], makes an [`instance`] and calls it for
//! each row. The host side of a guest is [`guest`]; what it may import, [`imports`] and
//! [`sqlproxy`].
//!
//! | module | what |
//! | --- | --- |
//! | [`functions`], [`names`] | the SQL surface; procedures under their own names |
//! | [`catalog`], [`signature`], [`types`] | what a database stores of a procedure, and its definition |
//! | [`procedure`], [`binding`] | a definition fitted to a module |
//! | [`instance`], [`encoding`], [`raw`] | arguments in, calls, results out |
//! | [`guest`], [`nesting`], [`stats`] | limits, why a guest was stopped, counts |
//! | [`imports`], [`sqlproxy`], [`world`] | what a guest may call, and what it finds around it |
//! | [`serve`] | programs: commands and reactors |
//! | [`process`], [`code`] | what one process shares: engine, ticker, compiled code |
//! | [`error`] | sentences, and their SQLite codes |

#![deny(unsafe_code)]

mod binding;
mod catalog;
mod code;
pub mod encoding;
pub mod error;
pub mod functions;
mod guest;
mod imports;
mod instance;
mod names;
mod nesting;
mod procedure;
mod process;
mod raw;
pub mod serve;
pub mod signature;
pub mod sqlproxy;
mod stats;
pub mod types;
mod world;

pub use functions::register;
pub use procedure::check;

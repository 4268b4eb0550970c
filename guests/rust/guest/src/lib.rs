//! Programs that run inside an SQLite database: they use SQL on the connection that runs them, in
//! its transaction.
//!
//! ```no_run
//! use sqlbridge_guest::{Connection, Result, params};
//!
//! #[derive(serde::Deserialize)]
//! struct User {
//!     id: i64,
//!     name: String,
//!     score: Option<f64>,
//! }
//!
//! fn main() -> Result<()> {
//!     let mut connection = Connection::open();
//!
//!     let transaction = connection.transaction()?;
//!     transaction.execute("INSERT INTO users(name, score) VALUES (?, ?)", params!["ann", 1.5])?;
//!     transaction.commit()?;
//!
//!     let best: f64 = connection.query_row("SELECT max(score) FROM users", (), |row| row.get(0))?;
//!     for user in connection.query_as::<User>("SELECT * FROM users WHERE score = :best", params! { "best": best })? {
//!         println!("{} {} {:?}", user.id, user.name, user.score);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Compiled for `wasm32-wasip1` that is a module for `sqlproxy_serve`: a program with `main` runs once, and its
//! output are rows; one that [`serve!`]s answers requests.
//!
//! - `connection`: [`Connection`], [`Statement`]
//! - `transaction`, `batch`: [`Transaction`], [`Batch`]
//! - `rows`, `deserialize`: [`Rows`], [`Row`], and rows as structs
//! - `value`, `params`, `time`: types, and what is bound
//! - `server`: [`serve!`]
//! - `protocol`, `messagepack`: the [host interface](https://github.com/sqlbridge/sqlbridge/blob/main/docs/host-interface.md)
//! - `transport`, `ffi`: the way to the host

mod batch;
mod connection;
mod deserialize;
mod error;
mod ffi;
mod many;
mod messagepack;
mod params;
mod protocol;
mod rows;
mod server;
mod time;
mod transaction;
mod transport;
mod value;

pub use batch::{Batch, Outcome};
pub use connection::{Connection, Optional, Statement};
pub use error::{Error, Result};
pub use params::{Named, Params};
pub use rows::{Column, Mapped, Row, Rows};
#[doc(hidden)]
pub use server::answer;
pub use server::{Handler, IntoResponse, Response};
pub use transaction::{Behavior, Transaction};
pub use transport::{Host, Transport};
pub use value::{FromSql, ToSql, Value, ValueRef};

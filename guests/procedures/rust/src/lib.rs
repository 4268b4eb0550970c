//! Stored procedures for sqlbridge, written in Rust.
//!
//! ```
//! use sqlbridge_procedure::procedure;
//!
//! procedure! {
//!     fn shout(text: &str) -> Result<String, String> {
//!         if text.is_empty() {
//!             return Err("there is nothing to shout".into());
//!         }
//!         Ok(text.to_uppercase() + "!")
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! `cargo build --release --target wasm32-unknown-unknown` makes a module for `proc_create` of it,
//! in a crate with `crate-type = ["cdylib"]`.
//!
//! | macro | kind of procedure |
//! | --- | --- |
//! | [`procedure!`] | scalar |
//! | [`aggregate!`] | aggregate |
//! | [`window!`] | aggregate that also works with `OVER` |
//! | [`table!`] | table |
//!
//! Arguments are `i32`, `i64`, `f32`, `f64`, `bool`, `&str` (TEXT and JSON), `&[u8]` (BLOB) and
//! [`Value`] (ANY); `Option` of them, but of `Value`, for `"nullable": true`. Results are the same,
//! owned, in an `Option` (`None` is NULL) or a `Result` (`Err` ends the statement).
//!
//! What these macros make is the [calling convention](https://github.com/sqlbridge/sqlbridge/blob/main/docs/calling-convention.md),
//! nothing else: `abi` has the calls to and from the host, `value` the encoding of values and rows.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[doc(hidden)]
pub mod abi;
mod macros;
mod value;

use alloc::boxed::Box;

pub use abi::{Input, Output, fail};
pub use value::{Malformed, Row, Value};

/// The rows of a table procedure, made one after the other while they are read.
pub type Rows<R> = Box<dyn Iterator<Item = R>>;

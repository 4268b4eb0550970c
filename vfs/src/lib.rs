//! SQLite databases in blob storage.
#![forbid(unsafe_code)]

pub mod env;
pub mod store;

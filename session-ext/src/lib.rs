//! Change capture as SQL, on every host.
//!
//! | module | what |
//! | --- | --- |
//! | [`changeset`] | the format: read, write, invert, concat, group, rebase; needs no database |
//! | [`functions`] | the SQL surface |
#![forbid(unsafe_code)]

pub mod changeset;
pub mod functions;

pub use functions::register;

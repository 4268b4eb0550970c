//! Change capture as SQL, on every host.
//!
//! | module | what |
//! | --- | --- |
//! | [`changeset`] | the format: read, write, invert, concat, group, rebase; needs no database |
//! | `capture` | sessions: which rows were touched, and what they were before |
//! | [`functions`] | the SQL surface |
#![forbid(unsafe_code)]

mod capture;
pub mod changeset;
pub mod functions;

pub use functions::register;

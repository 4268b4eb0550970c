//! Change capture as SQL, on every host.
//!
//! | module | what |
//! | --- | --- |
//! | [`changeset`] | the format: read, write, invert, concat, group, rebase; needs no database |
//! | [`apply`] | changesets into a database, with a policy for conflicts |
//! | `capture` | sessions: which rows were touched, and what they were before |
//! | [`functions`] | the SQL surface |
#![forbid(unsafe_code)]

pub mod apply;
mod capture;
pub mod changeset;
pub mod functions;
mod json;

pub use functions::register;

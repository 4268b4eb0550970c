//! Change capture as SQL, on every host.
//!
//! | module | what |
//! | --- | --- |
//! | [`changeset`] | the format: read, write, invert, concat, group, rebase; needs no database |
//! | [`apply`] | changesets into a database, with a policy for conflicts |
//! | `capture` | sessions: which rows were touched, and what they were before |
//! | [`history`] | the changeset between two points of a database's history, from its pages |
//! | [`functions`] | the SQL surface |
#![forbid(unsafe_code)]

pub mod apply;
mod capture;
pub mod changeset;
pub mod functions;
pub mod history;
mod json;

pub use functions::register;

//! The host interface without a sandbox: requests sent from inside a function of a SQLite that is
//! linked in.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod commands;
mod gate;
mod host;
mod invariants;
mod page;
mod transactions;
mod values;

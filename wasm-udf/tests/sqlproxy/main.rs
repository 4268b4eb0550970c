//! The host interface without a sandbox: requests sent from inside a function of a SQLite that is
//! linked in.

mod commands;
mod host;

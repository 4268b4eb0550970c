//! Stored procedures.

pub mod sqlproxy;

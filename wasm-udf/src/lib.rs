//! Stored procedures.

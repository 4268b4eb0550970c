//! Postgres functions as functions of SQLite.

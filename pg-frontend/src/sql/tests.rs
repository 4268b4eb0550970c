//! Statements planned and run on a connection.


//! Names of databases, and connections to them.

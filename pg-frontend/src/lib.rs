//! Postgres clients on SQLite: a thin process that loads the sqlbridge extension and speaks the
//! Postgres wire protocol.
//!
//! The way of a query: [`server`] accepts a client and gives it a thread and a connection to its
//! database ([`databases`]); [`session`] reads its messages ([`protocol`]); [`sql`] reads the text as
//! Postgres would and rewrites it for SQLite, with the types of parameters and columns ([`types`]);
//! the session runs it and sends the rows. No query leaves its thread.
//!
//! | module | what |
//! | --- | --- |
//! | [`server`] | listeners, limits, cancel requests, shutdown |
//! | [`protocol`] | messages, startup, authentication, TLS |
//! | [`session`] | one client: simple and extended queries, portals, transactions, COPY |
//! | [`sql`] | Postgres SQL made SQLite SQL, with types |
//! | [`types`] | Postgres types, and values in text and binary |
//! | [`functions`] | Postgres functions as functions of SQLite |
//! | [`catalog`] | `pg_catalog` and `information_schema` |
//! | [`databases`] | names of databases, and connections to them |
//! | [`capture`] | recording what clients change |
//! | [`config`], [`logs`], [`admin`] | settings; logs; metrics, health and the procedure API |
//! | [`signals`] | SIGTERM and SIGINT |
//! | [`error`] | SQLSTATEs |

pub mod admin;
pub mod capture;
pub mod catalog;
pub mod config;
pub mod databases;
pub mod error;
pub mod functions;
pub mod logs;
pub mod protocol;
pub mod server;
pub mod session;
pub mod signals;
pub mod sql;
pub mod types;

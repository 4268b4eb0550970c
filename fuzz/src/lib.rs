//! What the fuzz targets check. `cargo test` checks most of it with fixed inputs.
//!
//! `make fuzz` runs all targets. One of them, from the repository's root, with real files as seeds:
//!
//! ```text
//! fuzz/run ltx_decode -max_total_time=600
//! ```
//!
//! | module | what |
//! | --- | --- |
//! | [`words`] | bytes made words: how a target gets beyond its parser's first letter |
//! | [`postgres`], [`pg_copy`], [`pg_value`] | messages, startup and passwords; COPY; values |
//! | [`pg_sql`], [`pg_ddl`] | statements of Postgres clients; how the catalog reads SQLite's |
//! | [`pg_config`] | the server's settings |
//! | [`sqlproxy`], [`procedure`] | what a guest may ask for; modules and their definitions |
//! | [`guest`] | what the crate for guests makes of a host's answers |
//! | [`ltx`], [`changeset`] | files |

pub mod guest;
pub mod pg_config;
pub mod pg_copy;
pub mod pg_sql;
pub mod pg_value;
pub mod postgres;
pub mod sqlproxy;
pub mod words;

#[path = "../../vfs/tests/ltx_invariants/mod.rs"]
pub mod ltx;

#[path = "../../session-ext/tests/changeset_invariants/mod.rs"]
pub mod changeset;

#[path = "../../wasm-udf/tests/procedure_invariants/mod.rs"]
pub mod procedure;

#[path = "../../pg-frontend/tests/create_table_invariants/mod.rs"]
pub mod pg_ddl;

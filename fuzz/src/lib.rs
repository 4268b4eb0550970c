//! What the fuzz targets check. `cargo test` checks the same with fixed inputs.
//!
//! From the repository's root, with real files as seeds:
//!
//! ```text
//! cargo +nightly fuzz run ltx_decode fuzz/corpus/ltx_decode vfs/testdata/litestream-0.5.15 vfs/testdata/litestream-0.5.17
//! ```

pub mod sqlproxy;

#[path = "../../vfs/tests/ltx_invariants/mod.rs"]
pub mod ltx;

#[path = "../../session-ext/tests/changeset_invariants/mod.rs"]
pub mod changeset;

#[path = "../../wasm-udf/tests/procedure_invariants/mod.rs"]
pub mod procedure;

#[path = "../../pg-frontend/tests/create_table_invariants/mod.rs"]
pub mod pg_ddl;

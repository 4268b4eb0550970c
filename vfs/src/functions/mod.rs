//! The SQL surface: registration, and what the functions share.
//!
//! | module | functions |
//! | --- | --- |
//! | `scalars` | `blob_sync`, `blob_compact`, `blob_snapshot`, `blob_export`, `blob_import`, `blob_drop`, `sqlbridge_last_error`, `sqlbridge_open_urls` |
//! | `point` | none: the pages of the past, for other parts of the extension |
//! | `tables` | `blob_versions`, `blob_stats`, `blob_list` |
//!
//! Whatever writes or reaches out may be used in top-level SQL only
//! (`SQLITE_DIRECTONLY`): a view or trigger of a stranger's database cannot call it.

mod point;
mod scalars;
mod tables;

pub use point::Point;

use std::sync::Arc;

use sqlite_abi::{Connection, FunctionError};

use crate::database::Database;
use crate::error::Error;
use crate::file::BlobFile;
use crate::vfs::{self, AnyFile, BlobVfs};

/// Makes the VFS and the functions known to a connection. Idempotent.
///
/// # Errors
/// A sentence.
pub fn register(connection: &Connection<'_>) -> Result<(), String> {
    sqlite_abi::register(vfs::NAME, BlobVfs::new(), false)?;
    scalars::register(connection)?;
    tables::register(connection)
}

/// One function, for the reference and its test.
#[derive(Debug, Clone, Copy)]
pub struct FunctionDoc {
    /// Name with arguments.
    pub signature: &'static str,
    /// What it returns.
    pub returns: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All functions.
pub const FUNCTIONS: &[FunctionDoc] = &[
    doc(
        "blob_versions([schema])",
        "table: txid, committed_at, page_count, pages, bytes, level",
        "the files of the history; a txid among them can be opened with `txid=`",
    ),
    doc(
        "blob_sync([schema])",
        "the newest transaction",
        "asks the store for news, and settles a COMMIT whose outcome is unknown",
    ),
    doc(
        "blob_compact([schema])",
        "what was written and removed",
        "merges transaction files into fewer, and removes those that the retention no longer keeps",
    ),
    doc(
        "blob_snapshot([schema])",
        "what was written",
        "writes a full image, so that opening and restoring need fewer files",
    ),
    doc(
        "blob_export(schema, url)",
        "pages copied",
        "writes a plain SQLite file to a path or to an object in a store",
    ),
    doc(
        "blob_import(url, name)",
        "pages copied",
        "makes a plain SQLite file, from a path or an object, a new database",
    ),
    doc(
        "blob_stats([schema])",
        "table: name, value",
        "requests, bytes, cache hits, commits, conflicts of this process",
    ),
    doc(
        "blob_list(store)",
        "table: name, files, bytes",
        "the databases in a store",
    ),
    doc(
        "blob_drop(store, name)",
        "files removed",
        "removes a database; a writer that still has it open loses its next COMMIT",
    ),
    doc(
        "sqlbridge_last_error()",
        "text or NULL",
        "the sentence behind the last storage error of this connection, else of this thread",
    ),
    doc(
        "sqlbridge_open_urls(on)",
        "1 or 0",
        "1: names that begin with `s3://`, `az://`, `gs://` or `blob:` open through the VFS also where the host passes no URIs",
    ),
];

const fn doc(signature: &'static str, returns: &'static str, meaning: &'static str) -> FunctionDoc {
    FunctionDoc {
        signature,
        returns,
        meaning,
    }
}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        Self::new(error.to_string()).with_code(error.code())
    }
}

/// Runs `body` with the blob database behind a schema.
fn with_blob<R>(
    connection: &Connection<'_>,
    schema: &str,
    body: impl FnOnce(&mut BlobFile) -> Result<R, Error>,
) -> Result<R, FunctionError> {
    let result = connection.with_file::<AnyFile, _>(schema, |file| file.as_blob().map(body));
    match result.flatten() {
        Some(result) => Ok(result?),
        None => Err(FunctionError::new(format!(
            "schema '{schema}' is not a blob database; open it with vfs=sqlbridge"
        ))),
    }
}

/// The blob database behind a schema.
fn database(connection: &Connection<'_>, schema: &str) -> Result<Arc<Database>, FunctionError> {
    with_blob(connection, schema, |file| file.database().cloned())
}

//! The pages of a database at a point of its history, for other parts of the extension.

use std::sync::Arc;

use sqlite_abi::{Connection, FunctionError};

use super::with_blob;
use crate::database::{Database, ReadAhead};
use crate::error::Error;
use crate::options;
use crate::snapshot::Snapshot;

/// A point of the history of the blob database behind a schema.
#[derive(Debug)]
pub struct Point {
    database: Arc<Database>,
    snapshot: Arc<Snapshot>,
    ahead: ReadAhead,
}

impl Point {
    /// The point after a transaction; 0 is before the first.
    ///
    /// # Errors
    /// The schema is not a blob database; the point is not in its history any more, or not yet.
    pub fn open(
        connection: &Connection<'_>,
        schema: &str,
        txid: u64,
    ) -> Result<Self, FunctionError> {
        let database = with_blob(connection, schema, |file| file.database().cloned())?;
        let snapshot = match txid {
            0 => Arc::new(Snapshot::empty()),
            txid => database.snapshot_at(options::Point::Txid(txid))?,
        };
        Ok(Self {
            database,
            snapshot,
            ahead: ReadAhead::default(),
        })
    }

    /// Bytes of a page; none before the first transaction.
    #[must_use]
    pub fn page_size(&self) -> Option<usize> {
        self.snapshot.page_size().map(|size| size.get())
    }

    /// How many pages there are.
    #[must_use]
    pub fn page_count(&self) -> u32 {
        self.snapshot.page_count
    }

    /// Reads a page.
    ///
    /// # Errors
    /// The store is out of reach, or an object is damaged.
    pub fn read(&mut self, number: u32, page: &mut [u8]) -> Result<(), Error> {
        self.database
            .read_page(&mut self.snapshot, number, page, &mut self.ahead)
    }

    /// The state that it reads.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

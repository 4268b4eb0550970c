//! Sequences, enums and comments, which SQLite has no place for: the server's own tables keep them.

use rusqlite::{Connection, Result};

use super::model::Sequence;
use super::read::Reader;

impl Reader<'_> {
    pub(super) fn sequences(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn enums(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn comments(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The value that a sequence gave last; none before the first.
pub(super) fn last_value(connection: &Connection, sequence: &Sequence) -> Result<Option<i64>> {
    let _ = (connection, sequence);
    Ok(None)
}

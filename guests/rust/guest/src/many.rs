//! One statement for many rows of values.

use crate::connection::{Connection, Source};
use crate::error::{Error, Result};
use crate::messagepack::Encoder;
use crate::params::Params;
use crate::protocol::Request;
use crate::transaction::{Behavior, Transaction};

/// Rows are sent when they have so many bytes.
const LARGEST_PIECE: usize = 64 << 10;

/// Runs a statement for all rows: all are kept, or none.
pub(crate) fn execute<P: Params>(
    connection: &Connection,
    source: Source<'_>,
    rows: impl IntoIterator<Item = P>,
) -> Result<u64> {
    let mut piece = Piece::default();
    // The host takes a request whole or not at all; what holds several together is a transaction.
    let mut transaction = None;
    for row in rows {
        row.encode(&mut piece.rows)?;
        piece.count += 1;
        if piece.rows.len() >= LARGEST_PIECE {
            if transaction.is_none() {
                transaction = Some(Transaction::begin(connection, Behavior::Deferred)?);
            }
            piece.send(connection, source)?;
        }
    }
    if piece.count > 0 || transaction.is_none() {
        piece.send(connection, source)?;
    }
    if let Some(transaction) = transaction {
        transaction.commit()?;
    }
    Ok(piece.changed)
}

/// Rows that are sent together.
#[derive(Default)]
struct Piece {
    rows: Encoder,
    count: usize,
    /// Rows sent before, and how many were changed by them.
    sent: usize,
    changed: u64,
}

impl Piece {
    fn send(&mut self, connection: &Connection, source: Source<'_>) -> Result<()> {
        let mut request: Request = connection.source_request("exec", source);
        let rows = request.field("rows");
        rows.list(self.count);
        rows.raw(&std::mem::take(&mut self.rows).into_bytes());
        self.changed += connection.changed(request).map_err(|error| match error {
            Error::Sqlite {
                code,
                extended,
                message,
                row: Some(row),
            } => Error::Sqlite {
                code,
                extended,
                message,
                row: Some(row + self.sent),
            },
            other => other,
        })?;
        self.sent += std::mem::take(&mut self.count);
        Ok(())
    }
}

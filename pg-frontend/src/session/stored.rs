//! Rows taken out of SQLite's hands: a cursor's, so that it can go back, and those that a portal has not sent
//! yet when the transaction writes or ends, because what it sees must not change any more.
//!
//! They lie in a temporary database of their own: SQLite keeps what is small in memory and the rest in a file
//! that has no name, and no transaction of the session's has to do with it.

use rusqlite::{Connection, Statement};

use super::portal::{self, SendError, Sent, Sink};
use super::scroll::Way;
use crate::error::of_sqlite;
use crate::protocol::wire::Wire;
use crate::sql::Direction;

/// See the module.
#[derive(Debug)]
pub(super) struct Stored {
    database: Connection,
    count: i64,
    /// As in [`Way`].
    stands: i64,
}

impl Stored {
    /// Takes all rows that a statement still has.
    pub(super) fn take(statement: &mut Statement<'_>) -> Result<Self, SendError> {
        let columns = statement.column_count();
        let (database, insert) = empty(columns).map_err(own)?;
        let mut count = 0;
        {
            let mut insert = database.prepare(&insert).map_err(own)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(SendError::Sqlite)? {
                count += 1;
                for column in 0..columns {
                    let value = row.get_ref(column).map_err(own)?;
                    let value = rusqlite::types::ToSqlOutput::Borrowed(value);
                    insert.raw_bind_parameter(column + 1, value).map_err(own)?;
                }
                insert.raw_execute().map_err(own)?;
            }
        }
        database.execute_batch("COMMIT").map_err(own)?;
        Ok(Self {
            database,
            count,
            stands: 0,
        })
    }

    /// Goes somewhere, and sends the rows on the way; the sink's own limit does not count.
    pub(super) fn go(
        &mut self,
        direction: Direction,
        wire: &mut Wire,
        sink: &Sink<'_>,
    ) -> Result<Sent, SendError> {
        let way = Way::of(direction, self.stands, self.count);
        self.stands = way.stands;
        let sent = Sent {
            rows: way.len(),
            over: way.stands > self.count,
        };
        if sink.silent || sent.rows == 0 {
            return Ok(sent);
        }
        let order = if way.backwards { "DESC" } else { "ASC" };
        let ask =
            format!("SELECT * FROM rows WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid {order}");
        let mut statement = self.database.prepare_cached(&ask).map_err(own)?;
        for (place, row) in [way.rows.start(), way.rows.end()].into_iter().enumerate() {
            statement.raw_bind_parameter(place + 1, row).map_err(own)?;
        }
        portal::send(
            wire,
            &mut statement,
            &Sink {
                limit: None,
                ..*sink
            },
        )?;
        Ok(sent)
    }
}

/// A database with a table for rows of so many columns, in a transaction, and the INSERT for them.
fn empty(columns: usize) -> rusqlite::Result<(Connection, String)> {
    let database = Connection::open("")?;
    database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    // Columns without a type keep values as they are.
    let list = |item: fn(usize) -> String| (0..columns).map(item).collect::<Vec<_>>().join(", ");
    let names = list(|column| format!("c{column}"));
    database.execute_batch(&format!("BEGIN; CREATE TABLE rows({names})"))?;
    let values = list(|_| "?".to_owned());
    Ok((database, format!("INSERT INTO rows VALUES ({values})")))
}

/// An error of the temporary database: nothing that the session's own has to do with.
fn own(error: rusqlite::Error) -> SendError {
    SendError::Client(of_sqlite(&error))
}

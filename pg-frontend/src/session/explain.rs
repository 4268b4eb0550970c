//! SQLite's errors with what only the session knows: why it was interrupted, the storage's own sentence,
//! the name of the index that was violated.

use super::Session;
use super::failure::Failure;
use crate::error::{PgError, of_sqlite};

impl Session<'_> {
    /// An error of SQLite's, with the sentence that the storage has for it.
    pub(super) fn explain(&mut self, error: &rusqlite::Error) -> PgError {
        let mut told = of_sqlite(error);
        match told.code {
            "57014" => {
                if let Failure::Error(error) = self.interrupted() {
                    return error;
                }
            }
            "40001" if self.nothing_was_sent() => {
                let sentence = self.last_error().unwrap_or_default();
                self.told.clone_from(&sentence);
                told = PgError::new("08006", sentence)
                    .hint("Nothing was committed. Try the transaction again.");
            }
            "40001" => tracing::info!(pid = self.handle.pid, "a transaction lost a race"),
            "08006" => {
                if let Some(sentence) = self.last_error() {
                    let unknown = sentence.contains("is unknown");
                    told = PgError::new(if unknown { "08007" } else { "08006" }, sentence);
                }
            }
            "23505" => self.name_index(&mut told),
            _ => {}
        }
        self.server.databases.note(&told);
        told
    }

    /// The storage says "busy" also where its store is out of reach: its sentence tells, if it is a new one.
    pub(super) fn nothing_was_sent(&self) -> bool {
        self.last_error().is_some_and(|sentence| {
            sentence.contains("did not reach the store") && sentence != self.told
        })
    }

    fn last_error(&self) -> Option<String> {
        let ask = "SELECT sqlbridge_last_error()";
        self.connection
            .query_row(ask, [], |row| row.get(0))
            .ok()
            .flatten()
    }

    /// A unique index has a name of its own where somebody gave it one.
    fn name_index(&self, told: &mut PgError) {
        let (Some(table), Some(detail)) = (&told.table, &told.detail) else {
            return;
        };
        let columns = detail
            .strip_prefix("Key (")
            .and_then(|rest| rest.strip_suffix(") already exists."));
        let found = self.connection.query_row(
            "SELECT l.name FROM pragma_index_list(?1) AS l WHERE l.\"unique\" AND l.origin = 'c'
             AND (SELECT group_concat(i.name, ', ') FROM pragma_index_info(l.name) AS i) = ?2",
            (table, columns),
            |row| row.get::<_, String>(0),
        );
        if let Ok(name) = found {
            told.message = format!("duplicate key value violates unique constraint \"{name}\"");
            told.constraint = Some(name);
        }
    }
}

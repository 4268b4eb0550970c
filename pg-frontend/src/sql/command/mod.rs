//! Commands that are no queries, read by their tokens.
//!
//! | module | what |
//! | --- | --- |
//! | [`words`] | reading tokens |
//! | [`transaction`] | `BEGIN`, `COMMIT`, `SAVEPOINT` … |
//! | [`settings`] | `SET`, `SHOW`, `RESET`, `DISCARD` |
//! | [`prepared`] | `PREPARE`, `EXECUTE`, `DECLARE`, `FETCH` … |
//! | [`copy`] | `COPY` |
//! | [`maintenance`] | `VACUUM`, `TRUNCATE`, `EXPLAIN`, and what is accepted without effect |

pub(crate) mod copy;
pub(crate) mod maintenance;
pub(crate) mod prepared;
pub(crate) mod settings;
pub(crate) mod transaction;
pub(crate) mod words;

use rusqlite::Connection;

use super::{Action, Plan, Tag};
use crate::error::Result;
use crate::session::state::State;
use crate::types::Oid;
use words::Words;

/// A plan without parameters and result.
pub(crate) fn plain(action: Action, tag: &str) -> Plan {
    Plan {
        action,
        tag: Tag::Plain(tag.to_owned()),
        parameters: Vec::new(),
        columns: None,
        read_only: true,
    }
}

/// A plan that changes the schema.
pub(crate) fn script(statements: Vec<String>, tag: &str) -> Plan {
    Plan {
        read_only: false,
        ..plain(Action::Script(statements), tag)
    }
}

/// The plan of a command; none where the statement is a query or DDL for the parser.
pub(crate) fn read(
    connection: &Connection,
    state: &State,
    text: &str,
    given: &[Oid],
) -> Result<Option<Plan>> {
    let mut words = Words::new(text)?;
    let Some(first) = words.peek() else {
        return Ok(Some(plain(Action::Empty, "")));
    };
    match first.as_str() {
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" => {
            transaction::read(&mut words).map(Some)
        }
        "SET" | "SHOW" | "RESET" | "DISCARD" => settings::read(&mut words, state),
        "PREPARE" | "EXECUTE" | "DEALLOCATE" | "DECLARE" | "FETCH" | "MOVE" | "CLOSE" => {
            prepared::read(&mut words, connection, state, given).map(Some)
        }
        "COPY" => copy::read(&mut words, connection, state).map(Some),
        "VACUUM" | "ANALYZE" | "ANALYSE" | "REINDEX" | "CLUSTER" | "TRUNCATE" | "LISTEN"
        | "NOTIFY" | "UNLISTEN" | "LOCK" | "GRANT" | "REVOKE" | "COMMENT" | "CHECKPOINT"
        | "EXPLAIN" | "SECURITY" | "REFRESH" | "ATTACH" | "DETACH" | "LOAD" | "REASSIGN" | "DO"
        | "CALL" | "MERGE" | "IMPORT" | "SELECT" | "TABLE" => {
            maintenance::read(&mut words, connection, state, given)
        }
        "CREATE" | "DROP" | "ALTER" => super::ddl::read(&mut words, connection, state),
        _ => Ok(None),
    }
}

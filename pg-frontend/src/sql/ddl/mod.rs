//! DDL: Postgres's made SQLite's.
//!
//! | module | what |
//! | --- | --- |
//! | [`create`] | `CREATE TABLE`, also `AS` and `LIKE` |
//! | [`constraints`] | primary keys, foreign keys, unique and check constraints, and their names |
//! | [`reader`], [`rebuild`] | a table's parts read back and the table made anew, for what SQLite's `ALTER TABLE` cannot do |
//! | [`alter`], [`alter_columns`], [`alter_constraints`] | `ALTER TABLE` |
//! | [`index`] | `CREATE INDEX` |
//! | [`view`] | `CREATE VIEW` |
//! | [`comments`] | `COMMENT ON` |
//! | [`objects`] | schemas, databases, and what is accepted without effect |
//! | [`sequences`], [`enums`], [`drop`] | sequences, enums, `DROP` |

pub(crate) mod alter;
mod alter_columns;
mod alter_constraints;
pub(crate) mod comments;
pub(crate) mod constraints;
pub(crate) mod create;
pub(crate) mod drop;
mod enums;
pub(crate) mod index;
pub(crate) mod objects;
mod reader;
pub(crate) mod rebuild;
pub(crate) mod sequences;
pub(crate) mod view;

use rusqlite::Connection;
use sqlparser::ast::Statement;

use super::Plan;
use super::command::words::Words;
use crate::error::Result;
use crate::session::state::State;

/// The plan of a `CREATE`, `DROP` or `ALTER` that is read by its tokens; none where the parser reads it.
pub(crate) fn read(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
) -> Result<Option<Plan>> {
    if let Some(plan) = objects::read(words, connection, state)? {
        return Ok(Some(plan));
    }
    let statement = super::parse::statement(words.text)?;
    plan(&statement, words.text, connection, state)
}

/// `AUTOINCREMENT`, `WITHOUT ROWID`, `STRICT`: words that Postgres does not have.
fn is_sqlites(text: &str) -> bool {
    let Ok(words) = Words::new(text) else {
        return false;
    };
    let all: Vec<String> = (0..).map_while(|ahead| words.peek_at(ahead)).collect();
    let close = all.iter().rposition(|word| word == ")").unwrap_or(0);
    all.iter().any(|word| word == "AUTOINCREMENT")
        || all[close..]
            .iter()
            .any(|word| word == "ROWID" || word == "STRICT")
}

/// The plan of parsed DDL; none where it is none.
pub(crate) fn plan(
    statement: &Statement,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Option<Plan>> {
    Ok(Some(match statement {
        // SQLite's own words: its own statement.
        Statement::CreateTable(_) if is_sqlites(text) => {
            super::command::script(vec![text.to_owned()], "CREATE TABLE")
        }
        Statement::CreateTable(table) => create::table(table, text, connection, state)?,
        Statement::AlterTable(alter) => alter::table(alter, text, connection, state)?,
        Statement::CreateIndex(index) => index::create(index, text, connection, state)?,
        Statement::CreateView(view) => view::create(view, text, connection, state)?,
        _ => return Ok(None),
    }))
}

//! Postgres SQL made SQLite SQL, with types.
//!
//! [`parse`] splits a query's text into statements; [`plan`] makes of one what the session executes.
//! What does not parse as Postgres goes to SQLite as it stands (`PRAGMA`, `INSERT OR REPLACE`).
//!
//! | module | what |
//! | --- | --- |
//! | [`lexer`], [`parse`](mod@parse) | tokens, statements, the syntax tree |
//! | [`command`] | commands that are read by their tokens |
//! | [`query`] | queries and changes of data: the tree made SQLite's text, with types |
//! | [`ddl`] | tables, indexes, views and the rest |
//! | [`names`], [`schema`] | schemas over SQLite's names; tables read as Postgres's |
//! | [`native`] | what goes to SQLite as it stands |

pub(crate) mod command;
pub(crate) mod ddl;
pub(crate) mod lexer;
pub mod names;
mod native;
pub(crate) mod parse;
pub(crate) mod query;
pub mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rusqlite::Connection;

use crate::error::Result;
use crate::session::state::State;
use crate::types::{Oid, Type};

/// One statement of a query's text.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// Its text, without the semicolon.
    pub text: Arc<str>,
    /// Where it begins in the query, in characters, from 0: for positions in errors.
    pub offset: usize,
}

/// What the session executes for a statement. Depends on the schema and on the search path: it is
/// made again when [`schema_version`](crate::session) or the search path has changed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What to do.
    pub action: Action,
    /// How `CommandComplete` calls it.
    pub tag: Tag,
    /// `$1` … `$n`. Types that the client gave stay as given.
    pub parameters: Vec<Type>,
    /// The result's columns; none where there is no result.
    pub columns: Option<Vec<Column>>,
    /// It may be run in a read-only transaction.
    pub read_only: bool,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The table it comes from (`pg_class.oid`), or 0.
    pub table: Oid,
    /// The column's number there (`attnum`), or 0.
    pub number: i16,
}

/// The first words of `CommandComplete`, and what number follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// `SELECT n`: rows sent. Also `FETCH n`, `COPY n`.
    Rows(&'static str),
    /// `INSERT 0 n`, `UPDATE n`, `DELETE n`: rows changed.
    Changes(&'static str),
    /// No number: `CREATE TABLE`.
    Plain(String),
}

/// See [`Plan`].
#[derive(Debug, Clone)]
pub enum Action {
    /// Nothing but comments: `EmptyQueryResponse`.
    Empty,
    /// One statement of SQLite's, parameters as `?1` … `?n`.
    Run(Arc<str>),
    /// Several, in order, all or nothing: what SQLite needs for one DDL statement of Postgres's.
    Script(Vec<String>),
    /// Accepted, and nothing to do (`LISTEN`, `COMMENT ON`), with a warning for the client if there is one to give.
    Nothing(Option<String>),
    /// `BEGIN`, `COMMIT`, `SAVEPOINT` and their kin.
    Transaction(Transaction),
    /// `SET name = value` (`local`: until the transaction's end); no value: to its default.
    Set {
        /// The setting's name, lower case.
        name: String,
        /// Its new value.
        value: Option<String>,
        /// `SET LOCAL`.
        local: bool,
    },
    /// `RESET ALL`.
    ResetAll,
    /// `SHOW name`, `SHOW ALL`.
    Show(String),
    /// `DISCARD ALL` and its parts.
    Discard(String),
    /// `COPY … FROM STDIN`, `COPY … TO STDOUT`.
    Copy(Box<Copy>),
    /// `PREPARE name (types) AS statement`.
    Prepare {
        /// The statement's name.
        name: String,
        /// Its parameters' types, as far as declared.
        types: Vec<Oid>,
        /// Its text.
        text: Arc<str>,
        /// The text of the PREPARE.
        whole: Arc<str>,
    },
    /// `EXECUTE name (values)`: the values as SQLite expressions, rewritten.
    Execute {
        /// The statement's name.
        name: String,
        /// Expressions without parameters.
        arguments: Vec<String>,
    },
    /// `DEALLOCATE name`; none: all.
    Deallocate(Option<String>),
    /// `DECLARE name CURSOR FOR query`.
    Declare {
        /// The cursor's name.
        name: String,
        /// `WITH HOLD`.
        hold: bool,
        /// `BINARY`.
        binary: bool,
        /// `SCROLL`: it goes in all directions.
        scroll: bool,
        /// The query's text.
        text: Arc<str>,
    },
    /// `FETCH`/`MOVE`; `MOVE` sends none of the rows.
    Fetch {
        /// The cursor's name.
        name: String,
        /// Where to.
        direction: Direction,
        /// `MOVE`.
        discard: bool,
    },
    /// `CLOSE name`; none: all.
    Close(Option<String>),
    /// `CREATE DATABASE name`.
    CreateDatabase {
        /// The new database's name.
        name: String,
    },
    /// `DROP DATABASE [IF EXISTS] name`.
    DropDatabase {
        /// The database's name.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
    },
}

/// A transaction command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    /// `BEGIN`, `START TRANSACTION`.
    Begin {
        /// `DEFERRED`, `IMMEDIATE`, `EXCLUSIVE` where the text says so (SQLite's words), or what an isolation level asks for.
        mode: Option<&'static str>,
        /// `READ ONLY`.
        read_only: Option<bool>,
        /// `ISOLATION LEVEL …`, lower case.
        isolation: Option<String>,
    },
    /// `COMMIT`, `END`.
    Commit {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`.
    Rollback {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `SAVEPOINT name`.
    Savepoint(String),
    /// `RELEASE SAVEPOINT name`.
    Release(String),
    /// `ROLLBACK TO SAVEPOINT name`.
    RollbackTo(String),
    /// `SET TRANSACTION …`.
    Characteristics {
        /// `READ ONLY`, `READ WRITE`.
        read_only: Option<bool>,
        /// `ISOLATION LEVEL …`, lower case.
        isolation: Option<String>,
    },
}

/// Where a cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// So many rows on, none for all; backwards if it is less than 0, the same row again if it is 0.
    Forward(Option<i64>),
    /// So many rows back, none for all.
    Backward(Option<i64>),
    /// To a row counted from the first, or from the last if it is less than 0; 0 is before the first.
    Absolute(i64),
    /// To a row counted from this one.
    Relative(i64),
}

/// A COPY.
#[derive(Debug, Clone)]
pub struct Copy {
    /// `FROM STDIN`: an INSERT with one parameter for each column. `TO STDOUT`: a query.
    pub sql: Arc<str>,
    /// Into the database.
    pub from: bool,
    /// The table; empty: the rows of a query.
    pub table: String,
    /// The columns with their types, in the order of the data.
    pub columns: Vec<Column>,
    /// How the data is written.
    pub format: CopyFormat,
}

/// <https://www.postgresql.org/docs/15/sql-copy.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// `text`
    Text {
        /// Between columns.
        delimiter: u8,
        /// What stands for NULL.
        null: String,
        /// A first line with names.
        header: bool,
    },
    /// `csv`
    Csv {
        /// Between columns.
        delimiter: u8,
        /// What stands for NULL.
        null: String,
        /// A first line with names.
        header: bool,
        /// Around values.
        quote: u8,
        /// Before a quote inside of quotes.
        escape: u8,
        /// Columns always quoted (by position).
        force_quote: Vec<usize>,
        /// Columns in which an empty unquoted value is no NULL.
        force_not_null: Vec<usize>,
        /// Columns in which a quoted null text is NULL.
        force_null: Vec<usize>,
    },
    /// `binary`
    Binary,
}

/// Splits a query's text into statements. Nothing but comments and semicolons: no statements.
///
/// # Errors
/// 42601, with the position: an unfinished quote or comment.
pub fn parse(query: &str) -> Result<Vec<Parsed>> {
    let ranges = lexer::split(query)?;
    if let [(start, end)] = ranges.as_slice() {
        return Ok(vec![Parsed {
            text: query[*start..*end].into(),
            offset: query[..*start].chars().count(),
        }]);
    }
    let mut out = Vec::with_capacity(ranges.len());
    let (mut last, mut offset) = (0, 0);
    for (start, end) in ranges {
        offset += query[last..start].chars().count();
        last = start;
        out.push(Parsed {
            text: query[start..end].into(),
            offset,
        });
    }
    Ok(out)
}

/// Makes a plan for a statement, on the connection that will run it. `given` are the parameter types that
/// the client named (0: unknown).
///
/// # Errors
/// What Postgres would say when it analyses the statement: 42601, 42P01, 42703, 42883, 42P18 …, with a position within `parsed.text`.
pub fn plan(
    connection: &Connection,
    state: &State,
    parsed: &Parsed,
    given: &[Oid],
) -> Result<Plan> {
    let text = parsed.text.as_ref();
    if !is_query(text)
        && let Some(plan) = command::read(connection, state, text, given)?
    {
        return Ok(plan);
    }
    let statement = match parse::statement(text) {
        Ok(statement) => statement,
        Err(error) => return native::plan(connection, text, given).ok_or(error),
    };
    match query_plan(&statement, connection, state, text, given)? {
        Some(plan) => Ok(plan),
        None => match ddl::plan(&statement, text, connection, state)? {
            Some(plan) => Ok(plan),
            None => native::plan(connection, text, given)
                .ok_or_else(|| query::unsupported(first_words(text))),
        },
    }
}

/// It begins like a query, and no command does: the usual case, told without reading it all.
fn is_query(text: &str) -> bool {
    let word = |word: &str| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if word("SELECT ") {
        // `SELECT … INTO t` is a command.
        return !text
            .as_bytes()
            .windows(4)
            .any(|four| four.eq_ignore_ascii_case(b"into"));
    }
    word("INSERT ") || word("UPDATE ") || word("DELETE ") || word("WITH ") || word("VALUES")
}

fn first_words(text: &str) -> String {
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The plan of a query or a change of data; none where the statement is neither.
fn query_plan(
    statement: &sqlparser::ast::Statement,
    connection: &Connection,
    state: &State,
    text: &str,
    given: &[Oid],
) -> Result<Option<Plan>> {
    use sqlparser::ast::{SetExpr, Statement};
    let mut compiler = query::Compiler::new(connection, state, text, given);
    let (change, tag) = match statement {
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(Statement::Insert(insert)) => {
                (compiler.insert(insert, Some(query))?, "INSERT")
            }
            SetExpr::Update(Statement::Update(update)) => {
                (compiler.update(update, Some(query))?, "UPDATE")
            }
            SetExpr::Delete(Statement::Delete(delete)) => {
                (compiler.delete(delete, Some(query))?, "DELETE")
            }
            _ => {
                compiler.outermost = true;
                let compiled = compiler.query(query, None)?;
                return Ok(Some(Plan {
                    action: Action::Run(compiled.sql.into()),
                    tag: Tag::Rows("SELECT"),
                    parameters: compiler.parameter_types(),
                    columns: Some(
                        compiled
                            .columns
                            .iter()
                            .map(|output| output.column(connection, state))
                            .collect(),
                    ),
                    read_only: !compiler.writes,
                }));
            }
        },
        // SQLite's own forms go to SQLite.
        Statement::Insert(insert) if insert.or.is_some() || insert.replace_into => return Ok(None),
        Statement::Update(update) if update.or.is_some() => return Ok(None),
        Statement::Insert(insert) => (compiler.insert(insert, None)?, "INSERT"),
        Statement::Update(update) => (compiler.update(update, None)?, "UPDATE"),
        Statement::Delete(delete) => (compiler.delete(delete, None)?, "DELETE"),
        _ => return Ok(None),
    };
    Ok(Some(Plan {
        action: Action::Run(change.sql.into()),
        tag: Tag::Changes(tag),
        parameters: compiler.parameter_types(),
        columns: change.returning.map(|outputs| {
            outputs
                .iter()
                .map(|output| output.column(connection, state))
                .collect()
        }),
        read_only: false,
    }))
}

//! Statements of Postgres clients: planned or refused, and what is planned is run, on a database in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;

use bytes::BytesMut;
use pg_frontend::error::of_sqlite;
use pg_frontend::session::state::{Shared, State};
use pg_frontend::sql::{self, Action, Plan};
use pg_frontend::types::{self, Format, Style};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Statement};

use crate::postgres::is_a_sentence;

/// As Postgres's DDL makes them here.
const SCHEMA: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY DEFAULT (pg_serial('int4')), name varchar(10), n numeric(10,2), tags \"text[]\", at timestamptz);
    CREATE TABLE u (id INTEGER PRIMARY KEY, doc jsonb, \"x y\" text, a integer, b double precision);
    INSERT INTO t VALUES (1, 'one', 1.5, '[\"a\",null]', '2024-02-29 12:00:00'), (2, 'é', NULL, '[]', NULL);
    INSERT INTO u VALUES (1, '{\"a\": [1, \"b\"]}', 'x', 7, 0.5);";

/// Rows of a result that are read.
const ROWS: usize = 20;
/// Steps of SQLite's machine, in thousands, for one statement.
const STEPS: i32 = 200;

struct Database {
    connection: Connection,
    state: Shared,
    /// Thousands of steps that the statement has taken.
    steps: Arc<AtomicI32>,
}

thread_local! {
    static DATABASE: Database = Database::open();
}

/// Any text splits or is refused; each of its statements is planned or refused; what is planned, SQLite takes.
pub fn query(text: &str) {
    // The protocol's texts end at a zero byte.
    let text = text.split('\0').next().unwrap_or_default();
    match sql::parse(text) {
        Err(error) => is_a_sentence(&error),
        Ok(statements) => DATABASE.with(|database| {
            for statement in &statements {
                assert!(text.chars().count() >= statement.offset);
                database.statement(statement);
            }
        }),
    }
}

impl Database {
    fn open() -> Self {
        let mut connection = Connection::open_in_memory().expect("memory");
        let state = State::new("me".to_owned(), "db".to_owned(), 1, BTreeMap::new());
        let state = Rc::new(RefCell::new(state));
        pg_frontend::functions::register(&connection, &state).expect("functions");
        pg_frontend::catalog::register(&connection, &state).expect("a catalog");
        connection.execute_batch(SCHEMA).expect("tables");
        connection
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, 1 << 20)
            .expect("a limit");
        connection.authorizer(Some(judge)).expect("an authorizer");
        let steps = Arc::new(AtomicI32::new(0));
        let taken = Arc::clone(&steps);
        let is_enough = move || taken.fetch_add(1, Relaxed) > STEPS;
        connection
            .progress_handler(1000, Some(is_enough))
            .expect("a handler");
        Self {
            connection,
            state,
            steps,
        }
    }

    fn statement(&self, parsed: &sql::Parsed) {
        self.steps.store(0, Relaxed);
        let plan = sql::plan(&self.connection, &self.state.borrow(), parsed, &[]);
        match plan {
            Ok(plan) => {
                self.connection
                    .execute_batch("SAVEPOINT fuzz")
                    .expect("a savepoint");
                self.run(&parsed.text, &plan);
                self.steps.store(0, Relaxed);
                // What failed may have ended the transaction.
                let _ended = self.connection.execute_batch(
                    "ROLLBACK TO fuzz; RELEASE fuzz; PRAGMA writable_schema = RESET",
                );
                if !self.connection.is_autocommit() {
                    let _ended = self.connection.execute_batch("ROLLBACK");
                }
            }
            Err(error) => {
                is_a_sentence(&error);
                let end = parsed.text.chars().count() + 1;
                assert!(
                    error.position.is_none_or(|at| (1..=end).contains(&at)),
                    "{error:?} in {}",
                    parsed.text
                );
            }
        }
    }

    fn run(&self, text: &str, plan: &Plan) {
        match &plan.action {
            Action::Run(sql) => match self.connection.prepare(sql) {
                Ok(mut statement) => rows(text, plan, &mut statement),
                Err(error) => failed(text, sql, &error),
            },
            Action::Script(statements) => {
                for sql in statements {
                    if let Err(error) = self.connection.execute_batch(sql) {
                        failed(text, sql, &error);
                        break;
                    }
                }
            }
            Action::Copy(copy) => {
                if let Err(error) = self.connection.prepare(&copy.sql) {
                    failed(text, &copy.sql, &error);
                }
            }
            _ => {}
        }
    }
}

/// A row has the columns that the client was told of, and their values can be sent.
fn rows(text: &str, plan: &Plan, statement: &mut Statement<'_>) {
    let sql = statement.expanded_sql().unwrap_or_default();
    assert!(
        statement.parameter_count() <= plan.parameters.len(),
        "{text}\n{sql}"
    );
    for index in 0..statement.parameter_count() {
        statement
            .raw_bind_parameter(index + 1, Value::Null)
            .expect("a parameter");
    }
    // A query of no columns is one of a NULL that is not sent.
    if let Some(columns) = plan.columns.as_ref().filter(|columns| !columns.is_empty()) {
        assert_eq!(statement.column_count(), columns.len(), "{text}\n{sql}");
    }
    let mut rows = statement.raw_query();
    for _ in 0..ROWS {
        match rows.next() {
            Ok(None) => break,
            Err(error) => return failed(text, &sql, &error),
            Ok(Some(row)) => {
                for (index, column) in plan.columns.iter().flatten().enumerate() {
                    match row.get_ref(index).expect("a column") {
                        ValueRef::Null => {}
                        value => sent(column, value),
                    }
                }
            }
        }
    }
}

fn sent(column: &sql::Column, value: ValueRef<'_>) {
    for format in [Format::Text, Format::Binary] {
        if let Err(error) = types::encode(
            column.ty,
            format,
            value,
            &Style::default(),
            &mut BytesMut::new(),
        ) {
            is_a_sentence(&error);
        }
    }
}

/// What SQLite refuses has a code, and is no text that we should not have written. Its own statements go to it as they came.
fn failed(text: &str, sql: &str, error: &rusqlite::Error) {
    let told = of_sqlite(error);
    assert_eq!(told.code.len(), 5);
    let ours = !text.contains(sql.trim());
    let broken =
        told.message.contains("syntax error") || told.message.contains("unrecognized token");
    assert!(!(ours && broken), "{text}\n{sql}\n{error}");
}

/// Nothing outside of memory; no setting that would change what later statements meet.
fn judge(context: AuthContext<'_>) -> Authorization {
    // Changes of tables write to sqlite_schema; it is closed again after each statement.
    let reads = [
        "writable_schema",
        "defer_foreign_keys",
        "table_info",
        "table_xinfo",
        "table_list",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
        "foreign_key_check",
        "database_list",
    ];
    match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } if pragma_value.is_some() && !reads.contains(&pragma_name) => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

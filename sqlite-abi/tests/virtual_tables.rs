//! Virtual tables: made and opened again, rows in, and what they keep of the connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::cell::Cell;
use std::sync::{Mutex, Once};

use rusqlite::Connection as Host;
use sqlite_abi::{
    Column, Connection, Declaration, Extension, FunctionError, Kept, Lent, Scan, TableFunction,
    Value, ValueRef, entry,
};

thread_local! {
    /// Tables that this test has dropped.
    static DROPPED: Cell<usize> = const { Cell::new(0) };
}

/// Tables of this kind have one row: how they were made, and what a statement that is kept counts.
#[derive(Default)]
struct Counter {
    name: String,
    made: String,
    kept: Mutex<Option<Kept>>,
}

struct Row(Option<Value>, bool);

impl Scan for Row {
    fn advance(&mut self, _: &Connection<'_>) -> Result<bool, FunctionError> {
        Ok(!std::mem::replace(&mut self.1, true))
    }

    fn value(&self, _: usize) -> ValueRef<'_> {
        self.0.as_ref().map_or(ValueRef::Null, Value::as_ref)
    }
}

impl TableFunction for Counter {
    const DECLARABLE: bool = true;

    fn name(&self) -> &str {
        if self.name.is_empty() {
            "counter"
        } else {
            &self.name
        }
    }

    fn columns(&self) -> &[Column] {
        static COLUMNS: [Column; 2] = [Column::new("said", ""), Column::argument("asked", "")];
        &COLUMNS
    }

    fn declare(
        &self,
        _: &Connection<'_>,
        declaration: &Declaration<'_>,
    ) -> Result<Self, FunctionError> {
        if declaration.is_new && declaration.arguments.contains(&"bad") {
            return Err("such a table cannot be".into());
        }
        Ok(Self {
            name: declaration.table.to_owned(),
            made: format!(
                "{}.{} {:?} {}",
                declaration.schema, declaration.table, declaration.arguments, declaration.is_new
            ),
            kept: Mutex::new(None),
        })
    }

    fn scan_lent(
        &self,
        lent: &Lent,
        arguments: &[Option<Value>],
    ) -> Result<Box<dyn Scan>, FunctionError> {
        if let Some(Some(Value::Text(_))) = arguments.first() {
            return Ok(Box::new(Row(Some(self.made.as_str().into()), false)));
        }
        let mut kept = self.kept.lock().unwrap();
        let kept = kept.get_or_insert_with(|| {
            let (kept, _) = lent.keep_next("SELECT count(*) FROM t").unwrap();
            kept.unwrap()
        });
        let count = kept.with(|statement| {
            statement.step()?;
            let count = statement.column(0);
            statement.reset();
            count
        })??;
        Ok(Box::new(Row(Some(count), false)))
    }

    fn insert(&self, lent: &Lent, row: &[Value]) -> Result<(), FunctionError> {
        let [Value::Null, asked] = row else {
            return Err("it takes what is asked".into());
        };
        lent.with(|connection| {
            let mut insert = connection.prepare("INSERT INTO t VALUES (?)")?;
            insert.bind(1, asked)?;
            insert.step().map(drop)
        })??;
        Ok(())
    }

    fn dropped(&self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

struct Tables;

impl Extension for Tables {
    const NAME: &'static str = "tables";
    const VERSION: &'static str = "1";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        connection
            .create_table_function(Counter::default())
            .map_err(|error| error.message)
    }
}

fn open(path: &str) -> Host {
    static LINKED: Once = Once::new();
    LINKED.call_once(|| entry::auto_extend_linked::<Tables>().unwrap());
    Host::open(path).unwrap()
}

fn text(host: &Host, sql: &str) -> String {
    host.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn number(host: &Host, sql: &str) -> i64 {
    host.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_new_table_is_told_from_one_that_is_there() {
    let path = std::env::temp_dir().join(format!("sqlite-abi-tables-{}.db", std::process::id()));
    let path = path.to_str().unwrap();
    let _ = std::fs::remove_file(path);
    let host = open(path);
    let make = "/* made */ CREATE VIRTUAL TABLE c USING counter(a, 'b, c' , d=1)";
    host.execute_batch(make).unwrap();
    let made = text(&host, "SELECT said FROM c WHERE asked = ''");
    assert_eq!(made, r#"main.c ["a", "'b, c'", "d=1"] true"#);
    host.execute_batch("CREATE VIRTUAL TABLE temp.counter USING counter(x)")
        .unwrap();
    assert!(text(&host, "SELECT said FROM temp.counter('')").starts_with("temp.counter"));
    let bad = host.execute_batch("CREATE VIRTUAL TABLE e USING counter(bad)");
    assert_eq!(bad.unwrap_err().to_string(), "such a table cannot be");
    assert_eq!(number(&host, "SELECT count(*) FROM sqlite_schema"), 1);
    drop(host);

    let again = open(path);
    let made = text(&again, "SELECT said FROM c WHERE asked = ''");
    assert!(made.ends_with("false"), "{made}");
    let before = DROPPED.get();
    again.execute_batch("DROP TABLE c").unwrap();
    assert_eq!(DROPPED.get(), before + 1);
    drop(again);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn it_is_a_function_too() {
    let host = open(":memory:");
    assert_eq!(text(&host, "SELECT said FROM counter('')"), "");
}

#[test]
fn rows_go_in() {
    let host = open(":memory:");
    host.execute_batch("CREATE TABLE t(x); CREATE VIRTUAL TABLE c USING counter")
        .unwrap();
    host.execute_batch("INSERT INTO c(asked) VALUES (1), (2)")
        .unwrap();
    assert_eq!(number(&host, "SELECT sum(x) FROM t"), 3);
    assert_eq!(host.last_insert_rowid(), 2);
    for (sql, expected) in [
        ("INSERT INTO c(said) VALUES (1)", "it takes what is asked"),
        ("UPDATE c SET asked = 2", "c takes new rows only"),
        ("DELETE FROM c", "c takes new rows only"),
    ] {
        let error = host.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
    assert_eq!(number(&host, "SELECT count(*) FROM t"), 2);
}

#[test]
fn statements_are_kept_as_long_as_the_table() {
    let host = open(":memory:");
    host.execute_batch("CREATE TABLE t(x); CREATE VIRTUAL TABLE c USING counter")
        .unwrap();
    for expected in 0..3 {
        assert_eq!(number(&host, "SELECT said FROM c"), expected);
        host.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    }
    // They follow a change of the schema, and keep neither a table nor the connection.
    host.execute_batch("DROP TABLE t; CREATE TABLE t(y, z)")
        .unwrap();
    assert_eq!(number(&host, "SELECT said FROM c"), 0);
    host.execute_batch("DROP TABLE c; CREATE VIRTUAL TABLE c USING counter")
        .unwrap();
    assert_eq!(number(&host, "SELECT said FROM c"), 0);
    host.close().unwrap();
}

//! Aggregates, windows, data of a statement, interrupts and peers under a SQLite that is linked in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{WithVfs, alone, error, open, text};
use sqlite_abi::{
    Aggregate, Arguments, Connection, Context, FunctionError, FunctionFlags, InterruptProbe,
    StatementKey, Value, ValueRef, peers,
};

static STATES: AtomicUsize = AtomicUsize::new(0);

static PROBE: std::sync::LazyLock<InterruptProbe> =
    std::sync::LazyLock::new(InterruptProbe::default);

struct Sum(i64);

impl Sum {
    fn new() -> Self {
        STATES.fetch_add(1, Ordering::Relaxed);
        Self(0)
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        STATES.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Total;

impl Aggregate for Total {
    type State = Sum;

    fn start(&self, _: &Context<'_>) -> Result<Sum, FunctionError> {
        Ok(Sum::new())
    }

    fn step(
        &self,
        _: &Context<'_>,
        state: &mut Sum,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        let Some(number) = arguments.integer(0)? else {
            return Ok(());
        };
        if number == 13 {
            return Err("13 is not added".into());
        }
        assert_ne!(number, 666, "666 is not added");
        state.0 += number;
        Ok(())
    }

    fn finish(&self, context: &Context<'_>, state: Sum) -> Result<(), FunctionError> {
        context.set(ValueRef::Integer(state.0));
        Ok(())
    }

    fn value(&self, context: &Context<'_>, state: &mut Sum) -> Result<(), FunctionError> {
        context.set(ValueRef::Integer(state.0));
        Ok(())
    }

    fn inverse(
        &self,
        _: &Context<'_>,
        state: &mut Sum,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        state.0 -= arguments.integer(0)?.unwrap_or(0);
        Ok(())
    }
}

fn register_functions(connection: &Connection<'_>) -> Result<(), String> {
    let key = StatementKey::<(Sum, i64)>::new();
    let flags = FunctionFlags::NONE;
    connection
        .create_aggregate("total_of", 1, flags, true, Total)
        .and_then(|()| connection.create_aggregate("total_only", 1, flags, false, Total))
        .and_then(|()| {
            connection.create_function("counter", -1, flags, move |context, arguments| {
                let count = context.with_statement_data(
                    &key,
                    || Ok((Sum::new(), 0)),
                    |(_, count)| {
                        *count += 1;
                        *count
                    },
                )?;
                assert_ne!(arguments.integer(0)?, Some(count), "as asked");
                context.set(ValueRef::Integer(count));
                Ok(())
            })
        })
        .and_then(|()| {
            connection.create_scalar("interrupted", 0, flags, |connection, _| {
                let before = PROBE.is_interrupted();
                let kept = connection.with_interrupter(|interrupter| {
                    interrupter.interrupt();
                    std::sync::Arc::clone(interrupter)
                });
                assert!(!PROBE.is_interrupted(), "it is not lent");
                let after = connection.with_probe(&PROBE, || PROBE.is_interrupted());
                assert_eq!(after, connection.is_interrupted());
                kept.interrupt();
                Ok(Value::Text(format!("{before} {after}")))
            })
        })
        .and_then(|()| {
            connection.create_scalar("share", 1, flags, |connection, arguments| {
                let name = arguments.text(0)?.unwrap_or_default().to_owned();
                let running = connection.has_running_statement();
                let missed = peers::visit::<WithVfs>(
                    connection.id(),
                    |_| true,
                    |peer| {
                        let shared = peer.create_scalar(&name, 0, FunctionFlags::NONE, |_, _| {
                            Ok(Value::Integer(7))
                        });
                        shared.unwrap();
                    },
                );
                Ok(Value::Text(format!("{running} {missed}")))
            })
        })
        .map_err(|error| error.message)
}

#[test]
fn groups_and_windows() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch(
        "CREATE TABLE t(g, n); INSERT INTO t VALUES (1, 1), (1, 2), (2, 5), (2, NULL)",
    )
    .unwrap();
    let list = |sql| text(&db, &format!("SELECT group_concat(v) FROM ({sql})")).unwrap();
    assert_eq!(list("SELECT total_of(n) AS v FROM t GROUP BY g"), "3,5");
    assert_eq!(
        list("SELECT total_of(n) OVER (ORDER BY rowid ROWS 1 PRECEDING) AS v FROM t"),
        "1,3,7,5"
    );
    assert_eq!(list("SELECT total_of(n) AS v FROM t WHERE 0"), "0");
    assert_eq!(list("SELECT total_only(DISTINCT g) AS v FROM t"), "3");
    let (_, message) = error(text(&db, "SELECT total_only(n) OVER () FROM t"));
    assert!(
        message.contains("may not be used as a window function"),
        "{message}"
    );
    assert_eq!(STATES.load(Ordering::Relaxed), 0);
}

#[test]
fn states_are_dropped_when_a_statement_fails() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch("CREATE TABLE t(g, n); INSERT INTO t VALUES (1, 1), (2, 13), (3, 666)")
        .unwrap();
    let sum = |g| {
        error(text(
            &db,
            &format!("SELECT total_of(n) FROM t WHERE g < {g}"),
        ))
        .1
    };
    assert_eq!(sum(3), "13 is not added");
    let panicked = error(text(&db, "SELECT total_of(n) FROM t WHERE g <> 2")).1;
    assert!(
        panicked.contains("total_of()") && panicked.contains("666"),
        "{panicked}"
    );
    // A statement that is left in the middle of a window.
    let mut statement = db
        .prepare("SELECT total_of(g) OVER (ORDER BY g) FROM t")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    assert!(rows.next().unwrap().is_some());
    drop(rows);
    drop(statement);
    assert_eq!(STATES.load(Ordering::Relaxed), 0);
}

#[test]
fn data_belongs_to_the_statement() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch("CREATE TABLE t(n); INSERT INTO t VALUES (1), (2), (3)")
        .unwrap();
    let mut statement = db
        .prepare("SELECT counter(-n) + counter() * 10 FROM t")
        .unwrap();
    for _ in 0..2 {
        let values: Vec<i64> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(values, [21, 43, 65]);
        assert_eq!(STATES.load(Ordering::Relaxed), 0);
    }
    // A panic inside gives the data back.
    assert!(text(&db, "SELECT counter(1)").is_err());
    assert_eq!(text(&db, "SELECT counter()").unwrap(), "1");
    assert_eq!(STATES.load(Ordering::Relaxed), 0);
}

#[test]
fn interrupts_are_seen_and_end_with_their_callback() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    assert_eq!(text(&db, "SELECT interrupted()").unwrap(), "false true");
    assert_eq!(text(&db, "SELECT 1").unwrap(), "1");
}

#[test]
fn peers_get_functions() {
    let _alone = alone();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let serialized = flags | rusqlite::OpenFlags::SQLITE_OPEN_FULL_MUTEX;
    let first = rusqlite::Connection::open_with_flags(":memory:", serialized).unwrap();
    let second = rusqlite::Connection::open_with_flags(":memory:", serialized).unwrap();
    assert_eq!(text(&first, "SELECT share('seven')").unwrap(), "true 0");
    assert_eq!(text(&second, "SELECT seven()").unwrap(), "7");
    assert!(
        error(text(&first, "SELECT seven()"))
            .1
            .contains("no such function")
    );

    let alone = flags | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let third = rusqlite::Connection::open_with_flags(":memory:", alone).unwrap();
    drop(second);
    assert_eq!(text(&first, "SELECT share('eight')").unwrap(), "true 1");
    assert!(
        error(text(&third, "SELECT eight()"))
            .1
            .contains("no such function")
    );
}

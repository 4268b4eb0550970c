//! A guest that tests this crate from inside of a database: each check is run by its name, and
//! panics if it does not hold. `sql-tests/test_guests_rust.py` runs them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use sqlbridge_guest::{
    Batch, Behavior, Connection, Error, Optional, Result, Value, ValueRef, params,
};

type Check = fn(Connection) -> Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("values", values),
    ("parameters", parameters),
    ("reading", reading),
    ("structs", structs),
    ("times", times),
    ("statements", statements),
    ("cursors", cursors),
    ("streaming", streaming),
    ("transactions", transactions),
    ("savepoints", savepoints),
    ("dropped", dropped),
    ("readonly", readonly),
    ("lost", lost),
    ("connections", connections),
    ("batches", batches),
    ("many", many),
    ("errors", errors),
    ("timeouts", timeouts),
    ("panic", |_| panic!("as it was told to")),
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, check)) = CHECKS.iter().find(|(known, _)| *known == name) else {
        CHECKS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let connection = Connection::open();
    match connection
        .execute(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, score REAL)",
            (),
        )
        .and_then(|_| check(connection))
    {
        Ok(()) => {
            println!("{name}: ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn count(connection: &Connection) -> Result<i64> {
    connection.query_row("SELECT count(*) FROM t", (), |row| row.get(0))
}

fn values(connection: Connection) -> Result<()> {
    let long = "é".repeat(70_000);
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Integer((1 << 53) + 1),
        Value::Integer(-33),
        Value::Integer(-32),
        Value::Integer(127),
        Value::Integer(128),
        Value::Real(0.1),
        Value::Real(-1.0),
        Value::Real(f64::INFINITY),
        Value::Real(f64::MIN_POSITIVE),
        Value::Text(String::new()),
        Value::Text("a\0b".into()),
        Value::Text(long.chars().take(16).collect()),
        Value::Text(long.chars().take(130).collect()),
        Value::Text(long),
        Value::Blob(Vec::new()),
        Value::Blob((0..=255).collect()),
        Value::Blob(vec![7; 1 << 20]),
    ];
    for value in values {
        let (back, kind) = connection.query_row("SELECT ?1, typeof(?1)", [&value], |row| {
            Ok((row.get::<Value>(0)?, row.get::<String>(1)?))
        })?;
        assert_eq!(back, value);
        let expected = match value {
            Value::Null => "null",
            Value::Integer(_) => "integer",
            Value::Real(_) => "real",
            Value::Text(_) => "text",
            Value::Blob(_) => "blob",
        };
        assert_eq!(kind, expected);
    }
    let odd = connection.query_row("SELECT cast(x'ff61' AS TEXT)", (), |row| {
        row.get::<Value>(0)
    })?;
    assert_eq!(
        odd,
        Value::Blob(vec![0xff, 0x61]),
        "a text that is not UTF-8 is bytes"
    );
    Ok(())
}

fn parameters(connection: Connection) -> Result<()> {
    let sum = "SELECT ?1 + ?2 + ?3";
    let read = |row: &sqlbridge_guest::Row<'_>| row.get::<i64>(0);
    assert_eq!(connection.query_row(sum, [1, 2, 3], read)?, 6);
    assert_eq!(connection.query_row(sum, (1_u8, 2_i64, true), read)?, 4);
    assert_eq!(connection.query_row(sum, params![1, -2, 3_u32], read)?, 2);
    assert_eq!(connection.query_row(sum, vec![1, 2, 3], read)?, 6);
    assert_eq!(
        connection.query_row(
            "SELECT :a * @b - $c",
            params! { "a": 5, "@b": 2, "$c": 1 },
            read
        )?,
        9
    );
    let none: Option<&str> = None;
    assert!(connection.query_row(
        "SELECT ? IS NULL AND ? = 'x'",
        params![none, "x".to_owned()],
        |row| row.get::<bool>(0)
    )?);

    let few = connection.query_row(sum, [1, 2], read).unwrap_err();
    assert_eq!(few.code(), Some("SQLITE_RANGE"));
    let unknown = connection
        .query_row("SELECT :a", params! { "b": 1 }, read)
        .unwrap_err();
    assert_eq!(unknown.code(), Some("SQLITE_RANGE"));
    let large = connection
        .query_row("SELECT ?", [u64::MAX], read)
        .unwrap_err();
    assert_eq!(
        large.to_string(),
        "18446744073709551615 is beyond the 64 bits, with a sign, of SQLite's integers"
    );
    for value in [Value::Real(f64::NAN), Value::Null] {
        let bound = connection.query_row("SELECT ? IS NULL", [&value], |row| row.get::<bool>(0));
        assert_eq!(
            bound.is_ok(),
            value == Value::Null,
            "NULL is what was meant, or an error"
        );
    }
    Ok(())
}

fn reading(connection: Connection) -> Result<()> {
    connection.execute(
        "INSERT INTO t(name, score) VALUES ('ann', 1.5), ('bob', NULL)",
        (),
    )?;
    assert_eq!(connection.last_insert_rowid(), 2);
    let mut rows = connection.query(
        "SELECT id, name, score AS Points, score IS NULL AS none FROM t ORDER BY id",
        (),
    )?;
    assert_eq!(rows.column_names(), ["id", "name", "Points", "none"]);
    assert_eq!(
        rows.column_decltypes(),
        [
            Some("INTEGER".into()),
            Some("TEXT".into()),
            Some("REAL".into()),
            None
        ]
    );
    let row = rows.next()?.expect("two rows");
    assert_eq!(
        (
            row.get::<i64>("id")?,
            row.get::<u8>(0)?,
            row.get::<String>("name")?
        ),
        (1, 1, "ann".into())
    );
    assert_eq!(
        (
            row.get::<f64>("points")?,
            row.get::<Option<f32>>("Points")?,
            row.get::<bool>("none")?
        ),
        (1.5, Some(1.5), false)
    );
    assert_eq!(row.get_ref("name")?, ValueRef::Text("ann"));
    assert_eq!(
        row.get::<i64>("other").unwrap_err(),
        Error::NoColumn("other".into())
    );
    assert_eq!(row.get::<i64>(4).unwrap_err(), Error::NoColumn("4".into()));
    assert_eq!(
        row.get::<i64>("name").unwrap_err().to_string(),
        "the column name has TEXT, where an integer that fits i64 was needed"
    );
    let row = rows.next()?.expect("two rows");
    assert_eq!(row.get::<Option<f64>>("points")?, None);
    assert_eq!(
        row.get::<f64>("points").unwrap_err().to_string(),
        "the column Points has NULL, where a number was needed"
    );
    assert!(rows.next()?.is_none() && rows.next()?.is_none());

    assert_eq!(
        connection
            .query_row("SELECT 300", (), |row| row.get::<u8>(0))
            .unwrap_err()
            .to_string(),
        "the column 300 has INTEGER, where an integer that fits u8 was needed"
    );
    assert_eq!(
        connection.query_row("SELECT id FROM t WHERE id > 9", (), |row| row.get::<i64>(0)),
        Err(Error::NoRows)
    );
    assert_eq!(
        connection
            .query_row("SELECT id FROM t WHERE id > 9", (), |row| row.get::<i64>(0))
            .optional()?,
        None
    );
    Ok(())
}

#[derive(Debug, Deserialize, PartialEq)]
struct User {
    id: i64,
    name: String,
    score: Option<f64>,
    #[serde(default)]
    role: Role,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Role {
    #[default]
    Guest,
    Admin,
}

fn structs(connection: Connection) -> Result<()> {
    connection.execute(
        "INSERT INTO t(name, score) VALUES ('ann', 1.5), ('bob', NULL)",
        (),
    )?;
    let user = |id, name: &str, score, role| User {
        id,
        name: name.into(),
        score,
        role,
    };
    let users: Vec<User> = connection.query_as("SELECT *, 'not asked for' AS other FROM t", ())?;
    assert_eq!(
        users,
        [
            user(1, "ann", Some(1.5), Role::Guest),
            user(2, "bob", None, Role::Guest)
        ]
    );
    let admin: Vec<User> =
        connection.query_as("SELECT id, name, score, 'admin' AS role FROM t LIMIT 1", ())?;
    assert_eq!(admin, [user(1, "ann", Some(1.5), Role::Admin)]);
    assert_eq!(
        connection.query_as::<(i64, String)>("SELECT id, name FROM t", ())?,
        [(1, "ann".into()), (2, "bob".into())]
    );
    assert_eq!(
        connection.query_as::<String>("SELECT name FROM t", ())?,
        ["ann", "bob"]
    );
    assert_eq!(
        connection.query_as::<Option<f64>>("SELECT score FROM t", ())?,
        [Some(1.5), None]
    );
    assert_eq!(connection.query_as::<Vec<u8>>("SELECT 1, 2", ())?, [[1, 2]]);
    assert_eq!(
        connection.query_as::<(bool, i64)>("SELECT 1, 9223372036854775807", ())?,
        [(true, i64::MAX)]
    );

    let missing = connection
        .query_as::<User>("SELECT id FROM t", ())
        .unwrap_err()
        .to_string();
    assert_eq!(missing, "missing field `name`");
    let wrong = connection
        .query_as::<User>("SELECT name AS id, name, score FROM t", ())
        .unwrap_err()
        .to_string();
    assert_eq!(
        wrong,
        "the column id: invalid type: string \"ann\", expected i64"
    );
    let many = connection
        .query_as::<i64>("SELECT 1, 2", ())
        .unwrap_err()
        .to_string();
    assert_eq!(many, "a row of one column was needed, and it has 2");
    Ok(())
}

fn times(connection: Connection) -> Result<()> {
    for (seconds, nanoseconds) in [
        (0, 0),
        (1_795_982_400, 123_456_789),
        (1, 500_000_000),
        (253_402_300_799, 0),
    ] {
        let time = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let back: SystemTime = connection.query_row("SELECT ?", [time], |row| row.get(0))?;
        assert_eq!(back, time);
    }
    let before = UNIX_EPOCH - Duration::from_millis(1500);
    assert_eq!(
        connection.query_row("SELECT ?", [before], |row| row.get::<SystemTime>(0))?,
        before
    );
    let day: String = connection.query_row(
        "SELECT date(?)",
        [UNIX_EPOCH + Duration::from_secs(86_400)],
        |row| row.get(0),
    )?;
    assert_eq!(day, "1970-01-02");
    let now: SystemTime =
        connection.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%fZ')", (), |row| {
            row.get(0)
        })?;
    assert!(now > UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert!(
        connection
            .query_row("SELECT 'tomorrow'", (), |row| row.get::<SystemTime>(0))
            .is_err()
    );
    Ok(())
}

fn statements(connection: Connection) -> Result<()> {
    let insert = connection.prepare("INSERT INTO t(name, score) VALUES (:name, ?)")?;
    assert_eq!(insert.parameters(), [Some(":name".into()), None]);
    assert!(!insert.is_read_only());
    for (name, score) in [("ann", 1.5), ("bob", 2.5)] {
        assert_eq!(insert.execute((name, score))?, 1);
    }
    let select = connection.prepare("SELECT name, score FROM t WHERE score > ? ORDER BY id")?;
    assert!(select.is_read_only());
    assert_eq!(select.column_names(), ["name", "score"]);
    assert_eq!(
        select.column_decltypes(),
        [Some("TEXT".into()), Some("REAL".into())]
    );
    assert_eq!(
        select.query_as::<(String, f64)>([2])?,
        [("bob".into(), 2.5)]
    );
    assert_eq!(select.query_row([0], |row| row.get::<String>(0))?, "ann");
    let names: Result<Vec<String>> = select.query_map([0], |row| row.get(0))?.collect();
    assert_eq!(names?, ["ann", "bob"]);
    // More than the host keeps: they are closed when they are dropped.
    for number in 0..1000 {
        let one = connection.prepare(&format!("SELECT {number}"))?;
        assert_eq!(one.query_row((), |row| row.get::<i64>(0))?, number);
    }
    assert_eq!(
        connection.prepare("SELECT nothing").unwrap_err().code(),
        Some("SQLITE_ERROR")
    );
    Ok(())
}

fn cursors(connection: Connection) -> Result<()> {
    connection.set_fetch(2);
    connection
        .execute("INSERT INTO t(id) SELECT value FROM generate_rows", ())
        .unwrap_err();
    connection.execute("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9) INSERT INTO t(id) SELECT x FROM c", ())?;
    // Rows within rows, and statements in between.
    let mut seen = 0;
    let mut outer = connection.query("SELECT id FROM t ORDER BY id", ())?;
    while let Some(row) = outer.next()? {
        let id: i64 = row.get(0)?;
        let smaller =
            connection.query_as::<i64>("SELECT id FROM t WHERE id < ? ORDER BY id", [id])?;
        assert_eq!(smaller, (1..id).collect::<Vec<_>>());
        connection.execute("UPDATE t SET score = ? WHERE id = ?", params![0.5, id])?;
        seen += 1;
    }
    assert_eq!(seen, 9);
    // More than the host keeps: those that are dropped before their last row are closed.
    for _ in 0..1000 {
        assert!(connection.query("SELECT id FROM t", ())?.next()?.is_some());
        assert_eq!(
            connection.query_row("SELECT id FROM t ORDER BY id", (), |row| row.get::<i64>(0))?,
            1
        );
    }
    let overflow = "SELECT abs(-9223372036854775808 + (id < 5)) FROM t ORDER BY id";
    let results: Vec<_> = connection
        .query_map(overflow, (), |row| row.get::<i64>(0))?
        .collect();
    let (last, rows) = results.split_last().expect("an error at least");
    assert!(
        last.is_err() && rows.iter().all(Result::is_ok),
        "{results:?}"
    );
    Ok(())
}

fn memory() -> usize {
    #[cfg(target_family = "wasm")]
    return core::arch::wasm32::memory_size(0);
    #[cfg(not(target_family = "wasm"))]
    return 0;
}

fn streaming(connection: Connection) -> Result<()> {
    let rows = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300000) SELECT x, hex(zeroblob(100)) FROM c";
    let (mut sum, mut at_first) = (0, 0);
    for (number, row) in connection
        .query_map(rows, (), |row| {
            Ok((row.get::<i64>(0)?, row.get_ref(1)?.type_name()))
        })?
        .enumerate()
    {
        sum += row?.0;
        if number == 1000 {
            at_first = memory();
        }
    }
    assert_eq!(sum, 300_000 * 300_001 / 2);
    assert_eq!(
        memory(),
        at_first,
        "60 MB of rows take no more memory than the first thousand"
    );
    Ok(())
}

fn transactions(mut connection: Connection) -> Result<()> {
    for behavior in [Behavior::Deferred, Behavior::Immediate, Behavior::Exclusive] {
        let transaction = connection.transaction_with(behavior)?;
        transaction.execute("INSERT INTO t DEFAULT VALUES", ())?;
        transaction.commit()?;
    }
    assert_eq!(count(&connection)?, 3);
    let transaction = connection.transaction()?;
    transaction.execute("DELETE FROM t", ())?;
    assert_eq!(count(&transaction)?, 0);
    transaction.rollback()?;
    assert_eq!(count(&connection)?, 3);
    // Statements that were prepared before, or outside, of it are part of it.
    let transaction = connection.transaction()?;
    let insert = transaction.prepare("INSERT INTO t DEFAULT VALUES")?;
    insert.execute(())?;
    drop(insert);
    transaction.rollback()?;
    assert_eq!(count(&connection)?, 3);
    Ok(())
}

fn savepoints(mut connection: Connection) -> Result<()> {
    let mut outer = connection.transaction()?;
    outer.execute("INSERT INTO t(id) VALUES (1)", ())?;
    let mut middle = outer.savepoint()?;
    middle.execute("INSERT INTO t(id) VALUES (2)", ())?;
    let inner = middle.savepoint()?;
    inner.execute("INSERT INTO t(id) VALUES (3)", ())?;
    inner.commit()?;
    let inner = middle.savepoint()?;
    inner.execute("INSERT INTO t(id) VALUES (4)", ())?;
    inner.rollback()?;
    middle.commit()?;
    outer
        .savepoint()?
        .execute("INSERT INTO t(id) VALUES (5)", ())?;
    outer.commit()?;
    assert_eq!(
        connection.query_as::<i64>("SELECT id FROM t", ())?,
        [1, 2, 3]
    );
    Ok(())
}

fn dropped(mut connection: Connection) -> Result<()> {
    let attempt = |connection: &mut Connection| -> Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute("INSERT INTO t(name) VALUES ('ann')", ())?;
        transaction.execute("INSERT INTO t(name) VALUES ('ann')", ())?;
        transaction.commit()
    };
    assert_eq!(
        attempt(&mut connection).unwrap_err().code(),
        Some("SQLITE_CONSTRAINT_UNIQUE")
    );
    assert_eq!(count(&connection)?, 0);
    connection.execute("INSERT INTO t(name) VALUES ('ann')", ())?;
    assert_eq!(count(&connection)?, 1);
    Ok(())
}

fn readonly(mut connection: Connection) -> Result<()> {
    let transaction = connection.transaction_with(Behavior::ReadOnly)?;
    assert_eq!(count(&transaction)?, 0);
    assert_eq!(
        transaction
            .execute("INSERT INTO t DEFAULT VALUES", ())
            .unwrap_err()
            .code(),
        Some("SQLITE_READONLY")
    );
    transaction.commit()?;
    connection.execute("INSERT INTO t DEFAULT VALUES", ())?;
    Ok(())
}

/// SQLite rolled everything back: what would have been inside of the transaction is refused.
fn lost(mut connection: Connection) -> Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO t(id) VALUES (1)", ())?;
    transaction.execute("ROLLBACK", ())?;
    let refused = transaction
        .execute("INSERT INTO t(id) VALUES (2)", ())
        .unwrap_err();
    assert!(refused.code().is_some(), "{refused}");
    drop(transaction);
    assert_eq!(count(&connection)?, 0);
    Ok(())
}

fn connections(mut connection: Connection) -> Result<()> {
    let other = Connection::open();
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO t DEFAULT VALUES", ())?;
    assert_eq!(
        other
            .execute("INSERT INTO t DEFAULT VALUES", ())
            .unwrap_err()
            .code(),
        Some("SQLITE_BUSY")
    );
    transaction.commit()?;
    assert_eq!(count(&other)?, 1);
    Ok(())
}

fn many(mut connection: Connection) -> Result<()> {
    const INSERT: &str = "INSERT INTO t(id, name) VALUES (?, ?)";
    let named = |ids: std::ops::Range<i64>| ids.map(|id| (id, format!("row {id}")));
    // None, one, and several requests of 64 KiB.
    assert_eq!(connection.execute_many(INSERT, named(0..0))?, 0);
    assert_eq!(connection.execute_many(INSERT, named(1..2))?, 1);
    assert_eq!(connection.execute_many(INSERT, named(2..20_001))?, 19_999);
    let sql = "SELECT count(*) FROM t WHERE name = 'row ' || id";
    let right = |connection: &Connection| connection.query_row(sql, (), |row| row.get::<i64>(0));
    assert_eq!(right(&connection)?, 20_000);

    // All or none.
    let again = connection.execute_many(INSERT, named(20_001..40_000).chain(named(7..8)));
    let error = again.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Sqlite {
                row: Some(20_000),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().ends_with(", in row 20000"), "{error}");
    assert_eq!(right(&connection)?, 20_000);
    let few = connection.execute_many(INSERT, [[1]]).unwrap_err();
    assert_eq!(few.code(), Some("SQLITE_RANGE"));
    let unfit = connection.execute_many("DELETE FROM t WHERE id = ?", [[1], [u64::MAX]]);
    unfit.unwrap_err();
    assert_eq!(right(&connection)?, 20_000);

    // Prepared, by name, and in a transaction, which goes on after an error.
    let transaction = connection.transaction()?;
    let delete = transaction.prepare("DELETE FROM t WHERE id = :id")?;
    assert_eq!(delete.execute_many((1..=15_000).map(|id| (id,)))?, 15_000);
    transaction
        .execute_many(INSERT, named(15_000..20_001))
        .unwrap_err();
    let one = 20_000;
    assert_eq!(delete.execute_many([params! { "id": one }])?, 1);
    drop(delete);
    transaction.commit()?;
    assert_eq!(right(&connection)?, 4_999);
    Ok(())
}

fn batches(mut connection: Connection) -> Result<()> {
    let mut batch: Batch<'_> = connection.batch();
    batch.execute(
        "INSERT INTO t(name, score) VALUES (?, ?)",
        params!["ann", 1.5],
    )?;
    batch.query(
        "SELECT id, name FROM t WHERE score = :score",
        params! { "score": 1.5 },
    )?;
    batch
        .execute("INSERT INTO t(name) VALUES (?)", ["ann"])?
        .execute("DELETE FROM t", ())?;
    let results = batch.run()?;
    let [Ok(inserted), Ok(selected), Err(error)] = &results[..] else {
        panic!("{results:?}");
    };
    assert_eq!((inserted.rows_affected, inserted.last_insert_rowid), (1, 1));
    assert_eq!(
        (&selected.columns[..], &selected.rows[..]),
        (
            &["id".to_owned(), "name".to_owned()][..],
            &[vec![Value::Integer(1), Value::Text("ann".into())]][..]
        )
    );
    assert_eq!(error.code(), Some("SQLITE_CONSTRAINT_UNIQUE"));

    let transaction = connection.transaction()?;
    let mut batch = transaction.batch();
    batch.execute("DELETE FROM t", ())?;
    assert!(batch.run()?.iter().all(Result::is_ok));
    transaction.rollback()?;
    assert_eq!(count(&connection)?, 1);
    assert_eq!(connection.batch().run()?, []);
    Ok(())
}

fn errors(connection: Connection) -> Result<()> {
    connection.execute("INSERT INTO t(name) VALUES ('ann')", ())?;
    let error = connection
        .execute("INSERT INTO t(name) VALUES ('ann')", ())
        .unwrap_err();
    assert_eq!(
        (error.code(), error.extended()),
        (Some("SQLITE_CONSTRAINT_UNIQUE"), Some(2067))
    );
    assert_eq!(error.to_string(), "UNIQUE constraint failed: t.name");
    assert!(error.is_constraint());
    let error = connection.execute("ATTACH 'x' AS x", ()).unwrap_err();
    assert_eq!(error.code(), Some("SQLITE_AUTH"));
    assert!(!error.is_constraint());
    assert_eq!(
        connection
            .execute("SELECT 1; SELECT 2", ())
            .unwrap_err()
            .code(),
        Some("SQLITE_MISUSE")
    );
    assert!(connection.sqlite_version()?.starts_with("3."));
    Ok(())
}

fn timeouts(mut connection: Connection) -> Result<()> {
    // Each row is a step of SQLite's, so that nothing else is stopped with it.
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO t(id) VALUES (1)", ())?;
    transaction.set_timeout(Some(Duration::from_millis(20)));
    let error = transaction.execute(endless, ()).unwrap_err();
    assert_eq!(error.code(), Some("SQLITE_INTERRUPT"));
    transaction.set_timeout(None);
    transaction.execute("INSERT INTO t(id) VALUES (2)", ())?;
    transaction.commit()?;
    assert_eq!(count(&connection)?, 2);
    Ok(())
}

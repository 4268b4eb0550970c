//! Scalar functions, table-valued functions and statements under a SQLite that is linked in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{alone, error, open, text};
use sqlite_abi::{
    Arguments, Code, Column, Connection, Error, FunctionError, FunctionFlags, Rows, TableFunction,
    Value,
};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct CountsDrops;

impl Drop for CountsDrops {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn register_functions(connection: &Connection<'_>) -> Result<(), String> {
    scalars(connection)
        .and_then(|()| {
            connection.create_table_function(Range {
                name: "numbers",
                direct_only: false,
            })?;
            connection.create_table_function(Range {
                name: "direct_numbers",
                direct_only: true,
            })?;
            connection.create_table_function(Faulty)?;
            connection.create_table_function(Plain)
        })
        .map_err(|error| error.message)
}

fn scalars(connection: &Connection<'_>) -> Result<(), Error> {
    type Body = fn(&Connection<'_>, &Arguments<'_>) -> Result<Value, FunctionError>;
    let functions: [(&str, i32, FunctionFlags, Body); 13] = [
        (
            "same",
            1,
            FunctionFlags::DETERMINISTIC | FunctionFlags::INNOCUOUS,
            |_, arguments| arguments.value(0),
        ),
        (
            "count_arguments",
            -1,
            FunctionFlags::NONE,
            |_, arguments| Ok(Value::Integer(arguments.len() as i64)),
        ),
        ("typed", 2, FunctionFlags::NONE, |_, arguments| {
            Ok(match arguments.text(0)? {
                Some("text") => arguments.text(1)?.into(),
                Some("integer") => arguments.integer(1)?.into(),
                Some("real") => arguments.real(1)?.into(),
                Some("blob") => arguments.blob(1)?.map(<[u8]>::to_vec).into(),
                other => Value::Text(format!("{other:?}")),
            })
        }),
        ("fails", 0, FunctionFlags::NONE, |_, _| {
            Err("100% wrong: %s%n".into())
        }),
        ("fails_with", 1, FunctionFlags::NONE, |_, arguments| {
            let code = arguments.integer(0)?.unwrap_or(0) as i32;
            Err(FunctionError::new("as told").with_code(Code(code)))
        }),
        ("panics", 0, FunctionFlags::NONE, |_, _| {
            panic!("on purpose")
        }),
        ("panics_oddly", 0, FunctionFlags::NONE, |_, _| {
            std::panic::panic_any(PanicsWhenDropped);
        }),
        ("direct", 0, FunctionFlags::DIRECTONLY, |_, _| {
            Ok(Value::Integer(1))
        }),
        ("run", 1, FunctionFlags::NONE, |connection, arguments| {
            connection.exec(arguments.text(0)?.unwrap_or_default())?;
            Ok(Value::Integer(connection.changes()))
        }),
        ("in_transaction", 0, FunctionFlags::NONE, |connection, _| {
            Ok(Value::Integer((!connection.is_autocommit()).into()))
        }),
        ("inspect", 1, FunctionFlags::NONE, inspect),
        (
            "written",
            1,
            FunctionFlags::NONE,
            |connection, arguments| {
                let name = arguments.text(0)?.unwrap_or_default();
                Ok(Value::Integer(connection.is_written(name).into()))
            },
        ),
        ("trusts", 0, FunctionFlags::NONE, |connection, _| {
            Ok(Value::Integer(connection.trusts_schema().into()))
        }),
    ];
    for (name, arguments, flags, body) in functions {
        connection.create_scalar(name, arguments, flags, body)?;
    }
    let counted = CountsDrops;
    connection.create_scalar("owns", 0, FunctionFlags::NONE, move |_, _| {
        let _owned = &counted;
        Ok(Value::Null)
    })
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        std::panic::panic_any("again");
    }
}

/// Tells all there is to know of a statement and its rows, with 7 and 'x' for parameters.
fn inspect(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Result<Value, FunctionError> {
    let (statement, rest) = connection.prepare_next(arguments.text(0)?.unwrap_or_default())?;
    let Some(mut statement) = statement else {
        return Ok(Value::Text(format!("none|{rest}")));
    };
    let mut lines = vec![format!(
        "rest={rest:?} parameters={} named={:?} readonly={}",
        statement.parameter_count(),
        statement.parameter_index(":named"),
        statement.is_readonly(),
    )];
    let values = [
        Value::Integer(7),
        Value::from("x"),
        Value::Blob(vec![]),
        Value::Real(0.5),
    ];
    statement.bind_all(&values[..statement.parameter_count()])?;
    assert_eq!(
        statement.bind(99, &Value::Null).unwrap_err().code,
        Code::RANGE
    );
    for _ in 0..2 {
        while statement.step()? {
            for column in 0..statement.column_count() {
                lines.push(format!(
                    "{}:{:?}={:?}",
                    statement.column_name(column),
                    statement.column_decltype(column),
                    statement.column_ref(column),
                ));
            }
            assert_eq!(statement.column(99)?, Value::Null);
        }
        statement.reset();
        statement.clear_bindings();
    }
    Ok(Value::Text(lines.join("\n")))
}

/// `numbers(from, to [, step])`.
struct Range {
    name: &'static str,
    direct_only: bool,
}

impl TableFunction for Range {
    fn name(&self) -> &str {
        self.name
    }

    fn columns(&self) -> &[Column] {
        static COLUMNS: [Column; 5] = [
            Column::new("value", "INTEGER"),
            Column::new("absent", "TEXT"),
            Column::argument("from", "INTEGER"),
            Column::argument("to", ""),
            Column::argument("step", ""),
        ];
        &COLUMNS
    }

    fn direct_only(&self) -> bool {
        self.direct_only
    }

    fn rows(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        connection.exec("SELECT 1")?;
        let number = |index: usize, default: Option<i64>| match &arguments[index] {
            Some(Value::Integer(integer)) => Ok(*integer),
            None => {
                default.ok_or_else(|| FunctionError::new(format!("{} needs arguments", self.name)))
            }
            Some(other) => Err(FunctionError::new(format!("{other:?} is no number"))),
        };
        let (from, to, step) = (number(0, None)?, number(1, None)?, number(2, Some(1))?);
        let numbers = (from..=to).step_by(usize::try_from(step).unwrap_or(1));
        Ok(Box::new(
            numbers.map(|number| Ok(vec![Value::Integer(number)])),
        ))
    }
}

/// Fails in the way its argument says.
struct Faulty;

impl TableFunction for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn columns(&self) -> &[Column] {
        static COLUMNS: [Column; 2] = [Column::new("v", ""), Column::argument("how", "TEXT")];
        &COLUMNS
    }

    fn rows(
        &self,
        _connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        let how = match &arguments[0] {
            Some(Value::Text(how)) => how.clone(),
            _ => return Err("100% wrong: %s%n".into()),
        };
        assert!(how != "at once", "at once");
        let busy = how == "busy";
        Ok(Box::new((0..5).map(move |row| match row {
            3 if busy => Err(FunctionError::new("the store is busy").with_code(Code::BUSY)),
            3 => panic!("third row"),
            row => Ok(vec![Value::Integer(row)]),
        })))
    }
}

/// No arguments at all.
struct Plain;

impl TableFunction for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn columns(&self) -> &[Column] {
        static COLUMNS: [Column; 2] = [Column::new("a\"b", "TEXT"), Column::new("b", "BLOB")];
        &COLUMNS
    }

    fn rows(&self, _: &Connection<'_>, _: &[Option<Value>]) -> Result<Rows, FunctionError> {
        let row = vec![Value::from("a\0b"), Value::Blob(vec![])];
        Ok(Box::new([Ok(row.clone()), Ok(row)].into_iter()))
    }
}

fn rows(db: &rusqlite::Connection, sql: &str) -> rusqlite::Result<Vec<i64>> {
    db.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

#[test]
fn values_go_there_and_back() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    let all = "SELECT count(*) FROM (VALUES (NULL), (0), (-9223372036854775808),
        (9223372036854775807), (1.5), (9e999), (''), ('a'), ('ä€𝄞'), ('a' || char(0) || 'b'), (x''),
        (x'00ff'), (zeroblob(100000))) AS t WHERE same(column1) IS NOT column1
        OR typeof(same(column1)) <> typeof(column1)";
    assert_eq!(text(&db, all).unwrap(), "0");
    let (code, message) = error(text(&db, "SELECT same(CAST(x'61ff' AS TEXT))"));
    assert_eq!(code, Code::MISMATCH.0);
    assert_eq!(message, "argument 1: text is not valid UTF-8 at byte 1");
    assert_eq!(text(&db, "SELECT count_arguments()").unwrap(), "0");
    assert_eq!(
        text(&db, "SELECT count_arguments(1, NULL, 'x')").unwrap(),
        "3"
    );

    let utf16 = open("file:utf16?mode=memory").unwrap();
    utf16
        .execute_batch("PRAGMA encoding='UTF-16'; CREATE TABLE t(v)")
        .unwrap();
    utf16.execute_batch("INSERT INTO t VALUES ('ä€𝄞')").unwrap();
    assert_eq!(text(&utf16, "SELECT same(v) = v FROM t").unwrap(), "1");
    let told = text(&utf16, "SELECT inspect('SELECT v FROM t')").unwrap();
    assert!(told.contains(&format!("{:?}", "ä€𝄞".as_bytes())), "{told}");
}

#[test]
fn arguments_have_types() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    for (sql, expected) in [
        ("typed('text', 'x')", "x"),
        ("typed('text', NULL)", "NULL"),
        ("typed('integer', 3)", "3"),
        ("typed('real', 3)", "3.0"),
        ("typed('real', 2.5)", "2.5"),
        ("typed('blob', x'')", "x[]"),
        ("typed(NULL, 1)", "None"),
    ] {
        assert_eq!(
            text(&db, &format!("SELECT {sql}")).unwrap(),
            expected,
            "{sql}"
        );
    }
    for (sql, expected) in [
        ("typed('text', 1)", "argument 2: expected TEXT, not INTEGER"),
        (
            "typed('integer', '1')",
            "argument 2: expected INTEGER, not TEXT",
        ),
        (
            "typed('real', x'00')",
            "argument 2: expected REAL, not BLOB",
        ),
        ("typed('blob', 1.0)", "argument 2: expected BLOB, not REAL"),
        ("typed(1, 1)", "argument 1: expected TEXT, not INTEGER"),
    ] {
        let refused = error(text(&db, &format!("SELECT {sql}")));
        assert_eq!(refused, (Code::MISMATCH.0, expected.to_owned()), "{sql}");
    }
}

#[test]
fn errors_have_texts_and_codes() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    let wrong = (Code::ERROR.0, "100% wrong: %s%n".to_owned());
    assert_eq!(error(text(&db, "SELECT fails()")), wrong);
    let busy = (Code::BUSY_SNAPSHOT.0, "as told".to_owned());
    assert_eq!(error(text(&db, "SELECT fails_with(517)")), busy);
    let claimed = (Code::ERROR.0, "as told".to_owned());
    for success in [0, 100, 101] {
        assert_eq!(
            error(text(&db, &format!("SELECT fails_with({success})"))),
            claimed
        );
    }
}

#[test]
fn a_panic_is_an_error() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    let (code, message) = error(text(&db, "SELECT panics()"));
    assert_eq!(code, Code::IOERR.0);
    assert_eq!(message, "internal error in panics(): on purpose");
    let (code, message) = error(text(&db, "SELECT panics_oddly()"));
    assert_eq!(code, Code::IOERR.0);
    assert_eq!(message, "internal error in panics_oddly(): panic");
    assert_eq!(
        text(&db, "SELECT same(1)").unwrap(),
        "1",
        "the connection lives"
    );
}

#[test]
fn what_the_user_wrote_is_told_from_what_the_schema_says() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch("CREATE VIEW v AS SELECT written('hex') || written('abs') AS w")
        .unwrap();
    assert_eq!(text(&db, "SELECT written('WRITTEN')").unwrap(), "1");
    assert_eq!(text(&db, "SELECT written('abs')").unwrap(), "0");
    assert_eq!(text(&db, "SELECT w FROM v WHERE abs(1)").unwrap(), "01");
    assert_eq!(text(&db, "SELECT w AS hex FROM v").unwrap(), "00");

    assert_eq!(text(&db, "SELECT trusts()").unwrap(), "1");
    db.execute_batch("PRAGMA trusted_schema=OFF").unwrap();
    assert_eq!(text(&db, "SELECT trusts()").unwrap(), "0");
}

#[test]
fn flags_are_honoured() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch("CREATE TABLE t(v); CREATE INDEX i ON t(same(v))")
        .unwrap();
    assert!(
        db.execute_batch("CREATE INDEX j ON t(count_arguments(v))")
            .is_err()
    );
    assert_eq!(text(&db, "SELECT direct()").unwrap(), "1");
    db.execute_batch("CREATE VIEW w AS SELECT direct()")
        .unwrap();
    assert!(
        error(text(&db, "SELECT * FROM w"))
            .1
            .contains("unsafe use of direct()")
    );
    db.execute_batch("CREATE VIEW x AS SELECT value FROM direct_numbers(1, 2)")
        .unwrap();
    assert!(
        error(text(&db, "SELECT * FROM x"))
            .1
            .contains("unsafe use of virtual table")
    );
    db.execute_batch("CREATE VIEW y AS SELECT value FROM numbers(1, 2)")
        .unwrap();
    assert_eq!(rows(&db, "SELECT * FROM y").unwrap(), [1, 2]);
}

#[test]
fn closures_are_dropped_with_their_connection() {
    let _alone = alone();
    let before = DROPPED.load(Ordering::Relaxed);
    let db = open(":memory:").unwrap();
    assert_eq!(text(&db, "SELECT owns()").unwrap(), "NULL");
    assert_eq!(DROPPED.load(Ordering::Relaxed), before);
    drop(db);
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 1);
}

#[test]
fn functions_run_sql_on_their_connection() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch("CREATE TABLE t(v)").unwrap();
    let script = "INSERT INTO t VALUES (1), (2); -- and
        ; UPDATE t SET v = v + 1 WHERE v > 1;";
    assert_eq!(text(&db, &format!("SELECT run('{script}')")).unwrap(), "1");
    assert_eq!(rows(&db, "SELECT v FROM t").unwrap(), [1, 3]);
    let (code, message) = error(text(&db, "SELECT run('SELECT * FROM nowhere')"));
    assert_eq!(
        (code, message.as_str()),
        (Code::ERROR.0, "no such table: nowhere")
    );
    let zero = error(text(&db, "SELECT run('SELECT 1;' || char(0))"));
    assert_eq!(
        zero,
        (
            Code::MISUSE.0,
            "the SQL text contains a zero byte".to_owned()
        )
    );
    assert_eq!(text(&db, "SELECT in_transaction()").unwrap(), "0");
    db.execute_batch("BEGIN").unwrap();
    assert_eq!(text(&db, "SELECT in_transaction()").unwrap(), "1");
}

#[test]
fn statements_tell_what_they_are() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    db.execute_batch("CREATE TABLE t(v VARCHAR(3)); INSERT INTO t VALUES ('a')")
        .unwrap();
    let told = text(
        &db,
        "SELECT inspect('SELECT ?1 AS p, :named AS n, v FROM t; rest')",
    )
    .unwrap();
    assert_eq!(
        told,
        "rest=\" rest\" parameters=2 named=Some(2) readonly=true\n\
         p:None=Integer(7)\nn:None=Text([120])\nv:Some(\"VARCHAR(3)\")=Text([97])\n\
         p:None=Null\nn:None=Null\nv:Some(\"VARCHAR(3)\")=Text([97])"
    );
    assert_eq!(text(&db, "SELECT inspect(' -- nothing')").unwrap(), "none|");
    let told = text(&db, "SELECT inspect('DELETE FROM t WHERE v IS ?3')").unwrap();
    assert_eq!(told, "rest=\"\" parameters=3 named=None readonly=false");
}

#[test]
fn tables_take_arguments() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    for (sql, expected) in [
        ("SELECT value FROM numbers(1, 4)", vec![1, 2, 3, 4]),
        ("SELECT value FROM numbers(1, 4, 2)", vec![1, 3]),
        (
            r#"SELECT value FROM numbers WHERE "to" = 3 AND "from" = 2"#,
            vec![2, 3],
        ),
        ("SELECT step FROM numbers(1, 1, 5)", vec![5]),
        ("SELECT rowid FROM numbers(7, 8)", vec![1, 2]),
        (r#"SELECT value FROM numbers(1, 2) WHERE "to" = 9"#, vec![]),
        (
            "SELECT value FROM numbers(1, 2) WHERE value = 2 AND absent IS NULL",
            vec![2],
        ),
        (
            "SELECT b.value FROM numbers(1, 3) AS a, numbers(a.value, 3) AS b",
            vec![1, 2, 3, 2, 3, 3],
        ),
        // The planner may not start with b, whose argument is not known yet.
        (
            "SELECT b.value FROM numbers AS b, numbers(1, 2) AS a
             WHERE b.\"from\" = a.value AND b.\"to\" = 2",
            vec![1, 2, 2],
        ),
        (
            r#"SELECT value FROM numbers WHERE "from" IN (1, 2) AND "to" = 2"#,
            vec![1, 2, 2],
        ),
        (
            "SELECT count(*) FROM numbers(1, 1000) WHERE value IN (SELECT value FROM numbers(5, 9))",
            vec![5],
        ),
        ("SELECT count(*) FROM plain", vec![2]),
        (
            r#"SELECT count(*) FROM plain WHERE length(CAST("a""b" AS BLOB)) = 3 AND b = x''"#,
            vec![2],
        ),
    ] {
        assert_eq!(rows(&db, sql).unwrap(), expected, "{sql}");
    }
    assert_eq!(
        error(rows(&db, "SELECT * FROM numbers")).1,
        "numbers needs arguments"
    );
    assert_eq!(
        error(rows(&db, "SELECT * FROM numbers('a', 1)")).1,
        "Text(\"a\") is no number"
    );
    assert!(
        error(rows(&db, "SELECT * FROM numbers(1, 2, 3, 4)"))
            .1
            .contains("too many arguments")
    );
    assert!(
        error(db.execute_batch("DELETE FROM numbers"))
            .1
            .contains("may not be modified")
    );
    assert!(
        error(db.execute_batch("CREATE VIRTUAL TABLE v USING numbers"))
            .1
            .contains("no such module")
    );
    let (code, message) = error(rows(&db, "SELECT * FROM numbers(CAST(x'ff' AS TEXT), 1)"));
    assert_eq!(code, Code::MISMATCH.0);
    assert!(message.contains("not valid UTF-8"), "{message}");
}

#[test]
fn tables_fail_cleanly() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    let (code, message) = error(rows(&db, "SELECT v FROM faulty"));
    assert_eq!(
        (code, message.as_str()),
        (Code::ERROR.0, "100% wrong: %s%n")
    );
    let (code, message) = error(rows(&db, "SELECT v FROM faulty('busy')"));
    assert_eq!(
        (code, message.as_str()),
        (Code::BUSY.0, "the store is busy")
    );
    let (code, message) = error(rows(&db, "SELECT v FROM faulty('later')"));
    assert_eq!(
        (code, message.as_str()),
        (Code::IOERR.0, "internal error in faulty: third row")
    );
    let (code, message) = error(rows(&db, "SELECT v FROM faulty('at once')"));
    assert_eq!(
        (code, message.as_str()),
        (Code::IOERR.0, "internal error in faulty: at once")
    );
    assert_eq!(
        rows(&db, "SELECT v FROM faulty('later') LIMIT 2").unwrap(),
        [0, 1]
    );
}

/// A host may step a statement on another thread than before, and close the connection there.
#[test]
fn statements_move_between_threads() {
    let _alone = alone();
    let db = open(":memory:").unwrap();
    std::thread::spawn(move || {
        assert_eq!(
            rows(&db, "SELECT value FROM numbers(1, 2)").unwrap(),
            [1, 2]
        );
    })
    .join()
    .unwrap();
}

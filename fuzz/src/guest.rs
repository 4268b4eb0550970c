//! Answers of a host to a program in Rust: what the crate for guests makes of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::SystemTime;

use serde::Deserialize;
use sqlbridge_guest::{Connection, Error, Row, Rows, Transport, Value};

/// Answers in this order, and `{}` after the last: a host that ends everything.
#[derive(Debug)]
struct Script(RefCell<VecDeque<Vec<u8>>>);

impl Transport for Script {
    fn call(&self, request: &[u8]) -> Vec<u8> {
        let mut rest = request;
        rmpv::decode::read_value(&mut rest).expect("a request");
        assert!(rest.is_empty(), "a request is one value");
        self.0
            .borrow_mut()
            .pop_front()
            .unwrap_or_else(|| vec![0x80])
    }
}

/// A row as a struct.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "read to see that it can be")]
struct Record {
    id: i64,
    name: Option<String>,
    score: f64,
    data: Vec<u8>,
}

/// The first byte is what the program does, the others are the answers that it gets.
pub fn answers(bytes: &[u8]) {
    let Some((what, answers)) = bytes.split_first() else {
        return;
    };
    let script = Script(RefCell::new(crate::sqlproxy::values(answers).into()));
    let mut connection = Connection::with_transport(script);
    let outcome = match what % 6 {
        0 => connection.query("SELECT", ()).and_then(all),
        1 => connection.query_as::<Record>("SELECT", ()).map(drop),
        2 => connection.prepare("SELECT").and_then(|statement| {
            let _names = (
                statement.parameters(),
                statement.column_names(),
                statement.column_decltypes(),
            );
            statement
                .execute([1])
                .and_then(|_| statement.query(()))
                .and_then(all)
        }),
        3 => batch(&connection),
        4 => transaction(&mut connection),
        _ => connection.sqlite_version().map(drop),
    };
    if let Err(error) = outcome {
        is_a_sentence(&error);
    }
}

fn is_a_sentence(error: &Error) {
    // SQLite's own message is the host's to write.
    assert!(
        error.code().is_some() || error.to_string().contains(' '),
        "{error:?}"
    );
}

fn all(mut rows: Rows<'_>) -> Result<(), Error> {
    let columns = rows.column_names().len();
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            cell(&row, column);
        }
        assert!(!format!("{row:?}").is_empty());
    }
    Ok(())
}

/// A value is one of the types that it can be read as.
fn cell(row: &Row<'_>, column: usize) {
    let Ok(value) = row.get::<Value>(column) else {
        return;
    };
    let (integer, real, text, blob) = (
        row.get::<i64>(column),
        row.get::<f64>(column),
        row.get::<String>(column),
        row.get::<Vec<u8>>(column),
    );
    match value {
        Value::Null => assert_eq!(row.get::<Option<i64>>(column), Ok(None)),
        Value::Integer(value) => assert_eq!((integer, real), (Ok(value), Ok(value as f64))),
        Value::Real(value) => {
            assert!(real.is_ok_and(|real| real == value || real.is_nan()) && integer.is_err())
        }
        Value::Text(value) => assert_eq!(text.as_deref(), Ok(value.as_str())),
        Value::Blob(value) => assert_eq!(blob.as_ref(), Ok(&value)),
    }
    let _time = row.get::<SystemTime>(column);
}

fn batch(connection: &Connection) -> Result<(), Error> {
    let mut batch = connection.batch();
    batch.execute("INSERT", ["x"])?.query("SELECT", ())?;
    for outcome in batch.run()?.into_iter().flatten() {
        assert!(outcome.rows.len() <= 1 << 20);
    }
    Ok(())
}

fn transaction(connection: &mut Connection) -> Result<(), Error> {
    let mut transaction = connection.transaction()?;
    let savepoint = transaction.savepoint()?;
    savepoint.execute("INSERT", ())?;
    savepoint.commit()?;
    transaction.commit()
}

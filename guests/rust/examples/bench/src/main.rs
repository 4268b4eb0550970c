//! A command that measures the kit from the inside: lines of `name ns_per_call`, the best of three each.
//! `--empty` measures nothing: what is left is a start.

use std::process::ExitCode;
use std::time::Instant;

use sqlbridge_guest::{Connection, Result};

const SELECTS: i64 = 100_000;
const INSERTS: i64 = 100_000;
const ROWS: i64 = 1_000_000;

const READ: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    SELECT i, 'a name of a row', i * 1.5, i % 1000 FROM n";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--empty") {
        return ExitCode::SUCCESS;
    }
    match run(Connection::open()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut connection: Connection) -> Result<()> {
    let connection = &mut connection;
    measure("select_1_prepared", SELECTS, || {
        let select = connection.prepare("SELECT 1")?;
        for _ in 0..SELECTS {
            select.query_row((), |row| row.get::<i64>(0))?;
        }
        Ok(())
    })?;
    connection.execute(
        "CREATE TABLE IF NOT EXISTS bench(id INTEGER PRIMARY KEY, name TEXT, score REAL, size INTEGER)",
        (),
    )?;
    measure("insert_in_transaction", INSERTS, || {
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM bench", ())?;
        let insert = transaction.prepare("INSERT INTO bench VALUES (?, ?, ?, ?)")?;
        for i in 0..INSERTS {
            insert.execute((i, "a name of a row", i as f64 * 1.5, i % 1000))?;
        }
        drop(insert);
        transaction.commit()
    })?;
    measure("insert_in_transaction_many", INSERTS, || {
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM bench", ())?;
        let rows = (0..INSERTS).map(|i| (i, "a name of a row", i as f64 * 1.5, i % 1000));
        transaction.execute_many("INSERT INTO bench VALUES (?, ?, ?, ?)", rows)?;
        transaction.commit()
    })?;
    measure("row_of_4_columns", ROWS, || {
        let mut rows = connection.query(READ, [ROWS])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let name = row.get_ref(1)?;
            let score: f64 = row.get(2)?;
            let size: i64 = row.get(3)?;
            std::hint::black_box((id, name, score, size));
        }
        Ok(())
    })?;
    connection.execute("DELETE FROM bench", ())?;
    Ok(())
}

fn measure(name: &str, calls: i64, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        work()?;
        best = best.min(started.elapsed().as_nanos() as f64);
    }
    println!("{name} {:.0}", best / calls as f64);
    Ok(())
}

//! Programs inside the database beside the same SQL on the host's own connection. The program is
//! `guests/c/examples/player.c`, which does what it is told, so what is measured is the host's share.

use std::path::Path;

use rusqlite::Connection;

use crate::{Outcome, median_ratio, report, timed};

const ROWS: u32 = 1_000_000;
const INSERTS: u32 = 100_000;
const ROUNDS: usize = 5;

/// Runs all with the compiled player.
pub(crate) fn run(player: &Path) -> Outcome<()> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(&format!(
        "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL, tier INTEGER);
         CREATE TABLE target(id INTEGER PRIMARY KEY, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ROWS})
         INSERT INTO item SELECT i, 'item ' || i, i * 0.5, i % 4 FROM n;"
    ))?;
    let kind = r#"{"kind":"guest"}"#;
    let module = std::fs::read(player)?;
    db.query_row("SELECT proc_create('player', ?, ?)", (module, kind), |_| {
        Ok(())
    })?;
    db.execute_batch(
        "CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player', timeout='10m')",
    )?;
    starts(&db)?;
    requests(&db)?;
    rows(&db)?;
    inserts(&db)
}

/// Hands the player a request.
fn tell(db: &Connection, told: &str) -> Outcome<()> {
    let mut statement = db.prepare_cached("SELECT response FROM app WHERE request = ?")?;
    Ok(statement.query_row([told], |_| Ok(()))?)
}

/// Microseconds for each of `count` times that `work` stands for.
fn each(count: u32, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(timed(&mut work)?.as_secs_f64() * 1e6 / f64::from(count));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}

fn starts(db: &Connection) -> Outcome<()> {
    let start = each(100, || {
        let mut statement = db.prepare("SELECT count(*) FROM sqlproxy_serve('player')")?;
        for _ in 0..100 {
            statement.query_row([], |_| Ok(()))?;
        }
        Ok(())
    })?;
    report(
        "a command from start to end: us",
        start,
        "<= 200",
        start <= 200.0,
    );
    Ok(())
}

fn requests(db: &Connection) -> Outcome<()> {
    const COUNT: u32 = 10_000;
    let native = each(COUNT, || {
        let mut statement = db.prepare("SELECT 1")?;
        for _ in 0..COUNT {
            statement.query_row([], |_| Ok(()))?;
        }
        Ok(())
    })?;
    let many = |told: &str| each(COUNT, || (0..COUNT).try_for_each(|_| tell(db, told)));
    let empty = many("nothing")? - native;
    report(
        "a request to a reactor: us more than SELECT 1",
        empty,
        "<= 5",
        empty <= 5.0,
    );
    let one = many("quiet {\"command\":\"query\",\"sql\":\"SELECT 1\"}\nnothing")? - native;
    report(
        "the same, which runs SELECT 1: us more",
        one,
        "<= 10",
        one <= 10.0,
    );
    let bench = format!("bench {COUNT} {{\"command\":\"query\",\"sql\":\"SELECT 1\"}}\nnothing");
    let within = each(COUNT, || tell(db, &bench))? - native;
    report(
        "SELECT 1 by a program: us more than native",
        within,
        "<= 5",
        within <= 5.0,
    );
    Ok(())
}

fn rows(db: &Connection) -> Outcome<()> {
    const SQL: &str = "SELECT id, name, price, tier FROM item";
    let ratio = median_ratio(
        ROUNDS,
        || tell(db, &format!("rows 1000 {SQL}\nnothing")),
        || {
            let mut statement = db.prepare(SQL)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..4 {
                    std::hint::black_box(row.get_ref(column)?);
                }
            }
            Ok(())
        },
    )?;
    report(
        "1,000,000 rows of 4 columns in batches: x native",
        ratio,
        "<= 2",
        ratio <= 2.0,
    );
    Ok(())
}

fn inserts(db: &Connection) -> Outcome<()> {
    let one = inserts_by(db, "exec")?;
    report("100,000 inserts, a request each: x native", one, "-", true);
    let many = inserts_by(db, "many")?;
    report(
        "the same, a thousand rows in a request: x native",
        many,
        "<= 3",
        many <= 3.0,
    );
    Ok(())
}

fn inserts_by(db: &Connection, how: &str) -> Outcome<f64> {
    const SQL: &str = "INSERT INTO target(name) VALUES (?)";
    let told = format!(
        "quiet {{\"command\":\"begin_tx\"}}\n\
         {how} {INSERTS} {SQL}\n\
         quiet {{\"command\":\"rollback\",\"tx_id\":1}}\nnothing"
    );
    median_ratio(
        ROUNDS,
        || {
            // Its transactions are numbered: each round has a fresh program.
            db.execute_batch(
                "DROP TABLE app; CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player', timeout='10m')",
            )?;
            tell(db, &told)
        },
        || {
            db.execute_batch("BEGIN")?;
            let mut statement = db.prepare(SQL)?;
            for _ in 0..INSERTS {
                statement.execute(["a name"])?;
            }
            Ok(db.execute_batch("ROLLBACK")?)
        },
    )
}

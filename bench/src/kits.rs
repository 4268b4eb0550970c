//! Programs of the kits for Rust, Go and TypeScript, which measure themselves from the inside, beside the same SQL
//! on the host's own connection, in one run.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::{Outcome, report, timed};

const SELECTS: u32 = 100_000;
const INSERTS: u32 = 100_000;
const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 3;

/// Nanoseconds by what was measured.
type Times = HashMap<String, f64>;

/// Runs those that are built.
pub(crate) fn run(folder: &Path) -> Outcome<()> {
    let db = Connection::open_in_memory()?;
    let native = native(&db)?;
    for (kit, program, options) in [
        (
            "Rust",
            "rust-bench",
            r#"{"timeout": "10m", "args": ["--empty"]}"#,
        ),
        (
            "Go",
            "go-bench",
            r#"{"timeout": "10m", "args": ["--selects", "0", "--inserts", "0", "--rows", "0"]}"#,
        ),
    ] {
        let Some(module) = built(folder, program)? else {
            continue;
        };
        compiled(
            &db,
            &module,
            options,
            &format!("{kit}: a command from start to end: ms"),
            10.0,
        )?;
        let times = measured(&run_with(&db, &module, r#"{"timeout": "10m"}"#)?)?;
        compared(kit, &times, &native)?;
    }
    typescript(&db, folder)
}

/// The same as the programs do, by native code.
fn native(db: &Connection) -> Outcome<Times> {
    db.execute_batch(
        "CREATE TABLE native(id INTEGER PRIMARY KEY, name TEXT, score REAL, size INTEGER)",
    )?;
    let mut times = Times::new();
    let mut add = |name: &str, calls: u32, work: &mut dyn FnMut() -> Outcome<()>| {
        let best = best(work)?;
        times.insert(name.to_owned(), best * 1e9 / f64::from(calls));
        Outcome::Ok(())
    };
    add("select_1_prepared", SELECTS, &mut || {
        let mut select = db.prepare("SELECT 1")?;
        for _ in 0..SELECTS {
            select.query_row([], |row| row.get::<_, i64>(0))?;
        }
        Ok(())
    })?;
    add("insert_in_transaction", INSERTS, &mut || {
        db.execute_batch("BEGIN; DELETE FROM native")?;
        let mut insert = db.prepare("INSERT INTO native VALUES (?, ?, ?, ?)")?;
        for i in 0..INSERTS {
            insert.execute(params![i, "a name of a row", f64::from(i) * 1.5, i % 1000])?;
        }
        Ok(db.execute_batch("COMMIT")?)
    })?;
    add("row_of_4_columns", ROWS, &mut || {
        let mut select = db.prepare(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
             SELECT i, 'a name of a row', i * 1.5, i % 1000 FROM n",
        )?;
        let mut rows = select.query([ROWS])?;
        while let Some(row) = rows.next()? {
            for column in 0..4 {
                std::hint::black_box(row.get_ref(column)?);
            }
        }
        Ok(())
    })?;
    Ok(times)
}

fn compared(kit: &str, times: &Times, native: &Times) -> Outcome<()> {
    let of = |times: &Times, name: &str| {
        let time = times.get(name).copied();
        time.ok_or_else(|| format!("{kit}: {name} was not measured"))
    };
    for (name, what, must) in [
        ("select_1_prepared", "SELECT 1 prepared", None),
        ("select_1_text", "SELECT 1 as text", None),
        ("select_1_each", "SELECT 1 by Each", None),
        (
            "select_1_conn_each",
            "SELECT 1 by Each on a Conn",
            Some(5.0),
        ),
    ] {
        // What a kit does not have it does not print.
        if times.contains_key(name) {
            let more = (of(times, name)? - of(native, "select_1_prepared")?) / 1000.0;
            held(&format!("{kit}: {what}: us more than native"), more, must);
        }
    }
    let (row, insert) = ("row_of_4_columns", "insert_in_transaction");
    for (name, native_name, what, must) in [
        (row, row, "1,000,000 rows of 4 columns", None),
        ("row_of_4_columns_each", row, "the same by Each", Some(4.0)),
        (insert, insert, "100,000 inserts in a transaction", None),
        (
            "insert_in_transaction_many",
            insert,
            "the same, many in a call",
            Some(3.0),
        ),
    ] {
        if times.contains_key(name) {
            let ratio = of(times, name)? / of(native, native_name)?;
            held(&format!("{kit}: {what}: x native"), ratio, must);
        }
    }
    Ok(())
}

/// Reports a figure, and whether it is no more than it must be; for comparison only, without.
fn held(line: &str, measured: f64, must: Option<f64>) {
    match must {
        Some(must) => report(line, measured, &format!("<= {must}"), measured <= must),
        None => report(line, measured, "-", true),
    }
}

fn typescript(db: &Connection, folder: &Path) -> Outcome<()> {
    if let Some(users) = built(folder, "ts-users")? {
        compiled(
            db,
            &users,
            "{}",
            "TypeScript: Drizzle from start to end: ms",
            40.0,
        )?;
    }
    let Some(module) = built(folder, "ts-bench")? else {
        return Ok(());
    };
    let times = measured(&run_with(db, &module, r#"{"timeout": "10m"}"#)?)?;
    for (name, what, must) in [
        ("query()", "a select by key", 60.0),
        ("drizzle, prepared", "the same by Drizzle, prepared", 60.0),
        (
            "drizzle, built anew",
            "the same, which Drizzle builds anew",
            60.0,
        ),
    ] {
        let Some(time) = times.get(name) else {
            return Err(format!("TypeScript: {name} was not measured").into());
        };
        let line = format!("TypeScript: {what}: us");
        report(
            &line,
            time / 1000.0,
            &format!("<= {must}"),
            time / 1000.0 <= must,
        );
    }
    Ok(())
}

/// Reports what a run takes when the module is compiled; what it changes is undone.
fn compiled(db: &Connection, module: &[u8], options: &str, what: &str, must: f64) -> Outcome<()> {
    let mut once = || {
        db.execute_batch("BEGIN")?;
        run_with(db, module, options)?;
        Ok(db.execute_batch("ROLLBACK")?)
    };
    once()?;
    let milliseconds = best(&mut once)? * 1000.0;
    report(
        what,
        milliseconds,
        &format!("<= {must}"),
        milliseconds <= must,
    );
    Ok(())
}

/// What a program prints.
fn run_with(db: &Connection, module: &[u8], options: &str) -> Outcome<String> {
    let sql = "SELECT sqlproxy_run(?, ?)";
    Ok(db.query_row(sql, params![module, options], |row| row.get(0))?)
}

/// Lines of `name nanoseconds`, or `name: nanoseconds ns/call`.
fn measured(printed: &str) -> Outcome<Times> {
    let mut times = Times::new();
    for line in printed.lines() {
        let line = line.trim_end_matches(" ns/call");
        let Some((name, time)) = line.rsplit_once(' ') else {
            return Err(format!("a line is no measurement: {line}").into());
        };
        times.insert(name.trim_end_matches(':').to_owned(), time.parse()?);
    }
    Ok(times)
}

/// Seconds of the fastest round.
fn best(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        best = best.min(timed(&mut work)?.as_secs_f64());
    }
    Ok(best)
}

fn built(folder: &Path, program: &str) -> Outcome<Option<Vec<u8>>> {
    let path = folder.join(program).with_extension("wasm");
    if path.exists() {
        return Ok(Some(std::fs::read(path)?));
    }
    println!("({} is not built: not measured)", path.display());
    Ok(None)
}

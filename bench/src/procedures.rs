//! Stored procedures beside functions in native code that do the same, on the same rows.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use sqlite_abi::{Extension, FunctionFlags, ValueRef, entry};

use crate::{Outcome, report, timed};

const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 5;

/// The procedures, in WebAssembly's text format.
const MODULE: &str = r#"(module
  (memory (export "memory") 2)
  (func (export "discount") (param f64 i32) (result f64)
    (f64.mul (local.get 0) (f64.sub (f64.const 1) (f64.mul (f64.const 0.05) (f64.convert_i32_s (local.get 1))))))
  (func (export "sqlbridge_alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "same") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "forever") (result i32) (loop $again (br $again)) unreachable)
  (func (export "fill") (result i32)
    (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) (br $again)) unreachable)
  (func (export "grow") (result i32)
    (loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable))"#;

/// The numbers from 1 on, a hundred rows at a time.
const SERIES: &str = r#"(module
  (memory (export "memory") 1)
  (global $last (mut i64) (i64.const 0)) (global $next (mut i64) (i64.const 1))
  (func (export "open") (param i64) (result i32) (global.set $last (local.get 0)) (i32.const 1))
  (func (export "next") (param i32) (result i64) (local $at i32)
    (block $full (loop $row
      (br_if $full (i64.gt_s (global.get $next) (global.get $last)))
      (br_if $full (i32.ge_u (local.get $at) (i32.const 900)))
      (i32.store8 (local.get $at) (i32.const 1))
      (i64.store offset=1 (local.get $at) (global.get $next))
      (global.set $next (i64.add (global.get $next) (i64.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 9)))
      (br $row)))
    (i64.extend_i32_u (local.get $at))))"#;

/// The native functions that the procedures are measured against.
struct Native;

impl Extension for Native {
    const NAME: &'static str = "native";
    const VERSION: &'static str = "1";

    fn register(connection: &sqlite_abi::Connection<'_>) -> Result<(), String> {
        let flags = FunctionFlags::DETERMINISTIC;
        connection
            .create_function("native_discount", 2, flags, |context, arguments| {
                let (price, tier) = (arguments.real(0)?, arguments.integer(1)?);
                let (Some(price), Some(tier)) = (price, tier) else {
                    return Ok(());
                };
                context.set(ValueRef::Real(price * (1.0 - 0.05 * tier as f64)));
                Ok(())
            })
            .and_then(|()| {
                connection.create_function("native_same", 1, flags, |context, arguments| {
                    context.set(arguments.get(0));
                    Ok(())
                })
            })
            .map_err(|error| error.message)
    }
}

/// Runs all, with a database in `directory`. `go` is the compiled Go example, where there is one.
pub(crate) fn run(directory: &Path, go: Option<&Path>) -> Outcome<()> {
    entry::auto_extend_linked::<Native>().map_err(|code| format!("{code:?}"))?;
    let db = Connection::open_in_memory()?;
    db.execute_batch(&format!(
        "CREATE TABLE orders(price REAL, tier INTEGER, item TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ROWS})
         INSERT INTO orders SELECT i * 0.5, i % 4, 'item ' || (i % 1000) FROM n;"
    ))?;
    let module = wat::parse_str(MODULE)?;
    let create = |name: &str, wasm: &[u8], json: &str| -> Outcome<()> {
        db.query_row(
            "SELECT proc_create(?, ?, ?)",
            (name, wasm, json),
            |_| Ok(()),
        )?;
        Ok(())
    };
    create("discount", &module, r#"{"deterministic":true}"#)?;
    create(
        "discount_apart",
        &module,
        r#"{"export":"discount","isolation":"call"}"#,
    )?;
    let text = r#"{"params":[{"name":"text","data_type":"TEXT"}],"return_type":"TEXT"}"#;
    create("same", &module, text)?;
    create(
        "numbers",
        &wat::parse_str(SERIES)?,
        r#"{"kind":"table","export":"","columns":[{"name":"n","data_type":"INT"}]}"#,
    )?;

    let more = |ours: &str, native: &str, rows: u32| -> Outcome<f64> {
        let mut differences = Vec::new();
        for _ in 0..ROUNDS {
            let ours = scan(&db, ours)?;
            let native = scan(&db, native)?;
            differences.push((ours.as_secs_f64() - native.as_secs_f64()) * 1e6 / f64::from(rows));
        }
        differences.sort_by(f64::total_cmp);
        Ok(differences[ROUNDS / 2])
    };
    let scalar = more(
        "SELECT sum(discount(price, tier)) FROM orders",
        "SELECT sum(native_discount(price, tier)) FROM orders",
        ROWS,
    )?;
    report(
        "scalar call, int and float: us more than native",
        scalar,
        "<= 0.25",
        scalar <= 0.25,
    );
    let text = more(
        "SELECT sum(length(same(item))) FROM orders",
        "SELECT sum(length(native_same(item))) FROM orders",
        ROWS,
    )?;
    report(
        "short text argument and result: us more than native",
        text,
        "<= 0.6",
        text <= 0.6,
    );
    let fresh = more(
        "SELECT sum(discount_apart(price, tier)) FROM orders WHERE rowid <= 100000",
        "SELECT sum(native_discount(price, tier)) FROM orders WHERE rowid <= 100000",
        100_000,
    )?;
    report(
        "fresh instance for each call: us",
        fresh,
        "<= 5",
        fresh <= 5.0,
    );
    let table = more(
        &format!("SELECT count(n) FROM numbers({ROWS})"),
        "SELECT 1",
        ROWS,
    )?;
    report("table procedure: us a row", table, "<= 0.2", table <= 0.2);
    manage(&db)?;
    sandbox(&db, &module)?;
    match go {
        Some(go) => first_call(directory, go)?,
        None => println!("(no Go module given: first call after reopening not measured)"),
    }
    Ok(())
}

fn scan(db: &Connection, sql: &str) -> Outcome<Duration> {
    let mut statement = db.prepare(sql)?;
    timed(|| {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Create, list, drop. Each module is another one, so that its code is in no cache.
fn manage(db: &Connection) -> Outcome<()> {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..21 {
        let mut text = String::from("(module");
        for function in 0..20 {
            write!(
                text,
                "(func (export \"f{function}_of_round_{round}\") (param f64 i64) (result f64)
                   (f64.mul (local.get 0) (f64.const {round}.{function})))"
            )?;
        }
        let module = wat::parse_str(text + ")")?;
        let json = format!(r#"{{"export":"f3_of_round_{round}"}}"#);
        let name = format!("managed{round}");
        times[0].push(milliseconds(timed(|| {
            let sql = "SELECT proc_create(?, ?, ?)";
            Ok(db.query_row(sql, (&name, &module, &json), |_| Ok(()))?)
        })?));
        times[1].push(milliseconds(timed(|| {
            Ok(db.query_row(
                "SELECT count(*), max(params) FROM proc_list",
                [],
                |_| Ok(()),
            )?)
        })?));
        times[2].push(milliseconds(timed(|| {
            Ok(db.query_row("SELECT proc_drop(?)", [&name], |_| Ok(()))?)
        })?));
    }
    for (times, (what, must)) in times.iter_mut().zip([
        ("proc_create of a module of about 1 KB: ms", 10.0),
        ("proc_list: ms", 1.0),
        ("proc_drop: ms", 2.0),
    ]) {
        times.sort_by(f64::total_cmp);
        let middle = times[times.len() / 2];
        report(what, middle, &format!("<= {must}"), middle <= must);
    }
    Ok(())
}

/// How long after its limit a guest is stopped.
fn sandbox(db: &Connection, module: &[u8]) -> Outcome<()> {
    const LIMIT: f64 = 200.0;
    for (name, what) in [
        ("forever", "endless loop"),
        ("fill", "bulk memory in a loop"),
    ] {
        let json = r#"{"timeout":"200ms","replace":true}"#;
        db.query_row("SELECT proc_create(?, ?, ?)", (name, module, json), |_| {
            Ok(())
        })?;
        let time = timed(
            || match db.query_row(&format!("SELECT {name}()"), [], |_| Ok(())) {
                Err(error) if error.to_string().contains("time limit") => Ok(()),
                other => Err(format!("{name} was not stopped: {other:?}").into()),
            },
        )?;
        let late = milliseconds(time) - LIMIT;
        report(
            &format!("{what}: ms from its limit to its end"),
            late,
            "<= 50",
            late <= 50.0,
        );
    }
    db.query_row("SELECT proc_create('grow', ?)", [module], |_| Ok(()))?;
    let time = timed(|| match db.query_row("SELECT grow()", [], |_| Ok(())) {
        Err(error) if error.to_string().contains("memory limit") => Ok(()),
        other => Err(format!("grow was not stopped: {other:?}").into()),
    })?;
    report("memory bomb: ms to its end", milliseconds(time), "", true);
    Ok(())
}

/// In another process, with the compiled code on disk.
fn first_call(directory: &Path, go: &Path) -> Outcome<()> {
    let database = directory.join("procedures.db");
    let db = Connection::open(&database)?;
    let json =
        r#"{"params":[{"name":"text","data_type":"TEXT"}],"return_type":"TEXT","replace":true}"#;
    let module = std::fs::read(go)?;
    db.query_row(
        "SELECT proc_create('slugify', ?, ?)",
        (&module, json),
        |_| Ok(()),
    )?;
    drop(db);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let done = Command::new(std::env::current_exe()?)
            .arg("--first-call")
            .arg(&database)
            .output()?;
        times.push(String::from_utf8(done.stdout)?.trim().parse::<f64>()?);
    }
    times.sort_by(f64::total_cmp);
    let what = format!(
        "first call after reopening, Go module of {:.1} MB: ms",
        module.len() as f64 / 1e6
    );
    report(&what, times[ROUNDS / 2], "<= 10", times[ROUNDS / 2] <= 10.0);
    Ok(())
}

/// The other process: opens the database, and prints the milliseconds of the first call.
pub(crate) fn first_call_here(database: &str) -> Outcome<()> {
    let db = Connection::open(database)?;
    let time = timed(|| {
        let slug: String =
            db.query_row("SELECT proc_call('slugify', 'Hello World')", [], |row| {
                row.get(0)
            })?;
        if slug == "hello-world" {
            Ok(())
        } else {
            Err(slug.into())
        }
    })?;
    println!("{}", milliseconds(time));
    Ok(())
}

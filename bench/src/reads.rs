//! Warm reads: 300,000 rows of 200 bytes, SQLite's page cache at 2 MB, so that
//! nearly every row comes through the VFS.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::{Outcome, median_ratio, report};

const ROWS: i64 = 300_000;
const LOOKUPS: i64 = 50_000;
const ROUNDS: usize = 9;

pub(crate) fn run(directory: &Path) -> Outcome<()> {
    let blob = Connection::open(format!(
        "file:reads.db?vfs=sqlbridge&store=file://{0}/store&cache_dir={0}/cache",
        directory.display()
    ))?;
    fill(&blob)?;
    let plain_path = directory.join("plain.db");
    let export = "SELECT blob_export('main', ?1)";
    blob.query_row(export, [plain_path.to_string_lossy()], |_| Ok(()))?;
    let plain = Connection::open_with_flags(&plain_path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    for connection in [&blob, &plain] {
        connection.execute_batch("PRAGMA cache_size = -2000")?;
        scan(connection)?;
        look_up(connection)?;
    }
    let ratio = median_ratio(ROUNDS, || scan(&plain), || scan(&blob))?;
    report(
        "warm full scan, speed over SQLite's own VFS",
        ratio,
        ">= 0.8",
        ratio >= 0.8,
    );
    let ratio = median_ratio(ROUNDS, || look_up(&plain), || look_up(&blob))?;
    report(
        "warm point reads by index, one transaction",
        ratio,
        ">= 0.8",
        ratio >= 0.8,
    );
    let ratio = median_ratio(ROUNDS, || look_up_each(&plain), || look_up_each(&blob))?;
    report(
        "warm point reads by index, a transaction each",
        ratio,
        ">= 0.8",
        ratio >= 0.8,
    );
    Ok(())
}

fn fill(connection: &Connection) -> Outcome<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE rows(id INTEGER PRIMARY KEY, key INTEGER, body TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO rows SELECT i, (i * 7919) % 1000003, printf('%0200d', i) FROM n;
         CREATE INDEX by_key ON rows(key);"
    ))?;
    Ok(())
}

fn scan(connection: &Connection) -> Outcome<()> {
    let sum = "SELECT sum(length(body)) FROM rows";
    let total: i64 = connection.query_row(sum, [], |row| row.get(0))?;
    if total == ROWS * 200 {
        Ok(())
    } else {
        Err("the scan is wrong".into())
    }
}

/// Keys in an order that jumps through the table.
fn keys() -> impl Iterator<Item = i64> {
    (0..LOOKUPS)
        .map(|n| (n * 104_729) % ROWS + 1)
        .map(|id| (id * 7919) % 1_000_003)
}

fn look_up(connection: &Connection) -> Outcome<()> {
    connection.execute_batch("BEGIN")?;
    look_up_each(connection)?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn look_up_each(connection: &Connection) -> Outcome<()> {
    let mut statement =
        connection.prepare_cached("SELECT length(body) FROM rows WHERE key = ?1")?;
    for key in keys() {
        let length: i64 = statement.query_row([key], |row| row.get(0))?;
        if length != 200 {
            return Err("a lookup is wrong".into());
        }
    }
    Ok(())
}

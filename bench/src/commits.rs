//! Durable commits: how many requests, and how much slower than the bare PUT.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use sqlbridge_vfs::env::{Environment, System};
use sqlbridge_vfs::store::{self, Body, Options, Store};

use crate::{Outcome, median_ratio, report};

const ROUNDS: usize = 9;
const COMMITS: usize = 30;

/// Commits in a local directory, beside SQLite's own with a rollback journal.
pub(crate) fn local(directory: &Path) -> Outcome<()> {
    let uri = format!(
        "file:commits.db?vfs=sqlbridge&store=file://{0}/store&cache_dir={0}/cache",
        directory.display()
    );
    let blob = Connection::open(&uri)?;
    let plain = Connection::open(directory.join("commits.db"))?;
    for connection in [&blob, &plain] {
        prepare(connection)?;
    }
    count_requests(&uri, &blob, "local directory")?;
    let ratio = median_ratio(ROUNDS, || commits(&blob), || commits(&plain))?;
    report(
        "single-row commit, time over SQLite's own (synchronous=FULL)",
        ratio,
        "-",
        true,
    );
    Ok(())
}

/// Commits in an S3 store, beside conditional PUTs of as many bytes.
pub(crate) fn remote(parameters: &str) -> Outcome<()> {
    let uri = format!("file:bench-commits.db?vfs=sqlbridge&max_staleness=1000&{parameters}");
    let blob = Connection::open(&uri)?;
    prepare(&blob)?;
    count_requests(&uri, &blob, "S3")?;
    let bytes = Body::Memory(Bytes::from(vec![7; size_of_commit(&blob)?]));
    let store = raw_store(parameters)?;
    let mut number = 0;
    let mut put = || -> Outcome<()> {
        for _ in 0..COMMITS {
            number += 1;
            store.create(
                &format!("bench-raw/{number:016x}"),
                &bytes,
                System.wall_ms(),
            )?;
        }
        Ok(())
    };
    let ratio = median_ratio(ROUNDS, || commits(&blob), &mut put)?;
    report(
        "single-row commit on S3, time over a raw conditional PUT",
        ratio,
        "<= 1.3",
        ratio <= 1.3,
    );
    Ok(())
}

fn prepare(connection: &Connection) -> Outcome<()> {
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS entries(id INTEGER PRIMARY KEY, body TEXT);",
    )?;
    commits(connection)
}

fn commits(connection: &Connection) -> Outcome<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO entries(body) VALUES ('a row of some bytes')")?;
    for _ in 0..COMMITS {
        insert.execute([])?;
    }
    Ok(())
}

/// The counters of `blob_stats` before and after a run of commits. They are read
/// through an attached schema, so that reading them asks the store nothing.
fn count_requests(uri: &str, connection: &Connection, store: &str) -> Outcome<()> {
    let counters = Connection::open_in_memory()?;
    counters.execute("ATTACH ?1 AS counted", [uri])?;
    let count = |name: &str| -> Outcome<f64> {
        let sql = "SELECT value FROM blob_stats('counted') WHERE name = ?1";
        Ok(counters.query_row(sql, [name], |row| row.get::<_, i64>(0))? as f64)
    };
    let kinds = [
        ("store_puts", "PUT", 1.0),
        ("store_lists", "LIST", 0.0),
        ("store_gets", "GET", 1.0),
    ];
    let before = kinds.map(|(name, ..)| count(name));
    commits(connection)?;
    for ((name, kind, most), before) in kinds.into_iter().zip(before) {
        let each = (count(name)? - before?) / COMMITS as f64;
        let what = format!("{kind} requests for a durable commit, {store}");
        report(&what, each, &format!("<= {most}"), each <= most);
    }
    Ok(())
}

fn size_of_commit(connection: &Connection) -> Outcome<usize> {
    let sql = "SELECT bytes FROM blob_versions() ORDER BY txid DESC LIMIT 1";
    Ok(usize::try_from(
        connection.query_row(sql, [], |row| row.get::<_, i64>(0))?,
    )?)
}

/// The same store as the database's, without a database.
fn raw_store(parameters: &str) -> Outcome<Arc<dyn Store>> {
    let mut pairs: Vec<(String, String)> = parameters
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    pairs.retain(|(name, _)| name != "cache_dir");
    let at = pairs
        .iter()
        .position(|(name, _)| name == "store")
        .ok_or("store= is missing")?;
    let (_, url) = pairs.remove(at);
    let options = Options::new(pairs, |name| std::env::var(name).ok());
    Ok(store::open(&url, &options, Arc::new(System))?)
}

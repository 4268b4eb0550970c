//! The past: `as_of` and `txid` against a model, with clocks that go backwards.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlbridge_vfs::time::format_rfc3339;

use crate::checker;
use crate::host::{self, int};
use crate::world::{EPOCH_MS, Rng, World, every_seed};

const OPTIONS: &str = "max_staleness=0&retention=10s";

/// Each transaction adds a row, so transaction n shows n - 1 rows.
fn history(seed: u64) -> String {
    let mut rng = Rng::new(seed ^ 0x8157);
    let world = World::new(seed);
    let hosts = [world.host("a"), world.host("b")];
    let dbs: Vec<_> = hosts
        .iter()
        .map(|host| host.open("x.db", OPTIONS).unwrap())
        .collect();
    hosts[0].enter();
    dbs[0].execute_batch("CREATE TABLE t(x)").unwrap();
    let steps = 30 + rng.below(60);
    for _ in 0..steps {
        let which = rng.below(2) as usize;
        hosts[which].enter();
        let skew = rng.below(40_000) as i64 - 20_000;
        hosts[which].env.wall_skew_ms.store(skew, Ordering::Relaxed);
        dbs[which].execute_batch("INSERT INTO t VALUES(1)").unwrap();
        world.sleep(Duration::from_millis(rng.below(3000)));
        if rng.one_in(12) {
            dbs[which].execute_batch("SELECT blob_compact()").unwrap();
        }
        if rng.one_in(25) {
            dbs[which].execute_batch("SELECT blob_snapshot()").unwrap();
        }
    }
    // What can be opened, and when it was committed, from the bytes in the bucket.
    let files = checker::files(&world.bucket.objects(), "x.db");
    let mut ends: Vec<(u64, i64)> = files
        .iter()
        .filter(|file| checker::reaches(&files, file.max))
        .map(|file| (file.max, file.timestamp_ms))
        .collect();
    ends.sort_unstable();
    ends.dedup();
    assert!(
        ends.windows(2).all(|pair| pair[0].1 <= pair[1].1),
        "time went backwards: {ends:?}"
    );
    let reader = if rng.one_in(2) {
        &hosts[0]
    } else {
        &world.host("c")
    };
    let rows = |options: &str| {
        let db = reader.open("x.db", &format!("{OPTIONS}&{options}"))?;
        host::integrity(&db);
        assert!(
            db.execute_batch("INSERT INTO t VALUES(1)").is_err(),
            "the past was written"
        );
        int(&db, "SELECT count(*) FROM t")
    };
    for txid in 1..=steps + 2 {
        let found = rows(&format!("txid={txid}"));
        match ends.iter().any(|(end, _)| *end == txid) {
            true => assert_eq!(found.unwrap() as u64, txid - 1),
            false => assert!(found.is_err(), "transaction {txid} was opened"),
        }
    }
    for _ in 0..40 {
        let ms = EPOCH_MS - 30_000 + rng.below(steps * 1500 + 60_000) as i64;
        let expected = ends.iter().rev().find(|(_, at)| *at <= ms);
        let found = rows(&format!("as_of={}", format_rfc3339(ms)));
        match expected {
            Some((txid, _)) => assert_eq!(found.unwrap() as u64, txid - 1, "{ms} in {ends:?}"),
            None => assert!(found.is_err()),
        }
    }
    format!("{} of {} can be opened", ends.len(), steps + 1)
}

#[test]
fn the_past_equals_the_model() {
    every_seed(25, history);
}

#[test]
fn a_database_below_the_one_that_is_open_may_be_its_own_past() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)")
        .unwrap();
    db.execute_batch(&format!(
        "ATTACH '{}' AS past",
        a.uri("x.db", &format!("{OPTIONS}&txid=2"))
    ))
    .unwrap();
    assert_eq!(int(&db, "SELECT count(*) FROM main.t").unwrap(), 2);
    assert_eq!(int(&db, "SELECT count(*) FROM past.t").unwrap(), 1);
    // Bring a row back, in one transaction.
    db.execute_batch("BEGIN IMMEDIATE; DELETE FROM t; INSERT INTO t SELECT x FROM past.t; COMMIT")
        .unwrap();
    assert_eq!(int(&db, "SELECT count(*) FROM main.t").unwrap(), 1);
    assert_eq!(int(&db, "SELECT count(*) FROM past.t").unwrap(), 1);
}

#[test]
fn reads_go_on_offline_where_that_was_asked_for() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1)")
        .unwrap();
    let offline = a
        .open("x.db", &format!("{OPTIONS}&offline_reads=1"))
        .unwrap();
    let read = "SELECT count(*) FROM t";
    assert_eq!(int(&offline, read).unwrap(), 1);
    world.on_request(|_| {
        crate::world::Strike::Fault(sqlbridge_vfs::store::memory::Fault::Unreachable)
    });
    assert!(int(&db, read).is_err());
    assert!(
        host::sentence(&a).contains("connection refused"),
        "{}",
        host::sentence(&a)
    );
    assert_eq!(int(&offline, read).unwrap(), 1);
    assert!(offline.execute_batch("INSERT INTO t VALUES(2)").is_err());
    world.heal();
    assert_eq!(int(&db, read).unwrap(), 1);
    offline.execute_batch("INSERT INTO t VALUES(2)").unwrap();
    assert_eq!(int(&db, read).unwrap(), 2);
}

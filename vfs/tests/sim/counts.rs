//! How many requests things cost.

use std::time::Duration;

use rusqlite::Connection;

use crate::host::int;
use crate::world::{Machine, World};

const OPTIONS: &str = "max_staleness=1000&retention=10s";

/// Requests by kind: get, create, put, list, delete.
type Cost = [usize; 5];

const ONE_GET: Cost = [1, 0, 0, 0, 0];
const ONE_CREATE: Cost = [0, 1, 0, 0, 0];

fn cost(world: &World, body: impl FnOnce()) -> Cost {
    let before = world.bucket.requests();
    body();
    let log = world.log_since(before);
    let of = |kind: &str| {
        log.iter()
            .filter(|line| line.split(' ').nth(2) == Some(kind))
            .count()
    };
    [
        of("read"),
        of("create"),
        of("write"),
        of("list"),
        of("delete"),
    ]
}

fn plus(a: Cost, b: Cost) -> Cost {
    std::array::from_fn(|n| a[n] + b[n])
}

fn create(machine: &Machine, options: &str) -> Connection {
    let db = machine.open("x.db", options).unwrap();
    db.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, x)")
        .unwrap();
    db
}

#[test]
fn a_commit_is_one_put_and_where_staleness_has_passed_one_get() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a, OPTIONS);
    let autocommit = || db.execute_batch("INSERT INTO t(x) VALUES(1)").unwrap();
    let explicit = || {
        db.execute_batch(
            "BEGIN IMMEDIATE; UPDATE t SET x = x + 1; INSERT INTO t(x) VALUES(1); COMMIT",
        )
        .unwrap()
    };
    let deferred = || {
        db.execute_batch("BEGIN").unwrap();
        int(&db, "SELECT count(*) FROM t").unwrap();
        db.execute_batch("INSERT INTO t(x) VALUES(2); COMMIT")
            .unwrap();
    };
    for write in [&autocommit as &dyn Fn(), &explicit, &deferred] {
        assert_eq!(cost(&world, write), ONE_CREATE);
        assert_eq!(cost(&world, write), ONE_CREATE, "right after another");
        world.sleep(Duration::from_millis(1500));
        assert_eq!(
            cost(&world, write),
            plus(ONE_GET, ONE_CREATE),
            "after its staleness"
        );
    }
    // Always asking costs one question, not one for SHARED and one for RESERVED.
    let strict = a.open("x.db", "max_staleness=0").unwrap();
    int(&strict, "SELECT count(*) FROM t").unwrap();
    for sql in [
        "INSERT INTO t(x) VALUES(1)",
        "BEGIN IMMEDIATE; INSERT INTO t(x) VALUES(1); COMMIT",
    ] {
        let write = || strict.execute_batch(sql).unwrap();
        assert_eq!(cost(&world, write), plus(ONE_GET, ONE_CREATE));
    }
    // A rollback sends nothing; neither does an empty transaction.
    assert_eq!(
        cost(&world, || db
            .execute_batch("BEGIN IMMEDIATE; DELETE FROM t; ROLLBACK")
            .unwrap()),
        [0; 5]
    );
    assert_eq!(
        cost(&world, || db
            .execute_batch("BEGIN IMMEDIATE; COMMIT")
            .unwrap()),
        [0; 5]
    );
}

#[test]
fn a_warm_read_costs_nothing_or_one_question() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a, OPTIONS);
    db.execute_batch("INSERT INTO t(x) VALUES(zeroblob(100000))")
        .unwrap();
    let read = || {
        int(&db, "SELECT sum(length(hex(x))) FROM t").unwrap();
    };
    read();
    assert_eq!(cost(&world, read), [0; 5]);
    world.sleep(Duration::from_secs(2));
    assert_eq!(cost(&world, read), ONE_GET);
    // Another connection of the process shares head and pages.
    let second = || {
        let db = a.open("x.db", OPTIONS).unwrap();
        int(&db, "SELECT count(*) FROM t").unwrap();
    };
    assert_eq!(cost(&world, second), [0; 5]);
}

#[test]
fn the_first_commit_costs_one_more_where_a_retention_is_recorded() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", "max_staleness=1000").unwrap();
    assert_eq!(
        cost(&world, || db.execute_batch("CREATE TABLE t(x)").unwrap()),
        ONE_CREATE
    );
    let db = a.open("y.db", OPTIONS).unwrap();
    assert_eq!(
        cost(&world, || db.execute_batch("CREATE TABLE t(x)").unwrap())[1],
        2
    );
}

#[test]
fn opening_costs_as_much_after_a_thousand_commits_as_after_sixty() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a, OPTIONS);
    let mut costs = Vec::new();
    for round in 0..20 {
        for n in 0..51 {
            db.execute_batch(&format!("INSERT INTO t(x) VALUES({n})"))
                .unwrap();
        }
        db.execute_batch("SELECT blob_compact()").unwrap();
        if round % 5 == 4 {
            db.execute_batch("SELECT blob_snapshot()").unwrap();
        }
        world.sleep(Duration::from_secs(11));
        let name = format!("cold{round}");
        let open = cost(&world, || {
            let cold = world.host(&name);
            let db = cold.open("x.db", OPTIONS).unwrap();
            assert_eq!(
                int(&db, "SELECT count(*) FROM t").unwrap(),
                (round + 1) * 51
            );
        });
        assert_eq!(open[3], 1, "one listing");
        costs.push(open[0]);
    }
    assert!(costs.iter().all(|gets| *gets <= 50), "{costs:?}");
}

#[test]
fn a_cold_scan_reads_adjacent_pages_together() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a, OPTIONS);
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
         INSERT INTO t(x) SELECT randomblob(1000) FROM n",
    )
    .unwrap();
    let cold = world.host("cold");
    let scan = cost(&world, || {
        let db = cold.open("x.db", OPTIONS).unwrap();
        assert_eq!(
            int(&db, "SELECT sum(length(hex(x))) FROM t").unwrap(),
            16_000_000
        );
    });
    // 2,300 pages of 4 KiB.
    assert!(scan[0] <= 30, "{scan:?}");
}

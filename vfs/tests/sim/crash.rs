//! A host dies before or after each request of each operation; then another opens.
//!
//! What must hold: the operation happened or it did not, never half; what was
//! acknowledged happened; the bucket is whole and can be written.

use std::time::Duration;

use sqlbridge_vfs::database::PlainFile;

use crate::checker;
use crate::host::{self, int};
use crate::world::{Machine, Strike, World};

const OPTIONS: &str = "max_staleness=0&timeout=2s&retention=10s";

struct Operation {
    name: &'static str,
    prepare: fn(&Machine),
    /// Acts, and says whether that was acknowledged.
    act: fn(&Machine) -> bool,
    /// What a reader may find: before, after.
    states: [&'static str; 2],
}

fn nothing(_: &Machine) {}

fn some_rows(machine: &Machine) {
    let db = machine.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)")
        .unwrap();
}

fn many_transactions(machine: &Machine) {
    let db = machine.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x)").unwrap();
    for _ in 0..40 {
        db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    }
    db.execute_batch("SELECT blob_compact(), blob_snapshot()")
        .unwrap();
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    machine.sleep(Duration::from_secs(11));
}

fn sql(machine: &Machine, sql: &str) -> bool {
    let Ok(db) = machine.open("x.db", OPTIONS) else {
        return false;
    };
    db.execute_batch(sql).is_ok()
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "first commit",
        prepare: nothing,
        act: |machine| {
            sql(
                machine,
                "BEGIN; CREATE TABLE t(x); INSERT INTO t VALUES(1); COMMIT",
            )
        },
        states: ["nothing", "1 rows, sum 1"],
    },
    Operation {
        name: "commit",
        prepare: some_rows,
        act: |machine| {
            sql(
                machine,
                "BEGIN; UPDATE t SET x = x + 10; INSERT INTO t VALUES(3); COMMIT",
            )
        },
        states: ["2 rows, sum 3", "3 rows, sum 26"],
    },
    Operation {
        name: "large commit",
        prepare: some_rows,
        act: |machine| {
            sql(
                machine,
                "PRAGMA cache_size=10; CREATE TABLE large AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) SELECT randomblob(3000) AS b FROM n",
            )
        },
        states: ["2 rows, sum 3", "2 rows, sum 3, 600 large"],
    },
    Operation {
        name: "vacuum",
        prepare: |machine| {
            some_rows(machine);
            let db = machine.open("x.db", OPTIONS).unwrap();
            db.execute_batch("CREATE TABLE gone AS SELECT zeroblob(100000) AS z; DROP TABLE gone")
                .unwrap();
        },
        act: |machine| sql(machine, "VACUUM"),
        states: ["2 rows, sum 3", "2 rows, sum 3"],
    },
    Operation {
        name: "snapshot",
        prepare: many_transactions,
        act: |machine| sql(machine, "SELECT blob_snapshot()"),
        states: ["41 rows, sum 41", "41 rows, sum 41"],
    },
    Operation {
        name: "compaction",
        prepare: many_transactions,
        act: |machine| sql(machine, "SELECT blob_compact()"),
        states: ["41 rows, sum 41", "41 rows, sum 41"],
    },
    Operation {
        name: "drop",
        prepare: many_transactions,
        act: |machine| {
            machine
                .database("x.db", OPTIONS)
                .and_then(|db| db.drop_database())
                .is_ok()
        },
        states: ["41 rows, sum 41", "nothing"],
    },
    Operation {
        name: "import",
        prepare: |machine| {
            host::link();
            let db = rusqlite::Connection::open(machine.path("plain.db")).unwrap();
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS t(x); DELETE FROM t; INSERT INTO t VALUES(5), (6)",
            )
            .unwrap();
        },
        act: |machine| {
            let plain = PlainFile::open(&machine.path("plain.db")).unwrap();
            machine
                .database("x.db", OPTIONS)
                .and_then(|db| db.import(&plain))
                .is_ok()
        },
        states: ["nothing", "2 rows, sum 11"],
    },
];

fn state(machine: &Machine) -> String {
    let db = machine.open("x.db", OPTIONS).unwrap();
    host::integrity(&db);
    let tables = int(&db, "SELECT count(*) FROM sqlite_schema").unwrap();
    if tables == 0 {
        return "nothing".to_owned();
    }
    let (count, sum) = (
        int(&db, "SELECT count(*) FROM t").unwrap(),
        int(&db, "SELECT sum(x) FROM t").unwrap(),
    );
    match int(&db, "SELECT count(*) FROM large") {
        Ok(large) => format!("{count} rows, sum {sum}, {large} large"),
        Err(_) => format!("{count} rows, sum {sum}"),
    }
}

/// One death. Says how many requests the operation makes where nobody dies.
fn die(operation: &Operation, n: u64, strike: Strike, same_cache: bool) -> u64 {
    let world = World::new(3);
    let machine = world.host_with_cache("a", "a");
    (operation.prepare)(&machine);
    let before = world.bucket.requests();
    world.strike_nth(n, strike);
    let acknowledged = (operation.act)(&machine);
    let requests = world.bucket.requests() - before;
    world.heal();
    assert!(
        acknowledged || machine.is_dead(),
        "{} failed by itself",
        operation.name
    );
    let next = world.host_with_cache("b", if same_cache { "a" } else { "b" });
    let found = state(&next);
    let allowed = if acknowledged {
        &operation.states[1..]
    } else {
        &operation.states[..]
    };
    assert!(
        allowed.contains(&found.as_str()),
        "{}, {strike:?} at {n}: {found} (acknowledged: {acknowledged})",
        operation.name
    );
    checker::check(&world.bucket.objects(), "x.db");
    // And life goes on: a write, the operation again, the trimming of what was left.
    let db = next.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES(100)")
        .unwrap();
    db.execute_batch("SELECT blob_compact(), blob_snapshot()")
        .unwrap();
    next.sleep(Duration::from_secs(20));
    db.execute_batch("SELECT blob_compact()").unwrap();
    let (_, image) = checker::check(&world.bucket.objects(), "x.db");
    assert!(image == next.image("x.db"));
    requests
}

#[test]
fn a_host_dies_at_every_request_of_every_operation() {
    for operation in OPERATIONS {
        let requests = die(operation, u64::MAX / 2, Strike::Nothing, false);
        for n in 1..=requests {
            for strike in [Strike::KillBefore, Strike::KillAfter] {
                die(operation, n, strike, n % 2 == 0);
            }
        }
    }
}

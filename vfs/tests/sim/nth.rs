//! A fixed workload in which the Nth request goes wrong, for every N and every fault.
//!
//! What must hold: the error names what happened, trying again works, and in the end
//! everything is there exactly once.

use std::time::Duration;

use rusqlite::Connection;
use sqlbridge_vfs::store::memory::Fault;

use crate::checker;
use crate::host::{self, IOERR_FSYNC, Sqlite, code, int};
use crate::world::{Machine, Strike, World};

const OPTIONS: &str = "max_staleness=0&timeout=2s&retention=10s";

const FAULTS: &[Fault] = &[
    Fault::Unreachable,
    Fault::Before(403),
    Fault::Before(404),
    Fault::Before(409),
    Fault::Before(412),
    Fault::Before(429),
    Fault::Before(500),
    Fault::Before(503),
    Fault::After(500),
    Fault::After(503),
    Fault::Timeout {
        after: Duration::from_secs(3),
        applied: false,
    },
    Fault::Timeout {
        after: Duration::from_secs(3),
        applied: true,
    },
    Fault::Truncated,
    Fault::Stale(2),
    Fault::Slow(Duration::from_secs(1)),
    Fault::Slow(Duration::from_secs(8)),
    Fault::Delayed {
        wait: Duration::from_secs(3),
        requests: 3,
    },
];

struct Run {
    world: World,
    machine: Machine,
    fault: Fault,
    n: u64,
}

impl Run {
    /// Tries until it works: the fault comes once, so soon.
    fn retry<T>(&self, what: &str, mut body: impl FnMut() -> Sqlite<T>) -> T {
        for _ in 0..3 {
            match body() {
                Ok(value) => return value,
                error => self.named(what, &error),
            }
        }
        panic!(
            "{what} does not work again after {:?} at request {}: {}",
            self.fault,
            self.n,
            host::sentence(&self.machine)
        );
    }

    fn named<T>(&self, what: &str, error: &Sqlite<T>) {
        let code = code(error);
        // Functions say it themselves, statements through sqlbridge_last_error().
        let own = error
            .as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default();
        let own = own.replace("file:x.db", "");
        let sentence = format!("{own}; {}", host::sentence(&self.machine));
        let asked = self
            .world
            .bucket
            .log()
            .iter()
            .any(|line| line.contains(": "));
        assert!(asked, "{what} failed without a fault: {code} {sentence}");
        assert!(
            sentence.contains("x.db") || sentence.contains("x.sqlite"),
            "{what}, {code}: '{sentence}' names nothing"
        );
        // A fault of the store is never called damage, a wrong statement or a broken disk image.
        assert!(
            ![1, 11, 26, 21].contains(&code),
            "{what}: {code} {sentence}"
        );
    }

    /// Inserts row `id`, as an application does that must not do it twice.
    fn insert(&self, db: &Connection, id: i64, body: &str) {
        for _ in 0..4 {
            let result = db.execute_batch(body);
            let failed = code(&result);
            if failed == 0 {
                return;
            }
            self.named("a commit", &result);
            if !db.is_autocommit() {
                let _ = db.execute_batch("ROLLBACK");
            }
            let there = self.retry("reading", || {
                int(db, &format!("SELECT count(*) FROM t WHERE id = {id}"))
            });
            if there == 1 {
                assert_eq!(
                    failed, IOERR_FSYNC,
                    "{:?} at {}: a refused commit is there",
                    self.fault, self.n
                );
                return;
            }
        }
        panic!("row {id} cannot be inserted");
    }
}

/// The workload. Every statement is one that an application would repeat.
fn work(run: &Run) {
    let machine = &run.machine;
    let db = run.retry("opening", || machine.open("x.db", OPTIONS));
    run.retry("creating", || {
        db.execute_batch("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x)")
    });
    run.insert(&db, 1, "INSERT INTO t VALUES(1, 'one')");
    run.insert(
        &db,
        2,
        "BEGIN IMMEDIATE; INSERT INTO t VALUES(2, zeroblob(30000)); COMMIT",
    );
    run.insert(&db, 3, "BEGIN; UPDATE t SET x = 'two' WHERE id = 2; INSERT INTO t VALUES(3, randomblob(200000)); COMMIT");
    run.retry("a snapshot", || db.execute_batch("SELECT blob_snapshot()"));
    run.insert(&db, 4, "INSERT INTO t VALUES(4, randomblob(1500000))");
    let second = run.retry("opening again", || {
        machine.open("x.db", &format!("{OPTIONS}&cache_size=64KB"))
    });
    for id in 5..18 {
        run.insert(
            if id % 2 == 0 { &db } else { &second },
            id,
            &format!("INSERT INTO t VALUES({id}, 'x')"),
        );
    }
    run.retry("compacting", || db.execute_batch("SELECT blob_compact()"));
    run.retry("reading", || int(&second, "SELECT sum(length(x)) FROM t"));
    run.retry("the past", || {
        machine
            .open("x.db", &format!("{OPTIONS}&txid=5"))
            .and_then(|db| int(&db, "SELECT count(*) FROM t"))
    });
    machine.sleep(Duration::from_secs(20));
    run.retry("compacting again", || {
        db.execute_batch("SELECT blob_compact()")
    });
    run.insert(&second, 18, "INSERT INTO t VALUES(18, 'last')");
    run.retry("vacuum", || db.execute_batch("VACUUM"));
    let fresh = run.world.host("fresh");
    let late = run.retry("a fresh host", || fresh.open("x.db", OPTIONS));
    run.retry("reading there", || {
        int(&late, "SELECT sum(length(x)) FROM t")
    });
}

fn judge(run: &Run) {
    run.world.heal();
    run.world.bucket.land();
    let judge = run.world.host("judge");
    let db = judge.open("x.db", OPTIONS).unwrap();
    host::integrity(&db);
    assert_eq!(int(&db, "SELECT count(*) FROM t").unwrap(), 18);
    assert_eq!(int(&db, "SELECT sum(id) FROM t").unwrap(), 171);
    let (_, image) = checker::check(&run.world.bucket.objects(), "x.db");
    assert!(image == judge.image("x.db"));
}

fn run(fault: Fault, n: u64) -> u64 {
    let world = World::new(7);
    let machine = world.host("a");
    world.strike_nth(n, Strike::Fault(fault));
    let run = Run {
        world,
        machine,
        fault,
        n,
    };
    work(&run);
    let requests = run.world.bucket.requests();
    judge(&run);
    requests
}

#[test]
fn every_request_can_fail_in_every_way() {
    let requests = run(Fault::Slow(Duration::ZERO), u64::MAX / 2);
    assert!(requests > 60, "{requests}");
    // The short form takes every ninth request of each fault, and all in turn.
    let all = std::env::var("SIM_SEEDS").is_ok();
    let mut failed = Vec::new();
    for (number, fault) in (0u64..).zip(FAULTS) {
        for n in (1..=requests).filter(|n| all || (n + number * 4) % 9 == 0) {
            let result = std::panic::catch_unwind(|| run(*fault, n));
            if result.is_err() {
                failed.push((n, *fault));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

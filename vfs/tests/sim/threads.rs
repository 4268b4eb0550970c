//! Real threads on one database: no turns, no replay, only what must hold.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlbridge_vfs::store::Operation;
use sqlbridge_vfs::store::memory::Fault;

use crate::checker;
use crate::host::{self, IOERR_FSYNC, code, int};
use crate::world::{Machine, Rng, Strike, World};

const OPTIONS: &str = "max_staleness=0&timeout=5s&retention=10s&cache_size=256KB";

#[derive(Default)]
struct Tally {
    acknowledged: Mutex<Vec<u64>>,
    unknown: Mutex<Vec<u64>>,
    reads: AtomicU64,
    stop: AtomicBool,
}

fn write(machine: &Machine, thread: u64, count: u64, tally: &Tally) {
    machine.enter();
    let mut opened = machine.open("x.db", OPTIONS);
    for _ in 0..100 {
        if opened.is_err() {
            opened = machine.open("x.db", OPTIONS);
        }
    }
    let db = opened.unwrap_or_else(|_| panic!("never opened: {}", host::sentence(machine)));
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    let mut rng = Rng::new(thread);
    for n in 0..count {
        let id = thread * 1_000_000 + n;
        let (from, to, amount) = (rng.below(20), rng.below(20), rng.below(9));
        let result = db.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             UPDATE account SET balance = balance - {amount} WHERE id = {from};
             UPDATE account SET balance = balance + {amount} WHERE id = {to};
             INSERT INTO transfer VALUES({id}, zeroblob(500));
             COMMIT"
        ));
        match code(&result) {
            0 => tally.acknowledged.lock().unwrap().push(id),
            IOERR_FSYNC => tally.unknown.lock().unwrap().push(id),
            code => assert!(
                [5, 10, 517].contains(&(code & 0x3FF)),
                "{code}: {}",
                host::sentence(machine)
            ),
        }
        if !db.is_autocommit() {
            let _ = db.execute_batch("ROLLBACK");
        }
    }
}

fn read(machine: &Machine, tally: &Tally) {
    machine.enter();
    while !tally.stop.load(Ordering::Relaxed) {
        let Ok(db) = machine.open("x.db", OPTIONS) else {
            continue;
        };
        let _ = db.execute_batch("PRAGMA cache_size=5; BEGIN");
        for _ in 0..5 {
            if let Ok(sum) = int(&db, "SELECT sum(balance) FROM account") {
                assert_eq!(sum, 20_000);
                tally.reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn maintain(machine: &Machine, tally: &Tally) {
    machine.enter();
    let mut turn = 0;
    while !tally.stop.load(Ordering::Relaxed) {
        let Ok(db) = machine.open("x.db", OPTIONS) else {
            continue;
        };
        turn += 1;
        let sql = [
            "SELECT blob_compact()",
            "SELECT blob_snapshot()",
            "SELECT count(*) FROM blob_versions",
            "SELECT count(*) FROM blob_stats",
        ];
        let _ = db.query_row(sql[turn % 4], [], |_| Ok(()));
        machine.sleep(Duration::from_secs(3));
    }
}

fn stress(faults: bool) {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    a.open("x.db", OPTIONS)
        .unwrap()
        .execute_batch(
            "BEGIN; CREATE TABLE account(id INTEGER PRIMARY KEY, balance);
             CREATE TABLE transfer(id INTEGER PRIMARY KEY, pad);
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19)
             INSERT INTO account SELECT i, 1000 FROM n; COMMIT",
        )
        .unwrap();
    if faults {
        let mut rng = Rng::new(9);
        world.on_request(move |request| match rng.below(200) {
            0 => Strike::Fault(Fault::Before(503)),
            1 => Strike::Fault(Fault::Unreachable),
            2 if request.operation == Operation::Create => Strike::Fault(Fault::After(500)),
            3 => Strike::Fault(Fault::Timeout {
                after: Duration::from_secs(6),
                applied: true,
            }),
            4 if request.operation == Operation::Create => Strike::Fault(Fault::Delayed {
                wait: Duration::from_secs(6),
                requests: 20,
            }),
            _ => Strike::Nothing,
        });
    }
    let tally = Tally::default();
    let count = if std::env::var("SIM_SEEDS").is_ok() {
        400
    } else {
        60
    };
    std::thread::scope(|scope| {
        let tally = &tally;
        let writers: Vec<_> = (1..=6)
            .map(|thread| {
                let machine = if thread % 3 == 0 {
                    b.clone()
                } else {
                    a.clone()
                };
                scope.spawn(move || write(&machine, thread, count, tally))
            })
            .collect();
        for machine in [&a, &a, &b] {
            scope.spawn(move || read(machine, tally));
        }
        for machine in [&a, &b] {
            scope.spawn(move || maintain(machine, tally));
        }
        for writer in writers {
            if let Err(panic) = writer.join() {
                tally.stop.store(true, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
        tally.stop.store(true, Ordering::Relaxed);
    });
    world.heal();
    world.bucket.land();
    let db = world.host("judge").open("x.db", OPTIONS).unwrap();
    host::integrity(&db);
    assert_eq!(
        int(&db, "SELECT sum(balance) FROM account").unwrap(),
        20_000
    );
    let acknowledged = tally.acknowledged.lock().unwrap();
    let unknown = tally.unknown.lock().unwrap();
    for id in acknowledged.iter() {
        assert_eq!(
            int(
                &db,
                &format!("SELECT count(*) FROM transfer WHERE id = {id}")
            )
            .unwrap(),
            1,
            "{id} is lost"
        );
    }
    let there = int(&db, "SELECT count(*) FROM transfer").unwrap() as usize;
    assert!(there >= acknowledged.len() && there <= acknowledged.len() + unknown.len());
    assert!(
        acknowledged.len() as u64 > count,
        "hardly anything went through"
    );
    assert!(tally.reads.load(Ordering::Relaxed) > 10);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn many_threads_on_two_hosts() {
    stress(false);
}

#[test]
fn many_threads_while_requests_fail() {
    stress(true);
}

//! Databases that are dropped, made anew, imported, compacted and trimmed by several
//! hosts at once, with faults and deaths.
//!
//! What must hold: whatever was acknowledged in the incarnation that is there at the
//! end is there exactly once; nothing refused is; a reader sees one incarnation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::Connection;
use sqlbridge_vfs::database::PlainFile;
use sqlbridge_vfs::store::Operation;
use sqlbridge_vfs::store::memory::Fault;

use crate::checker;
use crate::host::{self, IOERR_FSYNC, code, int};
use crate::world::{Machine, Rng, Strike, World, every_seed};

const OPTIONS: &str = "max_staleness=500&timeout=2s&retention=10s";

#[derive(Default)]
struct Ledger {
    /// By row: the incarnation it was acknowledged in.
    acknowledged: BTreeMap<i64, i64>,
    unknown: BTreeSet<i64>,
    drops: u64,
    refused: u64,
}

struct Actor<'a> {
    machine: Machine,
    db: Option<Connection>,
    rng: Rng,
    world: &'a World,
    ledger: &'a Mutex<Ledger>,
    number: u64,
    lives: u64,
    next: i64,
}

impl Actor<'_> {
    fn run(&mut self, steps: u64) {
        for _ in 0..steps {
            if self.machine.is_dead() {
                self.db = None;
                self.lives += 1;
                let name = format!("{}#{}", self.number, self.lives);
                self.machine = self.world.host_with_cache(&name, &self.number.to_string());
            }
            self.step();
        }
        self.db = None;
    }

    fn step(&mut self) {
        let Some(db) = &self.db else {
            self.db = self.machine.open("x.db", OPTIONS).ok();
            self.machine.sleep(Duration::from_millis(100));
            return;
        };
        match self.rng.below(20) {
            0..=9 => self.insert(),
            10 | 11 => self.look(),
            12 => {
                let sql = self
                    .rng
                    .pick(&["SELECT blob_compact()", "SELECT blob_snapshot()"]);
                let _ = db.execute_batch(sql);
            }
            13 => {
                let dropped = self
                    .machine
                    .database("x.db", OPTIONS)
                    .and_then(|db| db.drop_database());
                self.ledger.lock().unwrap().drops += u64::from(dropped.is_ok());
            }
            14 => self.import(),
            15 | 16 => {
                let nap = self.rng.pick(&[100, 2000, 6000, 15_000]);
                self.machine.sleep(Duration::from_millis(nap));
            }
            _ => self.db = None,
        }
    }

    fn insert(&mut self) {
        let Some(db) = &self.db else { return };
        self.next += 1;
        let id = (self.number as i64) << 32 | self.next;
        let incarnation = self.rng.next() as i64;
        let begun = db.execute_batch(&format!(
            "BEGIN; CREATE TABLE IF NOT EXISTS era(e); CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, pad);
             INSERT INTO era SELECT {incarnation} WHERE NOT EXISTS (SELECT * FROM era);
             INSERT INTO t VALUES({id}, zeroblob({}))",
            self.rng.pick(&[0, 500, 9000])
        ));
        let era = begun.and_then(|()| int(db, "SELECT e FROM era"));
        let result = era.and_then(|era| db.execute_batch("COMMIT").map(|()| era));
        let mut ledger = self.ledger.lock().unwrap();
        match (&result, code(&result)) {
            (Ok(era), _) => {
                ledger.acknowledged.insert(id, *era);
            }
            (Err(_), IOERR_FSYNC) => {
                ledger.unknown.insert(id);
            }
            // What was replaced must be opened again.
            (Err(_), code) => {
                assert!(
                    ![11, 26, 21].contains(&code),
                    "{code}: {}",
                    host::sentence(&self.machine)
                );
                ledger.refused += 1;
                drop(ledger);
                if !db.is_autocommit() {
                    let _ = db.execute_batch("ROLLBACK");
                }
                if code & 0xFF == 10 || code & 0xFF == 8 {
                    self.db = None;
                }
            }
        }
    }

    fn look(&mut self) {
        let Some(db) = &self.db else { return };
        let eras = int(db, "SELECT count(*) FROM era");
        if let Ok(eras) = eras {
            assert_eq!(eras, 1, "two incarnations in one");
        }
    }

    fn import(&mut self) {
        let path = self.machine.path(&format!("plain-{}", self.number));
        self.next += 1;
        let id = (self.number as i64) << 32 | self.next;
        let era = self.rng.next() as i64;
        let _ = std::fs::remove_file(&path);
        Connection::open(&path)
            .unwrap()
            .execute_batch(&format!(
                "CREATE TABLE era(e); CREATE TABLE t(id INTEGER PRIMARY KEY, pad);
                 INSERT INTO era VALUES({era}); INSERT INTO t VALUES({id}, zeroblob(3000))"
            ))
            .unwrap();
        let plain = PlainFile::open(&path).unwrap();
        let database = self.machine.database("x.db", OPTIONS);
        let mut ledger_entry = None;
        match database.and_then(|database| database.import(&plain)) {
            Ok(_) => ledger_entry = Some(true),
            Err(sqlbridge_vfs::error::Error::Unknown { .. }) => ledger_entry = Some(false),
            Err(_) => {}
        }
        let mut ledger = self.ledger.lock().unwrap();
        match ledger_entry {
            Some(true) => {
                ledger.acknowledged.insert(id, era);
            }
            Some(false) => {
                ledger.unknown.insert(id);
            }
            None => ledger.refused += 1,
        }
    }
}

fn run(seed: u64) -> String {
    let world = World::new(seed);
    let mut rng = Rng::new(seed ^ 0x11FE);
    let (faults, kills) = (rng.pick(&[0, 15, 50]), rng.pick(&[0, 80]));
    world.on_request(move |request| {
        if kills > 0 && rng.one_in(kills) {
            return rng.pick(&[Strike::KillBefore, Strike::KillAfter]);
        }
        if faults > 0 && rng.one_in(faults) {
            let wait = rng.pick(&[
                Duration::from_millis(700),
                Duration::from_secs(4),
                Duration::from_secs(14),
            ]);
            return Strike::Fault(match rng.below(6) {
                0 => Fault::Before(503),
                1 => Fault::Unreachable,
                2 => Fault::Timeout {
                    after: wait,
                    applied: true,
                },
                3 => Fault::Timeout {
                    after: wait,
                    applied: false,
                },
                4 if request.operation == Operation::Create => {
                    Fault::Delayed { wait, requests: 15 }
                }
                _ => Fault::Slow(wait),
            });
        }
        Strike::Nothing
    });
    let ledger = Mutex::new(Ledger::default());
    let bodies = (0..3u64).map(|number| {
        let mut actor = Actor {
            machine: world.host_with_cache(&format!("{number}#0"), &number.to_string()),
            db: None,
            rng: Rng::new(seed ^ ((number + 1) << 20)),
            world: &world,
            ledger: &ledger,
            number,
            lives: 0,
            next: 0,
        };
        Box::new(move || actor.run(80)) as Box<dyn FnOnce() + Send + '_>
    });
    world.together(bodies.collect());
    world.heal();
    world.bucket.land();

    let ledger = ledger.into_inner().unwrap();
    let judge = world.host("judge");
    let db = judge.open("x.db", OPTIONS).unwrap();
    host::integrity(&db);
    let (head, image) = checker::check(&world.bucket.objects(), "x.db");
    assert!(image == judge.image("x.db"));
    let mut rows = 0;
    if let Ok(era) = int(&db, "SELECT e FROM era") {
        let mut statement = db.prepare("SELECT id FROM t").unwrap();
        let there: Vec<i64> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows = there.len();
        for (id, _) in ledger
            .acknowledged
            .iter()
            .filter(|(_, acknowledged_in)| **acknowledged_in == era)
        {
            assert!(there.contains(id), "{id} is lost, incarnation {era}");
        }
        for id in there {
            let known = ledger.acknowledged.get(&id).is_some_and(|its| *its == era)
                || ledger.unknown.contains(&id);
            assert!(known, "{id} was refused or is another incarnation's");
        }
    }
    db.execute_batch("CREATE TABLE IF NOT EXISTS after(x); INSERT INTO after VALUES(1)")
        .unwrap();
    format!(
        "acknowledged {} unknown {} refused {} drops {} rows {rows} head {head}",
        ledger.acknowledged.len(),
        ledger.unknown.len(),
        ledger.refused,
        ledger.drops
    )
}

#[test]
fn databases_come_and_go() {
    every_seed(40, run);
}

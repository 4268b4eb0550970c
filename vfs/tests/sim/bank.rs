//! The bank: hosts, connections, transfers, faults, kills, sleep, compaction.
//!
//! What must hold: the sum at every read; an acknowledged transfer is there from
//! then on for its own host, and in the end exactly once; a refused one never is; an
//! unknown one at most once. And the bucket passes the checker.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use sqlbridge_vfs::store::memory::Fault;
use sqlbridge_vfs::store::{KeyStyle, Operation};

use crate::checker;
use crate::host::{self, IOERR_FSYNC, code, int, text};
use crate::world::{Machine, Rng, Strike, World, every_seed};

const ACCOUNTS: u64 = 12;
const EACH: i64 = 1000;

/// What became of the transfers.
#[derive(Default)]
struct Ledger {
    acknowledged: HashSet<i64>,
    refused: BTreeMap<i64, i32>,
    unknown: HashSet<i64>,
    reads: u64,
    read_errors: u64,
    kills: u64,
    compactions: u64,
}

/// How wild a run is.
#[derive(Clone)]
struct Plan {
    hosts: u64,
    connections: u64,
    steps: u64,
    retention_s: u64,
    options: String,
    page_size: u64,
    auto_vacuum: u64,
    /// One request in so many goes wrong; 0: none.
    faults: u64,
    /// One request in so many kills its host; 0: none.
    kills: u64,
    /// One step in so many sleeps beyond half the retention.
    sleeps: u64,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xBA2C);
        let retention_s = rng.pick(&[5, 20, 600]);
        let staleness = rng.pick(&[0, 0, 300, 1000, 5000]);
        let timeout = rng.pick(&["1s", "5s", "30s"]);
        let cache = rng.pick(&["1GB", "1GB", "8KB"]);
        Self {
            hosts: 2 + rng.below(3),
            connections: 1 + rng.below(3),
            steps: 60 + rng.below(90),
            retention_s,
            options: format!(
                "max_staleness={staleness}&timeout={timeout}&cache_size={cache}&retention={retention_s}s"
            ),
            page_size: rng.pick(&[512, 512, 1024, 4096, 65536]),
            auto_vacuum: rng.below(3),
            faults: rng.pick(&[0, 10, 25, 60]),
            kills: rng.pick(&[0, 60, 200]),
            sleeps: rng.pick(&[0, 15, 40]),
        }
    }
}

fn random_fault(rng: &mut Rng, operation: Operation, retention: Duration) -> Fault {
    let wait = rng.pick(&[
        Duration::from_millis(50),
        Duration::from_millis(900),
        Duration::from_secs(3),
        retention * 2 / 3,
        retention * 2,
    ]);
    let writes = !matches!(operation, Operation::Get | Operation::List);
    loop {
        return match rng.below(12) {
            0 => Fault::Unreachable,
            1 => Fault::Before(rng.pick(&[409, 429, 500, 503, 504, 408])),
            // Spurious "exists": only where nothing is there, and only of a create.
            2 if operation == Operation::Create => Fault::Before(412),
            3 if writes => Fault::After(rng.pick(&[500, 503, 504, 408])),
            4 => Fault::Timeout {
                after: wait,
                applied: false,
            },
            5 if writes => Fault::Timeout {
                after: wait,
                applied: true,
            },
            6 => Fault::Truncated,
            7 if operation == Operation::List => Fault::Stale(1 + rng.below(4) as usize),
            8 | 9 => Fault::Slow(wait),
            10 | 11 if operation == Operation::Create => Fault::Delayed {
                wait,
                requests: 1 + rng.below(40),
            },
            _ => continue,
        };
    }
}

/// A connection and how far its transaction has come.
struct Session {
    db: Connection,
    open: Option<i64>,
    /// Reading in a transaction: the sum it saw.
    reading: bool,
}

struct Teller<'a> {
    machine: Machine,
    sessions: Vec<Session>,
    rng: Rng,
    plan: &'a Plan,
    ledger: &'a Mutex<Ledger>,
    world: &'a World,
    number: u64,
    lives: u64,
    next_id: i64,
    /// Acknowledged by this incarnation's process.
    own: Vec<i64>,
    trace: bool,
}

impl Teller<'_> {
    fn run(&mut self) {
        for _ in 0..self.plan.steps {
            if self.machine.is_dead() {
                self.restart();
            }
            self.step();
        }
        for session in &mut self.sessions {
            if session.open.take().is_some() || session.reading {
                let _ = session.db.execute_batch("ROLLBACK");
            }
        }
        self.sessions.clear();
    }

    fn restart(&mut self) {
        self.ledger.lock().unwrap().kills += 1;
        self.sessions.clear();
        self.own.clear();
        self.lives += 1;
        // The same cache half of the time: what a torn cache holds must not matter.
        let cache = if self.rng.one_in(2) {
            self.number.to_string()
        } else {
            format!("{}-{}", self.number, self.lives)
        };
        if self.rng.one_in(2) {
            damage(&mut self.rng, &self.machine.cache);
        }
        let name = format!("{}#{}", self.number, self.lives);
        self.machine = self.world.host_with_cache(&name, &cache);
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!(
                "{} [{}] {}",
                self.world.bucket.requests(),
                self.machine.name,
                what()
            );
        }
    }

    fn step(&mut self) {
        let full = self.sessions.len() as u64 >= self.plan.connections;
        if self.sessions.is_empty() || (!full && self.rng.one_in(4)) {
            match self.machine.open("bank.db", &self.plan.options) {
                Ok(db) => {
                    if self.rng.one_in(3) {
                        let _ = db.execute_batch("PRAGMA cache_size=4");
                    }
                    self.sessions.push(Session {
                        db,
                        open: None,
                        reading: false,
                    });
                }
                Err(error) => {
                    self.say(|| format!("open: {error}"));
                    self.machine.sleep(Duration::from_millis(200));
                }
            }
            return;
        }
        let which = self.rng.below(self.sessions.len() as u64) as usize;
        if self.plan.sleeps > 0 && self.rng.one_in(self.plan.sleeps) {
            let retention = Duration::from_secs(self.plan.retention_s);
            let nap = retention * self.rng.pick(&[2, 6, 11, 30]) / 10;
            self.say(|| format!("sleeps {nap:?}"));
            self.machine.sleep(nap);
        }
        match self.sessions[which].open {
            Some(id) => self.go_on(which, id),
            None if self.sessions[which].reading => self.read_again(which),
            None => match self.rng.below(20) {
                0..=8 => self.begin(which),
                9..=13 => self.read(which),
                14 if self.rng.one_in(2) => self.look_back(which),
                14 => {
                    self.say(|| "closes".to_owned());
                    self.sessions.swap_remove(which);
                }
                15 | 16 => self.maintain(which),
                17 => self.autocommit(which),
                18 => self.shrink(which),
                _ => {
                    let skew = self.rng.below(20_000) as i64 - 10_000;
                    self.machine
                        .env
                        .wall_skew_ms
                        .store(skew, std::sync::atomic::Ordering::Relaxed);
                    let nap = self.rng.below(2000);
                    self.machine.sleep(Duration::from_millis(nap));
                }
            },
        }
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        (self.number as i64) << 32 | self.next_id
    }

    fn transfer(&mut self, id: i64) -> String {
        let (from, to) = (self.rng.below(ACCOUNTS), self.rng.below(ACCOUNTS));
        let amount = self.rng.below(50);
        let pad = self.rng.pick(&[0, 10, 300, 3000, 20_000]);
        format!(
            "UPDATE account SET balance = balance - {amount} WHERE id = {from};
             UPDATE account SET balance = balance + {amount} WHERE id = {to};
             INSERT INTO transfer VALUES({id}, {amount}, {});",
            self.rng.blob(pad)
        )
    }

    fn begin(&mut self, which: usize) {
        let id = self.new_id();
        let begin = self
            .rng
            .pick(&["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]);
        let body = self.transfer(id);
        let db = &self.sessions[which].db;
        let result = db
            .execute_batch(begin)
            .and_then(|()| db.execute_batch(&body));
        let code = code(&result);
        self.say(|| format!("{begin} {id}: {code}"));
        if code == 0 {
            self.sessions[which].open = Some(id);
        } else {
            self.failed(which, id, code, "begin");
        }
    }

    fn go_on(&mut self, which: usize, id: i64) {
        let db = &self.sessions[which].db;
        match self.rng.below(10) {
            0 => {
                self.say(|| format!("ROLLBACK {id}"));
                db.execute_batch("ROLLBACK").unwrap();
                self.sessions[which].open = None;
                self.ledger.lock().unwrap().refused.insert(id, -1);
            }
            1 | 2 => {} // Leave it open for a while.
            3 => {
                let result = db.execute_batch(
                    "SAVEPOINT s; DELETE FROM transfer WHERE id % 3 = 0; UPDATE account SET balance = 0; ROLLBACK TO s; RELEASE s",
                );
                let code = code(&result);
                if code != 0 {
                    self.say(|| format!("savepoint {id}: {code}"));
                    self.failed(which, id, code, "savepoint");
                }
            }
            _ => {
                let result = db.execute_batch("COMMIT");
                let code = code(&result);
                self.say(|| format!("COMMIT {id}: {code} {}", host::sentence(&self.machine)));
                if code == 0 {
                    self.sessions[which].open = None;
                    self.ledger.lock().unwrap().acknowledged.insert(id);
                    self.own.push(id);
                } else if code == host::BUSY && !db.is_autocommit() && self.rng.one_in(2) {
                    // It can be tried again.
                } else {
                    self.failed(which, id, code, "commit");
                }
            }
        }
    }

    fn autocommit(&mut self, which: usize) {
        let id = self.new_id();
        // One statement, one autocommit transaction: the trigger moves the money.
        let sql = format!(
            "INSERT INTO transfer VALUES({id}, 7, {})",
            self.rng.blob(50)
        );
        let code = code(&self.sessions[which].db.execute_batch(&sql));
        self.say(|| format!("autocommit {id}: {code}"));
        let mut ledger = self.ledger.lock().unwrap();
        match code {
            0 => {
                ledger.acknowledged.insert(id);
                self.own.push(id);
            }
            IOERR_FSYNC => {
                ledger.unknown.insert(id);
            }
            code => {
                ledger.refused.insert(id, code);
            }
        }
    }

    /// A transfer did not go through: it was refused, unless the engine says it does not know.
    fn failed(&mut self, which: usize, id: i64, code: i32, at: &str) {
        let session = &mut self.sessions[which];
        session.open = None;
        if !session.db.is_autocommit() {
            session.db.execute_batch("ROLLBACK").unwrap();
        }
        assert!(
            ![1, 11, 26, 21].contains(&code),
            "{at}: code {code}: {}",
            host::sentence(&self.machine)
        );
        let mut ledger = self.ledger.lock().unwrap();
        if code == IOERR_FSYNC && at == "commit" {
            ledger.unknown.insert(id);
        } else {
            ledger.refused.insert(id, code);
        }
    }

    fn read(&mut self, which: usize) {
        if self.rng.one_in(3) {
            let code = code(&self.sessions[which].db.execute_batch("BEGIN"));
            self.sessions[which].reading = code == 0;
        }
        self.look(which);
    }

    fn read_again(&mut self, which: usize) {
        self.look(which);
        if self.sessions[which].reading && self.rng.one_in(3) {
            self.sessions[which].db.execute_batch("COMMIT").unwrap();
            self.sessions[which].reading = false;
        }
    }

    /// One read: the sum holds, and this process's commits are there.
    fn look(&mut self, which: usize) {
        let session = &self.sessions[which];
        let sum = int(&session.db, "SELECT sum(balance) FROM account");
        let mut ledger = self.ledger.lock().unwrap();
        match &sum {
            Ok(sum) => {
                assert_eq!(
                    *sum,
                    ACCOUNTS as i64 * EACH,
                    "the sum, on {}",
                    self.machine.name
                );
                ledger.reads += 1;
            }
            Err(_) => {
                ledger.read_errors += 1;
                let code = code(&sum);
                assert!(
                    ![1, 11, 26, 21].contains(&code),
                    "read: code {code}: {}",
                    host::sentence(&self.machine)
                );
            }
        }
        drop(ledger);
        // SQLite ends a transaction in which a read failed.
        let reading = session.reading && !session.db.is_autocommit();
        self.sessions[which].reading = reading;
        let session = &self.sessions[which];
        if sum.is_ok()
            && !session.reading
            && let Some(id) = self.own.last()
        {
            let found = int(
                &session.db,
                &format!("SELECT count(*) FROM transfer WHERE id = {id}"),
            );
            if let Ok(found) = found {
                assert_eq!(found, 1, "{} does not see its own {id}", self.machine.name);
            }
        }
    }

    /// The sum holds at any point of the history that can be opened.
    fn look_back(&mut self, which: usize) {
        let offset = self.rng.below(40);
        let versions = format!("SELECT txid FROM blob_versions LIMIT 1 OFFSET {offset}");
        let Ok(txid) = int(&self.sessions[which].db, &versions) else {
            return;
        };
        let sum = self
            .machine
            .open("bank.db", &format!("{}&txid={txid}", self.plan.options))
            .and_then(|db| int(&db, "SELECT sum(balance) FROM account"));
        self.say(|| format!("at {txid}: {sum:?}"));
        if let Ok(sum) = sum {
            assert_eq!(sum, ACCOUNTS as i64 * EACH, "the sum at transaction {txid}");
        }
    }

    fn maintain(&mut self, which: usize) {
        let call = self.rng.pick(&[
            "blob_compact()",
            "blob_compact()",
            "blob_snapshot()",
            "blob_sync()",
        ]);
        let result = text(&self.sessions[which].db, &format!("SELECT '' || {call}"));
        self.say(|| format!("{call}: {result:?}"));
        self.ledger.lock().unwrap().compactions += u64::from(result.is_ok());
    }

    fn shrink(&mut self, which: usize) {
        let sql = self.rng.pick(&[
            "UPDATE transfer SET pad = '' WHERE id % 2",
            "VACUUM",
            "PRAGMA incremental_vacuum",
            "UPDATE transfer SET pad = ''; VACUUM",
        ]);
        let code = code(&self.sessions[which].db.execute_batch(sql));
        self.say(|| format!("{sql}: {code}"));
        assert!(![1, 11, 26, 21].contains(&code), "{sql}: {code}");
    }
}

/// Flips bytes in the files of a cache, cuts some and removes others.
fn damage(rng: &mut Rng, cache: &std::path::Path) {
    let directories = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let mut files: Vec<_> = directories
        .flat_map(|directory| {
            std::fs::read_dir(directory.path())
                .into_iter()
                .flatten()
                .flatten()
        })
        .map(|file| file.path())
        .collect();
    files.sort();
    for file in files {
        let mut bytes = std::fs::read(&file).unwrap();
        match rng.below(4) {
            0 => std::fs::remove_file(&file).unwrap(),
            1 => {
                std::fs::write(&file, &bytes[..rng.below(bytes.len() as u64 + 1) as usize]).unwrap()
            }
            _ => {
                for _ in 0..(bytes.len() / 500).min(50) {
                    let at = rng.below(bytes.len() as u64) as usize;
                    bytes[at] ^= rng.below(255) as u8 + 1;
                }
                std::fs::write(&file, &bytes).unwrap();
            }
        }
    }
}

fn run(seed: u64) -> String {
    let plan = Plan::of(seed);
    let style = if seed.is_multiple_of(2) {
        KeyStyle::Hex
    } else {
        KeyStyle::Decimal
    };
    let world = World::with_style(seed, style);
    let first = world.host("first");
    let db = first.open("bank.db", &plan.options).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size={}; PRAGMA auto_vacuum={};
         BEGIN;
         CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER);
         CREATE TABLE transfer(id INTEGER PRIMARY KEY, amount INTEGER, pad BLOB);
         CREATE INDEX by_amount ON transfer(amount);
         CREATE TRIGGER move AFTER INSERT ON transfer WHEN new.amount = 7 BEGIN
           UPDATE account SET balance = balance - 7 WHERE id = 1;
           UPDATE account SET balance = balance + 7 WHERE id = 2;
         END;
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {})
         INSERT INTO account SELECT i, {EACH} FROM n;
         COMMIT;",
        plan.page_size,
        plan.auto_vacuum,
        ACCOUNTS - 1
    ))
    .unwrap();
    drop(db);

    let mut rng = Rng::new(seed ^ 0xFA17);
    let (faults, kills, retention) = (
        plan.faults,
        plan.kills,
        Duration::from_secs(plan.retention_s),
    );
    world.on_request(move |request| {
        if kills > 0 && rng.one_in(kills) {
            return if rng.one_in(2) {
                Strike::KillBefore
            } else {
                Strike::KillAfter
            };
        }
        if faults > 0 && rng.one_in(faults) {
            return Strike::Fault(random_fault(&mut rng, request.operation, retention));
        }
        Strike::Nothing
    });
    let ledger = Mutex::new(Ledger::default());
    let trace = std::env::var("SIM_TRACE").is_ok();
    let bodies = (0..plan.hosts).map(|number| {
        let mut teller = Teller {
            machine: world.host_with_cache(&format!("{number}#0"), &number.to_string()),
            sessions: Vec::new(),
            rng: Rng::new(seed ^ ((number + 1) * 0x1_0001)),
            plan: &plan,
            ledger: &ledger,
            world: &world,
            number,
            lives: 0,
            next_id: 0,
            own: Vec::new(),
            trace,
        };
        Box::new(move || teller.run()) as Box<dyn FnOnce() + Send + '_>
    });
    world.together(bodies.collect());
    world.heal();
    world.bucket.land();
    judge(&world, &plan, &ledger.into_inner().unwrap())
}

fn judge(world: &World, plan: &Plan, ledger: &Ledger) -> String {
    let judge = world.host("judge");
    let db = judge.open("bank.db", &plan.options).unwrap();
    host::integrity(&db);
    assert_eq!(
        int(&db, "SELECT sum(balance) FROM account").unwrap(),
        ACCOUNTS as i64 * EACH
    );
    let mut statement = db.prepare("SELECT id FROM transfer").unwrap();
    let found: Vec<i64> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(statement);
    let there: HashSet<i64> = found.iter().copied().collect();
    assert_eq!(there.len(), found.len(), "a transfer is there twice");
    for id in &ledger.acknowledged {
        assert!(there.contains(id), "acknowledged transfer {id} is lost");
    }
    for (id, code) in &ledger.refused {
        assert!(
            !there.contains(id),
            "refused transfer {id} (code {code}) is there"
        );
    }
    for id in &there {
        assert!(
            ledger.acknowledged.contains(id) || ledger.unknown.contains(id),
            "transfer {id} is nobody's"
        );
    }
    let (head, image) = checker::check(&world.bucket.objects(), "bank.db");
    let database = judge.database("bank.db", &plan.options).unwrap();
    assert_eq!(database.head().txid, head);
    assert!(
        judge.image("bank.db") == image,
        "the restored image is not what the engine shows"
    );
    // One more, after everything: the database can be written.
    db.execute_batch("INSERT INTO transfer VALUES(0, 7, '')")
        .unwrap();
    drop(Arc::clone(&database));
    format!(
        "acknowledged {} refused {} unknown {} reads {} (failed {}) kills {} maintained {} head {head}",
        ledger.acknowledged.len(),
        ledger.refused.len(),
        ledger.unknown.len(),
        ledger.reads,
        ledger.read_errors,
        ledger.kills,
        ledger.compactions,
    )
}

#[test]
fn the_sum_holds_and_nothing_acknowledged_is_lost() {
    every_seed(25, run);
}

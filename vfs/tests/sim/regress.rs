//! Bugs that were found, each by the history that showed it.
//!
//! Divisions: answers that come late · unknown outcomes · caches · retention ·
//! dropping · compaction · opening.

use std::sync::Mutex;
use std::time::Duration;

use rusqlite::Connection;
use sqlbridge_vfs::options::Point;
use sqlbridge_vfs::store::Operation;
use sqlbridge_vfs::store::memory::{Fault, Request};

use crate::checker;
use crate::host::{self, BUSY_SNAPSHOT, IOERR_FSYNC, code, int};
use crate::world::{Machine, Strike, World};

const OPTIONS: &str = "max_staleness=0&timeout=2s&retention=10s";
const RETENTION: Duration = Duration::from_secs(10);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A database `x.db` with a table t(x).
fn create(machine: &Machine) -> Connection {
    let db = machine.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x)").unwrap();
    db
}

fn insert(db: &Connection, count: u64) {
    for _ in 0..count {
        db.execute_batch("INSERT INTO t VALUES(0)").unwrap();
    }
}

fn count(db: &Connection) -> i64 {
    int(db, "SELECT count(*) FROM t").unwrap()
}

fn is_commit(request: &Request<'_>, host: &str) -> bool {
    request.host == host && request.operation == Operation::Create && request.key.contains("/0000/")
}

/// The next transaction file that `host` sends meets `fault`.
fn strike_commit(world: &World, host: &'static str, fault: Fault) {
    let mut done = false;
    world.on_request(move |request| {
        if !done && is_commit(request, host) {
            done = true;
            return Strike::Fault(fault);
        }
        Strike::Nothing
    });
}

fn together<'a>(world: &World, one: impl FnOnce() + Send + 'a, other: impl FnOnce() + Send + 'a) {
    world.together(vec![Box::new(one), Box::new(other)]);
}

/// Compacts until what is covered is removed.
fn trim(machine: &Machine, db: &Connection) {
    db.execute_batch("SELECT blob_compact()").unwrap();
    machine.sleep(RETENTION + secs(1));
    db.execute_batch("SELECT blob_compact()").unwrap();
}

// Answers that come late.

#[test]
fn a_commit_that_others_built_on_is_not_refused_when_its_answer_comes_late() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    strike_commit(&world, "a", Fault::Slow(secs(60)));
    let db = Mutex::new(db);
    together(
        &world,
        || {
            a.enter();
            let result = db.lock().unwrap().execute_batch("INSERT INTO t VALUES(1)");
            assert_eq!(code(&result), 0, "{}", host::sentence(&a));
        },
        || {
            b.sleep(secs(1));
            let other = b.open("x.db", OPTIONS).unwrap();
            insert(&other, 20);
            other
                .execute_batch("SELECT blob_compact(), blob_snapshot()")
                .unwrap();
        },
    );
    let db = db.into_inner().unwrap();
    assert_eq!(int(&db, "SELECT count(*) FROM t WHERE x = 1").unwrap(), 1);
    assert_eq!(count(&db), 21);
}

#[test]
fn a_number_that_was_used_and_removed_meanwhile_is_a_conflict() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)")
        .unwrap();
    let other = b.open("x.db", OPTIONS).unwrap();
    insert(&other, 20);
    // Between the listing that a stale COMMIT makes and its PUT, everything is trimmed:
    // the number is free again.
    let mut slow = true;
    world.on_request(move |request| {
        if slow && request.host == "a" && request.operation == Operation::Get {
            slow = false;
            return Strike::Fault(Fault::Slow(secs(40)));
        }
        Strike::Nothing
    });
    // A's proof is fresh when it begins, stale when it sends.
    let db = Mutex::new(db);
    let other = Mutex::new(other);
    together(
        &world,
        || {
            a.enter();
            assert_eq!(
                code(&db.lock().unwrap().execute_batch("COMMIT")),
                BUSY_SNAPSHOT
            );
        },
        || {
            b.enter();
            trim(&b, &other.lock().unwrap());
        },
    );
    let _db = db.into_inner().unwrap();
    let other = other.into_inner().unwrap();
    assert_eq!(count(&other), 20);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn a_commit_that_cannot_be_checked_is_unknown_and_settled_later() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    let mut done = false;
    world.on_request(move |request| {
        if !done && is_commit(request, "a") {
            done = true;
            return Strike::Fault(Fault::Slow(secs(60)));
        }
        if request.operation == Operation::List {
            return Strike::Fault(Fault::Before(500));
        }
        Strike::Nothing
    });
    let result = db.execute_batch("INSERT INTO t VALUES(1)");
    assert_eq!(code(&result), IOERR_FSYNC, "{}", host::sentence(&a));
    world.heal();
    assert_eq!(count(&db), 1);
}

#[test]
fn a_repeated_commit_whose_first_attempt_was_compacted_is_not_refused() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = a
        .open("x.db", "max_staleness=0&timeout=100s&retention=10s")
        .unwrap();
    db.execute_batch("CREATE TABLE t(x)").unwrap();
    strike_commit(
        &world,
        "a",
        Fault::Timeout {
            after: secs(60),
            applied: true,
        },
    );
    let db = Mutex::new(db);
    together(
        &world,
        || {
            a.enter();
            let code = code(&db.lock().unwrap().execute_batch("INSERT INTO t VALUES(1)"));
            assert!(
                code == 0 || code == IOERR_FSYNC,
                "{code}: {}",
                host::sentence(&a)
            );
        },
        || {
            b.sleep(secs(1));
            let other = b.open("x.db", OPTIONS).unwrap();
            insert(&other, 20);
            trim(&b, &other);
        },
    );
    let db = db.into_inner().unwrap();
    assert_eq!(count(&db), 21);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn another_threads_fresh_proof_does_not_vouch_for_an_older_commit() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let reader = a.open("x.db", OPTIONS).unwrap();
    let other = b.open("x.db", OPTIONS).unwrap();
    // A asks (number 2 is free), then its request is held up before it is sent.
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)")
        .unwrap();
    let mut slow = true;
    world.on_request(move |request| {
        if slow && is_commit(request, "a") {
            slow = false;
            return Strike::Fault(Fault::Timeout {
                after: secs(40),
                applied: false,
            });
        }
        Strike::Nothing
    });
    let db = Mutex::new(db);
    let other = Mutex::new(other);
    let reader = Mutex::new(reader);
    world.together(vec![
        Box::new(|| {
            a.enter();
            let code = code(&db.lock().unwrap().execute_batch("COMMIT"));
            assert!([BUSY_SNAPSHOT, IOERR_FSYNC].contains(&code), "{code}");
        }),
        Box::new(|| {
            b.enter();
            b.sleep(Duration::from_millis(10));
            insert(&other.lock().unwrap(), 20);
            trim(&b, &other.lock().unwrap());
        }),
        Box::new(|| {
            a.enter();
            a.sleep(secs(39));
            assert_eq!(count(&reader.lock().unwrap()), 20);
        }),
    ]);
    let _db = db.into_inner().unwrap();
    let other = other.into_inner().unwrap();
    let reader = reader.into_inner().unwrap();
    assert_eq!(count(&reader), 20);
    assert_eq!(count(&other), 20);
    checker::check(&world.bucket.objects(), "x.db");
}

// Unknown outcomes.

#[test]
fn an_unknown_commit_that_was_compacted_settles() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    strike_commit(
        &world,
        "a",
        Fault::Timeout {
            after: secs(3),
            applied: true,
        },
    );
    assert_eq!(
        code(&db.execute_batch("INSERT INTO t VALUES(1)")),
        IOERR_FSYNC
    );
    let other = b.open("x.db", OPTIONS).unwrap();
    insert(&other, 20);
    trim(&b, &other);
    for _ in 0..2 {
        assert_eq!(count(&db), 21);
    }
    insert(&db, 1);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn an_unknown_commit_is_settled_though_its_connection_was_closed() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    strike_commit(
        &world,
        "a",
        Fault::Delayed {
            wait: secs(3),
            requests: 100,
        },
    );
    assert_eq!(
        code(&db.execute_batch("INSERT INTO t VALUES(1)")),
        IOERR_FSYNC
    );
    drop(db);
    // What the next transaction reads is final: the write that is still on its way
    // must not change it afterwards.
    let db = a.open("x.db", OPTIONS).unwrap();
    let before = count(&db);
    world.bucket.land();
    assert_eq!(count(&db), before);
}

// Caches.

#[test]
fn a_cache_that_knows_some_pages_of_a_file_does_not_call_the_others_damaged() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO t SELECT randomblob(4000) FROM n",
    )
    .unwrap();
    let b = world.host_with_cache("b", "shared");
    let db = b.open("x.db", OPTIONS).unwrap();
    int(&db, "SELECT count(*) FROM (SELECT x FROM t LIMIT 3)").unwrap();
    drop((db, b));
    // The next process finds some pages; then its cache file is lost.
    let c = world.host_with_cache("c", "shared");
    let db = c.open("x.db", OPTIONS).unwrap();
    for entry in std::fs::read_dir(&c.cache).unwrap() {
        let pages = entry.unwrap().path().join("0.pages");
        std::fs::File::options()
            .write(true)
            .open(pages)
            .unwrap()
            .set_len(0)
            .unwrap();
    }
    assert_eq!(
        int(&db, "SELECT sum(length(x)) FROM t").unwrap(),
        500 * 4000
    );
}

#[test]
fn a_snapshot_of_the_first_transaction_is_not_taken_for_it() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch(
        "BEGIN; CREATE TABLE t(x);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
         INSERT INTO t SELECT randomblob(4000) FROM n; COMMIT",
    )
    .unwrap();
    let b = world.host("b");
    let database = b.database("x.db", OPTIONS).unwrap();
    // Both files have the same bytes, and so the same checksum.
    db.execute_batch("SELECT blob_snapshot()").unwrap();
    assert_eq!(database.versions().unwrap().len(), 2);
    let read = b.open("x.db", OPTIONS).unwrap();
    assert_eq!(
        int(&read, "SELECT sum(length(x)) FROM t").unwrap(),
        50 * 4000
    );
}

// Retention.

#[test]
fn a_host_that_was_there_before_the_database_knows_its_retention() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    // B opens first and knows nothing.
    let other = b.open("x.db", "max_staleness=0&timeout=2s").unwrap();
    let db = create(&a);
    assert_eq!(count(&other), 0);
    insert(&db, 20);
    trim(&a, &db);
    // B was away longer than files are kept: no 404 may tell it that nothing happened.
    assert_eq!(count(&other), 20);
    insert(&other, 1);
    checker::check(&world.bucket.objects(), "x.db");
    assert_eq!(count(&world.host("c").open("x.db", OPTIONS).unwrap()), 21);
}

#[test]
fn a_history_of_the_same_length_but_another_content_is_seen() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let backup = world.bucket.objects();
    insert(&db, 2);
    let stale = b.open("x.db", OPTIONS).unwrap();
    assert_eq!(count(&stale), 2);
    // Somebody puts an old copy of the bucket back, and others go on from there.
    for key in world
        .bucket
        .objects()
        .into_keys()
        .filter(|key| !backup.contains_key(key))
    {
        world.bucket.tamper(&key, None);
    }
    let c = world.host("c");
    insert(&c.open("x.db", OPTIONS).unwrap(), 2);
    b.sleep(RETENTION);
    let result = stale.execute_batch("INSERT INTO t VALUES(9)");
    assert_ne!(code(&result), 0);
    assert!(
        host::sentence(&b).contains("was replaced in the store"),
        "{}",
        host::sentence(&b)
    );
    checker::check(&world.bucket.objects(), "x.db");
}

// Dropping.

#[test]
fn what_is_committed_while_a_database_is_dropped_stays() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    insert(&db, 3);
    drop(db);
    let database = a.database("x.db", OPTIONS).unwrap();
    // The transaction that ends the database is in the store; its host lags behind.
    strike_commit(&world, "a", Fault::Slow(secs(3)));
    together(
        &world,
        || {
            a.enter();
            database.drop_database().unwrap();
        },
        || {
            b.sleep(secs(1));
            let again = b.open("x.db", OPTIONS).unwrap();
            again
                .execute_batch("CREATE TABLE new(y); INSERT INTO new VALUES(7)")
                .unwrap();
        },
    );
    let c = world.host("c");
    let db = c.open("x.db", OPTIONS).unwrap();
    assert_eq!(int(&db, "SELECT y FROM new").unwrap(), 7);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn a_writer_that_missed_the_last_commits_before_a_drop_is_refused() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let idle = b.open("x.db", OPTIONS).unwrap();
    assert_eq!(count(&idle), 0);
    insert(&db, 3);
    a.database("x.db", OPTIONS)
        .unwrap()
        .drop_database()
        .unwrap();
    let result = idle.execute_batch("INSERT INTO t VALUES(1)");
    assert_ne!(
        code(&result),
        0,
        "a commit that nobody will ever see was acknowledged"
    );
    // And the same once everybody is away longer than files are kept.
    let (head, _) = checker::check(&world.bucket.objects(), "x.db");
    let late = world.host("late").open("x.db", OPTIONS).unwrap();
    late.execute_batch("CREATE TABLE u(x)").unwrap();
    assert_eq!(checker::check(&world.bucket.objects(), "x.db").0, head + 1);
}

#[test]
fn a_drop_that_was_cut_short_can_be_repeated() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    insert(&db, 3);
    drop(db);
    world.strike_next(Operation::Put, 1, Strike::Fault(Fault::Before(500)));
    assert!(
        a.database("x.db", OPTIONS)
            .unwrap()
            .drop_database()
            .is_err()
    );
    world.heal();
    let database = a.database("x.db", OPTIONS).unwrap();
    database.drop_database().unwrap();
    world.sleep(RETENTION * 2);
    database.drop_database().unwrap();
    // The empty image twice, the retention, and the word for listings.
    let left: Vec<String> = world.bucket.objects().into_keys().collect();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(
        database.drop_database().is_err(),
        "there is nothing to drop"
    );
}

// Compaction.

#[test]
fn compaction_goes_on_after_a_database_was_dropped_and_made_anew() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    insert(&db, 20);
    drop(db);
    a.database("x.db", OPTIONS)
        .unwrap()
        .drop_database()
        .unwrap();
    let db = create(&a);
    insert(&db, 60);
    db.execute_batch("SELECT blob_compact()").unwrap();
    let files = checker::files(&world.bucket.objects(), "x.db");
    assert!(
        files.iter().any(|file| file.level == 1),
        "nothing was merged"
    );
    trim(&a, &db);
    assert_eq!(count(&world.host("b").open("x.db", OPTIONS).unwrap()), 60);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn compaction_goes_on_after_a_snapshot_replaced_half_a_block() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    insert(&db, 20);
    db.execute_batch("SELECT blob_snapshot()").unwrap();
    trim(&a, &db);
    insert(&db, 400);
    db.execute_batch("SELECT blob_compact()").unwrap();
    let files = checker::files(&world.bucket.objects(), "x.db");
    let merged: Vec<u64> = files
        .iter()
        .filter(|f| f.level == 1)
        .map(|f| f.max)
        .collect();
    assert!(merged.contains(&416), "{merged:?}");
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn a_host_whose_files_were_trimmed_can_still_write_a_snapshot() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    // B has followed every transaction, and keeps few pages.
    let other = b
        .open("x.db", &format!("{OPTIONS}&cache_size=4KB"))
        .unwrap();
    for _ in 0..40 {
        db.execute_batch("INSERT INTO t VALUES(randomblob(5000))")
            .unwrap();
        count(&other);
    }
    trim(&a, &db);
    other.execute_batch("SELECT blob_snapshot()").unwrap();
    checker::check(&world.bucket.objects(), "x.db");
}

// Opening.

#[test]
fn the_past_is_found_though_this_process_has_not_heard_of_it() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let _idle = b.open("x.db", OPTIONS).unwrap();
    b.sleep(secs(2));
    insert(&db, 1);
    let ms = crate::world::EPOCH_MS + 2500;
    let as_of = sqlbridge_vfs::time::format_rfc3339(ms);
    b.sleep(secs(2));
    let past = b.open("x.db", &format!("{OPTIONS}&as_of={as_of}")).unwrap();
    assert_eq!(count(&past), 1);
    let numbered = b.open("x.db", &format!("{OPTIONS}&txid=2")).unwrap();
    assert_eq!(count(&numbered), 1);
    let database = b.database("x.db", OPTIONS).unwrap();
    assert_eq!(database.snapshot_at(Point::Txid(2)).unwrap().txid, 2);
}

#[test]
fn a_database_that_another_host_made_is_there_for_those_who_looked_before() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let _early = b.open("x.db", OPTIONS).unwrap();
    create(&a);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    assert_eq!(count(&b.open_with("x.db", OPTIONS, flags).unwrap()), 0);
}

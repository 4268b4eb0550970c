//! One test or more for each storage rule.

use std::sync::Mutex;
use std::time::Duration;

use rusqlite::Connection;
use sqlbridge_vfs::ltx::{Encoder, Header, PageSize};
use sqlbridge_vfs::store::Operation;
use sqlbridge_vfs::store::memory::Fault;

use crate::checker;
use crate::host::{self, BUSY, BUSY_SNAPSHOT, IOERR_FSYNC, code, int, text};
use crate::world::{Machine, Strike, World};

use sqlite_abi::{
    Access, Code, Control, Delegated, File, Filename, Handled, Lock, OpenFlags, Opened, Vfs,
};

/// A local file system whose databases fail at their sync, to break a transaction
/// after the blob database beside it was committed.
#[derive(Debug)]
pub struct FailingVfs;

/// Content in memory.
#[derive(Debug, Default)]
pub struct FailingFile {
    content: Vec<u8>,
    database: bool,
}

impl Vfs for FailingVfs {
    type File = FailingFile;

    fn open(
        &self,
        name: Option<&Filename<'_>>,
        flags: OpenFlags,
    ) -> Result<Opened<FailingFile>, Code> {
        if name.is_none() {
            return Ok(Opened::Host);
        }
        let database = flags.contains(OpenFlags::MAIN_DB);
        Ok(Opened::File {
            file: FailingFile {
                content: Vec::new(),
                database,
            },
            read_only: false,
        })
    }

    fn delete(&self, _: &str, _: bool) -> Result<Delegated<()>, Code> {
        Ok(Delegated::Done(()))
    }

    fn access(&self, _: &str, _: Access) -> Result<Delegated<bool>, Code> {
        Ok(Delegated::Done(false))
    }

    fn full_pathname(&self, path: &str) -> Result<Delegated<String>, Code> {
        Ok(Delegated::Done(path.to_owned()))
    }
}

impl File for FailingFile {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Code> {
        let offset = (offset as usize).min(self.content.len());
        let count = buffer.len().min(self.content.len() - offset);
        buffer[..count].copy_from_slice(&self.content[offset..offset + count]);
        Ok(count)
    }
    fn write(&mut self, data: &[u8], offset: u64) -> Result<(), Code> {
        let end = offset as usize + data.len();
        self.content.resize(self.content.len().max(end), 0);
        self.content[offset as usize..end].copy_from_slice(data);
        Ok(())
    }
    fn truncate(&mut self, size: u64) -> Result<(), Code> {
        self.content.resize(size as usize, 0);
        Ok(())
    }
    fn sync(&mut self) -> Result<(), Code> {
        Ok(())
    }
    fn size(&mut self) -> Result<u64, Code> {
        Ok(self.content.len() as u64)
    }
    fn lock(&mut self, _: Lock) -> Result<(), Code> {
        Ok(())
    }
    fn unlock(&mut self, _: Lock) -> Result<(), Code> {
        Ok(())
    }
    fn check_reserved_lock(&mut self) -> Result<bool, Code> {
        Ok(false)
    }
    fn control(&mut self, control: Control<'_>) -> Result<Handled, Code> {
        match control {
            Control::Sync { .. } if self.database => Err(Code::IOERR_FSYNC),
            _ => Ok(Handled::No),
        }
    }
    fn device_characteristics(&self) -> i32 {
        0
    }
}

const OPTIONS: &str = "max_staleness=0&timeout=2s&retention=10s";

fn create(machine: &Machine) -> Connection {
    let db = machine.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x)").unwrap();
    db
}

fn plain(world: &World, name: &str) -> Connection {
    host::link();
    let db = Connection::open(world.dir.path().join(name)).unwrap();
    db.execute_batch("CREATE TABLE IF NOT EXISTS p(x)").unwrap();
    db
}

fn attach(db: &Connection, machine: &Machine, name: &str, schema: &str) {
    machine.enter();
    db.execute_batch(&format!(
        "ATTACH '{}' AS {schema}",
        machine.uri(name, OPTIONS)
    ))
    .unwrap();
}

fn count(db: &Connection, table: &str) -> i64 {
    int(db, &format!("SELECT count(*) FROM {table}")).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Transaction files of level 0.
fn transactions(world: &World) -> usize {
    world
        .bucket
        .objects()
        .keys()
        .filter(|key| key.starts_with("x.db/0000/"))
        .count()
}

// Rule 1.

#[test]
fn rule_1_what_is_acknowledged_under_exclusive_locking_is_in_the_store() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    create(&a);
    let other = b.open("x.db", OPTIONS).unwrap();
    let db = plain(&world, "plain.db");
    attach(&db, &a, "x.db", "b");
    // Reaches main's VFS only, yet holds for the attached database.
    db.execute_batch("PRAGMA locking_mode=EXCLUSIVE").unwrap();
    let mut acknowledged = 0;
    for _ in 0..4 {
        let result = db.execute_batch("INSERT INTO b.t VALUES(1)");
        acknowledged += i64::from(result.is_ok());
        if !db.is_autocommit() {
            db.execute_batch("ROLLBACK").unwrap();
        }
        assert_eq!(count(&other, "t"), acknowledged, "{}", host::sentence(&a));
    }
    assert!(acknowledged >= 1);
    db.execute_batch("PRAGMA locking_mode=NORMAL").unwrap();
    // The first read gives the lock back, with the error that SQLite remembered.
    let _ = int(&db, "SELECT count(*) FROM b.t");
    assert_eq!(count(&db, "b.t"), acknowledged);
    let result = db.execute_batch("INSERT INTO b.t VALUES(1)");
    assert_eq!(code(&result), 0, "{}", host::sentence(&a));
    assert_eq!(count(&other, "t"), acknowledged + 1);
    host::integrity(&other);
}

#[test]
fn rule_1_exclusive_locking_named_or_on_main_is_refused() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    for pragma in [
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA main.locking_mode=exclusive",
        "PRAGMA journal_mode=OFF",
    ] {
        let error = db.execute_batch(pragma).unwrap_err().to_string();
        assert!(error.contains("is refused on a blob database"), "{error}");
    }
    assert_eq!(text(&db, "PRAGMA journal_mode=WAL").unwrap(), "delete");
    for option in ["nolock=1", "immutable=1"] {
        assert!(a.open("x.db", &format!("{OPTIONS}&{option}")).is_err());
        assert!(host::sentence(&a).contains("nolock=1 and immutable=1"));
    }
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
}

// Rule 2.

#[test]
fn rule_2_the_loser_of_a_first_transaction_reads_the_winners_pages() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let (one, other) = (
        a.open("x.db", OPTIONS).unwrap(),
        b.open("x.db", OPTIONS).unwrap(),
    );
    // The same script, so the same change counter, size and schema cookie.
    for (machine, db) in [(&a, &one), (&b, &other)] {
        machine.enter();
        let name = &machine.name;
        db.execute_batch(&format!(
            "BEGIN; CREATE TABLE t(x); INSERT INTO t VALUES('{name}')"
        ))
        .unwrap();
    }
    one.execute_batch("COMMIT").unwrap();
    assert_eq!(code(&other.execute_batch("COMMIT")), BUSY_SNAPSHOT);
    assert_eq!(text(&other, "SELECT x FROM t").unwrap(), "a");
    other.execute_batch("INSERT INTO t VALUES('b')").unwrap();
    host::integrity(&one);
    assert_eq!(count(&one, "t"), 2);
}

#[test]
fn rule_2_a_history_that_does_not_move_the_counter_is_seen() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES('before')")
        .unwrap();
    assert_eq!(text(&db, "SELECT x FROM t").unwrap(), "before");
    // The next transaction, as another tool may write it: page 2 changes, page 1 does not.
    let (head, image) = checker::check(&world.bucket.objects(), "x.db");
    let size = 4096;
    let mut page = image[size..2 * size].to_vec();
    let at = page
        .windows(6)
        .position(|bytes| bytes == b"before")
        .unwrap();
    page[at..at + 6].copy_from_slice(b"behind");
    let next = head + 1;
    let header = Header::new(
        PageSize::new(4096).unwrap(),
        2,
        (next, next),
        crate::world::EPOCH_MS + 1_000_000,
    );
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&header, &mut bytes).unwrap();
    encoder.page(2, &page, &mut bytes).unwrap();
    encoder.finish(&mut bytes).unwrap();
    world.bucket.tamper(
        &format!("x.db/0000/{next:016x}-{next:016x}.ltx"),
        Some(bytes.into()),
    );
    assert_eq!(text(&db, "SELECT x FROM t").unwrap(), "behind");
    // Rule 8: a head that Litestream wrote is not written on without adopt=1.
    assert_ne!(code(&db.execute_batch("INSERT INTO t VALUES(1)")), 0);
    assert!(
        host::sentence(&a).contains("adopt=1"),
        "{}",
        host::sentence(&a)
    );
    let adopting = a.open("x.db", &format!("{OPTIONS}&adopt=1")).unwrap();
    adopting.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    db.execute_batch("INSERT INTO t VALUES(2)").unwrap();
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn rule_2_a_failed_commit_leaves_no_page_in_the_cache() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let other = b.open("x.db", OPTIONS).unwrap();
    for round in 0..20 {
        db.execute_batch(&format!(
            "BEGIN; DELETE FROM t; INSERT INTO t VALUES({round})"
        ))
        .unwrap();
        other
            .execute_batch(&format!(
                "DELETE FROM t; INSERT INTO t VALUES({})",
                round + 1000
            ))
            .unwrap();
        assert_eq!(code(&db.execute_batch("COMMIT")), BUSY_SNAPSHOT);
        assert_eq!(int(&db, "SELECT x FROM t").unwrap(), round + 1000);
    }
}

#[test]
fn rule_2_an_unchanged_database_keeps_the_page_cache() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO t SELECT randomblob(500) FROM n",
    )
    .unwrap();
    let sum = "SELECT sum(length(x)) FROM t";
    int(&db, sum).unwrap();
    let database = a.database("x.db", OPTIONS).unwrap();
    let reads = || {
        let cache = database.opened_cache().unwrap();
        let get = |counter: &std::sync::atomic::AtomicU64| {
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        get(&cache.hits) + get(&cache.misses)
    };
    let before = reads();
    for _ in 0..10 {
        int(&db, sum).unwrap();
        db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    }
    assert!(
        reads() - before <= 10,
        "{} page reads: the page cache was dropped",
        reads() - before
    );
}

#[test]
fn rule_2_a_backup_of_a_wal_database_is_seen_as_what_it_is_here() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let source = plain(&world, "wal.db");
    source
        .execute_batch("PRAGMA journal_mode=WAL; INSERT INTO p VALUES(1)")
        .unwrap();
    let mut db = a.open("x.db", OPTIONS).unwrap();
    rusqlite::backup::Backup::new(&source, &mut db)
        .unwrap()
        .run_to_completion(1000, Duration::ZERO, None)
        .unwrap();
    assert_eq!(count(&db, "p"), 1);
    db.execute_batch("INSERT INTO p VALUES(2)").unwrap();
    let files = checker::files(&world.bucket.objects(), "x.db");
    for txid in [1, 2] {
        let (_, image) = checker::restore(&files, Some(txid));
        assert_eq!(image[18..20], [1, 1], "transaction {txid}");
    }
    assert_eq!(count(&b.open("x.db", OPTIONS).unwrap(), "p"), 2);
    host::integrity(&db);
}

// Rule 3.

#[test]
fn rule_3_a_refused_first_transaction_sends_nothing_and_can_be_tried_again() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch("BEGIN; CREATE TABLE t(x); INSERT INTO t VALUES(1)")
        .unwrap();
    world.strike_next(Operation::Create, 1000, Strike::Fault(Fault::Unreachable));
    assert_eq!(
        code(&db.execute_batch("COMMIT")) & 0xFF,
        10,
        "{}",
        host::sentence(&a)
    );
    world.heal();
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK").unwrap();
    }
    assert_eq!(transactions(&world), 0, "a rollback was sent");
    assert_eq!(int(&db, "SELECT count(*) FROM sqlite_schema").unwrap(), 0);
    db.execute_batch("CREATE TABLE t(x)").unwrap();
    assert_eq!(transactions(&world), 1);
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn rule_3_a_first_transaction_that_is_given_up_after_busy_sends_nothing() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", "max_staleness=0&timeout=2s").unwrap();
    db.execute_batch("BEGIN; CREATE TABLE t(x); INSERT INTO t VALUES(1)")
        .unwrap();
    world.strike_next(Operation::Create, 1000, Strike::Fault(Fault::Unreachable));
    assert_eq!(code(&db.execute_batch("COMMIT")), BUSY);
    world.heal();
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(transactions(&world), 0, "a rollback was sent");
    assert_eq!(int(&db, "SELECT count(*) FROM sqlite_schema").unwrap(), 0);
}

#[test]
fn rule_3_a_rollback_after_a_spill_or_a_refusal_sends_nothing() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let before = transactions(&world);
    db.execute_batch("PRAGMA cache_size=4; BEGIN").unwrap();
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO t SELECT randomblob(3000) FROM n; ROLLBACK",
    )
    .unwrap();
    assert_eq!(transactions(&world), before);
    // The same, spilled and then refused.
    db.execute_batch(
        "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO t SELECT randomblob(3000) FROM n",
    )
    .unwrap();
    b.open("x.db", OPTIONS)
        .unwrap()
        .execute_batch("INSERT INTO t VALUES(1)")
        .unwrap();
    assert_eq!(code(&db.execute_batch("COMMIT")), BUSY_SNAPSHOT);
    assert_eq!(transactions(&world), before + 1);
    assert_eq!(count(&db, "t"), 1);
    host::integrity(&db);
}

#[test]
fn rule_3_a_backup_with_other_pages_changes_nothing_or_everything() {
    let world = World::new(1);
    let a = world.host("a");
    let source = Connection::open_in_memory().unwrap();
    source
        .execute_batch(
            "PRAGMA page_size=512; CREATE TABLE s(x);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO s SELECT i FROM n",
        )
        .unwrap();
    let mut db = create(&a);
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    let before = world.bucket.objects();
    let result = rusqlite::backup::Backup::new(&source, &mut db)
        .and_then(|backup| backup.run_to_completion(10_000, Duration::ZERO, None));
    assert!(result.is_err(), "the page size would have changed");
    assert!(
        host::sentence(&a).contains("page size"),
        "{}",
        host::sentence(&a)
    );
    assert!(world.bucket.objects() == before);
    drop(db);
    let db = a.open("x.db", OPTIONS).unwrap();
    assert_eq!(count(&db, "t"), 1);
    db.execute_batch("INSERT INTO t VALUES(2)").unwrap();
    // Into a new database the source's page size is fine.
    let mut new = a.open("new.db", OPTIONS).unwrap();
    rusqlite::backup::Backup::new(&source, &mut new)
        .unwrap()
        .run_to_completion(10, Duration::ZERO, None)
        .unwrap();
    assert_eq!(
        (count(&new, "s"), int(&new, "PRAGMA page_size").unwrap()),
        (500, 512)
    );
    checker::check(&world.bucket.objects(), "new.db");
}

// Rule 4.

#[test]
fn rule_4_a_second_blob_database_in_a_transaction_is_refused() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    attach(&db, &a, "y.db", "y");
    db.execute_batch("CREATE TABLE y.u(x)").unwrap();
    db.execute_batch("BEGIN; INSERT INTO t VALUES(1)").unwrap();
    assert_ne!(code(&db.execute_batch("INSERT INTO y.u VALUES(1)")), 0);
    assert!(
        host::sentence(&a).contains("one blob database only"),
        "{}",
        host::sentence(&a)
    );
    db.execute_batch("COMMIT").unwrap();
    db.execute_batch("INSERT INTO y.u VALUES(2)").unwrap();
    assert_eq!((count(&db, "t"), count(&db, "y.u")), (1, 1));
    // Another connection is not meant.
    let other = a.open("y.db", OPTIONS).unwrap();
    db.execute_batch("BEGIN; INSERT INTO t VALUES(1)").unwrap();
    let result = other.execute_batch("INSERT INTO u VALUES(3)");
    assert_eq!(code(&result), 0, "{}", host::sentence(&a));
    db.execute_batch("COMMIT").unwrap();
}

#[test]
fn rule_4_a_rollback_after_the_acknowledged_put_does_not_revert_it() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO t SELECT randomblob(1000) FROM n",
    )
    .unwrap();
    // A local database that is committed after the blob database, and fails. In
    // memory-journal mode there is no super-journal.
    db.execute_batch("ATTACH 'file:f.db?vfs=failing' AS f; PRAGMA f.journal_mode=MEMORY")
        .unwrap();
    for cache in [2000, 4] {
        db.execute_batch(&format!("PRAGMA cache_size={cache}"))
            .unwrap();
        let before = transactions(&world);
        db.execute_batch(&format!(
            "BEGIN; CREATE TABLE f.u(x); UPDATE t SET x = randomblob(900) WHERE rowid % 2; INSERT INTO t VALUES({cache})"
        ))
        .unwrap();
        let inside = count(&db, "t");
        assert_ne!(code(&db.execute_batch("COMMIT")), 0);
        if !db.is_autocommit() {
            db.execute_batch("ROLLBACK").unwrap();
        }
        assert_eq!(
            transactions(&world),
            before + 1,
            "committed once, and not reverted"
        );
        assert_eq!(count(&db, "t"), inside);
        assert_eq!(count(&db, &format!("t WHERE x = {cache}")), 1);
        assert_eq!(count(&b.open("x.db", OPTIONS).unwrap(), "t"), inside);
        host::integrity(&db);
    }
    db.execute_batch("DETACH f; INSERT INTO t VALUES(8)")
        .unwrap();
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn rule_4_a_reader_that_survives_such_a_rollback_stays_in_its_snapshot() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO t SELECT zeroblob(1000) FROM n; CREATE TABLE o(x); INSERT INTO o VALUES(1)",
    )
    .unwrap();
    db.execute_batch(
        "ATTACH 'file:f.db?vfs=failing' AS f; PRAGMA f.journal_mode=MEMORY; PRAGMA cache_size=4",
    )
    .unwrap();
    let mut statement = db
        .prepare("SELECT length(x), x = zeroblob(1000) FROM t")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut seen = 0;
    while seen < 10 {
        rows.next().unwrap().unwrap();
        seen += 1;
    }
    db.execute_batch("BEGIN; CREATE TABLE f.u(x); UPDATE t SET x = randomblob(1000)")
        .unwrap();
    assert_ne!(code(&db.execute_batch("COMMIT")), 0);
    // SQLite ends the reader, or lets it go on in what it began with.
    while let Ok(Some(row)) = rows.next() {
        assert_eq!(
            row.get::<_, i64>(1).unwrap(),
            1,
            "a page of a newer transaction"
        );
    }
    drop(rows);
    drop(statement);
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK").unwrap();
    }
    assert_eq!(
        int(&db, "SELECT count(*) FROM t WHERE x = zeroblob(1000)").unwrap(),
        0
    );
    host::integrity(&db);
}

// Rule 5.

#[test]
fn rule_5_a_transaction_with_a_journalled_local_database_is_refused_whole() {
    let world = World::new(1);
    let a = world.host("a");
    create(&a);
    let before = transactions(&world);
    // The local database first, then the blob database first.
    let db = plain(&world, "first.db");
    attach(&db, &a, "x.db", "b");
    db.execute_batch("BEGIN; INSERT INTO main.p VALUES(1); INSERT INTO b.t VALUES(1)")
        .unwrap();
    assert_ne!(code(&db.execute_batch("COMMIT")), 0);
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK").unwrap();
    }
    assert_eq!((count(&db, "main.p"), count(&db, "b.t")), (0, 0));
    drop(db);
    assert_eq!(count(&plain(&world, "first.db"), "p"), 0);

    plain(&world, "second.db");
    let db = a.open("x.db", OPTIONS).unwrap();
    let path = world.dir.path().join("second.db");
    db.execute_batch(&format!("ATTACH 'file:{}?vfs=unix' AS l", path.display()))
        .unwrap();
    db.execute_batch("BEGIN; INSERT INTO t VALUES(1); INSERT INTO l.p VALUES(1)")
        .unwrap();
    assert_ne!(code(&db.execute_batch("COMMIT")), 0);
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK").unwrap();
    }
    assert_eq!((count(&db, "t"), count(&db, "l.p")), (0, 0));
    drop(db);
    assert_eq!(count(&plain(&world, "second.db"), "p"), 0);
    assert_eq!(transactions(&world), before);
}

// Rule 6.

#[test]
fn rule_6_a_writer_that_slept_past_the_retention_is_refused_and_its_number_not_reused() {
    for wait in [6, 25] {
        let world = World::new(1);
        let (a, b) = (world.host("a"), world.host("b"));
        let db = create(&a);
        db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES('stale')")
            .unwrap();
        let other = b.open("x.db", OPTIONS).unwrap();
        for _ in 0..40 {
            other.execute_batch("INSERT INTO t VALUES(1)").unwrap();
        }
        other.execute_batch("SELECT blob_compact()").unwrap();
        b.sleep(seconds(wait));
        other.execute_batch("SELECT blob_compact()").unwrap();
        assert_eq!(code(&db.execute_batch("COMMIT")), BUSY_SNAPSHOT);
        assert_eq!((count(&db, "t"), count(&other, "t")), (40, 40));
        db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
        let (head, _) = checker::check(&world.bucket.objects(), "x.db");
        assert_eq!(head, 42);
    }
}

#[test]
fn rule_6_a_reader_that_slept_past_the_retention_hears_the_news() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let other = b.open("x.db", OPTIONS).unwrap();
    for _ in 0..40 {
        other.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    }
    other.execute_batch("SELECT blob_compact()").unwrap();
    b.sleep(seconds(11));
    other.execute_batch("SELECT blob_compact()").unwrap();
    assert!(transactions(&world) < 20, "nothing was trimmed");
    assert_eq!(count(&db, "t"), 40);
}

// Rule 7.

#[test]
fn rule_7_an_unknown_outcome_is_settled_by_the_same_put() {
    let long = seconds(5);
    for fault in [
        Fault::Timeout {
            after: long,
            applied: true,
        },
        Fault::Timeout {
            after: long,
            applied: false,
        },
        Fault::Delayed {
            wait: long,
            requests: 1,
        },
        Fault::Delayed {
            wait: long,
            requests: 1000,
        },
        Fault::After(500),
        Fault::Truncated,
    ] {
        let world = World::new(1);
        let (a, b) = (world.host("a"), world.host("b"));
        let db = a.open("x.db", "max_staleness=0&timeout=1s").unwrap();
        db.execute_batch("CREATE TABLE t(x)").unwrap();
        let mut times = 0;
        world.on_request(move |request| {
            let commit = request.operation == Operation::Create && request.host == "a";
            times += u64::from(commit);
            // Repeated attempts fail too, until the deadline.
            match (commit, times) {
                (true, 1) => Strike::Fault(fault),
                _ if request.host == "a" && times > 0 => Strike::Fault(Fault::Unreachable),
                _ => Strike::Nothing,
            }
        });
        let outcome = code(&db.execute_batch("INSERT INTO t VALUES(1)"));
        assert_eq!(outcome, IOERR_FSYNC, "{fault:?}: {}", host::sentence(&a));
        assert_eq!(
            code(&int(&db, "SELECT count(*) FROM t")),
            IOERR_FSYNC,
            "{fault:?}"
        );
        world.heal();
        let seen = count(&db, "t");
        assert_eq!(seen, 1, "{fault:?}: nobody was first, so it is committed");
        world.bucket.land();
        assert_eq!(
            (
                count(&db, "t"),
                count(&b.open("x.db", OPTIONS).unwrap(), "t")
            ),
            (1, 1)
        );
        checker::check(&world.bucket.objects(), "x.db");
    }
}

#[test]
fn rule_7_an_unknown_outcome_that_a_rival_decides_is_not_committed() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    let other = b.open("x.db", OPTIONS).unwrap();
    world.strike_next(
        Operation::Create,
        1,
        Strike::Fault(Fault::Delayed {
            wait: seconds(5),
            requests: 1000,
        }),
    );
    assert_eq!(
        code(&db.execute_batch("INSERT INTO t VALUES('a')")),
        IOERR_FSYNC
    );
    other.execute_batch("INSERT INTO t VALUES('b')").unwrap();
    assert_eq!(text(&db, "SELECT group_concat(x) FROM t").unwrap(), "b");
    world.bucket.land();
    assert_eq!(text(&db, "SELECT group_concat(x) FROM t").unwrap(), "b");
    db.execute_batch("INSERT INTO t VALUES('c')").unwrap();
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn rule_7_what_was_never_sent_is_busy_and_commit_can_be_tried_again() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    for fault in [Fault::Unreachable, Fault::Before(409), Fault::Before(429)] {
        db.execute_batch("BEGIN; INSERT INTO t VALUES(1)").unwrap();
        world.strike_next(Operation::Create, 10_000, Strike::Fault(fault));
        assert_eq!(
            code(&db.execute_batch("COMMIT")),
            BUSY,
            "{}",
            host::sentence(&a)
        );
        assert!(host::sentence(&a).contains("COMMIT can be tried again"));
        world.heal();
        let before = transactions(&world);
        db.execute_batch("COMMIT").unwrap();
        assert_eq!(transactions(&world), before + 1);
    }
    // Or given up.
    db.execute_batch("BEGIN; INSERT INTO t VALUES(1)").unwrap();
    world.strike_next(Operation::Create, 10_000, Strike::Fault(Fault::Unreachable));
    assert_eq!(code(&db.execute_batch("COMMIT")), BUSY);
    world.heal();
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(count(&db, "t"), 3);
}

#[test]
fn rule_7_a_spurious_exists_is_no_conflict() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    world.strike_next(Operation::Create, 2, Strike::Fault(Fault::Before(412)));
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    // And "exists" for our own: the answer to the first was lost.
    world.strike_next(Operation::Create, 1, Strike::Fault(Fault::After(503)));
    db.execute_batch("INSERT INTO t VALUES(2)").unwrap();
    assert_eq!(count(&db, "t"), 2);
    assert_eq!(transactions(&world), 3);
}

// Rule 8.

#[test]
fn rule_8_a_database_deleted_and_made_anew_is_not_written_on() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    db.execute_batch("INSERT INTO t VALUES('old')").unwrap();
    assert_eq!(text(&db, "SELECT x FROM t").unwrap(), "old");
    for key in world.bucket.objects().into_keys() {
        world.bucket.tamper(&key, None);
    }
    let other = b.open("x.db", OPTIONS).unwrap();
    other
        .execute_batch(
            "CREATE TABLE t(x); INSERT INTO t VALUES('new'); INSERT INTO t VALUES('more')",
        )
        .unwrap();
    let result = db.execute_batch("INSERT INTO t VALUES('stale')");
    assert_ne!(code(&result), 0);
    assert!(
        host::sentence(&a).contains("was replaced"),
        "{}",
        host::sentence(&a)
    );
    assert_ne!(code(&int(&db, "SELECT count(*) FROM t")), 0);
    // Opening again shows the new one, from the same cache directory.
    let again = a.open("x.db", OPTIONS).unwrap();
    assert_eq!(
        text(&again, "SELECT group_concat(x) FROM t").unwrap(),
        "new,more"
    );
    again.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    checker::check(&world.bucket.objects(), "x.db");
}

#[test]
fn rule_8_a_stray_beyond_a_gap_and_a_child_of_another_history_are_errors() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    db.execute_batch("INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)")
        .unwrap();
    let key = |txid: u64| format!("x.db/0000/{txid:016x}-{txid:016x}.ltx");
    let third = world.bucket.objects()[&key(3)].clone();
    world.bucket.tamper(&key(2), None);
    assert!(b.open("x.db", OPTIONS).is_err());
    assert!(
        host::sentence(&b).contains("a file begins at 3"),
        "{}",
        host::sentence(&b)
    );
    // Another second transaction: the third is not its child.
    world.bucket.tamper(&key(3), None);
    let c = world.host("c");
    c.open("x.db", OPTIONS)
        .unwrap()
        .execute_batch("INSERT INTO t VALUES(9)")
        .unwrap();
    world.bucket.tamper(&key(3), Some(third));
    let d = world.host("d");
    let result = d.open("x.db", OPTIONS);
    assert!(result.is_err());
    assert!(
        host::sentence(&d).contains("another history"),
        "{}",
        host::sentence(&d)
    );
}

#[test]
fn rule_8_what_is_no_transaction_file_does_not_matter_and_damage_is_named() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let db = create(&a);
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    for key in [
        "x.db/readme.txt",
        "x.db/0000/note",
        "x.db/0000/1-1.ltx",
        "x.db/zzzz/a",
    ] {
        world.bucket.tamper(key, Some("hello".into()));
    }
    assert_eq!(count(&b.open("x.db", OPTIONS).unwrap(), "t"), 1);
    let key = "x.db/0000/0000000000000002-0000000000000002.ltx";
    let good = world.bucket.objects()[key].clone();
    for at in [0, 50, 110, good.len() - 30, good.len() - 2] {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        world.bucket.tamper(key, Some(bad.into()));
        let c = world.host("c");
        let result = c
            .open("x.db", OPTIONS)
            .and_then(|db| int(&db, "SELECT count(*) FROM t"));
        assert!(result.is_err(), "byte {at}");
        assert!(host::sentence(&c).contains(key), "{}", host::sentence(&c));
    }
    for cut in [0, 10, 99, good.len() / 2, good.len() - 1] {
        world.bucket.tamper(key, Some(good.slice(..cut)));
        let c = world.host("c");
        assert!(
            c.open("x.db", OPTIONS)
                .and_then(|db| int(&db, "SELECT count(*) FROM t"))
                .is_err()
        );
        assert!(host::sentence(&c).contains(key), "{}", host::sentence(&c));
    }
    world.bucket.tamper(key, Some(good));
    assert_eq!(
        count(&world.host("e").open("x.db", OPTIONS).unwrap(), "t"),
        1
    );
}

// Rule 9.

#[test]
fn rule_9_hosts_that_compact_with_different_views_make_the_same_files() {
    let world = World::new(1);
    let hosts: Vec<Machine> = (0..3).map(|n| world.host(&format!("h{n}"))).collect();
    let db = create(&hosts[0]);
    let dbs: Vec<Connection> = hosts
        .iter()
        .map(|host| host.open("x.db", OPTIONS).unwrap())
        .collect();
    for round in 0..30u64 {
        for _ in 0..11 {
            hosts[0].enter();
            db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
        }
        // Each host's next listings lag differently.
        let mut turn = round;
        world.on_request(move |request| match request.operation {
            Operation::List => {
                turn += 1;
                Strike::Fault(Fault::Stale((turn * 7 % 23) as usize))
            }
            _ => Strike::Nothing,
        });
        for (host, db) in hosts.iter().zip(&dbs) {
            host.enter();
            let _ = db.execute_batch("SELECT blob_compact()");
            if round % 7 == 0 {
                let _ = db.execute_batch("SELECT blob_snapshot()");
            }
        }
        world.heal();
        world.sleep(seconds(1));
        checker::check(&world.bucket.objects(), "x.db");
    }
    let files = checker::files(&world.bucket.objects(), "x.db");
    assert!(
        files.iter().any(|file| file.level == 2),
        "256 transactions were not merged"
    );
    assert_eq!(count(&dbs[2], "t"), 330);
}

#[test]
fn rule_9_a_pinned_reader_reads_the_same_bytes_or_is_told_that_it_expired() {
    // The boundary (16 or 5 transactions) decides whether other files end there.
    for (before, survives) in [(15, true), (5, false)] {
        let world = World::new(1);
        let (a, b) = (world.host("a"), world.host("b"));
        let db = create(&a);
        for n in 1..before {
            db.execute_batch(&format!("INSERT INTO t VALUES(zeroblob(20000 + {n}))"))
                .unwrap();
        }
        db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
        // A cache of a few pages only, so that the reader needs the files.
        let reader = b
            .open("x.db", &format!("{OPTIONS}&cache_size=4KB"))
            .unwrap();
        reader.execute_batch("PRAGMA cache_size=2; BEGIN").unwrap();
        let sum = "SELECT sum(length(hex(x))) FROM t";
        let expected = int(&reader, sum).unwrap();
        for _ in 0..40 {
            db.execute_batch("UPDATE t SET x = zeroblob(length(x) + 1)")
                .unwrap();
        }
        db.execute_batch("SELECT blob_compact()").unwrap();
        a.sleep(seconds(11));
        db.execute_batch("SELECT blob_compact()").unwrap();
        let again = int(&reader, sum);
        if survives {
            assert_eq!(again.unwrap(), expected);
        } else {
            assert_eq!(code(&again) & 0xFF, 10);
            assert!(
                host::sentence(&b).contains("has expired"),
                "{}",
                host::sentence(&b)
            );
            let _ = reader.execute_batch("ROLLBACK");
        }
        let _ = reader.execute_batch("COMMIT");
        assert_eq!(int(&reader, sum).unwrap(), int(&db, sum).unwrap());
    }
}

// Rule 10.

#[test]
fn rule_10_a_transaction_too_large_for_one_object_is_refused_before_it_is_sent() {
    let world = World::new(1);
    let a = world.host("a");
    let db = create(&a);
    world.set_limit(100_000);
    let before = world.bucket.objects();
    let result = db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO t SELECT randomblob(3000) FROM n",
    );
    assert_eq!(code(&result), 13, "{}", host::sentence(&a));
    assert!(
        host::sentence(&a).contains("split it"),
        "{}",
        host::sentence(&a)
    );
    assert!(world.bucket.objects() == before);
    db.execute_batch("INSERT INTO t VALUES(randomblob(3000))")
        .unwrap();
    assert_eq!(count(&db, "t"), 1);
}

// Rule 13.

#[test]
fn rule_13_news_between_shared_and_reserved_is_busy_unless_a_busy_handler_waits() {
    for patient in [false, true] {
        let world = World::new(1);
        let (a, b) = (world.host("a"), world.host("b"));
        let mut db = create(&a);
        if patient {
            db.busy_handler(Some(|times| times < 3)).unwrap();
        }
        // The question at SHARED is answered late, so it is asked again at RESERVED; the
        // other host commits in between.
        let mut asked = false;
        world.on_request(move |request| {
            let late = request.host == "a" && request.operation == Operation::Get && !asked;
            asked |= late;
            if late {
                Strike::Fault(Fault::Slow(seconds(1)))
            } else {
                Strike::Nothing
            }
        });
        let db = Mutex::new(db);
        world.together(vec![
            Box::new(|| {
                a.enter();
                let db = db.lock().unwrap();
                let result = code(&db.execute_batch("BEGIN IMMEDIATE"));
                assert_eq!(result, if patient { 0 } else { BUSY });
                if patient {
                    assert_eq!(count(&db, "t"), 1);
                    db.execute_batch("COMMIT").unwrap();
                }
            }),
            Box::new(|| {
                b.sleep(Duration::from_millis(500));
                b.open("x.db", OPTIONS)
                    .unwrap()
                    .execute_batch("INSERT INTO t VALUES(1)")
                    .unwrap();
            }),
        ]);
    }
}

#[test]
fn rule_13_a_reader_that_wants_to_write_on_old_news_is_refused_and_not_retried() {
    let world = World::new(1);
    let (a, b) = (world.host("a"), world.host("b"));
    let mut db = create(&a);
    db.busy_handler(Some(|times| times < 3)).unwrap();
    let other = b.open("x.db", OPTIONS).unwrap();
    db.execute_batch("BEGIN").unwrap();
    count(&db, "t");
    other.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    a.sleep(seconds(1));
    assert_eq!(
        code(&db.execute_batch("INSERT INTO t VALUES(2)")),
        BUSY_SNAPSHOT
    );
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(count(&db, "t"), 1);
    // One process, two connections: the second is told to wait.
    let second = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(code(&second.execute_batch("BEGIN IMMEDIATE")), BUSY);
    assert_eq!(count(&second, "t"), 1, "readers do not wait");
    db.execute_batch("COMMIT").unwrap();
    second.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
}

// Rule 14.

#[test]
fn rule_14_names_that_would_mix_databases_are_refused() {
    let world = World::new(1);
    let a = world.host("a");
    for name in [
        "x/0000",
        "x/ltx/0",
        "x/sqlbridge",
        "a//b",
        "a/../b",
        "x%20y",
        "x/00fF/y",
        "..",
        "a/.",
    ] {
        assert!(a.open(name, OPTIONS).is_err(), "{name}");
        assert!(
            host::sentence(&a).contains("database name"),
            "{name}: {}",
            host::sentence(&a)
        );
    }
    assert!(world.bucket.objects().is_empty());
    // One database below another's name is fine, and dropping the upper one spares it.
    let upper = create(&a);
    let lower = a.open("x.db/y.db", OPTIONS).unwrap();
    lower
        .execute_batch("CREATE TABLE u(x); INSERT INTO u VALUES(5)")
        .unwrap();
    upper
        .execute_batch("INSERT INTO t VALUES(1); SELECT blob_snapshot(), blob_compact()")
        .unwrap();
    drop((upper, lower));
    a.database("x.db", OPTIONS)
        .unwrap()
        .drop_database()
        .unwrap();
    let b = world.host("b");
    assert_eq!(
        int(&b.open("x.db/y.db", OPTIONS).unwrap(), "SELECT x FROM u").unwrap(),
        5
    );
    checker::check(&world.bucket.objects(), "x.db/y.db");
}

//! Sizes: page sizes, spill, shrink and growth, the lock page.

use rusqlite::Connection;

use crate::checker;
use crate::host::{self, int, text};
use crate::world::{Rng, World, every_seed};

const OPTIONS: &str = "max_staleness=0&retention=10s";

/// The same statements on SQLite's own memory database: the model.
struct Pair {
    blob: Connection,
    model: Connection,
}

impl Pair {
    fn run(&self, sql: &str) {
        self.model.execute_batch(sql).unwrap();
        self.blob
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn compare(&self) {
        let sum = "SELECT coalesce(group_concat(id || ':' || length(x) || ':' || hex(substr(x, 1, 8)), ','), '') FROM (SELECT * FROM t ORDER BY id)";
        assert_eq!(
            text(&self.blob, sum).unwrap(),
            text(&self.model, sum).unwrap()
        );
        host::integrity(&self.blob);
    }
}

fn random_statement(rng: &mut Rng) -> String {
    let n = rng.below(40);
    let size = rng.pick(&[0, 5, 100, 700, 5000, 70_000]);
    // zeroblob and printf, not randomblob: both databases must get the same.
    let value = format!("zeroblob({size})");
    match rng.below(14) {
        0..=3 => format!("INSERT INTO t(x) VALUES({value})"),
        4 => format!(
            "INSERT INTO t(x) SELECT CAST(printf('%0{size}d', id) AS BLOB) FROM t LIMIT {n}"
        ),
        5 => format!("UPDATE t SET x = {value} WHERE id % 5 = {}", n % 5),
        6 => format!("DELETE FROM t WHERE id % 3 = {}", n % 3),
        7 => "DELETE FROM t".to_owned(),
        8 => format!(
            "BEGIN; INSERT INTO t(x) VALUES({value}); SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE t SET x = 'y' WHERE id % 2; COMMIT"
        ),
        9 => "VACUUM".to_owned(),
        10 => format!("PRAGMA incremental_vacuum({n})"),
        11 => format!(
            "BEGIN; DELETE FROM t WHERE id > {n}; INSERT INTO t(x) VALUES({value}); ROLLBACK"
        ),
        12 => "CREATE INDEX IF NOT EXISTS i ON t(x)".to_owned(),
        _ => "DROP INDEX IF EXISTS i".to_owned(),
    }
}

fn shapes(seed: u64) -> String {
    let mut rng = Rng::new(seed ^ 0x5AFE);
    let world = World::new(seed);
    let (page_size, vacuum) = (512 << (seed % 8), seed % 3);
    let a = world.host("a");
    let pair = Pair {
        blob: a.open("x.db", OPTIONS).unwrap(),
        model: Connection::open_in_memory().unwrap(),
    };
    pair.run(&format!("PRAGMA page_size={page_size}; PRAGMA auto_vacuum={vacuum}; CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    let cache = rng.pick(&[5, 100, -2000]);
    pair.blob
        .execute_batch(&format!("PRAGMA cache_size={cache}"))
        .unwrap();
    for step in 0..40 {
        let before = world.bucket.objects();
        let sql = random_statement(&mut rng);
        pair.run(&sql);
        if sql.ends_with("ROLLBACK") {
            assert!(world.bucket.objects() == before, "a rollback was sent");
        }
        if step % 10 == 9 {
            pair.compare();
            pair.blob.execute_batch("SELECT blob_compact()").unwrap();
        }
    }
    pair.compare();
    let (head, image) = checker::check(&world.bucket.objects(), "x.db");
    let b = world.host("b");
    assert!(image == b.image("x.db"));
    let cold = b.open("x.db", OPTIONS).unwrap();
    host::integrity(&cold);
    assert_eq!(int(&cold, "PRAGMA page_size").unwrap(), page_size as i64);
    assert_eq!(int(&cold, "PRAGMA auto_vacuum").unwrap(), vacuum as i64);
    format!("page size {page_size}, head {head}, {} bytes", image.len())
}

#[test]
fn every_page_size_and_auto_vacuum_equals_the_model() {
    every_seed(24, shapes);
}

#[test]
fn vacuum_into_both_ways() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000)); DELETE FROM t; INSERT INTO t VALUES(7)").unwrap();
    let plain = a.path("copy.db");
    db.execute_batch(&format!("VACUUM INTO 'file:{}?vfs=unix'", plain.display()))
        .unwrap();
    let copy = Connection::open(&plain).unwrap();
    assert_eq!(int(&copy, "SELECT x FROM t").unwrap(), 7);
    a.enter();
    copy.execute_batch(&format!("VACUUM INTO '{}'", a.uri("y.db", OPTIONS)))
        .unwrap();
    let again = world.host("b").open("y.db", OPTIONS).unwrap();
    assert_eq!(int(&again, "SELECT x FROM t").unwrap(), 7);
    checker::check(&world.bucket.objects(), "y.db");
}

#[test]
fn a_transaction_of_tens_of_megabytes_spills_and_is_read_back_by_range() {
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch(
        "PRAGMA cache_size=10; CREATE TABLE t(id INTEGER PRIMARY KEY, x);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24000)
         INSERT INTO t(x) SELECT randomblob(1000) FROM n;
         BEGIN; UPDATE t SET x = randomblob(1001); DELETE FROM t WHERE id % 4 = 0; COMMIT",
    )
    .unwrap();
    // Without its page sums it is read through once instead.
    for without in [false, true] {
        if without {
            for key in world
                .bucket
                .objects()
                .into_keys()
                .filter(|key| key.contains("/sums/"))
            {
                world.bucket.tamper(&key, None);
            }
        }
        let cold = world.host(&format!("cold {without}"));
        let db = cold.open("x.db", OPTIONS).unwrap();
        assert_eq!(
            int(&db, "SELECT length(x) FROM t WHERE id = 11111").unwrap(),
            1001
        );
        assert_eq!(
            int(&db, "SELECT sum(length(x)) FROM t").unwrap(),
            18000 * 1001
        );
    }
    checker::check(&world.bucket.objects(), "x.db");
}

/// A database beyond 1 GiB, whose lock page (number 16385 at 64 KiB) is never stored.
/// Takes gigabytes of memory and disk, so only in the long form.
#[test]
fn a_database_grows_and_shrinks_across_the_lock_page() {
    if std::env::var("SIM_SEEDS").is_err() {
        return;
    }
    let world = World::new(1);
    let a = world.host("a");
    let db = a.open("x.db", OPTIONS).unwrap();
    db.execute_batch(
        "PRAGMA page_size=65536; PRAGMA auto_vacuum=1; CREATE TABLE t(id INTEGER PRIMARY KEY, x);
         INSERT INTO t VALUES(1, zeroblob(900000000))",
    )
    .unwrap();
    // Across the lock page, a little at a time around it.
    for id in 2..6 {
        db.execute_batch(&format!("INSERT INTO t VALUES({id}, zeroblob(60000000))"))
            .unwrap();
    }
    assert!(int(&db, "PRAGMA page_count").unwrap() > 16_385);
    let sum = "SELECT sum(length(x)) + sum(substr(x, -1) = x'00') FROM t";
    assert_eq!(int(&db, sum).unwrap(), 1_140_000_005);
    let b = world.host("b");
    let cold = b.open("x.db", "max_staleness=0&cache_size=10MB").unwrap();
    assert_eq!(int(&cold, sum).unwrap(), 1_140_000_005);
    // Back to below it, and over it again.
    db.execute_batch("DELETE FROM t WHERE id > 2").unwrap();
    assert!(int(&cold, "PRAGMA page_count").unwrap() < 16_385);
    db.execute_batch("INSERT INTO t VALUES(9, zeroblob(300000000))")
        .unwrap();
    host::integrity(&cold);
    db.execute_batch("SELECT blob_snapshot()").unwrap();
    let (_, image) = checker::check(&world.bucket.objects(), "x.db");
    assert!(
        image[1 << 30..(1 << 30) + 65536]
            .iter()
            .all(|byte| *byte == 0)
    );
    assert!(image == world.host("c").image("x.db"));
}

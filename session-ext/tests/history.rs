//! The pages of two points: changesets of whole databases, and damaged pages that must not do harm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rusqlite::Connection;
use sqlbridge_session_ext::history::{Pages, changeset_between};
use sqlite_abi::{Extension, entry};

/// Nothing but the boundary to SQLite, initialised by the first connection.
struct Boundary;

impl Extension for Boundary {
    const NAME: &'static str = "boundary";
    const VERSION: &'static str = "0";

    fn register(_: &sqlite_abi::Connection<'_>) -> Result<(), String> {
        Ok(())
    }
}

#[derive(Clone)]
struct Image(Vec<u8>);

const PAGE: usize = 512;

impl Pages for Image {
    fn page_size(&self) -> usize {
        PAGE
    }

    fn page_count(&self) -> u32 {
        (self.0.len() / PAGE) as u32
    }

    fn read(&mut self, number: u32, page: &mut [u8]) -> Result<(), String> {
        let start = (number as usize - 1) * PAGE;
        page.copy_from_slice(&self.0[start..start + PAGE]);
        Ok(())
    }
}

/// A database before and after statements.
fn images() -> (Image, Image) {
    entry::auto_extend_linked::<Boundary>().unwrap();
    let mut db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "PRAGMA page_size = 512; PRAGMA auto_vacuum = 2;
         CREATE TABLE t(id INTEGER PRIMARY KEY, a REAL, b);
         CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
         CREATE INDEX i ON t(b);
         WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80)
         INSERT INTO t SELECT i, i, zeroblob(i * 20) FROM n;
         INSERT INTO w SELECT 'key ' || id, b FROM t;
         DELETE FROM t WHERE id % 7 = 0;",
    )
    .unwrap();
    let before = Image(db.serialize("main").unwrap().to_vec());
    db.execute_batch("UPDATE t SET a = a + 1 WHERE id > 70; DELETE FROM w WHERE k > 'key 5'")
        .unwrap();
    let after = Image(db.serialize("main").unwrap().to_vec());
    (before, after)
}

fn same(old: &Image, new: &Image) -> impl Fn(u32) -> bool + use<> {
    let (old, new) = (old.0.clone(), new.0.clone());
    move |number| {
        let range = (number as usize - 1) * PAGE..number as usize * PAGE;
        old.get(range.clone()) == new.get(range)
    }
}

#[test]
fn unchanged_pages_need_not_be_read() {
    let (mut old, mut new) = images();
    let skipping = changeset_between(&mut old.clone(), &mut new.clone(), &same(&old, &new), false);
    let reading = changeset_between(&mut old, &mut new, &|_| false, false);
    assert!(!skipping.as_ref().unwrap().is_empty());
    assert_eq!(skipping, reading);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_pages_do_no_harm(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..12),
    ) {
        let (mut old, mut new) = images();
        let same = same(&old, &new);
        for (place, byte, first) in damages {
            // Headers of pages are what leads elsewhere; half of the damages hit them.
            let image = if byte % 2 == 0 { &mut old.0 } else { &mut new.0 };
            let at = place.index(image.len());
            let at = if first { at / PAGE * PAGE + at % 12 } else { at };
            image[at] = byte;
        }
        // Any answer will do, in finite time and memory.
        drop(changeset_between(&mut old, &mut new, &same, false));
    }
}

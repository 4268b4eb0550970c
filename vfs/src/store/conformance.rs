//! What every store must pass, whatever is behind it: run by the tests of each.
//!
//! All functions work below a folder that is theirs alone and leave nothing behind.
//! A broken promise comes back as a sentence.

use std::sync::{Arc, Barrier};
use std::thread;

use bytes::Bytes;

use super::{Body, ErrorKind, Part, Store, StoreError};

/// A sentence about the promise that was broken.
pub type Verdict = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

/// Threads that fill a store for [`listing`].
const FILLERS: usize = 4;

/// Runs everything, with keys below `folder` (no slash at its end).
///
/// # Errors
/// The first promise that is broken.
pub fn all(store: &Arc<dyn Store>, folder: &str) -> Verdict {
    absent(&**store, folder)?;
    create_never_replaces(&**store, folder)?;
    one_creator_wins(store, folder, 4, 8)?;
    parts(&**store, folder)?;
    put_replaces(&**store, folder)?;
    from_file(&**store, folder)?;
    listing(store, folder, 1003)?; // beyond one page of S3
    deleting(&**store, folder)?;
    bad_keys(&**store)?;
    counting(&**store, folder)
}

/// What is not there reads as not found and lists as nothing.
pub fn absent(store: &dyn Store, folder: &str) -> Verdict {
    let missing = store.get(&format!("{folder}/absent/nothing"), Part::Whole);
    let kind = missing.err().map(|e| e.kind);
    ensure!(
        kind == Some(ErrorKind::NotFound),
        "a missing object reads as {kind:?}"
    );
    let listing = store.list(&format!("{folder}/absent/")).map_err(text)?;
    ensure!(
        listing.objects.is_empty(),
        "an empty folder lists {:?}",
        listing.objects
    );
    let names = store
        .list_names(&format!("{folder}/absent/"))
        .map_err(text)?;
    ensure!(names.is_empty(), "an empty folder has the names {names:?}");
    Ok(())
}

/// The second create of a key is refused and changes nothing.
pub fn create_never_replaces(store: &dyn Store, folder: &str) -> Verdict {
    let key = format!("{folder}/create/a");
    store
        .create(&key, &body("first"), 1_700_000_000_123)
        .map_err(text)?;
    let second = store.create(&key, &body("second"), 1_700_000_000_456);
    let kind = second.err().map(|e| e.kind);
    ensure!(
        kind == Some(ErrorKind::AlreadyExists),
        "a second create gives {kind:?}"
    );
    let kept = store.get(&key, Part::Whole).map_err(text)?;
    ensure!(
        kept.bytes == "first",
        "a second create left {:?}",
        kept.bytes
    );
    store.delete(&[key]).map_err(text)
}

/// Of `writers` concurrent creates exactly one succeeds, the others hear that the key
/// is taken, and the winner's bytes are there; `rounds` times.
pub fn one_creator_wins(
    store: &Arc<dyn Store>,
    folder: &str,
    rounds: usize,
    writers: usize,
) -> Verdict {
    for round in 0..rounds {
        let key = format!("{folder}/race/{round}");
        let barrier = Arc::new(Barrier::new(writers));
        let spawn = |writer: usize| {
            let (store, barrier, key) = (Arc::clone(store), Arc::clone(&barrier), key.clone());
            thread::spawn(move || {
                barrier.wait();
                store.create(&key, &body(&writer.to_string()), 0)
            })
        };
        let threads: Vec<_> = (0..writers).map(spawn).collect();
        let mut winners = Vec::new();
        for (writer, thread) in threads.into_iter().enumerate() {
            match thread.join().map_err(|_| "a writer panicked".to_owned())? {
                Ok(()) => winners.push(writer),
                Err(e) if matches!(e.kind, ErrorKind::AlreadyExists | ErrorKind::Throttled) => {}
                Err(e) => return Err(format!("a losing create failed otherwise: {e}")),
            }
        }
        ensure!(
            winners.len() == 1,
            "{} of {writers} concurrent creates won",
            winners.len()
        );
        let kept = store.get(&key, Part::Whole).map_err(text)?;
        ensure!(
            kept.bytes == winners[0].to_string(),
            "the object is not the winner's"
        );
        store.delete(&[key]).map_err(text)?;
    }
    Ok(())
}

/// Every part of an object, at its edges and beyond them, one by one and all at once.
pub fn parts(store: &dyn Store, folder: &str) -> Verdict {
    let key = format!("{folder}/parts/object");
    let empty = format!("{folder}/parts/empty");
    let content: Vec<u8> = (0..100_000_u32).map(|i| (i * 31 % 251) as u8).collect();
    store
        .create(&key, &Body::Memory(Bytes::from(content.clone())), 0)
        .map_err(text)?;
    store.create(&empty, &body(""), 0).map_err(text)?;
    let cases = [
        (&key, Part::Whole, 0, 100_000),
        (&key, Part::Range(0..1), 0, 1),
        (&key, Part::Range(99_990..100_000), 99_990, 10),
        (&key, Part::Range(99_990..200_000), 99_990, 10),
        (&key, Part::Range(100_000..100_001), 100_000, 0),
        (&key, Part::Range(5_000_000..5_000_100), 100_000, 0),
        (&key, Part::Range(7..7), 7, 0),
        (&key, Part::Tail(100), 99_900, 100),
        (&key, Part::Tail(1 << 40), 0, 100_000),
        (&empty, Part::Whole, 0, 0),
        (&empty, Part::Range(0..10), 0, 0),
        (&empty, Part::Tail(10), 0, 0),
    ];
    let requests: Vec<_> = cases
        .iter()
        .map(|(k, part, ..)| ((*k).clone(), part.clone()))
        .collect();
    let many = store.get_many(&requests);
    ensure!(
        many.len() == cases.len(),
        "get_many answered {} of {}",
        many.len(),
        cases.len()
    );
    for ((key, part, start, len), many) in cases.into_iter().zip(many) {
        let (start, len): (usize, usize) = (start, len);
        for fetched in [store.get(key, part.clone()), many] {
            let fetched = fetched.map_err(text)?;
            let full = if *key == empty { &[][..] } else { &content[..] };
            ensure!(
                fetched.bytes == full[start.min(full.len())..][..len],
                "{part:?}: wrong bytes"
            );
            ensure!(
                len == 0 || fetched.offset == start as u64,
                "{part:?}: offset {}",
                fetched.offset
            );
            ensure!(
                fetched.object_size == full.len() as u64,
                "{part:?}: object size {}",
                fetched.object_size
            );
        }
    }
    let missing = store.get(&format!("{folder}/parts/nothing"), Part::Range(5..9));
    let kind = missing.err().map(|e| e.kind);
    ensure!(
        kind == Some(ErrorKind::NotFound),
        "a part of a missing object reads as {kind:?}"
    );
    store.delete(&[key, empty]).map_err(text)
}

/// A put makes an object and replaces one.
pub fn put_replaces(store: &dyn Store, folder: &str) -> Verdict {
    let key = format!("{folder}/put/a");
    for content in ["one", "and two", ""] {
        store.put(&key, &body(content)).map_err(text)?;
        let read = store.get(&key, Part::Whole).map_err(text)?;
        ensure!(
            read.bytes == content,
            "after a put of {content:?} there is {:?}",
            read.bytes
        );
    }
    store.delete(&[key]).map_err(text)
}

/// A body that is a file: the first bytes of it, the handle's cursor left alone.
pub fn from_file(store: &dyn Store, folder: &str) -> Verdict {
    use std::io::{Seek, SeekFrom, Write};
    let content: Vec<u8> = (0..300_000_u32).map(|i| (i * 17 % 241) as u8).collect();
    let failed = |e: std::io::Error| format!("the test's own file: {e}");
    let path = std::env::temp_dir().join(format!("sqlbridge-body-{:x}", std::process::id()));
    let options = || {
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .clone()
    };
    let mut file = options().open(&path).map_err(failed)?;
    std::fs::remove_file(&path).map_err(failed)?;
    file.write_all(&content).map_err(failed)?;
    file.seek(SeekFrom::Start(5)).map_err(failed)?;
    let file = Arc::new(file);
    let len = content.len() as u64 - 1;
    let key = format!("{folder}/file/a");
    store
        .create(
            &key,
            &Body::File {
                file: Arc::clone(&file),
                len,
            },
            0,
        )
        .map_err(text)?;
    store
        .put(
            &key,
            &Body::File {
                file: Arc::clone(&file),
                len,
            },
        )
        .map_err(text)?;
    let read = store.get(&key, Part::Whole).map_err(text)?;
    ensure!(
        read.bytes == content[..content.len() - 1],
        "a file's content came out different"
    );
    ensure!(
        (&*file).stream_position().map_err(failed)? == 5,
        "the cursor was moved"
    );
    store.delete(&[key]).map_err(text)
}

/// Listings of `count` objects and a few are whole, sorted, bounded by their folder,
/// and carry sizes and ages.
pub fn listing(store: &Arc<dyn Store>, folder: &str, count: usize) -> Verdict {
    let key = |i: usize| format!("{folder}/list/a/{:04x}", i * 7919 % 65_536);
    let fill = |first: usize| {
        let mut mine = (first..count).step_by(FILLERS);
        mine.try_for_each(|i| store.create(&key(i), &body(&"x".repeat(i % 5)), 1_000))
    };
    thread::scope(|scope| {
        let fill = &fill;
        let threads: Vec<_> = (0..FILLERS).map(|i| scope.spawn(move || fill(i))).collect();
        let mut results = threads.into_iter().map(|t| t.join());
        results.try_for_each(|r| r.map_err(|_| "a writer panicked".to_owned())?.map_err(text))
    })?;
    let extra = [
        format!("{folder}/list/b/c/deep"),
        format!("{folder}/list/top"),
    ];
    let sibling = format!("{folder}/list-not/x");
    for key in extra.iter().chain([&sibling]) {
        store.create(key, &body("y"), 1_000).map_err(text)?;
    }
    let mut keys: Vec<_> = (0..count).map(key).chain(extra.clone()).collect();
    keys.sort_unstable();
    let listing = store.list(&format!("{folder}/list/")).map_err(text)?;
    let listed: Vec<_> = listing.objects.iter().map(|o| o.key.clone()).collect();
    ensure!(
        listed == keys,
        "{} keys were listed instead of {}",
        listed.len(),
        keys.len()
    );
    let age = |o: &super::Object| (listing.now_ms - o.modified_ms).abs();
    let odd = listing
        .objects
        .iter()
        .find(|o| age(o) > 600_000 || o.size > 4);
    ensure!(odd.is_none(), "at {} there is {odd:?}", listing.now_ms);
    let part = store.list(&format!("{folder}/list/b/")).map_err(text)?;
    ensure!(
        part.objects.len() == 1,
        "a folder's folder lists {:?}",
        part.objects
    );
    let names = store.list_names(&format!("{folder}/list/")).map_err(text)?;
    ensure!(names == ["a", "b", "top"], "the names are {names:?}");
    let names = store
        .list_names(&format!("{folder}/list/a/"))
        .map_err(text)?;
    ensure!(
        names.len() == count && names.is_sorted(),
        "{} names",
        names.len()
    );
    keys.push(sibling);
    store.delete(&keys).map_err(text)?;
    let names = store.list_names(&format!("{folder}/list/")).map_err(text)?;
    ensure!(
        names.is_empty(),
        "after deleting all there are the names {names:?}"
    );
    Ok(())
}

/// Deleting removes what is there and does not mind what is not.
pub fn deleting(store: &dyn Store, folder: &str) -> Verdict {
    let (there, gone) = (
        format!("{folder}/delete/there"),
        format!("{folder}/delete/gone"),
    );
    store.create(&there, &body("x"), 0).map_err(text)?;
    store.delete(&[gone, there.clone()]).map_err(text)?;
    store.delete(&[]).map_err(text)?;
    let kind = store.get(&there, Part::Whole).err().map(|e| e.kind);
    ensure!(
        kind == Some(ErrorKind::NotFound),
        "a deleted object reads as {kind:?}"
    );
    store.create(&there, &body("again"), 0).map_err(text)?;
    store.delete(&[there]).map_err(text)
}

/// What could escape the store's prefix is refused, by every operation.
pub fn bad_keys(store: &dyn Store) -> Verdict {
    for key in ["", "/etc/x", "../x", "a/../../x", "a//b", "a b", "a/", "ä"] {
        let results = [
            store.get(key, Part::Whole).err(),
            store.create(key, &body("x"), 0).err(),
            store.put(key, &body("x")).err(),
            store.delete(&[key.to_owned()]).err(),
        ];
        for error in results {
            let kind = error.map(|e| e.kind);
            ensure!(
                kind == Some(ErrorKind::Rejected),
                "the key {key:?} gives {kind:?}"
            );
        }
    }
    let kind = store.list("../").err().map(|e| e.kind);
    ensure!(
        kind == Some(ErrorKind::Rejected),
        "the prefix ../ gives {kind:?}"
    );
    Ok(())
}

/// Requests and bytes are counted; "not found" is no error.
pub fn counting(store: &dyn Store, folder: &str) -> Verdict {
    let key = format!("{folder}/count/a");
    let start = store.counters();
    store.create(&key, &body("12345"), 0).map_err(text)?;
    let created = store.counters();
    ensure!(
        created.puts - start.puts == 1,
        "{} PUTs for a create",
        created.puts - start.puts
    );
    let sent = created.bytes_out - start.bytes_out;
    ensure!(sent == 5, "{sent} bytes sent for an object of 5");
    let before = store.counters();
    store.get(&key, Part::Range(1..4)).map_err(text)?;
    let received = store.counters().bytes_in - before.bytes_in;
    ensure!(received == 3, "{received} bytes received for a part of 3");
    let missing = store.get(&format!("{folder}/count/b"), Part::Whole);
    ensure!(missing.is_err(), "a missing object was read");
    let end = store.counters();
    ensure!(
        end.gets - start.gets == 2,
        "{} GETs for two reads",
        end.gets - start.gets
    );
    ensure!(
        end.errors == start.errors,
        "'not found' was counted as an error"
    );
    store.delete(&[key]).map_err(text)
}

fn body(content: &str) -> Body {
    Body::Memory(Bytes::copy_from_slice(content.as_bytes()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: StoreError) -> String {
    error.to_string()
}

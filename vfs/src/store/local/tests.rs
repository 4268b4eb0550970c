use super::*;
use crate::store::conformance;

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sqlbridge-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn store(&self) -> LocalStore {
        LocalStore::new(&self.0.join("store"), false, Arc::new(System))
    }

    fn file(&self, key: &str) -> PathBuf {
        self.0.join("store").join(key)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn body(text: &str) -> Body {
    Body::Memory(Bytes::copy_from_slice(text.as_bytes()))
}

/// Every name below a directory, hidden ones too.
fn everything(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        names.push(entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            names.extend(everything(&entry.path()));
        }
    }
    names.sort();
    names
}

#[test]
fn it_is_a_store() {
    let scratch = Scratch::new("conformance");
    let store: Arc<dyn Store> = Arc::new(scratch.store());
    conformance::all(&store, "app.db").unwrap();
    conformance::one_creator_wins(&store, "app.db", 50, 8).unwrap();
}

#[test]
fn reading_makes_nothing_and_writing_makes_the_directory() {
    let scratch = Scratch::new("made");
    let store = scratch.store();
    assert!(store.list("").unwrap().objects.is_empty());
    assert!(store.list_names("").unwrap().is_empty());
    assert_eq!(
        store.get("a/b", Part::Whole).unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert!(!scratch.0.join("store").exists());
    store.create("a/b", &body("x"), 0).unwrap();
    assert_eq!(everything(&scratch.0), ["a", "b", "store"]);
}

#[test]
fn mtime_is_the_timestamp_and_age_is_the_kernels() {
    let scratch = Scratch::new("times");
    let store = scratch.store();
    store.create("db/x", &body("x"), 1_700_000_000_123).unwrap();
    let metadata = fs::metadata(scratch.file("db/x")).unwrap();
    let mtime = metadata
        .modified()
        .unwrap()
        .duration_since(UNIX_EPOCH)
        .unwrap();
    assert_eq!(mtime.as_millis(), 1_700_000_000_123);
    let listing = store.list("db/").unwrap();
    assert!((listing.now_ms - listing.objects[0].modified_ms).abs() < 60_000);
}

#[test]
fn temporary_files_are_no_objects_and_old_ones_are_swept() {
    let scratch = Scratch::new("sweep");
    scratch.store().create("db/x", &body("x"), 0).unwrap();
    let young = scratch.file("db/.sqlbridge-1-00.tmp");
    fs::write(&young, "half").unwrap();
    let store = scratch.store();
    assert_eq!(store.list("").unwrap().objects.len(), 1);
    assert_eq!(store.list_names("db/").unwrap(), ["x"]);
    store.create("db/y", &body("y"), 0).unwrap();
    assert!(young.exists(), "a writer may still be at it");
    assert_eq!(everything(&scratch.file("db")).len(), 3);
    // Change times cannot be set back, so the rule itself is asked.
    let metadata = fs::metadata(&young).unwrap();
    assert!(is_left_behind(
        &metadata,
        changed_ms(&metadata) + STALE_MS + 1
    ));
    assert!(!is_left_behind(&metadata, changed_ms(&metadata) + STALE_MS));
}

#[test]
fn a_folder_without_files_has_no_name() {
    let scratch = Scratch::new("empty");
    let store = scratch.store();
    store.create("db/ltx/0/a", &body("x"), 0).unwrap();
    assert_eq!(store.list_names("").unwrap(), ["db"]);
    store.delete(&["db/ltx/0/a".to_owned()]).unwrap();
    assert!(store.list_names("").unwrap().is_empty());
}

#[test]
fn a_directory_removed_under_our_feet_is_made_again() {
    let scratch = Scratch::new("removed");
    let store = scratch.store();
    store.create("db/a", &body("x"), 0).unwrap();
    fs::remove_dir_all(scratch.0.join("store")).unwrap();
    store.create("db/a", &body("x"), 0).unwrap();
    assert_eq!(everything(&scratch.0), ["a", "db", "store"]);
}

#[test]
fn a_file_where_a_folder_should_be_is_no_lost_race() {
    let scratch = Scratch::new("inway");
    let store = scratch.store();
    store.create("db", &body("a plain file"), 0).unwrap();
    for key in ["db/x", "db/ltx/0/x"] {
        let error = store.create(key, &body("x"), 0).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{error}");
        assert_eq!(
            store.get(key, Part::Whole).unwrap_err().kind,
            ErrorKind::NotFound
        );
    }
    assert!(store.list("db/").unwrap().objects.is_empty());
}

#[test]
fn what_the_system_says_is_told_apart() {
    let kind = |code: i32| kind_of(&io::Error::from_raw_os_error(code));
    use rustix::io::Errno;
    for (errno, expected) in [
        (Errno::EXIST, ErrorKind::AlreadyExists),
        (Errno::NOSPC, ErrorKind::Full),
        (Errno::DQUOT, ErrorKind::Full),
        (Errno::ACCESS, ErrorKind::Denied),
        (Errno::PERM, ErrorKind::Denied),
        (Errno::ROFS, ErrorKind::Denied),
        (Errno::MFILE, ErrorKind::Throttled),
        (Errno::IO, ErrorKind::Rejected),
    ] {
        assert_eq!(kind(errno.raw_os_error()), expected, "{errno:?}");
    }
}

#[test]
fn a_network_file_system_is_refused_unless_there_is_one_writer() {
    let scratch = Scratch::new("network");
    let on_nfs = |single_writer| LocalStore {
        network_kind: |_| Some("NFS"),
        ..LocalStore::new(&scratch.0.join("store"), single_writer, Arc::new(System))
    };
    let error = on_nfs(false).create("db/a", &body("x"), 0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(
        error.detail.contains("(NFS)") && error.detail.contains("single_writer=1"),
        "{error}"
    );
    assert!(!scratch.0.join("store").exists());
    on_nfs(true).create("db/a", &body("x"), 0).unwrap();
    on_nfs(false).get("db/a", Part::Whole).unwrap();
}

#[test]
fn every_directory_is_synced_on_the_way_once() {
    let scratch = Scratch::new("durable");
    let store = scratch.store();
    store.create("db/ltx/0/a", &body("x"), 0).unwrap();
    let known = store.durable.load();
    assert_eq!(
        known.iter().collect::<Vec<_>>(),
        [&scratch.file("db/ltx/0")]
    );
}

#[test]
fn a_reader_of_a_replaced_file_sees_one_of_the_two() {
    let scratch = Scratch::new("replace");
    let store = scratch.store();
    store.put("a", &body(&"1".repeat(5000))).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..200 {
                let text = if i % 2 == 0 {
                    "2".repeat(9000)
                } else {
                    "1".repeat(5000)
                };
                store.put("a", &body(&text)).unwrap();
            }
        });
        while !writer.is_finished() {
            let read = store.get("a", Part::Whole).unwrap();
            let whole = matches!(
                (read.bytes.len(), read.bytes[0]),
                (5000, b'1') | (9000, b'2')
            );
            assert!(whole && read.bytes.iter().all(|b| *b == read.bytes[0]));
        }
    });
}

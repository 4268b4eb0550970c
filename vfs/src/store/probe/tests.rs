use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::env::System;
use crate::store::memory::{Bucket, Fault};

/// Real randomness, a clock that is set by hand.
#[derive(Debug, Default)]
struct Clock(Mutex<i64>);

impl Environment for Clock {
    fn wall_ms(&self) -> i64 {
        *self.0.lock().unwrap()
    }
    fn boot_time(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration.as_millis() as i64;
    }
    fn random(&self) -> u64 {
        System.random()
    }
}

/// A store of its own URL: what is remembered is remembered for the whole process.
#[derive(Debug)]
struct Named {
    url: String,
    inner: Arc<dyn Store>,
    /// How a create is cheated: every so-and-so-many-th overwrites.
    overwrites: bool,
}

impl Store for Named {
    fn url(&self) -> &str {
        &self.url
    }
    fn key_style(&self) -> KeyStyle {
        self.inner.key_style()
    }
    fn max_object_size(&self) -> u64 {
        1
    }
    fn get(&self, key: &str, part: Part) -> Result<Fetched, StoreError> {
        self.inner.get(key, part)
    }
    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError> {
        if self.overwrites {
            return self.inner.put(key, body);
        }
        self.inner.create(key, body, timestamp_ms)
    }
    fn put(&self, key: &str, body: &Body) -> Result<(), StoreError> {
        self.inner.put(key, body)
    }
    fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.inner.list(prefix)
    }
    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list_names(prefix)
    }
    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.inner.delete(keys)
    }
    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

struct Fixture {
    bucket: Arc<Bucket>,
    clock: Arc<Clock>,
    url: String,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let clock = Arc::new(Clock(Mutex::new(1_000_000)));
        Self {
            bucket: Bucket::new(clock.clone()),
            clock,
            url: format!("test://{name}"),
        }
    }

    fn probed(&self, state_dir: Option<&Path>, overwrites: bool) -> Probed {
        let inner = self.bucket.host("a", self.clock.clone());
        let named = Named {
            url: self.url.clone(),
            inner,
            overwrites,
        };
        Probed::new(
            Arc::new(named),
            state_dir.map(Path::to_owned),
            self.clock.clone(),
        )
    }

    fn forget(&self) {
        PASSED.rcu(|passed| {
            let mut passed = passed.as_deref().cloned().unwrap_or_default();
            passed.remove(&self.url);
            Some(Arc::new(passed))
        });
    }
}

fn create(store: &Probed, key: &str) -> Result<(), StoreError> {
    store.create(key, &Body::Memory(Bytes::new()), 0)
}

#[test]
fn a_good_store_is_probed_once_and_left_clean() {
    let fixture = Fixture::new("good");
    let store = fixture.probed(None, false);
    assert!(store.get("k", Part::Whole).is_err());
    assert_eq!(fixture.bucket.requests(), 1, "reading does not probe");
    create(&store, "k").unwrap();
    let requests = fixture.bucket.requests();
    assert_eq!(requests, 1 + (ROUNDS * (WRITERS + 1)) as u64 + 1);
    create(&fixture.probed(None, false), "l").unwrap();
    assert_eq!(fixture.bucket.requests(), requests + 1, "remembered by URL");
    assert_eq!(
        fixture.bucket.objects().into_keys().collect::<Vec<_>>(),
        ["k", "l"]
    );
}

#[test]
fn a_store_that_ignores_the_condition_is_refused_before_the_first_write() {
    let fixture = Fixture::new("bad");
    let error = create(&fixture.probed(None, true), "k").unwrap_err();
    assert_eq!((error.kind, error.key.as_str()), (ErrorKind::Rejected, "k"));
    assert!(
        error.detail.starts_with("8 of 8 concurrent creates"),
        "{error}"
    );
    assert!(error.detail.contains("single_writer=1"), "{error}");
    assert!(fixture.bucket.objects().is_empty());
    create(&fixture.probed(None, true), "k").unwrap_err();
}

#[test]
fn failures_on_the_way_decide_nothing() {
    let fixture = Fixture::new("flaky");
    // In the first round everybody loses their answer.
    fixture
        .bucket
        .on_request(|r| (r.number <= WRITERS as u64).then_some(Fault::After(500)));
    create(&fixture.probed(None, false), "k").unwrap();

    let down = Fixture::new("down");
    down.bucket.on_request(|_| Some(Fault::After(500)));
    let error = create(&down.probed(None, false), "k").unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Throttled,
        "the create itself was never sent"
    );
    assert!(error.detail.contains("tried out"), "{error}");

    let denied = Fixture::new("denied");
    denied.bucket.on_request(|_| Some(Fault::Before(403)));
    assert_eq!(
        create(&denied.probed(None, false), "k").unwrap_err().kind,
        ErrorKind::Denied
    );

    let unable = Fixture::new("unable");
    unable.bucket.on_request(|_| Some(Fault::Before(501)));
    let error = create(&unable.probed(None, false), "k").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.detail.contains("use another store"), "{error}");
}

#[test]
fn a_note_spares_later_processes_the_probe_for_a_week() {
    let directory = std::env::temp_dir().join(format!("sqlbridge-probe-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let fixture = Fixture::new("noted");
    let probes = |expected: bool| {
        fixture.forget();
        let before = fixture.bucket.requests();
        create(
            &fixture.probed(Some(&directory), false),
            &format!("k{before}"),
        )
        .unwrap();
        assert_eq!(fixture.bucket.requests() - before > 1, expected);
    };
    probes(true);
    probes(false);
    *fixture.clock.0.lock().unwrap() += VALID_MS;
    probes(true);
    probes(false);
    *fixture.clock.0.lock().unwrap() -= 2 * VALID_MS;
    probes(true);
    let note = fs::read_dir(&directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(&note, "garbage").unwrap();
    probes(true);
    let text = fs::read_to_string(&note)
        .unwrap()
        .replace("test://noted", "test://other");
    fs::write(&note, text).unwrap();
    probes(true);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    fs::remove_dir_all(&directory).unwrap();
}

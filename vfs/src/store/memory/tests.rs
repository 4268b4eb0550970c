use super::*;
use crate::env::System;
use crate::store::conformance;

/// A clock that only moves when somebody waits.
#[derive(Debug, Default)]
struct Clock(Mutex<Duration>);

impl Environment for Clock {
    fn wall_ms(&self) -> i64 {
        self.0.lock().unwrap().as_millis() as i64
    }
    fn boot_time(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
    fn random(&self) -> u64 {
        4
    }
}

fn pair() -> (Arc<Bucket>, Arc<Host>, Arc<Clock>) {
    let clock = Arc::new(Clock::default());
    let bucket = Bucket::new(clock.clone());
    let host = bucket.host("a", clock.clone());
    (bucket, host, clock)
}

fn body(text: &str) -> Body {
    Body::Memory(Bytes::copy_from_slice(text.as_bytes()))
}

fn create(host: &Host, key: &str) -> Result<(), ErrorKind> {
    host.create(key, &body(key), 7).map_err(|e| e.kind)
}

#[test]
fn it_is_a_store() {
    let store: Arc<dyn Store> = Bucket::new(Arc::new(System)).host("a", Arc::new(System));
    conformance::all(&store, "app.db").unwrap();
}

#[test]
fn a_fault_before_leaves_nothing_and_one_after_leaves_the_object() {
    for (fault, kind, lands) in [
        (Fault::Unreachable, ErrorKind::Unreachable, false),
        (Fault::Before(409), ErrorKind::Throttled, false),
        (Fault::Before(412), ErrorKind::AlreadyExists, false),
        (Fault::Before(429), ErrorKind::Throttled, false),
        (Fault::Before(500), ErrorKind::Ambiguous, false),
        (Fault::Before(503), ErrorKind::Ambiguous, false),
        (Fault::After(503), ErrorKind::Ambiguous, true),
        (Fault::After(412), ErrorKind::AlreadyExists, true),
        (Fault::Truncated, ErrorKind::Ambiguous, true),
        (
            Fault::Timeout {
                after: Duration::from_secs(30),
                applied: true,
            },
            ErrorKind::Ambiguous,
            true,
        ),
        (
            Fault::Timeout {
                after: Duration::from_secs(30),
                applied: false,
            },
            ErrorKind::Ambiguous,
            false,
        ),
    ] {
        let (bucket, host, _) = pair();
        bucket.fail_nth(1, fault);
        assert_eq!(create(&host, "k"), Err(kind), "{fault:?}");
        assert_eq!(bucket.objects().contains_key("k"), lands, "{fault:?}");
        let next = if lands {
            Err(ErrorKind::AlreadyExists)
        } else {
            Ok(())
        };
        assert_eq!(
            create(&host, "k"),
            next,
            "{fault:?}: only one request fails"
        );
    }
}

#[test]
fn waiting_moves_the_hosts_clock() {
    let (bucket, host, clock) = pair();
    bucket.fail_nth(1, Fault::Slow(Duration::from_secs(2)));
    create(&host, "k").unwrap();
    assert_eq!(clock.wall_ms(), 2000);
    bucket.fail_nth(
        1,
        Fault::Timeout {
            after: Duration::from_secs(30),
            applied: false,
        },
    );
    host.get("k", Part::Whole).unwrap_err();
    assert_eq!(clock.wall_ms(), 32_000);
}

#[test]
fn a_delayed_create_lands_when_the_schedule_says_and_loses_to_one_that_came_first() {
    let delayed = Fault::Delayed {
        wait: Duration::from_secs(1),
        requests: 2,
    };
    let (bucket, host, _) = pair();
    bucket.fail_nth(1, delayed);
    assert_eq!(create(&host, "k"), Err(ErrorKind::Ambiguous));
    assert_eq!(
        host.get("k", Part::Whole).unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(bucket.delayed(), 1);
    assert_eq!(host.get("k", Part::Whole).unwrap().bytes, "k");
    assert_eq!(bucket.timestamp_ms("k"), Some(7));

    bucket.fail_nth(1, delayed);
    assert_eq!(create(&host, "l"), Err(ErrorKind::Ambiguous));
    host.create("l", &body("rival"), 0).unwrap();
    bucket.land();
    assert_eq!(bucket.objects()["l"], "rival");
}

#[test]
fn a_stale_listing_hides_the_newest() {
    let (bucket, host, _) = pair();
    for key in ["z", "b", "a"] {
        create(&host, key).unwrap();
    }
    bucket.fail_nth(1, Fault::Stale(2));
    let keys = |listing: Listing| {
        listing
            .objects
            .into_iter()
            .map(|o| o.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(host.list("").unwrap()), ["z"]);
    assert_eq!(keys(host.list("").unwrap()), ["a", "b", "z"]);
    bucket.fail_nth(1, Fault::Stale(9));
    assert!(host.list("").unwrap().objects.is_empty());
}

#[test]
fn the_schedule_sees_who_asks_for_what() {
    let (bucket, a, clock) = pair();
    let b = bucket.host("b", clock);
    bucket.on_request(|r| {
        (r.host == "b" && r.operation == Operation::Get && r.key == "k")
            .then_some(Fault::Before(500))
    });
    create(&a, "k").unwrap();
    a.get("k", Part::Whole).unwrap();
    assert_eq!(
        b.get("k", Part::Whole).unwrap_err().kind,
        ErrorKind::Ambiguous
    );
    bucket.heal();
    b.get("k", Part::Whole).unwrap();
    assert_eq!(bucket.requests(), 4);
    assert_eq!(bucket.log()[2], "3 b read k: Before(500)");
    assert_eq!(
        (a.counters().puts, a.counters().gets, b.counters().errors),
        (1, 1, 1)
    );
}

#[test]
fn tampering_is_seen() {
    let (bucket, host, _) = pair();
    create(&host, "k").unwrap();
    bucket.tamper("k", Some("other".into()));
    assert_eq!(host.get("k", Part::Tail(2)).unwrap().bytes, "er");
    bucket.tamper("k", None);
    assert_eq!(
        host.get("k", Part::Whole).unwrap_err().kind,
        ErrorKind::NotFound
    );
}

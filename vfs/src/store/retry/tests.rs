use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::store::Operation;
use crate::store::memory::{Bucket, Fault, Host};

#[derive(Debug, Default)]
struct Clock {
    now: Mutex<Duration>,
    sleeps: Mutex<Vec<Duration>>,
}

impl Environment for Clock {
    fn wall_ms(&self) -> i64 {
        0
    }
    fn boot_time(&self) -> Duration {
        *self.now.lock().unwrap()
    }
    fn sleep(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration;
        self.sleeps.lock().unwrap().push(duration);
    }
    fn random(&self) -> u64 {
        u64::MAX
    }
}

fn patient(seconds: u64) -> (Arc<Bucket>, Arc<Host>, Retry, Arc<Clock>) {
    let clock = Arc::new(Clock::default());
    let bucket = Bucket::new(clock.clone());
    let host = bucket.host("a", clock.clone());
    let retry = Retry::new(host.clone(), Duration::from_secs(seconds), clock.clone());
    (bucket, host, retry, clock)
}

fn body() -> Body {
    Body::Memory(Bytes::from_static(b"x"))
}

#[test]
fn failures_that_pass_are_waited_out_with_growing_pauses() {
    for fault in [
        Fault::Unreachable,
        Fault::Before(503),
        Fault::Before(500),
        Fault::Before(429),
    ] {
        let (bucket, host, retry, clock) = patient(30);
        host.create("k", &body(), 0).unwrap();
        let first = bucket.requests() + 1;
        bucket.on_request(move |r| (r.number < first + 3).then_some(fault));
        assert_eq!(retry.get("k", Part::Whole).unwrap().bytes, "x", "{fault:?}");
        let sleeps = clock.sleeps.lock().unwrap();
        assert_eq!(sleeps.len(), 3);
        assert!(sleeps[0] >= Duration::from_millis(25) && sleeps[0] <= Duration::from_millis(50));
        assert!(sleeps.is_sorted());
    }
}

#[test]
fn the_deadline_ends_it_and_the_error_says_so() {
    let (bucket, _, retry, clock) = patient(10);
    bucket.on_request(|_| Some(Fault::Before(500)));
    for result in [
        retry.get("k", Part::Whole).err(),
        retry.put("k", &body()).err(),
        retry.list("").err(),
        retry.list_names("").err(),
        retry.delete(&["k".to_owned()]).err(),
    ] {
        let error = result.unwrap();
        assert_eq!(error.kind, ErrorKind::Ambiguous);
        assert!(
            error.detail.contains("given up after 8 attempts in"),
            "{error}"
        );
    }
    assert!(clock.boot_time() < Duration::from_secs(50));
}

#[test]
fn what_will_not_pass_fails_at_once() {
    for status in [404, 403, 400] {
        let (bucket, _, retry, clock) = patient(30);
        bucket.on_request(move |_| Some(Fault::Before(status)));
        let error = retry.get("k", Part::Whole).unwrap_err();
        assert!(!error.detail.contains("given up"), "{error}");
        assert!(clock.sleeps.lock().unwrap().is_empty(), "{status}");
    }
}

#[test]
fn a_create_is_never_repeated() {
    for fault in [
        Fault::Unreachable,
        Fault::Before(429),
        Fault::Before(503),
        Fault::After(500),
    ] {
        let (bucket, _, retry, _) = patient(30);
        bucket.fail_nth(1, fault);
        retry.create("k", &body(), 0).unwrap_err();
        assert_eq!(bucket.requests(), 1, "{fault:?}");
    }
}

#[test]
fn of_many_reads_only_the_failed_are_repeated() {
    let (bucket, host, retry, _) = patient(30);
    for key in ["a", "b", "c"] {
        host.create(key, &body(), 0).unwrap();
    }
    let before = bucket.requests();
    bucket.on_request(move |r| {
        (r.operation == Operation::Get && r.key == "b" && r.number < before + 5)
            .then_some(Fault::Before(500))
    });
    let wanted = ["a", "b", "nothing", "c"].map(|key| (key.to_owned(), Part::Whole));
    let results = retry.get_many(&wanted);
    let kinds: Vec<_> = results
        .iter()
        .map(|r| r.as_ref().err().map(|e| e.kind))
        .collect();
    assert_eq!(kinds, [None, None, Some(ErrorKind::NotFound), None]);
    assert_eq!(bucket.requests() - before, 5);
}

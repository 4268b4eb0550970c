//! A store in memory with faults on demand, for tests and simulation.
//!
//! A [`Bucket`] is what all hosts share; a [`Host`] is one host's handle, with its
//! own environment and counters, and is the [`Store`]. Requests are numbered from 1
//! over the whole bucket; before each one the schedule is asked for a [`Fault`]:
//!
//! ```
//! # use std::sync::Arc;
//! # use sqlbridge_vfs::{env::System, store::{Body, Store, memory::{Bucket, Fault}}};
//! let bucket = Bucket::new(Arc::new(System));
//! let (a, b) = (bucket.host("a", Arc::new(System)), bucket.host("b", Arc::new(System)));
//! bucket.fail_nth(1, Fault::After(504));
//! let body = Body::Memory("x".into());
//! assert!(a.create("k", &body, 0).is_err()); // it landed all the same
//! assert_eq!(b.list("").unwrap().objects.len(), 1);
//! ```
//!
//! Faults change what happens and what is reported; nothing but the schedule and
//! the bucket's environment decides either, so a history replays from its seed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::meter::Meter;
use super::{
    Body, Counters, ErrorKind, Fetched, KeyStyle, Listing, Object, Operation, Part, Store,
    StoreError, key,
};
use crate::env::Environment;

pub use self::fault::Fault;
use self::fault::Outcome;

mod fault;
#[cfg(test)]
mod tests;

/// A request, as the schedule sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// 1 for the bucket's first.
    pub number: u64,
    /// Who asks.
    pub host: &'a str,
    /// For what.
    pub operation: Operation,
    /// Of which object, or below which prefix.
    pub key: &'a str,
}

type Schedule = Box<dyn FnMut(&Request<'_>) -> Option<Fault> + Send>;

/// The objects, the clock and the schedule that all hosts share.
pub struct Bucket {
    state: Mutex<State>,
    env: Arc<dyn Environment>,
    style: KeyStyle,
}

struct State {
    objects: BTreeMap<String, Stored>,
    delayed: Vec<Delayed>,
    requests: u64,
    writes: u64,
    schedule: Schedule,
    log: Vec<String>,
}

#[derive(Debug, Clone)]
struct Stored {
    bytes: Bytes,
    modified_ms: i64,
    timestamp_ms: Option<i64>,
    /// Position in the order of writes: what "newest" means.
    order: u64,
}

/// A write on its way.
#[derive(Debug)]
struct Delayed {
    due: u64,
    write: Write,
}

#[derive(Debug, Clone)]
struct Write {
    key: String,
    bytes: Bytes,
    /// Given for a create.
    timestamp_ms: Option<i64>,
}

/// One host's handle to a bucket.
#[derive(Debug)]
pub struct Host {
    bucket: Arc<Bucket>,
    name: String,
    url: String,
    env: Arc<dyn Environment>,
    meter: Meter,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Bucket")
            .field("objects", &state.objects.len())
            .field("requests", &state.requests)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// An empty bucket with S3's key style, whose clock is `env`.
    #[must_use]
    pub fn new(env: Arc<dyn Environment>) -> Arc<Self> {
        Self::with_style(env, KeyStyle::Hex)
    }

    /// An empty bucket of another key style.
    #[must_use]
    pub fn with_style(env: Arc<dyn Environment>, style: KeyStyle) -> Arc<Self> {
        let state = State {
            objects: BTreeMap::new(),
            delayed: Vec::new(),
            requests: 0,
            writes: 0,
            schedule: Box::new(|_| None),
            log: Vec::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            env,
            style,
        })
    }

    /// A handle for one host.
    #[must_use]
    pub fn host(self: &Arc<Self>, name: &str, env: Arc<dyn Environment>) -> Arc<Host> {
        Arc::new(Host {
            bucket: Arc::clone(self),
            name: name.to_owned(),
            url: "memory://bucket".to_owned(),
            env,
            meter: Meter::default(),
        })
    }

    /// Asks `schedule` before every request from now on.
    pub fn on_request(&self, schedule: impl FnMut(&Request<'_>) -> Option<Fault> + Send + 'static) {
        self.lock().schedule = Box::new(schedule);
    }

    /// Lets the `n`th request from now (1 is the next) go wrong, and only that one.
    pub fn fail_nth(&self, n: u64, fault: Fault) {
        let due = self.requests() + n;
        self.on_request(move |request| (request.number == due).then_some(fault));
    }

    /// No more faults.
    pub fn heal(&self) {
        self.on_request(|_| None);
    }

    /// Requests so far, of all hosts.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Writes still on their way.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.lock().delayed.len()
    }

    /// Lets every write that is still on its way take effect now.
    pub fn land(&self) {
        let now = self.env.wall_ms();
        self.lock().land(u64::MAX, now);
    }

    /// Every object's key and content.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.lock()
            .objects
            .iter()
            .map(|(k, v)| (k.clone(), v.bytes.clone()))
            .collect()
    }

    /// The timestamp an object was created with.
    #[must_use]
    pub fn timestamp_ms(&self, key: &str) -> Option<i64> {
        self.lock().objects.get(key)?.timestamp_ms
    }

    /// Sets an object's content behind everybody's back; `None` removes it.
    pub fn tamper(&self, key: &str, content: Option<Bytes>) {
        let now = self.env.wall_ms();
        let mut state = self.lock();
        match content {
            Some(bytes) => {
                let timestamp_ms = state.objects.get(key).and_then(|o| o.timestamp_ms);
                state.apply(
                    Write {
                        key: key.to_owned(),
                        bytes,
                        timestamp_ms,
                    },
                    now,
                );
            }
            None => {
                state.objects.remove(key);
            }
        }
    }

    /// What was asked so far, one line each, for a failing test's message.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Numbers the request, lands what is due and asks for the fault.
    fn begin(&mut self, host: &str, operation: Operation, key: &str, now: i64) -> Option<Fault> {
        self.requests += 1;
        self.land(self.requests, now);
        let request = Request {
            number: self.requests,
            host,
            operation,
            key,
        };
        let fault = (self.schedule)(&request);
        self.log.push(match fault {
            Some(fault) => format!("{} {host} {operation} {key}: {fault:?}", self.requests),
            None => format!("{} {host} {operation} {key}", self.requests),
        });
        fault
    }

    fn land(&mut self, number: u64, now: i64) {
        let (due, later) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition(|d| d.due <= number);
        self.delayed = later;
        for Delayed { write, .. } in due {
            let taken = write.timestamp_ms.is_some() && self.objects.contains_key(&write.key);
            if !taken {
                self.apply(write, now);
            }
        }
    }

    fn apply(&mut self, write: Write, now: i64) {
        self.writes += 1;
        let Write {
            key,
            bytes,
            timestamp_ms,
        } = write;
        let order = self.writes;
        self.objects.insert(
            key,
            Stored {
                bytes,
                modified_ms: now,
                timestamp_ms,
                order,
            },
        );
    }

    fn page(&self, prefix: &str, hidden: usize) -> Vec<Object> {
        let mut newest: Vec<u64> = self.objects.values().map(|o| o.order).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        let horizon = if hidden == 0 {
            u64::MAX
        } else {
            newest.get(hidden - 1).copied().unwrap_or(0)
        };
        let below = self
            .objects
            .range(prefix.to_owned()..)
            .take_while(|(k, _)| k.starts_with(prefix));
        below
            .filter(|(_, o)| o.order < horizon)
            .map(|(k, o)| Object {
                key: k.clone(),
                size: o.bytes.len() as u64,
                modified_ms: o.modified_ms,
            })
            .collect()
    }
}

impl Host {
    fn error(&self, operation: Operation, key: &str, kind: ErrorKind, detail: &str) -> StoreError {
        let error = StoreError {
            kind,
            operation,
            store: self.url.clone(),
            key: key.to_owned(),
            detail: detail.to_owned(),
        };
        self.meter.failed(&error);
        error
    }

    fn checked<T>(
        &self,
        operation: Operation,
        key: &str,
        checked: Result<T, key::KeyError>,
    ) -> Result<T, StoreError> {
        checked.map_err(|why| {
            let detail = format!("this is no key: {why}");
            self.error(operation, key, ErrorKind::Rejected, &detail)
        })
    }

    /// One request: its fault, its effect under the lock, the wait after it, its report.
    fn request<T>(
        &self,
        operation: Operation,
        key: &str,
        effect: impl FnOnce(&mut State, &Outcome, i64) -> Result<T, ErrorKind>,
    ) -> Result<T, StoreError> {
        self.meter.request(operation);
        let now = self.bucket.env.wall_ms();
        let (outcome, result) = {
            let mut state = self.bucket.lock();
            let fault = state.begin(&self.name, operation, key, now);
            let outcome = Outcome::of(fault, operation);
            let acts = outcome.effect || outcome.delayed_by.is_some();
            let result = acts.then(|| effect(&mut state, &outcome, now));
            (outcome, result)
        };
        if outcome.wait > Duration::ZERO {
            self.env.sleep(outcome.wait);
        }
        match (outcome.report, result) {
            (Some((kind, detail)), _) => Err(self.error(operation, key, kind, &detail)),
            (None, Some(Ok(value))) => Ok(value),
            (None, Some(Err(kind))) => {
                let detail = match kind {
                    ErrorKind::AlreadyExists => "the key is taken",
                    _ => "no such object",
                };
                Err(self.error(operation, key, kind, detail))
            }
            (None, None) => Err(self.error(operation, key, ErrorKind::Ambiguous, "no answer")),
        }
    }

    fn write(
        &self,
        operation: Operation,
        key: &str,
        body: &Body,
        timestamp_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.checked(operation, key, key::check(key))?;
        let bytes = contents(body).map_err(|e| {
            self.error(
                operation,
                key,
                ErrorKind::Rejected,
                &format!("the source file: {e}"),
            )
        })?;
        self.meter.sent(bytes.len() as u64);
        let write = Write {
            key: key.to_owned(),
            bytes,
            timestamp_ms,
        };
        self.request(operation, key, |state, outcome, now| {
            if let Some(requests) = outcome.delayed_by {
                let due = state.requests + requests;
                state.delayed.push(Delayed { due, write });
            } else if timestamp_ms.is_some() && state.objects.contains_key(key) {
                return Err(ErrorKind::AlreadyExists);
            } else {
                state.apply(write, now);
            }
            Ok(())
        })
    }
}

impl Store for Host {
    fn url(&self) -> &str {
        &self.url
    }

    fn key_style(&self) -> KeyStyle {
        self.bucket.style
    }

    fn max_object_size(&self) -> u64 {
        i64::MAX as u64
    }

    fn get(&self, key: &str, part: Part) -> Result<Fetched, StoreError> {
        self.checked(Operation::Get, key, key::check(key))?;
        let fetched = self.request(Operation::Get, key, |state, _, _| {
            let stored = state.objects.get(key).ok_or(ErrorKind::NotFound)?;
            Ok(slice(&stored.bytes, &part))
        })?;
        self.meter.received(fetched.bytes.len() as u64);
        Ok(fetched)
    }

    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError> {
        self.write(Operation::Create, key, body, Some(timestamp_ms))
    }

    fn put(&self, key: &str, body: &Body) -> Result<(), StoreError> {
        self.write(Operation::Put, key, body, None)
    }

    fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let folder = self.checked(Operation::List, prefix, key::check_prefix(prefix))?;
        let prefix = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        self.request(Operation::List, &prefix, |state, outcome, now| {
            Ok(Listing {
                objects: state.page(&prefix, outcome.hidden),
                now_ms: now,
            })
        })
    }

    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let listing = self.list(prefix)?;
        let skip = if prefix.is_empty() {
            0
        } else {
            prefix.trim_end_matches('/').len() + 1
        };
        let names = listing
            .objects
            .iter()
            .filter_map(|o| o.key[skip..].split('/').next());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        for key in keys {
            self.checked(Operation::Delete, key, key::check(key))?;
        }
        let first = keys.first().map_or("", String::as_str);
        self.request(Operation::Delete, first, |state, outcome, _| {
            if outcome.delayed_by.is_none() {
                for key in keys {
                    state.objects.remove(key);
                }
            }
            Ok(())
        })
    }

    fn counters(&self) -> Counters {
        self.meter.read()
    }
}

fn slice(bytes: &Bytes, part: &Part) -> Fetched {
    let len = bytes.len();
    let clamp = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(len);
    let (start, end) = match part {
        Part::Whole => (0, len),
        Part::Range(range) => (clamp(range.start), clamp(range.end)),
        Part::Tail(n) => (len - clamp(*n), len),
    };
    Fetched {
        bytes: bytes.slice(start..end.max(start)),
        offset: start as u64,
        object_size: len as u64,
    }
}

fn contents(body: &Body) -> std::io::Result<Bytes> {
    use std::os::unix::fs::FileExt;
    match body {
        Body::Memory(bytes) => Ok(bytes.clone()),
        Body::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(*len).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(Bytes::from(bytes))
        }
    }
}

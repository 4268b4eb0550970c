//! Repeats what may be repeated: reads, listings, deletions and unconditional
//! writes, which end in the same state however often they are done. Never a
//! create: after an ambiguous failure only its caller can recognise its own object.

use std::sync::Arc;
use std::time::Duration;

use super::{Body, Counters, ErrorKind, Fetched, KeyStyle, Listing, Part, Store, StoreError};
use crate::env::Environment;

#[cfg(test)]
mod tests;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A store that tries again, with growing pauses, until a deadline.
#[derive(Debug)]
pub(super) struct Retry {
    inner: Arc<dyn Store>,
    deadline: Duration,
    env: Arc<dyn Environment>,
}

/// One operation's attempts so far.
struct Attempts<'a> {
    retry: &'a Retry,
    began: Duration,
    count: u32,
    pause: Duration,
}

impl Retry {
    pub(super) fn new(
        inner: Arc<dyn Store>,
        deadline: Duration,
        env: Arc<dyn Environment>,
    ) -> Self {
        Self {
            inner,
            deadline,
            env,
        }
    }

    fn attempts(&self) -> Attempts<'_> {
        let began = self.env.boot_time();
        Attempts {
            retry: self,
            began,
            count: 0,
            pause: FIRST_PAUSE,
        }
    }

    fn until_done<T>(&self, ask: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut attempts = self.attempts();
        loop {
            match ask() {
                Err(e) if may_pass(e.kind) => {
                    if !attempts.wait() {
                        return Err(attempts.give_up(e));
                    }
                }
                done => return done,
            }
        }
    }
}

impl Attempts<'_> {
    /// Waits for the next attempt; false where the deadline leaves no time for one.
    fn wait(&mut self) -> bool {
        self.count += 1;
        let env = &self.retry.env;
        // Between half and the whole of it, so that many clients do not come back together.
        let share = 0.5 + (env.random() >> 11) as f64 / (1_u64 << 54) as f64;
        let pause = self.pause.mul_f64(share);
        let elapsed = env.boot_time().saturating_sub(self.began);
        if elapsed + pause >= self.retry.deadline {
            return false;
        }
        env.sleep(pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }

    fn give_up(&self, mut error: StoreError) -> StoreError {
        if self.count > 1 {
            let elapsed = self.retry.env.boot_time().saturating_sub(self.began);
            error.detail.push_str(&format!(
                " (given up after {} attempts in {:.1} s)",
                self.count,
                elapsed.as_secs_f64()
            ));
        }
        error
    }
}

/// True for failures that another attempt may not meet.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unreachable | ErrorKind::Throttled | ErrorKind::Ambiguous
    )
}

impl Store for Retry {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn key_style(&self) -> KeyStyle {
        self.inner.key_style()
    }

    fn max_object_size(&self) -> u64 {
        self.inner.max_object_size()
    }

    fn get(&self, key: &str, part: Part) -> Result<Fetched, StoreError> {
        self.until_done(|| self.inner.get(key, part.clone()))
    }

    /// Only those that failed are asked for again.
    fn get_many(&self, requests: &[(String, Part)]) -> Vec<Result<Fetched, StoreError>> {
        let mut results = self.inner.get_many(requests);
        let mut attempts = self.attempts();
        loop {
            let failed = |r: &Result<_, StoreError>| r.as_ref().is_err_and(|e| may_pass(e.kind));
            let again: Vec<usize> = (0..results.len())
                .filter(|&i| failed(&results[i]))
                .collect();
            if again.is_empty() {
                return results;
            }
            if !attempts.wait() {
                let give_up = |r: Result<_, StoreError>| {
                    r.map_err(|e| {
                        if may_pass(e.kind) {
                            attempts.give_up(e)
                        } else {
                            e
                        }
                    })
                };
                return results.into_iter().map(give_up).collect();
            }
            let missing: Vec<_> = again.iter().map(|&i| requests[i].clone()).collect();
            for (i, result) in again.into_iter().zip(self.inner.get_many(&missing)) {
                results[i] = result;
            }
        }
    }

    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError> {
        self.inner.create(key, body, timestamp_ms)
    }

    fn put(&self, key: &str, body: &Body) -> Result<(), StoreError> {
        self.until_done(|| self.inner.put(key, body))
    }

    fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.until_done(|| self.inner.list(prefix))
    }

    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.until_done(|| self.inner.list_names(prefix))
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.until_done(|| self.inner.delete(keys))
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

//! Does the store keep its promise? Asked before this process's first create.
//!
//! Some servers accept "only if absent" and ignore it; others check and then write,
//! which only shows under concurrency. Either would let two hosts overwrite each
//! other's commits. So several threads create the same key at once, a few times, and
//! each time exactly one may win.
//!
//! A store that passed is remembered by its URL: in memory, and where a directory
//! for such notes is given, there for a week, so that short-lived processes do not
//! probe every time. Reading never probes: it may be all that the credentials allow.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use super::{
    Body, Counters, ErrorKind, Fetched, KeyStyle, Listing, Operation, Part, Store, StoreError,
};
use crate::checksum::checksum;
use crate::env::Environment;

#[cfg(test)]
mod tests;

const ROUNDS: usize = 3;
const WRITERS: usize = 8;
/// A round in which a request failed says nothing; so many may be repeated.
const SPARE_ROUNDS: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);
const VALID_MS: i64 = 7 * 24 * 3600 * 1000;

/// URLs of the stores that passed. No lock, so that `fork` cannot leave one held.
static PASSED: ArcSwapOption<BTreeSet<String>> = ArcSwapOption::const_empty();

/// A store that is probed before its first create.
#[derive(Debug)]
pub(super) struct Probed {
    inner: Arc<dyn Store>,
    state_dir: Option<PathBuf>,
    env: Arc<dyn Environment>,
}

/// What one round showed.
enum Round {
    /// Exactly one writer won.
    Right,
    /// So many won.
    Wrong(usize),
    /// Some request failed, so that nobody can say.
    Unclear(StoreError),
}

impl Probed {
    pub(super) fn new(
        inner: Arc<dyn Store>,
        state_dir: Option<PathBuf>,
        env: Arc<dyn Environment>,
    ) -> Self {
        Self {
            inner,
            state_dir,
            env,
        }
    }

    fn ensure(&self, key: &str) -> Result<(), StoreError> {
        let url = self.inner.url();
        if PASSED
            .load()
            .as_ref()
            .is_some_and(|passed| passed.contains(url))
        {
            return Ok(());
        }
        if !self.noted() {
            self.probe(key)?;
            self.note();
        }
        PASSED.rcu(|passed| {
            let mut passed = passed.as_deref().cloned().unwrap_or_default();
            passed.insert(url.to_owned());
            Some(Arc::new(passed))
        });
        Ok(())
    }

    fn probe(&self, key: &str) -> Result<(), StoreError> {
        let mut right = 0;
        let mut spare = SPARE_ROUNDS;
        while right < ROUNDS {
            match self.round() {
                Round::Right => right += 1,
                Round::Wrong(winners) => return Err(self.broken(key, winners)),
                Round::Unclear(e) if e.kind == ErrorKind::Rejected => {
                    return Err(self.unable(key, &e));
                }
                Round::Unclear(e) => {
                    let passing = matches!(
                        e.kind,
                        ErrorKind::Ambiguous | ErrorKind::Throttled | ErrorKind::Unreachable
                    );
                    if !passing || spare == 0 {
                        return Err(self.unanswered(key, e));
                    }
                    spare -= 1;
                    self.env.sleep(PAUSE);
                }
            }
        }
        Ok(())
    }

    /// Lets all writers create one key at the same time.
    fn round(&self) -> Round {
        let key = format!(".sqlbridge-probe/{:016x}", self.env.random());
        let body = Body::Memory(Bytes::from_static(b"sqlbridge probe, may be deleted"));
        let now = self.env.wall_ms();
        let create = || self.inner.create(&key, &body, now);
        let results: Vec<_> = thread::scope(|scope| {
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, create).ok();
            // All are started before the first is waited for.
            let threads: Vec<_> = (0..WRITERS).map(spawn).collect();
            threads
                .into_iter()
                .flatten()
                .filter_map(|t| t.join().ok())
                .collect()
        });
        // Best effort: credentials may not allow it, and what stays harms nobody.
        let _ = self.inner.delete(std::slice::from_ref(&key));
        let winners = results.iter().filter(|r| r.is_ok()).count();
        if winners > 1 {
            return Round::Wrong(winners);
        }
        let lost = |e: &StoreError| e.kind == ErrorKind::AlreadyExists;
        let definite = results
            .iter()
            .filter_map(|r| r.as_ref().err())
            .filter(|e| lost(e))
            .count();
        if winners == 1 && definite > 0 {
            return Round::Right;
        }
        let failure = results
            .into_iter()
            .filter_map(Result::err)
            .find(|e| !lost(e));
        Round::Unclear(failure.unwrap_or_else(|| {
            self.error(
                &key,
                ErrorKind::Throttled,
                "none of its writers won".to_owned(),
            )
        }))
    }

    fn broken(&self, key: &str, winners: usize) -> StoreError {
        let detail = format!(
            "{winners} of {WRITERS} concurrent creates of one object succeeded where one may, so \
             hosts would overwrite each other's commits here; use a store that honours \
             If-None-Match, or give single_writer=1 if only one process ever writes"
        );
        self.error(key, ErrorKind::Rejected, detail)
    }

    fn unable(&self, key: &str, why: &StoreError) -> StoreError {
        let detail = format!(
            "it refuses to create an object only where none exists ({}), without which hosts would \
             overwrite each other's commits; use another store",
            why.detail
        );
        self.error(key, ErrorKind::Rejected, detail)
    }

    /// The failure of a probe as the failure of the create that wanted it. Nothing
    /// of that create was sent, so it is never ambiguous.
    fn unanswered(&self, key: &str, why: StoreError) -> StoreError {
        let kind = match why.kind {
            ErrorKind::Ambiguous => ErrorKind::Throttled,
            kind => kind,
        };
        let detail = format!(
            "before the first write the store is tried out: {}",
            why.detail
        );
        self.error(key, kind, detail)
    }

    fn error(&self, key: &str, kind: ErrorKind, detail: String) -> StoreError {
        let (store, key) = (self.inner.url().to_owned(), key.to_owned());
        StoreError {
            kind,
            operation: Operation::Create,
            store,
            key,
            detail,
        }
    }

    fn note_path(&self) -> Option<PathBuf> {
        let name = format!("probe-{:016x}", checksum(self.inner.url().as_bytes()));
        Some(self.state_dir.as_ref()?.join(name))
    }

    /// True where another process left word not long ago.
    fn noted(&self) -> bool {
        let Some(text) = self
            .note_path()
            .and_then(|path| fs::read_to_string(path).ok())
        else {
            return false;
        };
        let Some((time, url)) = text.trim_end().split_once(' ') else {
            return false;
        };
        let age = time.parse::<i64>().map(|then| self.env.wall_ms() - then);
        url == self.inner.url() && age.is_ok_and(|age| (0..VALID_MS).contains(&age))
    }

    /// Leaves word for later processes. Best effort.
    fn note(&self) {
        let Some(path) = self.note_path() else { return };
        let temp = path.with_extension(format!("{:x}", self.env.random()));
        let text = format!("{} {}\n", self.env.wall_ms(), self.inner.url());
        let written = fs::write(&temp, text).and_then(|()| fs::rename(&temp, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temp);
        }
    }
}

impl Store for Probed {
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
        self.inner.get(key, part)
    }

    fn get_many(&self, requests: &[(String, Part)]) -> Vec<Result<Fetched, StoreError>> {
        self.inner.get_many(requests)
    }

    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError> {
        self.ensure(key)?;
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

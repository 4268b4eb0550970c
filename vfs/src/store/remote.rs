//! S3, Azure Blob Storage and Google Cloud Storage, over `object_store`.
//!
//! One attempt per call, whatever happens: `object_store`'s own retries are off,
//! because one inside a create would hide that an earlier attempt may have landed.
//! `retry.rs` repeats what may be repeated.
//!
//! | module | what |
//! | --- | --- |
//! | [`build`], [`profile`] | from options to a client |
//! | [`bridge`] | the I/O threads, and `fork` |
//! | [`transport`] | HTTP, and a record of what each request met |
//! | [`outcome`] | from that record to the error a caller acts on |
//! | [`upload`] | bodies in one request, in parts, and staged |

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};

use self::bridge::{Broken, PerProcess};
use self::build::Plan;
use self::outcome::{Judgement, judge};
use self::transport::{Connector, Exchange, Met, TRACE, Trace};
use super::meter::Meter;
use super::options::{OpenError, Options, StoreKind};
use super::{
    Body, Counters, ErrorKind, Fetched, KeyStyle, Listing, Object, Operation, Part, Store,
    StoreError, key,
};
use crate::env::Environment;

mod bridge;
mod build;
mod outcome;
mod profile;
mod transport;
mod upload;

/// How many reads of one [`Store::get_many`] are under way at once.
const READS_AT_ONCE: usize = 16;

/// How many objects are deleted before the next are: one request, on S3 and on Azure.
const DELETES_AT_ONCE: usize = 250;

/// A bucket, below a prefix.
pub(super) struct RemoteStore {
    plan: Plan,
    /// Every key's beginning, without the slash that follows.
    prefix: Path,
    meter: Arc<Meter>,
    env: Arc<dyn Environment>,
    client: PerProcess<Arc<dyn ObjectStore>>,
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteStore").field(&self.plan.url).finish()
    }
}

impl RemoteStore {
    /// Checks the options and makes the client. Sends nothing.
    pub(super) fn open(
        kind: StoreKind,
        bucket: &str,
        prefix: &str,
        options: &Options,
        env: Arc<dyn Environment>,
    ) -> Result<Self, OpenError> {
        let store = Self {
            plan: build::plan(kind, bucket, prefix, options)?,
            prefix: Path::parse(prefix).map_err(|why| OpenError(why.to_string()))?,
            meter: Arc::default(),
            env,
            client: PerProcess::new(),
        };
        store.client().map_err(|why| {
            OpenError(format!(
                "the store {} cannot be set up: {why}",
                store.plan.url
            ))
        })?;
        Ok(store)
    }

    /// How long a request may take and may be tried.
    pub(super) fn timeout(&self) -> std::time::Duration {
        self.plan.timeout
    }

    fn client(&self) -> Result<Arc<dyn ObjectStore>, String> {
        self.client.get_or_make(|| {
            self.plan.build(Connector {
                timeout: self.plan.timeout,
                through_proxy: self.plan.through_proxy,
                meter: Arc::clone(&self.meter),
                clients: Arc::new(AtomicUsize::new(0)),
            })
        })
    }

    fn error(&self, operation: Operation, key: &str, (kind, detail): Judgement) -> StoreError {
        let (store, key) = (self.plan.url.clone(), key.to_owned());
        let error = StoreError {
            kind,
            operation,
            store,
            key,
            detail,
        };
        self.meter.failed(&error);
        error
    }

    fn path(&self, operation: Operation, key: &str) -> Result<Path, StoreError> {
        let refused = |why: String| {
            self.error(
                operation,
                key,
                (ErrorKind::Rejected, format!("this is no key: {why}")),
            )
        };
        key::check(key).map_err(|why| refused(why.to_string()))?;
        Path::parse(format!("{}/{key}", self.prefix)).map_err(|why| refused(why.to_string()))
    }

    fn folder(&self, prefix: &str) -> Result<Path, StoreError> {
        if prefix.is_empty() {
            return Ok(self.prefix.clone());
        }
        self.path(Operation::List, prefix.strip_suffix('/').unwrap_or(prefix))
    }

    /// The key of an object, or none where it is the folder itself.
    fn key_of<'a>(&self, location: &'a Path) -> Option<&'a str> {
        location
            .as_ref()
            .strip_prefix(self.prefix.as_ref())?
            .strip_prefix('/')
    }

    /// Runs one operation on the I/O threads; `judge` says what a failure means.
    fn perform<T, F>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce(Arc<dyn ObjectStore>) -> F,
        judge: impl FnOnce(&Trace, &object_store::Error) -> Judgement,
    ) -> Result<(T, Arc<Trace>), StoreError>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let trace = Trace::new(operation);
        let unreachable = |why: String| self.error(operation, key, (ErrorKind::Unreachable, why));
        let client = self.client().map_err(unreachable)?;
        match bridge::run(TRACE.scope(Arc::clone(&trace), work(client))) {
            Ok(Ok(value)) => Ok((value, trace)),
            Ok(Err(e)) => Err(self.error(operation, key, judge(&trace, &e))),
            Err(Broken::NotStarted(why)) => Err(unreachable(format!(
                "no I/O thread could be started: {why}"
            ))),
            Err(Broken::Halfway) => {
                let detail = "the request was broken off on this machine".to_owned();
                Err(self.error(operation, key, (ErrorKind::Ambiguous, detail)))
            }
        }
    }

    /// [`Self::perform`] with the ordinary judgement.
    fn ask<T, F>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce(Arc<dyn ObjectStore>) -> F,
    ) -> Result<(T, Arc<Trace>), StoreError>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        self.perform(operation, key, work, |trace, error| {
            judge(&self.plan.target, operation, trace, error)
        })
    }
}

impl Store for RemoteStore {
    fn url(&self) -> &str {
        &self.plan.url
    }

    fn key_style(&self) -> KeyStyle {
        match self.plan.target.kind {
            StoreKind::S3 => KeyStyle::Hex,
            _ => KeyStyle::Decimal,
        }
    }

    fn max_object_size(&self) -> u64 {
        upload::MAX_OBJECT_SIZE
    }

    fn get(&self, key: &str, part: Part) -> Result<Fetched, StoreError> {
        let path = self.path(Operation::Get, key)?;
        let kind = self.plan.target.kind;
        let read = self.ask(Operation::Get, key, |client| async move {
            read(&*client, kind, &path, &part).await
        });
        read.map(|(fetched, _)| fetched)
    }

    fn get_many(&self, requests: &[(String, Part)]) -> Vec<Result<Fetched, StoreError>> {
        if let [(key, part)] = requests {
            return vec![self.get(key, part.clone())];
        }
        let kind = self.plan.target.kind;
        let parse = |(key, part): &(String, Part)| {
            self.path(Operation::Get, key)
                .map(|path| (path, part.clone()))
        };
        let parsed: Vec<_> = requests.iter().map(parse).collect();
        let paths: Vec<_> = parsed
            .iter()
            .filter_map(|p| p.as_ref().ok().cloned())
            .collect();
        let key = requests.first().map_or("", |(key, _)| key);
        let all = self.ask(Operation::Get, key, |client| async move {
            let reads = stream::iter(paths).map(|(path, part)| {
                let client = Arc::clone(&client);
                let trace = Trace::new(Operation::Get);
                TRACE.scope(Arc::clone(&trace), async move {
                    read(&*client, kind, &path, &part)
                        .await
                        .map_err(|e| (e, trace))
                })
            });
            Ok(reads.buffered(READS_AT_ONCE).collect::<Vec<_>>().await)
        });
        let mut results = match all {
            Ok((results, _)) => results.into_iter(),
            Err(e) => return requests.iter().map(|_| Err(e.clone())).collect(),
        };
        let answer = |(parsed, (key, _)): (Result<_, StoreError>, &(String, Part))| {
            parsed?;
            let judged = |(e, trace): (object_store::Error, Arc<Trace>)| {
                let judgement = judge(&self.plan.target, Operation::Get, &trace, &e);
                self.error(Operation::Get, key, judgement)
            };
            match results.next() {
                Some(result) => result.map_err(judged),
                None => {
                    let lost = (ErrorKind::Ambiguous, "no answer".to_owned());
                    Err(self.error(Operation::Get, key, lost))
                }
            }
        };
        parsed.into_iter().zip(requests).map(answer).collect()
    }

    fn create(&self, key: &str, body: &Body, timestamp_ms: i64) -> Result<(), StoreError> {
        upload::create(self, key, body, timestamp_ms)
    }

    fn put(&self, key: &str, body: &Body) -> Result<(), StoreError> {
        upload::put(self, key, body)
    }

    fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let folder = self.folder(prefix)?;
        let (found, trace) = self.ask(Operation::List, prefix, |client| async move {
            client.list(Some(&folder)).try_collect::<Vec<_>>().await
        })?;
        let object = |meta: object_store::ObjectMeta| {
            let key = self.key_of(&meta.location)?.to_owned();
            let modified_ms = meta.last_modified.timestamp_millis();
            Some(Object {
                key,
                size: meta.size,
                modified_ms,
            })
        };
        let mut objects: Vec<_> = found.into_iter().filter_map(object).collect();
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let now_ms = trace.date_ms().unwrap_or_else(|| self.env.wall_ms());
        Ok(Listing { objects, now_ms })
    }

    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = self.folder(prefix)?;
        let (found, _) = self.ask(Operation::List, prefix, |client| async move {
            client.list_with_delimiter(Some(&folder)).await
        })?;
        let objects = found.objects.iter().map(|o| &o.location);
        let below = found
            .common_prefixes
            .iter()
            .chain(objects)
            .filter(|p| self.key_of(p).is_some());
        let mut names: Vec<String> = below
            .filter_map(|p| p.filename().map(str::to_owned))
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let paths = keys.iter().map(|key| self.path(Operation::Delete, key));
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        for (keys, paths) in keys
            .chunks(DELETES_AT_ONCE)
            .zip(paths.chunks(DELETES_AT_ONCE))
        {
            let paths: Vec<_> = paths.iter().cloned().map(Ok).collect();
            let first = keys.first().map_or("", String::as_str);
            self.ask(Operation::Delete, first, |client| async move {
                let results = client.delete_stream(stream::iter(paths).boxed());
                let results = results.collect::<Vec<_>>().await;
                let mut failed = results
                    .into_iter()
                    .map(|r| r.map(drop))
                    .filter(|r| !is_gone(r));
                failed.next().unwrap_or(Ok(()))
            })?;
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.meter.read()
    }
}

/// True for a deletion that left nothing to be deleted.
fn is_gone(result: &object_store::Result<()>) -> bool {
    matches!(result, Ok(()) | Err(object_store::Error::NotFound { .. }))
}

/// Reads a part of an object.
///
/// At the edges servers differ: beyond an object's end they answer 416 with or
/// without the size, or 206 with a range that is none; a suffix longer than the object
/// makes some fail. There the object's size is asked for and decides.
async fn read(
    client: &dyn ObjectStore,
    kind: StoreKind,
    path: &Path,
    part: &Part,
) -> object_store::Result<Fetched> {
    let range = match part {
        Part::Whole => return collect(client.get_opts(path, ranged(None)).await?).await,
        Part::Range(range) if range.start < range.end => Some(GetRange::Bounded(range.clone())),
        // Azure has no suffix ranges.
        Part::Tail(len) if *len > 0 && kind != StoreKind::Azure => Some(GetRange::Suffix(*len)),
        Part::Range(_) | Part::Tail(_) => None,
    };
    let mut known_size = None;
    if range.is_some() {
        match client.get_opts(path, ranged(range)).await {
            Ok(result) => return collect(result).await,
            Err(e) => match last_exchange() {
                Some(last) if is_edge(&last) => known_size = last.object_size,
                _ => return Err(e),
            },
        }
    }
    let size = match known_size {
        Some(size) => size,
        None => client.head(path).await?.size,
    };
    let common = match part {
        Part::Tail(len) => size.saturating_sub(*len)..size,
        Part::Range(range) => range.start.min(size)..range.end.min(size),
        Part::Whole => 0..size,
    };
    if common.is_empty() {
        let offset = common.start;
        return Ok(Fetched {
            bytes: bytes::Bytes::new(),
            offset,
            object_size: size,
        });
    }
    collect(
        client
            .get_opts(path, ranged(Some(GetRange::Bounded(common))))
            .await?,
    )
    .await
}

fn ranged(range: Option<GetRange>) -> GetOptions {
    GetOptions {
        range,
        ..GetOptions::default()
    }
}

/// An answer's bytes; fewer than promised are an error.
async fn collect(result: GetResult) -> object_store::Result<Fetched> {
    let (object_size, range) = (result.meta.size, result.range.clone());
    let bytes = result.bytes().await?;
    if bytes.len() as u64 != range.end - range.start {
        let source = format!("{} bytes came of {}", bytes.len(), range.end - range.start).into();
        return Err(object_store::Error::Generic {
            store: "HTTP",
            source,
        });
    }
    Ok(Fetched {
        bytes,
        offset: range.start,
        object_size,
    })
}

fn last_exchange() -> Option<Exchange> {
    TRACE
        .try_with(|trace| trace.exchanges().pop())
        .ok()
        .flatten()
}

/// True where an answer may be a server's way of saying that a range does not fit.
fn is_edge(last: &Exchange) -> bool {
    matches!(
        last.met,
        Met::Success
            | Met::Refused {
                status: 416 | 500,
                ..
            }
    )
}

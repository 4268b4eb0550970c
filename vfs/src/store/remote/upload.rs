//! Writing: in one request while it fits, in parts beyond that.
//!
//! A create must be decided by one request with "only if absent". Uploads in parts
//! have no such mode in `object_store`, so a large object is first staged under a key
//! that is no transaction file's, then copied to its name with that condition, then
//! the staged one is deleted. Until the copy nothing can be seen at the name.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions,
};

use super::RemoteStore;
use super::outcome::{judge, judge_copy, undone};
use crate::store::options::StoreKind;
use crate::store::{Body, ErrorKind, KeyStyle, Operation, Store, StoreError};

/// What S3 copies in one request; every kind of store takes this much.
pub(super) const MAX_OBJECT_SIZE: u64 = 5 << 30;
/// Up to here an object is one request.
const SINGLE: u64 = 64 << 20;
const PART: u64 = 16 << 20;
/// Parts in memory at once.
const PARTS_AT_ONCE: usize = 4;

/// [`Store::create`].
pub(super) fn create(
    store: &RemoteStore,
    key: &str,
    body: &Body,
    timestamp_ms: i64,
) -> Result<(), StoreError> {
    let path = store.path(Operation::Create, key)?;
    check_size(store, Operation::Create, key, body)?;
    let attributes = attributes(store.plan.target.kind, timestamp_ms);
    if body.len() > SINGLE {
        return create_staged(store, key, path, body, attributes);
    }
    let bytes = contents(store, Operation::Create, key, body)?;
    let options = PutOptions {
        mode: PutMode::Create,
        attributes,
        ..PutOptions::default()
    };
    let created = store.ask(Operation::Create, key, |client| async move {
        client.put_opts(&path, bytes.into(), options).await
    });
    created.map(|_| ())
}

/// [`Store::put`].
pub(super) fn put(store: &RemoteStore, key: &str, body: &Body) -> Result<(), StoreError> {
    let path = store.path(Operation::Put, key)?;
    check_size(store, Operation::Put, key, body)?;
    if body.len() > SINGLE {
        let body = body.clone();
        let written = store.ask(Operation::Put, key, |client| async move {
            in_parts(&*client, &path, &body, Attributes::new()).await
        });
        return written.map(|_| ());
    }
    let bytes = contents(store, Operation::Put, key, body)?;
    let written = store.ask(Operation::Put, key, |client| async move {
        client
            .put_opts(&path, bytes.into(), PutOptions::default())
            .await
    });
    written.map(|_| ())
}

fn create_staged(
    store: &RemoteStore,
    key: &str,
    path: Path,
    body: &Body,
    attributes: Attributes,
) -> Result<(), StoreError> {
    let target = &store.plan.target;
    let staging = staging_key(key, store.key_style(), store.env.random());
    let staged = store.path(Operation::Create, &staging)?;
    let (from, content) = (staged.clone(), body.clone());
    let uploaded = store.perform(
        Operation::Create,
        key,
        |client| async move { in_parts(&*client, &from, &content, attributes).await },
        |trace, error| undone(judge(target, Operation::Put, trace, error)),
    );
    let copied = uploaded.and_then(|_| {
        let from = staged.clone();
        let copied = store.perform(
            Operation::Create,
            key,
            |client| async move { client.copy_if_not_exists(&from, &path).await },
            |trace, error| judge_copy(target, trace, error),
        );
        match copied {
            // Azure may copy in the background: the name is taken, its bytes not yet there.
            Ok((_, trace)) if trace.exchanges().iter().any(|e| e.pending) => {
                let detail = "the store is still copying the object".to_owned();
                Err(store.error(Operation::Create, key, (ErrorKind::Ambiguous, detail)))
            }
            copied => copied.map(|_| ()),
        }
    });
    // What stays behind if this fails is no transaction file and harms nobody.
    let _ = store.ask(Operation::Delete, &staging, |client| async move {
        client.delete(&staged).await
    });
    copied
}

/// Where a large object waits: `<database>/sqlbridge/staging/<random>`.
fn staging_key(key: &str, style: KeyStyle, random: u64) -> String {
    let mut folder = key;
    let mut up = || folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    up();
    up();
    if style == KeyStyle::Decimal && folder.ends_with("/ltx") {
        folder = folder.trim_end_matches("/ltx");
    }
    let slash = if folder.is_empty() { "" } else { "/" };
    format!(
        "{folder}{slash}sqlbridge/staging/{random:016x}-{:x}",
        std::process::id()
    )
}

/// Uploads in parts; the object appears, whole, with the last request.
async fn in_parts(
    client: &dyn ObjectStore,
    path: &Path,
    body: &Body,
    attributes: Attributes,
) -> object_store::Result<()> {
    let options = PutMultipartOptions {
        attributes,
        ..PutMultipartOptions::default()
    };
    let mut upload = client.put_multipart_opts(path, options).await?;
    let sent = async {
        let mut under_way = FuturesUnordered::new();
        let mut at = 0;
        while at < body.len() {
            if under_way.len() == PARTS_AT_ONCE {
                under_way.next().await.transpose()?;
            }
            let len = PART.min(body.len() - at);
            let bytes = part(body, at, len).await?;
            under_way.push(upload.put_part(bytes.into()));
            at += len;
        }
        while let Some(part) = under_way.next().await {
            part?;
        }
        Ok(())
    };
    let finished = match sent.await {
        Ok(()) => upload.complete().await.map(|_| ()),
        Err(e) => Err(e),
    };
    if finished.is_err() {
        // Parts that stay behind cost money until a lifecycle rule removes them.
        let _ = upload.abort().await;
    }
    finished
}

async fn part(body: &Body, at: u64, len: u64) -> object_store::Result<Bytes> {
    let failed = |e: std::io::Error| object_store::Error::Generic {
        store: "the file to be uploaded",
        source: Box::new(e),
    };
    match body {
        Body::Memory(bytes) => Ok(bytes.slice(at as usize..(at + len) as usize)),
        Body::File { file, .. } => {
            let file = Arc::clone(file);
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; len as usize];
                file.read_exact_at(&mut bytes, at)
                    .map(|()| Bytes::from(bytes))
            });
            read.await.map_err(|e| failed(e.into()))?.map_err(failed)
        }
    }
}

/// A small body's bytes.
fn contents(
    store: &RemoteStore,
    operation: Operation,
    key: &str,
    body: &Body,
) -> Result<Bytes, StoreError> {
    let read = match body {
        Body::Memory(bytes) => return Ok(bytes.clone()),
        Body::File { file, len } => {
            let mut bytes = vec![0; *len as usize];
            file.read_exact_at(&mut bytes, 0)
                .map(|()| Bytes::from(bytes))
        }
    };
    read.map_err(|e| {
        let detail = format!("the file to be uploaded cannot be read: {e}");
        store.error(operation, key, (ErrorKind::Rejected, detail))
    })
}

fn check_size(
    store: &RemoteStore,
    operation: Operation,
    key: &str,
    body: &Body,
) -> Result<(), StoreError> {
    if body.len() <= MAX_OBJECT_SIZE {
        return Ok(());
    }
    let detail = format!(
        "it would have {} bytes; one object, and so one transaction, holds {MAX_OBJECT_SIZE} \
         (5 GiB) at most: write in several transactions",
        body.len()
    );
    Err(store.error(operation, key, (ErrorKind::Rejected, detail)))
}

/// The transaction's time, where Litestream looks for it.
fn attributes(kind: StoreKind, timestamp_ms: i64) -> Attributes {
    // Azure allows no hyphen.
    let name = match kind {
        StoreKind::Azure => "litestreamtimestamp",
        _ => "litestream-timestamp",
    };
    let mut attributes = Attributes::new();
    if let Some(time) = DateTime::from_timestamp_millis(timestamp_ms) {
        let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        attributes.insert(Attribute::Metadata(name.into()), text.into());
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_keys_are_beside_the_database_and_no_transaction_files() {
        let pid = std::process::id();
        for (key, style, folder) in [
            (
                "app.db/0000/0000000000000001-0000000000000001.ltx",
                KeyStyle::Hex,
                "app.db/",
            ),
            (
                "app.db/ltx/0/0000000000000001-0000000000000001.ltx",
                KeyStyle::Decimal,
                "app.db/",
            ),
            ("a/b/0009/x.ltx", KeyStyle::Hex, "a/b/"),
            ("app.sqlite", KeyStyle::Hex, ""),
        ] {
            let staging = staging_key(key, style, 7);
            assert_eq!(
                staging,
                format!("{folder}sqlbridge/staging/0000000000000007-{pid:x}")
            );
            assert_eq!(crate::store::key::check(&staging), Ok(()));
        }
    }

    #[test]
    fn the_timestamp_is_litestreams() {
        let at = |kind| {
            let attributes = attributes(kind, 1_795_226_723_789);
            let (name, value) = attributes.iter().next().unwrap();
            (format!("{name:?}"), value.to_string())
        };
        let (name, value) = at(StoreKind::S3);
        assert!(name.contains("litestream-timestamp"));
        assert_eq!(value, "2026-11-21T02:05:23.789Z");
        assert!(at(StoreKind::Azure).0.contains("litestreamtimestamp"));
    }
}

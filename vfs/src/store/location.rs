//! Store URLs, and from a URL to a store.
//!
//! | URL | store |
//! | --- | --- |
//! | `s3://bucket/prefix` | S3 and compatibles |
//! | `az://container/prefix`, also `abs://`, `azure://` | Azure Blob Storage |
//! | `gs://bucket/prefix` | Google Cloud Storage |
//! | `file:///directory` | a local directory |
//!
//! Options may follow as `?name=value&...`; a store's own URL names the endpoint or
//! account that way where it is not the provider's default, so that it identifies the store.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::local::LocalStore;
use super::options::{OpenError, Options, StoreKind};
use super::probe::Probed;
use super::remote::RemoteStore;
use super::retry::Retry;
use super::{Store, key};
use crate::env::Environment;

#[cfg(test)]
mod tests;

/// Opens the store that `url` names. Sends nothing: a store out of reach shows at
/// the first request.
///
/// # Errors
/// A sentence where the URL or an option is wrong.
pub fn open(
    url: &str,
    options: &Options,
    env: Arc<dyn Environment>,
) -> Result<Arc<dyn Store>, OpenError> {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let place = Place::parse(url)?;
    let options = options.with_parameters(parameters(query)?);
    options.check(place.kind())?;
    let single_writer = options.flag("single_writer")?.unwrap_or(false);
    let (kind, bucket, prefix) = match place {
        Place::Directory(path) => return Ok(Arc::new(LocalStore::new(&path, single_writer, env))),
        Place::Bucket {
            kind,
            bucket,
            prefix,
        } => (kind, bucket, prefix),
    };
    let remote = RemoteStore::open(kind, &bucket, &prefix, &options, Arc::clone(&env))?;
    let timeout = remote.timeout();
    let patient: Arc<dyn Store> = Arc::new(Retry::new(Arc::new(remote), timeout, Arc::clone(&env)));
    if single_writer {
        return Ok(patient);
    }
    let state_dir = options.state_dir().map(Path::to_owned);
    Ok(Arc::new(Probed::new(patient, state_dir, env)))
}

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Directory(PathBuf),
    Bucket {
        kind: StoreKind,
        bucket: String,
        prefix: String,
    },
}

impl Place {
    fn kind(&self) -> StoreKind {
        match self {
            Self::Directory(_) => StoreKind::Local,
            Self::Bucket { kind, .. } => *kind,
        }
    }

    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(OpenError(format!(
                "'{url}' is no store URL; it looks like s3://bucket/prefix, az://container/prefix, \
                 gs://bucket/prefix or file:///directory"
            )));
        };
        match scheme {
            "s3" => bucket(StoreKind::S3, "s3", rest),
            "az" | "abs" | "azure" => bucket(StoreKind::Azure, "az", rest),
            "gs" => bucket(StoreKind::Gcs, "gs", rest),
            "file" => directory(rest),
            _ => Err(OpenError(format!(
                "there is no kind of store '{scheme}'; it is one of s3, az, gs and file"
            ))),
        }
    }
}

fn bucket(kind: StoreKind, scheme: &str, rest: &str) -> Result<Place, OpenError> {
    if rest.contains('@') {
        return Err(OpenError(format!(
            "credentials do not belong into a {scheme}:// URL; give them as options or in the environment"
        )));
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if !key::is_segment(bucket) {
        return Err(OpenError(format!("{scheme}://{rest} names no bucket")));
    }
    let prefix = prefix.trim_end_matches('/');
    if prefix.is_empty() {
        return Err(OpenError(format!(
            "{scheme}://{bucket} needs a prefix, as in {scheme}://{bucket}/databases: Litestream, \
             which must be able to read it, cannot use the root of a bucket"
        )));
    }
    key::check(prefix).map_err(|why| {
        OpenError(format!(
            "the prefix of {scheme}://{rest} cannot be used: {why}"
        ))
    })?;
    Ok(Place::Bucket {
        kind,
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

fn directory(rest: &str) -> Result<Place, OpenError> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(OpenError(format!(
            "file://{rest} has no absolute path; it looks like file:///directory, with three slashes"
        )));
    }
    Ok(Place::Directory(PathBuf::from(OsString::from_vec(
        percent_decode(path),
    ))))
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, OpenError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let parse = |pair: &str| match pair.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(OpenError(format!(
            "'{pair}' in the store's URL is no name=value"
        ))),
    };
    pairs.map(parse).collect()
}

/// The URL of a directory store in `path`, which is absolute.
#[must_use]
pub fn url_of_path(path: &Path) -> String {
    let mut url = String::from("file://");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' | 0..=0x20 | 0x7F.. => url.push_str(&format!("%{byte:02X}")),
            _ => url.push(char::from(byte)),
        }
    }
    url
}

/// The directory that a store URL names; none for stores that are no directory.
#[must_use]
pub fn path_of_url(url: &str) -> Option<PathBuf> {
    let url = url.split_once('?').map_or(url, |(url, _)| url);
    match Place::parse(url) {
        Ok(Place::Directory(path)) => Some(path),
        _ => None,
    }
}

/// Replaces `%XX`; what is no such triple stays as it is.
pub(crate) fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let triple = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten();
        let hex = triple.filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

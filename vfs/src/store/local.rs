//! A directory as a store, with `std::fs` alone: no thread, no runtime, nothing
//! that a `fork` could break.
//!
//! * [`LocalStore::create`](Store::create) writes a temporary file beside its
//!   target, fsyncs it, links it to its name (the link fails where the name is
//!   taken: that is the conditional write) and fsyncs the directory.
//! * A file's mtime is the transaction's timestamp, because Litestream reads it
//!   there; what we call the modification time is the inode's change time, which
//!   only the kernel sets.
//! * Temporary files are no keys and are never listed. Those of crashed writers
//!   are swept, a day old, when a process first writes into their directory.
//! * Every directory on the way to a file is fsynced once by every process that
//!   writes below it, whoever made it: its maker may not have got that far.
//!
//! `volume` tells network file systems, which keep none of these promises.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::meter::Meter;
use super::{
    Body, Counters, ErrorKind, Fetched, KeyStyle, Listing, Object, Operation, Part, Store,
    StoreError, key,
};
use crate::env::{Environment, System};

mod copy;
#[cfg(test)]
mod tests;
mod volume;

/// How old a temporary file must be before it counts as left behind.
const STALE_MS: i64 = 24 * 3600 * 1000;
const TEMP_PREFIX: &str = ".sqlbridge-";
const TEMP_SUFFIX: &str = ".tmp";

/// A local directory store.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    url: String,
    single_writer: bool,
    env: Arc<dyn Environment>,
    meter: Meter,
    /// Directories whose whole path this process knows to be on disk. No lock:
    /// a lock held by another thread at `fork` would stay held in the child.
    durable: ArcSwap<BTreeSet<PathBuf>>,
    network_kind: fn(&Path) -> Option<&'static str>,
}

/// When in a write something failed: before the name was asked for nothing can
/// be seen, afterwards nobody knows.
enum Stage {
    Preparing,
    Publishing,
    Published,
}

impl LocalStore {
    /// A store in `root`, an absolute path that need not exist yet.
    /// `single_writer` vouches for a network file system.
    #[must_use]
    pub fn new(root: &Path, single_writer: bool, env: Arc<dyn Environment>) -> Self {
        let root: PathBuf = root.components().collect();
        Self {
            url: super::location::url_of_path(&root),
            root,
            single_writer,
            env,
            meter: Meter::default(),
            durable: ArcSwap::default(),
            network_kind: volume::network_kind,
        }
    }

    fn error(
        &self,
        operation: Operation,
        key: &str,
        kind: ErrorKind,
        detail: String,
    ) -> StoreError {
        let error = StoreError {
            kind,
            operation,
            store: self.url.clone(),
            key: key.to_owned(),
            detail,
        };
        self.meter.failed(&error);
        error
    }

    fn failed(&self, operation: Operation, key: &str, error: &io::Error) -> StoreError {
        self.error(operation, key, kind_of(error), error.to_string())
    }

    fn path(&self, operation: Operation, key: &str) -> Result<PathBuf, StoreError> {
        match key::check(key) {
            Ok(()) => Ok(self.root.join(key)),
            Err(why) => Err(self.bad_key(operation, key, why)),
        }
    }

    fn folder(&self, prefix: &str) -> Result<(PathBuf, String), StoreError> {
        match key::check_prefix(prefix) {
            Ok("") => Ok((self.root.clone(), String::new())),
            Ok(folder) => Ok((self.root.join(folder), format!("{folder}/"))),
            Err(why) => Err(self.bad_key(Operation::List, prefix, why)),
        }
    }

    fn bad_key(&self, operation: Operation, key: &str, why: key::KeyError) -> StoreError {
        self.error(
            operation,
            key,
            ErrorKind::Rejected,
            format!("this is no key: {why}"),
        )
    }

    /// Writes a temporary file, then gives it its name.
    fn write(
        &self,
        operation: Operation,
        key: &str,
        body: &Body,
        timestamp_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.meter.request(operation);
        let path = self.path(operation, key)?;
        let parent = path.parent().unwrap_or(&self.root);
        if let Some(why) = self.refused_volume(parent) {
            return Err(self.error(operation, key, ErrorKind::Rejected, why));
        }
        let mut stage = Stage::Preparing;
        let done = self.publish(&path, parent, body, timestamp_ms, &mut stage);
        done.map_err(|e| {
            let kind = match (stage, kind_of(&e)) {
                // A file where a directory should be; the name itself was not asked for.
                (Stage::Preparing, ErrorKind::AlreadyExists) => ErrorKind::Rejected,
                (Stage::Preparing, kind) => kind,
                (Stage::Publishing, ErrorKind::Rejected) => ErrorKind::Ambiguous,
                (Stage::Publishing, kind) => kind,
                (Stage::Published, ErrorKind::AlreadyExists) => ErrorKind::AlreadyExists,
                (Stage::Published, _) => ErrorKind::Ambiguous,
            };
            self.error(operation, key, kind, e.to_string())
        })?;
        self.meter.sent(body.len());
        Ok(())
    }

    fn publish(
        &self,
        path: &Path,
        parent: &Path,
        body: &Body,
        timestamp_ms: Option<i64>,
        stage: &mut Stage,
    ) -> io::Result<()> {
        let (temp, file) = self.temporary(parent)?;
        let written = fill(&file, body, timestamp_ms);
        let named = written.and_then(|()| {
            *stage = Stage::Publishing;
            match timestamp_ms {
                Some(_) => fs::hard_link(&temp, path),
                None => fs::rename(&temp, path),
            }
        });
        if timestamp_ms.is_some() || named.is_err() {
            // Where this fails too, the sweep of a later process finds the file.
            let _ = fs::remove_file(&temp);
        }
        let taken = named
            .as_ref()
            .is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists);
        if named.is_ok() || taken {
            // Where the name is taken too: it may be by an earlier attempt of the caller's
            // whose sync failed, and the caller takes what it finds there for durable.
            *stage = Stage::Published;
            sync_directory(parent)?;
        }
        named
    }

    /// A new temporary file in `parent`, which is made where it is missing.
    fn temporary(&self, parent: &Path) -> io::Result<(PathBuf, File)> {
        let mut attempts = 0;
        loop {
            self.make_durable(parent)?;
            let name = format!(
                "{TEMP_PREFIX}{}-{:016x}{TEMP_SUFFIX}",
                std::process::id(),
                self.env.random()
            );
            let temp = parent.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&temp) {
                Ok(file) => return Ok((temp, file)),
                // Somebody removed the directory under our feet.
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempts < 3 => {
                    attempts += 1;
                    self.durable.store(Arc::default());
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Makes `directory`, and sees to it that a power failure does not unmake it.
    fn make_durable(&self, directory: &Path) -> io::Result<()> {
        if self.durable.load().contains(directory) {
            return Ok(());
        }
        let mut parents = Vec::new();
        for ancestor in directory.ancestors() {
            let existed = ancestor.is_dir();
            let Some(parent) = ancestor.parent() else {
                break;
            };
            parents.push((parent.to_owned(), existed));
            if existed && self.root.starts_with(ancestor) {
                break;
            }
        }
        fs::create_dir_all(directory)?;
        for (parent, existed) in parents {
            match sync_directory(&parent) {
                // A directory above ours that we may not even open.
                Err(e) if existed && e.kind() == io::ErrorKind::PermissionDenied => {}
                done => done?,
            }
        }
        sweep(directory);
        self.durable.rcu(|known| {
            let mut known = BTreeSet::clone(known);
            known.insert(directory.to_owned());
            known
        });
        Ok(())
    }

    fn refused_volume(&self, directory: &Path) -> Option<String> {
        if self.single_writer || self.durable.load().contains(directory) {
            return None;
        }
        let existing = directory.ancestors().find(|a| a.exists())?;
        let kind = (self.network_kind)(existing)?;
        Some(format!(
            "{} is on a network file system ({kind}), where two hosts can both be told that they \
             created a file and commits get lost; use a local disk or an object store, or give \
             single_writer=1 if only one host ever writes",
            self.root.display()
        ))
    }

    /// Reads the directory, or nothing where it is not there.
    fn entries(&self, directory: &Path, prefix: &str) -> Result<Vec<fs::DirEntry>, StoreError> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
            Err(e) if is_absent(&e) => Ok(Vec::new()),
            Err(e) => Err(e),
        };
        entries.map_err(|e| self.failed(Operation::List, prefix, &e))
    }

    /// Every file below `directory` that is an object, in no order.
    fn walk(&self, directory: PathBuf, prefix: String) -> Result<Vec<Object>, StoreError> {
        let mut objects = Vec::new();
        let mut pending = vec![(directory, prefix)];
        while let Some((directory, prefix)) = pending.pop() {
            for entry in self.entries(&directory, &prefix)? {
                let Some(name) = segment(&entry) else {
                    continue;
                };
                let metadata = match entry.metadata() {
                    Ok(metadata) => metadata,
                    Err(e) if is_absent(&e) => continue,
                    Err(e) => return Err(self.failed(Operation::List, &prefix, &e)),
                };
                let key = format!("{prefix}{name}");
                if metadata.is_dir() {
                    pending.push((entry.path(), format!("{key}/")));
                } else if metadata.is_file() {
                    let modified_ms = changed_ms(&metadata);
                    objects.push(Object {
                        key,
                        size: metadata.len(),
                        modified_ms,
                    });
                }
            }
        }
        Ok(objects)
    }

    /// True where a file lies somewhere below: an object store has no empty folders.
    fn holds_something(&self, directory: &Path) -> Result<bool, StoreError> {
        for entry in self.entries(directory, "")? {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if segment(&entry).is_some()
                && (!is_directory || self.holds_something(&entry.path())?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Store for LocalStore {
    fn url(&self) -> &str {
        &self.url
    }

    fn key_style(&self) -> KeyStyle {
        KeyStyle::Decimal
    }

    fn max_object_size(&self) -> u64 {
        i64::MAX as u64
    }

    fn get(&self, key: &str, part: Part) -> Result<Fetched, StoreError> {
        self.meter.request(Operation::Get);
        let path = self.path(Operation::Get, key)?;
        let fetched = read_part(&path, &part).map_err(|e| match e {
            e if is_absent(&e) || e.kind() == io::ErrorKind::IsADirectory => self.error(
                Operation::Get,
                key,
                ErrorKind::NotFound,
                "no such file".to_owned(),
            ),
            e if e.kind() == io::ErrorKind::UnexpectedEof => {
                let detail = "the file became shorter while it was read".to_owned();
                self.error(Operation::Get, key, ErrorKind::Ambiguous, detail)
            }
            e => self.failed(Operation::Get, key, &e),
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
        self.meter.request(Operation::List);
        let (directory, prefix) = self.folder(prefix)?;
        let mut objects = self.walk(directory, prefix)?;
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        // Ages are measured against change times, so by the clock that sets those.
        Ok(Listing {
            objects,
            now_ms: System.wall_ms(),
        })
    }

    fn list_names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.meter.request(Operation::List);
        let (directory, prefix) = self.folder(prefix)?;
        let mut names = Vec::new();
        for entry in self.entries(&directory, &prefix)? {
            let Some(name) = segment(&entry) else {
                continue;
            };
            if !entry.path().is_dir() || self.holds_something(&entry.path())? {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.meter.request(Operation::Delete);
        let mut parents = BTreeSet::new();
        for key in keys {
            let path = self.path(Operation::Delete, key)?;
            match fs::remove_file(&path) {
                Ok(()) => parents.extend(path.parent().map(Path::to_owned)),
                Err(e) if is_absent(&e) => {}
                Err(e) => return Err(self.failed(Operation::Delete, key, &e)),
            }
        }
        // A file that comes back after a power failure could lie beyond a new head.
        for parent in parents {
            sync_directory(&parent).map_err(|e| self.failed(Operation::Delete, "", &e))?;
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.meter.read()
    }
}

fn fill(file: &File, body: &Body, timestamp_ms: Option<i64>) -> io::Result<()> {
    match body {
        Body::Memory(bytes) => file.write_all_at(bytes, 0)?,
        Body::File { file: source, len } => copy::contents(source, file, *len)?,
    }
    if let Some(ms) = timestamp_ms.and_then(|ms| u64::try_from(ms).ok()) {
        file.set_modified(UNIX_EPOCH + Duration::from_millis(ms))?;
    }
    file.sync_all()
}

fn read_part(path: &Path, part: &Part) -> io::Result<Fetched> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let object_size = metadata.len();
    let (start, end) = match part {
        Part::Whole => (0, object_size),
        Part::Range(range) => (range.start.min(object_size), range.end.min(object_size)),
        Part::Tail(len) => (object_size.saturating_sub(*len), object_size),
    };
    let len = usize::try_from(end.saturating_sub(start)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, start)?;
    Ok(Fetched {
        bytes: Bytes::from(bytes),
        offset: start,
        object_size,
    })
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems have no such notion.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Removes what crashed writers left in `directory`. Best effort.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(is_temporary))
    {
        if entry
            .metadata()
            .is_ok_and(|m| is_left_behind(&m, System.wall_ms()))
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_left_behind(metadata: &fs::Metadata, now_ms: i64) -> bool {
    metadata.is_file() && now_ms - changed_ms(metadata) > STALE_MS
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX)
}

/// The entry's name where it can be part of a key.
fn segment(entry: &fs::DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    (key::is_segment(&name) && !is_temporary(&name)).then_some(name)
}

fn changed_ms(metadata: &fs::Metadata) -> i64 {
    metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn kind_of(error: &io::Error) -> ErrorKind {
    use rustix::io::Errno;
    match error.kind() {
        io::ErrorKind::AlreadyExists => return ErrorKind::AlreadyExists,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return ErrorKind::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            return ErrorKind::Denied;
        }
        _ => {}
    }
    match Errno::from_io_error(error) {
        // The process or the machine is short of something for the moment.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => ErrorKind::Throttled,
        _ => ErrorKind::Rejected,
    }
}

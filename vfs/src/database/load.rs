//! From a listing to a snapshot: which files there are, what they say, what they add up to.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::outgoing::Outgoing;
use super::{Database, lock};
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx::{self, TailParse};
use crate::plan::{self, PlanError};
use crate::snapshot::Snapshot;
use crate::store::{ErrorKind, Fetched, Part, StoreError};
use crate::transaction_file::{TransactionFile, page_hash};

/// Files up to this size are read whole, and so are proven by their own checksum;
/// larger ones have a page-sums object that proves their index and pages.
pub(super) const WHOLE: u64 = 1 << 20;
/// How much of a larger file's end is read for its page index.
const TAIL: u64 = 32 << 10;
/// Files whose bytes are held at once while loading.
const BATCH: usize = 32;

/// The transaction files of a database, with sizes and the store's word on their age.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) files: BTreeMap<FileName, Listed>,
    /// Keys of what is ours beside the transaction files.
    pub(super) others: Vec<String>,
    /// The store's clock.
    pub(super) now_ms: i64,
}

/// What a listing says of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub(super) size: u64,
    pub(super) modified_ms: i64,
}

impl Files {
    pub(super) fn names(&self) -> Vec<FileName> {
        self.files.keys().copied().collect()
    }

    pub(super) fn size(&self, name: FileName) -> u64 {
        self.files.get(&name).map_or(0, |file| file.size)
    }

    /// The newest transaction any file holds.
    pub(super) fn newest(&self) -> u64 {
        self.files.keys().map(|file| file.max).max().unwrap_or(0)
    }

    /// Whether a file has not been written for so long, by the store's clock.
    pub(super) fn is_older(&self, name: FileName, age: Duration) -> bool {
        self.files
            .get(&name)
            .is_some_and(|file| self.now_ms - file.modified_ms >= age.as_millis() as i64)
    }
}

impl Database {
    /// Lists the database's files.
    pub(super) fn list(&self) -> std::result::Result<Files, StoreError> {
        let listing = self.store.list(&self.layout.root())?;
        let mut files = Files {
            now_ms: listing.now_ms,
            ..Files::default()
        };
        for object in listing.objects {
            match self.layout.parse(&object.key) {
                Some(name) => {
                    let listed = Listed {
                        size: object.size,
                        modified_ms: object.modified_ms,
                    };
                    files.files.insert(name, listed);
                }
                // Another database may lie below this one's name.
                None if self.layout.is_own(&object.key) => files.others.push(object.key),
                None => {}
            }
        }
        Ok(files)
    }

    /// The snapshot at `target`, or the newest, that the listed files add up to.
    pub(super) fn load(&self, files: &Files, target: Option<u64>) -> Result<Snapshot> {
        let plan = plan::plan(&files.names(), target).map_err(|error| match error {
            PlanError::NotABoundary { .. } => Error::Refused(format!(
                "{}: {error}. blob_versions lists what can be opened",
                self.name()
            )),
            PlanError::Gap { .. } => self.history_error(error),
        })?;
        let with_size: Vec<(FileName, u64)> =
            plan.iter().map(|name| (*name, files.size(*name))).collect();
        let loaded = self.load_files(&with_size)?;
        let emptied = |file: &&Arc<TransactionFile>| file.mark().is_some_and(|mark| mark.emptied);
        if let Some(file) = loaded.iter().find(emptied) {
            return Err(Error::Refused(format!(
                "{} was dropped after transaction {}; what it held is gone",
                self.name(),
                file.name.max
            )));
        }
        let mut snapshot = Snapshot::empty();
        for file in &loaded {
            self.check_continues(&snapshot, file)?;
            snapshot = snapshot.apply(file);
        }
        snapshot.check_complete(self.name())?;
        Ok(snapshot)
    }

    /// What every file must satisfy to be applied after `before`.
    pub(super) fn check_continues(&self, before: &Snapshot, file: &TransactionFile) -> Result<()> {
        let damaged = |detail: String| Error::Damaged {
            key: file.key.clone(),
            detail,
        };
        if before
            .page_size()
            .is_some_and(|size| size != file.header.page_size)
        {
            return Err(damaged(format!(
                "its page size is {}, unlike that of the files before it",
                file.header.page_size.get()
            )));
        }
        if !holds_growth(before.page_count, file) {
            return Err(damaged(format!(
                "it makes the database {} pages long without holding every new page",
                file.header.commit
            )));
        }
        // A file that begins right after `before` names what it was built on; one
        // that overlaps, or that Litestream wrote, says nothing about it.
        let follows = file.name.min == before.txid + 1;
        if let (true, Some(last), Some(mark)) = (follows, before.mark(), file.mark())
            && mark.parent != last.own
        {
            return Err(damaged(
                "it was committed on top of another history than that of the files before it"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Header, index and checksum of each file, newest first so that the pages of
    /// small files that are still current can go to the cache on the way.
    pub(super) fn load_files(
        &self,
        names: &[(FileName, u64)],
    ) -> Result<Vec<Arc<TransactionFile>>> {
        let mut loaded = Vec::with_capacity(names.len());
        let mut seen = HashSet::new();
        for batch in names.rchunks(BATCH) {
            let mut requests = Vec::new();
            for (name, size) in batch {
                let key = self.layout.key(*name);
                if *size <= WHOLE {
                    requests.push((key, Part::Whole));
                } else {
                    requests.push((key.clone(), Part::Range(0..ltx::HEADER_SIZE as u64)));
                    requests.push((key, Part::Tail(TAIL)));
                }
            }
            let mut answers = self.store.get_many(&requests).into_iter();
            let mut parts = Vec::with_capacity(batch.len());
            for (name, size) in batch {
                let first = answers
                    .next()
                    .ok_or_else(|| self.history_error("no answer"))??;
                let tail = if *size <= WHOLE {
                    None
                } else {
                    answers.next().transpose()?
                };
                parts.push((*name, first, tail));
            }
            for (name, first, tail) in parts.into_iter().rev() {
                let file = match tail {
                    None => self.whole_file(name, &first.bytes, |pgno| seen.insert(pgno))?,
                    Some(tail) => {
                        let file = self.file_from_parts(name, &first.bytes, &tail)?;
                        seen.extend(file.index().iter().map(|entry| entry.pgno));
                        file
                    }
                };
                loaded.push(file);
            }
        }
        loaded.reverse();
        Ok(loaded)
    }

    /// A file read whole: proven by its checksum, so every page's hash is learnt.
    /// Pages for which `wanted` says so go to the cache.
    pub(super) fn whole_file(
        &self,
        name: FileName,
        bytes: &Bytes,
        mut wanted: impl FnMut(u32) -> bool,
    ) -> Result<Arc<TransactionFile>> {
        let key = self.layout.key(name);
        // Two passes: nothing may be kept before the checksum has proven the whole.
        let damaged = |error: ltx::DecodeError| Error::Damaged {
            key: key.clone(),
            detail: error.to_string(),
        };
        let (header, summary) = ltx::decode(bytes).map_err(damaged)?.into_parts();
        let file = self.known_file(
            name,
            summary.size,
            header,
            summary.file_checksum,
            summary.index,
        )?;
        let cache = self.cache(file.header.page_size);
        let mut page = vec![0; file.header.page_size.get()];
        for (position, entry) in (0u32..).zip(file.index()) {
            let frame = &bytes[entry.offset as usize..][..entry.size as usize];
            ltx::decode_frame(frame, file.header.page_size, &mut page).map_err(damaged)?;
            file.set_hash(position, page_hash(&page));
            if wanted(entry.pgno) {
                cache.insert(&file, position, &page);
            }
        }
        Ok(file)
    }

    fn file_from_parts(
        &self,
        name: FileName,
        header: &[u8],
        tail: &Fetched,
    ) -> Result<Arc<TransactionFile>> {
        let key = self.layout.key(name);
        let damaged = |error: ltx::DecodeError| Error::Damaged {
            key: key.clone(),
            detail: error.to_string(),
        };
        let header = ltx::Header::decode(header).map_err(damaged)?;
        let size = tail.object_size;
        let tail = match ltx::Tail::parse(&tail.bytes, size).map_err(damaged)? {
            TailParse::Complete(tail) => tail,
            TailParse::NeedMore(bytes) => {
                let more = self.store.get(&key, Part::Tail(bytes))?;
                match ltx::Tail::parse(&more.bytes, size).map_err(damaged)? {
                    TailParse::Complete(tail) => tail,
                    TailParse::NeedMore(_) => {
                        let detail = "its page index cannot be read".to_owned();
                        return Err(Error::Damaged { key, detail });
                    }
                }
            }
        };
        tail.check_header(&header).map_err(damaged)?;
        let file = self.known_file(name, size, header, tail.file_checksum, tail.index)?;
        self.prove_index(&file)?;
        Ok(file)
    }

    /// The file with this checksum, as loaded before if a snapshot still has it.
    fn known_file(
        &self,
        name: FileName,
        size: u64,
        header: ltx::Header,
        checksum: u64,
        index: Vec<ltx::IndexEntry>,
    ) -> Result<Arc<TransactionFile>> {
        let key = self.layout.key(name);
        if (header.min_txid, header.max_txid) != (name.min, name.max) {
            let detail = format!(
                "it says that it holds transactions {} to {}, unlike its name",
                header.min_txid, header.max_txid
            );
            return Err(Error::Damaged { key, detail });
        }
        let mut files = lock(&self.files);
        if let Some(file) = files.get(&(checksum, name)).and_then(Weak::upgrade)
            && file.header == header
            && *file.index() == index[..]
        {
            return Ok(file);
        }
        let file = Arc::new(TransactionFile::new(
            key, name, size, header, checksum, index,
        ));
        if files.len() > 1024 {
            files.retain(|_, file| file.strong_count() > 0);
        }
        files.insert((checksum, name), Arc::downgrade(&file));
        drop(files);
        self.cache(file.header.page_size).adopt(&file);
        Ok(file)
    }

    /// Registers a file this process wrote, with the hashes of its pages.
    pub(super) fn written_file(&self, outgoing: &Outgoing) -> Result<Arc<TransactionFile>> {
        let ltx::Summary {
            size,
            file_checksum,
            index,
            ..
        } = outgoing.summary.clone();
        let file = self.known_file(
            outgoing.name,
            size,
            outgoing.header.clone(),
            file_checksum,
            index,
        )?;
        for (position, hash) in (0u32..).zip(&outgoing.hashes) {
            file.set_hash(position, *hash);
        }
        Ok(file)
    }

    /// Reads one transaction file by name, whole if it is not large.
    pub(super) fn fetch_file(
        &self,
        name: FileName,
    ) -> std::result::Result<Arc<TransactionFile>, FetchError> {
        let key = self.layout.key(name);
        let fetched = match self.store.get(&key, Part::Range(0..WHOLE)) {
            Ok(fetched) => fetched,
            Err(error) if error.kind == ErrorKind::NotFound => return Err(FetchError::Missing),
            Err(error) => return Err(FetchError::Other(explain_denied(error).into())),
        };
        let file = if fetched.object_size == fetched.bytes.len() as u64 {
            self.whole_file(name, &fetched.bytes, |_| true)
        } else {
            let tail = self
                .store
                .get(&key, Part::Tail(TAIL))
                .map_err(|e| FetchError::Other(e.into()))?;
            let header = fetched.bytes.get(..ltx::HEADER_SIZE).unwrap_or(&[]);
            self.file_from_parts(name, header, &tail)
        };
        file.map_err(FetchError::Other)
    }

    /// Reads the recorded retention, if the listing shows one.
    pub(super) fn learn_retention(&self, files: &Files) -> Result<()> {
        if !files.others.contains(&self.layout.retention_key()) {
            return Ok(());
        }
        self.read_retention()
    }

    /// Reads the recorded retention, if there is one.
    pub(super) fn read_retention(&self) -> Result<()> {
        let key = self.layout.retention_key();
        let fetched = match self.store.get(&key, Part::Whole) {
            Ok(fetched) => fetched,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&fetched.bytes);
        let millis = text
            .trim()
            .strip_prefix("level0_ms=")
            .and_then(|digits| digits.parse().ok());
        match millis {
            Some(millis) => {
                self.retention_ms.store(millis, Ordering::Relaxed);
                Ok(())
            }
            None => Err(Error::Damaged {
                key,
                detail: "it does not say level0_ms=<number>".to_owned(),
            }),
        }
    }
}

/// Whether a file holds every page by which it makes the database longer. Also what
/// keeps a forged length from costing memory.
fn holds_growth(before: u32, file: &TransactionFile) -> bool {
    let commit = file.header.commit;
    let lock_page = file.header.page_size.lock_page();
    let missing_lock_page = u32::from((before + 1..=commit).contains(&lock_page));
    let needed = commit.saturating_sub(before) - missing_lock_page;
    let held = file.index().len() - file.index().partition_point(|entry| entry.pgno <= before);
    held >= needed as usize
}

/// Why a single file could not be had.
#[derive(Debug)]
pub(super) enum FetchError {
    Missing,
    Other(Error),
}

/// S3 answers 403, not 404, for a missing key to those who may not list.
fn explain_denied(mut error: StoreError) -> StoreError {
    if error.kind == ErrorKind::Denied {
        error.detail.push_str(
            ". To see that a transaction does not exist yet, S3 needs the right s3:ListBucket",
        );
    }
    error
}

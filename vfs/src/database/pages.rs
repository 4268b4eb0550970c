//! From a snapshot to bytes: the cache, else a range of a file, checked by hash.

use std::ops::Range;
use std::sync::Arc;

use super::Database;
use super::load::WHOLE;
use crate::error::{Error, Result};
use crate::ltx;
use crate::snapshot::{Location, Snapshot};
use crate::store::{ErrorKind, Part, StoreError};
use crate::sums;
use crate::transaction_file::{TransactionFile, page_hash};

/// Fewest and most pages fetched at once, by bytes of the file.
const FIRST_WINDOW: u64 = 64 << 10;
const LARGEST_WINDOW: u64 = 2 << 20;
/// How a large file without page sums is read through.
const STREAM_PART: u64 = 8 << 20;

/// Grows the window while a reader goes forward.
#[derive(Debug)]
pub struct ReadAhead {
    next: u32,
    window: u64,
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self {
            next: 0,
            window: FIRST_WINDOW,
        }
    }
}

impl ReadAhead {
    /// How many bytes to fetch for a miss on page `pgno`.
    fn window(&mut self, pgno: u32) -> u64 {
        let onwards = pgno >= self.next && pgno - self.next <= 2;
        self.window = if onwards {
            (self.window * 2).min(LARGEST_WINDOW)
        } else {
            FIRST_WINDOW
        };
        self.window
    }
}

/// Why a page could not be read.
#[derive(Debug)]
pub(super) enum PageError {
    /// Its file is no longer in the store.
    Gone,
    /// Anything else.
    Other(Error),
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        if error.kind == ErrorKind::NotFound {
            Self::Gone
        } else {
            Self::Other(error.into())
        }
    }
}

impl Database {
    /// Fills `page` with page `pgno` of the snapshot. The lock page, and what lies
    /// beyond the end, is zeros. Where the snapshot's files were removed meanwhile,
    /// `snapshot` is replaced by the same state from other files.
    ///
    /// # Errors
    /// The store is out of reach, an object is damaged, or the snapshot expired.
    pub fn read_page(
        &self,
        snapshot: &mut Arc<Snapshot>,
        pgno: u32,
        page: &mut [u8],
        ahead: &mut ReadAhead,
    ) -> Result<()> {
        if self.read_cached(snapshot, pgno, page) {
            return Ok(());
        }
        self.read_stored(snapshot, pgno, page, ahead)
    }

    /// The same for pages that are here already; false where the store must be asked.
    pub fn read_cached(&self, snapshot: &Snapshot, pgno: u32, page: &mut [u8]) -> bool {
        let Some(location) = snapshot.locate(pgno) else {
            page.fill(0);
            return true;
        };
        let cache = self.cache(location.file.header.page_size);
        cache.read(&location.file, location.position, page)
    }

    /// The same for pages that must come from the store.
    ///
    /// # Errors
    /// As for [`Database::read_page`].
    pub fn read_stored(
        &self,
        snapshot: &mut Arc<Snapshot>,
        pgno: u32,
        page: &mut [u8],
        ahead: &mut ReadAhead,
    ) -> Result<()> {
        for _ in 0..2 {
            let Some(location) = snapshot.locate(pgno) else {
                page.fill(0);
                return Ok(());
            };
            match self.fetch(location, page, ahead) {
                Ok(()) => return Ok(()),
                Err(PageError::Gone) => *snapshot = self.replan(snapshot)?,
                Err(PageError::Other(error)) => return Err(error),
            }
        }
        Err(Error::Expired {
            database: self.name().to_owned(),
            txid: snapshot.txid,
        })
    }

    /// Fills `page` with what lies at `location`.
    pub(super) fn page_at(
        &self,
        location: &Location,
        page: &mut [u8],
        ahead: &mut ReadAhead,
    ) -> Result<()> {
        if self
            .cache(location.file.header.page_size)
            .read(&location.file, location.position, page)
        {
            return Ok(());
        }
        self.fetch(location, page, ahead)
            .map_err(|error| match error {
                PageError::Gone => self.removed_meanwhile(&location.file.key),
                PageError::Other(error) => error,
            })
    }

    /// Compaction met another host's.
    pub(super) fn removed_meanwhile(&self, key: &str) -> Error {
        Error::Refused(format!(
            "{key} was removed while it was read: another host compacts {} too; nothing is lost, try again",
            self.name()
        ))
    }

    /// Reads a file from end to end and holds it against its checksum, whatever is
    /// known of it already.
    pub(super) fn prove_content(
        &self,
        file: &Arc<TransactionFile>,
    ) -> std::result::Result<(), PageError> {
        if file.size <= WHOLE {
            return self.read_whole(file);
        }
        self.read_through(file)
    }

    fn read_whole(&self, file: &Arc<TransactionFile>) -> std::result::Result<(), PageError> {
        let fetched = self.store.get(&file.key, Part::Whole)?;
        let again = self.whole_file(file.name, &fetched.bytes, |_| true)?;
        if Arc::ptr_eq(file, &again) {
            return Ok(());
        }
        let detail = "it is another file than when this process first saw it".to_owned();
        Err(PageError::Other(Error::Damaged {
            key: file.key.clone(),
            detail,
        }))
    }

    fn fetch(
        &self,
        location: &Location,
        page: &mut [u8],
        ahead: &mut ReadAhead,
    ) -> std::result::Result<(), PageError> {
        let file = &location.file;
        let pgno = file.index()[location.position as usize].pgno;
        let frames = frames(file, location.position, ahead.window(pgno));
        // A cache from an earlier process knows the hashes of the pages that it has only.
        if frames.clone().any(|position| file.hash(position).is_none()) {
            self.learn_hashes(file)?;
            let cache = self.cache(file.header.page_size);
            if cache.read(file, location.position, page) {
                return Ok(());
            }
        }
        let first = file.index()[frames.start as usize];
        let last = file.index()[frames.end as usize - 1];
        let range = first.offset..last.offset + u64::from(last.size);
        let fetched = self.store.get(&file.key, Part::Range(range))?;
        if fetched.object_size != file.size {
            return Err(PageError::Gone); // Another object has its name now.
        }
        for position in frames.clone() {
            let bytes = self.check_frame(file, position, first.offset, &fetched.bytes)?;
            if position == location.position {
                page.copy_from_slice(&bytes);
            }
            self.cache(file.header.page_size)
                .insert(file, position, &bytes);
        }
        ahead.next = file.index()[frames.end as usize - 1].pgno + 1;
        Ok(())
    }

    /// Decodes the frame at `position` out of `bytes`, which begin at `start` of the
    /// file, and holds it against its hash.
    fn check_frame(
        &self,
        file: &TransactionFile,
        position: u32,
        start: u64,
        bytes: &[u8],
    ) -> Result<Vec<u8>> {
        let entry = file.index()[position as usize];
        let damaged = |detail: String| Error::Damaged {
            key: file.key.clone(),
            detail,
        };
        let from = (entry.offset - start) as usize;
        let frame = bytes
            .get(from..from + entry.size as usize)
            .ok_or_else(|| damaged("it is shorter than its index says".to_owned()))?;
        let mut page = vec![0; file.header.page_size.get()];
        let pgno = ltx::decode_frame(frame, file.header.page_size, &mut page)
            .map_err(|error| damaged(error.to_string()))?;
        if pgno != entry.pgno || file.hash(position) != Some(page_hash(&page)) {
            return Err(damaged(format!(
                "page {} does not have its checksum",
                entry.pgno
            )));
        }
        Ok(page)
    }

    /// Proves the header and index of a large file, which were read apart from the rest.
    pub(super) fn prove_index(&self, file: &Arc<TransactionFile>) -> Result<()> {
        self.learn_hashes(file).map_err(|error| match error {
            PageError::Gone => self.history_error(format!("{} was removed", file.key)),
            PageError::Other(error) => error,
        })
    }

    /// Learns the hashes of all pages of a file: from the whole file if it is not
    /// large, else from its page sums, else by reading it through once.
    pub(super) fn learn_hashes(
        &self,
        file: &Arc<TransactionFile>,
    ) -> std::result::Result<(), PageError> {
        if file.fully_known() {
            return Ok(());
        }
        if file.size <= WHOLE {
            return self.read_whole(file);
        }
        match self
            .store
            .get(&self.layout.sums_key(file.checksum), Part::Whole)
        {
            Ok(fetched) if sums::apply(&fetched.bytes, file) => return Ok(()),
            Ok(_) => crate::log::warn(&format!(
                "the page sums of {} do not fit it; reading the file through instead",
                file.key
            )),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        self.read_through(file)
    }

    /// Reads a large file from end to end, proving it by its own checksum.
    fn read_through(&self, file: &Arc<TransactionFile>) -> std::result::Result<(), PageError> {
        let damaged = |detail: String| {
            PageError::Other(Error::Damaged {
                key: file.key.clone(),
                detail,
            })
        };
        let mut reader = ObjectReader {
            database: self,
            file,
            offset: 0,
            buffer: Vec::new(),
            at: 0,
            failed: None,
        };
        let mut hashes = Vec::with_capacity(file.index().len());
        let outcome = hash_pages(&mut reader, &mut hashes);
        if let Some(error) = reader.failed {
            return Err(error.into());
        }
        let (header, summary) = outcome.map_err(|error| damaged(error.to_string()))?;
        let same = header == file.header && summary.index == file.index();
        if !same || summary.file_checksum != file.checksum {
            return Err(damaged(
                "its header or index does not fit its content".to_owned(),
            ));
        }
        for (position, hash) in (0u32..).zip(hashes) {
            file.set_hash(position, hash);
        }
        Ok(())
    }
}

/// Positions whose frames lie within `window` bytes from that of `position`.
fn frames(file: &TransactionFile, position: u32, window: u64) -> Range<u32> {
    let index = file.index();
    let start = index[position as usize].offset;
    let mut end = position + 1;
    while let Some(entry) = index.get(end as usize) {
        if entry.offset + u64::from(entry.size) > start + window {
            break;
        }
        end += 1;
    }
    position..end
}

/// The hashes of all pages in order, and the file's proven header and index.
fn hash_pages(
    reader: impl std::io::Read,
    hashes: &mut Vec<u64>,
) -> std::result::Result<(ltx::Header, ltx::Summary), ltx::StreamError> {
    let mut decoder = ltx::Decoder::new(std::io::BufReader::new(reader))?;
    let header = decoder.header().clone();
    let mut page = vec![0; header.page_size.get()];
    while decoder.next_page(&mut page)?.is_some() {
        hashes.push(page_hash(&page));
    }
    Ok((header, decoder.finish()?))
}

/// An object as a stream, in large parts.
struct ObjectReader<'a> {
    database: &'a Database,
    file: &'a TransactionFile,
    offset: u64,
    buffer: Vec<u8>,
    at: usize,
    failed: Option<StoreError>,
}

impl std::io::Read for ObjectReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.buffer.len() && self.offset < self.file.size {
            let part = Part::Range(self.offset..self.offset + STREAM_PART);
            let fetched = self
                .database
                .store
                .get(&self.file.key, part)
                .map_err(|error| {
                    self.failed = Some(error);
                    std::io::Error::other("the store failed")
                })?;
            self.offset += fetched.bytes.len() as u64;
            self.buffer = fetched.bytes.to_vec();
            self.at = 0;
        }
        let count = target.len().min(self.buffer.len() - self.at);
        target[..count].copy_from_slice(&self.buffer[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

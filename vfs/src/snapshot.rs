//! An immutable view of the database at one transaction: page number -> where its bytes are.
//!
//! Cloning copies one pointer per 256 pages; applying a transaction copies only
//! the chunks it touches. Readers keep a snapshot for as long as they like.

use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::ltx::PageSize;
use crate::transaction_file::{Mark, TransactionFile};

const CHUNK: usize = 256;

/// Where a page's bytes are.
#[derive(Debug, Clone)]
pub struct Location {
    /// The file.
    pub file: Arc<TransactionFile>,
    /// Position in the file's index.
    pub position: u32,
}

type Chunk = [Option<Location>; CHUNK];

/// See the module's documentation.
#[derive(Debug)]
pub struct Snapshot {
    /// The transaction; 0 for a database that does not exist yet.
    pub txid: u64,
    /// Pages, the lock page included.
    pub page_count: u32,
    /// When the transaction was committed, ms since the Unix epoch.
    pub timestamp_ms: i64,
    /// The newest file, none at transaction 0.
    tip: Option<Arc<TransactionFile>>,
    chunks: Vec<Arc<Chunk>>,
    /// Page 1 as stored, once it was read: SQLite probes it at every transaction.
    page_one: OnceLock<Box<[u8]>>,
}

impl Snapshot {
    /// The snapshot of a database that has no transaction yet.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            txid: 0,
            page_count: 0,
            timestamp_ms: 0,
            tip: None,
            chunks: Vec::new(),
            page_one: OnceLock::new(),
        }
    }

    /// The snapshot after `file`, which must continue this one.
    #[must_use]
    pub fn apply(&self, file: &Arc<TransactionFile>) -> Self {
        let commit = file.header.commit;
        let mut chunks = self.chunks.clone();
        chunks.resize_with((commit as usize).div_ceil(CHUNK), || {
            Arc::new(Self::no_pages())
        });
        for (position, entry) in (0u32..).zip(file.index()) {
            let at = entry.pgno as usize - 1;
            if entry.pgno <= commit {
                let chunk = Arc::make_mut(&mut chunks[at / CHUNK]);
                chunk[at % CHUNK] = Some(Location {
                    file: Arc::clone(file),
                    position,
                });
            }
        }
        if commit < self.page_count {
            let first_gone = commit as usize % CHUNK;
            if let (Some(last), true) = (chunks.last_mut(), first_gone != 0) {
                Arc::make_mut(last)[first_gone..].fill(None);
            }
        }
        Self {
            txid: file.name.max,
            page_count: commit,
            timestamp_ms: file.header.timestamp_ms,
            tip: Some(Arc::clone(file)),
            chunks,
            page_one: OnceLock::new(),
        }
    }

    fn no_pages() -> Chunk {
        [const { None }; CHUNK]
    }

    /// Where page `pgno` (from 1) is; none beyond the end and for the lock page.
    #[must_use]
    pub fn locate(&self, pgno: u32) -> Option<&Location> {
        if pgno == 0 || pgno > self.page_count {
            return None;
        }
        let at = pgno as usize - 1;
        self.chunks.get(at / CHUNK)?[at % CHUNK].as_ref()
    }

    /// Whether a page is known to have the same bytes in another snapshot of the same database.
    #[must_use]
    pub fn has_same(&self, other: &Self, pgno: u32) -> bool {
        let (Some(here), Some(there)) = (self.locate(pgno), other.locate(pgno)) else {
            return false;
        };
        let hash = |location: &Location| location.file.hash(location.position);
        Arc::ptr_eq(&here.file, &there.file) && here.position == there.position
            || hash(here).is_some_and(|here| Some(here) == hash(there))
    }

    /// The page size, fixed by the first transaction.
    #[must_use]
    pub fn page_size(&self) -> Option<PageSize> {
        self.tip.as_ref().map(|file| file.header.page_size)
    }

    /// What tells this state from any other with the same number.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.tip.as_ref().map_or(0, |file| file.identity())
    }

    /// The mark of the newest transaction; none for Litestream's and for the empty database.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.tip.as_ref().and_then(|file| file.mark())
    }

    /// The newest file.
    #[must_use]
    pub fn tip(&self) -> Option<&Arc<TransactionFile>> {
        self.tip.as_ref()
    }

    /// Page 1, if it was read before.
    #[must_use]
    pub fn page_one(&self) -> Option<&[u8]> {
        self.page_one.get().map(|page| &page[..])
    }

    /// Keeps page 1 for later.
    pub fn keep_page_one(&self, page: &[u8]) {
        self.page_one.get_or_init(|| page.into());
    }

    /// Checks that every page but the lock page is there.
    ///
    /// # Errors
    /// Names the first missing page.
    pub fn check_complete(&self, database: &str) -> Result<()> {
        let lock_page = self.page_size().map_or(0, |size| size.lock_page());
        let missing =
            (1..=self.page_count).find(|&pgno| pgno != lock_page && self.locate(pgno).is_none());
        missing.map_or(Ok(()), |pgno| {
            Err(Error::History {
                database: database.to_owned(),
                detail: format!("no file up to transaction {} has page {pgno}", self.txid),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::FileName;
    use crate::ltx::{Header, IndexEntry};

    fn file(txid: u64, commit: u32, pages: &[u32]) -> Arc<TransactionFile> {
        let header = Header::new(PageSize::new(512).unwrap(), commit, (txid, txid), 0);
        let index = pages
            .iter()
            .map(|&pgno| IndexEntry {
                pgno,
                offset: 100,
                size: 10,
            })
            .collect();
        let name = FileName {
            level: 0,
            min: txid,
            max: txid,
        };
        Arc::new(TransactionFile::new(
            format!("{txid}"),
            name,
            1,
            header,
            txid,
            index,
        ))
    }

    fn owner(snapshot: &Snapshot, pgno: u32) -> Option<u64> {
        snapshot.locate(pgno).map(|location| location.file.name.max)
    }

    #[test]
    fn the_newest_file_wins_and_older_snapshots_do_not_change() {
        let first = Snapshot::empty().apply(&file(1, 600, &(1..=600).collect::<Vec<_>>()));
        let second = first.apply(&file(2, 600, &[1, 300]));
        assert_eq!(owner(&second, 300), Some(2));
        assert_eq!(owner(&second, 301), Some(1));
        assert_eq!(owner(&first, 300), Some(1));
        assert!(second.check_complete("x").is_ok());
    }

    #[test]
    fn pages_cut_off_do_not_come_back_when_it_grows_again() {
        let first = Snapshot::empty().apply(&file(1, 600, &(1..=600).collect::<Vec<_>>()));
        let cut = first.apply(&file(2, 300, &[1]));
        assert_eq!(owner(&cut, 301), None);
        let grown = cut.apply(&file(3, 600, &[1]));
        assert_eq!(owner(&grown, 300), Some(1));
        assert_eq!(owner(&grown, 301), None);
        assert!(grown.check_complete("x").is_err());
    }
}

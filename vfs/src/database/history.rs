//! The past: which points can be opened, and opening them.

use std::sync::Arc;
use std::time::Duration;

use super::{Database, load::Files};
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx;
use crate::options::Point;
use crate::plan;
use crate::snapshot::Snapshot;
use crate::store::Part;
use crate::time::format_rfc3339;
use crate::transaction_file::TransactionFile;

/// A transaction file of the history, for `blob_versions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its level; its last transaction is the version.
    pub name: FileName,
    /// Ms since the Unix epoch.
    pub committed_ms: i64,
    /// Pages of the database after it.
    pub page_count: u32,
    /// Pages in the file.
    pub pages: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Database {
    /// All files of the history by transaction, then level.
    ///
    /// # Errors
    /// The store is out of reach or a file is damaged.
    pub fn versions(&self) -> Result<Vec<Version>> {
        let files = self.list()?;
        let mut names: Vec<(FileName, u64)> = files
            .files
            .iter()
            .map(|(name, file)| (*name, file.size))
            .collect();
        names.sort_by_key(|(name, _)| (name.max, name.level));
        let loaded = self.load_files(&names)?;
        let version = |file: &Arc<TransactionFile>| Version {
            name: file.name,
            committed_ms: file.header.timestamp_ms,
            page_count: file.header.commit,
            pages: file.index().len() as u64,
            bytes: file.size,
        };
        let emptied = |file: &Arc<TransactionFile>| file.mark().is_some_and(|mark| mark.emptied);
        Ok(loaded
            .iter()
            .filter(|file| !emptied(file))
            .map(version)
            .collect())
    }

    /// The snapshot at a point of the history.
    ///
    /// # Errors
    /// A sentence where the point is before the first transaction that is left or
    /// no files end there.
    pub fn snapshot_at(&self, point: Point) -> Result<Arc<Snapshot>> {
        let head = self.head();
        // What lies beyond all that this process has heard of.
        let head = match point {
            Point::Time(ms) if ms >= head.timestamp_ms => self.refreshed_head()?,
            Point::Txid(txid) if txid > head.txid => self.refreshed_head()?,
            _ => head,
        };
        let txid = match point {
            Point::Head => return Ok(head),
            Point::Txid(txid) => txid,
            Point::Time(ms) if head.txid > 0 && head.timestamp_ms <= ms => head.txid,
            Point::Time(ms) => self.txid_at(&self.list()?, ms)?,
        };
        if txid == head.txid {
            return Ok(head);
        }
        if txid > head.txid {
            return Err(Error::Refused(format!(
                "{} has no transaction {txid} yet; the newest is {}",
                self.name(),
                head.txid
            )));
        }
        Ok(Arc::new(self.load(&self.list()?, Some(txid))?))
    }

    fn refreshed_head(&self) -> Result<Arc<Snapshot>> {
        self.refresh(Duration::ZERO)?;
        Ok(self.head())
    }

    /// The newest transaction that can be opened and whose time is not later than
    /// `ms`. Times never decrease along the history, so a few headers tell.
    fn txid_at(&self, files: &Files, ms: i64) -> Result<u64> {
        let names = files.names();
        let mut ends: Vec<FileName> = names.clone();
        ends.sort_by_key(|file| (file.max, file.level));
        ends.dedup_by_key(|file| file.max);
        let mut earliest = None;
        let (mut low, mut high) = (0, ends.len());
        while low < high {
            let middle = (low + high) / 2;
            let key = self.layout.key(ends[middle]);
            let fetched = self
                .store
                .get(&key, Part::Range(0..ltx::HEADER_SIZE as u64))?;
            let header = ltx::Header::decode(&fetched.bytes).map_err(|error| Error::Damaged {
                key,
                detail: error.to_string(),
            })?;
            if header.timestamp_ms <= ms {
                low = middle + 1;
            } else {
                earliest = Some(header.timestamp_ms);
                high = middle;
            }
        }
        let reachable = |file: &&FileName| plan::plan(&names, Some(file.max)).is_ok();
        let found = ends[..low]
            .iter()
            .rev()
            .find(reachable)
            .map(|file| file.max);
        found.ok_or_else(|| {
            let begins = earliest.map_or_else(String::new, |ms| {
                format!(
                    "; what is left of its history begins at {}",
                    format_rfc3339(ms)
                )
            });
            Error::Refused(format!(
                "{} cannot be opened as of {}{begins}",
                self.name(),
                format_rfc3339(ms)
            ))
        })
    }
}

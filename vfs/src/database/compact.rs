//! Fewer files, the same history; and the end of a history.
//!
//! Divisions: snapshots · compaction · removal · dropping.
//!
//! What must hold (storage rule 9): cuts are aligned to transaction numbers, so
//! that every host makes the same files; they are created, never replaced; a file
//! is removed only after the file that covers it was read back and both are older
//! than the retention by the store's own clock; the newest level-0 file stays.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Database;
use super::commit::{FIRST_PAUSE, Shape, Transaction};
use super::load::Files;
use super::outgoing::{Draft, Outgoing};
use super::pages::{PageError, ReadAhead};
use crate::error::{Error, Result};
use crate::layout::{FileName, SNAPSHOT_LEVEL};
use crate::ltx::{self, PageSize};
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::store::{Body, ErrorKind, Part};
use crate::transaction_file::{Mark, TransactionFile};

/// Transactions in one file of levels 1, 2 and 3.
const BLOCKS: [(u8, u64); 3] = [(1, 16), (2, 256), (3, 4096)];
/// Snapshots, and what only they need, stay so long; the newest for ever.
pub(super) const SNAPSHOT_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// What compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
}

// Snapshots.

impl Database {
    /// Writes a full image of the head, unless there is one.
    ///
    /// # Errors
    /// The store is out of reach or the database is empty.
    pub fn write_snapshot(&self) -> Result<Compacted> {
        self.begin_read(Duration::ZERO, false)?;
        let head = self.head();
        let mut compacted = Compacted::default();
        let Some(tip) = head.tip() else {
            return Err(Error::Refused(format!(
                "{} is empty: there is nothing to write",
                self.name()
            )));
        };
        let name = FileName {
            level: SNAPSHOT_LEVEL,
            min: 1,
            max: head.txid,
        };
        let mark = head.mark().map(|mark| Mark { parent: 0, ..mark });
        // The files that this process knows may have been removed since: then others hold the same.
        let mut source = Arc::clone(&head);
        let mut ahead = ReadAhead::default();
        let read = &mut |pgno, page: &mut [u8]| self.read_page(&mut source, pgno, page, &mut ahead);
        self.write_merged(&head, read, name, tip.header.node_id, mark, &mut compacted)?;
        Ok(compacted)
    }

    /// Creates a file with the pages that `merged` has, as `read` gives them, and reads it back.
    fn write_merged(
        &self,
        merged: &Snapshot,
        read: &mut dyn FnMut(u32, &mut [u8]) -> Result<()>,
        name: FileName,
        node_id: u64,
        mark: Option<Mark>,
        compacted: &mut Compacted,
    ) -> Result<()> {
        let Some(page_size) = merged.page_size() else {
            return Ok(());
        };
        let draft = Draft {
            name,
            page_size,
            page_count: merged.page_count,
            timestamp_ms: merged.timestamp_ms,
            node_id,
            mark,
        };
        let pages = (1..=merged.page_count).filter(|&pgno| merged.locate(pgno).is_some());
        let (outgoing, _) = self.encode(&draft, pages, read)?;
        self.put_sums(&outgoing)?;
        match self.create_with_retries(&outgoing) {
            Ok(()) => {
                compacted.files += 1;
                compacted.bytes += outgoing.summary.size;
            }
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        self.read_back(name).map(drop)
    }

    /// Creating the same compacted file twice does no harm, so this retries blindly.
    fn create_with_retries(
        &self,
        outgoing: &Outgoing,
    ) -> std::result::Result<(), crate::store::StoreError> {
        let key = self.layout.key(outgoing.name);
        let deadline = self.env.boot_time() + self.options.timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let result = self
                .store
                .create(&key, &outgoing.body, outgoing.header.timestamp_ms);
            let Err(error) = result else { return Ok(()) };
            let passing = matches!(
                error.kind,
                ErrorKind::Unreachable | ErrorKind::Throttled | ErrorKind::Ambiguous
            );
            if !passing || self.env.boot_time() + pause > deadline {
                return Err(error);
            }
            self.pause(&mut pause);
        }
    }

    /// Reads a file from the store from end to end and checks it.
    fn read_back(&self, name: FileName) -> Result<Arc<TransactionFile>> {
        let key = self.layout.key(name);
        let size = self.store.get(&key, Part::Range(0..1))?.object_size;
        let files = self.load_files(&[(name, size)])?;
        let file = files
            .into_iter()
            .next()
            .ok_or_else(|| self.history_error("no such file"))?;
        self.prove_content(&file).map_err(|error| match error {
            PageError::Gone => self.removed_meanwhile(&key),
            PageError::Other(error) => error,
        })?;
        Ok(file)
    }
}

// Compaction.

impl Database {
    /// Merges whole blocks of transactions into files of the higher levels, then
    /// removes what they cover and the retention no longer keeps.
    ///
    /// # Errors
    /// The store is out of reach or a file is damaged.
    pub fn compact(&self) -> Result<Compacted> {
        self.begin_read(Duration::ZERO, false)?;
        let mut compacted = Compacted::default();
        for (level, block) in BLOCKS {
            let files = self.list()?;
            for inputs in blocks_to_merge(&files, level, block) {
                self.merge(&files, &inputs, level, &mut compacted)?;
            }
        }
        compacted.removed = self.remove_covered()?;
        Ok(compacted)
    }

    fn merge(
        &self,
        files: &Files,
        inputs: &[FileName],
        level: u8,
        compacted: &mut Compacted,
    ) -> Result<()> {
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else {
            return Ok(());
        };
        let name = FileName {
            level,
            min: first.min,
            max: last.max,
        };
        let with_size: Vec<(FileName, u64)> = inputs
            .iter()
            .map(|name| (*name, files.size(*name)))
            .collect();
        let loaded = self.load_files(&with_size)?;
        let mut merged = Snapshot::empty();
        for file in &loaded {
            if merged.txid > 0 {
                self.check_continues(&merged, file)?;
            }
            merged = merged.apply(file);
        }
        let all_marked = loaded.iter().all(|file| file.mark().is_some());
        let parent = loaded
            .first()
            .and_then(|file| file.mark())
            .map_or(0, |mark| mark.parent);
        let mark = merged
            .mark()
            .filter(|_| all_marked)
            .map(|mark| Mark { parent, ..mark });
        let node_id = merged.tip().map_or(0, |tip| tip.header.node_id);
        let mut ahead = ReadAhead::default();
        let read = &mut |pgno, page: &mut [u8]| {
            let found = merged
                .locate(pgno)
                .map(|location| self.page_at(location, page, &mut ahead));
            found.unwrap_or_else(|| Err(self.history_error(format!("page {pgno} is missing"))))
        };
        self.write_merged(&merged, read, name, node_id, mark, compacted)
    }
}

/// The runs of lower files that make up whole blocks of `level` and are not merged yet.
/// A block ends at a multiple of `block`; the first may begin later, where another
/// tool's files of the level end. A block that lacks files, because a snapshot stands
/// for them, is left as it is: cuts do not depend on what was removed when.
fn blocks_to_merge(files: &Files, level: u8, block: u64) -> Vec<Vec<FileName>> {
    let names = files.names();
    let merged = names
        .iter()
        .filter(|f| (level..SNAPSHOT_LEVEL).contains(&f.level));
    let mut start = merged.map(|f| f.max).max().unwrap_or(0) + 1;
    let mut inputs: Vec<FileName> = names
        .iter()
        .filter(|f| f.level == level - 1)
        .copied()
        .collect();
    inputs.sort();
    let mut blocks = Vec::new();
    loop {
        let end = start.next_multiple_of(block);
        let rest = &inputs[inputs.partition_point(|f| f.min < start)..];
        let Some(next) = rest.first() else {
            return blocks;
        };
        if next.min > end {
            start = (next.min - 1) / block * block + 1;
            continue;
        }
        let run: Vec<FileName> = rest.iter().take_while(|f| f.max <= end).copied().collect();
        let whole = next.min == start && run.windows(2).all(|pair| pair[0].max + 1 == pair[1].min);
        let ends = run.last().is_some_and(|file| file.max == end);
        if whole && !ends && run.len() == rest.len() {
            return blocks; // It is still growing.
        }
        if whole && ends {
            blocks.push(run);
        }
        start = end + 1;
    }
}

// Removal.

impl Database {
    /// Removes files whose transactions a higher file holds, and snapshots that
    /// newer ones replace, once the retention is over.
    fn remove_covered(&self) -> Result<u64> {
        let files = self.list()?;
        let old = |name: FileName| {
            let keep = if name.level > 0 {
                SNAPSHOT_RETENTION
            } else {
                self.retention()
            };
            name.max < files.newest() && files.is_older(name, keep)
        };
        let mut covering: Vec<FileName> = files.names();
        covering.retain(|name| name.level > 0 && files.is_older(*name, self.retention()));
        let mut removable = Vec::new();
        let mut proven = HashSet::new();
        for name in files.names().into_iter().filter(|name| old(*name)) {
            let Some(cover) = covering.iter().find(|cover| covers(**cover, name)) else {
                continue;
            };
            if proven.insert(*cover) {
                self.read_back(*cover)?;
            }
            removable.push(name);
        }
        self.remove(&files, &removable)?;
        Ok(removable.len() as u64)
    }

    /// Removes files and their page sums.
    fn remove(&self, files: &Files, names: &[FileName]) -> Result<()> {
        let mut keys = Vec::new();
        for name in names {
            let key = self.layout.key(*name);
            if files.size(*name) > super::load::WHOLE {
                let file = self.load_files(&[(*name, files.size(*name))])?;
                keys.extend(file.iter().map(|file| self.layout.sums_key(file.checksum)));
            }
            keys.push(key);
        }
        Ok(self.store.delete(&keys)?)
    }
}

/// Whether `other` makes `name` unnecessary: a higher level holds its transactions,
/// or a newer snapshot stands for an older one.
fn covers(other: FileName, name: FileName) -> bool {
    if name.level == SNAPSHOT_LEVEL {
        return other.level == SNAPSHOT_LEVEL && other.max > name.max;
    }
    other.level > name.level && other.min <= name.min && other.max >= name.max
}

// Dropping.

impl Database {
    /// Ends the database: its newest transaction becomes an empty database, and
    /// everything before it is removed. What is left makes a stale writer that comes
    /// back lose its race: the empty image, and, for as long as the retention, the
    /// emptied level-0 files. Compaction removes those later. One that was cut short can
    /// be repeated.
    ///
    /// # Errors
    /// The store is out of reach; another writer was first; there is nothing to drop.
    pub fn drop_database(&self) -> Result<u64> {
        self.begin_read(Duration::ZERO, false)?;
        let head = self.head();
        let ended_before = is_dropped(&head);
        let dropped = if ended_before {
            head
        } else {
            self.commit_end(&head)?
        };
        self.write_snapshot()?;
        let removed = self.clear_away(&dropped)?;
        if ended_before && removed == 0 {
            return Err(self.no_database());
        }
        Ok(removed)
    }

    fn no_database(&self) -> Error {
        let store = self.store.url().to_owned();
        Error::NoDatabase {
            database: self.name().to_owned(),
            store,
        }
    }

    /// Commits the transaction that ends the database.
    fn commit_end(&self, base: &Arc<Snapshot>) -> Result<Arc<Snapshot>> {
        let page_size = base.page_size().ok_or_else(|| self.no_database())?;
        let mut page = vec![0; page_size.get()];
        self.read_page(
            &mut Arc::clone(base),
            1,
            &mut page,
            &mut ReadAhead::default(),
        )?;
        let mut overlay = Overlay::new(&self.options.cache_dir);
        overlay.set_page_size(page_size);
        overlay.truncate(0, base.page_count);
        overlay.write(1, &empty_database(&page), base.page_count)?;
        let shape = Shape {
            page_size,
            page_count: 1,
            drops: true,
        };
        self.commit(&Transaction {
            base,
            overlay: &overlay,
            shape,
        })
    }

    /// Removes or empties what came before the transaction that ended the database, and
    /// nothing that came after it: somebody may have begun anew meanwhile.
    fn clear_away(&self, dropped: &Arc<Snapshot>) -> Result<u64> {
        let mark = self.layout.dropped_key(dropped.txid);
        self.store.put(&mark, &Body::Memory(Bytes::new()))?;
        let files = self.list()?;
        let mut keys = Vec::new();
        if files.newest() == dropped.txid {
            let kept = [self.layout.retention_key(), mark];
            keys.extend(
                files
                    .others
                    .iter()
                    .filter(|key| !kept.contains(key))
                    .cloned(),
            );
        }
        let mut page = vec![0; dropped.page_size().map_or(0, PageSize::get)];
        let mut ahead = ReadAhead::default();
        self.read_page(&mut Arc::clone(dropped), 1, &mut page, &mut ahead)?;
        let mut emptied = 0;
        for name in files
            .names()
            .into_iter()
            .filter(|name| name.max < dropped.txid)
        {
            if name.level == 0 && !files.is_older(name, self.retention()) {
                emptied += u64::from(self.empty_file(name, &page)?);
            } else {
                keys.push(self.layout.key(name));
            }
        }
        if !keys.is_empty() {
            self.store.delete(&keys)?;
        }
        Ok(keys.len() as u64 + emptied)
    }

    /// Replaces a level-0 file by one of the same name that leaves an empty database,
    /// with this `page`, and keeps the number taken; false where that was done before.
    fn empty_file(&self, name: FileName, page: &[u8]) -> Result<bool> {
        let key = self.layout.key(name);
        let fetched = self
            .store
            .get(&key, Part::Range(0..ltx::HEADER_SIZE as u64))?;
        let header = ltx::Header::decode(&fetched.bytes).map_err(|error| Error::Damaged {
            key: key.clone(),
            detail: error.to_string(),
        })?;
        let mark = Mark::decode(&header.reserved);
        if mark.is_some_and(|mark| mark.emptied) {
            return Ok(false);
        }
        let draft = Draft {
            name,
            page_size: header.page_size,
            page_count: 1,
            timestamp_ms: header.timestamp_ms,
            node_id: header.node_id,
            mark: mark.map(|mark| Mark {
                emptied: true,
                ..mark
            }),
        };
        let (outgoing, _) = self.encode(&draft, [1], &mut |_, target| {
            target.copy_from_slice(page);
            Ok(())
        })?;
        self.store.put(&key, &outgoing.body)?;
        Ok(true)
    }
}

/// Whether the newest transaction ended the database.
#[must_use]
pub(super) fn is_dropped(snapshot: &Snapshot) -> bool {
    snapshot.mark().is_some_and(|mark| mark.dropped)
}

/// Page 1 of an empty database that follows one with this page 1: same page size and
/// encoding, next change counter and schema cookie.
/// <https://www.sqlite.org/fileformat2.html#the_database_header>
fn empty_database(before: &[u8]) -> Vec<u8> {
    let mut page = vec![0; before.len()];
    page[..24].copy_from_slice(&before[..24]);
    page[18..20].copy_from_slice(&[1, 1]);
    let next = |at: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&before[at..at + 4]);
        u32::from_be_bytes(word).wrapping_add(1).to_be_bytes()
    };
    page[24..28].copy_from_slice(&next(24));
    page[28..32].copy_from_slice(&1u32.to_be_bytes());
    page[40..44].copy_from_slice(&next(40));
    page[44..48].copy_from_slice(&before[44..48]);
    page[56..60].copy_from_slice(&before[56..60]);
    page[92..96].copy_from_slice(&next(24));
    page[96..100].copy_from_slice(&before[96..100]);
    page[100] = 13; // A leaf table page without cells: the schema.
    let usable = before.len() - usize::from(before[20]);
    page[105..107].copy_from_slice(&(usable as u16).to_be_bytes());
    page
}

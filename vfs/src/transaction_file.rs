//! A transaction file as the engine knows it: where its pages are and what their hashes must be.
//!
//! LTX has one checksum for a whole file, so a page read by range can only be
//! checked against a hash learned before: from the whole file (its checksum
//! proven), from the writer (us), from a page-sums object, or from the cache's
//! own index. Hash and cache slot sit in atomics beside the index, so a warm
//! read takes no lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::layout::FileName;
use crate::ltx;

/// No slot, no hash.
const NONE: u32 = u32::MAX;

/// One LTX object of the store. Shared by all snapshots that have pages in it.
#[derive(Debug)]
pub struct TransactionFile {
    /// Its key in the store.
    pub key: String,
    /// Level and transactions.
    pub name: FileName,
    /// Bytes of the object.
    pub size: u64,
    /// The file's header.
    pub header: ltx::Header,
    /// The file checksum from its trailer: its identity.
    pub checksum: u64,
    index: Box<[ltx::IndexEntry]>,
    hashes: Box<[AtomicU64]>,
    slots: Box<[AtomicU32]>,
}

/// Our mark in the reserved header bytes: which commit this is, and on top of which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Drawn at random for each commit.
    pub own: u64,
    /// The mark of the transaction before it.
    pub parent: u64,
    /// The transaction dropped the database.
    pub dropped: bool,
    /// The file was emptied when the database was dropped: it only keeps its number taken.
    pub emptied: bool,
}

impl Mark {
    const MAGIC: [u8; 3] = *b"sqb";

    /// The reserved header bytes: magic (3), flags (1), own (8), parent (8).
    #[must_use]
    pub fn encode(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..3].copy_from_slice(&Self::MAGIC);
        bytes[3] = u8::from(self.dropped) | u8::from(self.emptied) << 1;
        bytes[4..12].copy_from_slice(&self.own.to_be_bytes());
        bytes[12..].copy_from_slice(&self.parent.to_be_bytes());
        bytes
    }

    /// The mark, if the file was written by sqlbridge.
    #[must_use]
    pub fn decode(reserved: &[u8; 20]) -> Option<Self> {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&reserved[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        (reserved[..3] == Self::MAGIC).then(|| Self {
            own: word(4),
            parent: word(12),
            dropped: reserved[3] & 1 != 0,
            emptied: reserved[3] & 2 != 0,
        })
    }
}

/// The hash that pages are checked by, never 0 (which stands for unknown).
#[must_use]
pub fn page_hash(page: &[u8]) -> u64 {
    crate::checksum::checksum(page).max(1)
}

impl TransactionFile {
    /// A file whose header, index and checksum are known.
    #[must_use]
    pub fn new(
        key: String,
        name: FileName,
        size: u64,
        header: ltx::Header,
        checksum: u64,
        index: Vec<ltx::IndexEntry>,
    ) -> Self {
        let hashes = index.iter().map(|_| AtomicU64::new(0)).collect();
        let slots = index.iter().map(|_| AtomicU32::new(NONE)).collect();
        Self {
            key,
            name,
            size,
            header,
            checksum,
            index: index.into(),
            hashes,
            slots,
        }
    }

    /// Our mark, if it has one.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        Mark::decode(&self.header.reserved)
    }

    /// What the state after this file is called by its successors.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.mark().map_or(self.checksum, |mark| mark.own)
    }

    /// Its pages in ascending order.
    #[must_use]
    pub fn index(&self) -> &[ltx::IndexEntry] {
        &self.index
    }

    /// Where page `pgno` stands in the index.
    #[must_use]
    pub fn position(&self, pgno: u32) -> Option<u32> {
        let found = self
            .index
            .binary_search_by_key(&pgno, |entry| entry.pgno)
            .ok()?;
        u32::try_from(found).ok()
    }

    /// The hash of the page at `position`, where it is known.
    #[must_use]
    pub fn hash(&self, position: u32) -> Option<u64> {
        match self.hashes[position as usize].load(Ordering::Acquire) {
            0 => None,
            hash => Some(hash),
        }
    }

    /// Remembers a hash that comes from a proven source.
    pub fn set_hash(&self, position: u32, hash: u64) {
        self.hashes[position as usize].store(hash, Ordering::Release);
    }

    /// The cache slot of the page at `position`.
    #[must_use]
    pub fn slot(&self, position: u32) -> Option<u32> {
        match self.slots[position as usize].load(Ordering::Acquire) {
            NONE => None,
            slot => Some(slot),
        }
    }

    /// Remembers or forgets a cache slot.
    pub fn set_slot(&self, position: u32, slot: Option<u32>) {
        self.slots[position as usize].store(slot.unwrap_or(NONE), Ordering::Release);
    }

    /// True where every page's hash is known.
    #[must_use]
    pub fn fully_known(&self) -> bool {
        self.hashes
            .iter()
            .all(|hash| hash.load(Ordering::Relaxed) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_the_header_and_foreign_bytes_are_none() {
        let mark = Mark {
            own: 7,
            parent: u64::MAX,
            dropped: true,
            emptied: false,
        };
        assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        let mark = Mark {
            dropped: false,
            emptied: true,
            ..mark
        };
        assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        assert_eq!(Mark::decode(&[0; 20]), None);
    }

    #[test]
    fn a_hash_is_never_the_word_for_unknown() {
        assert_ne!(page_hash(&[]), 0);
        assert_ne!(page_hash(&[0; 4096]), page_hash(&[1; 4096]));
    }
}

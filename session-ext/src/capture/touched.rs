//! The rows of a table that were touched, each with what it was before.
//!
//! Only the first touch of a row counts: what the row is now is read when the changeset is made.
//! Rows that are touched without being changed cost memory, never correctness: they drop out there.
//! A rollback undoes nothing here, because the state before the first touch is the one that
//! a rollback restores.
//!
//! Keys and rows lie encoded, as fields of records, one after the other in one buffer.

use hashbrown::HashTable;

/// What a row was before it was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before<'a> {
    /// There was no row with this key.
    Absent,
    /// Its columns, encoded; those added to the table later are missing at the end.
    Row(&'a [u8]),
}

/// A touched row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) before: Before<'a>,
    pub(crate) indirect: bool,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    start: usize,
    key: u32,
    row: u32,
    absent: bool,
    indirect: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    seed: u64,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Touched {
    /// An empty one; the seed keeps others from choosing keys that collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Notes a touch. For the first of its key, `before` appends the row as it is, or returns
    /// false where there is none.
    pub(crate) fn touch(
        &mut self,
        key: &[u8],
        indirect: bool,
        before: impl FnOnce(&mut Vec<u8>) -> bool,
    ) {
        let hash = hash(self.seed, key);
        let Self {
            index,
            entries,
            bytes,
            ..
        } = self;
        let same = |at: &u32| {
            let entry = &entries[*at as usize];
            entry.hash == hash && bytes[entry.start..][..entry.key as usize] == *key
        };
        if let Some(&at) = index.find(hash, same) {
            entries[at as usize].indirect &= indirect;
            return;
        }
        let start = bytes.len();
        bytes.extend_from_slice(key);
        let absent = !before(bytes);
        // SQLite's rows and keys are below 2 GiB.
        let entry = Entry {
            hash,
            start,
            key: key.len() as u32,
            row: (bytes.len() - start - key.len()) as u32,
            absent,
            indirect,
        };
        let at = entries.len() as u32;
        entries.push(entry);
        index.insert_unique(hash, at, |at| entries[*at as usize].hash);
    }

    /// All touched rows in the order of their first touch.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Touch<'_>> {
        self.entries.iter().map(|entry| {
            let (key, rest) = self.bytes[entry.start..].split_at(entry.key as usize);
            Touch {
                key,
                before: if entry.absent {
                    Before::Absent
                } else {
                    Before::Row(&rest[..entry.row as usize])
                },
                indirect: entry.indirect,
            }
        })
    }

    /// How many rows were touched.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether old values are held.
    pub(crate) fn has_rows(&self) -> bool {
        self.entries.iter().any(|entry| !entry.absent)
    }

    /// The memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.index.capacity() * size_of::<u32>()
    }
}

/// Multiplies eight bytes at a time into the hash and folds the product.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        (product as u64) ^ (product >> 64) as u64
    };
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = seed ^ bytes.len() as u64;
    for chunk in &mut chunks {
        hash = fold(
            hash,
            u64::from_le_bytes(chunk.try_into().unwrap_or_default()),
        );
    }
    let tail = chunks
        .remainder()
        .iter()
        .fold(0, |tail, byte| tail << 8 | u64::from(*byte));
    fold(fold(hash, tail), seed)
}

#[cfg(test)]
mod tests {
    use super::{Before, Touched};

    #[test]
    fn the_first_touch_counts() {
        let mut touched = Touched::new(7);
        touched.touch(b"a", true, |row| {
            row.extend_from_slice(b"one");
            true
        });
        touched.touch(b"b", true, |_| false);
        touched.touch(b"a", false, |_| unreachable!("it was touched before"));
        let rows: Vec<_> = touched
            .iter()
            .map(|t| (t.key, t.before, t.indirect))
            .collect();
        assert_eq!(
            rows,
            [
                (&b"a"[..], Before::Row(b"one"), false),
                (&b"b"[..], Before::Absent, true)
            ]
        );
        assert!(touched.has_rows());
    }

    #[test]
    fn many_keys_are_kept_apart() {
        let mut touched = Touched::new(1);
        for round in 0..2 {
            for key in 0..10_000_u32 {
                touched.touch(&key.to_be_bytes(), false, |_| round == 0);
            }
        }
        assert_eq!(touched.len(), 10_000);
        assert!(touched.iter().all(|touch| touch.before == Before::Row(b"")));
    }
}

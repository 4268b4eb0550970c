//! The rows of a table that were touched, each with what it was before.
//!
//! Only the first touch of a row counts: what the row is now is read when the changeset is made.
//! Rows that are touched without being changed cost memory, never correctness: they drop out there.
//! A rollback undoes nothing here, because the state before the first touch is the one that
//! a rollback restores.
//!
//! All rows lie one after the other in one buffer, encoded as fields of records; a hash table finds
//! them by key.

use hashbrown::HashTable;

/// What a row was before it was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before<'a> {
    /// There was no row with this key.
    Absent,
    /// This many columns, encoded; those added to the table later are missing at the end.
    Row(u16, &'a [u8]),
}

/// A touched row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) before: Before<'a>,
    pub(crate) indirect: bool,
}

/// Where a row lies in the buffer, in units of [`UNIT`], with the hash of its key.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u32,
    at: u32,
}

/// Rows begin at multiples of this many bytes, so that 32 bits reach 32 GiB.
const UNIT: usize = 8;
/// Lengths of key and row, number of columns, whether indirect, and filling.
const HEADER: usize = 12;
/// The length of a row that was not there.
const ABSENT: u32 = u32::MAX;
/// Where in the header it stands that all touches were indirect.
const INDIRECT: usize = 10;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    seed: u64,
    index: HashTable<Place>,
    bytes: Vec<u8>,
    rows: usize,
}

impl Touched {
    /// An empty one; the seed keeps others from choosing keys that collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Notes a touch. For the first of its key, `before` appends the row as it is and returns how many
    /// columns it has, or none where there is no row.
    pub(crate) fn touch(
        &mut self,
        key: &[u8],
        indirect: bool,
        before: impl FnOnce(&mut Vec<u8>) -> Option<u16>,
    ) {
        let hash = hash(self.seed, key);
        let Self { index, bytes, .. } = self;
        let same = |place: &Place| {
            place.hash == hash && bytes[place.at as usize * UNIT + HEADER..].starts_with(key)
        };
        // One key is never the beginning of another: both are as many whole fields.
        if let Some(place) = index.find(spread(hash), same) {
            bytes[place.at as usize * UNIT + INDIRECT] &= u8::from(indirect);
            return;
        }
        let start = bytes.len();
        bytes.extend_from_slice(&[0; HEADER]);
        bytes.extend_from_slice(key);
        let columns = before(bytes);
        // SQLite's rows and keys are below 2 GiB.
        let length = (bytes.len() - start - HEADER - key.len()) as u32;
        let length = if columns.is_some() { length } else { ABSENT };
        bytes[start..start + 4].copy_from_slice(&(key.len() as u32).to_le_bytes());
        bytes[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        bytes[start + 8..start + 10].copy_from_slice(&columns.unwrap_or(0).to_le_bytes());
        bytes[start + INDIRECT] = u8::from(indirect);
        bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
        let at = (start / UNIT) as u32;
        index.insert_unique(spread(hash), Place { hash, at }, |place| spread(place.hash));
        self.rows += usize::from(columns.is_some());
    }

    /// All touched rows in the order of their first touch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Touch<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (touch, length) = self.read(at)?;
            at += length;
            Some(touch)
        })
    }

    /// All touched rows in the order of their keys' bytes.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = Touch<'_>> {
        let mut touches: Vec<Touch<'_>> = self.iter().collect();
        touches.sort_by_key(|touch| touch.key);
        touches.into_iter()
    }

    /// The row at an offset, and how many bytes it takes.
    fn read(&self, at: usize) -> Option<(Touch<'_>, usize)> {
        let (header, rest) = self.bytes.get(at..)?.split_at_checked(HEADER)?;
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(header[at..at + 4].try_into().ok()?))
        };
        let (key, rest) = rest.split_at_checked(number(0)? as usize)?;
        let length = number(4)?;
        let columns = u16::from_le_bytes([header[8], header[9]]);
        let (before, row) = if length == ABSENT {
            (Before::Absent, 0)
        } else {
            (
                Before::Row(columns, rest.get(..length as usize)?),
                length as usize,
            )
        };
        let touch = Touch {
            key,
            before,
            indirect: header[INDIRECT] != 0,
        };
        Some((touch, (HEADER + key.len() + row).next_multiple_of(UNIT)))
    }

    /// How many rows were touched.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether old values are held.
    pub(crate) const fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// The memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<Place>()
    }
}

/// A hash for the table, which looks at the highest bits as well.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Multiplies eight bytes at a time into the hash and folds the product.
fn hash(seed: u64, bytes: &[u8]) -> u32 {
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
    (fold(fold(hash, tail), seed) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::{Before, Touched};

    #[test]
    fn the_first_touch_counts() {
        let mut touched = Touched::new(7);
        touched.touch(b"a", true, |row| {
            row.extend_from_slice(b"one");
            Some(1)
        });
        touched.touch(b"b", true, |_| None);
        touched.touch(b"a", false, |_| unreachable!("it was touched before"));
        let rows: Vec<_> = touched
            .iter()
            .map(|t| (t.key, t.before, t.indirect))
            .collect();
        assert_eq!(
            rows,
            [
                (&b"a"[..], Before::Row(1, b"one"), false),
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
                touched.touch(&key.to_be_bytes(), false, |_| (round == 0).then_some(0));
            }
        }
        assert_eq!(touched.len(), 10_000);
        assert!(
            touched
                .iter()
                .all(|touch| touch.before == Before::Row(0, b""))
        );
        assert!(touched.sorted().map(|touch| touch.key).is_sorted());
    }
}

//! Rows by key, for those who keep the rows themselves.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::value::Field;

/// The places of rows by the hash of their keys. Whoever asks compares the keys.
#[derive(Debug, Default)]
pub(super) struct KeyIndex {
    places: HashTable<(u64, usize)>,
    hasher: DefaultHashBuilder,
}

impl KeyIndex {
    /// The hash of a key. Fields tell their own length, so nothing stands between them.
    pub(super) fn hash<'f>(&self, key: impl Iterator<Item = Field<'f>>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        key.for_each(|field| hasher.write(field.bytes()));
        hasher.finish()
    }

    /// The row of that hash for which `same` holds.
    pub(super) fn find(&self, hash: u64, same: impl Fn(usize) -> bool) -> Option<usize> {
        let found = self
            .places
            .find(hash, |(known, place)| *known == hash && same(*place));
        found.map(|(_, place)| *place)
    }

    /// Adds a row that is not there.
    pub(super) fn insert(&mut self, hash: u64, place: usize) {
        self.places
            .insert_unique(hash, (hash, place), |(hash, _)| *hash);
    }

    /// Forgets a row.
    pub(super) fn remove(&mut self, hash: u64, place: usize) {
        if let Ok(entry) = self
            .places
            .find_entry(hash, |known| *known == (hash, place))
        {
            entry.remove();
        }
    }
}

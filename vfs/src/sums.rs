//! Page sums: an object beside a large transaction file that has the hash of each of its pages.
//!
//! LTX has one checksum per file. So that the index of a file of gigabytes, and a page
//! read by range out of it, can be checked, whoever writes a large file first writes
//! its page sums, keyed by the file's checksum. Litestream does not see them; where
//! they are missing the file is read through once instead.
//!
//! Layout, little-endian: magic (8), file checksum (8), checksum of header and index
//! (8), pages (8), a hash per page in the index's order (8 each), a checksum of all
//! that (8).

use crate::checksum::checksum;
use crate::ltx;
use crate::transaction_file::TransactionFile;

const MAGIC: [u8; 8] = *b"sqbsums1";

/// The checksum of a file's header and index: what random access relies on.
#[must_use]
pub fn outline(header: &ltx::Header, index: &[ltx::IndexEntry]) -> u64 {
    let mut bytes = header.encode().to_vec();
    for entry in index {
        bytes.extend(entry.pgno.to_le_bytes());
        bytes.extend(entry.offset.to_le_bytes());
        bytes.extend(entry.size.to_le_bytes());
    }
    checksum(&bytes)
}

/// The object for a file with this checksum, outline and page hashes.
#[must_use]
pub fn encode(file_checksum: u64, outline: u64, hashes: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40 + hashes.len() * 8);
    bytes.extend(MAGIC);
    bytes.extend(file_checksum.to_le_bytes());
    bytes.extend(outline.to_le_bytes());
    bytes.extend((hashes.len() as u64).to_le_bytes());
    for hash in hashes {
        bytes.extend(hash.to_le_bytes());
    }
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

/// Tells `file` its hashes; false, and nothing told, where the sums are not intact or not its own.
pub fn apply(bytes: &[u8], file: &TransactionFile) -> bool {
    let outline = outline(&file.header, file.index());
    let Some(hashes) = decode(bytes, file.checksum, outline) else {
        return false;
    };
    if hashes.len() != file.index().len() {
        return false;
    }
    for (position, hash) in (0u32..).zip(hashes) {
        file.set_hash(position, hash);
    }
    true
}

fn decode(bytes: &[u8], file_checksum: u64, outline: u64) -> Option<Vec<u64>> {
    let (content, check) = bytes.split_last_chunk::<8>()?;
    if checksum(content) != u64::from_le_bytes(*check) {
        return None;
    }
    let (magic, rest) = content.split_first_chunk::<8>()?;
    let (of_file, rest) = rest.split_first_chunk::<8>()?;
    let (of_outline, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let identity = (
        u64::from_le_bytes(*of_file),
        u64::from_le_bytes(*of_outline),
    );
    if *magic != MAGIC || identity != (file_checksum, outline) || rest.len() % 8 != 0 {
        return None;
    }
    let hashes: Vec<u64> = rest
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
        .collect();
    (hashes.len() as u64 == u64::from_le_bytes(*count)).then_some(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips_and_any_damage_is_seen(
            hashes in proptest::collection::vec(any::<u64>(), 0..50),
            at in any::<proptest::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut bytes = encode(7, 9, &hashes);
            prop_assert_eq!(decode(&bytes, 7, 9), Some(hashes));
            prop_assert_eq!(decode(&bytes, 8, 9), None);
            prop_assert_eq!(decode(&bytes, 7, 8), None);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(decode(&bytes, 7, 9), None);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 7, 9);
        }
    }
}

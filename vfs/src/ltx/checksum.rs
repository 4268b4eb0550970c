//! CRC-64/GO-ISO, as a file checksum and as LiteFS's rolling database checksum.

use std::fmt;

use crc_fast::{CrcAlgorithm, Digest};

/// Set in every checksum, so that 0 can mean "none".
pub(super) const CHECKSUM_FLAG: u64 = 1 << 63;

/// The checksum of a file, fed in the order of the format: header, page headers
/// as stored and page contents uncompressed, end mark, index, post-apply checksum.
pub(super) struct FileChecksum(Digest);

impl FileChecksum {
    pub(super) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64GoIso))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.finalize() | CHECKSUM_FLAG
    }
}

impl fmt::Debug for FileChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileChecksum({:#018x})", self.finish())
    }
}

/// The checksum of a whole database: all page checksums combined, in any order.
/// Litestream writes none; files of LiteFS and LiteVFS carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DatabaseChecksum(u64);

impl DatabaseChecksum {
    pub(super) fn new() -> Self {
        Self(CHECKSUM_FLAG)
    }

    pub(super) fn add(&mut self, pgno: u32, page: &[u8]) {
        let mut crc = FileChecksum::new();
        crc.update(&pgno.to_be_bytes());
        crc.update(page);
        self.0 = (self.0 ^ crc.finish()) | CHECKSUM_FLAG;
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        let mut crc = FileChecksum::new();
        crc.update(b"12345");
        crc.update(b"6789");
        assert_eq!(crc.finish(), 0xB909_56C7_75A4_1001);
    }

    #[test]
    fn database_of_one_page_of_zeros() {
        let mut sum = DatabaseChecksum::new();
        sum.add(1, &[0; 4096]);
        assert_eq!(sum.get(), 0xd932_8f59_2d9e_733d);
    }

    #[test]
    fn database_checksum_ignores_order() {
        let (mut a, mut b) = (DatabaseChecksum::new(), DatabaseChecksum::new());
        a.add(1, b"one");
        a.add(2, b"two");
        b.add(2, b"two");
        b.add(1, b"one");
        assert_eq!(a, b);
    }
}

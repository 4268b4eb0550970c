//! The first 100 bytes of a file, and the page size with the lock page it implies.

use std::fmt;

use super::checksum::CHECKSUM_FLAG;
use super::error::{DecodeError, HeaderError};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 100;

/// The header flag of files without database checksums.
pub const NO_CHECKSUM: u32 = 0x2;

const MAGIC: u32 = u32::from_be_bytes(*b"LTX1");

/// A page size that SQLite knows: a power of two from 512 to 65536.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSize(u32);

impl PageSize {
    /// The smallest page size.
    pub const MIN: Self = Self(512);
    /// The largest page size.
    pub const MAX: Self = Self(65536);

    /// A page size of so many bytes, if there is one.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= Self::MIN.0 && bytes <= Self::MAX.0 {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// In bytes.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// In bytes, as the formats store it.
    #[must_use]
    pub const fn get_u32(self) -> u32 {
        self.0
    }

    /// The page at byte 2^30, where [SQLite keeps its locks]. It never has content,
    /// is never stored, and reads as zeros.
    ///
    /// [SQLite keeps its locks]: https://www.sqlite.org/fileformat2.html#the_lock_byte_page
    #[must_use]
    pub const fn lock_page(self) -> u32 {
        0x4000_0000 / self.0 + 1
    }
}

impl fmt::Debug for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageSize({})", self.0)
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a file says of itself before its first page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// [`NO_CHECKSUM`] in what we write, possibly 0 in foreign files.
    pub flags: u32,
    /// Page size of the database.
    pub page_size: PageSize,
    /// Size of the database in pages after this file, at least 1.
    pub commit: u32,
    /// First transaction in the file, at least 1.
    pub min_txid: u64,
    /// Last transaction in the file.
    pub max_txid: u64,
    /// When it was written, ms since the Unix epoch.
    pub timestamp_ms: i64,
    /// Checksum of the database that the file applies to; 0 in what we write.
    pub pre_apply_checksum: u64,
    /// Where in a WAL the transaction came from; 0 if from none.
    pub wal_offset: i64,
    /// Bytes of the WAL covered.
    pub wal_size: i64,
    /// The WAL's salts.
    pub wal_salt: (u32, u32),
    /// Free for the writer; covered by the file checksum, lost in compaction.
    pub node_id: u64,
    /// Free for the writer; covered by the file checksum, lost in compaction.
    pub reserved: [u8; 20],
}

impl Header {
    /// A header as we write it, with nothing in the free fields.
    #[must_use]
    pub fn new(
        page_size: PageSize,
        commit: u32,
        (min_txid, max_txid): (u64, u64),
        timestamp_ms: i64,
    ) -> Self {
        Self {
            flags: NO_CHECKSUM,
            page_size,
            commit,
            min_txid,
            max_txid,
            timestamp_ms,
            pre_apply_checksum: 0,
            wal_offset: 0,
            wal_size: 0,
            wal_salt: (0, 0),
            node_id: 0,
            reserved: [0; 20],
        }
    }

    /// Whether the file begins at transaction 1 and so holds every page.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.min_txid == 1
    }

    /// Whether database checksums are stated (never in what we write).
    #[must_use]
    pub fn has_checksums(&self) -> bool {
        self.flags & NO_CHECKSUM == 0
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let mut rest = bytes.as_mut_slice();
        for field in [
            MAGIC.to_be_bytes().as_slice(),
            &self.flags.to_be_bytes(),
            &self.page_size.0.to_be_bytes(),
            &self.commit.to_be_bytes(),
            &self.min_txid.to_be_bytes(),
            &self.max_txid.to_be_bytes(),
            &self.timestamp_ms.to_be_bytes(),
            &self.pre_apply_checksum.to_be_bytes(),
            &self.wal_offset.to_be_bytes(),
            &self.wal_size.to_be_bytes(),
            &self.wal_salt.0.to_be_bytes(),
            &self.wal_salt.1.to_be_bytes(),
            &self.node_id.to_be_bytes(),
            &self.reserved,
        ] {
            let (head, tail) = rest.split_at_mut(field.len());
            head.copy_from_slice(field);
            rest = tail;
        }
        bytes
    }

    /// Reads the header at the start of `bytes`, which may go on behind it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_SIZE>() else {
            let offset = bytes.len() as u64;
            return Err(DecodeError::Truncated {
                offset,
                part: "the header",
            });
        };
        let mut fields = Fields(bytes);
        if u32::from_be_bytes(fields.next()) != MAGIC {
            return Err(HeaderError::Magic.into());
        }
        let flags = u32::from_be_bytes(fields.next());
        let page_size = u32::from_be_bytes(fields.next());
        let header = Self {
            flags,
            page_size: PageSize::new(page_size).ok_or(HeaderError::PageSize(page_size))?,
            commit: u32::from_be_bytes(fields.next()),
            min_txid: u64::from_be_bytes(fields.next()),
            max_txid: u64::from_be_bytes(fields.next()),
            timestamp_ms: i64::from_be_bytes(fields.next()),
            pre_apply_checksum: u64::from_be_bytes(fields.next()),
            wal_offset: i64::from_be_bytes(fields.next()),
            wal_size: i64::from_be_bytes(fields.next()),
            wal_salt: (
                u32::from_be_bytes(fields.next()),
                u32::from_be_bytes(fields.next()),
            ),
            node_id: u64::from_be_bytes(fields.next()),
            reserved: fields.next(),
        };
        header.validate()?;
        Ok(header)
    }

    /// Checks every rule that concerns the header alone.
    pub fn validate(&self) -> Result<(), HeaderError> {
        if self.flags & !NO_CHECKSUM != 0 {
            return Err(HeaderError::Flags(self.flags));
        }
        if self.commit == 0 {
            return Err(HeaderError::EmptyDatabase);
        }
        if self.min_txid == 0 || self.min_txid > self.max_txid {
            let (min, max) = (self.min_txid, self.max_txid);
            return Err(HeaderError::TransactionOrder { min, max });
        }
        self.validate_pre_apply()?;
        self.validate_wal()
    }

    fn validate_pre_apply(&self) -> Result<(), HeaderError> {
        let checksum = self.pre_apply_checksum;
        if self.is_snapshot() || !self.has_checksums() {
            match checksum {
                0 => Ok(()),
                _ => Err(HeaderError::UnexpectedPreApply(checksum)),
            }
        } else if checksum & CHECKSUM_FLAG == 0 {
            Err(HeaderError::MissingPreApply(checksum))
        } else {
            Ok(())
        }
    }

    fn validate_wal(&self) -> Result<(), HeaderError> {
        let (offset, size, salt) = (self.wal_offset, self.wal_size, self.wal_salt);
        let says_something = size != 0 || salt != (0, 0);
        if offset < 0 || size < 0 || (offset == 0 && says_something) {
            return Err(HeaderError::Wal { offset, size, salt });
        }
        Ok(())
    }
}

/// Takes one fixed-width field after the other off a header.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next field. The widths asked for add up to the header's; a field beyond
    /// its end would read as zeros.
    fn next<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header::new(PageSize(4096), 7, (3, 5), 1_700_000_000_000)
    }

    fn decode_error(header: &Header) -> HeaderError {
        match Header::decode(&header.encode()) {
            Err(DecodeError::Header(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_comes_back() {
        let header = Header {
            flags: 0,
            page_size: PageSize::MAX,
            commit: u32::MAX,
            min_txid: 0x0102_0304_0506_0708,
            max_txid: u64::MAX,
            timestamp_ms: -1,
            pre_apply_checksum: CHECKSUM_FLAG | 1,
            wal_offset: i64::MAX,
            wal_size: 9,
            wal_salt: (0xdead_beef, 0xcafe_f00d),
            node_id: 0x1122_3344_5566_7788,
            reserved: std::array::from_fn(|i| i as u8),
        };
        let mut bytes = header.encode().to_vec();
        bytes.push(0);
        assert_eq!(Header::decode(&bytes), Ok(header));
        assert_eq!(&bytes[8..12], [0, 1, 0, 0], "65536 is stored plainly");
    }

    #[test]
    fn page_sizes() {
        let valid: Vec<_> = (0..=1 << 17)
            .filter_map(PageSize::new)
            .map(PageSize::get_u32)
            .collect();
        assert_eq!(valid, [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]);
        assert_eq!(PageSize(4096).lock_page(), 262_145);
        assert_eq!(PageSize(512).lock_page(), 2_097_153);
        assert_eq!(PageSize(65536).lock_page(), 16_385);
    }

    #[test]
    fn each_rule_is_checked() {
        let bad = Header {
            flags: 4 | NO_CHECKSUM,
            ..header()
        };
        assert_eq!(decode_error(&bad), HeaderError::Flags(6));
        let bad = Header {
            flags: 1,
            ..header()
        };
        assert_eq!(decode_error(&bad), HeaderError::Flags(1));
        let bad = Header {
            commit: 0,
            ..header()
        };
        assert_eq!(decode_error(&bad), HeaderError::EmptyDatabase);
        for (min, max) in [(0, 0), (0, 1), (2, 1)] {
            let bad = Header {
                min_txid: min,
                max_txid: max,
                ..header()
            };
            assert_eq!(
                decode_error(&bad),
                HeaderError::TransactionOrder { min, max }
            );
        }
        let mut bytes = header().encode();
        bytes[3] = b'2';
        assert_eq!(Header::decode(&bytes), Err(HeaderError::Magic.into()));
        let mut bytes = header().encode();
        bytes[8..12].copy_from_slice(&1u32.to_be_bytes());
        assert_eq!(Header::decode(&bytes), Err(HeaderError::PageSize(1).into()));
    }

    #[test]
    fn pre_apply_checksum_follows_flags_and_snapshot() {
        let sum = CHECKSUM_FLAG | 5;
        let bad = Header {
            pre_apply_checksum: sum,
            ..header()
        };
        assert_eq!(decode_error(&bad), HeaderError::UnexpectedPreApply(sum));
        let bad = Header {
            flags: 0,
            min_txid: 1,
            pre_apply_checksum: sum,
            ..header()
        };
        assert_eq!(decode_error(&bad), HeaderError::UnexpectedPreApply(sum));
        let bad = Header {
            flags: 0,
            pre_apply_checksum: 5,
            ..header()
        };
        assert_eq!(decode_error(&bad), HeaderError::MissingPreApply(5));
        assert_eq!(
            Header {
                flags: 0,
                min_txid: 1,
                ..header()
            }
            .validate(),
            Ok(())
        );
        assert_eq!(
            Header {
                flags: 0,
                pre_apply_checksum: sum,
                ..header()
            }
            .validate(),
            Ok(())
        );
    }

    #[test]
    fn wal_fields_need_an_offset() {
        let wal = |offset, size, salt| {
            Header {
                wal_offset: offset,
                wal_size: size,
                wal_salt: salt,
                ..header()
            }
            .validate()
        };
        assert_eq!(wal(32, 0, (0, 0)), Ok(()));
        assert_eq!(wal(32, 9, (1, 2)), Ok(()));
        for (offset, size, salt) in [
            (-1, 0, (0, 0)),
            (32, -1, (0, 0)),
            (0, 9, (0, 0)),
            (0, 0, (1, 0)),
            (0, 0, (0, 1)),
        ] {
            assert_eq!(
                wal(offset, size, salt),
                Err(HeaderError::Wal { offset, size, salt })
            );
        }
    }

    #[test]
    fn short_input_is_truncated() {
        let bytes = header().encode();
        for len in 0..HEADER_SIZE {
            let expected = DecodeError::Truncated {
                offset: len as u64,
                part: "the header",
            };
            assert_eq!(Header::decode(&bytes[..len]), Err(expected));
        }
    }
}

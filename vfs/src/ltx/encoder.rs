//! Writes a file, page after page, into a buffer that the caller may empty in between.

use std::fmt;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use super::checksum::FileChecksum;
use super::error::EncodeError;
use super::header::{HEADER_SIZE, Header, NO_CHECKSUM, PageSize};
use super::index::{IndexEntry, encode_index};
use super::page::{BLOCK_HEADER_SIZE, PAGE_HEADER_SIZE, SIZED_BLOCK, Sequence};

/// What a finished file amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Checksum of the file, bit 63 set.
    pub file_checksum: u64,
    /// Checksum of the database after the file; 0 in what we write.
    pub post_apply_checksum: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Where each page lies, ascending.
    pub index: Vec<IndexEntry>,
}

/// A push encoder.
///
/// Every call appends to the caller's buffer, whose earlier content is neither read
/// nor changed: it may be drained between calls, so that a large file goes through a
/// small buffer.
pub struct Encoder {
    page_size: PageSize,
    sequence: Sequence,
    checksum: FileChecksum,
    table: CompressTable,
    offset: u64,
    index: Vec<IndexEntry>,
}

impl Encoder {
    /// Begins a file: checks the header and appends it.
    pub fn new(header: &Header, out: &mut Vec<u8>) -> Result<Self, EncodeError> {
        if header.flags != NO_CHECKSUM {
            return Err(EncodeError::DatabaseChecksums);
        }
        header.validate()?;
        let bytes = header.encode();
        let mut checksum = FileChecksum::new();
        checksum.update(&bytes);
        out.extend_from_slice(&bytes);
        Ok(Self {
            page_size: header.page_size,
            sequence: Sequence::new(header),
            checksum,
            table: CompressTable::default(),
            offset: HEADER_SIZE as u64,
            index: Vec::new(),
        })
    }

    /// Appends a page and says where in the file it lies.
    ///
    /// Pages must ascend, lie within `commit` and not be the lock page; a file that
    /// begins at transaction 1 takes every page. After an error the file can go on
    /// as if the call had not been made.
    pub fn page(
        &mut self,
        pgno: u32,
        page: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<IndexEntry, EncodeError> {
        let (expected, actual) = (self.page_size.get(), page.len());
        if actual != expected {
            return Err(EncodeError::PageLength {
                pgno,
                expected,
                actual,
            });
        }
        self.sequence.check(pgno)?;
        let start = out.len();
        let len = self.append_frame(pgno, page, out)?;
        self.checksum.update(&out[start..start + BLOCK_HEADER_SIZE]);
        self.checksum.update(page);
        self.sequence.advance(pgno);
        let size = (BLOCK_HEADER_SIZE + len) as u32;
        let entry = IndexEntry {
            pgno,
            offset: self.offset,
            size,
        };
        self.offset += u64::from(size);
        self.index.push(entry);
        Ok(entry)
    }

    /// Ends the file: appends end mark, index and trailer.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Summary, EncodeError> {
        self.sequence.check_end()?;
        let start = out.len();
        out.extend_from_slice(&[0; PAGE_HEADER_SIZE]);
        encode_index(&self.index, out);
        let post_apply_checksum = 0u64;
        out.extend_from_slice(&post_apply_checksum.to_be_bytes());
        self.checksum.update(&out[start..]);
        let file_checksum = self.checksum.finish();
        out.extend_from_slice(&file_checksum.to_be_bytes());
        let size = self.offset + (out.len() - start) as u64;
        Ok(Summary {
            file_checksum,
            post_apply_checksum,
            size,
            index: self.index,
        })
    }

    /// Appends a frame, or nothing after an error, and gives the length of its LZ4 block.
    fn append_frame(
        &mut self,
        pgno: u32,
        page: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, EncodeError> {
        let start = out.len();
        let block = start + BLOCK_HEADER_SIZE;
        out.resize(block + get_maximum_output_size(page.len()), 0);
        match compress_into_with_table(page, &mut out[block..], &mut self.table) {
            Ok(len) => {
                out.truncate(block + len);
                out[start..start + 4].copy_from_slice(&pgno.to_be_bytes());
                out[start + 4..block - 4].copy_from_slice(&SIZED_BLOCK.to_be_bytes());
                out[block - 4..block].copy_from_slice(&(len as u32).to_be_bytes());
                Ok(len)
            }
            Err(error) => {
                out.truncate(start);
                Err(EncodeError::Compression {
                    pgno,
                    reason: error.to_string(),
                })
            }
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("page_size", &self.page_size)
            .field("sequence", &self.sequence)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

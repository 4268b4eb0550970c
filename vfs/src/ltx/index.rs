//! The page index and the trailer: where each page lies, at the end of the file.
//!
//! The index is three varints a page, an end mark, and its own length; the
//! trailer two checksums. Frames lie back to back from the header's end to six
//! zero bytes in front of the index, so an index can be checked by itself.

use super::checksum::CHECKSUM_FLAG;
use super::error::{DecodeError, PageError};
use super::header::{HEADER_SIZE, Header};
use super::page::{PAGE_HEADER_SIZE, Sequence, max_frame_size};

/// Bytes of the trailer: post-apply and file checksum.
pub(super) const TRAILER_SIZE: usize = 16;

/// Bytes behind the index: its length and the trailer.
const AFTER_INDEX: usize = 8 + TRAILER_SIZE;

/// Where the frame of a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Page number, from 1.
    pub pgno: u32,
    /// Byte offset of the frame from the start of the file.
    pub offset: u64,
    /// Bytes of the frame.
    pub size: u32,
}

/// Appends the index and its length.
pub(super) fn encode_index(index: &[IndexEntry], out: &mut Vec<u8>) {
    let start = out.len();
    for entry in index {
        push_varint(entry.pgno.into(), out);
        push_varint(entry.offset, out);
        push_varint(entry.size.into(), out);
    }
    out.push(0);
    let len = (out.len() - start) as u64;
    out.extend_from_slice(&len.to_be_bytes());
}

/// What the end of a file says, without the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Every page in the file, ascending.
    pub index: Vec<IndexEntry>,
    /// Checksum of the database after the file, 0 if none is stated.
    pub post_apply_checksum: u64,
    /// The file's checksum; it takes the whole file to check it.
    pub file_checksum: u64,
}

/// What came of looking at the end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailParse {
    /// The end was long enough.
    Complete(Tail),
    /// So many bytes from the end of the file are needed (never more than it has).
    NeedMore(u64),
}

impl Tail {
    /// Reads the index and the trailer from `tail`, the last bytes of an object of
    /// `object_size` bytes. How many are needed is not known beforehand; 32 KiB
    /// suffice for some thousands of pages.
    ///
    /// Checks all that the end alone can show: that the index is well-formed and
    /// its frames fill the object from the header on without gaps.
    pub fn parse(tail: &[u8], object_size: u64) -> Result<TailParse, DecodeError> {
        let given = tail.len();
        let smallest = (HEADER_SIZE + PAGE_HEADER_SIZE + 1 + AFTER_INDEX) as u64;
        if object_size < smallest || given as u64 > object_size {
            return Err(DecodeError::ObjectSize {
                size: object_size,
                tail: given,
            });
        }
        let Some((before, [len, post, file])) = split_words(tail) else {
            return Ok(TailParse::NeedMore(AFTER_INDEX as u64));
        };
        let end = object_size - AFTER_INDEX as u64;
        if len == 0 || len > object_size - smallest + 1 {
            return Err(index_error(end, "its length does not fit the object"));
        }
        // Six zero bytes end the pages; len is below object_size, so this cannot overflow.
        let needed = len + PAGE_HEADER_SIZE as u64;
        let Some(start) = (before.len() as u64).checked_sub(needed) else {
            return Ok(TailParse::NeedMore(needed + AFTER_INDEX as u64));
        };
        check_trailer(post, file, None)?;
        let (mark, index) = before[start as usize..].split_at(PAGE_HEADER_SIZE);
        if mark != [0; PAGE_HEADER_SIZE] {
            return Err(index_error(
                end - needed,
                "no end mark of the pages precedes it",
            ));
        }
        let index = parse_index(index, end - len)?;
        Ok(TailParse::Complete(Self {
            index,
            post_apply_checksum: post,
            file_checksum: file,
        }))
    }

    /// Checks that index and trailer can belong to a file with this header.
    pub fn check_header(&self, header: &Header) -> Result<(), DecodeError> {
        check_trailer(self.post_apply_checksum, self.file_checksum, Some(header))?;
        let wrong = |offset| move |reason: PageError| DecodeError::Page { offset, reason };
        let mut sequence = Sequence::new(header);
        let mut end = HEADER_SIZE as u64;
        for entry in &self.index {
            sequence.check(entry.pgno).map_err(wrong(entry.offset))?;
            sequence.advance(entry.pgno);
            if entry.size as usize > max_frame_size(header.page_size) {
                return Err(index_error(
                    entry.offset,
                    "a frame is longer than a page can be",
                ));
            }
            end = entry.offset + u64::from(entry.size);
        }
        sequence.check_end().map_err(wrong(end))
    }
}

/// Checks the rules for both checksums, as far as they are known without content.
pub(super) fn check_trailer(
    post: u64,
    file: u64,
    header: Option<&Header>,
) -> Result<(), DecodeError> {
    let post_is_legal = match header.map(Header::has_checksums) {
        Some(true) => post & CHECKSUM_FLAG != 0,
        Some(false) => post == 0,
        None => post == 0 || post & CHECKSUM_FLAG != 0,
    };
    if !post_is_legal {
        return Err(DecodeError::Trailer {
            which: "post-apply",
            value: post,
        });
    }
    if file & CHECKSUM_FLAG == 0 {
        return Err(DecodeError::Trailer {
            which: "file",
            value: file,
        });
    }
    Ok(())
}

/// Parses an index that begins at byte `start` of its file, end mark included.
fn parse_index(bytes: &[u8], start: u64) -> Result<Vec<IndexEntry>, DecodeError> {
    let mut rest = bytes;
    let mut index = Vec::new();
    let mut last = 0;
    let mut next_frame = HEADER_SIZE as u64;
    let pages_end = start - PAGE_HEADER_SIZE as u64;
    loop {
        let at = start + (bytes.len() - rest.len()) as u64;
        let wrong = |reason| index_error(at, reason);
        let broken = || wrong("a number in it is malformed");
        let pgno = take_varint(&mut rest).ok_or_else(broken)?;
        if pgno == 0 {
            break;
        }
        let offset = take_varint(&mut rest).ok_or_else(broken)?;
        let size = take_varint(&mut rest).ok_or_else(broken)?;
        let pgno = u32::try_from(pgno).map_err(|_| wrong("a page number exceeds 32 bits"))?;
        let size = u32::try_from(size).map_err(|_| wrong("a frame is longer than 4 GiB"))?;
        if pgno <= last {
            return Err(wrong("its pages do not ascend"));
        }
        if offset != next_frame || u64::from(size) <= PAGE_HEADER_SIZE as u64 {
            return Err(wrong("its frames do not lie back to back"));
        }
        next_frame = offset.saturating_add(size.into());
        if next_frame > pages_end {
            return Err(wrong("a frame reaches into it"));
        }
        last = pgno;
        index.push(IndexEntry { pgno, offset, size });
    }
    if !rest.is_empty() {
        return Err(index_error(start, "it ends before its length says"));
    }
    if next_frame != pages_end {
        return Err(index_error(start, "its frames do not reach up to it"));
    }
    Ok(index)
}

pub(super) fn index_error(offset: u64, reason: &'static str) -> DecodeError {
    DecodeError::Index { offset, reason }
}

/// Splits three big-endian words off the end.
fn split_words(tail: &[u8]) -> Option<(&[u8], [u64; 3])> {
    let (tail, file) = tail.split_last_chunk()?;
    let (tail, post) = tail.split_last_chunk()?;
    let (tail, len) = tail.split_last_chunk()?;
    Some((
        tail,
        [len, post, file].map(|word| u64::from_be_bytes(*word)),
    ))
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an unsigned LEB128 number off the front; none if it is cut off, exceeds 64
/// bits or is longer than it need be (the file checksum covers its length).
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        value |= bits << shift;
        if (bits << shift) >> shift != bits {
            return None;
        }
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

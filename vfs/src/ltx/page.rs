//! Page frames: the order pages come in, their two encodings, and one frame alone.
//!
//! A frame is a page number (4 bytes), flags (2) and the compressed page: with
//! flag 1 its length (4) and an LZ4 block, with flag 0 an LZ4 frame that must be
//! walked to know where it ends. Litestream wrote the latter before 0.5.16.

use std::io::Read;

use lz4_flex::block;
use lz4_flex::frame::FrameDecoder;

use super::error::{DecodeError, PageError, PayloadError};
use super::header::{Header, PageSize};
use super::source::{Input, Source};

/// Page flag: a length and an LZ4 block follow.
pub(super) const SIZED_BLOCK: u16 = 0x1;

/// Bytes of a page number and flags; all zero, they end the pages.
pub(super) const PAGE_HEADER_SIZE: usize = 6;

/// Bytes in front of an LZ4 block: page header and length.
pub(super) const BLOCK_HEADER_SIZE: usize = PAGE_HEADER_SIZE + 4;

/// What an LZ4 frame of one page may add to its compressed content.
const LZ4_FRAME_OVERHEAD: usize = 64;

const LZ4_FRAME_MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();

/// The largest frame that one page can take, in either encoding.
pub(super) const fn max_frame_size(page_size: PageSize) -> usize {
    PAGE_HEADER_SIZE + LZ4_FRAME_OVERHEAD + max_block_size(page_size)
}

/// The most that LZ4 makes of one page.
const fn max_block_size(page_size: PageSize) -> usize {
    let len = page_size.get();
    len + len / 255 + 16
}

/// Keeps pages in the order that a header demands: ascending, within the database,
/// never the lock page, and without gaps where the file holds the whole database.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    snapshot: bool,
    commit: u32,
    lock_page: u32,
    last: u32,
}

impl Sequence {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            snapshot: header.is_snapshot(),
            commit: header.commit,
            lock_page: header.page_size.lock_page(),
            last: 0,
        }
    }

    /// Whether `pgno` may come next.
    pub(super) fn check(&self, pgno: u32) -> Result<(), PageError> {
        if pgno == 0 {
            Err(PageError::Zero)
        } else if pgno > self.commit {
            Err(PageError::BeyondCommit {
                pgno,
                commit: self.commit,
            })
        } else if pgno == self.lock_page {
            Err(PageError::Lock(pgno))
        } else if pgno <= self.last {
            Err(PageError::Order {
                pgno,
                last: self.last,
            })
        } else {
            match self.missing() {
                Some(missing) if missing < pgno => Err(PageError::Incomplete { missing }),
                _ => Ok(()),
            }
        }
    }

    /// `pgno` has come.
    pub(super) fn advance(&mut self, pgno: u32) {
        self.last = pgno;
    }

    /// Whether the file may end here.
    pub(super) fn check_end(&self) -> Result<(), PageError> {
        match self.missing() {
            Some(missing) => Err(PageError::Incomplete { missing }),
            None => Ok(()),
        }
    }

    /// The next page that a snapshot needs.
    fn missing(&self) -> Option<u32> {
        let next = self.last.checked_add(1)?;
        let next = if next == self.lock_page {
            next.checked_add(1)?
        } else {
            next
        };
        (self.snapshot && next <= self.commit).then_some(next)
    }
}

/// What stands in front of a page's payload, kept as stored for the file checksum.
#[derive(Debug)]
pub(super) struct FrameHeader {
    /// Where the frame begins.
    pub(super) offset: u64,
    /// The page; 0 ends the pages.
    pub(super) pgno: u32,
    block_size: Option<u32>,
    raw: [u8; BLOCK_HEADER_SIZE],
}

impl FrameHeader {
    /// Reads a page header and the length behind it; none at the end of the pages.
    pub(super) fn read<S: Source>(input: &mut Input<S>) -> Result<Option<Self>, S::Error> {
        let offset = input.offset();
        let head = input.take::<PAGE_HEADER_SIZE>("a page header")?;
        if head == [0; PAGE_HEADER_SIZE] {
            return Ok(None);
        }
        let [p0, p1, p2, p3, f0, f1] = head;
        let mut raw = [0; BLOCK_HEADER_SIZE];
        raw[..PAGE_HEADER_SIZE].copy_from_slice(&head);
        let block_size = match u16::from_be_bytes([f0, f1]) {
            0 => None,
            SIZED_BLOCK => {
                let size = input.take::<4>("the length of a page")?;
                raw[PAGE_HEADER_SIZE..].copy_from_slice(&size);
                Some(u32::from_be_bytes(size))
            }
            flags => return Err(DecodeError::PageFlags { offset, flags }.into()),
        };
        Ok(Some(Self {
            offset,
            pgno: u32::from_be_bytes([p0, p1, p2, p3]),
            block_size,
            raw,
        }))
    }

    /// The bytes that the file checksum covers.
    pub(super) fn as_stored(&self) -> &[u8] {
        match self.block_size {
            Some(_) => &self.raw,
            None => &self.raw[..PAGE_HEADER_SIZE],
        }
    }

    /// Reads the payload and expands it into `page`, which is one page long.
    /// `scratch` saves allocations.
    pub(super) fn read_page<S: Source>(
        &self,
        input: &mut Input<S>,
        page_size: PageSize,
        scratch: &mut Vec<u8>,
        page: &mut [u8],
    ) -> Result<(), S::Error> {
        scratch.clear();
        let expanded = match self.block_size {
            Some(size) => {
                let max = max_block_size(page_size);
                if size as usize > max {
                    return Err(self.damaged(PayloadError::TooLong {
                        size: size.into(),
                        max,
                    }));
                }
                input.append(scratch, size as usize, "a page")?;
                expand_block(scratch, page)
            }
            None => {
                self.read_lz4_frame(input, max_frame_size(page_size), scratch)?;
                expand_lz4_frame(scratch, page)
            }
        };
        expanded.map_err(|reason| self.damaged(reason))
    }

    /// Reads exactly one LZ4 frame, by walking its blocks to its end.
    fn read_lz4_frame<S: Source>(
        &self,
        input: &mut Input<S>,
        max: usize,
        frame: &mut Vec<u8>,
    ) -> Result<(), S::Error> {
        let mut more = |frame: &mut Vec<u8>, n: usize| {
            let size = frame.len() as u64 + n as u64;
            if size > max as u64 {
                return Err(self.damaged(PayloadError::TooLong { size, max }));
            }
            input.append(frame, n, "a page")
        };
        // Magic, flags, block size, and the descriptor's checksum behind optional fields.
        more(frame, 7)?;
        let has = |bit: u8| frame[4] & bit != 0;
        let (block_checksums, content_size) = (has(0x10), has(0x08));
        let (content_checksum, dictionary) = (has(0x04), has(0x01));
        if !frame.starts_with(&LZ4_FRAME_MAGIC) || !content_checksum {
            return Err(self.damaged(PayloadError::NotAFrame));
        }
        more(
            frame,
            usize::from(content_size) * 8 + usize::from(dictionary) * 4,
        )?;
        loop {
            let at = frame.len();
            more(frame, 4)?;
            let word = frame[at..]
                .first_chunk()
                .map_or(0, |bytes| u32::from_le_bytes(*bytes));
            if word == 0 {
                break;
            }
            let stored = (word & 0x7FFF_FFFF) as usize;
            more(frame, stored + usize::from(block_checksums) * 4)?;
        }
        more(frame, 4)
    }

    fn damaged<E: From<DecodeError>>(&self, reason: PayloadError) -> E {
        DecodeError::Payload {
            offset: self.offset,
            pgno: self.pgno,
            reason,
        }
        .into()
    }
}

/// Expands a single page frame, as found by way of an index, into `page` and gives
/// the page's number. The frame must end where `frame` ends; offsets in errors
/// count from its start.
pub fn decode_frame(
    frame: &[u8],
    page_size: PageSize,
    page: &mut [u8],
) -> Result<u32, DecodeError> {
    check_buffer(page, page_size)?;
    let mut input = Input::new(frame);
    let Some(header) = FrameHeader::read(&mut input)? else {
        return Err(DecodeError::Page {
            offset: 0,
            reason: PageError::Zero,
        });
    };
    if header.pgno == 0 {
        return Err(DecodeError::Page {
            offset: 0,
            reason: PageError::Zero,
        });
    }
    header.read_page(&mut input, page_size, &mut Vec::new(), page)?;
    input.expect_end()?;
    Ok(header.pgno)
}

/// Checks that a caller's buffer is one page long.
pub(super) fn check_buffer(page: &[u8], page_size: PageSize) -> Result<(), DecodeError> {
    let (expected, actual) = (page_size.get(), page.len());
    if expected == actual {
        Ok(())
    } else {
        Err(DecodeError::PageBuffer { expected, actual })
    }
}

fn expand_block(payload: &[u8], page: &mut [u8]) -> Result<(), PayloadError> {
    let actual = block::decompress_into(payload, page).map_err(lz4_error)?;
    check_length(page.len(), actual)
}

fn expand_lz4_frame(frame: &[u8], page: &mut [u8]) -> Result<(), PayloadError> {
    let mut decoder = FrameDecoder::new(frame);
    let mut actual = 0;
    while actual < page.len() {
        match decoder.read(&mut page[actual..]).map_err(lz4_error)? {
            0 => break,
            n => actual += n,
        }
    }
    // Reading on to the end is what makes the decoder compare the content checksum.
    if actual == page.len() {
        actual += decoder.read(&mut [0]).map_err(lz4_error)?;
    }
    check_length(page.len(), actual)
}

fn check_length(expected: usize, actual: usize) -> Result<(), PayloadError> {
    if expected == actual {
        Ok(())
    } else {
        Err(PayloadError::Length { expected, actual })
    }
}

fn lz4_error(error: impl std::fmt::Display) -> PayloadError {
    PayloadError::Lz4(error.to_string())
}

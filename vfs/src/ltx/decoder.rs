//! Reads a file from its beginning to its end and checks all of it: from memory
//! ([`decode`]) or from any reader ([`Decoder`]), with one and the same machine.

use std::fmt;
use std::io::Read;

use super::checksum::{DatabaseChecksum, FileChecksum};
use super::encoder::Summary;
use super::error::{DecodeError, PageError, StreamError};
use super::header::{HEADER_SIZE, Header};
use super::index::{IndexEntry, TRAILER_SIZE, check_trailer, encode_index, index_error};
use super::page::{FrameHeader, PAGE_HEADER_SIZE, Sequence, check_buffer, decode_frame};
use super::source::{Input, Reader, Source};

/// Verifies a whole file in memory.
pub fn decode(bytes: &[u8]) -> Result<Verified<'_>, DecodeError> {
    decode_each(bytes, |_, _| ())
}

/// Verifies a whole file in memory and shows every page (number and content) to
/// `visit` on the way. What `visit` has seen counts only if this returns `Ok`.
pub fn decode_each(
    bytes: &[u8],
    mut visit: impl FnMut(u32, &[u8]),
) -> Result<Verified<'_>, DecodeError> {
    let mut machine = Machine::new(bytes)?;
    let mut page = vec![0; machine.header.page_size.get()];
    while let Some(entry) = machine.next_page(&mut page)? {
        visit(entry.pgno, &page);
    }
    let (header, summary) = machine.finish()?;
    Ok(Verified {
        bytes,
        header,
        summary,
    })
}

/// A file in memory that is known to be whole and undamaged.
#[derive(Clone)]
pub struct Verified<'a> {
    bytes: &'a [u8],
    header: Header,
    summary: Summary,
}

impl<'a> Verified<'a> {
    /// The file's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where each page lies, ascending.
    #[must_use]
    pub fn index(&self) -> &[IndexEntry] {
        &self.summary.index
    }

    /// Checksums, size and index.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The frame of a page, for [`decode_frame`]; none if the file does not hold the page.
    #[must_use]
    pub fn frame(&self, pgno: u32) -> Option<&'a [u8]> {
        let at = self
            .index()
            .binary_search_by_key(&pgno, |entry| entry.pgno)
            .ok()?;
        let entry = self.index()[at];
        let start = usize::try_from(entry.offset).ok()?;
        self.bytes.get(start..start + entry.size as usize)
    }

    /// Expands one page into `page`; says whether the file holds it.
    pub fn read_page(&self, pgno: u32, page: &mut [u8]) -> Result<bool, DecodeError> {
        match self.frame(pgno) {
            Some(frame) => decode_frame(frame, self.header.page_size, page).map(|_| true),
            None => Ok(false),
        }
    }

    /// Header, checksums, size and index, without the file.
    #[must_use]
    pub fn into_parts(self) -> (Header, Summary) {
        (self.header, self.summary)
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("header", &self.header)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

/// A streaming decoder. It keeps one compressed page and the index in memory, and
/// makes small reads: give it a buffered reader.
///
/// Pages are handed out before the file checksum is known; they count only once
/// [`finish`](Self::finish) has returned `Ok`. After an error it can only be dropped.
#[derive(Debug)]
pub struct Decoder<R>(Machine<Reader<R>>);

impl<R: Read> Decoder<R> {
    /// Reads the header.
    pub fn new(reader: R) -> Result<Self, StreamError> {
        Machine::new(Reader(reader)).map(Self)
    }

    /// The file's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// Expands the next page into `page`, which must be one page long, and says
    /// which it is and where it lies; none after the last.
    pub fn next_page(&mut self, page: &mut [u8]) -> Result<Option<IndexEntry>, StreamError> {
        self.0.next_page(page)
    }

    /// Reads on to the end and verifies the pages not asked for, the index, the
    /// checksums, and that the reader ends with the file.
    pub fn finish(mut self) -> Result<Summary, StreamError> {
        let mut page = Vec::new();
        if !self.0.pages_ended {
            page.resize(self.header().page_size.get(), 0);
            while self.next_page(&mut page)?.is_some() {}
        }
        self.0.finish().map(|(_, summary)| summary)
    }
}

/// The decoder proper.
#[derive(Debug)]
struct Machine<S> {
    input: Input<S>,
    header: Header,
    sequence: Sequence,
    checksum: FileChecksum,
    /// Of snapshots that state one; a delta does not hold what it takes to compute it.
    database: Option<DatabaseChecksum>,
    index: Vec<IndexEntry>,
    scratch: Vec<u8>,
    pages_ended: bool,
}

impl<S: Source> Machine<S> {
    fn new(source: S) -> Result<Self, S::Error> {
        let mut input = Input::new(source);
        let bytes = input.take::<HEADER_SIZE>("the header")?;
        let header = Header::decode(&bytes)?;
        let mut checksum = FileChecksum::new();
        checksum.update(&bytes);
        let states_database = header.is_snapshot() && header.has_checksums();
        Ok(Self {
            input,
            sequence: Sequence::new(&header),
            checksum,
            database: states_database.then(DatabaseChecksum::new),
            index: Vec::new(),
            scratch: Vec::new(),
            pages_ended: false,
            header,
        })
    }

    fn next_page(&mut self, page: &mut [u8]) -> Result<Option<IndexEntry>, S::Error> {
        check_buffer(page, self.header.page_size)?;
        if self.pages_ended {
            return Ok(None);
        }
        let offset = self.input.offset();
        let wrong = |reason: PageError| DecodeError::Page { offset, reason };
        let Some(frame) = FrameHeader::read(&mut self.input)? else {
            self.sequence.check_end().map_err(wrong)?;
            self.checksum.update(&[0; PAGE_HEADER_SIZE]);
            self.pages_ended = true;
            return Ok(None);
        };
        self.sequence.check(frame.pgno).map_err(wrong)?;
        frame.read_page(
            &mut self.input,
            self.header.page_size,
            &mut self.scratch,
            page,
        )?;
        self.sequence.advance(frame.pgno);
        self.checksum.update(frame.as_stored());
        self.checksum.update(page);
        if let Some(database) = &mut self.database {
            database.add(frame.pgno, page);
        }
        // A frame is bounded by the page size, far below 4 GiB.
        let size = (self.input.offset() - offset) as u32;
        let entry = IndexEntry {
            pgno: frame.pgno,
            offset,
            size,
        };
        self.index.push(entry);
        Ok(Some(entry))
    }

    /// Verifies what follows the pages, which must all have been read.
    fn finish(mut self) -> Result<(Header, Summary), S::Error> {
        self.check_index()?;
        let trailer = self.input.take::<TRAILER_SIZE>("the trailer")?;
        let (post, file) = trailer.split_at(TRAILER_SIZE / 2);
        self.checksum.update(post);
        let word = |half: &[u8]| {
            half.first_chunk()
                .map_or(0, |word| u64::from_be_bytes(*word))
        };
        let (post, file) = (word(post), word(file));
        self.input.expect_end()?;
        check_trailer(post, file, Some(&self.header))?;
        compare("file", file, self.checksum.finish())?;
        if let Some(database) = self.database {
            compare("post-apply", post, database.get())?;
        }
        let summary = Summary {
            file_checksum: file,
            post_apply_checksum: post,
            size: self.input.offset(),
            index: self.index,
        };
        Ok((self.header, summary))
    }

    /// Compares the stored index with the one that the pages make. Index numbers
    /// have only one encoding, so that their bytes must be equal.
    fn check_index(&mut self) -> Result<(), S::Error> {
        let mut expected = Vec::new();
        encode_index(&self.index, &mut expected);
        self.checksum.update(&expected);
        let start = self.input.offset();
        self.scratch.clear();
        self.input
            .append(&mut self.scratch, expected.len(), "the page index")?;
        match expected.iter().zip(&self.scratch).position(|(a, b)| a != b) {
            Some(at) => {
                let reason = "it does not describe the pages that are in the file";
                Err(index_error(start + at as u64, reason).into())
            }
            None => Ok(()),
        }
    }
}

fn compare(which: &'static str, stored: u64, computed: u64) -> Result<(), DecodeError> {
    if stored == computed {
        Ok(())
    } else {
        Err(DecodeError::Checksum {
            which,
            stored,
            computed,
        })
    }
}

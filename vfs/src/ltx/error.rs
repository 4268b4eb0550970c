//! What can be wrong with a file, and what a caller can get wrong.
//!
//! [`HeaderError`] and [`PageError`] are rules that writer and reader share;
//! [`DecodeError`] adds the place, [`StreamError`] a failing reader.

/// A header that breaks a rule of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The first four bytes are not `LTX1`.
    #[error("it does not begin with the magic LTX1")]
    Magic,
    /// A flag nobody has defined.
    #[error("its header flags are {0:#010x}; only 0x00000002 (no database checksums) is known")]
    Flags(u32),
    /// Not a SQLite page size.
    #[error("its page size is {0}; it must be a power of two from 512 to 65536")]
    PageSize(u32),
    /// Commit 0: the format has no way to say that a database is empty.
    #[error("it describes a database of 0 pages, which the format cannot hold")]
    EmptyDatabase,
    /// Transaction numbers begin at 1 and do not run backwards.
    #[error("its transactions run from {min} to {max}; they must begin at 1 or above and ascend")]
    TransactionOrder {
        /// First transaction.
        min: u64,
        /// Last transaction.
        max: u64,
    },
    /// A snapshot has no predecessor, a file without checksums has none to state.
    #[error("its pre-apply checksum is {0:#018x} where there must be none")]
    UnexpectedPreApply(u64),
    /// A delta with database checksums must say what it applies to.
    #[error("its pre-apply checksum is {0:#018x}; bit 63 must be set")]
    MissingPreApply(u64),
    /// Negative, or a size or salts without an offset.
    #[error(
        "its WAL fields contradict each other: offset {offset}, size {size}, salts {salt:08x?}"
    )]
    Wal {
        /// Byte offset of the transaction in the WAL.
        offset: i64,
        /// Bytes of the WAL covered.
        size: i64,
        /// The WAL's salts.
        salt: (u32, u32),
    },
}

/// A page that may not stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// Pages are numbered from 1.
    #[error("page 0 does not exist")]
    Zero,
    /// Beyond the end of the database.
    #[error("page {pgno} lies beyond the database's {commit} pages")]
    BeyondCommit {
        /// The page.
        pgno: u32,
        /// The database's size in pages.
        commit: u32,
    },
    /// The page that holds SQLite's lock bytes never has content.
    #[error("page {0} is the lock page and cannot be stored")]
    Lock(u32),
    /// Not above its predecessor.
    #[error("page {pgno} follows page {last}; pages must ascend")]
    Order {
        /// The page.
        pgno: u32,
        /// Its predecessor.
        last: u32,
    },
    /// A file that begins at transaction 1 holds the whole database.
    #[error("a file that begins at transaction 1 holds every page, but page {missing} is missing")]
    Incomplete {
        /// The first page that is not there.
        missing: u32,
    },
}

/// Compressed bytes that do not make a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// More bytes than any encoding of one page needs.
    #[error("it claims {size} bytes where {max} are the most a page can take")]
    TooLong {
        /// What the file claims.
        size: u64,
        /// The most that one page takes.
        max: usize,
    },
    /// LZ4 refuses it.
    #[error("it is not valid LZ4: {0}")]
    Lz4(String),
    /// It expands to something that is no page.
    #[error("it expands to {actual} bytes instead of a page of {expected}")]
    Length {
        /// The page size.
        expected: usize,
        /// What came out.
        actual: usize,
    },
    /// A page without a size field must be an LZ4 frame with a content checksum.
    #[error("it is not an LZ4 frame with a content checksum")]
    NotAFrame,
}

/// A file, or a part of one, that breaks the format. Offsets are bytes from the
/// start of what was given to decode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the LTX file ends at byte {offset}, inside {part}")]
    Truncated {
        /// Where it ends.
        offset: u64,
        /// What should have been there.
        part: &'static str,
    },
    /// The header is wrong.
    #[error("this is not a usable LTX file: {0}")]
    Header(#[from] HeaderError),
    /// A page header with flags nobody has defined.
    #[error("the page header at byte {offset} has flags {flags:#06x}; only 0x0001 is known")]
    PageFlags {
        /// Start of the page header.
        offset: u64,
        /// Its flags.
        flags: u16,
    },
    /// A page is in the wrong place, or missing.
    #[error("wrong page in the LTX file at byte {offset}: {reason}")]
    Page {
        /// Start of the page header.
        offset: u64,
        /// The rule it breaks.
        reason: PageError,
    },
    /// A page's payload is damaged.
    #[error("the content of page {pgno} at byte {offset} is damaged: {reason}")]
    Payload {
        /// Start of the page frame.
        offset: u64,
        /// The page.
        pgno: u32,
        /// What is wrong with it.
        reason: PayloadError,
    },
    /// The index does not describe the pages that are there.
    #[error("the page index is wrong at byte {offset}: {reason}")]
    Index {
        /// Where it goes wrong.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A checksum in the trailer breaks a rule before it is even compared.
    #[error("the {which} checksum in the trailer is {value:#018x}, which the header rules out")]
    Trailer {
        /// `post-apply` or `file`.
        which: &'static str,
        /// The stored value.
        value: u64,
    },
    /// The content is not what was written.
    #[error(
        "the {which} checksum is {stored:#018x} but the content gives {computed:#018x}: \
         the LTX file is damaged"
    )]
    Checksum {
        /// `post-apply` or `file`.
        which: &'static str,
        /// What the trailer says.
        stored: u64,
        /// What the content gives.
        computed: u64,
    },
    /// Bytes where there must be none.
    #[error("something follows the end at byte {offset}")]
    TrailingBytes {
        /// The first byte too many.
        offset: u64,
    },
    /// The size of the object rules out that it is an LTX file.
    #[error(
        "an object of {size} bytes is too small for an LTX file, or the {tail} bytes given \
         are not its end"
    )]
    ObjectSize {
        /// The object's size.
        size: u64,
        /// How many bytes of its end were given.
        tail: usize,
    },
    /// The caller's buffer is not one page long.
    #[error("the page buffer has {actual} bytes; the page size is {expected}")]
    PageBuffer {
        /// The page size.
        expected: usize,
        /// The buffer's length.
        actual: usize,
    },
}

/// Why a streaming decoder stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The reader failed.
    #[error("reading the LTX file failed at byte {offset}: {source}")]
    Read {
        /// How far it had been read.
        offset: u64,
        /// The reader's error.
        source: std::io::Error,
    },
    /// What was read is not a valid file.
    #[error(transparent)]
    Format(#[from] DecodeError),
}

/// Why an encoder refuses. The output is as it was before the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The header breaks a rule.
    #[error("the LTX file cannot be written: {0}")]
    Header(#[from] HeaderError),
    /// `litestream restore` refuses a last file with database checksums, so we never write them.
    #[error("the LTX file cannot be written with database checksums: Litestream refuses them")]
    DatabaseChecksums,
    /// The page may not stand here.
    #[error("the LTX file cannot take the page: {0}")]
    Page(#[from] PageError),
    /// The page is not one page long.
    #[error("page {pgno} has {actual} bytes; the page size is {expected}")]
    PageLength {
        /// The page.
        pgno: u32,
        /// The page size.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// LZ4 refuses the page, which no page should make it do.
    #[error("page {pgno} could not be compressed: {reason}")]
    Compression {
        /// The page.
        pgno: u32,
        /// LZ4's reason.
        reason: String,
    },
}

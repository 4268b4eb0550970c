//! Changesets and patchsets as SQLite's session extension writes them. Pure: bytes in, bytes out.
//!
//! | module | what |
//! | --- | --- |
//! | [`value`] | fields of records |
//! | [`reader`] | [`Reader`]: the changes, one after the other, borrowed from the bytes |
//! | [`writer`] | [`Writer`]: changes to bytes |
//!
//! A changeset is a sequence of tables, each a header and its changes; there is no magic, no
//! version and no checksum, and no bytes at all is the changeset without changes:
//!
//! ```text
//! table    54 (changeset) or 50 (patchset) · varint: columns · a byte for each column: its place
//!          in the primary key from 1 on, 0 if it is not in it · name in UTF-8 · 00
//! change   12 INSERT, 17 UPDATE, 09 DELETE · indirect 00 or 01 · records
//! ```
//!
//! | | changeset | patchset |
//! | --- | --- | --- |
//! | INSERT | new record, full | new record, full |
//! | UPDATE | old record: key and changed fields; new record: changed fields | key and new values of changed fields, in one record |
//! | DELETE | old record, full | fields of the key only, the others left out |
//!
//! Nothing here fails on bytes that are not a changeset but by returning [`Malformed`].

pub mod reader;
pub mod value;
pub mod writer;

pub use reader::{Change, Kind, Op, Position, Reader, Record, Table};
pub use value::Field;
pub use writer::Writer;

/// Bytes that are not a changeset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid changeset, at byte {offset}: {problem}")]
pub struct Malformed {
    /// Where.
    pub offset: usize,
    /// Why.
    pub problem: Problem,
}

/// What can be wrong with bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// They end in the middle of something.
    #[error("it ends in the middle of a change")]
    Truncated,
    /// Neither a table header nor a change begins here.
    #[error("0x{0:02x} is neither a table ('T' or 'P') nor a change (9, 18 or 23)")]
    Element(u8),
    /// A change stands before the first table header.
    #[error("a change stands before the first table")]
    NoTable,
    /// A field of no known type.
    #[error("0x{0:02x} is not the type of a value")]
    ValueType(u8),
    /// A length beyond what SQLite can hold.
    #[error("{0} is not a possible length")]
    Length(u64),
    /// A table without columns or with more than SQLite can have.
    #[error("a table cannot have {0} columns")]
    Columns(usize),
    /// A name that is not text.
    #[error("a table's name is not UTF-8")]
    Name,
    /// A field of the primary key is undefined.
    #[error("a change of table '{0}' lacks a column of the primary key")]
    NoKey(String),
}

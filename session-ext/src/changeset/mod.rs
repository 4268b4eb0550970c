//! Changesets and patchsets as SQLite's session extension writes them. Pure: bytes in, bytes out.
//!
//! | module | what |
//! | --- | --- |
//! | [`value`] | fields of records |
//! | [`reader`] | [`Reader`]: the changes, one after the other, borrowed from the bytes |
//! | [`writer`] | [`Writer`]: changes to bytes |
//! | [`invert`] | what undoes a changeset |
//! | [`group`] | many changesets as one |
//! | [`check`] | whether SQLite could have written it |
//! | [`rebase`] | local changes as if made after others' |
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

pub mod check;
pub mod group;
mod index;
pub mod invert;
pub mod reader;
pub mod rebase;
pub mod value;
pub mod writer;

pub use check::check;
pub use group::{Group, concat};
pub use invert::invert;
pub use reader::{Change, Kind, Op, Position, Reader, Record, Table};
pub use rebase::{Rebaser, rebase};
pub use value::Field;
pub use writer::Writer;

use sqlite_abi::Code;

/// Why changesets cannot be transformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that are not a changeset.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A patchset among changesets or the reverse.
    #[error("a changeset and a patchset cannot be combined; use two of a kind")]
    Mixed,
    /// A table that is not the same everywhere.
    #[error(
        "table '{0}' has other columns or another primary key in one of the changesets; \
         they come from databases with different schemas"
    )]
    Schema(String),
    /// A patchset to invert.
    #[error("a patchset cannot be inverted: it holds no old values; make a changeset instead")]
    InvertPatchset,
    /// A patchset to rebase.
    #[error("a patchset cannot be rebased: it holds no old values; make a changeset instead")]
    RebasePatchset,
    /// Something else than a rebase blob.
    #[error("not a rebase blob, at byte {0}; pass what changeset_apply() returned as 'rebase'")]
    NotRebase(usize),
}

impl Error {
    /// The code SQLite gets: that of the C API.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::CORRUPT,
            Self::Schema(_) => Code::SCHEMA,
            _ => Code::ERROR,
        }
    }
}

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
    /// NULL in the primary key.
    #[error("a change of table '{0}' has NULL in its primary key")]
    NullKey(String),
    /// A table without a primary key.
    #[error("table '{0}' has no primary key")]
    Keyless(String),
    /// Fields that are there and should not be, or the reverse.
    #[error("the {0} of table '{1}' has other fields than it should")]
    Fields(&'static str, String),
    /// Two changes of one row.
    #[error("there are two changes of one row of table '{0}'; changeset_group() makes them one")]
    Twice(String),
}

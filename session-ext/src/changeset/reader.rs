//! The changes of a changeset or patchset, one after the other.
//!
//! Divisions: what a change is · records · the iterator.
//! Every length is checked when a change is read; after that its records are walked without
//! errors. The reader is nearly as lenient as SQLite's: it takes undefined fields outside of keys (a
//! rebase blob has them), headers without changes, and both kinds one after the other.

use super::value::{Field, split_varint};
use super::{Malformed, Problem};

/// SQLite's own limit is half of this; what is above cannot be a table.
const MOST_COLUMNS: usize = 65_536;

/// Changeset or patchset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// With the old values.
    Changeset,
    /// With the keys and the new values only.
    Patchset,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changeset => "changeset",
            Self::Patchset => "patchset",
        }
    }
}

/// What was done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `INSERT`
    Insert,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
}

impl Op {
    /// The byte that stands for it: SQLite's authorizer code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Insert => 18,
            Self::Update => 23,
            Self::Delete => 9,
        }
    }

    /// `INSERT`, `UPDATE` or `DELETE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Insert, Self::Update, Self::Delete]
            .into_iter()
            .find(|op| op.code() == code)
    }
}

/// The header that a change stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table<'a> {
    /// Where in the bytes the header begins: tells two headers of one table apart.
    pub offset: usize,
    /// Of which kind the changes are.
    pub kind: Kind,
    /// For each column its place in the primary key from 1 on, 0 for those not in it. Some
    /// writers put 1 for each column of the key.
    pub key: &'a [u8],
    /// The table's name.
    pub name: &'a str,
}

impl Table<'_> {
    /// How many columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.key.len()
    }
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Where in the bytes it begins.
    pub offset: usize,
    /// The table.
    pub table: Table<'a>,
    /// What was done.
    pub op: Op,
    /// Whether a trigger or a foreign key did it. In a rebase blob: whether the conflict was
    /// resolved by REPLACE.
    pub indirect: bool,
    /// What was there before; none for INSERT and for an UPDATE of a patchset.
    pub old: Option<Record<'a>>,
    /// What is there after; none for DELETE. In a patchset's UPDATE the key is in here.
    pub new: Option<Record<'a>>,
    /// The records as they stand in the bytes, one after the other.
    pub body: &'a [u8],
}

impl<'a> Change<'a> {
    /// The record with the key: the old one, or the new one where there is no other.
    #[must_use]
    pub fn keyed(&self) -> Record<'a> {
        self.old.or(self.new).unwrap_or(Record {
            bytes: &[],
            key: self.table.key,
            key_only: false,
        })
    }

    /// Writes the fields to `old` and `new`, one for each column, the same for both kinds: the key
    /// of an UPDATE stands in `old` only, and an old value of an UPDATE without a new one is
    /// left out (old versions of SQLite's rebaser wrote such).
    pub fn fields(&self, old: &mut Vec<Field<'a>>, new: &mut Vec<Field<'a>>) {
        let columns = self.table.columns();
        for (fields, record) in [(&mut *old, self.old), (&mut *new, self.new)] {
            fields.clear();
            if let Some(record) = record {
                fields.extend(record.fields());
            }
            fields.resize(columns, Field::UNDEFINED);
        }
        if self.op != Op::Update {
            return;
        }
        for ((old, new), key) in old.iter_mut().zip(new).zip(self.table.key) {
            if *key == 0 {
                if !new.is_defined() {
                    *old = Field::UNDEFINED;
                }
            } else if self.table.kind == Kind::Patchset {
                *old = std::mem::replace(new, Field::UNDEFINED);
            }
        }
    }
}

/// The fields of a row, or those of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    bytes: &'a [u8],
    key: &'a [u8],
    key_only: bool,
}

impl<'a> Record<'a> {
    /// Cuts a record off `bytes`; an error says what is wrong, and with how many bytes left.
    pub(super) fn split(
        bytes: &'a [u8],
        key: &'a [u8],
        key_only: bool,
    ) -> Result<(Self, &'a [u8]), (Problem, usize)> {
        let mut rest = bytes;
        for place in key {
            if !key_only || *place != 0 {
                (_, rest) = Field::split(rest).map_err(|problem| (problem, rest.len()))?;
            }
        }
        let bytes = &bytes[..bytes.len() - rest.len()];
        let record = Self {
            bytes,
            key,
            key_only,
        };
        Ok((record, rest))
    }

    /// The record that `bytes` begin with; they were split before.
    pub(super) const fn known(bytes: &'a [u8], key: &'a [u8], key_only: bool) -> Self {
        Self {
            bytes,
            key,
            key_only,
        }
    }

    /// A full record from bytes that [`super::value::encode`] wrote, one field for each of the
    /// columns that `key` stands for.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &'a [u8], key: &'a [u8]) -> Result<Self, Malformed> {
        let malformed = |problem, left: usize| Malformed {
            offset: bytes.len() - left,
            problem,
        };
        match Self::split(bytes, key, false) {
            Ok((record, [])) => Ok(record),
            Ok((_, [first, rest @ ..])) => Err(malformed(Problem::Element(*first), rest.len() + 1)),
            Err((problem, left)) => Err(malformed(problem, left)),
        }
    }

    /// The encoded bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A field for each column; those a patchset leaves out are undefined.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> + Clone {
        let mut rest = self.bytes;
        self.key.iter().map(move |place| {
            if self.key_only && *place == 0 {
                return Field::UNDEFINED;
            }
            let (field, tail) = Field::split(rest).unwrap_or((Field::UNDEFINED, &[]));
            rest = tail;
            field
        })
    }

    /// The fields of the primary key, in the order of the columns.
    pub fn key(self) -> impl Iterator<Item = Field<'a>> + Clone {
        let last = self.key.iter().rposition(|place| *place != 0);
        self.fields()
            .zip(&self.key[..last.map_or(0, |last| last + 1)])
            .filter_map(|(field, place)| (*place != 0).then_some(field))
    }
}

/// Where a reader is: what it needs to go on with the same bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    offset: usize,
    header: Option<usize>,
    ended: bool,
}

/// The changes of a changeset. After an error there is nothing more.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    table: Option<Table<'a>>,
    ended: bool,
}

type Parsed<T> = Result<T, Malformed>;

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            table: None,
            ended: false,
        }
    }

    /// Goes on where another reader of the same bytes was.
    #[must_use]
    pub fn resume(bytes: &'a [u8], position: Position) -> Self {
        let mut reader = Self::new(bytes);
        if let Some(header) = position.header {
            reader.offset = header;
            reader.ended = reader.read_header().is_err();
        }
        reader.offset = position.offset;
        reader.ended |= position.ended;
        reader
    }

    /// Where the next change is looked for.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            offset: self.offset,
            header: self.table.map(|table| table.offset),
            ended: self.ended,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn wrong<T>(&self, problem: Problem) -> Parsed<T> {
        Err(Malformed {
            offset: self.offset,
            problem,
        })
    }

    /// Takes `count` bytes.
    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        match self.rest().get(..count) {
            Some(bytes) => {
                self.offset += count;
                Ok(bytes)
            }
            None => self.wrong(Problem::Truncated),
        }
    }

    fn read_header(&mut self) -> Parsed<()> {
        let offset = self.offset;
        let kind = match self.take(1)? {
            b"P" => Kind::Patchset,
            _ => Kind::Changeset,
        };
        let (columns, rest) = match split_varint(self.rest()) {
            Ok(parsed) => parsed,
            Err(problem) => return self.wrong(problem),
        };
        if columns == 0 || columns > MOST_COLUMNS {
            return self.wrong(Problem::Columns(columns));
        }
        self.offset = self.bytes.len() - rest.len();
        let key = self.take(columns)?;
        let Some(length) = self.rest().iter().position(|byte| *byte == 0) else {
            return self.wrong(Problem::Truncated);
        };
        let Ok(name) = std::str::from_utf8(&self.rest()[..length]) else {
            return self.wrong(Problem::Name);
        };
        self.offset += length + 1;
        self.table = Some(Table {
            offset,
            kind,
            key,
            name,
        });
        Ok(())
    }

    fn read_record(&mut self, table: &Table<'a>, key_only: bool) -> Parsed<Record<'a>> {
        match Record::split(self.rest(), table.key, key_only) {
            Ok((record, rest)) => {
                self.offset = self.bytes.len() - rest.len();
                Ok(record)
            }
            Err((problem, left)) => {
                self.offset = self.bytes.len() - left;
                self.wrong(problem)
            }
        }
    }

    fn read_change(&mut self) -> Parsed<Option<Change<'a>>> {
        while let Some(b'T' | b'P') = self.rest().first() {
            self.read_header()?;
        }
        let Some(&code) = self.rest().first() else {
            return Ok(None);
        };
        let Some(op) = Op::from_code(code) else {
            return self.wrong(Problem::Element(code));
        };
        let Some(table) = self.table else {
            return self.wrong(Problem::NoTable);
        };
        let offset = self.offset;
        let indirect = self.take(2)?[1] != 0;
        let patchset = table.kind == Kind::Patchset;
        let has_old = op == Op::Delete || op == Op::Update && !patchset;
        let old = has_old.then(|| self.read_record(&table, patchset));
        let old = old.transpose()?;
        let has_new = op != Op::Delete;
        let new = has_new.then(|| self.read_record(&table, false));
        let new = new.transpose()?;
        let change = Change {
            offset,
            table,
            op,
            indirect,
            old,
            new,
            body: &self.bytes[offset + 2..self.offset],
        };
        if !change.keyed().key().all(Field::is_defined) {
            self.offset = offset;
            return self.wrong(Problem::NoKey(table.name.to_owned()));
        }
        Ok(Some(change))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Change<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read_change().transpose();
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }
}

impl std::iter::FusedIterator for Reader<'_> {}

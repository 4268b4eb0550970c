//! Changes to bytes.
//!
//! Rows are given whole: what of them belongs into an UPDATE or into a patchset is decided here.
//! Records that are encoded already (from a reader) are passed on with [`Writer::raw`].

use sqlite_abi::ValueRef;

use super::reader::{Kind, Op, Table};
use super::value::{Field, encode, put_varint};

/// A changeset or patchset in the making.
#[derive(Debug, Clone)]
pub struct Writer {
    out: Vec<u8>,
    kind: Kind,
    key: Vec<u8>,
    /// The header of the table, until its first change is written.
    header: Vec<u8>,
    /// The new record of an UPDATE while its old one is written.
    new: Vec<u8>,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            out: Vec::new(),
            kind,
            key: Vec::new(),
            header: Vec::new(),
            new: Vec::new(),
        }
    }

    /// The changes that follow are of this table. `key` has for each column its place in the
    /// primary key, or 0. A table without changes is not written.
    pub fn table(&mut self, name: &str, key: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.header.clear();
        self.header.push(match self.kind {
            Kind::Changeset => b'T',
            Kind::Patchset => b'P',
        });
        put_varint(&mut self.header, key.len() as u64);
        self.header.extend_from_slice(key);
        self.header.extend_from_slice(name.as_bytes());
        self.header.push(0);
    }

    /// The changes that follow stand under the same header as a change that was read.
    pub fn table_of(&mut self, table: &Table<'_>) {
        self.kind = table.kind;
        self.table(table.name, table.key);
    }

    /// Writes that a row was inserted.
    pub fn insert<'v>(&mut self, indirect: bool, row: impl IntoIterator<Item = ValueRef<'v>>) {
        self.begin(Op::Insert, indirect);
        for value in row {
            encode(&mut self.out, Some(value));
        }
    }

    /// Writes that a row was deleted.
    pub fn delete<'v>(&mut self, indirect: bool, row: impl IntoIterator<Item = ValueRef<'v>>) {
        self.begin(Op::Delete, indirect);
        for (value, place) in row.into_iter().zip(&self.key) {
            if self.kind == Kind::Changeset || *place != 0 {
                encode(&mut self.out, Some(value));
            }
        }
    }

    /// Writes how a row changed. Where it did not, nothing is written and false returned.
    pub fn update<'v>(
        &mut self,
        indirect: bool,
        old: impl IntoIterator<Item = ValueRef<'v>>,
        new: impl IntoIterator<Item = ValueRef<'v>>,
    ) -> bool {
        let start = self.out.len();
        let header = self.begin(Op::Update, indirect);
        self.new.clear();
        let mut changed = false;
        for ((old, new), place) in old.into_iter().zip(new).zip(&self.key) {
            let differs = old != new;
            changed |= differs;
            if self.kind == Kind::Changeset {
                let old = (differs || *place != 0).then_some(old);
                encode(&mut self.out, old);
                encode(&mut self.new, differs.then_some(new));
            } else {
                let new = (differs || *place != 0).then_some(new);
                encode(&mut self.new, new);
            }
        }
        if changed {
            self.out.extend_from_slice(&self.new);
        } else {
            // The header, if it was written for this change, is still to come.
            self.header
                .extend_from_slice(&self.out[start..start + header]);
            self.out.truncate(start);
        }
        changed
    }

    /// Writes a change whose records are encoded already.
    pub fn raw(&mut self, op: Op, indirect: bool, records: &[&[u8]]) {
        self.begin(op, indirect);
        for record in records {
            self.out.extend_from_slice(record);
        }
    }

    /// Writes a change field by field: the fields of its one record, or of both.
    pub fn fields<'f>(
        &mut self,
        op: Op,
        indirect: bool,
        fields: impl IntoIterator<Item = Field<'f>>,
    ) {
        self.begin(op, indirect);
        for field in fields {
            self.out.extend_from_slice(field.bytes());
        }
    }

    /// The same, with room for so many bytes.
    #[must_use]
    pub fn with_capacity(kind: Kind, bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            ..Self::new(kind)
        }
    }

    /// How many bytes there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether no change was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Writes the header where it is still to come, and the first bytes of a change. Returns the
    /// header's length.
    fn begin(&mut self, op: Op, indirect: bool) -> usize {
        let header = self.header.len();
        self.out.append(&mut self.header);
        self.out.extend_from_slice(&[op.code(), indirect.into()]);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Writer};
    use crate::changeset::{Op, Reader};
    use sqlite_abi::ValueRef::{Integer, Null, Text};

    #[test]
    fn the_bytes_are_those_of_the_session_extension() {
        let mut writer = Writer::new(Kind::Changeset);
        writer.table("t", &[2, 1, 0]);
        assert!(!writer.update(
            false,
            [Integer(1), Integer(2), Null],
            [Integer(1), Integer(2), Null]
        ));
        assert!(writer.is_empty());
        writer.insert(false, [Integer(1), Text(b"x"), Null]);
        assert!(writer.update(
            true,
            [Integer(1), Integer(2), Null],
            [Integer(1), Integer(2), Text(b"y")]
        ));
        let mut expected = b"T\x03\x02\x01\x00t\x00".to_vec();
        expected.extend(b"\x12\x00\x01\0\0\0\0\0\0\0\x01\x03\x01x\x05");
        expected.extend(b"\x17\x01\x01\0\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x02\x05");
        expected.extend(b"\0\0\x03\x01y");
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn patchsets_keep_keys_and_new_values() {
        let mut writer = Writer::new(Kind::Patchset);
        writer.table("t", &[0, 1]);
        writer.delete(false, [Null, Integer(7)]);
        writer.update(false, [Null, Integer(8)], [Text(b"a"), Integer(8)]);
        let bytes = writer.finish();
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let mut reader = Reader::new(&bytes);
        let mut next = || {
            let change = reader.next().unwrap().unwrap();
            change.fields(&mut old, &mut new);
            let values = |fields: &[crate::changeset::Field<'_>]| {
                fields
                    .iter()
                    .map(|field| format!("{:?}", field.value()))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            (change.op, values(&old), values(&new))
        };
        assert_eq!(
            next(),
            (
                Op::Delete,
                "None Some(Integer(7))".into(),
                "None None".into()
            )
        );
        assert_eq!(
            next(),
            (
                Op::Update,
                "None Some(Integer(8))".into(),
                "Some(Text([97])) None".into()
            )
        );
    }
}

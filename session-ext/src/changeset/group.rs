//! Many changesets as one: at most one change is left of each row.
//!
//! Divisions: the group · its tables · how two changes of a row merge.
//! The changes stay where they are, in the bytes that were added, and are found by a hash of
//! their keys; only merged ones are copied. Tables and rows keep the order in which they came.

use std::borrow::Cow;

use super::Error;
use super::index::KeyIndex;
use super::reader::{Change, Kind, Op, Reader, Record, Table};
use super::value::Field;
use super::writer::Writer;

/// Two changesets as one: first the changes of `a`, then those of `b`.
///
/// # Errors
/// As [`Group::add`].
pub fn concat(a: &[u8], b: &[u8]) -> Result<Vec<u8>, Error> {
    let mut group = Group::default();
    group.add(a)?;
    group.add(b)?;
    Ok(group.output())
}

/// The merged changes of any number of changesets, or of any number of patchsets.
#[derive(Debug, Default)]
pub struct Group<'a> {
    kind: Option<Kind>,
    tables: Vec<Changes<'a>>,
}

impl<'a> Group<'a> {
    /// Adds changes that come after those added before. After an error the group holds a part of
    /// them and is of no use.
    ///
    /// # Errors
    /// Bytes that are no changeset; a patchset where there are changesets, or the reverse; a table
    /// that has other columns or another key than before.
    pub fn add(&mut self, changeset: &'a [u8]) -> Result<(), Error> {
        self.extend(changeset, Cow::Borrowed)
    }

    /// The same for bytes that do not live as long as the group: it copies what it needs.
    ///
    /// # Errors
    /// As [`Group::add`].
    pub fn add_copy(&mut self, changeset: &[u8]) -> Result<(), Error> {
        self.extend(changeset, |body| Cow::Owned(body.to_vec()))
    }

    /// What is left, as one changeset or patchset.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        let kind = self.kind.unwrap_or(Kind::Changeset);
        let rows = || {
            self.tables
                .iter()
                .flat_map(|table| table.rows.iter().flatten())
        };
        let size = rows().map(|row| row.body.len() + 2).sum();
        let mut out = Writer::with_capacity(kind, size);
        for table in &self.tables {
            out.table(&table.name, &table.key);
            for row in table.rows.iter().flatten() {
                out.raw(row.op, row.indirect, &[&row.body]);
            }
        }
        out.finish()
    }

    fn extend<'b>(
        &mut self,
        changeset: &'b [u8],
        keep: impl Fn(&'b [u8]) -> Cow<'a, [u8]>,
    ) -> Result<(), Error> {
        let mut current = None;
        for change in Reader::new(changeset) {
            let change = change?;
            let index = match current {
                Some((header, index)) if header == change.table.offset => index,
                _ => self.table(&change.table)?,
            };
            current = Some((change.table.offset, index));
            if let Some(table) = self.tables.get_mut(index) {
                table.add(&change, &keep);
            }
        }
        Ok(())
    }

    /// The place of a table's changes.
    fn table(&mut self, table: &Table<'_>) -> Result<usize, Error> {
        if *self.kind.get_or_insert(table.kind) != table.kind {
            return Err(Error::Mixed);
        }
        let known = self
            .tables
            .iter()
            .position(|known| same_name(&known.name, table.name));
        if let Some(index) = known {
            if self.tables[index].key != table.key {
                return Err(Error::Schema(table.name.to_owned()));
            }
            return Ok(index);
        }
        self.tables.push(Changes {
            kind: table.kind,
            name: table.name.to_owned(),
            key: table.key.to_vec(),
            rows: Vec::new(),
            index: KeyIndex::default(),
        });
        Ok(self.tables.len() - 1)
    }
}

/// Whether two names stand for the same table.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// The changes of one table.
#[derive(Debug)]
struct Changes<'a> {
    kind: Kind,
    name: String,
    key: Vec<u8>,
    /// One for each key; none where nothing is left of the row's changes.
    rows: Vec<Option<Row<'a>>>,
    /// The places in `rows`, by key.
    index: KeyIndex,
}

#[derive(Debug)]
struct Row<'a> {
    op: Op,
    indirect: bool,
    body: Cow<'a, [u8]>,
}

impl<'a> Changes<'a> {
    fn add<'b>(&mut self, change: &Change<'b>, keep: impl Fn(&'b [u8]) -> Cow<'a, [u8]>) {
        let record = change.keyed();
        let layout = (self.kind, self.key.as_slice());
        let hash = self.index.hash(record.key());
        let found = self.index.find(hash, |place| {
            let row = self.rows.get(place).and_then(Option::as_ref);
            row.is_some_and(|row| first(layout, row.op, &row.body).key().eq(record.key()))
        });
        let Some(place) = found else {
            self.index.insert(hash, self.rows.len());
            self.rows.push(Some(Row {
                op: change.op,
                indirect: change.indirect,
                body: keep(change.body),
            }));
            return;
        };
        let Some(Some(row)) = self.rows.get_mut(place) else {
            return;
        };
        match merge(layout, row, change) {
            Merged::Same => {}
            Merged::Nothing => {
                // The row's next change is a first one again.
                self.rows[place] = None;
                self.index.remove(hash, place);
            }
            Merged::Change(op, body) => {
                row.op = op;
                row.indirect &= change.indirect;
                row.body = Cow::Owned(body);
            }
        }
    }
}

type Layout<'t> = (Kind, &'t [u8]);

/// The first record of a change, the one with the key.
fn first<'r>((kind, key): Layout<'r>, op: Op, body: &'r [u8]) -> Record<'r> {
    Record::known(body, key, kind == Kind::Patchset && op == Op::Delete)
}

/// The second record of a changeset's UPDATE.
fn second<'r>((_, key): Layout<'r>, body: &'r [u8]) -> Option<Record<'r>> {
    let (_, rest) = Record::split(body, key, false).ok()?;
    Some(Record::known(rest, key, false))
}

/// What is left of two changes of one row.
enum Merged {
    /// The first: the second cannot follow it.
    Same,
    Nothing,
    Change(Op, Vec<u8>),
}

/// | first, then | INSERT | UPDATE | DELETE |
/// | --- | --- | --- | --- |
/// | INSERT | the first | INSERT | nothing |
/// | UPDATE | the first | UPDATE | DELETE |
/// | DELETE | UPDATE | the first | the first |
fn merge(table: Layout<'_>, known: &Row<'_>, change: &Change<'_>) -> Merged {
    let first = first(table, known.op, &known.body);
    let patchset = table.0 == Kind::Patchset;
    match (known.op, change.op) {
        (Op::Insert | Op::Update, Op::Insert) | (Op::Delete, Op::Update | Op::Delete) => {
            Merged::Same
        }
        (Op::Insert, Op::Delete) => Merged::Nothing,
        (Op::Insert, Op::Update) => {
            Merged::Change(Op::Insert, overlay(table.1, Some(first), change.new))
        }
        (Op::Update, Op::Delete) if patchset => Merged::Change(Op::Delete, change.body.to_vec()),
        (Op::Update, Op::Delete) => {
            Merged::Change(Op::Delete, overlay(table.1, change.old, Some(first)))
        }
        (Op::Delete, Op::Insert) if patchset => Merged::Change(Op::Update, change.body.to_vec()),
        (Op::Delete, Op::Insert) => update(table.1, first.fields(), fields(change.new)),
        (Op::Update, Op::Update) if patchset => {
            Merged::Change(Op::Update, overlay(table.1, Some(first), change.new))
        }
        (Op::Update, Op::Update) => update(
            table.1,
            prefer(first.fields(), fields(change.old)),
            prefer(fields(change.new), fields(second(table, &known.body))),
        ),
    }
}

fn fields<'r>(record: Option<Record<'r>>) -> impl Iterator<Item = Field<'r>> + Clone {
    record.into_iter().flat_map(Record::fields)
}

/// The fields of one record, those it does not define from the other.
fn prefer<'r>(
    one: impl Iterator<Item = Field<'r>> + Clone,
    other: impl Iterator<Item = Field<'r>> + Clone,
) -> impl Iterator<Item = Field<'r>> + Clone {
    one.zip(other)
        .map(|(one, other)| if one.is_defined() { one } else { other })
}

/// A record with the fields that another one defines put over it, but for the key: SQLite calls a
/// key that goes from 0 to 0.0 an UPDATE of the same row.
fn overlay(key: &[u8], under: Option<Record<'_>>, over: Option<Record<'_>>) -> Vec<u8> {
    let size = |record: Option<Record<'_>>| record.map_or(0, |record| record.bytes().len());
    let mut body = Vec::with_capacity(size(under) + size(over));
    for ((over, under), place) in fields(over).zip(fields(under)).zip(key) {
        let field = if *place == 0 && over.is_defined() {
            over
        } else {
            under
        };
        body.extend_from_slice(field.bytes());
    }
    body
}

/// The records of an UPDATE from one row to another; nothing where they are the same.
fn update<'r>(
    key: &[u8],
    old: impl Iterator<Item = Field<'r>>,
    new: impl Iterator<Item = Field<'r>>,
) -> Merged {
    let columns: Vec<_> = old
        .zip(new)
        .zip(key.iter().map(|place| *place != 0))
        .collect();
    let differs = |&((old, new), key): &((Field<'r>, Field<'r>), bool)| !key && old != new;
    if !columns.iter().any(differs) {
        return Merged::Nothing;
    }
    let size = columns
        .iter()
        .map(|((old, new), _)| old.bytes().len() + new.bytes().len());
    let mut body = Vec::with_capacity(size.sum());
    let mut push = |field: Field<'_>| body.extend_from_slice(field.bytes());
    for column @ ((old, _), key) in &columns {
        push(if *key || differs(column) {
            *old
        } else {
            Field::UNDEFINED
        });
    }
    for column @ ((_, new), _) in &columns {
        push(if differs(column) {
            *new
        } else {
            Field::UNDEFINED
        });
    }
    Merged::Change(Op::Update, body)
}

//! Local changes as they would have been made after others' changes: what two databases that
//! change the same rows need before they can exchange changesets both ways.
//!
//! Others' changes were applied here; where they met a local change, a conflict was resolved. The
//! rebase blob tells how, one entry for each conflict, written as a change:
//!
//! | entry | meaning |
//! | --- | --- |
//! | INSERT, indirect 0 | another INSERT or UPDATE was left out (OMIT); its new values |
//! | INSERT, indirect 1 | another INSERT or UPDATE replaced the local row (REPLACE) |
//! | DELETE, indirect 0 or 1 | another DELETE was left out, or done |
//!
//! What becomes of a local change of such a row:
//!
//! | local | INSERT 0 | INSERT 1 | DELETE 0 | DELETE 1 |
//! | --- | --- | --- | --- | --- |
//! | INSERT | UPDATE from the other's values | nothing | the same | the same |
//! | UPDATE | UPDATE, with the other's values as old ones | UPDATE of those fields that were not replaced | INSERT | nothing |
//! | DELETE | DELETE, with the other's values as old ones | DELETE | nothing | nothing |

use super::Error;
use super::group::same_name;
use super::index::KeyIndex;
use super::reader::{Change, Kind, Op, Reader, Record, Table};
use super::value::Field;
use super::writer::Writer;

/// The local changeset `local`, rebased on how the conflicts with others were resolved.
///
/// # Errors
/// As [`Rebaser::add`] and [`Rebaser::rebase`].
pub fn rebase<'r>(
    local: &[u8],
    resolutions: impl IntoIterator<Item = &'r [u8]>,
) -> Result<Vec<u8>, Error> {
    let mut rebaser = Rebaser::default();
    for blob in resolutions {
        rebaser.add(blob)?;
    }
    rebaser.rebase(local)
}

/// Rebase blobs by key.
#[derive(Debug, Default)]
pub struct Rebaser<'r> {
    tables: Vec<Resolutions<'r>>,
}

/// How the conflicts in one table were resolved.
#[derive(Debug)]
struct Resolutions<'r> {
    name: &'r str,
    key: &'r [u8],
    rows: Vec<Resolution<'r>>,
    index: KeyIndex,
}

#[derive(Debug)]
struct Resolution<'r> {
    op: Op,
    replaced: bool,
    /// The others' values; none where one replaced the local value.
    fields: Vec<Option<Field<'r>>>,
}

impl<'r> Resolutions<'r> {
    fn key_at(&self, place: usize) -> impl Iterator<Item = Field<'r>> + Clone {
        let fields = self.rows.get(place).map_or(&[][..], |row| &row.fields);
        fields
            .iter()
            .zip(self.key)
            .filter_map(|(field, place)| field.filter(|_| *place != 0))
    }

    fn find(&self, record: Record<'_>) -> Option<usize> {
        let hash = self.index.hash(record.key());
        self.index
            .find(hash, |place| self.key_at(place).eq(record.key()))
    }

    fn add(&mut self, change: &Change<'r>) {
        let record = change.keyed();
        if let Some(row) = self.find(record).and_then(|place| self.rows.get_mut(place)) {
            row.follow(change, self.key);
            return;
        }
        let fields = record.fields().zip(self.key).map(|(field, place)| {
            let kept = !change.indirect || *place != 0 || !field.is_defined();
            kept.then_some(field)
        });
        self.index
            .insert(self.index.hash(record.key()), self.rows.len());
        self.rows.push(Resolution {
            op: change.op,
            replaced: change.indirect,
            fields: fields.collect(),
        });
    }
}

impl<'r> Resolution<'r> {
    /// A later conflict in the same row. A row that is gone stays gone.
    fn follow(&mut self, change: &Change<'r>, key: &[u8]) {
        if self.op == Op::Delete && self.replaced {
            return;
        }
        self.op = change.op;
        self.replaced |= change.indirect;
        let later = change.keyed().fields();
        for ((field, later), place) in self.fields.iter_mut().zip(later).zip(key) {
            if change.indirect && *place == 0 {
                *field = None;
            } else if field.is_some() && later.is_defined() {
                *field = Some(later);
            }
        }
    }
}

impl<'r> Rebaser<'r> {
    /// Adds the resolutions of one application, after those of earlier ones.
    ///
    /// # Errors
    /// Bytes that are no rebase blob: a patchset, or one with an UPDATE; a table with another
    /// shape than before.
    pub fn add(&mut self, blob: &'r [u8]) -> Result<(), Error> {
        for change in Reader::new(blob) {
            let change = change?;
            if change.table.kind == Kind::Patchset || change.op == Op::Update {
                return Err(Error::NotRebase(change.offset));
            }
            let index = self.table(&change.table)?;
            if let Some(table) = self.tables.get_mut(index) {
                table.add(&change);
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &Table<'r>) -> Result<usize, Error> {
        if let Some(index) = self.find_table(table.name) {
            if self.tables[index].key != table.key {
                return Err(Error::Schema(table.name.to_owned()));
            }
            return Ok(index);
        }
        self.tables.push(Resolutions {
            name: table.name,
            key: table.key,
            rows: Vec::new(),
            index: KeyIndex::default(),
        });
        Ok(self.tables.len() - 1)
    }

    fn find_table(&self, name: &str) -> Option<usize> {
        self.tables
            .iter()
            .position(|known| same_name(known.name, name))
    }

    /// Rebases a changeset.
    ///
    /// # Errors
    /// Bytes that are no changeset; a patchset; a table whose key differs from that in the blobs.
    pub fn rebase(&self, local: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Writer::with_capacity(Kind::Changeset, local.len());
        let mut current = None;
        for change in Reader::new(local) {
            let change = change?;
            if change.table.kind == Kind::Patchset {
                return Err(Error::RebasePatchset);
            }
            let known = match current {
                Some((header, known)) if header == change.table.offset => known,
                _ => {
                    out.table_of(&change.table);
                    self.resolutions(&change.table)?
                }
            };
            current = Some((change.table.offset, known));
            let resolution = known.and_then(|known| {
                let place = known.find(change.keyed())?;
                known.rows.get(place)
            });
            match resolution {
                Some(resolution) => rebase_change(&mut out, &change, resolution),
                None => out.raw(change.op, change.indirect, &[change.body]),
            }
        }
        Ok(out.finish())
    }

    /// A table may have more columns at its end on one side than on the other.
    fn resolutions(&self, table: &Table<'_>) -> Result<Option<&Resolutions<'r>>, Error> {
        let Some(known) = self.find_table(table.name).and_then(|i| self.tables.get(i)) else {
            return Ok(None);
        };
        let both = known.key.len().min(table.key.len());
        let extra = known.key[both..].iter().chain(&table.key[both..]);
        if known.key[..both] != table.key[..both] || extra.into_iter().any(|place| *place != 0) {
            return Err(Error::Schema(table.name.to_owned()));
        }
        Ok(Some(known))
    }
}

/// The fields of a change and of a resolution, column by column.
#[derive(Clone, Copy)]
struct Column<'f> {
    in_key: bool,
    old: Field<'f>,
    new: Field<'f>,
    /// None where the other's value replaced the local one.
    theirs: Option<Field<'f>>,
}

fn columns<'f>(
    change: &Change<'f>,
    resolution: &'f Resolution<'_>,
) -> impl Iterator<Item = Column<'f>> + Clone {
    let [old, new] = [change.old, change.new].map(|record| {
        let fields = record.into_iter().flat_map(Record::fields);
        fields.chain(std::iter::repeat(Field::UNDEFINED))
    });
    let theirs = resolution.fields.iter().copied();
    let theirs = theirs.chain(std::iter::repeat(Some(Field::UNDEFINED)));
    let fields = change.table.key.iter().zip(old).zip(new).zip(theirs);
    fields.map(|(((place, old), new), theirs)| Column {
        in_key: *place != 0,
        old,
        new,
        theirs,
    })
}

fn rebase_change(out: &mut Writer, change: &Change<'_>, resolution: &Resolution<'_>) {
    let columns = columns(change, resolution);
    let indirect = change.indirect;
    match (change.op, resolution.op) {
        (Op::Insert, Op::Insert) => {
            if !resolution.replaced {
                let before = columns
                    .clone()
                    .map(|c| c.theirs.unwrap_or(Field::UNDEFINED));
                out.fields(Op::Update, indirect, before.chain(columns.map(|c| c.new)));
            }
        }
        (Op::Insert, _) => out.raw(Op::Insert, indirect, &[change.body]),
        (Op::Update, Op::Delete) => {
            if !resolution.replaced {
                out.fields(
                    Op::Insert,
                    indirect,
                    columns.map(|c| if c.in_key { c.old } else { or(c.new, c.theirs) }),
                );
            }
        }
        (Op::Update, _) => rebase_update(out, indirect, columns),
        (Op::Delete, Op::Insert) => {
            let row = columns.map(|c| c.theirs.map_or(c.old, |theirs| or(theirs, Some(c.old))));
            out.fields(Op::Delete, indirect, row);
        }
        (Op::Delete, _) => {}
    }
}

fn or<'f>(field: Field<'f>, other: Option<Field<'f>>) -> Field<'f> {
    if field.is_defined() {
        field
    } else {
        other.unwrap_or(field)
    }
}

/// Leaves out the fields that were replaced; where the other's value is known, the local UPDATE
/// starts from it.
fn rebase_update<'f>(
    out: &mut Writer,
    indirect: bool,
    columns: impl Iterator<Item = Column<'f>> + Clone,
) {
    let before = |c: Column<'f>| match c.theirs {
        _ if c.in_key => c.old,
        Some(theirs) if !theirs.is_defined() => c.old,
        Some(theirs) if c.old.is_defined() => theirs,
        _ => Field::UNDEFINED,
    };
    let after = |c: Column<'f>| {
        if c.in_key || c.theirs.is_some() {
            c.new
        } else {
            Field::UNDEFINED
        }
    };
    let mut changed = columns.clone().filter(|c| !c.in_key).map(before);
    if changed.any(Field::is_defined) {
        out.fields(
            Op::Update,
            indirect,
            columns.clone().map(before).chain(columns.map(after)),
        );
    }
}

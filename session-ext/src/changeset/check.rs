//! Whether a changeset is one that SQLite could have written.
//!
//! The reader takes what SQLite's reader takes, which is more: a rebase blob, an UPDATE of
//! nothing, the same row twice. Such bytes fail or do nothing where they are applied.

use sqlite_abi::ValueRef;

use super::index::KeyIndex;
use super::reader::{Change, Kind, Op, Reader, Record};
use super::{Malformed, Problem};

/// The first thing that is wrong.
///
/// # Errors
/// Where and what.
pub fn check(changeset: &[u8]) -> Result<(), Malformed> {
    let mut header = None;
    let mut seen = Seen::default();
    for change in Reader::new(changeset) {
        let change = change?;
        let wrong = |problem| Malformed {
            offset: change.offset,
            problem,
        };
        if header.replace(change.table.offset) != Some(change.table.offset) {
            if change.table.key.iter().all(|place| *place == 0) {
                return Err(wrong(Problem::Keyless(change.table.name.to_owned())));
            }
            seen = Seen::default();
        }
        check_change(&change).map_err(wrong)?;
        if !seen.add(changeset, &change) {
            return Err(wrong(Problem::Twice(change.table.name.to_owned())));
        }
    }
    Ok(())
}

fn check_change(change: &Change<'_>) -> Result<(), Problem> {
    let table = || change.table.name.to_owned();
    let stat1 = change.table.name.eq_ignore_ascii_case("sqlite_stat1");
    for field in change.keyed().key() {
        if field.value() == Some(ValueRef::Null) && !stat1 {
            return Err(Problem::NullKey(table()));
        }
    }
    let (mut old, mut new) = (Vec::new(), Vec::new());
    change.fields(&mut old, &mut new);
    let columns = || old.iter().zip(&new).zip(change.table.key);
    let whole = |record: Option<Record<'_>>| {
        record.is_none_or(|record| record.fields().all(|field| field.is_defined()))
    };
    let good = match (change.op, change.table.kind) {
        (Op::Insert, _) => whole(change.new),
        (Op::Delete, Kind::Changeset) => whole(change.old),
        (Op::Delete, Kind::Patchset) => true,
        (Op::Update, kind) => {
            let as_should_be = columns().all(|((old, new), place)| {
                let both = kind == Kind::Patchset || old.is_defined() == new.is_defined();
                if *place == 0 { both } else { !new.is_defined() }
            });
            as_should_be && columns().any(|((_, new), place)| *place == 0 && new.is_defined())
        }
    };
    if good {
        Ok(())
    } else {
        Err(Problem::Fields(change.op.name(), table()))
    }
}

/// The rows of one table that were seen.
#[derive(Default)]
struct Seen {
    index: KeyIndex,
}

impl Seen {
    /// False: there was a change of that row already. Rows are kept by the places of their
    /// changes.
    fn add(&mut self, bytes: &[u8], change: &Change<'_>) -> bool {
        let hash = self.index.hash(change.keyed().key());
        let table = change.table;
        let same = |offset: usize| {
            let Some(body) = bytes.get(offset + 2..) else {
                return false;
            };
            let key_only = table.kind == Kind::Patchset && bytes[offset] == Op::Delete.code();
            let known = Record::known(body, table.key, key_only);
            known.key().eq(change.keyed().key())
        };
        let new = self.index.find(hash, same).is_none();
        if new {
            self.index.insert(hash, change.offset);
        }
        new
    }
}

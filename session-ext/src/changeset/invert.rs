//! The changeset that undoes another: INSERT and DELETE trade places, UPDATE its records.

use super::Error;
use super::reader::{Change, Kind, Op, Reader};
use super::value::Field;
use super::writer::Writer;

/// The inverse of a changeset; applied after it, it restores what was there before.
///
/// # Errors
/// Bytes that are no changeset; a patchset, which has no old values.
pub fn invert(changeset: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Writer::with_capacity(Kind::Changeset, changeset.len());
    let mut header = None;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for change in Reader::new(changeset) {
        let change = change?;
        if change.table.kind == Kind::Patchset {
            return Err(Error::InvertPatchset);
        }
        if header.replace(change.table.offset) != Some(change.table.offset) {
            out.table_of(&change.table);
        }
        match change.op {
            Op::Insert => out.raw(Op::Delete, change.indirect, &[change.body]),
            Op::Delete => out.raw(Op::Insert, change.indirect, &[change.body]),
            Op::Update => {
                change.fields(&mut old, &mut new);
                invert_update(&mut out, &change, &old, &new);
            }
        }
    }
    Ok(out.finish())
}

/// The key stays in the old record; all other fields change sides.
fn invert_update(out: &mut Writer, change: &Change<'_>, old: &[Field<'_>], new: &[Field<'_>]) {
    let columns = || old.iter().zip(new).zip(change.table.key);
    let before = columns().map(|((old, new), place)| if *place == 0 { *new } else { *old });
    let after = columns().map(|((old, _), place)| match place {
        0 => *old,
        _ => Field::UNDEFINED,
    });
    out.fields(Op::Update, change.indirect, before.chain(after));
}

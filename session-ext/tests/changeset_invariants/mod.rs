//! What holds for any bytes that are taken for a changeset. Checked by the fuzz target and, with
//! random bytes, by `cargo test`.

use sqlbridge_session_ext::changeset::{
    Change, Group, Kind, Reader, Rebaser, Writer, check, concat, invert, rebase,
};

/// Reading, and all that can be done without a database.
pub fn any_bytes(bytes: &[u8]) {
    let changes: Result<Vec<Change<'_>>, _> = Reader::new(bytes).collect();
    resumed(bytes);
    let mut rebaser = Rebaser::default();
    if rebaser.add(bytes).is_ok() {
        let _ = rebaser.rebase(bytes);
    }
    let Ok(changes) = changes else {
        assert!(check(bytes).is_err() && invert(bytes).is_err());
        assert!(Group::default().add(bytes).is_err());
        return;
    };
    fields_are_whole(&changes);
    assert_eq!(contents(&rewritten(&changes)), contents_of(&changes));
    if let Ok(grouped) = concat(bytes, &[]) {
        assert_eq!(grouped, concat(&[], bytes).unwrap());
        assert_eq!(
            contents(&grouped),
            contents(&concat(&grouped, &[]).unwrap())
        );
    }
    if changes
        .iter()
        .any(|change| change.table.kind == Kind::Patchset)
    {
        assert!(invert(bytes).is_err());
        assert!(rebase(bytes, []).is_err());
        return;
    }
    assert_eq!(contents(&rebase(bytes, []).unwrap()), contents_of(&changes));
    let inverse = invert(bytes).unwrap();
    assert_eq!(contents(&inverse).len(), changes.len());
    if check(bytes).is_ok() {
        check(&inverse).unwrap();
        assert_eq!(contents(&invert(&inverse).unwrap()), canonical(&changes));
    }
}

/// A reader that is stopped after each change and begun again reads the same.
fn resumed(bytes: &[u8]) {
    let mut position = Reader::new(bytes).position();
    for expected in Reader::new(bytes).map(Some).chain([None]) {
        let mut reader = Reader::resume(bytes, position);
        assert_eq!(reader.next(), expected);
        position = reader.position();
    }
}

fn fields_are_whole(changes: &[Change<'_>]) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let mut end = 0;
    for change in changes {
        assert!(change.offset >= end);
        end = change.offset + 2 + change.body.len();
        change.fields(&mut old, &mut new);
        assert_eq!([old.len(), new.len()], [change.table.columns(); 2]);
        for field in old.iter().chain(&new) {
            assert_eq!(field.value().is_some(), field.is_defined());
        }
    }
}

fn rewritten(changes: &[Change<'_>]) -> Vec<u8> {
    let mut out = Writer::new(Kind::Changeset);
    let mut header = None;
    for change in changes {
        if header.replace(change.table.offset) != Some(change.table.offset) {
            out.table_of(&change.table);
        }
        out.raw(change.op, change.indirect, &[change.body]);
    }
    out.finish()
}

/// Table, key, operation, indirect, records.
type Content = (String, Vec<u8>, &'static str, bool, Vec<u8>);

fn content(change: &Change<'_>) -> Content {
    let table = change.table;
    let (name, key) = (table.name.to_owned(), table.key.to_vec());
    (
        name,
        key,
        change.op.name(),
        change.indirect,
        change.body.to_vec(),
    )
}

fn contents_of(changes: &[Change<'_>]) -> Vec<Content> {
    changes.iter().map(content).collect()
}

/// The changes without their places.
pub fn contents(bytes: &[u8]) -> Vec<Content> {
    Reader::new(bytes)
        .map(|change| content(&change.unwrap()))
        .collect()
}

/// The contents with old values only where there are new ones: an inverse has no others.
fn canonical(changes: &[Change<'_>]) -> Vec<Content> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let canonical = changes.iter().map(|change| {
        change.fields(&mut old, &mut new);
        let used = [change.old.is_some(), change.new.is_some()];
        let records = [&old, &new].into_iter().zip(used).filter(|(_, used)| *used);
        let fields = records.flat_map(|(record, _)| record.iter());
        let body = fields.flat_map(|field| field.bytes()).copied().collect();
        let (table, key, op, indirect, _) = content(change);
        (table, key, op, indirect, body)
    });
    canonical.collect()
}

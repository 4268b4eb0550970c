//! Properties of the format: any bytes, and histories of a table against a model.

#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared with the fuzz target"
)]
mod changeset_invariants;

use std::collections::BTreeMap;

use changeset_invariants::{any_bytes, contents};
use proptest::prelude::*;
use sqlbridge_session_ext::changeset::{
    Error, Group, Kind, Reader, Writer, check, concat, invert, rebase,
};
use sqlite_abi::{Value, ValueRef};

/// A table `t(a, id, b)` with the key `id`: the other two columns by id.
type Rows = BTreeMap<i64, [Value; 2]>;

const KEY: &[u8] = &[0, 1, 0];

fn row(id: i64, [a, b]: &[Value; 2]) -> [ValueRef<'_>; 3] {
    [a.as_ref(), ValueRef::Integer(id), b.as_ref()]
}

/// What leads from one state to another.
fn difference(kind: Kind, before: &Rows, after: &Rows) -> Vec<u8> {
    let mut out = Writer::new(kind);
    out.table("t", KEY);
    for (id, old) in before {
        match after.get(id) {
            Some(new) => {
                out.update(false, row(*id, old), row(*id, new));
            }
            None => out.delete(false, row(*id, old)),
        }
    }
    for (id, new) in after.iter().filter(|(id, _)| !before.contains_key(id)) {
        out.insert(false, row(*id, new));
    }
    out.finish()
}

fn sorted(changeset: &[u8]) -> Vec<String> {
    let mut contents: Vec<_> = contents(changeset)
        .iter()
        .map(|c| format!("{c:?}"))
        .collect();
    contents.sort();
    contents
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0_i64..3).prop_map(Value::Integer),
        (0_u8..3).prop_map(|n| Value::Real(f64::from(n) + 0.5)),
        "[a-c]{0,2}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Value::Blob),
    ]
}

fn rows() -> impl Strategy<Value = Rows> {
    prop::collection::btree_map(0_i64..6, [value(), value()], 0..6)
}

/// Bytes that look like a changeset, and often are one.
fn lookalike() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just(vec![0]),
        Just(vec![5]),
        any::<[u8; 8]>().prop_map(|bytes| [&[1][..], &bytes].concat()),
        (0_u8..5).prop_map(|length| [vec![3, length], vec![b'x'; length.into()]].concat()),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let header = (
        prop::sample::select(b"TP".to_vec()),
        prop::collection::vec(0_u8..3, 1..3),
    )
        .prop_map(|(kind, key)| [&[kind, key.len() as u8][..], &key, b"t\0"].concat());
    let change = (
        prop::sample::select(vec![18_u8, 23, 9]),
        0_u8..2,
        prop::collection::vec(field, 1..5),
    )
        .prop_map(|(op, indirect, fields)| [vec![op, indirect], fields.concat()].concat());
    let part = prop_oneof![1 => header, 4 => change];
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn bytes_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        any_bytes(&bytes);
    }

    #[test]
    fn bytes_that_look_right(bytes in lookalike()) {
        any_bytes(&bytes);
    }

    #[test]
    fn damaged_changesets(
        states in [rows(), rows()],
        (at, byte, cut) in (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()),
    ) {
        for kind in [Kind::Changeset, Kind::Patchset] {
            let mut bytes = difference(kind, &states[0], &states[1]);
            any_bytes(&bytes);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                if cut {
                    bytes.truncate(at);
                }
                any_bytes(&bytes);
            }
        }
    }

    /// Three steps grouped are the way from the first state to the last, in whichever order they
    /// are put together.
    #[test]
    fn groups_are_differences(states in [rows(), rows(), rows(), rows()]) {
        let [before, one, two, after] = &states;
        let steps = [(before, one), (one, two), (two, after)];
        let steps = steps.map(|(from, to)| difference(Kind::Changeset, from, to));
        let whole = difference(Kind::Changeset, before, after);
        check(&whole).unwrap();
        let left = concat(&concat(&steps[0], &steps[1]).unwrap(), &steps[2]).unwrap();
        let right = concat(&steps[0], &concat(&steps[1], &steps[2]).unwrap()).unwrap();
        let mut group = Group::default();
        for step in &steps {
            group.add_copy(step).unwrap();
        }
        prop_assert_eq!(sorted(&left), sorted(&whole));
        prop_assert_eq!(sorted(&right), sorted(&whole));
        prop_assert_eq!(sorted(&group.output()), sorted(&whole));
    }

    #[test]
    fn an_inverse_leads_back(states in [rows(), rows()]) {
        let forth = difference(Kind::Changeset, &states[0], &states[1]);
        let back = difference(Kind::Changeset, &states[1], &states[0]);
        let inverse = invert(&forth).unwrap();
        prop_assert_eq!(sorted(&inverse), sorted(&back));
        prop_assert_eq!(invert(&inverse).unwrap(), forth.clone());
        prop_assert_eq!(concat(&forth, &inverse).unwrap(), b"");
    }

    /// A patchset is what a changeset is without the old values; so are groups of them, but that
    /// a row that was deleted and inserted again is an UPDATE of all its values.
    #[test]
    fn patchsets_group_like_changesets(states in [rows(), rows(), rows()]) {
        let [before, between, after] = &states;
        let kind = Kind::Patchset;
        let steps = [difference(kind, before, between), difference(kind, between, after)];
        let grouped = concat(&steps[0], &steps[1]).unwrap();
        check(&grouped).unwrap();
        for change in Reader::new(&difference(kind, before, after)) {
            let change = change.unwrap();
            let same = |other: &sqlbridge_session_ext::changeset::Change<'_>| {
                other.op == change.op && other.keyed().key().eq(change.keyed().key())
            };
            prop_assert!(Reader::new(&grouped).map(Result::unwrap).any(|other| same(&other)));
        }
    }
}

#[test]
fn kinds_and_schemas_do_not_mix() {
    let write = |kind, key: &[u8]| {
        let mut out = Writer::new(kind);
        out.table("t", key);
        out.insert(false, key.iter().map(|_| ValueRef::Integer(1)));
        out.finish()
    };
    let changeset = write(Kind::Changeset, &[1, 0]);
    let patchset = write(Kind::Patchset, &[1, 0]);
    assert_eq!(concat(&changeset, &patchset), Err(Error::Mixed));
    let other = write(Kind::Changeset, &[1, 2]);
    assert_eq!(
        concat(&changeset, &other),
        Err(Error::Schema("t".to_owned()))
    );
    assert_eq!(invert(&patchset), Err(Error::InvertPatchset));
    assert_eq!(rebase(&patchset, []), Err(Error::RebasePatchset));
    assert_eq!(
        rebase(&changeset, [patchset.as_slice()]),
        Err(Error::NotRebase(6))
    );
    assert_eq!(
        rebase(&changeset, [other.as_slice()]),
        Err(Error::Schema("t".to_owned()))
    );
}

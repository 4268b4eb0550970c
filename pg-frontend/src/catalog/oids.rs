//! Object ids of what is in the database, the same in each session and after each restart.
//!
//! SQLite has no ids of its own that last (rowids of `sqlite_schema` and root pages change with
//! `VACUUM`), and a read-only database has no room for a table of them. So an object's id is computed
//! from its kind and name, and where two objects come to the same number, the younger one takes the
//! next. Built-in objects have PostgreSQL's own.

use std::collections::HashSet;

use crate::types::Oid;

/// `pg_catalog`.
pub const PG_CATALOG: Oid = 11;
/// `public`.
pub const PUBLIC: Oid = 2200;
/// `information_schema`.
pub const INFORMATION_SCHEMA: Oid = 13_207;
/// The owner of everything: the user that the server was set up with.
pub const OWNER: Oid = 10;
/// Numbers below are PostgreSQL's own.
pub const FIRST: Oid = 16_384;
/// Numbers from here are those of enums: their rows say which.
const END: Oid = crate::types::USER_TYPES;

/// What an id is for; objects of different kinds may have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Kind {
    Namespace,
    /// Tables, views, indexes, sequences.
    Relation,
    RowType,
    ArrayOfRows,
    EnumLabel,
    Constraint,
    Default,
    Trigger,
    Rule,
    Database,
}

/// Gives ids, none twice.
#[derive(Debug, Default)]
pub(super) struct Allocator {
    used: HashSet<Oid>,
}

impl Allocator {
    /// The id of an object. Call in the order of the objects' creation.
    pub(super) fn take(&mut self, kind: Kind, name: &str) -> Oid {
        let mut oid = number(kind, name);
        while !self.used.insert(oid) {
            oid = if oid + 1 == END { FIRST } else { oid + 1 };
        }
        oid
    }
}

/// The number that a kind and a name come to: at least [`FIRST`], below 2^30; some clients
/// keep ids in an `int4`. FNV-1a, which no version of a library changes.
pub(super) fn number(kind: Kind, name: &str) -> Oid {
    let hash = std::iter::once(kind as u8)
        .chain(name.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let room = u64::from(END - FIRST);
    FIRST + Oid::try_from((hash ^ (hash >> 32)) % room).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_yesterday() {
        assert_eq!(number(Kind::Relation, "authors"), 33_846_493);
        assert_ne!(
            number(Kind::Relation, "authors"),
            number(Kind::RowType, "authors")
        );
    }

    #[test]
    fn no_id_twice() {
        let mut ids = Allocator::default();
        let first = ids.take(Kind::Relation, "a");
        assert_eq!(ids.take(Kind::Relation, "a"), first + 1);
    }
}

//! `pg_attribute`: the columns of the catalog's relations, of tables, indexes and sequences.

use rusqlite::Result;

use super::objects::SEQUENCE_COLUMNS;
use super::{all, facts};
use crate::catalog::definitions;
use crate::catalog::model::{Column, Identity, Index, IndexKey, Table};
use crate::catalog::rows::{Cell, Relation, Rows, View};
use crate::types::{Oid, Type};

pub(super) fn attributes(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let constants = [
        ("attislocal", true.into()),
        ("attstattarget", Cell::Integer(-1)),
        ("attcacheoff", Cell::Integer(-1)),
    ];
    let mut add = |attributes: &mut dyn Iterator<Item = Attribute>| {
        let cells = attributes.map(Attribute::cells);
        rows.add(Attribute::COLUMNS, &constants, cells);
    };
    add(&mut all().iter().flat_map(of_catalog));
    let tables = || view.model.tables.iter();
    add(&mut tables().flat_map(|table| table.columns.iter().map(|column| of_table(table, column))));
    add(&mut tables().flat_map(|table| {
        let indexes = table.indexes.iter();
        indexes.flat_map(move |index| of_index(table, index))
    }));
    add(&mut view.model.sequences.iter().flat_map(|sequence| {
        let columns = SEQUENCE_COLUMNS.iter().zip(1..);
        columns.map(move |(&(name, ty), number)| Attribute {
            not_null: true,
            ..Attribute::new(sequence.oid, name.into(), number, Type::of(ty))
        })
    }));
    Ok(())
}

/// A row.
struct Attribute {
    relation: Oid,
    name: Cell,
    number: i16,
    ty: Type,
    not_null: bool,
    default: bool,
    identity: &'static str,
    generated: &'static str,
}

impl Attribute {
    const COLUMNS: [&str; 15] = [
        "attrelid",
        "attname",
        "attnum",
        "atttypmod",
        "attnotnull",
        "atthasdef",
        "attidentity",
        "attgenerated",
        // What follows from the type.
        "atttypid",
        "attlen",
        "attbyval",
        "attalign",
        "attstorage",
        "attcollation",
        "attndims",
    ];

    fn new(relation: Oid, name: Cell, number: i16, ty: Type) -> Self {
        Self {
            relation,
            name,
            number,
            ty,
            not_null: false,
            default: false,
            identity: "",
            generated: "",
        }
    }

    fn cells(self) -> [Cell; 15] {
        let facts = facts(self.ty.oid);
        [
            self.relation.into(),
            self.name,
            self.number.into(),
            self.ty.modifier.into(),
            self.not_null.into(),
            self.default.into(),
            self.identity.into(),
            self.generated.into(),
            self.ty.oid.into(),
            facts.length.into(),
            facts.by_value.into(),
            facts.align.into(),
            facts.storage.into(),
            facts.collation.into(),
            facts.is_array.into(),
        ]
    }
}

fn of_catalog(relation: &'static Relation) -> impl Iterator<Item = Attribute> {
    let columns = relation.columns.iter().zip(1..);
    columns.map(|(column, number)| Attribute {
        not_null: column.not_null,
        ..Attribute::new(
            relation.oid,
            column.name.into(),
            number,
            Type::of(column.ty),
        )
    })
}

fn of_table(table: &Table, column: &Column) -> Attribute {
    Attribute {
        not_null: column.not_null && !table.view,
        default: column.default.is_some(),
        identity: match column.identity {
            Some(Identity::Always) => "a",
            Some(Identity::ByDefault) => "d",
            None => "",
        },
        generated: if column.generated { "s" } else { "" },
        ..Attribute::new(
            table.oid,
            column.name.clone().into(),
            column.number,
            column.ty,
        )
    }
}

fn of_index<'m>(table: &'m Table, index: &'m Index) -> impl Iterator<Item = Attribute> + 'm {
    index.keys.iter().zip(1..).map(|(key, number)| {
        let (name, ty) = key_of(table, key);
        Attribute::new(index.oid, name.into(), number, ty)
    })
}

/// Name and type of an index's column: those of the table's column, or after the function called.
fn key_of(table: &Table, key: &IndexKey) -> (String, Type) {
    let mut columns = table.columns.iter();
    match columns.find(|column| column.number == key.column) {
        Some(column) => (column.name.clone(), column.ty),
        None => {
            let expression = key.expression.as_deref().unwrap_or_default();
            let name = definitions::called(expression).unwrap_or("expr");
            (name.to_owned(), Type::TEXT)
        }
    }
}

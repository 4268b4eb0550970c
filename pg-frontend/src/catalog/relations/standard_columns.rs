//! `columns` and `element_types`: what the SQL standard says of columns and their types.

use rusqlite::Result;

use super::information_schema::{database, schema, yes_or_no};
use crate::catalog::model::{Column, Identity, Model, Table};
use crate::catalog::names;
use crate::catalog::relations;
use crate::catalog::rows::{self, Cell, Relation, Rows, View};
use crate::types::names::precision_and_scale;
use crate::types::{Oid, Type};

pub(super) fn columns(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let constants = [
        ("table_catalog", catalog.clone()),
        ("udt_catalog", catalog),
        ("is_self_referencing", "NO".into()),
        ("identity_cycle", "NO".into()),
    ];
    let mut add = |described: &mut dyn Iterator<Item = Described>| {
        let cells = described.map(|column| column.cells(model));
        rows.add(Described::COLUMNS, &constants, cells);
    };
    add(&mut model.tables.iter().flat_map(|table| {
        let columns = table.columns.iter();
        columns.map(move |column| Described::of_table(model, table, column))
    }));
    add(&mut relations::all().iter().flat_map(|relation| {
        let columns = relation.columns.iter().zip(1..);
        columns.map(move |(column, number)| Described::of_catalog(relation, column, number))
    }));
    Ok(())
}

/// A row of `columns`.
struct Described {
    schema: Cell,
    table: Cell,
    name: Cell,
    number: i16,
    ty: Type,
    nullable: bool,
    updatable: bool,
    default: Option<String>,
    generation: Option<String>,
    generated: bool,
    identity: Option<Identity>,
}

impl Described {
    const COLUMNS: [&str; 25] = [
        "table_schema",
        "table_name",
        "column_name",
        "ordinal_position",
        "dtd_identifier",
        "is_nullable",
        "is_updatable",
        "column_default",
        "generation_expression",
        "is_generated",
        "is_identity",
        "identity_generation",
        "identity_start",
        "identity_increment",
        "identity_maximum",
        "identity_minimum",
        OF_TYPE[0],
        OF_TYPE[1],
        OF_TYPE[2],
        OF_TYPE[3],
        OF_TYPE[4],
        OF_TYPE[5],
        OF_TYPE[6],
        OF_TYPE[7],
        OF_TYPE[8],
    ];

    fn of_catalog(relation: &'static Relation, column: &rows::Column, number: i16) -> Self {
        Self {
            schema: relation.schema.into(),
            table: relation.name.into(),
            name: column.name.into(),
            number,
            ty: Type::of(column.ty),
            nullable: !column.not_null,
            updatable: !relation.view,
            default: None,
            generation: None,
            generated: false,
            identity: None,
        }
    }

    fn of_table(model: &Model, table: &Table, column: &Column) -> Self {
        let text = column.default.as_ref().map(|(_, text)| text.clone());
        let (default, generation) = if column.generated {
            (None, text)
        } else {
            (text, None)
        };
        Self {
            schema: schema(model, table.namespace),
            table: table.name.clone().into(),
            name: column.name.clone().into(),
            number: column.number,
            ty: column.ty,
            nullable: !column.not_null || table.view,
            updatable: !table.view && !column.generated,
            default,
            generation,
            generated: column.generated,
            identity: column.identity,
        }
    }

    fn cells(self, model: &Model) -> [Cell; 25] {
        let [
            kind,
            length,
            octets,
            precision,
            radix,
            scale,
            time,
            name,
            namespace,
        ] = described(model, self.ty);
        let identity = |value: &'static str| -> Cell { self.identity.map(|_| value).into() };
        [
            self.schema,
            self.table,
            self.name,
            self.number.into(),
            self.number.to_string().into(),
            yes_or_no(self.nullable),
            yes_or_no(self.updatable),
            self.default.into(),
            self.generation.into(),
            if self.generated { "ALWAYS" } else { "NEVER" }.into(),
            yes_or_no(self.identity.is_some()),
            identity(match self.identity {
                Some(Identity::Always) => "ALWAYS",
                _ => "BY DEFAULT",
            }),
            identity("1"),
            identity("1"),
            identity(match self.ty.oid {
                21 => "32767",
                23 => "2147483647",
                _ => "9223372036854775807",
            }),
            identity("1"),
            kind,
            length,
            octets,
            precision,
            radix,
            scale,
            time,
            name,
            namespace,
        ]
    }
}

/// The columns that follow from a column's type.
const OF_TYPE: [&str; 9] = [
    "data_type",
    "character_maximum_length",
    "character_octet_length",
    "numeric_precision",
    "numeric_precision_radix",
    "numeric_scale",
    "datetime_precision",
    "udt_name",
    "udt_schema",
];

/// What the standard says of a column's type, in the order of [`OF_TYPE`].
pub(super) fn described(model: &Model, ty: Type) -> [Cell; 9] {
    let integer = |number: i64| Cell::Integer(number);
    let facts = relations::facts(ty.oid);
    let bare = crate::types::names::format(ty.bare());
    let (name, namespace) = type_name(model, ty.oid);
    let user_defined = model.enumeration(ty.oid).is_some();
    let kind = match bare {
        _ if facts.is_array => "ARRAY".to_owned(),
        _ if user_defined => "USER-DEFINED".to_owned(),
        Some(_) if ty.oid == 1042 => "character".to_owned(),
        Some(bare) => bare,
        None => name.as_str().unwrap_or_default().to_owned(),
    };
    let (mut length, mut octets) = (Cell::Null, Cell::Null);
    if matches!(ty.oid, 25 | 1042 | 1043) {
        if ty.modifier >= 4 {
            length = integer(i64::from(ty.modifier) - 4);
            octets = integer((i64::from(ty.modifier) - 4) * 4);
        } else {
            octets = integer(1 << 30);
        }
    }
    let (precision, radix, scale) = match ty.oid {
        21 => (integer(16), integer(2), integer(0)),
        23 => (integer(32), integer(2), integer(0)),
        20 => (integer(64), integer(2), integer(0)),
        700 => (integer(24), integer(2), Cell::Null),
        701 => (integer(53), integer(2), Cell::Null),
        1700 => match precision_and_scale(ty.modifier) {
            Some((precision, scale)) => (precision.into(), integer(10), scale.into()),
            None => (Cell::Null, integer(10), Cell::Null),
        },
        _ => (Cell::Null, Cell::Null, Cell::Null),
    };
    let time = match ty.oid {
        1082 => integer(0),
        1083 | 1114 | 1184 | 1186 | 1266 if ty.modifier >= 0 => ty.modifier.into(),
        1083 | 1114 | 1184 | 1186 | 1266 => integer(6),
        _ => Cell::Null,
    };
    [
        kind.into(),
        length,
        octets,
        precision,
        radix,
        scale,
        time,
        name,
        namespace,
    ]
}

/// `pg_type.typname` and its schema.
fn type_name(model: &Model, oid: Oid) -> (Cell, Cell) {
    if let Some(found) = model.enumeration(oid) {
        let name = if found.array == oid {
            format!("_{}", found.name)
        } else {
            found.name.clone()
        };
        return (name.into(), schema(model, found.namespace));
    }
    let name = names::builtin("pg_type", "oid", &oid.into(), "typname");
    (name.unwrap_or_else(|| "text".into()), "pg_catalog".into())
}

/// The elements' types of columns that are arrays.
pub(super) fn element_types(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let catalog = database(view);
    let arrays = model
        .tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)));
    let found: Vec<[Cell; 7]> = arrays
        .filter_map(|(table, column)| {
            let element = column.ty.element()?;
            let [kind, .., name, namespace] = described(model, element);
            Some([
                schema(model, table.namespace),
                table.name.clone().into(),
                column.number.to_string().into(),
                format!("a{}", column.number).into(),
                kind,
                name,
                namespace,
            ])
        })
        .collect();
    rows.add(
        [
            "object_schema",
            "object_name",
            "collection_type_identifier",
            "dtd_identifier",
            "data_type",
            "udt_name",
            "udt_schema",
        ],
        &[
            ("object_catalog", catalog.clone()),
            ("udt_catalog", catalog),
            ("object_type", "TABLE".into()),
        ],
        found,
    );
    Ok(())
}

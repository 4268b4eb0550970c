//! Types: PostgreSQL's own (`data/pg_type.tsv`), the tables' row types, and the enums users made.

use std::collections::HashMap;
use std::sync::OnceLock;

use rusqlite::Result;

use super::get;
use crate::catalog::oids::OWNER;
use crate::catalog::rows::{Cell, Rows, View};
use crate::types::{self, Oid};

/// What `pg_attribute` and `pg_index` say of a type.
#[derive(Debug, Clone, Copy)]
pub(in crate::catalog) struct Facts {
    pub(in crate::catalog) length: i16,
    pub(in crate::catalog) by_value: bool,
    pub(in crate::catalog) align: &'static str,
    pub(in crate::catalog) storage: &'static str,
    pub(in crate::catalog) collation: Oid,
    pub(in crate::catalog) is_array: bool,
    /// The default class of B-tree operators.
    pub(in crate::catalog) operator_class: Oid,
}

/// `varchar` is indexed as `text` is.
const TEXT: Oid = 25;
const VARCHAR: Oid = 1043;

/// Looks up what is known of a type; a type that users made is an enum or an array of one.
pub(in crate::catalog) fn facts(ty: Oid) -> Facts {
    static FACTS: OnceLock<HashMap<Oid, Facts>> = OnceLock::new();
    let facts = FACTS.get_or_init(read);
    facts.get(&ty).copied().unwrap_or_else(|| {
        let array = types::names::element_of(ty).is_some();
        Facts {
            length: if array { -1 } else { 4 },
            by_value: !array,
            align: "i",
            storage: if array { "x" } else { "p" },
            collation: 0,
            is_array: array,
            operator_class: if array {
                class_named("array_ops")
            } else {
                class_named("enum_ops")
            },
        }
    })
}

fn class_named(name: &'static str) -> Oid {
    let classes = get("pg_opclass").builtin_rows();
    let place = classes.first("opcname", &name.into());
    place.map_or(0, |place| oid(classes.get(place, "oid")))
}

fn oid(cell: &Cell) -> Oid {
    cell.as_integer()
        .and_then(|oid| Oid::try_from(oid).ok())
        .unwrap_or_default()
}

fn read() -> HashMap<Oid, Facts> {
    let classes = get("pg_opclass").builtin_rows();
    let mut by_type = HashMap::new();
    for place in classes.all() {
        let is_default = classes.get(place, "opcdefault") == &true.into();
        // 403 is btree.
        if is_default && classes.get(place, "opcmethod") == &403.into() {
            by_type.insert(
                oid(classes.get(place, "opcintype")),
                oid(classes.get(place, "oid")),
            );
        }
    }
    let types = get("pg_type").builtin_rows();
    let text = |place, column: &str| match types.get(place, column) {
        Cell::Static(text) => *text,
        _ => "",
    };
    types
        .all()
        .into_iter()
        .map(|place| {
            let ty = oid(types.get(place, "oid"));
            let is_array = text(place, "typcategory") == "A";
            let class = by_type.get(&if ty == VARCHAR { TEXT } else { ty });
            let array_class = || {
                if is_array {
                    class_named("array_ops")
                } else {
                    0
                }
            };
            let facts = Facts {
                length: i16::try_from(types.get(place, "typlen").as_integer().unwrap_or(-1))
                    .unwrap_or(-1),
                by_value: types.get(place, "typbyval") == &true.into(),
                align: text(place, "typalign"),
                storage: text(place, "typstorage"),
                collation: oid(types.get(place, "typcollation")),
                is_array,
                operator_class: class.copied().unwrap_or_else(array_class),
            };
            (ty, facts)
        })
        .collect()
}

/// A function's oid by its name, as `pg_type` refers to them.
fn function(name: &'static str) -> Cell {
    let functions = get("pg_proc").builtin_rows();
    let place = functions.first("proname", &name.into());
    place.map_or(Cell::Integer(0), |place| {
        functions.get(place, "oid").clone()
    })
}

pub(super) fn types(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let constants = |array: bool, input, output, receive, send| {
        vec![
            ("typowner", OWNER.into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typtypmod", Cell::Integer(-1)),
            ("typcategory", if array { "A" } else { "C" }.into()),
            ("typinput", function(input)),
            ("typoutput", function(output)),
            ("typreceive", function(receive)),
            ("typsend", function(send)),
            ("typlen", Cell::Integer(-1)),
            ("typstorage", "x".into()),
        ]
    };
    let mut arrays = constants(true, "array_in", "array_out", "array_recv", "array_send");
    arrays.push(("typsubscript", function("array_subscript_handler")));
    let array_columns = [
        "oid",
        "typname",
        "typnamespace",
        "typelem",
        "typtype",
        "typalign",
    ];
    let array_of = |oid: Oid, name: &str, namespace: Oid, element: Oid, align: &'static str| {
        [
            oid.into(),
            format!("_{name}").into(),
            namespace.into(),
            element.into(),
            "b".into(),
            align.into(),
        ]
    };
    rows.add(
        [
            "oid",
            "typname",
            "typnamespace",
            "typrelid",
            "typarray",
            "typtype",
            "typalign",
        ],
        &constants(
            false,
            "record_in",
            "record_out",
            "record_recv",
            "record_send",
        ),
        model.tables.iter().map(|table| {
            [
                table.row_type.into(),
                table.name.clone().into(),
                table.namespace.into(),
                table.oid.into(),
                table.row_array.into(),
                "c".into(),
                "d".into(),
            ]
        }),
    );
    rows.add(
        array_columns,
        &arrays,
        model.tables.iter().map(|table| {
            array_of(
                table.row_array,
                &table.name,
                table.namespace,
                table.row_type,
                "d",
            )
        }),
    );
    let mut enums = constants(false, "enum_in", "enum_out", "enum_recv", "enum_send");
    enums.retain(|(name, _)| !["typcategory", "typlen", "typstorage"].contains(name));
    enums.extend([
        ("typcategory", "E".into()),
        ("typlen", Cell::Integer(4)),
        ("typbyval", true.into()),
        ("typstorage", "p".into()),
    ]);
    rows.add(
        [
            "oid",
            "typname",
            "typnamespace",
            "typarray",
            "typtype",
            "typalign",
        ],
        &enums,
        model.enums.iter().map(|each| {
            [
                each.oid.into(),
                each.name.clone().into(),
                each.namespace.into(),
                each.array.into(),
                "e".into(),
                "i".into(),
            ]
        }),
    );
    rows.add(
        array_columns,
        &arrays,
        model
            .enums
            .iter()
            .map(|each| array_of(each.array, &each.name, each.namespace, each.oid, "i")),
    );
    Ok(())
}

pub(super) fn enums(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["oid", "enumtypid", "enumsortorder", "enumlabel"],
        &[],
        view.model.enums.iter().flat_map(|each| {
            each.labels
                .iter()
                .zip(1_i32..)
                .map(move |((oid, label), order)| {
                    [
                        (*oid).into(),
                        each.oid.into(),
                        f64::from(order).into(),
                        label.clone().into(),
                    ]
                })
        }),
    );
    Ok(())
}

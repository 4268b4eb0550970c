//! What is in the database: schemas, relations, columns, sequences, comments, and what depends on what.

use std::collections::HashSet;

use rusqlite::Result;

use super::{all, facts};
use crate::catalog::model::{Column, ConstraintRule, Identity, Model, Table};
use crate::catalog::oids::{OWNER, PUBLIC};
use crate::catalog::relations::get;
use crate::catalog::rows::{Cell, Relation, Rows, View};
use crate::catalog::{definitions, names};
use crate::types::Oid;

/// The access methods `heap` and `btree`.
const HEAP: i64 = 2;
const BTREE: i64 = 403;

/// The columns of a sequence, which is a relation of one row.
const SEQUENCE_COLUMNS: [(&str, Oid); 3] = [("last_value", 20), ("log_cnt", 20), ("is_called", 16)];

/// The owner of `public` and who may do what there, as `initdb` leaves it: since 15 it is the database's owner's.
fn public(view: &View<'_>) -> (Oid, Cell) {
    const DATABASE_OWNER: Oid = 6171;
    let (user, version) = view
        .session
        .state(|state| (state.user.clone(), state.setting("server_version_num")));
    let recent = version
        .and_then(|version| version.parse().ok())
        .is_some_and(|version: u32| version >= 150_000);
    let (owner, name, others) = match recent {
        true => (DATABASE_OWNER, "pg_database_owner".to_owned(), "U"),
        false => (OWNER, user, "UC"),
    };
    let grants = [format!("{name}=UC/{name}"), format!("={others}/{name}")];
    (
        owner,
        serde_json::Value::from(grants.to_vec()).to_string().into(),
    )
}

pub(super) fn namespaces(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let (owner, grants) = public(view);
    rows.add(
        ["oid", "nspname", "nspowner", "nspacl"],
        &[],
        view.model.namespaces.iter().map(|namespace| {
            let (owner, grants) = match namespace.oid {
                PUBLIC => (owner, grants.clone()),
                _ => (OWNER, Cell::Null),
            };
            [
                namespace.oid.into(),
                namespace.name.clone().into(),
                owner.into(),
                grants,
            ]
        }),
    );
    Ok(())
}

/// What is as it was at first: `pg_dump` tells by it what to leave out.
pub(super) fn first_privileges(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["objoid", "classoid", "initprivs"],
        &[("privtype", "i".into())],
        [[
            PUBLIC.into(),
            get("pg_namespace").oid.into(),
            public(view).1,
        ]],
    );
    Ok(())
}

fn builtin_namespace(model: &Model, relation: &Relation) -> Option<Oid> {
    names::namespace(model, relation.schema)
}

pub(super) fn classes(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let constants = [
        ("relowner", OWNER.into()),
        ("relispopulated", true.into()),
        ("relallvisible", Cell::Integer(0)),
        ("relpages", Cell::Integer(0)),
    ];
    rows.add(
        [
            "oid",
            "relname",
            "relnamespace",
            "relkind",
            "relnatts",
            "relam",
            "relpersistence",
            "relreplident",
            "reltuples",
        ],
        &constants,
        all().iter().map(|relation| {
            [
                relation.oid.into(),
                relation.name.into(),
                builtin_namespace(model, relation).into(),
                if relation.view { "v" } else { "r" }.into(),
                Cell::Integer(i64::try_from(relation.columns.len()).unwrap_or_default()),
                Cell::Integer(if relation.view { 0 } else { HEAP }),
                "p".into(),
                "n".into(),
                (-1.0).into(),
            ]
        }),
    );
    let referred = referred(model);
    rows.add(
        [
            "oid",
            "relname",
            "relnamespace",
            "reltype",
            "relkind",
            "relnatts",
            "relam",
            "relpersistence",
            "relreplident",
            "reltuples",
            "relfilenode",
            "relhasindex",
            "relchecks",
            "relhasrules",
            "relhastriggers",
        ],
        &constants,
        model.tables.iter().map(|table| {
            let checks = table
                .constraints
                .iter()
                .filter(|each| matches!(each.rule, ConstraintRule::Check(_)));
            [
                table.oid.into(),
                table.name.clone().into(),
                table.namespace.into(),
                table.row_type.into(),
                table.kind().into(),
                Cell::Integer(i64::try_from(table.columns.len()).unwrap_or_default()),
                Cell::Integer(if table.view { 0 } else { HEAP }),
                persistence(table).into(),
                if table.view { "n" } else { "d" }.into(),
                table.rows.into(),
                if table.view { 0 } else { table.oid }.into(),
                (!table.indexes.is_empty()).into(),
                Cell::Integer(i64::try_from(checks.count()).unwrap_or_default()),
                table.view.into(),
                has_triggers(table, &referred).into(),
            ]
        }),
    );
    rows.add(
        [
            "oid",
            "relname",
            "relnamespace",
            "relkind",
            "relnatts",
            "relam",
            "relpersistence",
            "relreplident",
            "reltuples",
            "relfilenode",
            "relpages",
        ],
        &constants,
        model.tables.iter().flat_map(|table| {
            table.indexes.iter().map(move |index| {
                [
                    index.oid.into(),
                    index.name.clone().into(),
                    table.namespace.into(),
                    "i".into(),
                    Cell::Integer(i64::try_from(index.keys.len()).unwrap_or_default()),
                    Cell::Integer(BTREE),
                    persistence(table).into(),
                    "n".into(),
                    table.rows.max(0.0).into(),
                    index.oid.into(),
                    // An empty one has its first page.
                    Cell::Integer(1),
                ]
            })
        }),
    );
    rows.add(
        [
            "oid",
            "relname",
            "relnamespace",
            "relkind",
            "relnatts",
            "relpersistence",
            "relreplident",
            "reltuples",
            "relfilenode",
        ],
        &constants,
        model.sequences.iter().map(|sequence| {
            [
                sequence.oid.into(),
                sequence.name.clone().into(),
                sequence.namespace.into(),
                "S".into(),
                Cell::Integer(3),
                "p".into(),
                "n".into(),
                1.0.into(),
                sequence.oid.into(),
            ]
        }),
    );
    Ok(())
}

/// The tables that foreign keys refer to.
pub(super) fn referred(model: &Model) -> HashSet<Oid> {
    let constraints = model.tables.iter().flat_map(|table| &table.constraints);
    constraints
        .filter_map(|constraint| match &constraint.rule {
            ConstraintRule::Foreign(reference) => {
                model.target(reference).map(|target| target.table.oid)
            }
            _ => None,
        })
        .collect()
}

/// Postgres enforces foreign keys with triggers, on both sides.
pub(super) fn has_triggers(table: &Table, referred: &HashSet<Oid>) -> bool {
    !table.triggers.is_empty()
        || referred.contains(&table.oid)
        || table
            .constraints
            .iter()
            .any(|each| matches!(each.rule, ConstraintRule::Foreign(_)))
}

const fn persistence(table: &Table) -> &'static str {
    if table.temporary { "t" } else { "p" }
}

/// The columns of `pg_attribute` that follow from a column's type.
const OF_TYPE: [&str; 7] = [
    "atttypid",
    "attlen",
    "attbyval",
    "attalign",
    "attstorage",
    "attcollation",
    "attndims",
];

fn of_type(ty: Oid) -> [Cell; 7] {
    let facts = facts(ty);
    [
        ty.into(),
        facts.length.into(),
        facts.by_value.into(),
        facts.align.into(),
        facts.storage.into(),
        facts.collation.into(),
        facts.is_array.into(),
    ]
}

pub(super) fn attributes(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let [ty, len, by_value, align, storage, collation, dimensions] = OF_TYPE;
    let constants = [
        ("attislocal", true.into()),
        ("attstattarget", Cell::Integer(-1)),
        ("attcacheoff", Cell::Integer(-1)),
    ];
    let columns = [
        "attrelid",
        "attname",
        "attnum",
        "atttypmod",
        "attnotnull",
        "atthasdef",
        "attidentity",
        "attgenerated",
        ty,
        len,
        by_value,
        align,
        storage,
        collation,
        dimensions,
    ];
    let plain = |relation: Oid, name: Cell, number: usize, ty: Oid, not_null: bool| {
        row(
            relation,
            name,
            i16::try_from(number).unwrap_or_default(),
            -1,
            not_null,
            false,
            "",
            "",
            ty,
        )
    };
    rows.add(
        columns,
        &constants,
        all().iter().flat_map(|relation| {
            relation
                .columns
                .iter()
                .zip(1..)
                .map(move |(column, number)| {
                    plain(
                        relation.oid,
                        column.name.into(),
                        number,
                        column.ty,
                        column.not_null,
                    )
                })
        }),
    );
    rows.add(
        columns,
        &constants,
        view.model.tables.iter().flat_map(|table| {
            table
                .columns
                .iter()
                .map(move |column| attribute(table, column))
        }),
    );
    rows.add(
        columns,
        &constants,
        view.model.tables.iter().flat_map(|table| {
            let indexes = table.indexes.iter();
            indexes.flat_map(move |index| {
                index.keys.iter().zip(1..).map(move |(key, number)| {
                    let column = table
                        .columns
                        .iter()
                        .find(|column| column.number == key.column);
                    let expression = key.expression.as_deref().unwrap_or_default();
                    let called = definitions::called(expression).unwrap_or("expr");
                    let name = column.map_or(called, |column| &column.name).to_owned();
                    let ty = column.map_or(25, |column| column.ty.oid);
                    let modifier = column.map_or(-1, |column| column.ty.modifier);
                    row(
                        index.oid,
                        name.into(),
                        number,
                        modifier,
                        false,
                        false,
                        "",
                        "",
                        ty,
                    )
                })
            })
        }),
    );
    rows.add(
        columns,
        &constants,
        view.model.sequences.iter().flat_map(|sequence| {
            let columns = SEQUENCE_COLUMNS.iter().zip(1..);
            columns.map(move |(&(name, ty), number)| {
                plain(sequence.oid, name.into(), number, ty, true)
            })
        }),
    );
    Ok(())
}

fn attribute(table: &Table, column: &Column) -> [Cell; 15] {
    row(
        table.oid,
        column.name.clone().into(),
        column.number,
        column.ty.modifier,
        column.not_null && !table.view,
        column.default.is_some(),
        match column.identity {
            Some(Identity::Always) => "a",
            Some(Identity::ByDefault) => "d",
            None => "",
        },
        if column.generated { "s" } else { "" },
        column.ty.oid,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "a row of pg_attribute in its columns' order"
)]
fn row(
    relation: Oid,
    name: Cell,
    number: i16,
    modifier: i32,
    not_null: bool,
    default: bool,
    identity: &'static str,
    generated: &'static str,
    ty: Oid,
) -> [Cell; 15] {
    let [ty, len, by_value, align, storage, collation, dimensions] = of_type(ty);
    [
        relation.into(),
        name,
        number.into(),
        modifier.into(),
        not_null.into(),
        default.into(),
        identity.into(),
        generated.into(),
        ty,
        len,
        by_value,
        align,
        storage,
        collation,
        dimensions,
    ]
}

pub(super) fn defaults(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["oid", "adrelid", "adnum", "adbin"],
        &[],
        view.model.tables.iter().flat_map(|table| {
            table.columns.iter().filter_map(move |column| {
                let (oid, text) = column.default.as_ref()?;
                Some([
                    (*oid).into(),
                    table.oid.into(),
                    column.number.into(),
                    text.clone().into(),
                ])
            })
        }),
    );
    Ok(())
}

pub(super) fn sequences(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        [
            "seqrelid",
            "seqtypid",
            "seqstart",
            "seqincrement",
            "seqmax",
            "seqmin",
            "seqcycle",
        ],
        &[("seqcache", Cell::Integer(1))],
        view.model.sequences.iter().map(|sequence| {
            [
                sequence.oid.into(),
                sequence.ty.into(),
                sequence.start.into(),
                sequence.increment.into(),
                sequence.maximum.into(),
                sequence.minimum.into(),
                sequence.cycle.into(),
            ]
        }),
    );
    Ok(())
}

pub(super) fn descriptions(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["objoid", "classoid", "objsubid", "description"],
        &[],
        view.model.comments.iter().map(|comment| {
            [
                comment.object.into(),
                comment.class.into(),
                comment.column.into(),
                comment.text.clone().into(),
            ]
        }),
    );
    Ok(())
}

/// Indexes of constraints, defaults of columns, sequences of columns and of defaults, rules of views.
pub(super) fn dependencies(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let class = |name: &'static str| -> Cell { get(name).oid.into() };
    let none = Cell::Integer(0);
    let mut found = Vec::new();
    for table in &model.tables {
        for constraint in &table.constraints {
            if let ConstraintRule::Primary(at) | ConstraintRule::Unique(at) = constraint.rule
                && let Some(index) = table.indexes.get(at)
            {
                let (one, other) = (class("pg_class"), class("pg_constraint"));
                found.push([
                    one,
                    index.oid.into(),
                    other,
                    constraint.oid.into(),
                    none.clone(),
                    "i".into(),
                ]);
            }
        }
        for column in &table.columns {
            if let Some((oid, text)) = &column.default {
                let (one, other) = (class("pg_attrdef"), class("pg_class"));
                if let Some(sequence) = names::sequence_of(model, text) {
                    found.push([
                        one.clone(),
                        (*oid).into(),
                        other.clone(),
                        sequence.oid.into(),
                        none.clone(),
                        "n".into(),
                    ]);
                }
                found.push([
                    one,
                    (*oid).into(),
                    other,
                    table.oid.into(),
                    column.number.into(),
                    "a".into(),
                ]);
            }
        }
        for index in table
            .indexes
            .iter()
            .filter(|index| !table.is_of_constraint(index))
        {
            for column in index.columns() {
                let class = class("pg_class");
                found.push([
                    class.clone(),
                    index.oid.into(),
                    class,
                    table.oid.into(),
                    column.into(),
                    "a".into(),
                ]);
            }
        }
        if table.view {
            let (one, other) = (class("pg_rewrite"), class("pg_class"));
            found.push([
                one,
                table.rule.into(),
                other,
                table.oid.into(),
                none.clone(),
                "i".into(),
            ]);
        }
    }
    for sequence in &model.sequences {
        let owner = sequence.owner.as_ref().and_then(|(table, column)| {
            let table = model.stored(table)?;
            Some((table.oid, table.column(column)?.number))
        });
        if let Some((table, column)) = owner {
            let class = class("pg_class");
            let kind = if model.is_of_identity(sequence) {
                "i"
            } else {
                "a"
            };
            found.push([
                class.clone(),
                sequence.oid.into(),
                class,
                table.into(),
                column.into(),
                kind.into(),
            ]);
        }
    }
    rows.add(
        [
            "classid",
            "objid",
            "refclassid",
            "refobjid",
            "refobjsubid",
            "deptype",
        ],
        &[],
        found,
    );
    Ok(())
}

//! What is in the database: schemas, relations, defaults, sequences, comments. Columns are in
//! [`attributes`](super::attributes), what depends on what in [`dependencies`](super::dependencies).

use std::collections::HashSet;

use rusqlite::Result;

use super::all;
use crate::catalog::model::{ConstraintRule, Index, Model, Sequence, Table};
use crate::catalog::names;
use crate::catalog::oids::{OWNER, PUBLIC};
use crate::catalog::relations::get;
use crate::catalog::rows::{Cell, Relation, Rows, View};
use crate::types::Oid;

/// The access methods `heap` and `btree`.
const HEAP: i64 = 2;
const BTREE: i64 = 403;

/// The columns of a sequence, which is a relation of one row.
pub(super) const SEQUENCE_COLUMNS: [(&str, Oid); 3] =
    [("last_value", 20), ("log_cnt", 20), ("is_called", 16)];

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

/// A row of `pg_class`.
struct Class {
    oid: Oid,
    name: Cell,
    namespace: Cell,
    kind: &'static str,
    columns: usize,
    access: i64,
    row_type: Oid,
    persistence: &'static str,
    identity: &'static str,
    rows: f64,
    file: Oid,
    pages: i64,
    indexed: bool,
    checks: usize,
    ruled: bool,
    triggers: bool,
}

impl Class {
    const COLUMNS: [&str; 16] = [
        "oid",
        "relname",
        "relnamespace",
        "relkind",
        "relnatts",
        "relam",
        "reltype",
        "relpersistence",
        "relreplident",
        "reltuples",
        "relfilenode",
        "relpages",
        "relhasindex",
        "relchecks",
        "relhasrules",
        "relhastriggers",
    ];

    /// What most have.
    fn new(oid: Oid, name: Cell, namespace: Cell, kind: &'static str, columns: usize) -> Self {
        Self {
            oid,
            name,
            namespace,
            kind,
            columns,
            access: if kind == "r" { HEAP } else { 0 },
            row_type: 0,
            persistence: "p",
            identity: "n",
            rows: -1.0,
            file: 0,
            pages: 0,
            indexed: false,
            checks: 0,
            ruled: false,
            triggers: false,
        }
    }

    fn cells(self) -> [Cell; 16] {
        let count = |count: usize| Cell::Integer(i64::try_from(count).unwrap_or_default());
        [
            self.oid.into(),
            self.name,
            self.namespace,
            self.kind.into(),
            count(self.columns),
            self.access.into(),
            self.row_type.into(),
            self.persistence.into(),
            self.identity.into(),
            self.rows.into(),
            self.file.into(),
            self.pages.into(),
            self.indexed.into(),
            count(self.checks),
            self.ruled.into(),
            self.triggers.into(),
        ]
    }

    fn of_catalog(model: &Model, relation: &Relation) -> Self {
        let namespace = builtin_namespace(model, relation).into();
        let kind = if relation.view { "v" } else { "r" };
        let columns = relation.columns.len();
        Self::new(relation.oid, relation.name.into(), namespace, kind, columns)
    }

    fn of_table(table: &Table, referred: &HashSet<Oid>) -> Self {
        let (name, namespace) = (table.name.clone().into(), table.namespace.into());
        let checks = table
            .constraints
            .iter()
            .filter(|each| matches!(each.rule, ConstraintRule::Check(_)));
        Self {
            access: if table.view { 0 } else { HEAP },
            row_type: table.row_type,
            persistence: persistence(table),
            identity: if table.view { "n" } else { "d" },
            rows: table.rows,
            file: if table.view { 0 } else { table.oid },
            indexed: !table.indexes.is_empty(),
            checks: checks.count(),
            ruled: table.view,
            triggers: has_triggers(table, referred),
            ..Self::new(
                table.oid,
                name,
                namespace,
                table.kind(),
                table.columns.len(),
            )
        }
    }

    fn of_index(table: &Table, index: &Index) -> Self {
        let (name, namespace) = (index.name.clone().into(), table.namespace.into());
        Self {
            access: BTREE,
            persistence: persistence(table),
            rows: table.rows.max(0.0),
            file: index.oid,
            // An empty one has its first page.
            pages: 1,
            ..Self::new(index.oid, name, namespace, "i", index.keys.len())
        }
    }

    fn of_sequence(sequence: &Sequence) -> Self {
        let (name, namespace) = (sequence.name.clone().into(), sequence.namespace.into());
        Self {
            rows: 1.0,
            file: sequence.oid,
            ..Self::new(sequence.oid, name, namespace, "S", SEQUENCE_COLUMNS.len())
        }
    }
}

pub(super) fn classes(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let constants = [
        ("relowner", OWNER.into()),
        ("relispopulated", true.into()),
        ("relallvisible", Cell::Integer(0)),
    ];
    let mut add = |classes: &mut dyn Iterator<Item = Class>| {
        rows.add(Class::COLUMNS, &constants, classes.map(Class::cells));
    };
    add(&mut all().iter().map(|each| Class::of_catalog(model, each)));
    let referred = referred(model);
    let tables = model.tables.iter();
    add(&mut tables.map(|table| Class::of_table(table, &referred)));
    add(&mut model.tables.iter().flat_map(|table| {
        let indexes = table.indexes.iter();
        indexes.map(move |index| Class::of_index(table, index))
    }));
    add(&mut model.sequences.iter().map(Class::of_sequence));
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

//! `pg_depend`: indexes of constraints, defaults of columns, sequences of columns and of defaults, rules
//! of views.

use rusqlite::Result;

use super::get;
use crate::catalog::model::{Column, ConstraintRule, Model, Sequence, Table};
use crate::catalog::names;
use crate::catalog::rows::{Cell, Rows, View};
use crate::types::Oid;

/// One thing that needs another: relation of the catalog and oid of each, the other's column, and how
/// they hang together (`deptype`).
struct Dependency {
    of: (&'static str, Oid),
    on: (&'static str, Oid),
    column: i16,
    kind: &'static str,
}

/// It goes with the other.
const AUTO: &str = "a";
/// It is a part of the other.
const INTERNAL: &str = "i";
/// It keeps the other.
const NORMAL: &str = "n";

impl Dependency {
    fn cells(self) -> [Cell; 6] {
        [
            get(self.of.0).oid.into(),
            self.of.1.into(),
            get(self.on.0).oid.into(),
            self.on.1.into(),
            self.column.into(),
            self.kind.into(),
        ]
    }
}

pub(super) fn dependencies(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let model = view.model;
    let mut found = Vec::new();
    for table in &model.tables {
        constraints(table, &mut found);
        for column in &table.columns {
            default(model, table, column, &mut found);
        }
        indexes(table, &mut found);
        if table.view {
            found.push(Dependency {
                of: ("pg_rewrite", table.rule),
                on: ("pg_class", table.oid),
                column: 0,
                kind: INTERNAL,
            });
        }
    }
    found.extend(model.sequences.iter().filter_map(|each| owner(model, each)));
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
        found.into_iter().map(Dependency::cells),
    );
    Ok(())
}

fn constraints(table: &Table, found: &mut Vec<Dependency>) {
    for constraint in &table.constraints {
        if let ConstraintRule::Primary(at) | ConstraintRule::Unique(at) = constraint.rule
            && let Some(index) = table.indexes.get(at)
        {
            found.push(Dependency {
                of: ("pg_class", index.oid),
                on: ("pg_constraint", constraint.oid),
                column: 0,
                kind: INTERNAL,
            });
        }
    }
}

fn default(model: &Model, table: &Table, column: &Column, found: &mut Vec<Dependency>) {
    let Some((oid, text)) = &column.default else {
        return;
    };
    let of = ("pg_attrdef", *oid);
    if let Some(sequence) = names::sequence_of(model, text) {
        found.push(Dependency {
            of,
            on: ("pg_class", sequence.oid),
            column: 0,
            kind: NORMAL,
        });
    }
    found.push(Dependency {
        of,
        on: ("pg_class", table.oid),
        column: column.number,
        kind: AUTO,
    });
}

fn indexes(table: &Table, found: &mut Vec<Dependency>) {
    for index in &table.indexes {
        if table.is_of_constraint(index) {
            continue;
        }
        found.extend(index.columns().into_iter().map(|column| Dependency {
            of: ("pg_class", index.oid),
            on: ("pg_class", table.oid),
            column,
            kind: AUTO,
        }));
    }
}

fn owner(model: &Model, sequence: &Sequence) -> Option<Dependency> {
    let (table, column) = sequence.owner.as_ref()?;
    let table = model.stored(table)?;
    Some(Dependency {
        of: ("pg_class", sequence.oid),
        on: ("pg_class", table.oid),
        column: table.column(column)?.number,
        kind: if model.is_of_identity(sequence) {
            INTERNAL
        } else {
            AUTO
        },
    })
}

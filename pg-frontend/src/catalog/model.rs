//! The database as Postgres would describe it: schemas, tables, columns, constraints, indexes, triggers,
//! made from `sqlite_schema`, SQLite's pragmas and the side tables of the server.
//!
//! [`read`](super::read) makes a [`Model`]; the relations and functions of the catalog only look into it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::ddl::Reference;
use super::rows::Rows;
use crate::types::{Oid, Type};

/// Everything in the database that the catalog describes.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// SQLite's schema cookie: grows with each change of the schema.
    pub(super) version: i64,
    pub(super) namespaces: Vec<Namespace>,
    pub(super) tables: Vec<Table>,
    pub(super) sequences: Vec<Sequence>,
    pub(super) enums: Vec<Enum>,
    pub(super) comments: Vec<Comment>,
    /// What an id in `pg_class` is.
    pub(super) classes: HashMap<Oid, Class>,
    /// Relations by schema and name.
    pub(super) names: HashMap<(Oid, String), Oid>,
    /// Relations of the catalog that depend on the model alone, made when first asked for.
    pub(super) relations: RefCell<HashMap<&'static str, Rc<Rows>>>,
}

/// Where in a [`Model`] a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `tables[0]`
    Table(usize),
    /// `tables[0].indexes[1]`
    Index(usize, usize),
    /// `sequences[0]`
    Sequence(usize),
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) oid: Oid,
    pub(super) name: String,
}

/// A table or a view.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) oid: Oid,
    /// Of its row type and of that one's array type.
    pub(super) row_type: Oid,
    pub(super) row_array: Oid,
    pub(super) namespace: Oid,
    pub(super) name: String,
    /// Its name in SQLite.
    pub(super) stored: String,
    pub(super) view: bool,
    pub(super) temporary: bool,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) triggers: Vec<Trigger>,
    /// Its statement in `sqlite_schema`.
    pub(super) sql: String,
    /// `ANALYZE`'s count of rows, -1 before one.
    pub(super) rows: f64,
    /// A view's `ON SELECT` rule.
    pub(super) rule: Oid,
}

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    /// From 1.
    pub(super) number: i16,
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) not_null: bool,
    /// Of its row in `pg_attrdef`, with the expression as Postgres would print it.
    pub(super) default: Option<(Oid, String)>,
    /// `GENERATED ALWAYS AS … STORED` (or `VIRTUAL`, which PostgreSQL 15 has not).
    pub(super) generated: bool,
    /// `GENERATED … AS IDENTITY`: given by SQLite where an `INSERT` gives none.
    pub(super) identity: Option<Identity>,
}

/// How a column is an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// `ALWAYS`
    Always,
    /// `BY DEFAULT`
    ByDefault,
}

/// An index.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) oid: Oid,
    pub(super) name: String,
    /// Its name in SQLite; none where the table itself is the index (`INTEGER PRIMARY KEY`).
    pub(super) stored: Option<String>,
    pub(super) unique: bool,
    pub(super) primary: bool,
    pub(super) keys: Vec<IndexKey>,
    /// After `WHERE`.
    pub(super) condition: Option<String>,
}

/// A column of an index.
#[derive(Debug)]
pub(super) struct IndexKey {
    /// The table's column, or 0 for an expression.
    pub(super) column: i16,
    /// The expression.
    pub(super) expression: Option<String>,
    pub(super) descending: bool,
    /// SQLite's name of a collation that is not the default.
    pub(super) collation: Option<String>,
}

/// A constraint.
#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) oid: Oid,
    pub(super) name: String,
    pub(super) columns: Vec<i16>,
    pub(super) rule: ConstraintRule,
}

/// What a constraint says.
#[derive(Debug)]
pub(super) enum ConstraintRule {
    /// By the index of this position.
    Primary(usize),
    /// By the index of this position.
    Unique(usize),
    Check(String),
    /// Where it refers to is looked up in [`Model::target`].
    Foreign(Reference),
}

/// A trigger of SQLite's.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) oid: Oid,
    pub(super) name: String,
    /// `pg_trigger.tgtype`.
    pub(super) bits: i16,
    pub(super) sql: String,
}

/// A sequence.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) oid: Oid,
    pub(super) namespace: Oid,
    pub(super) name: String,
    pub(super) ty: Oid,
    pub(super) start: i64,
    pub(super) increment: i64,
    pub(super) minimum: i64,
    pub(super) maximum: i64,
    pub(super) cycle: bool,
    /// The table (by name in SQLite) and column that it belongs to.
    pub(super) owner: Option<(String, String)>,
    /// Where its value is: in the owner's rows, or in the row of this name of the side table.
    pub(super) stored: Option<String>,
}

/// A type made with `CREATE TYPE … AS ENUM`.
#[derive(Debug)]
pub(super) struct Enum {
    pub(super) oid: Oid,
    pub(super) array: Oid,
    pub(super) namespace: Oid,
    pub(super) name: String,
    /// In their order, each with the oid of its row in `pg_enum`.
    pub(super) labels: Vec<(Oid, String)>,
}

/// What `COMMENT ON` said.
#[derive(Debug)]
pub(super) struct Comment {
    /// The relation of the catalog that the object is in.
    pub(super) class: Oid,
    pub(super) object: Oid,
    /// A column's number, or 0.
    pub(super) column: i16,
    pub(super) text: String,
}

/// Where a foreign key refers to.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) table: &'a Table,
    pub(super) columns: Vec<i16>,
    /// The primary key or unique index that it relies on.
    pub(super) index: Option<&'a Index>,
}

impl Model {
    pub(super) fn table(&self, oid: Oid) -> Option<&Table> {
        match self.classes.get(&oid) {
            Some(&Class::Table(at)) => self.tables.get(at),
            _ => None,
        }
    }

    /// An index with its table.
    pub(super) fn index(&self, oid: Oid) -> Option<(&Table, &Index)> {
        match self.classes.get(&oid) {
            Some(&Class::Index(table, at)) => {
                let table = self.tables.get(table)?;
                Some((table, table.indexes.get(at)?))
            }
            _ => None,
        }
    }

    pub(super) fn sequence(&self, oid: Oid) -> Option<&Sequence> {
        match self.classes.get(&oid) {
            Some(&Class::Sequence(at)) => self.sequences.get(at),
            _ => None,
        }
    }

    /// A table by its name in SQLite, which minds no case.
    pub(super) fn stored(&self, name: &str) -> Option<&Table> {
        let mut tables = self.tables.iter();
        tables.find(|table| table.stored.eq_ignore_ascii_case(name))
    }

    /// A relation's schema and name.
    pub(super) fn name_of(&self, oid: Oid) -> Option<(Oid, &str)> {
        match *self.classes.get(&oid)? {
            Class::Table(at) => self
                .tables
                .get(at)
                .map(|table| (table.namespace, &*table.name)),
            Class::Index(table, at) => {
                let table = self.tables.get(table)?;
                Some((table.namespace, &*table.indexes.get(at)?.name))
            }
            Class::Sequence(at) => {
                let sequence = self.sequences.get(at)?;
                Some((sequence.namespace, &*sequence.name))
            }
        }
    }

    pub(super) fn namespace_name(&self, oid: Oid) -> Option<&str> {
        let mut namespaces = self.namespaces.iter();
        namespaces
            .find(|namespace| namespace.oid == oid)
            .map(|namespace| &*namespace.name)
    }

    pub(super) fn constraint(&self, oid: Oid) -> Option<(&Table, &Constraint)> {
        self.tables.iter().find_map(|table| {
            let mut constraints = table.constraints.iter();
            constraints
                .find(|constraint| constraint.oid == oid)
                .map(|constraint| (table, constraint))
        })
    }

    /// What a foreign key refers to; none where there is no such table.
    pub(super) fn target(&self, reference: &Reference) -> Option<Target<'_>> {
        let table = self.stored(&reference.table)?;
        let columns: Vec<i16> = if reference.columns.is_empty() {
            let primary = table.indexes.iter().find(|index| index.primary);
            primary.map(Index::columns).unwrap_or_default()
        } else {
            table.numbers(&reference.columns)
        };
        let index = table.indexes.iter().find(|index| {
            let keys = index.columns();
            index.unique
                && keys.len() == columns.len()
                && columns.iter().all(|key| keys.contains(key))
        });
        Some(Target {
            table,
            columns,
            index,
        })
    }

    /// A sequence is there for an identity column, and not one to be seen by itself.
    pub(super) fn is_of_identity(&self, sequence: &Sequence) -> bool {
        let owner = sequence.owner.as_ref();
        owner.is_some_and(|(table, column)| {
            let column = self.stored(table).and_then(|table| table.column(column));
            column.is_some_and(|column| column.identity.is_some())
        })
    }

    pub(super) fn enumeration(&self, oid: Oid) -> Option<&Enum> {
        self.enums
            .iter()
            .find(|each| each.oid == oid || each.array == oid)
    }

    pub(super) fn comment(&self, class: Oid, object: Oid, column: i16) -> Option<&str> {
        let mut comments = self.comments.iter();
        comments
            .find(|each| each.class == class && each.object == object && each.column == column)
            .map(|each| &*each.text)
    }
}

impl Sequence {
    /// What numbers a table's rows, ascending from 1.
    pub(super) fn of_rows(
        oid: Oid,
        namespace: Oid,
        name: String,
        owner: (String, String),
        ty: Oid,
    ) -> Self {
        let maximum = match ty {
            21 => i64::from(i16::MAX),
            23 => i64::from(i32::MAX),
            _ => i64::MAX,
        };
        Self {
            oid,
            namespace,
            name,
            ty,
            start: 1,
            increment: 1,
            minimum: 1,
            maximum,
            cycle: false,
            owner: Some(owner),
            stored: None,
        }
    }
}

impl Table {
    /// A column by name, which minds no case in SQLite.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// A column's name by its number.
    pub(super) fn column_name(&self, number: i16) -> &str {
        usize::try_from(number - 1)
            .ok()
            .and_then(|at| self.columns.get(at))
            .map_or("", |column| &column.name)
    }

    /// The numbers of columns; names of none are left out.
    pub(super) fn numbers(&self, names: &[String]) -> Vec<i16> {
        names
            .iter()
            .filter_map(|name| self.column(name))
            .map(|column| column.number)
            .collect()
    }

    /// An index is there for a primary key or a unique constraint.
    pub(super) fn is_of_constraint(&self, index: &Index) -> bool {
        self.constraints
            .iter()
            .any(|constraint| match constraint.rule {
                ConstraintRule::Primary(at) | ConstraintRule::Unique(at) => self
                    .indexes
                    .get(at)
                    .is_some_and(|each| each.oid == index.oid),
                _ => false,
            })
    }

    /// `pg_class.relkind`.
    pub(super) const fn kind(&self) -> &'static str {
        if self.view { "v" } else { "r" }
    }
}

impl Index {
    /// The keys as the table's column numbers, 0 for expressions.
    pub(super) fn columns(&self) -> Vec<i16> {
        self.keys.iter().map(|key| key.column).collect()
    }
}

impl Constraint {
    /// `pg_constraint.contype`.
    pub(super) const fn kind(&self) -> &'static str {
        match self.rule {
            ConstraintRule::Primary(_) => "p",
            ConstraintRule::Unique(_) => "u",
            ConstraintRule::Check(_) => "c",
            ConstraintRule::Foreign(_) => "f",
        }
    }
}

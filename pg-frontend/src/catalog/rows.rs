//! Relations of the catalog as rows in memory: [`Relation`] says what columns there are, [`Rows`] is
//! what it holds now, found by position or by the value of a column.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};

use super::current::Session;
use super::model::Model;
use crate::types::Oid;

/// A value of a catalog's column, in its type's representation.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    /// Of the built-in rows.
    Static(&'static str),
    Text(Arc<str>),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            (Self::Real(one), Self::Real(other)) => one == other,
            _ => self.as_str().is_some() && self.as_str() == other.as_str(),
        }
    }
}

impl Cell {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Static(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    pub(super) fn output(&self) -> ToSqlOutput<'_> {
        match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(integer) => ToSqlOutput::Owned(Value::Integer(*integer)),
            Self::Real(real) => ToSqlOutput::Owned(Value::Real(*real)),
            Self::Static(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.output())
    }
}

macro_rules! from_integer {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Cell {
            fn from(integer: $ty) -> Self {
                Self::Integer(i64::from(integer))
            }
        }
    )*};
}
from_integer!(bool, i16, i32, i64, u32);

impl From<f64> for Cell {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&Arc<str>> for Cell {
    fn from(text: &Arc<str>) -> Self {
        Self::Text(Arc::clone(text))
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::Null, Into::into)
    }
}

/// A JSON array: how arrays and vectors lie in SQLite.
pub(super) fn array<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&item.to_string());
    }
    out.push(']');
    out
}

/// A relation of `pg_catalog` or `information_schema`.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) oid: Oid,
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) view: bool,
    pub(super) columns: Vec<Column>,
    /// Rows that are always there.
    builtin: Option<Arc<Part>>,
    fill: Option<(Lifetime, Fill)>,
}

/// Adds the rows that depend on the database or the session.
pub(super) type Fill = fn(&View<'_>, &mut Rows) -> rusqlite::Result<()>;

/// What a [`Fill`] sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) model: &'a Model,
    pub(super) session: &'a Session,
    pub(super) connection: &'a Connection,
}

/// How long rows stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// They depend on the model alone.
    Model,
    /// They are made for each statement.
    Statement,
}

/// A column of a [`Relation`].
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) ty: Oid,
    pub(super) not_null: bool,
}

impl Column {
    /// Its values are integers in SQLite.
    pub(super) const fn is_integer(&self) -> bool {
        matches!(
            self.ty,
            16 | 20 | 21 | 23 | 24 | 26 | 28 | 29 | 2202..=2206 | 4089 | 4096
        )
    }

    /// About how many rows have one value, for the planner.
    pub(super) fn rows_for_one_value(&self) -> i64 {
        match (self.name, self.ty) {
            ("oid", _) => 1,
            (_, 24 | 26 | 19 | 25 | 1043) => 10,
            (_, 16 | 18) => 500,
            _ => 50,
        }
    }

    /// What a row has that says nothing about the column.
    fn default(&self) -> Cell {
        match self.ty {
            _ if !self.not_null => Cell::Null,
            _ if self.is_integer() => Cell::Integer(0),
            700 | 701 => Cell::Real(0.0),
            22 | 30 | 1000..=1034 => Cell::Static("[]"),
            _ => Cell::Static(""),
        }
    }

    /// A field of a data file.
    fn parse(&self, field: &'static str) -> Cell {
        match field {
            "\\N" => Cell::Null,
            "t" if self.ty == 16 => Cell::Integer(1),
            "f" if self.ty == 16 => Cell::Integer(0),
            _ if self.is_integer() => field.parse().map_or(Cell::Null, Cell::Integer),
            _ if matches!(self.ty, 700 | 701) => field.parse().map_or(Cell::Null, Cell::Real),
            _ => Cell::Static(field),
        }
    }
}

impl Relation {
    pub(super) fn new(
        oid: Oid,
        schema: &'static str,
        name: &'static str,
        view: bool,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            oid,
            schema,
            name,
            view,
            columns,
            builtin: None,
            fill: None,
        }
    }

    /// With rows from a data file: a line of column names, then rows, separated by tabs.
    pub(super) fn builtin(&mut self, file: &'static str, constants: &[(&str, Cell)]) {
        let mut lines = file.lines();
        let header: Vec<usize> = lines
            .next()
            .unwrap_or_default()
            .split('\t')
            .filter_map(|name| self.position(name))
            .collect();
        let rows = lines
            .map(|line| {
                line.split('\t')
                    .zip(&header)
                    .map(|(field, &at)| self.columns[at].parse(field))
                    .collect()
            })
            .collect();
        self.builtin = Some(Arc::new(Part::new(self, &header, constants, rows)));
    }

    /// With rows that a function adds.
    pub(super) fn filled(&mut self, lifetime: Lifetime, fill: Fill) {
        self.fill = Some((lifetime, fill));
    }

    /// How long what it holds stays as it is.
    pub(super) fn lifetime(&self) -> Lifetime {
        self.fill.map_or(Lifetime::Model, |(lifetime, _)| lifetime)
    }

    /// What it holds.
    pub(super) fn rows(&'static self, view: &View<'_>) -> rusqlite::Result<Rows> {
        let mut rows = self.builtin_rows();
        if let Some((_, fill)) = self.fill {
            fill(view, &mut rows)?;
        }
        Ok(rows)
    }

    /// What it always holds.
    pub(super) fn builtin_rows(&'static self) -> Rows {
        Rows {
            relation: self,
            parts: self.builtin.iter().cloned().collect(),
        }
    }

    /// It has thousands of rows even in an empty database.
    pub(super) fn is_large(&self) -> bool {
        [
            "pg_attribute",
            "pg_proc",
            "pg_operator",
            "pg_amop",
            "pg_amproc",
            "columns",
        ]
        .contains(&self.name)
    }

    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|each| each.name == column)
    }
}

/// What a relation holds.
#[derive(Debug)]
pub(super) struct Rows {
    relation: &'static Relation,
    parts: Vec<Arc<Part>>,
}

/// A row's place in [`Rows`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    part: usize,
    row: usize,
}

impl Rows {
    /// Adds rows that have the named columns; others are constants, or empty.
    pub(super) fn add<const N: usize>(
        &mut self,
        columns: [&str; N],
        constants: &[(&str, Cell)],
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) {
        let header: Vec<usize> = columns
            .iter()
            .filter_map(|name| self.relation.position(name))
            .collect();
        debug_assert_eq!(header.len(), N, "{}: {columns:?}", self.relation.name);
        let rows = rows.into_iter().map(Box::from).collect();
        let part = Part::new(self.relation, &header, constants, rows);
        self.parts.push(Arc::new(part));
    }

    /// Adds rows whose other numbers are 0: statistics that nobody keeps.
    pub(super) fn add_zeros<const N: usize>(
        &mut self,
        columns: [&str; N],
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) {
        let counts = self
            .relation
            .columns
            .iter()
            .filter(|column| column.ty == 20);
        let zeros: Vec<(&str, Cell)> = counts
            .map(|column| (column.name, Cell::Integer(0)))
            .collect();
        self.add(columns, &zeros, rows);
    }

    pub(super) fn cell(&self, place: Place, column: usize) -> &Cell {
        let part = &self.parts[place.part];
        match &part.sources[column] {
            Source::Field(at) => &part.rows[place.row][*at],
            Source::Constant(cell) => cell,
        }
    }

    /// All rows.
    pub(super) fn all(&self) -> Vec<Place> {
        self.places(|part| (0..part.rows.len()).collect())
    }

    /// The rows that may have a value in a column: all that do, and seldom another.
    pub(super) fn find(&self, column: usize, value: &Cell) -> Vec<Place> {
        let hash = hash(value);
        self.places(|part| part.find(column, hash))
    }

    /// The first row with a value in a column.
    pub(super) fn first(&self, column: &str, value: &Cell) -> Option<Place> {
        let column = self.relation.position(column)?;
        self.find(column, value)
            .into_iter()
            .find(|&place| self.cell(place, column) == value)
    }

    /// A column's value by name.
    pub(super) fn get(&self, place: Place, column: &str) -> &Cell {
        self.relation
            .position(column)
            .map_or(&Cell::Null, |at| self.cell(place, at))
    }

    fn places(&self, rows: impl Fn(&Part) -> Vec<usize>) -> Vec<Place> {
        let parts = self.parts.iter().enumerate();
        parts
            .flat_map(|(at, part)| {
                rows(part)
                    .into_iter()
                    .map(move |row| Place { part: at, row })
            })
            .collect()
    }
}

/// Rows of one shape.
#[derive(Debug)]
struct Part {
    /// For each column of the relation.
    sources: Vec<Source>,
    rows: Vec<Box<[Cell]>>,
    /// By column, made when first asked for: the rows by their values' hashes.
    indexes: Mutex<HashMap<usize, HashMap<u64, Vec<usize>>>>,
}

#[derive(Debug)]
enum Source {
    Field(usize),
    Constant(Cell),
}

impl Part {
    fn new(
        relation: &Relation,
        header: &[usize],
        constants: &[(&str, Cell)],
        rows: Vec<Box<[Cell]>>,
    ) -> Self {
        debug_assert!(
            constants
                .iter()
                .all(|(name, _)| relation.position(name).is_some()),
            "{}: {constants:?}",
            relation.name
        );
        let source = |(at, column): (usize, &Column)| {
            if let Some(field) = header.iter().position(|&each| each == at) {
                return Source::Field(field);
            }
            let constant = constants.iter().find(|(name, _)| *name == column.name);
            Source::Constant(constant.map_or_else(|| column.default(), |(_, cell)| cell.clone()))
        };
        Self {
            sources: relation.columns.iter().enumerate().map(source).collect(),
            rows,
            indexes: Mutex::default(),
        }
    }

    fn find(&self, column: usize, wanted: u64) -> Vec<usize> {
        match self.sources.get(column) {
            None => Vec::new(),
            Some(Source::Constant(cell)) if hash(cell) == wanted => (0..self.rows.len()).collect(),
            Some(Source::Constant(_)) => Vec::new(),
            Some(&Source::Field(field)) => {
                let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
                let index = indexes.entry(column).or_insert_with(|| {
                    let mut index: HashMap<u64, Vec<usize>> = HashMap::new();
                    for (at, row) in self.rows.iter().enumerate() {
                        index.entry(hash(&row[field])).or_default().push(at);
                    }
                    index
                });
                index.get(&wanted).cloned().unwrap_or_default()
            }
        }
    }
}

fn hash(cell: &Cell) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    match cell {
        Cell::Null => {}
        Cell::Integer(integer) => integer.hash(&mut hasher),
        Cell::Real(real) => real.to_bits().hash(&mut hasher),
        Cell::Static(text) => text.hash(&mut hasher),
        Cell::Text(text) => text.hash(&mut hasher),
    }
    hasher.finish()
}

//! The catalog's relations as virtual tables of SQLite, and its functions' way to their connection.
//!
//! The one module of this crate with unsafe code: rusqlite's traits for virtual tables are unsafe to
//! implement, and it gives virtual tables and functions their connection only as a raw handle.
//! <https://www.sqlite.org/vtab.html>
#![allow(
    unsafe_code,
    reason = "virtual tables and the connection of functions; each use says why it is sound"
)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::fmt::Write as _;
use std::ops::Deref;
use std::rc::Rc;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConnection, VTabCursor,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Result};

use super::current::Session;
use super::functions::{Call, Function, TableFunction};
use super::rows::{Cell, Place, Relation, Rows};
use crate::types::{self, Oid, Type};

/// The system columns that clients ask for, behind the relation's own and hidden from `*`.
const SYSTEM_COLUMNS: [(&str, Oid); 3] = [("tableoid", 26), ("xmin", 28), ("ctid", 27)];

/// What belongs to one connection and so to one thread.
struct Local<T>(T);

// SAFETY: SQLite frees the data of a connection's modules and functions, and calls them, only in calls
// on that connection, which the session makes on its one thread.
unsafe impl<T> Send for Local<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Local<T> {}

impl<T> Deref for Local<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Makes a relation a table of the connection.
pub(super) fn table(
    connection: &Connection,
    name: &str,
    relation: &'static Relation,
    session: &Rc<Session>,
) -> Result<()> {
    const MODULE: &Module<'_, Table> = &Module::eponymous_only_module();
    let data = Local((relation, Rc::clone(session)));
    connection.create_module(name, MODULE, Some(data))
}

/// Makes a function of the connection that looks at the catalog. It is not deterministic for SQLite: its
/// result changes with the schema. Where `strict`, an argument that is NULL makes the result NULL.
pub(super) fn function(
    connection: &Connection,
    session: &Rc<Session>,
    name: &str,
    arguments: c_int,
    strict: bool,
    function: Function,
) -> Result<()> {
    let session = Local(Rc::clone(session));
    connection.create_scalar_function(
        name,
        arguments,
        FunctionFlags::SQLITE_UTF8,
        move |context| {
            let null = (0..context.len()).any(|at| context.get_raw(at) == ValueRef::Null);
            if strict && null {
                return Ok(Cell::Null);
            }
            let session: &Local<Rc<Session>> = &session;
            // SAFETY: the handle is of the connection that is calling, it is used on this thread and not kept.
            let connection = unsafe { context.get_connection() }?;
            function(&Call {
                session,
                connection: &connection,
                context,
            })
        },
    )
}

/// Makes a function that returns rows.
pub(super) fn table_function(
    connection: &Connection,
    function: &'static TableFunction,
) -> Result<()> {
    const MODULE: &Module<'_, FunctionTable> = &Module::eponymous_only_module();
    connection.create_module(function.name, MODULE, Some(function))
}

/// A relation on one connection.
#[repr(C)]
struct Table {
    /// Must be first: SQLite sees the struct as this.
    base: sqlite3_vtab,
    relation: &'static Relation,
    session: Rc<Session>,
    connection: Connection,
}

// SAFETY: `repr(C)` with the base first.
unsafe impl<'vtab> VTab<'vtab> for Table {
    type Aux = Local<(&'static Relation, Rc<Session>)>;
    type Cursor = Cursor<'vtab>;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let (relation, session) = aux.map(|data| data.0.clone()).ok_or_else(|| {
            rusqlite::Error::ModuleError("a relation without its columns".to_owned())
        })?;
        // SAFETY: SQLite disconnects its virtual tables before it closes the connection, so the handle
        // outlives the table; dropping this connection finalizes its statements and closes nothing.
        let connection = unsafe { Connection::from_handle(db.handle()) }?;
        let table = Self {
            base: sqlite3_vtab::default(),
            relation,
            session,
            connection,
        };
        let declaration = CString::new(declaration(relation))?;
        Ok((Cow::Owned(declaration), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let size = if self.relation.is_large() { 3000 } else { 100 };
        let best = (0..)
            .zip(info.constraints())
            .filter(|(_, constraint)| {
                constraint.is_usable()
                    && constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
            })
            .filter_map(|(at, constraint)| {
                let column = usize::try_from(constraint.column()).ok()?;
                let column_type = self.relation.columns.get(column)?;
                Some((column_type.rows_for_one_value(), at, column))
            })
            .filter(|&(_, at, _)| info.collation(at).is_ok_and(|name| name == "BINARY"))
            .min();
        let Some((rows, at, column)) = best else {
            info.set_idx_num(-1);
            info.set_estimated_rows(size);
            info.set_estimated_cost(
                10.0 + 2.0 * f64::from(i32::try_from(size).unwrap_or(i32::MAX)),
            );
            return Ok(true);
        };
        info.constraint_usage(at).set_argv_index(1);
        info.set_idx_num(c_int::try_from(column).unwrap_or(-1));
        info.set_estimated_rows(rows);
        info.set_estimated_cost(2.0 + f64::from(i32::try_from(rows).unwrap_or(i32::MAX)));
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Cursor<'vtab>> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            table: self,
            rows: None,
            version: 0,
            places: Vec::new(),
            at: 0,
        })
    }
}

/// A scan, or a look-up by the value of a column.
#[repr(C)]
struct Cursor<'vtab> {
    /// Must be first: SQLite sees the struct as this.
    base: sqlite3_vtab_cursor,
    table: &'vtab Table,
    /// As they were when the statement began.
    rows: Option<Rc<Rows>>,
    version: i64,
    places: Vec<Place>,
    at: usize,
}

// SAFETY: `repr(C)` with the base first.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, column: c_int, _: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        let rows = match &self.rows {
            Some(rows) => Rc::clone(rows),
            None => {
                let table = self.table;
                let (version, rows) = table.session.rows(&table.connection, table.relation)?;
                self.version = version;
                Rc::clone(self.rows.insert(rows))
            }
        };
        self.at = 0;
        self.places = match usize::try_from(column) {
            Err(_) => rows.all(),
            Ok(column) => {
                let value = arguments.iter().next().unwrap_or(ValueRef::Null);
                let integer = self.table.relation.columns[column].is_integer();
                match wanted(value, integer) {
                    Some(value) => rows.find(column, &value),
                    None => Vec::new(),
                }
            }
        };
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.places.len()
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let (Some(rows), Some(&place)) = (&self.rows, self.places.get(self.at)) else {
            return Ok(());
        };
        let columns = self.table.relation.columns.len();
        match usize::try_from(column).unwrap_or_default() {
            own if own < columns => context.set_result(rows.cell(place, own).output()),
            system => match SYSTEM_COLUMNS.get(system - columns) {
                Some(("tableoid", _)) => context.set_result(self.table.relation.oid),
                Some(("xmin", _)) => context.set_result(self.version),
                _ => context.set_result(format!("(0,{})", self.at + 1)),
            },
        }
    }

    fn rowid(&self) -> Result<i64> {
        Ok(i64::try_from(self.at).unwrap_or(i64::MAX))
    }
}

/// A function that returns rows; its arguments are hidden columns.
#[repr(C)]
struct FunctionTable {
    /// Must be first: SQLite sees the struct as this.
    base: sqlite3_vtab,
    function: &'static TableFunction,
}

// SAFETY: `repr(C)` with the base first.
unsafe impl<'vtab> VTab<'vtab> for FunctionTable {
    type Aux = &'static TableFunction;
    type Cursor = FunctionCursor;

    fn connect(
        _: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let function = *aux.ok_or_else(|| {
            rusqlite::Error::ModuleError("a function without its columns".to_owned())
        })?;
        let mut declaration = String::from("CREATE TABLE x(");
        for (name, ty) in function.columns {
            // Writing into a string does not fail.
            let _ = write!(
                declaration,
                "\"{name}\" {}, ",
                types::declare(Type::of(*ty), None)
            );
        }
        // SQLite wants one hidden column at least to take it for a function.
        for at in 0..function.arguments.max(1) {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(declaration, "{comma}argument{at} HIDDEN");
        }
        declaration.push(')');
        let table = Self {
            base: sqlite3_vtab::default(),
            function,
        };
        Ok((Cow::Owned(CString::new(declaration)?), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let columns = self.function.columns.len();
        let mut given = 0;
        let mut missing = false;
        for (constraint, mut usage) in info.constraints_and_usages() {
            let Ok(column) = usize::try_from(constraint.column()) else {
                continue;
            };
            if column < columns
                || constraint.operator() != IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
            {
                continue;
            }
            missing |= !constraint.is_usable();
            // The arguments in their order.
            usage.set_argv_index(c_int::try_from(column - columns + 1).unwrap_or(1));
            usage.set_omit(true);
            given += 1;
        }
        info.set_estimated_cost(10.0);
        info.set_estimated_rows(10);
        Ok(!missing && given == self.function.arguments)
    }

    fn open(&'vtab mut self) -> Result<FunctionCursor> {
        Ok(FunctionCursor {
            base: sqlite3_vtab_cursor::default(),
            function: self.function,
            rows: Vec::new(),
            at: 0,
        })
    }
}

/// The rows that a function returned.
#[repr(C)]
struct FunctionCursor {
    /// Must be first: SQLite sees the struct as this.
    base: sqlite3_vtab_cursor,
    function: &'static TableFunction,
    rows: Vec<Vec<Cell>>,
    at: usize,
}

// SAFETY: `repr(C)` with the base first.
unsafe impl VTabCursor for FunctionCursor {
    fn filter(&mut self, _: c_int, _: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        let arguments: Vec<ValueRef<'_>> = arguments.iter().collect();
        self.at = 0;
        self.rows = (self.function.rows)(&arguments)?;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.rows.len()
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let row = self.rows.get(self.at);
        let cell = row.and_then(|row| row.get(usize::try_from(column).ok()?));
        match cell {
            Some(cell) => context.set_result(cell.output()),
            None => Ok(()),
        }
    }

    fn rowid(&self) -> Result<i64> {
        Ok(i64::try_from(self.at).unwrap_or(i64::MAX))
    }
}

/// `CREATE TABLE` with the columns' Postgres types.
fn declaration(relation: &Relation) -> String {
    let mut out = String::from("CREATE TABLE x(");
    for column in &relation.columns {
        // Writing into a string does not fail.
        let _ = write!(
            out,
            "\"{}\" {}, ",
            column.name,
            types::declare(Type::of(column.ty), None)
        );
    }
    for &(name, ty) in &SYSTEM_COLUMNS {
        // `pg_replication_slots` has an `xmin` of its own.
        let name = if relation.position(name).is_some() {
            "xmin_of_row"
        } else {
            name
        };
        let _ = write!(
            out,
            "{name} {} HIDDEN, ",
            types::declare(Type::of(ty), None)
        );
    }
    out.truncate(out.len() - 2);
    out.push(')');
    out
}

/// What a value is looked up as; SQLite compares again, so only rows must not be missed. None: it is
/// equal to nothing.
fn wanted(value: ValueRef<'_>, integer: bool) -> Option<Cell> {
    match value {
        ValueRef::Integer(number) if integer => Some(Cell::Integer(number)),
        ValueRef::Integer(number) => Some(Cell::Text(number.to_string().into())),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).ok()?;
            if integer {
                return text.trim().parse().ok().map(Cell::Integer);
            }
            Some(Cell::Text(text.into()))
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "compared with the original just before"
        )]
        ValueRef::Real(real) if integer && real.fract() == 0.0 => Some(Cell::Integer(real as i64)),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

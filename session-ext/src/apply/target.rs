//! A table that changes are applied to, with its statements.
//!
//! Divisions: is it the same table · running a change · searching a row · stand-ins · values.
//! Statements are prepared once; an UPDATE for each set of columns, the last used ones kept.

use sqlite_abi::{Connection, Statement, ValueRef};

use super::error::Error;
use super::{quoted, sql};
use crate::changeset::{Change, Field, Kind, Op, Table};

/// How many UPDATE statements are kept.
const UPDATES: usize = 16;

/// Why a table of a changeset has no counterpart.
pub(super) type Mismatch = String;

/// The table, with as many of its columns as the changes have.
pub(super) struct Target<'c> {
    connection: &'c Connection<'c>,
    name: String,
    columns: Vec<String>,
    /// Places in the primary key, of this database.
    key: Vec<u8>,
    /// `sqlite_stat1` has no primary key; changesets treat it as if it were (tbl, idx), and write
    /// an empty blob for an idx of NULL.
    stat1: bool,
    insert: Statement<'c>,
    delete: Statement<'c>,
    select: Statement<'c>,
    /// The last used one first.
    updates: Vec<Update<'c>>,
    mask: Vec<u8>,
    /// Which columns are in a unique index, once that was asked.
    unique: Option<Vec<bool>>,
    /// Whether a row has certain values, once that was asked.
    holds: Option<Statement<'c>>,
}

struct Update<'c> {
    mask: Vec<u8>,
    statement: Statement<'c>,
}

/// A change with its fields, the same for changesets and patchsets.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) old: Vec<Field<'a>>,
    pub(super) new: Vec<Field<'a>>,
}

/// Whether the other values must be as the change says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Values,
    KeyOnly,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// There is no such row with such values.
    NoRow,
    /// A constraint does not allow it.
    Constraint,
}

pub(super) struct Column {
    pub(super) name: String,
    /// In the primary key from 1 on, else 0.
    pub(super) place: u8,
}

/// The columns that changesets know of: not the hidden and generated ones. A table without a
/// primary key has its rowid as the first, as with SQLite's SESSION_OBJCONFIG_ROWID.
fn columns(connection: &Connection<'_>, table: &str) -> Result<Vec<Column>, sqlite_abi::Error> {
    let pragma = format!("PRAGMA main.table_xinfo({})", quoted(table));
    let mut info = connection.prepare(&pragma)?;
    let mut columns = Vec::new();
    while info.step()? {
        if info.column_ref(6) != ValueRef::Integer(0) {
            continue;
        }
        let ValueRef::Text(name) = info.column_ref(1) else {
            continue;
        };
        let place = match info.column_ref(5) {
            ValueRef::Integer(place) => u8::try_from(place).unwrap_or(u8::MAX),
            _ => 0,
        };
        columns.push(Column {
            name: String::from_utf8_lossy(name).into_owned(),
            place,
        });
    }
    if table.eq_ignore_ascii_case("sqlite_stat1") {
        for (column, place) in columns.iter_mut().zip([1, 2, 0]) {
            column.place = place;
        }
    } else if !columns.is_empty() && columns.iter().all(|column| column.place == 0) {
        let name = "_rowid_".to_owned();
        columns.insert(0, Column { name, place: 1 });
    }
    Ok(columns)
}

/// The rules of the C API, but that any numbers mark the columns of the key: some writers put 1
/// for each.
fn compare(here: &[Column], there: &Table<'_>) -> Result<(), Mismatch> {
    let in_key = |place: &u8| *place != 0;
    if here.is_empty() {
        return Err("there is no such table here".to_owned());
    }
    if here.len() < there.columns() {
        return Err(format!(
            "it has {} columns here and {} in the changeset",
            here.len(),
            there.columns()
        ));
    }
    let (common, extra) = here.split_at(there.columns());
    let same = common
        .iter()
        .map(|c| in_key(&c.place))
        .eq(there.key.iter().map(in_key));
    if !same || extra.iter().any(|c| in_key(&c.place)) {
        return Err("its primary key is another one here than in the changeset".to_owned());
    }
    Ok(())
}

impl<'c> Target<'c> {
    /// The table that a header names, if it is alike.
    pub(super) fn open(
        connection: &'c Connection<'c>,
        table: &Table<'_>,
    ) -> Result<Result<Self, Mismatch>, Error> {
        let failed = || Error::sqlite(format!("read the schema of table '{}'", table.name));
        let mut columns = columns(connection, table.name).map_err(failed())?;
        if let Err(mismatch) = compare(&columns, table) {
            return Ok(Err(mismatch));
        }
        columns.truncate(table.columns());
        let stat1 = table.name.eq_ignore_ascii_case("sqlite_stat1");
        let prepare = |sql: String| {
            let failed = Error::sqlite(format!("change table '{}'", table.name));
            connection.prepare(&sql).map_err(failed)
        };
        Ok(Ok(Self {
            insert: prepare(sql::insert(table.name, &columns))?,
            delete: prepare(sql::delete(table.name, &columns, stat1))?,
            select: prepare(sql::select(table.name, &columns))?,
            connection,
            name: table.name.to_owned(),
            key: columns.iter().map(|column| column.place).collect(),
            columns: columns.into_iter().map(|column| column.name).collect(),
            stat1,
            updates: Vec::new(),
            mask: Vec::new(),
            unique: None,
            holds: None,
        }))
    }

    /// The table's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Places in the primary key.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Applies a change once.
    pub(super) fn run(
        &mut self,
        change: &Change<'_>,
        fields: &Fields<'_>,
        check: Check,
    ) -> Result<Outcome, Error> {
        match change.op {
            Op::Insert => self.run_insert(change, fields),
            Op::Update => self.run_update(change, fields, check),
            Op::Delete => self.run_delete(change, &fields.old, check),
        }
    }

    fn run_insert(&mut self, change: &Change<'_>, fields: &Fields<'_>) -> Result<Outcome, Error> {
        if self.stat1 {
            let exists = self.seek(change, fields)?;
            self.leave();
            if exists {
                return Ok(Outcome::Constraint);
            }
        }
        for (index, field) in fields.new.iter().enumerate() {
            let value = self.value(change, index, *field)?;
            let bound = self.insert.bind_ref(index + 1, value);
            bound.map_err(failed(change))?;
        }
        step(&mut self.insert, change)
    }

    /// Deletes a row; also the one that an INSERT replaces.
    pub(super) fn run_delete(
        &mut self,
        change: &Change<'_>,
        row: &[Field<'_>],
        check: Check,
    ) -> Result<Outcome, Error> {
        let check = check == Check::Values && change.table.kind == Kind::Changeset;
        for (index, field) in row.iter().enumerate() {
            if check || self.key[index] != 0 {
                let value = self.value(change, index, *field)?;
                let bound = self.delete.bind_ref(index + 1, value);
                bound.map_err(failed(change))?;
            }
        }
        if self.delete.parameter_count() > row.len() {
            let unchecked = ValueRef::Integer(i64::from(!check));
            let bound = self.delete.bind_ref(row.len() + 1, unchecked);
            bound.map_err(failed(change))?;
        }
        let outcome = step(&mut self.delete, change)?;
        Ok(self.found(outcome))
    }

    fn run_update(
        &mut self,
        change: &Change<'_>,
        fields: &Fields<'_>,
        check: Check,
    ) -> Result<Outcome, Error> {
        let columns = || fields.old.iter().zip(&fields.new).zip(&self.key);
        if columns().all(|((_, new), place)| *place != 0 || !new.is_defined()) {
            return Ok(Outcome::Done);
        }
        self.mask.clear();
        self.mask.extend(columns().map(|((old, new), place)| {
            let expect = *place != 0 || check == Check::Values && old.is_defined();
            let set = *place == 0 && new.is_defined();
            u8::from(set) | u8::from(expect) << 1
        }));
        self.find_update(change)?;
        let Some(update) = self.updates.first_mut().map(|update| &mut update.statement) else {
            return Ok(Outcome::Done);
        };
        let mut parameter = 0;
        for (bit, values) in [(1, &fields.new), (2, &fields.old)] {
            for (index, field) in values.iter().enumerate() {
                if self.mask[index] & bit != 0 {
                    parameter += 1;
                    let value = bindable(self.stat1, change, index, *field)?;
                    update.bind_ref(parameter, value).map_err(failed(change))?;
                }
            }
        }
        let outcome = step(update, change)?;
        Ok(self.found(outcome))
    }

    /// Brings the statement for the mask to the front.
    fn find_update(&mut self, change: &Change<'_>) -> Result<(), Error> {
        let known = self
            .updates
            .iter()
            .position(|update| update.mask == self.mask);
        let update = match known {
            Some(0) => return Ok(()),
            Some(index) => self.updates.remove(index),
            None => {
                self.updates.truncate(UPDATES - 1);
                let sql = sql::update(&self.name, &self.columns, &self.mask);
                Update {
                    mask: self.mask.clone(),
                    statement: self.connection.prepare(&sql).map_err(failed(change))?,
                }
            }
        };
        self.updates.insert(0, update);
        Ok(())
    }

    /// Goes to the row with the change's key. [`Target::leave`] must follow.
    pub(super) fn seek(&mut self, change: &Change<'_>, fields: &Fields<'_>) -> Result<bool, Error> {
        let row = if change.op == Op::Insert {
            &fields.new
        } else {
            &fields.old
        };
        for (index, field) in row.iter().enumerate() {
            if self.key[index] != 0 {
                let value = self.value(change, index, *field)?;
                let bound = self.select.bind_ref(index + 1, value);
                bound.map_err(failed(change))?;
            }
        }
        self.select.step().map_err(failed(change))
    }

    /// The row that was sought, as JSON.
    pub(super) fn current(&self) -> String {
        let values = (0..self.columns.len()).map(|index| Some(self.select.column_ref(index)));
        crate::json::array(values)
    }

    /// Ends a search.
    pub(super) fn leave(&mut self) {
        self.select.reset();
    }

    /// Whether the row with the change's key has all the values that an INSERT or UPDATE sets.
    pub(super) fn holds(
        &mut self,
        change: &Change<'_>,
        fields: &Fields<'_>,
    ) -> Result<bool, Error> {
        if self.stat1 {
            return Ok(false);
        }
        let mut holds = match self.holds.take() {
            Some(holds) => holds,
            None => {
                let sql = sql::holds(&self.name, &self.columns, &self.key);
                self.connection.prepare(&sql).map_err(failed(change))?
            }
        };
        let count = self.columns.len();
        for (index, (old, new)) in fields.old.iter().zip(&fields.new).enumerate() {
            let in_key = self.key[index] != 0;
            let field = if in_key && change.op != Op::Insert {
                old
            } else {
                new
            };
            let value = field.value().unwrap_or(ValueRef::Null);
            let bound = holds.bind_ref(index + 1, value);
            bound.map_err(failed(change))?;
            if !in_key {
                let other = ValueRef::Integer(i64::from(!new.is_defined()));
                let bound = holds.bind_ref(index + 1 + count, other);
                bound.map_err(failed(change))?;
            }
        }
        let found = holds.step().map_err(failed(change));
        holds.reset();
        self.holds = Some(holds);
        found
    }

    /// Prepares the two UPDATEs that free the unique values a change needs: one to stand-ins, one
    /// to the change's values. None where no changed column is unique.
    pub(super) fn stand_ins(
        &mut self,
        change: &Change<'_>,
        fields: &Fields<'_>,
    ) -> Result<Option<[Statement<'c>; 2]>, Error> {
        let unique = match self.unique.take() {
            Some(unique) => unique,
            None => self.unique_columns().map_err(failed(change))?,
        };
        let changed = |index: usize| self.key[index] == 0 && fields.new[index].is_defined();
        let (mut stand_in, mut set, mut place) = (Vec::new(), Vec::new(), Vec::new());
        for (index, name) in self.columns.iter().enumerate() {
            let (column, parameter) = (quoted(name), index + 1);
            if self.key[index] != 0 {
                place.push(format!("{column} IS ?{parameter}"));
            } else if changed(index) {
                set.push(format!("{column} = ?{parameter}"));
                if unique[index] {
                    let other = match fields.new[index].value() {
                        Some(ValueRef::Null) => "NULL",
                        Some(ValueRef::Text(_)) => "CAST(random() AS TEXT)",
                        Some(ValueRef::Blob(_)) => "randomblob(16)",
                        _ => "random()",
                    };
                    stand_in.push(format!("{column} = {other}"));
                }
            }
        }
        self.unique = Some(unique);
        if stand_in.is_empty() {
            return Ok(None);
        }
        let prepare = |set: &[String]| {
            let (table, set, place) = (quoted(&self.name), set.join(", "), place.join(" AND "));
            let sql = format!("UPDATE main.{table} SET {set} WHERE {place}");
            self.connection.prepare(&sql).map_err(failed(change))
        };
        let mut updates = [prepare(&stand_in)?, prepare(&set)?];
        for index in 0..self.columns.len() {
            if self.key[index] != 0 {
                for update in &mut updates {
                    let value = self.value(change, index, fields.old[index])?;
                    update.bind_ref(index + 1, value).map_err(failed(change))?;
                }
            } else if changed(index) {
                let value = self.value(change, index, fields.new[index])?;
                updates[1]
                    .bind_ref(index + 1, value)
                    .map_err(failed(change))?;
            }
        }
        Ok(Some(updates))
    }

    /// Which columns are in a unique index; all where one is partial or on an expression.
    fn unique_columns(&self) -> Result<Vec<bool>, sqlite_abi::Error> {
        let mut unique = vec![false; self.columns.len()];
        let sql = "SELECT i.name, l.partial FROM pragma_index_list(?1, 'main') AS l, \
                   pragma_index_xinfo(l.name, 'main') AS i WHERE l.\"unique\" AND i.key";
        let mut list = self.connection.prepare(sql)?;
        list.bind_ref(1, ValueRef::Text(self.name.as_bytes()))?;
        while list.step()? {
            let partial = list.column_ref(1) != ValueRef::Integer(0);
            match list.column_ref(0) {
                ValueRef::Text(column) if !partial => {
                    let columns = self.columns.iter().zip(&mut unique);
                    for (name, unique) in columns {
                        *unique |= name.as_bytes().eq_ignore_ascii_case(column);
                    }
                }
                _ => unique.fill(true),
            }
        }
        Ok(unique)
    }

    fn value<'v>(
        &self,
        change: &Change<'_>,
        index: usize,
        field: Field<'v>,
    ) -> Result<ValueRef<'v>, Error> {
        bindable(self.stat1, change, index, field)
    }

    fn found(&self, outcome: Outcome) -> Outcome {
        if outcome == Outcome::Done && self.connection.changes() == 0 {
            Outcome::NoRow
        } else {
            outcome
        }
    }
}

/// Runs a statement that returns no rows.
pub(super) fn step(statement: &mut Statement<'_>, change: &Change<'_>) -> Result<Outcome, Error> {
    let stepped = statement.step();
    statement.reset();
    match stepped {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.code.primary() == sqlite_abi::Code::CONSTRAINT => {
            Ok(Outcome::Constraint)
        }
        Err(error) => Err(failed(change)(error)),
    }
}

fn failed(change: &Change<'_>) -> impl FnOnce(sqlite_abi::Error) -> Error {
    let (op, table) = (change.op.name(), change.table.name);
    move |error| Error::sqlite(format!("apply an {op} to table '{table}'"))(error)
}

fn bindable<'v>(
    stat1: bool,
    change: &Change<'_>,
    index: usize,
    field: Field<'v>,
) -> Result<ValueRef<'v>, Error> {
    match field.value() {
        Some(ValueRef::Blob([])) if stat1 && index == 1 => Ok(ValueRef::Null),
        Some(value) => Ok(value),
        None => Err(Error::Incomplete {
            offset: change.offset,
            op: change.op.name(),
            table: change.table.name.to_owned(),
        }),
    }
}

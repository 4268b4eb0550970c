//! From touched rows to a changeset: each is read as it is now and compared with what it was.
//!
//! No savepoint is opened, unlike in SQLite's session extension, so this works while a statement
//! writes. A statement on the schema is kept open instead: it holds one read transaction
//! for all the rows.

use sqlite_abi::{Code, Connection, Error as SqliteError, Statement, ValueRef};

use super::error::{Error, Result};
use super::quote::{list, quote};
use super::shape::{STATISTICS, Shape};
use super::touched::{Before, Touch};
use super::{State, Tracked, Watch};
use crate::changeset::value::encode;
use crate::changeset::{Field, Kind, Op, Writer};

impl State {
    /// The changes of a session.
    pub(crate) fn changes(
        &mut self,
        connection: &Connection<'_>,
        handle: i64,
        kind: Kind,
    ) -> Result<Vec<u8>> {
        let mut writer = Writer::new(kind);
        self.write_changes(connection, handle, kind, &mut writer, |_| false)?;
        Ok(writer.finish())
    }

    /// Whether a session has no changes.
    pub(crate) fn is_empty(&mut self, connection: &Connection<'_>, handle: i64) -> Result<bool> {
        let mut writer = Writer::new(Kind::Patchset);
        let some = |writer: &Writer| !writer.is_empty();
        self.write_changes(connection, handle, Kind::Patchset, &mut writer, some)?;
        Ok(writer.is_empty())
    }

    fn write_changes(
        &mut self,
        connection: &Connection<'_>,
        handle: i64,
        kind: Kind,
        writer: &mut Writer,
        enough: impl Fn(&Writer) -> bool,
    ) -> Result<()> {
        self.refresh(connection)?;
        let session = self.session(handle)?;
        if let Some(rule) = &session.problem {
            return Err(Error::Session {
                handle,
                rule: rule.clone(),
            });
        }
        let failed = |error| Error::sqlite(format!("session {handle}"))(error);
        let hold = format!("SELECT 1 FROM {}.sqlite_schema", quote(&session.schema));
        let mut hold = connection.prepare(&hold).map_err(failed)?;
        hold.step().map_err(failed)?;
        for table in self.tables.values_mut() {
            let Some(at) = table
                .watches
                .iter()
                .position(|watch| watch.session == handle)
            else {
                continue;
            };
            if table.name == STATISTICS && !table.gone {
                note_new_statistics(connection, table, at)?;
            }
            let changes = Changes::new(connection, table, &table.watches[at], kind)?;
            if let Some(mut changes) = changes {
                changes.write(writer, &enough)?;
            }
            if enough(writer) {
                break;
            }
        }
        Ok(())
    }
}

/// Statistics that were added are only found by looking.
fn note_new_statistics(connection: &Connection<'_>, table: &mut Tracked, at: usize) -> Result<()> {
    let failed = |error| Error::sqlite("cannot read sqlite_stat1")(error);
    let columns = list((0..2).map(|at| table.shape.columns[at].select()));
    let schema = quote(&table.schema);
    let sql = format!("SELECT {columns} FROM {schema}.{STATISTICS} WHERE tbl IS NOT NULL");
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    while statement.step().map_err(failed)? {
        let mut key = Vec::new();
        (0..2).for_each(|index| encode(&mut key, Some(statement.column_ref(index))));
        let watch = &mut table.watches[at];
        watch.touched.touch(&key, watch.indirect, |_| None);
    }
    Ok(())
}

/// Reads rows by their encoded keys.
pub(super) struct RowReader<'c> {
    statement: Statement<'c>,
    shape: &'c Shape,
    failed: String,
    /// The row that was read last: its fields, one after the other, and where each ends.
    row: Vec<u8>,
    ends: Vec<usize>,
}

impl<'c> RowReader<'c> {
    pub(super) fn new(
        connection: &'c Connection<'c>,
        schema: &str,
        name: &str,
        shape: &'c Shape,
    ) -> Result<Self> {
        let failed = format!("cannot read {schema}.{name}");
        let columns = list(shape.columns.iter().map(super::shape::Column::select));
        let key = shape.key.iter().zip(&shape.collations).enumerate();
        let key = key.map(|(at, (column, collation))| {
            let column = shape.columns[*column].select();
            let collation = collation.as_ref();
            let collation =
                collation.map_or_else(String::new, |name| format!(" COLLATE {}", quote(name)));
            format!("{column} = ?{}{collation}", at + 1)
        });
        let sql = format!(
            "SELECT {columns} FROM {}.{} WHERE {}",
            quote(schema),
            quote(name),
            key.collect::<Vec<_>>().join(" AND ")
        );
        let prepared = connection.prepare(&sql);
        let statement = prepared.map_err(|error| Error::sqlite(failed.clone())(error))?;
        Ok(Self {
            statement,
            shape,
            failed,
            row: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Reads the row with exactly this key; where keys compare equal that are not the
    /// same, another row is not taken for it.
    pub(super) fn read(&mut self, key: &[u8]) -> Result<bool> {
        self.read_row(key)
            .map_err(|error| Error::sqlite(self.failed.clone())(error))
    }

    fn read_row(&mut self, key: &[u8]) -> std::result::Result<bool, sqlite_abi::Error> {
        self.statement.reset();
        for (at, field) in (1..).zip(Field::all(key)) {
            if let Some(value) = field.value() {
                self.statement.bind_ref(at, value)?;
            }
        }
        if !self.statement.step()? {
            return Ok(false);
        }
        self.row.clear();
        self.ends.clear();
        for at in 0..self.shape.columns.len() {
            encode(&mut self.row, Some(self.statement.column_ref(at)));
            self.ends.push(self.row.len());
        }
        let mut rest = key;
        for at in &self.shape.key {
            match rest.strip_prefix(self.field(*at)) {
                Some(tail) => rest = tail,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The row that was read, encoded.
    pub(super) fn row(&self) -> &[u8] {
        &self.row
    }

    fn field(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.row[start..self.ends[at]]
    }
}

/// The changes of one table.
struct Changes<'c> {
    table: &'c Tracked,
    watch: &'c Watch,
    reader: Option<RowReader<'c>>,
    /// What columns hold in rows that are older than they.
    added: Vec<u8>,
    kind: Kind,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<'c> Changes<'c> {
    /// None where nothing was touched.
    fn new(
        connection: &'c Connection<'c>,
        table: &'c Tracked,
        watch: &'c Watch,
        kind: Kind,
    ) -> Result<Option<Self>> {
        if watch.touched.len() == 0 {
            return Ok(None);
        }
        if table.gone && watch.touched.has_rows() {
            return Err(table.error(
                watch.session,
                "was dropped after rows of it had changed; no changeset can tell that",
            ));
        }
        if watch.replaced {
            return Err(table.error(
                watch.session,
                "has lost columns or changed its primary key since rows of it changed; no changeset can tell that",
            ));
        }
        if table.gone {
            return Ok(None);
        }
        let reader = RowReader::new(connection, &table.schema, &table.name, &table.shape)?;
        Ok(Some(Self {
            table,
            watch,
            reader: Some(reader),
            added: added(connection, table)?,
            kind,
            old: Vec::new(),
            new: Vec::new(),
        }))
    }

    fn write(&mut self, writer: &mut Writer, enough: &impl Fn(&Writer) -> bool) -> Result<()> {
        writer.table(&self.table.name, &self.table.shape.places());
        let Some(mut reader) = self.reader.take() else {
            return Ok(());
        };
        let touched = &self.watch.touched;
        // Neighbours are read one after the other where order is the same in bytes and in the table.
        if self.table.shape.rowid_key {
            self.write_all(writer, &mut reader, touched.sorted(), enough)
        } else {
            self.write_all(writer, &mut reader, touched.iter(), enough)
        }
    }

    fn write_all<'t>(
        &mut self,
        writer: &mut Writer,
        reader: &mut RowReader<'_>,
        touches: impl Iterator<Item = Touch<'t>>,
        enough: &impl Fn(&Writer) -> bool,
    ) -> Result<()> {
        for touch in touches {
            let exists = reader.read(touch.key)?;
            self.write_one(writer, &touch, exists.then_some(&*reader));
            if enough(writer) {
                break;
            }
        }
        Ok(())
    }

    fn write_one(&mut self, writer: &mut Writer, touch: &Touch<'_>, now: Option<&RowReader<'_>>) {
        match (touch.before, now) {
            (Before::Absent, None) => {}
            (Before::Absent, Some(now)) => {
                writer.raw(Op::Insert, touch.indirect, &[now.row()]);
            }
            (Before::Row(columns, row), None)
                if self.kind == Kind::Changeset && columns == self.columns() =>
            {
                writer.raw(Op::Delete, touch.indirect, &[row]);
            }
            (Before::Row(columns, row), None) => {
                let mut old = std::mem::take(&mut self.old);
                old.clear();
                for (field, column) in self.old_row(columns, row).zip(&self.table.shape.columns) {
                    if self.kind == Kind::Changeset || column.place > 0 {
                        old.extend_from_slice(field.bytes());
                    }
                }
                writer.raw(Op::Delete, touch.indirect, &[&old]);
                self.old = old;
            }
            (Before::Row(columns, row), Some(now)) => {
                self.write_update(writer, touch, (columns, row), now);
            }
        }
    }

    fn write_update(
        &mut self,
        writer: &mut Writer,
        touch: &Touch<'_>,
        (columns, row): (u16, &[u8]),
        now: &RowReader<'_>,
    ) {
        // Most rows that did not change are the same bytes.
        if row == now.row() {
            return;
        }
        let (mut old, mut new) = (std::mem::take(&mut self.old), std::mem::take(&mut self.new));
        old.clear();
        new.clear();
        let mut changed = false;
        for (at, (field, column)) in self
            .old_row(columns, row)
            .zip(&self.table.shape.columns)
            .enumerate()
        {
            let in_key = column.place > 0;
            let differs = !in_key && field.bytes() != now.field(at);
            changed |= differs;
            let before = if differs || in_key {
                field
            } else {
                Field::UNDEFINED
            };
            old.extend_from_slice(before.bytes());
            let in_patch = in_key && self.kind == Kind::Patchset;
            let after = if differs || in_patch {
                now.field(at)
            } else {
                Field::UNDEFINED.bytes()
            };
            new.extend_from_slice(after);
        }
        if changed {
            match self.kind {
                Kind::Changeset => writer.raw(Op::Update, touch.indirect, &[&old, &new]),
                Kind::Patchset => writer.raw(Op::Update, touch.indirect, &[&new]),
            }
        }
        (self.old, self.new) = (old, new);
    }

    /// The fields of an earlier row, with those of the columns that were added since. (Those of columns that a
    /// rollback took away are left out by the caller, who goes by the table's columns.)
    fn old_row<'r>(&'r self, columns: u16, row: &'r [u8]) -> impl Iterator<Item = Field<'r>> {
        Field::all(row).chain(Field::all(&self.added).skip(usize::from(columns)))
    }

    fn columns(&self) -> u16 {
        self.table.shape.columns.len() as u16
    }
}

/// The values of all columns in rows that are older than they are. A default that cannot be had by itself,
/// such as a call of a function that is not there, is not that of a column which was added.
fn added(connection: &Connection<'_>, table: &Tracked) -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    for column in &table.shape.columns {
        let mut read = || {
            let mut statement = connection.prepare(&format!("SELECT {}", column.added()))?;
            if statement.step()? {
                encode(&mut fields, Some(statement.column_ref(0)));
            }
            Ok(())
        };
        match read() {
            Ok(()) => {}
            Err(SqliteError {
                code: Code::ERROR, ..
            }) => encode(&mut fields, Some(ValueRef::Null)),
            Err(error) => {
                let failed = format!(
                    "cannot read the defaults of {}.{}",
                    table.schema, table.name
                );
                return Err(Error::sqlite(failed)(error));
            }
        }
    }
    Ok(fields)
}

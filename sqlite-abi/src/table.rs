//! Table-valued functions, and virtual tables of the same kind:
//! <https://www.sqlite.org/vtab.html#tabfunc2>. What SQLite calls is in `table_ffi`
//! and `cursor_ffi`.
//!
//! A table-valued function exists on each connection without `CREATE VIRTUAL TABLE`. Its arguments
//! are hidden columns, in the order in which they are declared. A kind that is
//! [`TableFunction::DECLARABLE`] can also be used with `CREATE VIRTUAL TABLE`; such a table may
//! take rows by `INSERT`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::api::call;
use crate::connection::name;
use crate::function::destroy;
use crate::table_ffi::{Module, methods};
use crate::{Code, Connection, Error, FunctionError, Lent, Value, ValueRef};

/// Rows as an iterator: the values of the visible columns in order; missing ones are NULL.
pub type Rows = Box<dyn Iterator<Item = Result<Vec<Value>, FunctionError>> + Send>;

/// One scan of a table-valued function. `Send`, because a host may step a statement on another
/// thread than before.
pub trait Scan: Send {
    /// Goes to the next row, the first at first. False: there is none.
    ///
    /// # Errors
    /// What the statement fails with.
    fn advance(&mut self, connection: &Connection<'_>) -> Result<bool, FunctionError>;

    /// The same, with a loan that is the same one from the scan's beginning to its end: statements
    /// that are kept with it go on from row to row.
    ///
    /// # Errors
    /// As [`Scan::advance`].
    fn advance_lent(&mut self, lent: &Lent) -> Result<bool, FunctionError> {
        lent.with(|connection| self.advance(connection))?
    }

    /// A visible column of the current row; the first is 0.
    fn value(&self, column: usize) -> ValueRef<'_>;
}

/// A scan of rows that need no connection.
struct Iterated {
    rows: Rows,
    row: Vec<Value>,
}

impl Scan for Iterated {
    fn advance(&mut self, _: &Connection<'_>) -> Result<bool, FunctionError> {
        let row = self.rows.next().transpose()?;
        let found = row.is_some();
        self.row = row.unwrap_or_default();
        Ok(found)
    }

    fn value(&self, column: usize) -> ValueRef<'_> {
        self.row.get(column).map_or(ValueRef::Null, Value::as_ref)
    }
}

/// A column of a table-valued function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: &'static str,
    pub(crate) argument: bool,
}

impl Column {
    /// A column of the result with its declared type.
    #[must_use]
    pub const fn new(name: &'static str, kind: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind,
            argument: false,
        }
    }

    /// An argument: a hidden column.
    #[must_use]
    pub const fn argument(name: &'static str, kind: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind,
            argument: true,
        }
    }

    /// The same under a name made at run time.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self {
            name: Cow::Owned(name),
            ..self
        }
    }
}

/// What a `CREATE VIRTUAL TABLE` says.
#[derive(Debug)]
pub struct Declaration<'a> {
    /// The schema of the table.
    pub schema: &'a str,
    /// Its name.
    pub table: &'a str,
    /// The texts between the commas, as they were written.
    pub arguments: Vec<&'a str>,
    /// Whether the table is being created. Else it is there already, and this is the first time
    /// that the connection needs it.
    pub is_new: bool,
}

/// A table-valued function.
pub trait TableFunction: Send + Sync + 'static {
    /// Whether `CREATE VIRTUAL TABLE` can make tables of this kind, with [`TableFunction::declare`].
    const DECLARABLE: bool = false;

    /// Its name in SQL.
    fn name(&self) -> &str;

    /// Its columns: first those of the result, then the arguments.
    fn columns(&self) -> &[Column];

    /// Whether it may be used in top-level SQL only.
    fn direct_only(&self) -> bool {
        false
    }

    /// Whether it is harmless even where an untrusted schema uses it.
    fn innocuous(&self) -> bool {
        false
    }

    /// The rows of a scan, unless [`TableFunction::scan`] gives them. `arguments` has one element
    /// for each argument column, none where the query gives no value for it.
    ///
    /// # Errors
    /// What the statement fails with.
    fn rows(
        &self,
        _connection: &Connection<'_>,
        _arguments: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        Ok(Box::new(std::iter::empty()))
    }

    /// Starts a scan: over [`TableFunction::rows`], unless the rows need the connection as they
    /// are read, or are better lent than copied.
    ///
    /// # Errors
    /// What the statement fails with.
    fn scan(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Box<dyn Scan>, FunctionError> {
        let rows = self.rows(connection, arguments)?;
        let row = Vec::new();
        Ok(Box::new(Iterated { rows, row }))
    }

    /// The same, with a loan that is the same one as long as the connection has the table:
    /// statements that are kept with it go on from scan to scan. SQLite takes the table away before it
    /// looks for statements that keep a connection from being closed.
    ///
    /// # Errors
    /// As [`TableFunction::scan`].
    fn scan_lent(
        &self,
        lent: &Lent,
        arguments: &[Option<Value>],
    ) -> Result<Box<dyn Scan>, FunctionError> {
        lent.with(|connection| self.scan(connection, arguments))?
    }

    /// The table of a `CREATE VIRTUAL TABLE`. A failure where the table is not new makes it
    /// impossible to drop the table.
    ///
    /// # Errors
    /// What the statement fails with.
    fn declare(
        &self,
        _connection: &Connection<'_>,
        declaration: &Declaration<'_>,
    ) -> Result<Self, FunctionError>
    where
        Self: Sized,
    {
        Err(FunctionError::new(format!(
            "{} makes no tables, such as {}",
            self.name(),
            declaration.table
        )))
    }

    /// Takes a row: a value for each column. The loan is that of [`TableFunction::scan_lent`].
    ///
    /// # Errors
    /// What the statement fails with.
    fn insert(&self, _lent: &Lent, _row: &[Value]) -> Result<(), FunctionError> {
        Err(FunctionError::new(format!("{} takes no rows", self.name())).with_code(Code::READONLY))
    }

    /// The table of a `CREATE VIRTUAL TABLE` was dropped.
    fn dropped(&self) {}
}

impl Connection<'_> {
    /// Creates or replaces a table-valued function.
    ///
    /// # Errors
    /// SQLite's, and `MISUSE` for columns out of order.
    pub fn create_table_function<T: TableFunction>(&self, function: T) -> Result<(), Error> {
        let c_name = name(function.name())?;
        let columns = function.columns();
        let visible = columns.iter().take_while(|column| !column.argument).count();
        if columns.iter().skip(visible).any(|column| !column.argument) {
            return Err(Error {
                code: Code::MISUSE,
                message: format!(
                    "table function {}: its arguments must come after all other columns",
                    function.name()
                ),
            });
        }
        let module = Box::new(Module {
            methods: methods::<T>(),
            function: Arc::new(function),
        });
        let module = Box::into_raw(module);
        // SAFETY: the connection is open; the method table lives in the module, which SQLite
        // destroys once, after the last use, also where this call fails.
        let code = unsafe {
            call!(create_module_v2(
                self.raw(),
                c_name.as_ptr(),
                &raw const (*module).methods,
                module.cast(),
                Some(destroy::<Module<T>>),
            ))
        };
        self.check(code)
    }
}

//! Read-only table-valued functions: <https://www.sqlite.org/vtab.html#tabfunc2>.
//!
//! Divisions: the trait · registration · planning · cursors.
//! Every table is eponymous-only: it exists on each connection without `CREATE VIRTUAL TABLE`.
//! Its arguments are hidden columns, in the order in which they are declared.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::api::{call, host_text};
use crate::bindings as c;
use crate::connection::name;
use crate::function::{Arguments, destroy};
use crate::guard::{code, guard, guard_or};
use crate::value::set_result;
use crate::{Code, Connection, Error, FunctionError, Value, ValueRef};

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
    name: Cow<'static, str>,
    kind: &'static str,
    argument: bool,
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

/// A table-valued function.
pub trait TableFunction: Send + Sync + 'static {
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
}

/// What SQLite keeps for a module.
struct Module<T> {
    methods: c::sqlite3_module,
    function: Arc<T>,
}

#[repr(C)]
struct Table<T> {
    base: c::sqlite3_vtab,
    db: NonNull<c::sqlite3>,
    function: Arc<T>,
    /// Columns before the first argument.
    visible: usize,
    arguments: usize,
}

#[repr(C)]
struct Cursor {
    base: c::sqlite3_vtab_cursor,
    /// Name of the function.
    function: String,
    db: NonNull<c::sqlite3>,
    scan: Option<Box<dyn Scan>>,
    /// Whether the scan is on a row.
    on_row: bool,
    arguments: Vec<Option<Value>>,
    visible: usize,
    rowid: i64,
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

fn methods<T: TableFunction>() -> c::sqlite3_module {
    c::sqlite3_module {
        iVersion: 0,
        xCreate: None,
        xConnect: Some(connect::<T>),
        xBestIndex: Some(best_index::<T>),
        xDisconnect: Some(disconnect::<T>),
        xDestroy: None,
        xOpen: Some(open::<T>),
        xClose: Some(close),
        xFilter: Some(filter::<T>),
        xNext: Some(next),
        xEof: Some(eof),
        xColumn: Some(column),
        xRowid: Some(rowid),
        xUpdate: None,
        xBegin: None,
        xSync: None,
        xCommit: None,
        xRollback: None,
        xFindFunction: None,
        xRename: None,
        xSavepoint: None,
        xRelease: None,
        xRollbackTo: None,
        xShadowName: None,
        xIntegrity: None,
    }
}

/// The declaration SQLite reads the columns from.
fn declaration(columns: &[Column]) -> CString {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = column.name.replace('"', "\"\"");
            let hidden = if column.argument { " HIDDEN" } else { "" };
            format!("\"{name}\" {}{hidden}", column.kind)
        })
        .collect();
    crate::api::c_text(&format!("CREATE TABLE x({})", columns.join(", ")))
}

unsafe extern "C" fn connect<T: TableFunction>(
    db: *mut c::sqlite3,
    module: *mut c_void,
    _argc: c_int,
    _argv: *const *const c_char,
    table: *mut *mut c::sqlite3_vtab,
    message: *mut *mut c_char,
) -> c_int {
    let (Some(db), Some(module)) = (NonNull::new(db), NonNull::new(module.cast::<Module<T>>()))
    else {
        return Code::MISUSE.0;
    };
    if table.is_null() {
        return Code::MISUSE.0;
    }
    let connected = guard("xConnect", || {
        // SAFETY: SQLite passes the module that was registered with this very trampoline.
        let function = unsafe { Arc::clone(&module.as_ref().function) };
        let columns = function.columns();
        let schema = declaration(columns);
        let visible = columns.iter().take_while(|column| !column.argument).count();
        let arguments = columns.len() - visible;
        // SAFETY: the connection is open; SQLite's own rule is that these two are called here.
        // Neither option below takes a further argument.
        Code(unsafe { call!(declare_vtab(db.as_ptr(), schema.as_ptr())) }).into_result()?;
        for (applies, option) in [
            (function.direct_only(), c::SQLITE_VTAB_DIRECTONLY),
            (function.innocuous(), c::SQLITE_VTAB_INNOCUOUS),
        ] {
            if applies {
                // SAFETY: as above.
                let code = unsafe { call!(vtab_config(db.as_ptr(), option)) };
                Code(code).into_result()?;
            }
        }
        let base = c::sqlite3_vtab {
            pModule: ptr::null(),
            nRef: 0,
            zErrMsg: ptr::null_mut(),
        };
        Ok(Box::new(Table {
            base,
            db,
            function,
            visible,
            arguments,
        }))
    });
    match connected {
        Ok(Ok(connected)) => {
            // SAFETY: checked above; freed in `disconnect`.
            unsafe { *table = Box::into_raw(connected).cast() };
            Code::OK.0
        }
        Ok(Err(error)) => code(Err(error)),
        Err(panicked) => {
            if !message.is_null() {
                // SAFETY: SQLite frees what it finds here.
                unsafe { *message = host_text(&panicked.message("a table function")) };
            }
            Code::IOERR.0
        }
    }
}

unsafe extern "C" fn disconnect<T: TableFunction>(table: *mut c::sqlite3_vtab) -> c_int {
    // SAFETY: boxed in `connect`; SQLite disconnects once.
    unsafe { destroy::<Table<T>>(table.cast()) };
    Code::OK.0
}

/// Arguments are equality constraints on the hidden columns. They are handed on in the order of
/// the columns; `idxStr` tells which were given, a `1` or `0` for each. A plan in which one exists but cannot be used yet
/// would run without that argument, so it is refused.
unsafe extern "C" fn best_index<T: TableFunction>(
    table: *mut c::sqlite3_vtab,
    info: *mut c::sqlite3_index_info,
) -> c_int {
    if table.is_null() || info.is_null() {
        return Code::MISUSE.0;
    }
    guard_or("xBestIndex", Code::IOERR.0, || {
        // SAFETY: SQLite passes a table made in `connect` and an `info` with arrays of
        // `nConstraint` elements; the usages are ours to fill.
        let (visible, arguments, info) = unsafe {
            let table = table.cast::<Table<T>>();
            ((*table).visible, (*table).arguments, &mut *info)
        };
        let count = usize::try_from(info.nConstraint).unwrap_or(0);
        let mut chosen: Vec<Option<usize>> = vec![None; arguments];
        let mut unusable = vec![false; arguments];
        for index in 0..count {
            // SAFETY: within the array.
            let constraint = unsafe { *info.aConstraint.add(index) };
            if c_int::from(constraint.op) != c::SQLITE_INDEX_CONSTRAINT_EQ {
                continue;
            }
            let argument = usize::try_from(constraint.iColumn)
                .ok()
                .and_then(|column| column.checked_sub(visible))
                .filter(|argument| *argument < arguments);
            let Some(argument) = argument else { continue };
            if constraint.usable == 0 {
                unusable[argument] = true;
            } else if chosen[argument].is_none() {
                chosen[argument] = Some(index);
            }
        }
        if chosen
            .iter()
            .zip(&unusable)
            .any(|(chosen, unusable)| chosen.is_none() && *unusable)
        {
            return Code::CONSTRAINT.0;
        }
        let mut given = 0;
        let plan: String = chosen
            .iter()
            .map(|index| if index.is_some() { '1' } else { '0' })
            .collect();
        info.idxStr = host_text(&plan);
        info.needToFreeIdxStr = 1;
        if info.idxStr.is_null() {
            return Code::NOMEM.0;
        }
        for index in chosen.iter().flatten() {
            given += 1;
            // SAFETY: within the array.
            let usage = unsafe { &mut *info.aConstraintUsage.add(*index) };
            usage.argvIndex = given;
            usage.omit = 1;
        }
        // The more arguments, the fewer rows: so that none is left out where there is a choice.
        let missing = f64::from(arguments as u32) - f64::from(given);
        info.estimatedCost = 1000.0 * 1000_f64.powf(missing.min(3.0));
        info.estimatedRows = 1000;
        Code::OK.0
    })
}

unsafe extern "C" fn open<T: TableFunction>(
    table: *mut c::sqlite3_vtab,
    cursor: *mut *mut c::sqlite3_vtab_cursor,
) -> c_int {
    if table.is_null() || cursor.is_null() {
        return Code::MISUSE.0;
    }
    guard_or("xOpen", Code::IOERR.0, || {
        // SAFETY: SQLite passes a table made in `connect`; it sets `pVtab` itself and frees the
        // cursor through `close`.
        unsafe {
            let visible = (*table.cast::<Table<T>>()).visible;
            let db = (*table.cast::<Table<T>>()).db;
            let function = (*table.cast::<Table<T>>()).function.name().to_owned();
            *cursor = Box::into_raw(Box::new(Cursor {
                base: c::sqlite3_vtab_cursor { pVtab: table },
                function,
                db,
                scan: None,
                on_row: false,
                arguments: Vec::new(),
                visible,
                rowid: 0,
            }))
            .cast();
        }
        Code::OK.0
    })
}

unsafe extern "C" fn close(cursor: *mut c::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: boxed in `open`; SQLite closes once.
    unsafe { destroy::<Cursor>(cursor.cast()) };
    Code::OK.0
}

/// Runs a cursor's method; an error or a panic becomes the table's message and a code, and ends
/// the scan.
///
/// # Safety
/// `cursor` is null or one made in `open`, used by nobody else.
unsafe fn with(
    cursor: *mut c::sqlite3_vtab_cursor,
    method: &str,
    body: impl FnOnce(&mut Cursor) -> Result<(), FunctionError>,
) -> c_int {
    if cursor.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: as promised.
    let this = unsafe { &mut *cursor.cast::<Cursor>() };
    let outcome = guard(method, || body(this)).unwrap_or_else(|panicked| {
        Err(FunctionError::new(panicked.message(&this.function)).with_code(Code::IOERR))
    });
    let Err(error) = outcome else {
        return Code::OK.0;
    };
    guard_or(method, Code::IOERR.0, || {
        this.on_row = false;
        this.scan = None;
        // SAFETY: SQLite sets `pVtab` after `open`; the message is the host's to free, an
        // earlier one ours.
        unsafe {
            let table = this.base.pVtab;
            call!(free((*table).zErrMsg.cast()));
            (*table).zErrMsg = host_text(error.message());
        }
        error.code().0
    })
}

unsafe extern "C" fn filter<T: TableFunction>(
    cursor: *mut c::sqlite3_vtab_cursor,
    _index: c_int,
    plan: *const c_char,
    count: c_int,
    values: *mut *mut c::sqlite3_value,
) -> c_int {
    // SAFETY: SQLite passes a cursor of a table made in `connect`, and `count` values.
    unsafe {
        with(cursor, "xFilter", |cursor| {
            let table = cursor.base.pVtab.cast::<Table<T>>();
            let values = Arguments::new(count, values);
            let plan = if plan.is_null() {
                &[]
            } else {
                CStr::from_ptr(plan).to_bytes()
            };
            cursor.arguments = given_arguments(plan, (*table).arguments, &values)?;
            cursor.rowid = 0;
            cursor.scan = None;
            let connection = Connection::new(cursor.db);
            let function = Arc::clone(&(*table).function);
            cursor.scan = Some(function.scan(&connection, &cursor.arguments)?);
            cursor.advance(&connection)
        })
    }
}

/// Puts the values SQLite passes in the places that the plan tells.
fn given_arguments(
    plan: &[u8],
    count: usize,
    values: &Arguments<'_>,
) -> Result<Vec<Option<Value>>, FunctionError> {
    let mut next = 0;
    (0..count)
        .map(|argument| {
            if plan.get(argument) != Some(&b'1') {
                return Ok(None);
            }
            next += 1;
            values.value(next - 1).map(Some)
        })
        .collect()
}

impl Cursor {
    fn advance(&mut self, connection: &Connection<'_>) -> Result<(), FunctionError> {
        self.rowid += 1;
        self.on_row = match &mut self.scan {
            Some(scan) => scan.advance(connection)?,
            None => false,
        };
        Ok(())
    }

    fn value(&self, column: usize) -> ValueRef<'_> {
        match column.checked_sub(self.visible) {
            Some(argument) => match self.arguments.get(argument) {
                Some(Some(value)) => value.as_ref(),
                _ => ValueRef::Null,
            },
            None => self
                .scan
                .as_ref()
                .map_or(ValueRef::Null, |scan| scan.value(column)),
        }
    }
}

unsafe extern "C" fn next(cursor: *mut c::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: SQLite passes a cursor made in `open`; its connection is open.
    unsafe {
        with(cursor, "xNext", |cursor| {
            let connection = Connection::new(cursor.db);
            cursor.advance(&connection)
        })
    }
}

unsafe extern "C" fn eof(cursor: *mut c::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: SQLite passes a cursor made in `open`.
    unsafe { cursor.cast::<Cursor>().as_ref() }
        .is_none_or(|cursor| !cursor.on_row)
        .into()
}

unsafe extern "C" fn column(
    cursor: *mut c::sqlite3_vtab_cursor,
    context: *mut c::sqlite3_context,
    index: c_int,
) -> c_int {
    if context.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a cursor made in `open` and the context to fill.
    unsafe {
        with(cursor, "xColumn", |cursor| {
            let value = usize::try_from(index)
                .ok()
                .map_or(ValueRef::Null, |index| cursor.value(index));
            set_result(context, value);
            Ok(())
        })
    }
}

unsafe extern "C" fn rowid(
    cursor: *mut c::sqlite3_vtab_cursor,
    rowid: *mut c::sqlite3_int64,
) -> c_int {
    if rowid.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a cursor made in `open` and a number to fill.
    unsafe {
        with(cursor, "xRowid", |cursor| {
            *rowid = cursor.rowid;
            Ok(())
        })
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("rowid", &self.rowid)
            .finish()
    }
}

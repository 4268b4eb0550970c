//! `proc_rows`, and table procedures by their own names.

use std::sync::{Arc, Weak};

use serde_json::Value as Json;
use sqlite_abi::{Column, Connection, Error, FunctionError, Scan, TableFunction, Value, ValueRef};

use super::Running;
use crate::binding::Param;
use crate::encoding::decode;
use crate::instance::State;
use crate::signature::{Kind, Parameter, Signature};

/// `proc_rows(name, …)`.
pub(super) struct ProcRows {
    columns: Vec<Column>,
}

/// Most arguments after the name.
const MOST_ARGUMENTS: usize = 100;

impl ProcRows {
    pub(super) fn new() -> Self {
        let arguments = (1..=MOST_ARGUMENTS)
            .map(|number| Column::argument("", "").named(format!("arg{number}")));
        let columns = [
            Column::new("value", ""),
            Column::argument("procedure", "TEXT"),
        ];
        Self {
            columns: columns.into_iter().chain(arguments).collect(),
        }
    }
}

impl TableFunction for ProcRows {
    fn name(&self) -> &'static str {
        "proc_rows"
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn scan(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Box<dyn Scan>, FunctionError> {
        let Some((Some(Value::Text(name)), arguments)) = arguments.split_first() else {
            return Err("proc_rows needs the name of a procedure as its first argument".into());
        };
        let scan = Rows::start(connection, name, given(arguments)?, None)?;
        Ok(Box::new(Single::new(scan)))
    }
}

/// The arguments of a call: those before the first that is not given. A constraint on a later one
/// would be dropped, so it is refused.
fn given(arguments: &[Option<Value>]) -> Result<&[Option<Value>], FunctionError> {
    let count = arguments
        .iter()
        .take_while(|argument| argument.is_some())
        .count();
    let (given, rest) = arguments.split_at(count);
    if rest.iter().any(Option::is_some) {
        return Err("arguments of a table must be given from the first one on".into());
    }
    Ok(given)
}

/// A table procedure under its own name, with its own columns.
struct Named {
    name: String,
    columns: Vec<Column>,
    /// What it was registered with: its columns and parameters.
    shape: (Vec<Parameter>, Vec<Parameter>),
    direct_only: bool,
    /// Lives as long as the module.
    _module: Arc<()>,
}

/// Registers a table procedure under its name. What is returned lives as long as SQLite keeps it.
///
/// # Errors
/// SQLite's.
pub(crate) fn register_named(
    connection: &Connection<'_>,
    name: &str,
    signature: &Signature,
) -> Result<Weak<()>, Error> {
    let module = Arc::new(());
    let alive = Arc::downgrade(&module);
    let shape = (
        signature.columns.clone().unwrap_or_default(),
        signature.params.clone().unwrap_or_default(),
    );
    let columns = signature
        .columns
        .iter()
        .flatten()
        .map(|column| Column::new("", column.data_type().column()).named(column.name.clone()));
    let arguments =
        signature.params.iter().flatten().map(|param| {
            Column::argument("", param.data_type().column()).named(param.name.clone())
        });
    connection.create_table_function(Named {
        name: name.to_owned(),
        columns: columns.chain(arguments).collect(),
        shape,
        direct_only: signature.sql.is_some(),
        _module: module,
    })?;
    Ok(alive)
}

impl TableFunction for Named {
    fn name(&self) -> &str {
        &self.name
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn direct_only(&self) -> bool {
        self.direct_only
    }

    fn scan(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Box<dyn Scan>, FunctionError> {
        let rows = Rows::start(connection, &self.name, given(arguments)?, Some(self))?;
        Ok(Box::new(rows))
    }
}

impl Named {
    /// The statement was compiled for the columns that were known then. The procedure may have
    /// been replaced since, by one with others.
    fn must_be(&self, running: &Running) -> Result<(), FunctionError> {
        let shape = running.procedure.shape();
        let same = |known: &[Parameter], columns: &[Parameter]| {
            let pair = |column: &Parameter| (column.name.clone(), column.data_type());
            known.iter().map(pair).eq(columns.iter().map(pair))
        };
        let params: Vec<Parameter> = shape.params.iter().map(Param::to_parameter).collect();
        if same(&self.shape.0, &shape.columns) && same(&self.shape.1, &params) {
            return Ok(());
        }
        Err(FunctionError::new(format!(
            "procedure '{}' was replaced by one with other columns; run the statement again",
            self.name
        )))
    }
}

/// The rows of a table procedure, decoded where they lie.
struct Rows {
    running: Running,
    scan: Option<State>,
    width: usize,
    /// Rows that the guest gave and that were not read yet, and where the next one begins.
    encoded: Vec<u8>,
    next: usize,
    /// Where each value of the current row begins.
    row: Vec<usize>,
}

impl Rows {
    fn start(
        connection: &Connection<'_>,
        name: &str,
        arguments: &[Option<Value>],
        named: Option<&Named>,
    ) -> Result<Self, FunctionError> {
        let mut running = Running::start(connection, name, &[Kind::Table])?;
        if let Some(named) = named {
            named.must_be(&running)?;
        }
        running.procedure.must_take(arguments.len())?;
        let value = |index: usize| {
            let argument = arguments.get(index).and_then(Option::as_ref);
            argument.map_or(ValueRef::Null, Value::as_ref)
        };
        let scan =
            running.with_instance(connection, |instance| instance.open(connection, value))?;
        Ok(Self {
            width: running.procedure.shape().columns.len(),
            running,
            scan,
            encoded: Vec::new(),
            next: 0,
            row: Vec::new(),
        })
    }

    fn wrong(&self, reason: String) -> FunctionError {
        crate::error::Error::Returned {
            guest: self.running.procedure.title(),
            reason: format!("a row with {reason}"),
        }
        .into()
    }

    /// Asks the guest for more rows. False: there are none.
    fn fetch(&mut self, connection: &Connection<'_>) -> Result<bool, FunctionError> {
        let Some(scan) = self.scan else {
            return Ok(false);
        };
        self.encoded.clear();
        self.next = 0;
        let encoded = &mut self.encoded;
        self.running.with_instance(connection, |instance| {
            instance.next(connection, scan, encoded)?;
            if encoded.is_empty() {
                instance.close(connection, scan)?;
            }
            Ok(())
        })?;
        if self.encoded.is_empty() {
            self.scan = None;
        }
        Ok(!self.encoded.is_empty())
    }
}

impl Scan for Rows {
    fn advance(&mut self, connection: &Connection<'_>) -> Result<bool, FunctionError> {
        self.row.clear();
        if self.next >= self.encoded.len() && !self.fetch(connection)? {
            return Ok(false);
        }
        for _ in 0..self.width {
            let rest = self.encoded.get(self.next..).unwrap_or_default();
            let (_, after) = decode(rest).map_err(|reason| self.wrong(reason))?;
            self.row.push(self.next);
            self.next = self.encoded.len() - after.len();
        }
        Ok(true)
    }

    fn value(&self, column: usize) -> ValueRef<'_> {
        self.row
            .get(column)
            .and_then(|start| self.encoded.get(*start..))
            .and_then(|bytes| decode(bytes).ok())
            .map_or(ValueRef::Null, |(value, _)| value)
    }
}

/// The same rows as one column.
struct Single {
    rows: Rows,
    /// The row as a JSON array, where it has several values.
    array: String,
}

impl Single {
    fn new(rows: Rows) -> Self {
        Self {
            rows,
            array: String::new(),
        }
    }
}

impl Scan for Single {
    fn advance(&mut self, connection: &Connection<'_>) -> Result<bool, FunctionError> {
        let found = self.rows.advance(connection)?;
        if found && self.rows.width > 1 {
            let values = (0..self.rows.width).map(|column| json(self.rows.value(column)));
            self.array = Json::Array(values.collect()).to_string();
        }
        Ok(found)
    }

    fn value(&self, _column: usize) -> ValueRef<'_> {
        if self.rows.width > 1 {
            ValueRef::Text(self.array.as_bytes())
        } else {
            self.rows.value(0)
        }
    }
}

/// A value in JSON: blobs in hexadecimal, what is no number in JSON as null.
fn json(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) => real.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(blob) => blob
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into(),
    }
}

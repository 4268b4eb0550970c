//! `proc_list`.

use sqlite_abi::{Column, Connection, FunctionError, Rows, TableFunction, Value};

use super::database;
use crate::catalog::{self, Stored};
use crate::names;
use crate::process::Process;
use crate::signature::Signature;

/// The procedures of all databases of the connection.
pub(super) struct List;

static COLUMNS: [Column; 15] = [
    Column::new("name", "TEXT"),
    Column::new("kind", "TEXT"),
    Column::new("language", "TEXT"),
    Column::new("params", "TEXT"),
    Column::new("return_type", "TEXT"),
    Column::new("description", "TEXT"),
    Column::new("created_at", "TEXT"),
    Column::new("updated_at", "TEXT"),
    Column::new("size", "INTEGER"),
    Column::new("calls", "INTEGER"),
    Column::new("errors", "INTEGER"),
    Column::new("total_ms", "REAL"),
    Column::new("max_ms", "REAL"),
    Column::new("schema", "TEXT"),
    Column::new("definition", "TEXT"),
];

impl TableFunction for List {
    fn name(&self) -> &'static str {
        "proc_list"
    }

    fn columns(&self) -> &[Column] {
        &COLUMNS
    }

    fn rows(
        &self,
        connection: &Connection<'_>,
        _: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        let process = Process::current();
        let stored = catalog::list(connection)?;
        let rows: Vec<_> = stored
            .iter()
            .map(|stored| {
                names::learn(&process, connection, stored);
                Ok(row(&process, connection, stored))
            })
            .collect();
        Ok(Box::new(rows.into_iter()))
    }
}

fn row(process: &Process, connection: &Connection<'_>, stored: &Stored) -> Vec<Value> {
    let signature = Signature::stored(&stored.definition).unwrap_or_default();
    let database = database(connection, &stored.schema);
    let counted = process.counts.of(&database, &stored.name).read();
    let count = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let params = signature.params.unwrap_or_default();
    vec![
        stored.name.as_str().into(),
        signature.kind.name().into(),
        signature
            .language
            .unwrap_or_else(|| "wasm".to_owned())
            .into(),
        serde_json::to_string(&params).unwrap_or_default().into(),
        signature.return_type.into(),
        signature.description.into(),
        stored.created_at.as_str().into(),
        stored.updated_at.as_str().into(),
        stored.size.into(),
        count(counted.calls),
        count(counted.errors),
        counted.total_ms.into(),
        counted.max_ms.into(),
        stored.schema.as_str().into(),
        stored.definition.as_str().into(),
    ]
}

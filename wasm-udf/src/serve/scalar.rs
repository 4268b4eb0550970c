//! Programs as functions of one value: `sqlproxy_run` runs a command to its end, `sqlproxy_request` hands
//! a kept program a request.
//!
//! SQLite drops no table and no index while a statement reads, and one that reads from a table of programs
//! does. A `SELECT` without `FROM` does not: so these are for programs that drop something, as migrations do.

use std::sync::Arc;

use sqlite_abi::{Arguments, Connection, FunctionError, FunctionFlags, Value};

use super::run;
use super::table::{Table, Tables, text_or_blob, value};
use crate::sqlproxy::gate;

/// The functions' names.
const RUN: &str = "sqlproxy_run";
const REQUEST: &str = "sqlproxy_request";

/// Makes them known to a connection.
///
/// # Errors
/// SQLite's.
pub(super) fn register(
    connection: &Connection<'_>,
    tables: &Arc<Tables>,
) -> Result<(), sqlite_abi::Error> {
    let flags = FunctionFlags::DIRECTONLY;
    for count in [1, 2] {
        connection.create_scalar(RUN, count, flags, run_to_its_end)?;
    }
    let tables = Arc::clone(tables);
    connection.create_scalar(REQUEST, 2, flags, move |connection, arguments| {
        let Some(name) = arguments.text(0)? else {
            return Err(
                format!("{REQUEST} needs the name of a table as its first argument").into(),
            );
        };
        let table = find(&tables, connection, name)?;
        connection.lend(|lent| value(table.request_once(lent, arguments.get(1))?))
    })
}

fn run_to_its_end(
    connection: &Connection<'_>,
    arguments: &Arguments<'_>,
) -> Result<Value, FunctionError> {
    let given: Result<Vec<_>, _> = (0..arguments.len())
        .map(|index| arguments.value(index).map(Some))
        .collect();
    let command = run(RUN, connection, &given?)?;
    connection
        .lend(|lent| command.finish(lent))
        .map(text_or_blob)
}

/// The table that a name means where SQL has it: `app`, `temp.app`, `"my app"`.
fn find(
    tables: &Tables,
    connection: &Connection<'_>,
    name: &str,
) -> Result<Arc<Table>, FunctionError> {
    let tokens = gate::tokenize(name).unwrap_or_default();
    let (schema, table) = match tokens.as_slice() {
        [table] => (None, table.name()),
        [schema, dot, table] if dot.is(".") => (schema.name(), table.name()),
        _ => (None, None),
    };
    let Some(table) = table else {
        return Err(format!("{REQUEST}: {name:?} is not the name of a table").into());
    };
    let schemas = match schema {
        Some(schema) => vec![schema.into_owned()],
        None => schemas(connection)?,
    };
    for schema in schemas {
        let quoted = |name: &str| name.replace('"', "\"\"");
        // It is when a statement names a table that SQLite opens it.
        let named = connection.prepare(&format!(
            "SELECT response FROM \"{}\".\"{}\" WHERE request = ''",
            quoted(&schema),
            quoted(&table)
        ));
        match named {
            Err(error) if error.message.starts_with("no such table") => {}
            _ => {
                return tables.get(&schema, &table).ok_or_else(|| {
                    format!("{REQUEST}: {name} is no table of sqlproxy_serve").into()
                });
            }
        }
    }
    Err(format!("{REQUEST}: there is no table {name}; CREATE VIRTUAL TABLE … USING sqlproxy_serve(module=…) makes one").into())
}

/// The schemas of a connection, in the order in which SQLite looks for a table.
fn schemas(connection: &Connection<'_>) -> Result<Vec<String>, sqlite_abi::Error> {
    let mut schemas = Vec::new();
    let mut list = connection.prepare("PRAGMA database_list")?;
    while list.step()? {
        if let Value::Text(name) = list.column(1)? {
            schemas.push(name);
        }
    }
    schemas.retain(|name| name != "temp");
    schemas.insert(0, "temp".to_owned());
    Ok(schemas)
}

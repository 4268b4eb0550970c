//! `changeset_between(db, txid_a, txid_b)`: storage has the pages of the past, sessions make a
//! changeset of them.

use std::sync::Arc;

use sqlbridge_session_ext::history::{Pages, changeset_between};
use sqlbridge_vfs::functions::Point;
use sqlite_abi::{Arguments, Connection, FunctionError, FunctionFlags, Value};

pub(crate) fn register(connection: &Connection<'_>) -> Result<(), String> {
    connection
        .create_scalar("changeset_between", 3, FunctionFlags::DIRECTONLY, between)
        .map_err(|error| error.message)
}

fn between(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Result<Value, FunctionError> {
    let schema = arguments.text(0)?.unwrap_or("main");
    let (from, to) = (txid(arguments, 1)?, txid(arguments, 2)?);
    let mut old = Side(Point::open(connection, schema, from.min(to))?);
    let mut new = Side(Point::open(connection, schema, from.max(to))?);
    let (before, after) = (Arc::clone(old.0.snapshot()), Arc::clone(new.0.snapshot()));
    let same = |number: u32| before.has_same(&after, number);
    let changes = changeset_between(&mut old, &mut new, &same, from > to)?;
    Ok(Value::Blob(changes))
}

fn txid(arguments: &Arguments<'_>, index: usize) -> Result<u64, FunctionError> {
    let txid = arguments
        .integer(index)?
        .and_then(|txid| u64::try_from(txid).ok());
    txid.ok_or_else(|| {
        FunctionError::new("a transaction must be a number from 0 on, as blob_versions tells")
    })
}

struct Side(Point);

impl Pages for Side {
    fn page_size(&self) -> usize {
        self.0.page_size().unwrap_or(0)
    }

    fn page_count(&self) -> u32 {
        self.0.page_count()
    }

    fn read(&mut self, number: u32, page: &mut [u8]) -> Result<(), String> {
        self.0.read(number, page).map_err(|error| error.to_string())
    }
}

//! Table-valued functions.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use sqlite_abi::{Column, Connection, FunctionError, Rows, TableFunction, Value};

use super::database;
use crate::database::Version;
use crate::engine::Engine;
use crate::error::Error;
use crate::layout;
use crate::store::{KeyStyle, Object};
use crate::time::format_rfc3339;
use crate::vfs::Target;

pub(super) fn register(connection: &Connection<'_>) -> Result<(), String> {
    let created = connection
        .create_table_function(Versions)
        .and_then(|()| connection.create_table_function(Stats))
        .and_then(|()| connection.create_table_function(List));
    created.map_err(|error| error.message)
}

fn text(arguments: &[Option<Value>], what: &str) -> Result<Option<String>, FunctionError> {
    match arguments.first().and_then(Option::as_ref) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FunctionError::new(format!("{what} must be text"))),
    }
}

fn rows(rows: Vec<Vec<Value>>) -> Rows {
    Box::new(rows.into_iter().map(Ok))
}

fn integer(number: u64) -> Value {
    Value::Integer(number as i64)
}

/// `blob_versions([schema])`.
struct Versions;

impl TableFunction for Versions {
    fn name(&self) -> &str {
        "blob_versions"
    }

    fn columns(&self) -> &[Column] {
        const {
            &[
                Column::new("txid", "INTEGER"),
                Column::new("committed_at", "TEXT"),
                Column::new("page_count", "INTEGER"),
                Column::new("pages", "INTEGER"),
                Column::new("bytes", "INTEGER"),
                Column::new("level", "INTEGER"),
                Column::argument("schema", "TEXT"),
            ]
        }
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn rows(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        let schema = text(arguments, "the schema")?.unwrap_or_else(|| "main".to_owned());
        let versions = database(connection, &schema)?.versions()?;
        let row = |version: &Version| {
            vec![
                integer(version.name.max),
                Value::from(format_rfc3339(version.committed_ms)),
                integer(u64::from(version.page_count)),
                integer(version.pages),
                integer(version.bytes),
                integer(u64::from(version.name.level)),
            ]
        };
        Ok(rows(versions.iter().map(row).collect()))
    }
}

/// `blob_stats([schema])`.
struct Stats;

impl TableFunction for Stats {
    fn name(&self) -> &str {
        "blob_stats"
    }

    fn columns(&self) -> &[Column] {
        const {
            &[
                Column::new("name", "TEXT"),
                Column::new("value", ""),
                Column::argument("schema", "TEXT"),
            ]
        }
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn rows(
        &self,
        connection: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Rows, FunctionError> {
        let schema = text(arguments, "the schema")?.unwrap_or_else(|| "main".to_owned());
        let database = database(connection, &schema)?;
        let mut found: Vec<(&str, Value)> = vec![
            ("store", Value::from(database.store().url())),
            ("database", Value::from(database.name())),
            ("txid", integer(database.head().txid)),
        ];
        found.extend(
            database
                .stats
                .rows()
                .into_iter()
                .map(|(name, value)| (name, integer(value))),
        );
        let counters = database.store().counters();
        for (name, value) in [
            ("store_gets", counters.gets),
            ("store_puts", counters.puts),
            ("store_lists", counters.lists),
            ("store_deletes", counters.deletes),
            ("store_errors", counters.errors),
            ("store_bytes_in", counters.bytes_in),
            ("store_bytes_out", counters.bytes_out),
        ] {
            found.push((name, integer(value)));
        }
        if let Some(cache) = database.opened_cache() {
            found.push(("cache_hits", integer(cache.hits.load(Ordering::Relaxed))));
            found.push((
                "cache_misses",
                integer(cache.misses.load(Ordering::Relaxed)),
            ));
            found.push(("cache_accepting", integer(u64::from(cache.accepting()))));
        }
        found.push(("unsettled", Value::from(database.unsettled())));
        Ok(rows(
            found
                .into_iter()
                .map(|(name, value)| vec![Value::from(name), value])
                .collect(),
        ))
    }
}

/// `blob_list(store)`.
struct List;

impl TableFunction for List {
    fn name(&self) -> &str {
        "blob_list"
    }

    fn columns(&self) -> &[Column] {
        const {
            &[
                Column::new("name", "TEXT"),
                Column::new("files", "INTEGER"),
                Column::new("bytes", "INTEGER"),
                Column::argument("store", "TEXT"),
            ]
        }
    }

    fn direct_only(&self) -> bool {
        true
    }

    fn rows(&self, _: &Connection<'_>, arguments: &[Option<Value>]) -> Result<Rows, FunctionError> {
        let url = match text(arguments, "the store")? {
            Some(url) => url,
            None => std::env::var("SQLBRIDGE_STORE").map_err(|_| {
                FunctionError::new(
                    "blob_list needs a store: blob_list('s3://bucket/prefix'), or SQLBRIDGE_STORE",
                )
            })?,
        };
        let (url, query) = url.split_once('?').unwrap_or((&url, ""));
        // Any name will do: only the store is asked.
        let target = Target::in_store_url(url, query, "any")?;
        let store = Engine::current().store(&target)?;
        let listing = store.list("").map_err(Error::from)?;
        let list = databases(store.key_style(), &listing.objects)
            .into_iter()
            .map(|(name, sum)| vec![Value::from(name), integer(sum.files), integer(sum.bytes)]);
        Ok(rows(list.collect()))
    }
}

/// What a store holds of a database.
#[derive(Default)]
struct Sum {
    files: u64,
    bytes: u64,
    newest: u64,
    dropped: u64,
}

/// The databases among the objects of a store, without those whose newest transaction
/// dropped them.
fn databases(style: KeyStyle, objects: &[Object]) -> BTreeMap<&str, Sum> {
    let mut databases: BTreeMap<&str, Sum> = BTreeMap::new();
    for object in objects {
        if let Some((name, file)) = layout::database_of(style, &object.key) {
            let sum = databases.entry(name).or_default();
            sum.files += 1;
            sum.bytes += object.size;
            sum.newest = sum.newest.max(file.max);
        } else if let Some((name, txid)) = layout::dropped_of(&object.key) {
            let sum = databases.entry(name).or_default();
            sum.dropped = sum.dropped.max(txid);
        }
    }
    databases.retain(|name, sum| sum.newest > sum.dropped && layout::check_name(name).is_ok());
    databases
}

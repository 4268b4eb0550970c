//! Scalar functions.

use std::path::Path;

use sqlite_abi::{Arguments, Connection, FunctionError, FunctionFlags, Value};

use super::{database, with_blob};
use crate::database::{Compacted, Database, PlainFile};
use crate::engine::Engine;
use crate::error::Error;
use crate::vfs::{BlobVfs, Target, URLS_NAME};

type Answer = Result<Value, FunctionError>;
type Body = fn(&Connection<'_>, &Arguments<'_>) -> Answer;

/// Name, number of arguments, function.
const SCALARS: &[(&str, i32, Body)] = &[
    ("blob_sync", 0, sync),
    ("blob_sync", 1, sync),
    ("blob_compact", 0, compact),
    ("blob_compact", 1, compact),
    ("blob_snapshot", 0, snapshot),
    ("blob_snapshot", 1, snapshot),
    ("blob_export", 2, export),
    ("blob_import", 2, import),
    ("blob_drop", 2, drop_database),
    ("sqlbridge_last_error", 0, last_error),
    ("sqlbridge_open_urls", 1, open_urls),
];

pub(super) fn register(connection: &Connection<'_>) -> Result<(), String> {
    for (name, arguments, body) in SCALARS {
        connection
            .create_scalar(name, *arguments, FunctionFlags::DIRECTONLY, *body)
            .map_err(|error| error.message)?;
    }
    Ok(())
}

/// The schema a function was given, `main` where none was.
fn schema<'a>(arguments: &Arguments<'a>) -> Result<&'a str, FunctionError> {
    Ok(arguments.text(0)?.unwrap_or("main"))
}

fn required<'a>(
    arguments: &Arguments<'a>,
    index: usize,
    what: &str,
) -> Result<&'a str, FunctionError> {
    arguments
        .text(index)?
        .ok_or_else(|| FunctionError::new(format!("{what} may not be NULL")))
}

fn sync(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let database = database(connection, schema(arguments)?)?;
    let head = database.begin_read(std::time::Duration::ZERO, false)?;
    Ok(Value::Integer(head.txid as i64))
}

fn compact(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let database = writable(connection, schema(arguments)?)?;
    Ok(describe(database.compact()?))
}

fn snapshot(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let database = writable(connection, schema(arguments)?)?;
    Ok(describe(database.write_snapshot()?))
}

/// The database behind a schema that was not opened in the past.
fn writable(
    connection: &Connection<'_>,
    schema: &str,
) -> Result<std::sync::Arc<Database>, FunctionError> {
    with_blob(connection, schema, |file| {
        if file.is_fixed() {
            return Err(Error::ReadOnly(format!(
                "schema '{schema}' shows the past; it is read-only"
            )));
        }
        file.database().cloned()
    })
}

fn describe(compacted: Compacted) -> Value {
    let Compacted {
        files,
        bytes,
        removed,
    } = compacted;
    Value::from(format!(
        "wrote {files} files of {bytes} bytes, removed {removed} files"
    ))
}

fn export(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let schema = required(arguments, 0, "the schema")?;
    let url = required(arguments, 1, "the URL")?;
    let (database, snapshot, writing) = with_blob(connection, schema, |file| {
        Ok((file.database()?.clone(), file.current()?, file.is_writing()))
    })?;
    if writing {
        return Err(FunctionError::new(
            "blob_export copies committed data; COMMIT or ROLLBACK the open transaction first",
        ));
    }
    let pages = match Place::parse(url)? {
        Place::Path(path) => database.export_to(&snapshot, &path)?,
        Place::Object(target) => {
            let (body, pages) = database.export_body(&snapshot)?;
            let store = Engine::current().store(&target)?;
            store.put(&target.name, &body).map_err(Error::from)?;
            pages
        }
    };
    Ok(Value::Integer(i64::from(pages)))
}

fn import(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let url = required(arguments, 0, "the URL")?;
    let name = required(arguments, 1, "the name")?;
    let engine = Engine::current();
    let target = named(name)?;
    let database = engine.database(&target, &target.options()?)?;
    let plain = match Place::parse(url)? {
        Place::Path(path) => PlainFile::open(&path)?,
        Place::Object(source) => {
            let store = engine.store(&source)?;
            database.plain_object(&*store, &source.name)?
        }
    };
    Ok(Value::Integer(i64::from(database.import(&plain)?)))
}

fn drop_database(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let store = required(arguments, 0, "the store")?;
    let name = required(arguments, 1, "the name")?;
    let (store, query) = store.split_once('?').unwrap_or((store, ""));
    let target = Target::in_store_url(store, query, name)?;
    let database = Engine::current().database(&target, &target.options()?)?;
    Ok(Value::Integer(database.drop_database()? as i64))
}

fn last_error(connection: &Connection<'_>, _: &Arguments<'_>) -> Answer {
    Ok(Value::from(Engine::current().last_error(connection.id())))
}

fn open_urls(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let on = arguments.integer(0)?.unwrap_or(0) != 0;
    sqlite_abi::register(URLS_NAME, BlobVfs::for_urls(), false)?;
    sqlite_abi::set_default(URLS_NAME, on)?;
    Ok(Value::Integer(i64::from(on)))
}

/// Where a plain database file is: on disk, or an object in a store.
enum Place {
    Path(std::path::PathBuf),
    Object(Target),
}

impl Place {
    fn parse(url: &str) -> Result<Self, Error> {
        if let Some(path) = url.strip_prefix("file://") {
            return Ok(Self::Path(Path::new(path).to_owned()));
        }
        if url.contains("://") {
            return Target::parse(url, Vec::new()).map(Self::Object);
        }
        Ok(Self::Path(Path::new(url).to_owned()))
    }
}

/// A new database's name: bare, or a URI like those that are opened.
fn named(name: &str) -> Result<Target, Error> {
    let (path, query) = match name.strip_prefix("file:") {
        Some(rest) => rest.split_once('?').unwrap_or((rest, "")),
        None => (name, ""),
    };
    let parameters = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                crate::vfs::percent_decode(name),
                crate::vfs::percent_decode(value),
            )
        });
    Target::parse(path, parameters.collect())
}

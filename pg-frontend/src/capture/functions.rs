//! `capture_start(file [, tables])` and `capture_stop()` for Postgres clients.
//!
//! A function cannot use the connection that calls it: what needs SQL at once is done on another one,
//! what belongs to the client's connection is left to its recorder.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};

use super::outbox;
use super::recorder::{Start, Wish, lock};
use crate::databases::Databases;
use crate::error::PgError;

pub(super) fn register(
    connection: &Connection,
    databases: &Databases,
    database: &str,
    wish: &Arc<Mutex<Wish>>,
) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    for arguments in [1, 2] {
        let (databases, wish) = (databases.clone(), Arc::clone(wish));
        connection.create_scalar_function("capture_start", arguments, flags, move |context| {
            start(context, &databases, &wish).map_err(refused)
        })?;
    }
    let (databases, wish, database) = (databases.clone(), Arc::clone(wish), database.to_owned());
    connection.create_scalar_function("capture_stop", 0, flags, move |_| {
        stop(&databases, &database, &wish).map_err(refused)
    })
}

fn refused(error: PgError) -> Error {
    Error::UserFunctionError(error.message.clone().into())
}

/// Returns the path of the file.
fn start(
    context: &Context<'_>,
    databases: &Databases,
    wish: &Mutex<Wish>,
) -> Result<String, PgError> {
    if cfg!(not(feature = "extension")) {
        return Err(PgError::new(
            "0A000",
            "this server was built without change capture",
        ));
    }
    let text = |at: usize| {
        context
            .get::<Option<String>>(at)
            .map_err(|error| PgError::new("22023", error.to_string()))
    };
    let name = text(0)?.unwrap_or_default();
    let file = place(&databases.captures().directory, &name)?;
    let tables = match context.len() {
        1 => String::new(),
        _ => text(1)?.unwrap_or_default(),
    };
    let tables = tables
        .split(',')
        .map(str::trim)
        .filter(|table| !table.is_empty());
    let tables: Vec<String> = tables.map(str::to_owned).collect();
    let path = outbox::name(&file)?;
    let mut wish = lock(wish);
    if let Some(own) = &wish.own {
        let message = format!(
            "this session is captured already, to {}; call capture_stop() first",
            own.display()
        );
        return Err(PgError::new("55000", message));
    }
    wish.own = Some(file);
    wish.start = Some(Start {
        capture: path.clone(),
        tables,
    });
    Ok(path)
}

/// A file of a directory: its name leads nowhere else.
fn place(directory: &Path, name: &str) -> Result<PathBuf, PgError> {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !plain {
        return Err(PgError::new(
            "22023",
            format!(
                "capture_start: \"{name}\" should be the name of a file in {}",
                directory.display()
            ),
        ));
    }
    Ok(directory.join(name))
}

/// Writes the file and returns its size in bytes; NULL where nothing is captured.
fn stop(databases: &Databases, database: &str, wish: &Mutex<Wish>) -> Result<Option<i64>, PgError> {
    let mut wish = lock(wish);
    let Some(file) = wish.own.clone() else {
        return Ok(None);
    };
    let bytes = outbox::write(databases, database, &file)?;
    wish.own = None;
    wish.start = None;
    wish.stop = true;
    Ok(Some(bytes as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_in_the_directory() {
        let directory = Path::new("/captures");
        assert_eq!(
            place(directory, "a.cs").unwrap(),
            Path::new("/captures/a.cs")
        );
        assert_eq!(
            place(directory, "a/b.cs").unwrap(),
            Path::new("/captures/a/b.cs")
        );
        for name in ["", "/etc/passwd", "../a", "a/../../b", "."] {
            assert!(place(directory, name).is_err(), "{name}");
        }
    }
}

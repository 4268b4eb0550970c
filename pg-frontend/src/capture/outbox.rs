//! The table in which captured changes wait, and the file that is made of them.
//!
//! A row is what one transaction changed. The table has no primary key, so that no session captures it
//! in turn. Rows go when the file is on the disk; if that is not to be, because of a kill in between, they are added to
//! the file once more, which changes nothing in it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use crate::databases::Databases;
use crate::error::{PgError, Result};

/// Makes the table where there is none.
pub(super) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS pg_frontend_captured(capture TEXT NOT NULL, changes BLOB NOT NULL)";

/// Makes the table, so that no client has to.
///
/// # Errors
/// What SQLite says.
pub fn prepare(databases: &Databases, database: &str) -> Result<()> {
    let connection = databases.reuse(database)?;
    let made = connection.execute_batch(CREATE);
    databases.give_back(database, connection);
    made.map_err(|error| crate::error::of_sqlite(&error))
}

/// Writes what waits for a file to it, adding to what is in it already, and forgets it here. Returns
/// the file's size in bytes.
///
/// # Errors
/// 58030: the file cannot be written. 55000: it is no changeset. What SQLite says; nothing is forgotten then.
pub fn write(databases: &Databases, database: &str, file: &Path) -> Result<u64> {
    let connection = databases.reuse(database)?;
    let written = write_on(&connection, file);
    databases.give_back(database, connection);
    written
}

fn write_on(connection: &Connection, file: &Path) -> Result<u64> {
    let capture = name(file)?;
    let (last, waiting) = waiting(connection, &capture).map_err(|error| failed(file, &error))?;
    let before = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(broken(file, &error)),
    };
    let changes = match (before.is_empty(), waiting) {
        (false, None) => return Ok(before.len() as u64),
        (false, Some(waiting)) => {
            join(connection, &before, &waiting).map_err(|error| failed(file, &error))?
        }
        (true, waiting) => waiting.unwrap_or_default(),
    };
    replace(file, &changes).map_err(|error| broken(file, &error))?;
    forget(connection, &capture, last).map_err(|error| failed(file, &error))?;
    tracing::info!(file = capture, bytes = changes.len(), "capture written");
    Ok(changes.len() as u64)
}

/// What waits for a capture as one changeset, with the number of its last row.
fn waiting(connection: &Connection, capture: &str) -> rusqlite::Result<(i64, Option<Vec<u8>>)> {
    if !has_table(connection)? {
        return Ok((0, None));
    }
    // In the order of the commits.
    connection.query_row(
        "SELECT coalesce(max(number), 0), changeset_group(changes)
         FROM (SELECT rowid AS number, changes FROM pg_frontend_captured WHERE capture = ?1 ORDER BY rowid)",
        [capture],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn has_table(connection: &Connection) -> rusqlite::Result<bool> {
    let found = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE name = 'pg_frontend_captured'",
            [],
            |_| Ok(()),
        )
        .optional()?;
    Ok(found.is_some())
}

fn join(connection: &Connection, first: &[u8], second: &[u8]) -> rusqlite::Result<Vec<u8>> {
    connection.query_row("SELECT changeset_concat(?1, ?2)", [first, second], |row| {
        row.get(0)
    })
}

fn forget(connection: &Connection, capture: &str, last: i64) -> rusqlite::Result<()> {
    if last > 0 {
        let delete = "DELETE FROM pg_frontend_captured WHERE capture = ?1 AND rowid <= ?2";
        connection.execute(delete, (capture, last))?;
    }
    Ok(())
}

/// What a file's capture is called: its whole path.
///
/// # Errors
/// 42602: it is not UTF-8.
pub fn name(file: &Path) -> Result<String> {
    let absolute = std::path::absolute(file).map_err(|error| broken(file, &error))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| PgError::new("42602", format!("{} is not UTF-8", file.display())))
}

/// The file is the old one or the new one, whatever happens.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    if let Some(directory) = file
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        fs::create_dir_all(directory)?;
    }
    let mut new = File::create(&beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    let directory = file
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn broken(file: &Path, error: &io::Error) -> PgError {
    PgError::new(
        "58030",
        format!("the capture {} cannot be written: {error}", file.display()),
    )
}

fn failed(file: &Path, error: &rusqlite::Error) -> PgError {
    let mut told = crate::error::of_sqlite(error);
    told.message = format!(
        "the capture {} cannot be written: {}",
        file.display(),
        told.message
    );
    told
}

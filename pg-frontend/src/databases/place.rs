//! Where databases lie: a directory of plain SQLite files, or a store that the extension's VFS reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags};

use super::{SHORT_WAIT, setup};
use crate::error::{PgError, Result};
use crate::server::clock;

/// Between two attempts to open a file that somebody holds.
const PAUSE: Duration = Duration::from_millis(2);
/// What a plain database's file is called after its name.
const SUFFIX: &str = ".sqlite";

/// Where databases lie.
#[derive(Debug, Clone)]
pub enum Place {
    /// `<directory>/<name>.sqlite`, except for names that have a path of their own.
    Files {
        /// Made when the first database is.
        directory: PathBuf,
        /// Paths by name.
        paths: BTreeMap<String, PathBuf>,
    },
    /// `<url>/<name>/…`, in transaction files.
    Store(Store),
}

/// A store, as the extension knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    /// `s3://bucket/prefix`, `az://…`, `gs://…`, `file:///directory`.
    pub url: String,
    /// Parameters of the store and of databases in it (see the reference), credentials among them.
    pub parameters: Vec<(String, String)>,
}

// Values may be secrets.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("Store")
            .field("url", &self.url)
            .field("parameters", &names)
            .finish()
    }
}

impl Store {
    /// The name to open a database by, with further parameters.
    pub(super) fn uri(&self, name: &str, more: &[(&str, &str)]) -> String {
        let mut uri = format!(
            "file:{}?vfs=sqlbridge&store={}",
            escape(name),
            escape(&self.url)
        );
        self.write_query(&mut uri, '&', more);
        uri
    }

    /// The store's URL as the SQL functions take it.
    pub(super) fn url_with_parameters(&self, more: &[(&str, &str)]) -> String {
        let mut url = self.url.clone();
        self.write_query(&mut url, '?', more);
        url
    }

    fn write_query(&self, out: &mut String, first: char, more: &[(&str, &str)]) {
        let given = self.parameters.iter();
        let own = given
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let mut separator = first;
        for (name, value) in own.chain(more.iter().copied()) {
            // Writing to a string cannot fail.
            let _ = write!(out, "{separator}{name}={}", escape(value));
            separator = '&';
        }
    }
}

/// Percent-encodes all but what means nothing in a URI.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl Place {
    /// Whether databases lie in a store.
    #[must_use]
    pub fn is_store(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    /// For people: the directory, or the store's URL.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Files { directory, .. } => directory.display().to_string(),
            Self::Store(store) => store.url.clone(),
        }
    }

    fn path(directory: &Path, paths: &BTreeMap<String, PathBuf>, name: &str) -> PathBuf {
        let own = paths.get(name).cloned();
        own.unwrap_or_else(|| directory.join(format!("{name}{SUFFIX}")))
    }

    /// A connection as SQLite gives it; none where there is no such database.
    pub(super) fn open(&self, name: &str) -> Result<Option<Connection>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let what = || format!("cannot open database \"{name}\"");
        match self {
            Self::Files { directory, paths } => {
                let path = Self::path(directory, paths, name);
                if !path.is_file() {
                    return Ok(None);
                }
                let opened = patiently(|| Connection::open_with_flags(&path, flags));
                opened.map(Some).map_err(|error| refused(&what(), &error))
            }
            Self::Store(store) => {
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                match Connection::open_with_flags(store.uri(name, &[]), flags) {
                    Ok(connection) => Ok(Some(connection)),
                    Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
                        Ok(None)
                    }
                    Err(error) => Err(refused(&what(), &error)),
                }
            }
        }
    }

    /// Whether a store can be reached, without the patience that clients have; `name` need not exist.
    pub(super) fn reach(&self, name: &str, patience: Duration) -> Result<()> {
        let Self::Store(store) = self else {
            return Ok(());
        };
        let patience = format!("{}ms", patience.as_millis());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match Connection::open_with_flags(store.uri(name, &[("timeout", &patience)]), flags) {
            Err(error) if error.sqlite_error_code() != Some(ErrorCode::CannotOpen) => Err(refused(
                &format!("cannot reach the store {}", store.url),
                &error,
            )),
            _ => Ok(()),
        }
    }

    /// Makes an empty database; the caller knows that there is none.
    pub(super) fn create(&self, name: &str) -> Result<()> {
        let what = || format!("cannot create database \"{name}\"");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::Files { directory, paths } => {
                let path = Self::path(directory, paths, name);
                if let Some(parent) = path
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty())
                {
                    fs::create_dir_all(parent).map_err(|error| broken(&what(), parent, &error))?;
                }
                Connection::open_with_flags(&path, flags)
                    .and_then(|connection| setup::write_ahead(&connection))
                    .map_err(|error| refused(&what(), &error))
            }
            Self::Store(store) => {
                let uri = store.uri(name, &[]);
                // The first transaction makes the database; it has to change something.
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                    .and_then(|connection| {
                        connection.execute_batch(
                            "BEGIN IMMEDIATE; CREATE TABLE made(x); DROP TABLE made; COMMIT",
                        )
                    })
                    .map_err(|error| refused(&what(), &error))
            }
        }
    }

    /// Removes a database that nobody has open.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let what = || format!("cannot drop database \"{name}\"");
        match self {
            Self::Files { directory, paths } => {
                let path = Self::path(directory, paths, name);
                for suffix in ["-wal", "-shm", ""] {
                    let mut file = path.clone().into_os_string();
                    file.push(suffix);
                    match fs::remove_file(&file) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(broken(&what(), Path::new(&file), &error));
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Self::Store(store) => on_no_database(|connection| {
                let arguments = [&store.url_with_parameters(&[]), name];
                connection.query_row("SELECT blob_drop(?1, ?2)", arguments, |_| Ok(()))
            })
            .map_err(|error| refused(&what(), &error)),
        }
    }

    /// Names of what lies there, in no order.
    pub(super) fn list(&self) -> Result<Vec<String>> {
        match self {
            Self::Files { directory, paths } => {
                let mut names = files(directory)
                    .map_err(|error| broken("cannot list databases", directory, &error))?;
                let own = paths.iter().filter(|(_, path)| path.is_file());
                names.extend(own.map(|(name, _)| name.clone()));
                Ok(names)
            }
            Self::Store(store) => on_no_database(|connection| {
                connection
                    .prepare("SELECT name FROM blob_list(?1)")?
                    .query_map([store.url_with_parameters(&[])], |row| row.get(0))?
                    .collect()
            })
            .map_err(|error| refused("cannot list databases", &error)),
        }
    }
}

/// Below this many bytes, disks count as full.
const RESERVE_BYTES: u64 = 1 << 20;

impl Place {
    /// Whether the disks of plain files have space left.
    ///
    /// # Errors
    /// 53100: one has not. 58030: it cannot be asked.
    pub(super) fn has_space(&self) -> Result<()> {
        let Self::Files { directory, paths } = self else {
            return Ok(());
        };
        let parents = paths.values().filter_map(|path| path.parent());
        for directory in parents.chain([directory.as_path()]) {
            // Made when it is needed.
            if directory.as_os_str().is_empty() || !directory.exists() {
                continue;
            }
            let what = "the disk cannot be asked for its space";
            let found = rustix::fs::statvfs(directory)
                .map_err(|error| broken(what, directory, &error.into()))?;
            if found.f_bavail.saturating_mul(found.f_frsize) < RESERVE_BYTES {
                let message = format!("the disk of {} is full", directory.display());
                return Err(PgError::new("53100", message));
            }
        }
        Ok(())
    }
}

/// The counts of a store's database.
pub(super) fn statistics(connection: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    connection
        .prepare_cached("SELECT name, value FROM blob_stats() WHERE typeof(value) = 'integer'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The number of the newest transaction that is known.
pub(super) fn transaction(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT value FROM blob_stats() WHERE name = 'txid'";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Finds out what became of a COMMIT that got no answer; asks nobody where there is none.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<()> {
    let unsettled =
        "SELECT count(*) FROM blob_stats() WHERE name = 'unsettled' AND value IS NOT NULL";
    match connection.query_row(unsettled, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        _ => connection.query_row("SELECT blob_sync()", [], |_| Ok(())),
    }
}

/// The names of plain files; a directory that is not there has none.
fn files(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(SUFFIX));
        names.extend(name.map(str::to_owned));
    }
    Ok(names)
}

/// Opens, also where somebody holds the file for a moment: the extension reads the names of
/// procedures while a connection is opened, when it has no busy handler yet.
fn patiently(open: impl Fn() -> rusqlite::Result<Connection>) -> rusqlite::Result<Connection> {
    let deadline = clock::monotonic() + SHORT_WAIT;
    loop {
        match open() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && clock::monotonic() < deadline =>
            {
                clock::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// For functions that need a connection and no database.
fn on_no_database<T>(body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    body(&Connection::open_in_memory()?)
}

/// An error of SQLite's for a client. The extension's own sentence, where it has one, tells more.
pub(super) fn refused(what: &str, error: &rusqlite::Error) -> PgError {
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "53100",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "40001",
        Some(ErrorCode::SystemIoFailure) => "08006",
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => "42501",
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => "XX001",
        _ => "58030",
    };
    let said = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    let sentence = match last_storage_error() {
        Some(sentence) if !said.contains(&sentence) => sentence,
        _ => said,
    };
    PgError::new(code, format!("{what}: {sentence}"))
}

fn broken(what: &str, path: &Path, error: &io::Error) -> PgError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "53100",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "42501",
        _ => "58030",
    };
    PgError::new(code, format!("{what}: {}: {error}", path.display()))
}

/// The sentence behind the last storage error of this thread.
#[cfg(feature = "extension")]
fn last_storage_error() -> Option<String> {
    let asked = on_no_database(|connection| {
        connection.query_row("SELECT sqlbridge_last_error()", [], |row| row.get(0))
    });
    asked.ok().flatten()
}

#[cfg(not(feature = "extension"))]
fn last_storage_error() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[test]
    fn uris_keep_every_value_apart() {
        let store = Store {
            url: "s3://bucket/a b".to_owned(),
            parameters: vec![
                ("s3_secret_key".to_owned(), "a&b=c?#/ %é".to_owned()),
                ("timeout".to_owned(), "30s".to_owned()),
            ],
        };
        assert_eq!(
            store.uri("app", &[("timeout", "3s")]),
            "file:app?vfs=sqlbridge&store=s3%3A%2F%2Fbucket%2Fa%20b&s3_secret_key=a%26b%3Dc%3F%23%2F%20%25%C3%A9&timeout=3s"
        );
        assert!(!format!("{store:?}").contains("a&b"));
    }
}

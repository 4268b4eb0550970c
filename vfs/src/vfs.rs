//! The VFS: from a file name to a database in a store.
//!
//! Divisions: targets · the VFS `sqlbridge` · the VFS for hosts without URI file names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlite_abi::{
    Access, Code, Control, Delegated, File, Filename, Handled, Lock, OpenFlags, Opened, Vfs,
};

use crate::database::is_database;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::file::BlobFile;
use crate::journal::Journal;
use crate::layout::check_name;
use crate::options::{OPTIONS, Options, Point};
use crate::store::location;

/// The VFS's name in `vfs=`.
pub const NAME: &str = "sqlbridge";
/// The VFS that `sqlbridge_open_urls(1)` makes the default.
pub const URLS_NAME: &str = "sqlbridge-urls";

const SCHEMES: [&str; 6] = ["s3://", "az://", "abs://", "azure://", "gs://", "blob:"];
/// URI parameters that SQLite itself reads.
const SQLITES_OWN: [&str; 7] = [
    "vfs",
    "mode",
    "cache",
    "psow",
    "modeof",
    "immutable",
    "nolock",
];

// Targets.

/// A database named by a user: which store, which name in it, which settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// URL of the store.
    pub store: String,
    /// Name of the database there.
    pub name: String,
    parameters: Vec<(String, String)>,
}

impl Target {
    /// What a path with URI parameters names. A path may also be a URL
    /// (`s3://bucket/prefix/app.db?option=value`, `blob:app.db`).
    ///
    /// # Errors
    /// A sentence: the name cannot be a database's.
    pub fn parse(path: &str, mut parameters: Vec<(String, String)>) -> Result<Self> {
        let scheme = SCHEMES.iter().find(|scheme| path.starts_with(**scheme));
        let (path, query) = match scheme {
            Some(_) => path.split_once('?').unwrap_or((path, "")),
            None => (path, ""),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.push((percent_decode(name), percent_decode(value)));
        }
        parameters.retain(|(name, _)| !SQLITES_OWN.contains(&name.as_str()));
        let mut target = Self {
            store: String::new(),
            name: String::new(),
            parameters,
        };
        let given = target.options_lookup("store");
        (target.store, target.name) = match (scheme, given) {
            (Some(&"blob:"), given) => {
                let name = path.strip_prefix("blob:").unwrap_or(path);
                in_store(given, name)?
            }
            (Some(_), _) => {
                let (store, name) = path.rsplit_once('/').unwrap_or((path, ""));
                (store.to_owned(), name.to_owned())
            }
            (None, given) => in_store(given, path)?,
        };
        check_name(&target.name).map_err(Error::Refused)?;
        Ok(target)
    }

    /// A database by name in a store given by URL, with settings as in a query.
    ///
    /// # Errors
    /// A sentence: the name cannot be a database's.
    pub fn in_store_url(store: &str, query: &str, name: &str) -> Result<Self> {
        let mut parameters = vec![("store".to_owned(), store.to_owned())];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.push((percent_decode(key), percent_decode(value)));
        }
        Self::parse(name, parameters)
    }

    /// The value of a setting: parameter, else environment.
    #[must_use]
    pub fn options_lookup(&self, name: &str) -> Option<String> {
        let parameter = self.parameters.iter().find(|(key, _)| key == name);
        let value = match parameter {
            Some((_, value)) => Some(value.clone()),
            None => {
                let doc = OPTIONS
                    .iter()
                    .find(|doc| doc.name == name && !doc.env.is_empty())?;
                std::env::var(doc.env).ok()
            }
        };
        value.filter(|value| !value.is_empty())
    }

    /// The settings of the database.
    ///
    /// # Errors
    /// A sentence that names the wrong one.
    pub fn options(&self) -> Result<Options> {
        let lookup = |name: &str| self.options_lookup(name);
        Options::parse(&lookup, self.is_local()).map_err(Error::Refused)
    }

    /// The parameters that are the store's.
    #[must_use]
    pub fn store_parameters(&self) -> Vec<(String, String)> {
        let ours = |name: &str| {
            OPTIONS
                .iter()
                .any(|doc| doc.name == name && !store_also_reads(name))
        };
        self.parameters
            .iter()
            .filter(|(name, _)| !ours(name))
            .cloned()
            .collect()
    }

    /// What two targets in one store have in common.
    #[must_use]
    pub fn store_identity(&self) -> String {
        let mut parameters = self.store_parameters();
        parameters.sort();
        format!("{}\n{parameters:?}", self.store)
    }

    /// True where the store is a directory of this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.store.starts_with("file:")
    }

    /// The path a plain database file would have in a local directory store.
    fn plain_path(&self) -> Option<PathBuf> {
        let directory = location::path_of_url(&self.store)?;
        Some(directory.join(&self.name))
    }
}

/// Decodes a part of a URI; bytes that are not UTF-8 are replaced, as SQLite's own are.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    String::from_utf8_lossy(&location::percent_decode(text)).into_owned()
}

fn store_also_reads(name: &str) -> bool {
    matches!(name, "timeout" | "single_writer")
}

/// A database by path in the store that was given, else in the path's own directory.
fn in_store(given: Option<String>, path: &str) -> Result<(String, String)> {
    match given {
        Some(store) => Ok((store, path.trim_start_matches('/').to_owned())),
        None => {
            let failed = |e: std::io::Error| Error::local("finding the current directory", &e);
            let absolute = std::path::absolute(path).map_err(failed)?;
            let name = absolute
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("")
                .to_owned();
            let directory = absolute.parent().unwrap_or(Path::new("/"));
            Ok((location::url_of_path(directory), name))
        }
    }
}

// The VFS `sqlbridge`.

/// Opens every main database in a store.
#[derive(Debug)]
pub struct BlobVfs {
    engine: fn() -> Arc<Engine>,
    /// Serve names that are URLs only.
    urls_only: bool,
}

impl BlobVfs {
    /// The VFS for `vfs=sqlbridge`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            engine: Engine::current,
            urls_only: false,
        }
    }

    /// The VFS that leaves every name to the host but URLs.
    #[must_use]
    pub fn for_urls() -> Self {
        Self {
            engine: Engine::current,
            urls_only: true,
        }
    }

    /// A VFS on another engine, for simulations.
    #[must_use]
    pub fn on(engine: fn() -> Arc<Engine>) -> Self {
        Self {
            engine,
            urls_only: false,
        }
    }

    fn is_ours(&self, path: &str) -> bool {
        !self.urls_only || SCHEMES.iter().any(|scheme| path.starts_with(scheme))
    }

    fn open_main(&self, name: &Filename<'_>, flags: OpenFlags) -> Result<(BlobFile, bool)> {
        let engine = (self.engine)();
        if name.uri_boolean("nolock", false) || name.uri_boolean("immutable", false) {
            return Err(Error::Refused(
                "nolock=1 and immutable=1 hide other writers' commits; open without them"
                    .to_owned(),
            ));
        }
        if name
            .uri_parameter("cache")
            .is_some_and(|cache| cache == "shared")
        {
            return Err(Error::Refused(
                "cache=shared would mix databases of the same name in different stores; open without it".to_owned(),
            ));
        }
        let path = name
            .path()
            .map_err(|_| Error::Refused("the file name is not UTF-8".to_owned()))?;
        let target = Target::parse(path, name.parameters())?;
        refuse_plain_file(&target)?;
        let options = target.options()?;
        let database = engine.database(&target, &options)?;
        let no_database = || Error::NoDatabase {
            database: target.name.clone(),
            store: database.store().url().to_owned(),
        };
        if !database.exists() {
            database.refresh(options.max_staleness)?;
        }
        if !database.exists() {
            // A dropped database stays dropped, even if the object it came from is still there.
            let wanted = options.point == Point::Head && !flags.contains(OpenFlags::READONLY);
            let importable = match database.head().txid {
                0 if wanted => database.importable()?,
                _ => None,
            };
            if let Some(key) = importable {
                let plain = database.plain_object(&**database.store(), &key)?;
                import_once(&database, &plain)?;
            } else if options.point != Point::Head || !flags.contains(OpenFlags::CREATE) {
                return Err(no_database());
            }
        }
        let fixed = match options.point {
            Point::Head => None,
            point => Some(database.snapshot_at(point)?),
        };
        let read_only = fixed.is_some() || flags.contains(OpenFlags::READONLY);
        Ok((
            BlobFile::new(engine, database, options, fixed, read_only),
            read_only,
        ))
    }
}

impl Default for BlobVfs {
    fn default() -> Self {
        Self::new()
    }
}

/// Somebody else may import the same object at the same moment; then it is there.
fn import_once(
    database: &crate::database::Database,
    plain: &crate::database::PlainFile,
) -> Result<()> {
    match database.import(plain) {
        Err(Error::Conflict { .. } | Error::Refused(_)) if database.exists() => Ok(()),
        other => other.map(drop),
    }
}

fn refuse_plain_file(target: &Target) -> Result<()> {
    let Some(path) = target.plain_path() else {
        return Ok(());
    };
    if !path.is_file() {
        return Ok(());
    }
    let mut header = [0; 16];
    let read = std::fs::File::open(&path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut header));
    if read.is_ok() && is_database(&header) {
        return Err(Error::Refused(format!(
            "{0} is a plain SQLite file, not a blob database; open it without vfs=sqlbridge, or copy it into a store with SELECT blob_import('{0}', '<name>')",
            path.display()
        )));
    }
    Ok(())
}

impl Vfs for BlobVfs {
    type File = AnyFile;

    fn open(
        &self,
        name: Option<&Filename<'_>>,
        flags: OpenFlags,
    ) -> std::result::Result<Opened<AnyFile>, Code> {
        let Some(name) = name else {
            return Ok(Opened::Host);
        };
        if !self.is_ours(name.path()?) {
            return Ok(Opened::Host);
        }
        if flags.contains(OpenFlags::MAIN_DB) {
            return match self.open_main(name, flags) {
                Ok((file, read_only)) => Ok(Opened::File {
                    file: AnyFile::Blob(Box::new(file)),
                    read_only,
                }),
                Err(error) => {
                    (self.engine)().record(None, &error);
                    Err(error.code())
                }
            };
        }
        if flags.contains(OpenFlags::MAIN_JOURNAL) {
            let directory = crate::options::default_cache_dir();
            let file = AnyFile::Journal(Journal::new(&directory));
            return Ok(Opened::File {
                file,
                read_only: false,
            });
        }
        if flags.contains(OpenFlags::SUPER_JOURNAL) || flags.contains(OpenFlags::WAL) {
            // A super-journal of ours would die with the process and leave local
            // databases half-written (storage rule 5); a WAL has no place here.
            let error = Error::Refused(
                "a transaction cannot span a blob database and a local one with a rollback journal; write to them in separate transactions".to_owned(),
            );
            (self.engine)().record(None, &error);
            return Err(Code::CANTOPEN);
        }
        Ok(Opened::Host)
    }

    fn delete(&self, path: &str, _: bool) -> std::result::Result<Delegated<()>, Code> {
        Ok(if self.is_ours(path) && is_journal(path) {
            Delegated::Done(())
        } else {
            Delegated::Host
        })
    }

    fn access(&self, path: &str, _: Access) -> std::result::Result<Delegated<bool>, Code> {
        let ours =
            self.is_ours(path) && (is_journal(path) || SCHEMES.iter().any(|s| path.starts_with(s)));
        Ok(if ours {
            Delegated::Done(false)
        } else {
            Delegated::Host
        })
    }

    fn full_pathname(&self, path: &str) -> std::result::Result<Delegated<String>, Code> {
        // The store decides what a relative name means, and only xOpen knows the store.
        Ok(if self.is_ours(path) {
            Delegated::Done(path.to_owned())
        } else {
            Delegated::Host
        })
    }
}

fn is_journal(path: &str) -> bool {
    path.ends_with("-journal") || path.ends_with("-wal")
}

/// A file of this VFS.
#[derive(Debug)]
pub enum AnyFile {
    /// A database.
    Blob(Box<BlobFile>),
    /// Its rollback journal.
    Journal(Journal),
}

impl AnyFile {
    fn file(&mut self) -> &mut dyn File {
        match self {
            Self::Blob(file) => &mut **file,
            Self::Journal(file) => file,
        }
    }

    /// The database, if it is one.
    pub fn as_blob(&mut self) -> Option<&mut BlobFile> {
        match self {
            Self::Blob(file) => Some(file),
            Self::Journal(_) => None,
        }
    }
}

impl File for AnyFile {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> std::result::Result<usize, Code> {
        self.file().read(buffer, offset)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> std::result::Result<(), Code> {
        self.file().write(data, offset)
    }

    fn truncate(&mut self, size: u64) -> std::result::Result<(), Code> {
        self.file().truncate(size)
    }

    fn sync(&mut self) -> std::result::Result<(), Code> {
        self.file().sync()
    }

    fn size(&mut self) -> std::result::Result<u64, Code> {
        self.file().size()
    }

    fn lock(&mut self, level: Lock) -> std::result::Result<(), Code> {
        self.file().lock(level)
    }

    fn unlock(&mut self, level: Lock) -> std::result::Result<(), Code> {
        self.file().unlock(level)
    }

    fn check_reserved_lock(&mut self) -> std::result::Result<bool, Code> {
        self.file().check_reserved_lock()
    }

    fn control(&mut self, control: Control<'_>) -> std::result::Result<Handled, Code> {
        self.file().control(control)
    }

    fn device_characteristics(&self) -> i32 {
        crate::file::CHARACTERISTICS
    }
}

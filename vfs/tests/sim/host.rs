//! SQLite on a simulated host: connections, databases, error codes.

use std::sync::{Arc, Once};

use rusqlite::OpenFlags;
use sqlbridge_vfs::database::Database;
use sqlbridge_vfs::vfs::{BlobVfs, Target};
use sqlite_abi::{Connection, Extension, entry};

use crate::world::{Machine, current_engine};

struct Sim;

impl Extension for Sim {
    const NAME: &'static str = "sim";
    const VERSION: &'static str = "1";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        sqlite_abi::register("sim", BlobVfs::on(current_engine), false)?;
        sqlite_abi::register("failing", crate::rules::FailingVfs, false)?;
        sqlbridge_vfs::register(connection)
    }
}

/// Makes the linked SQLite know the VFS, once.
pub fn link() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        entry::auto_extend_linked::<Sim>().unwrap();
        // The VFS is registered when the first connection is made.
        rusqlite::Connection::open_in_memory().unwrap();
    });
}

pub type Sqlite<T> = rusqlite::Result<T>;

impl Machine {
    /// The URI of a database on this host. `options` as in a query: `a=1&b=2`.
    pub fn uri(&self, name: &str, options: &str) -> String {
        let cache = self.cache.display();
        let and = if options.is_empty() { "" } else { "&" };
        format!("file:{name}?vfs=sim&store=s3://bucket/p&cache_dir={cache}{and}{options}")
    }

    /// Opens a database, making it if need be.
    pub fn open(&self, name: &str, options: &str) -> Sqlite<rusqlite::Connection> {
        self.open_with(
            name,
            options,
            OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE,
        )
    }

    pub fn open_with(
        &self,
        name: &str,
        options: &str,
        flags: OpenFlags,
    ) -> Sqlite<rusqlite::Connection> {
        link();
        self.enter();
        let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let db = rusqlite::Connection::open_with_flags(self.uri(name, options), flags)?;
        db.busy_timeout(std::time::Duration::ZERO)?;
        Ok(db)
    }

    /// The engine's own view of a database, as `blob_drop` and the like use it.
    pub fn database(
        &self,
        name: &str,
        options: &str,
    ) -> sqlbridge_vfs::error::Result<Arc<Database>> {
        let mut parameters = vec![
            ("store".to_owned(), "s3://bucket/p".to_owned()),
            ("cache_dir".to_owned(), self.cache.display().to_string()),
        ];
        for pair in options.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap();
            parameters.push((key.to_owned(), value.to_owned()));
        }
        let target = Target::parse(name, parameters)?;
        self.engine.database(&target, &target.options()?)
    }

    /// The whole database at its head, byte for byte, read through the engine.
    pub fn image(&self, name: &str) -> Vec<u8> {
        let database = self.database(name, "").unwrap();
        database.refresh(std::time::Duration::ZERO).unwrap();
        image_of(&database, &database.head())
    }
}

pub fn image_of(database: &Database, snapshot: &Arc<sqlbridge_vfs::snapshot::Snapshot>) -> Vec<u8> {
    let Some(page_size) = snapshot.page_size() else {
        return Vec::new();
    };
    let mut snapshot = Arc::clone(snapshot);
    let mut ahead = sqlbridge_vfs::database::ReadAhead::default();
    let mut bytes = Vec::new();
    let mut page = vec![0; page_size.get()];
    for pgno in 1..=snapshot.page_count {
        database
            .read_page(&mut snapshot, pgno, &mut page, &mut ahead)
            .unwrap();
        bytes.extend_from_slice(&page);
    }
    bytes
}

pub const BUSY: i32 = 5;
pub const BUSY_SNAPSHOT: i32 = 517;
pub const IOERR_FSYNC: i32 = 1034;

/// The extended result code; 0 for success.
pub fn code<T>(result: &Sqlite<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(rusqlite::Error::SqliteFailure(failure, _)) => failure.extended_code,
        Err(rusqlite::Error::SqlInputError { error, .. }) => error.extended_code,
        Err(other) => panic!("not an error of SQLite's: {other}"),
    }
}

pub fn int(db: &rusqlite::Connection, sql: &str) -> Sqlite<i64> {
    db.query_row(sql, [], |row| row.get(0))
}

pub fn text(db: &rusqlite::Connection, sql: &str) -> Sqlite<String> {
    db.query_row(sql, [], |row| row.get(0))
}

/// The sentence behind the last storage error on this thread.
pub fn sentence(machine: &Machine) -> String {
    machine
        .engine
        .last_error(sqlite_abi::ConnectionId(0))
        .unwrap_or_default()
}

pub fn integrity(db: &rusqlite::Connection) {
    assert_eq!(text(db, "PRAGMA integrity_check").unwrap(), "ok");
}

//! What a VFS is, in safe Rust. The trampolines are in `vfs_ffi` and `file_ffi`.
//!
//! Divisions: the VFS · a file · file controls.
//! Each method stands for the SQLite method of the same name:
//! <https://www.sqlite.org/c3ref/io_methods.html>, <https://www.sqlite.org/c3ref/vfs.html>.

use crate::bindings as c;
use crate::{Code, Filename};

/// A file system for SQLite.
pub trait Vfs: Send + Sync + 'static {
    /// Its open files.
    type File: File;

    /// Opens a file. `name` is absent for temporary files.
    ///
    /// # Errors
    /// The code SQLite gets from `xOpen`.
    fn open(
        &self,
        name: Option<&Filename<'_>>,
        flags: OpenFlags,
    ) -> Result<Opened<Self::File>, Code>;

    /// `xDelete`.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn delete(&self, path: &str, sync_directory: bool) -> Result<Delegated<()>, Code>;

    /// `xAccess`: whether the file exists (or may be read, or written).
    ///
    /// # Errors
    /// The code SQLite gets.
    fn access(&self, path: &str, kind: Access) -> Result<Delegated<bool>, Code>;

    /// `xFullPathname`.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn full_pathname(&self, path: &str) -> Result<Delegated<String>, Code>;
}

/// What [`Vfs::open`] decided.
#[derive(Debug)]
pub enum Opened<F> {
    /// Ours, with what it was opened for.
    File {
        /// The file.
        file: F,
        /// True: SQLite is told `SQLITE_OPEN_READONLY`.
        read_only: bool,
    },
    /// The host's own VFS opens it (temporary files, foreign names).
    Host,
}

/// An answer of ours, or the host's own VFS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegated<T> {
    /// Ours.
    Done(T),
    /// Ask the host's own VFS.
    Host,
}

/// `SQLITE_OPEN_*` as passed to `xOpen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(pub i32);

impl OpenFlags {
    /// `SQLITE_OPEN_READONLY`.
    pub const READONLY: Self = Self(c::SQLITE_OPEN_READONLY);
    /// `SQLITE_OPEN_READWRITE`.
    pub const READWRITE: Self = Self(c::SQLITE_OPEN_READWRITE);
    /// `SQLITE_OPEN_CREATE`.
    pub const CREATE: Self = Self(c::SQLITE_OPEN_CREATE);
    /// `SQLITE_OPEN_DELETEONCLOSE`.
    pub const DELETEONCLOSE: Self = Self(c::SQLITE_OPEN_DELETEONCLOSE);
    /// `SQLITE_OPEN_EXCLUSIVE`.
    pub const EXCLUSIVE: Self = Self(c::SQLITE_OPEN_EXCLUSIVE);
    /// `SQLITE_OPEN_MAIN_DB`.
    pub const MAIN_DB: Self = Self(c::SQLITE_OPEN_MAIN_DB);
    /// `SQLITE_OPEN_TEMP_DB`.
    pub const TEMP_DB: Self = Self(c::SQLITE_OPEN_TEMP_DB);
    /// `SQLITE_OPEN_TRANSIENT_DB`.
    pub const TRANSIENT_DB: Self = Self(c::SQLITE_OPEN_TRANSIENT_DB);
    /// `SQLITE_OPEN_MAIN_JOURNAL`.
    pub const MAIN_JOURNAL: Self = Self(c::SQLITE_OPEN_MAIN_JOURNAL);
    /// `SQLITE_OPEN_TEMP_JOURNAL`.
    pub const TEMP_JOURNAL: Self = Self(c::SQLITE_OPEN_TEMP_JOURNAL);
    /// `SQLITE_OPEN_SUBJOURNAL`.
    pub const SUBJOURNAL: Self = Self(c::SQLITE_OPEN_SUBJOURNAL);
    /// `SQLITE_OPEN_SUPER_JOURNAL`.
    pub const SUPER_JOURNAL: Self = Self(c::SQLITE_OPEN_SUPER_JOURNAL);
    /// `SQLITE_OPEN_WAL`.
    pub const WAL: Self = Self(c::SQLITE_OPEN_WAL);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// What `xAccess` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Does it exist?
    Exists,
    /// May it be read and written?
    ReadWrite,
    /// May it be read?
    Read,
}

/// SQLite's five lock levels: <https://www.sqlite.org/lockingv3.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// No lock.
    None,
    /// Reading.
    Shared,
    /// Means to write.
    Reserved,
    /// Waits for readers to leave.
    Pending,
    /// Writing.
    Exclusive,
}

/// An open file. Dropped at `xClose`.
pub trait File: Send + 'static {
    /// Fills `buffer` from `offset`; returns how many bytes there were. The
    /// trampoline zeroes the rest and answers `SQLITE_IOERR_SHORT_READ`.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Code>;

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn write(&mut self, data: &[u8], offset: u64) -> Result<(), Code>;

    /// Cuts or grows the file to `size` bytes.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn truncate(&mut self, size: u64) -> Result<(), Code>;

    /// `xSync`.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn sync(&mut self) -> Result<(), Code>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn size(&mut self) -> Result<u64, Code>;

    /// Raises the lock to `level`.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn lock(&mut self, level: Lock) -> Result<(), Code>;

    /// Lowers the lock to `level` (`None` or `Shared`).
    ///
    /// # Errors
    /// The code SQLite gets.
    fn unlock(&mut self, level: Lock) -> Result<(), Code>;

    /// Whether anyone holds RESERVED or more.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn check_reserved_lock(&mut self) -> Result<bool, Code>;

    /// `xFileControl`: <https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>.
    ///
    /// # Errors
    /// The code SQLite gets.
    fn control(&mut self, control: Control<'_>) -> Result<Handled, Code>;

    /// `SQLITE_IOCAP_*`.
    fn device_characteristics(&self) -> i32;
}

/// The file controls that are passed on; every other opcode is answered `SQLITE_NOTFOUND`.
#[derive(Debug)]
pub enum Control<'a> {
    /// `SQLITE_FCNTL_SYNC`, with the super-journal's name if there is one.
    Sync {
        /// Path of the super-journal.
        super_journal: Option<&'a str>,
    },
    /// `SQLITE_FCNTL_COMMIT_PHASETWO`.
    CommitPhaseTwo,
    /// `SQLITE_FCNTL_PDB`: which connection this file belongs to. Only an identity.
    Connection(ConnectionId),
    /// `SQLITE_FCNTL_PRAGMA`.
    Pragma {
        /// Lower case as the user typed it is not guaranteed.
        name: &'a str,
        /// What follows `=`.
        value: Option<&'a str>,
        /// Set to answer the pragma with one row, or as the error's text.
        answer: &'a mut Option<String>,
    },
    /// `SQLITE_FCNTL_SIZE_HINT`: the file is about to grow to so many bytes.
    SizeHint(u64),
    /// `SQLITE_FCNTL_OVERWRITE`: the whole file is about to be rewritten.
    Overwrite,
}

/// A connection's identity (the address of its `sqlite3`); never dereferenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub usize);

/// Whether a control was acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// `SQLITE_OK`.
    Yes,
    /// `SQLITE_NOTFOUND`: SQLite goes on as if the VFS knew nothing of it.
    No,
}

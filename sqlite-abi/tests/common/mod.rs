//! A VFS that keeps files in memory, in a program that links SQLite. Faults can be armed.

#![allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests, each of which uses its part"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock};

use rusqlite::{OpenFlags as Sqlite, ffi};
use sqlite_abi::{
    Access, Code, Connection, ConnectionId, Control, Delegated, Extension, File, Filename, Handled,
    Lock, OpenFlags, Opened, Vfs, entry, register,
};

/// What the VFS knows. Tests look at it through [`memory`].
#[derive(Default)]
pub(crate) struct Memory {
    /// Content by path.
    pub files: BTreeMap<String, Arc<Mutex<Vec<u8>>>>,
    /// The method that panics when it is called next.
    pub armed: Option<&'static str>,
    /// Methods that panicked.
    pub fired: Vec<&'static str>,
    /// URI parameters of the last database.
    pub parameters: Vec<(String, String)>,
    /// What `uri_boolean("flag", false)` said for it.
    pub flag: bool,
    /// Files that were handed to the host's VFS.
    pub delegated: usize,
    /// Files that are open.
    pub open: usize,
    /// Controls that came.
    pub controls: Vec<String>,
    /// Connections that FCNTL_PDB told.
    pub connections: Vec<ConnectionId>,
    /// Next database opens read-only.
    pub read_only: bool,
}

static MEMORY: OnceLock<Mutex<Memory>> = OnceLock::new();

pub(crate) fn memory() -> MutexGuard<'static, Memory> {
    MEMORY
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn fault(method: &'static str) {
    let mut memory = memory();
    if memory.armed == Some(method) {
        memory.armed = None;
        memory.fired.push(method);
        drop(memory);
        panic!("armed: {method}");
    }
}

#[derive(Debug)]
pub(crate) struct MemoryVfs;

#[derive(Debug)]
pub(crate) struct MemoryFile {
    pub path: String,
    content: Arc<Mutex<Vec<u8>>>,
    reserved: bool,
}

impl Vfs for MemoryVfs {
    type File = MemoryFile;

    fn open(
        &self,
        name: Option<&Filename<'_>>,
        flags: OpenFlags,
    ) -> Result<Opened<MemoryFile>, Code> {
        fault("xOpen");
        let Some(name) = name else {
            memory().delegated += 1;
            return Ok(Opened::Host);
        };
        let path = name.path()?.to_owned();
        if path.contains("host") {
            memory().delegated += 1;
            return Ok(Opened::Host);
        }
        let mut memory = memory();
        if flags.contains(OpenFlags::MAIN_DB) {
            memory.parameters = name.parameters();
            memory.flag = name.uri_boolean("flag", false);
            assert_eq!(name.uri_parameter("absent"), None);
        } else {
            assert!(name.parameters().is_empty() && name.uri_parameter("vfs").is_none());
        }
        if !flags.contains(OpenFlags::CREATE) && !memory.files.contains_key(&path) {
            return Err(Code::CANTOPEN);
        }
        memory.open += 1;
        let content = Arc::clone(memory.files.entry(path.clone()).or_default());
        Ok(Opened::File {
            file: MemoryFile {
                path,
                content,
                reserved: false,
            },
            read_only: memory.read_only,
        })
    }

    fn delete(&self, path: &str, _sync_directory: bool) -> Result<Delegated<()>, Code> {
        fault("xDelete");
        if path.contains("host") {
            return Ok(Delegated::Host);
        }
        match memory().files.remove(path) {
            Some(_) => Ok(Delegated::Done(())),
            None => Err(Code::IOERR_DELETE_NOENT),
        }
    }

    fn access(&self, path: &str, _kind: Access) -> Result<Delegated<bool>, Code> {
        fault("xAccess");
        if path.contains("host") {
            return Ok(Delegated::Host);
        }
        Ok(Delegated::Done(memory().files.contains_key(path)))
    }

    fn full_pathname(&self, path: &str) -> Result<Delegated<String>, Code> {
        fault("xFullPathname");
        match path {
            "too-long" => Ok(Delegated::Done("x".repeat(10_000))),
            path if path.contains("host") => Ok(Delegated::Host),
            path => Ok(Delegated::Done(format!("/memory/{path}"))),
        }
    }
}

impl File for MemoryFile {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Code> {
        fault("xRead");
        let content = self.content.lock().unwrap();
        let offset = (offset as usize).min(content.len());
        let count = buffer.len().min(content.len() - offset);
        buffer[..count].copy_from_slice(&content[offset..offset + count]);
        Ok(count)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> Result<(), Code> {
        fault("xWrite");
        let mut content = self.content.lock().unwrap();
        let end = offset as usize + data.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(data);
        Ok(())
    }

    fn truncate(&mut self, size: u64) -> Result<(), Code> {
        fault("xTruncate");
        self.content.lock().unwrap().resize(size as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Code> {
        fault("xSync");
        Ok(())
    }

    fn size(&mut self) -> Result<u64, Code> {
        fault("xFileSize");
        Ok(self.content.lock().unwrap().len() as u64)
    }

    fn lock(&mut self, level: Lock) -> Result<(), Code> {
        fault("xLock");
        self.reserved = level >= Lock::Reserved;
        Ok(())
    }

    fn unlock(&mut self, level: Lock) -> Result<(), Code> {
        fault("xUnlock");
        assert!(level <= Lock::Shared);
        self.reserved = false;
        Ok(())
    }

    fn check_reserved_lock(&mut self) -> Result<bool, Code> {
        fault("xCheckReservedLock");
        Ok(self.reserved)
    }

    fn control(&mut self, control: Control<'_>) -> Result<Handled, Code> {
        fault("xFileControl");
        match control {
            Control::Pragma {
                name: "memory_echo",
                value,
                answer,
            } => {
                *answer = Some(value.unwrap_or("nothing").to_owned());
                Ok(Handled::Yes)
            }
            Control::Pragma {
                name: "memory_quiet",
                ..
            } => Ok(Handled::Yes),
            Control::Pragma {
                name: "memory_fail",
                answer,
                ..
            } => {
                *answer = Some("100% refused: %s%n".to_owned());
                Err(Code::PERM)
            }
            Control::Pragma { answer, .. } => {
                *answer = Some("for nobody".to_owned());
                Ok(Handled::No)
            }
            Control::Connection(id) => {
                memory().connections.push(id);
                Ok(Handled::Yes)
            }
            other => {
                memory().controls.push(format!("{other:?}"));
                Ok(Handled::No)
            }
        }
    }

    fn device_characteristics(&self) -> i32 {
        fault("xDeviceCharacteristics");
        0
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        memory().open -= 1;
        fault("xClose");
    }
}

/// Another VFS with files of the same shape but another type.
#[derive(Debug)]
pub(crate) struct OtherVfs;

#[derive(Debug)]
pub(crate) struct OtherFile(pub MemoryFile);

impl Vfs for OtherVfs {
    type File = OtherFile;

    fn open(
        &self,
        name: Option<&Filename<'_>>,
        flags: OpenFlags,
    ) -> Result<Opened<OtherFile>, Code> {
        Ok(match MemoryVfs.open(name, flags)? {
            Opened::File { file, read_only } => Opened::File {
                file: OtherFile(file),
                read_only,
            },
            Opened::Host => Opened::Host,
        })
    }

    fn delete(&self, path: &str, sync_directory: bool) -> Result<Delegated<()>, Code> {
        MemoryVfs.delete(path, sync_directory)
    }

    fn access(&self, path: &str, kind: Access) -> Result<Delegated<bool>, Code> {
        MemoryVfs.access(path, kind)
    }

    fn full_pathname(&self, path: &str) -> Result<Delegated<String>, Code> {
        MemoryVfs.full_pathname(path)
    }
}

impl File for OtherFile {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Code> {
        self.0.read(buffer, offset)
    }
    fn write(&mut self, data: &[u8], offset: u64) -> Result<(), Code> {
        self.0.write(data, offset)
    }
    fn truncate(&mut self, size: u64) -> Result<(), Code> {
        self.0.truncate(size)
    }
    fn sync(&mut self) -> Result<(), Code> {
        self.0.sync()
    }
    fn size(&mut self) -> Result<u64, Code> {
        self.0.size()
    }
    fn lock(&mut self, level: Lock) -> Result<(), Code> {
        self.0.lock(level)
    }
    fn unlock(&mut self, level: Lock) -> Result<(), Code> {
        self.0.unlock(level)
    }
    fn check_reserved_lock(&mut self) -> Result<bool, Code> {
        self.0.check_reserved_lock()
    }
    fn control(&mut self, control: Control<'_>) -> Result<Handled, Code> {
        self.0.control(control)
    }
    fn device_characteristics(&self) -> i32 {
        self.0.device_characteristics()
    }
}

/// Makes the program's SQLite know an extension, once.
pub(crate) fn extend<E: Extension>() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| entry::auto_extend_linked::<E>().unwrap());
}

/// Registers both VFSes. A connection that is nobody's triggers it.
pub(crate) struct WithVfs;

impl Extension for WithVfs {
    const NAME: &'static str = "with_vfs";
    const VERSION: &'static str = "1.2.3";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        register("memory", MemoryVfs, false)?;
        register("memory", MemoryVfs, false)?;
        register("other", OtherVfs, false)?;
        super::register_functions(connection)
    }
}

/// Tests share the VFS's state, so each holds this.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    extend::<WithVfs>();
    rusqlite::Connection::open_in_memory().unwrap();
    *memory() = Memory::default();
    guard
}

/// Opens a URI.
pub(crate) fn open(uri: &str) -> rusqlite::Result<rusqlite::Connection> {
    let flags = Sqlite::SQLITE_OPEN_READ_WRITE
        | Sqlite::SQLITE_OPEN_CREATE
        | Sqlite::SQLITE_OPEN_URI
        | Sqlite::SQLITE_OPEN_EXRESCODE;
    let connection = rusqlite::Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    Ok(connection)
}

/// One value as text.
pub(crate) fn text(connection: &rusqlite::Connection, sql: &str) -> rusqlite::Result<String> {
    connection.query_row(sql, [], |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Null => "NULL".to_owned(),
            rusqlite::types::ValueRef::Integer(integer) => integer.to_string(),
            rusqlite::types::ValueRef::Real(real) => format!("{real:?}"),
            rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            rusqlite::types::ValueRef::Blob(blob) => format!("x{blob:02x?}"),
        })
    })
}

/// The extended code and message of an error.
pub(crate) fn error<T>(result: rusqlite::Result<T>) -> (i32, String) {
    match result {
        Ok(_) => panic!("it worked"),
        Err(rusqlite::Error::SqliteFailure(failure, message)) => {
            (failure.extended_code, message.unwrap_or_default())
        }
        Err(rusqlite::Error::SqlInputError { error, msg, .. }) => (error.extended_code, msg),
        Err(other) => panic!("not SQLite's: {other}"),
    }
}

/// SQLite's pointer to a schema's file.
pub(crate) fn file_pointer(connection: &rusqlite::Connection) -> *mut ffi::sqlite3_file {
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    // SAFETY: the connection is open; this control writes one pointer.
    unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            (&raw mut file).cast(),
        );
    }
    file
}

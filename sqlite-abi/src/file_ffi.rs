//! Trampolines of `sqlite3_io_methods`: <https://www.sqlite.org/c3ref/io_methods.html>.
//!
//! Divisions: the file in SQLite's memory · lending it · methods · file controls.
//!
//! Methods are version 1: no shared memory, so SQLite refuses WAL, and no memory mapping.
//! Invariants. A file is lent to one method at a time. After a panic the file is poisoned:
//! whatever it had in mind may be half done, so every method but `xClose` answers `SQLITE_IOERR`.

use std::any::TypeId;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{PoisonError, RwLock};

use crate::api::{host_text, log};
use crate::bindings as c;
use crate::guard::{code, guard, guard_or};
use crate::lending::{Lending, Refused};
use crate::{Code, ConnectionId, Control, File, Handled, Lock};

/// What we keep in the memory SQLite gives for a file.
#[repr(C)]
pub(crate) struct OpenFile<F> {
    base: c::sqlite3_file,
    slot: *mut Slot<F>,
}

/// Behind a pointer of its own, so that it can outlive `xClose` if it is closed while lent.
struct Slot<F> {
    /// Name of the VFS, for `SQLITE_FCNTL_VFSNAME`.
    vfs: &'static str,
    file: Lending<F>,
}

/// All method tables there are, each with the type of its files. Only grows, once per VFS.
static TABLES: RwLock<Vec<(TypeId, usize)>> = RwLock::new(Vec::new());

/// Makes the files of a method table known to [`borrow`].
pub(crate) fn announce<F: File>(table: *const c::sqlite3_io_methods) {
    TABLES
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .push((TypeId::of::<F>(), table.addr()));
}

fn is_table_of<F: File>(table: *const c::sqlite3_io_methods) -> bool {
    let entry = (TypeId::of::<F>(), table.addr());
    TABLES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .contains(&entry)
}

/// Puts a file into SQLite's memory.
///
/// # Safety
/// `target` has room for an [`OpenFile<F>`]; `table` is [`methods::<F>`](methods), announced, and
/// lives for ever.
pub(crate) unsafe fn place<F: File>(
    target: *mut c::sqlite3_file,
    table: *const c::sqlite3_io_methods,
    vfs: &'static str,
    file: F,
) {
    let slot = Box::into_raw(Box::new(Slot {
        vfs,
        file: Lending::new(file),
    }));
    // SAFETY: as promised.
    unsafe {
        target.cast::<OpenFile<F>>().write(OpenFile {
            base: c::sqlite3_file { pMethods: table },
            slot,
        });
    }
}

/// Calls `body` with the file behind SQLite's pointer if it is an `F` of ours that is not in use.
///
/// # Safety
/// `file` is null or SQLite's pointer to a file that is not closed during the call, unless by
/// `body` itself.
pub(crate) unsafe fn borrow<F: File, R>(
    file: *mut c::sqlite3_file,
    body: impl FnOnce(&mut F) -> R,
) -> Option<R> {
    // SAFETY: not null means a file whose first field is its method table.
    if file.is_null() || !is_table_of::<F>(unsafe { (*file).pMethods }) {
        return None;
    }
    // SAFETY: the table is only ever placed with an `OpenFile<F>`; the slot lives until `xClose`,
    // which spares it while it is lent.
    let slot = unsafe { &*(*file.cast::<OpenFile<F>>()).slot };
    slot.file.lend(body).ok()
}

/// The way into every method: finds the file, borrows it, stops panics.
///
/// # Safety
/// `file` is null or was filled by [`place::<F>`](place).
unsafe fn with<F: File>(
    file: *mut c::sqlite3_file,
    method: &'static str,
    body: impl FnOnce(&mut F, &'static str) -> Result<(), Code>,
) -> c_int {
    if file.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: as promised.
    let slot = unsafe { (*file.cast::<OpenFile<F>>()).slot };
    if slot.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: not null, so not closed yet.
    let slot = unsafe { &*slot };
    match guard(method, || slot.file.lend(|file| body(file, slot.vfs))) {
        Ok(Ok(result)) => code(result),
        Ok(Err(Refused::Poisoned)) | Err(_) => Code::IOERR.0,
        Ok(Err(Refused::Reentered)) => {
            log(
                Code::MISUSE,
                "a file was used while one of its own methods was running",
            );
            Code::MISUSE.0
        }
    }
}

/// The method table for files of type `F`.
pub(crate) const fn methods<F: File>() -> c::sqlite3_io_methods {
    c::sqlite3_io_methods {
        iVersion: 1,
        xClose: Some(close::<F>),
        xRead: Some(read::<F>),
        xWrite: Some(write::<F>),
        xTruncate: Some(truncate::<F>),
        xSync: Some(sync::<F>),
        xFileSize: Some(file_size::<F>),
        xLock: Some(lock::<F>),
        xUnlock: Some(unlock::<F>),
        xCheckReservedLock: Some(check_reserved_lock::<F>),
        xFileControl: Some(file_control::<F>),
        xSectorSize: Some(sector_size),
        xDeviceCharacteristics: Some(device_characteristics::<F>),
        xShmMap: None,
        xShmLock: None,
        xShmBarrier: None,
        xShmUnmap: None,
        xFetch: None,
        xUnfetch: None,
    }
}

unsafe extern "C" fn close<F: File>(file: *mut c::sqlite3_file) -> c_int {
    if file.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite calls this once, on a file that `place` filled.
    let slot = unsafe {
        let file = file.cast::<OpenFile<F>>();
        (*file).base.pMethods = std::ptr::null();
        std::mem::replace(&mut (*file).slot, std::ptr::null_mut())
    };
    if slot.is_null() {
        return Code::OK.0;
    }
    // SAFETY: not null, so not dropped yet.
    if unsafe { (*slot).file.is_mine() } {
        log(
            Code::MISUSE,
            "a file was closed while one of its own methods was running",
        );
        return Code::OK.0;
    }
    guard_or("xClose", Code::IOERR.0, || {
        // SAFETY: from `Box::into_raw` in `place`; the only pointer to it was just cleared.
        drop(unsafe { Box::from_raw(slot) });
        Code::OK.0
    })
}

unsafe extern "C" fn read<F: File>(
    file: *mut c::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: c::sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(offset)) = (usize::try_from(amount), u64::try_from(offset)) else {
        return Code::IOERR_READ.0;
    };
    if buffer.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a file of ours and a buffer of `amount` bytes that nobody else uses.
    unsafe {
        with::<F>(file, "xRead", |file, _| {
            let buffer = std::slice::from_raw_parts_mut(buffer.cast::<u8>(), amount);
            let read = file.read(buffer, offset)?;
            match buffer.get_mut(read..) {
                None => Err(Code::IOERR_READ),
                Some([]) => Ok(()),
                Some(rest) => {
                    rest.fill(0);
                    Err(Code::IOERR_SHORT_READ)
                }
            }
        })
    }
}

unsafe extern "C" fn write<F: File>(
    file: *mut c::sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: c::sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(offset)) = (usize::try_from(amount), u64::try_from(offset)) else {
        return Code::IOERR_WRITE.0;
    };
    if data.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a file of ours and `amount` bytes that nobody changes meanwhile.
    unsafe {
        with::<F>(file, "xWrite", |file, _| {
            file.write(
                std::slice::from_raw_parts(data.cast::<u8>(), amount),
                offset,
            )
        })
    }
}

unsafe extern "C" fn truncate<F: File>(
    file: *mut c::sqlite3_file,
    size: c::sqlite3_int64,
) -> c_int {
    let Ok(size) = u64::try_from(size) else {
        return Code::IOERR_TRUNCATE.0;
    };
    // SAFETY: SQLite passes a file of ours.
    unsafe { with::<F>(file, "xTruncate", |file, _| file.truncate(size)) }
}

unsafe extern "C" fn sync<F: File>(file: *mut c::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite passes a file of ours.
    unsafe { with::<F>(file, "xSync", |file, _| file.sync()) }
}

unsafe extern "C" fn file_size<F: File>(
    file: *mut c::sqlite3_file,
    size: *mut c::sqlite3_int64,
) -> c_int {
    if size.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a file of ours and a number to fill.
    unsafe {
        with::<F>(file, "xFileSize", |file, _| {
            *size = i64::try_from(file.size()?).map_err(|_| Code::IOERR_FSTAT)?;
            Ok(())
        })
    }
}

unsafe extern "C" fn lock<F: File>(file: *mut c::sqlite3_file, level: c_int) -> c_int {
    let Some(level) = lock_level(level) else {
        return Code::MISUSE.0;
    };
    // SAFETY: SQLite passes a file of ours.
    unsafe { with::<F>(file, "xLock", |file, _| file.lock(level)) }
}

unsafe extern "C" fn unlock<F: File>(file: *mut c::sqlite3_file, level: c_int) -> c_int {
    let Some(level) = lock_level(level) else {
        return Code::MISUSE.0;
    };
    // SAFETY: SQLite passes a file of ours.
    unsafe { with::<F>(file, "xUnlock", |file, _| file.unlock(level)) }
}

fn lock_level(level: c_int) -> Option<Lock> {
    Some(match level {
        c::SQLITE_LOCK_NONE => Lock::None,
        c::SQLITE_LOCK_SHARED => Lock::Shared,
        c::SQLITE_LOCK_RESERVED => Lock::Reserved,
        c::SQLITE_LOCK_PENDING => Lock::Pending,
        c::SQLITE_LOCK_EXCLUSIVE => Lock::Exclusive,
        _ => return None,
    })
}

unsafe extern "C" fn check_reserved_lock<F: File>(
    file: *mut c::sqlite3_file,
    reserved: *mut c_int,
) -> c_int {
    if reserved.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite passes a file of ours and a number to fill.
    unsafe {
        with::<F>(file, "xCheckReservedLock", |file, _| {
            *reserved = file.check_reserved_lock()?.into();
            Ok(())
        })
    }
}

/// Pages of rollback journals are padded to this; the size of a file system's block.
unsafe extern "C" fn sector_size(_file: *mut c::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics<F: File>(file: *mut c::sqlite3_file) -> c_int {
    let mut characteristics = 0;
    // SAFETY: SQLite passes a file of ours.
    unsafe {
        with::<F>(file, "xDeviceCharacteristics", |file, _| {
            characteristics = file.device_characteristics();
            Ok(())
        });
    }
    characteristics
}

unsafe extern "C" fn file_control<F: File>(
    file: *mut c::sqlite3_file,
    opcode: c_int,
    argument: *mut c_void,
) -> c_int {
    // Most opcodes are not for us; they cost nothing.
    if !matches!(
        opcode,
        c::SQLITE_FCNTL_SYNC
            | c::SQLITE_FCNTL_COMMIT_PHASETWO
            | c::SQLITE_FCNTL_PDB
            | c::SQLITE_FCNTL_PRAGMA
            | c::SQLITE_FCNTL_SIZE_HINT
            | c::SQLITE_FCNTL_OVERWRITE
            | c::SQLITE_FCNTL_VFSNAME
    ) {
        return Code::NOTFOUND.0;
    }
    // SAFETY: SQLite passes a file of ours and the argument that goes with the opcode.
    unsafe {
        with::<F>(file, "xFileControl", |file, vfs| match opcode {
            c::SQLITE_FCNTL_SYNC => {
                let path = text(argument.cast());
                handled(file.control(Control::Sync {
                    super_journal: path.as_deref(),
                }))
            }
            c::SQLITE_FCNTL_COMMIT_PHASETWO => handled(file.control(Control::CommitPhaseTwo)),
            c::SQLITE_FCNTL_OVERWRITE => handled(file.control(Control::Overwrite)),
            _ if argument.is_null() => Err(Code::NOTFOUND),
            c::SQLITE_FCNTL_PDB => {
                let db = *argument.cast::<*mut c::sqlite3>();
                handled(file.control(Control::Connection(ConnectionId(db.addr()))))
            }
            c::SQLITE_FCNTL_SIZE_HINT => {
                let size = *argument.cast::<c::sqlite3_int64>();
                let size = u64::try_from(size).map_err(|_| Code::NOTFOUND)?;
                handled(file.control(Control::SizeHint(size)))
            }
            c::SQLITE_FCNTL_VFSNAME => {
                *argument.cast::<*mut c_char>() = host_text(vfs);
                Ok(())
            }
            _ => pragma(file, argument.cast()),
        })
    }
}

/// `SQLITE_FCNTL_PRAGMA`: an array of answer, name, value.
///
/// # Safety
/// `texts` has three elements; the second and third are null or end with NUL.
unsafe fn pragma<F: File>(file: &mut F, texts: *mut *mut c_char) -> Result<(), Code> {
    // SAFETY: as promised.
    let (name, value) = unsafe { (exact(*texts.add(1)), exact(*texts.add(2))) };
    // A name or value that is not UTF-8 cannot be meant for us.
    let (Ok(Some(name)), Ok(value)) = (name, value) else {
        return Err(Code::NOTFOUND);
    };
    let mut answer = None;
    let result = handled(file.control(Control::Pragma {
        name,
        value,
        answer: &mut answer,
    }));
    if result != Err(Code::NOTFOUND)
        && let Some(answer) = answer
    {
        // SAFETY: as promised; SQLite frees it.
        unsafe { *texts = host_text(&answer) };
    }
    result
}

fn handled(result: Result<Handled, Code>) -> Result<(), Code> {
    match result? {
        Handled::Yes => Ok(()),
        Handled::No => Err(Code::NOTFOUND),
    }
}

/// # Safety
/// `pointer` is null or ends with NUL.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: as promised.
    Some(
        unsafe { CStr::from_ptr(pointer) }
            .to_string_lossy()
            .into_owned(),
    )
}

/// # Safety
/// `pointer` is null or ends with NUL and lives for `'a`.
unsafe fn exact<'a>(pointer: *const c_char) -> Result<Option<&'a str>, std::str::Utf8Error> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: as promised.
    unsafe { CStr::from_ptr(pointer) }.to_str().map(Some)
}

//! Trampolines of `sqlite3_vfs`: <https://www.sqlite.org/c3ref/vfs.html>.
//!
//! Divisions: registration · open · paths · delegation of the rest to the host's own VFS.
//!
//! A registered VFS is never freed: the library stays loaded, and SQLite keeps the pointer.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::{PoisonError, RwLock};

use crate::api::call;
use crate::bindings as c;
use crate::file_ffi::{self, OpenFile};
use crate::guard::{code, guard};
use crate::{Access, Code, Delegated, Filename, OpenFlags, Opened, Vfs};

/// Longest path we take where the host's VFS takes less.
const MAX_PATHNAME: c_int = 4096;

/// A VFS and what its trampolines need.
#[repr(C)]
struct Registration<V> {
    base: c::sqlite3_vfs,
    methods: c::sqlite3_io_methods,
    host: *mut c::sqlite3_vfs,
    name: CString,
    vfs: V,
}

/// Ours, and the host's own VFS behind each. Only grows, once per name.
static REGISTERED: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

#[derive(Clone, Copy)]
struct Entry {
    ours: *mut c::sqlite3_vfs,
    host: *mut c::sqlite3_vfs,
}

// SAFETY: both point to VFS objects that live as long as the process and that SQLite itself
// shares between threads.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

/// Registers a VFS under a name that `vfs=` in a URI or `sqlite3_open_v2` gives. What it does not
/// do itself goes to the VFS that is the host's default now. If the name is ours already, nothing
/// happens.
///
/// # Errors
/// A sentence: the name is taken by somebody else, or the host has no VFS to delegate to.
pub fn register<V: Vfs>(name: &str, vfs: V, make_default: bool) -> Result<(), String> {
    let c_name = CString::new(name).map_err(|_| format!("{name:?} cannot name a VFS"))?;
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the names end with NUL; null asks for the default.
    let (taken, default) = unsafe {
        (
            call!(vfs_find(c_name.as_ptr())),
            call!(vfs_find(std::ptr::null())),
        )
    };
    if registered.iter().any(|entry| entry.ours == taken) {
        return Ok(());
    }
    if !taken.is_null() {
        return Err(format!("another VFS is already registered as {name}"));
    }
    let host = registered
        .iter()
        .find(|entry| entry.ours == default)
        .map_or(default, |e| e.host);
    if host.is_null() {
        return Err("this program's SQLite has no VFS of its own".to_owned());
    }
    // SAFETY: registered VFS objects live for ever.
    let base = base::<V>(unsafe { &*host });
    let methods = file_ffi::methods::<V::File>();
    let ours = Box::into_raw(Box::new(Registration {
        base,
        methods,
        host,
        name: c_name,
        vfs,
    }));
    // SAFETY: just allocated, leaked on purpose, known to nobody else yet.
    let code = unsafe {
        (*ours).base.zName = (*ours).name.as_ptr();
        file_ffi::announce::<V::File>(&raw const (*ours).methods);
        call!(vfs_register(ours.cast(), make_default.into()))
    };
    registered.push(Entry {
        ours: ours.cast(),
        host,
    });
    Code(code)
        .into_result()
        .map_err(|code| format!("SQLite refused the VFS {name}: {code:?}"))
}

/// Makes a VFS of ours the default for connections that name none, or gives the place back to the
/// host's own.
///
/// # Errors
/// A sentence: there is no VFS of ours under this name.
pub fn set_default(name: &str, on: bool) -> Result<(), String> {
    let unknown = || format!("no VFS of ours is registered as {name}");
    let c_name = CString::new(name).map_err(|_| unknown())?;
    // SAFETY: the name ends with NUL.
    let found = unsafe { call!(vfs_find(c_name.as_ptr())) };
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let entry = *registered
        .iter()
        .find(|entry| entry.ours == found)
        .ok_or_else(unknown)?;
    // SAFETY: both are registered; doing so again only moves them.
    let code = unsafe { call!(vfs_register(if on { entry.ours } else { entry.host }, 1)) };
    Code(code)
        .into_result()
        .map_err(|code| format!("SQLite refused the VFS {name}: {code:?}"))
}

/// The structure for SQLite. Optional methods are there exactly if the host's VFS has them.
fn base<V: Vfs>(host: &c::sqlite3_vfs) -> c::sqlite3_vfs {
    let ours = c_int::try_from(size_of::<OpenFile<V::File>>()).unwrap_or(c_int::MAX);
    let has_int64 = host.iVersion >= 2 && host.xCurrentTimeInt64.is_some();
    c::sqlite3_vfs {
        iVersion: if has_int64 { 2 } else { 1 },
        // The host's own files are opened in the same memory.
        szOsFile: ours.max(host.szOsFile),
        mxPathname: MAX_PATHNAME.max(host.mxPathname),
        pNext: std::ptr::null_mut(),
        zName: std::ptr::null(),
        pAppData: std::ptr::null_mut(),
        xOpen: Some(open::<V>),
        xDelete: Some(delete::<V>),
        xAccess: Some(access::<V>),
        xFullPathname: Some(full_pathname::<V>),
        xDlOpen: host.xDlOpen.and(Some(dl_open::<V>)),
        xDlError: host.xDlError.and(Some(dl_error::<V>)),
        xDlSym: host.xDlSym.and(Some(dl_sym::<V>)),
        xDlClose: host.xDlClose.and(Some(dl_close::<V>)),
        xRandomness: host.xRandomness.and(Some(randomness::<V>)),
        xSleep: host.xSleep.and(Some(sleep::<V>)),
        xCurrentTime: host.xCurrentTime.and(Some(current_time::<V>)),
        xGetLastError: host.xGetLastError.and(Some(get_last_error::<V>)),
        xCurrentTimeInt64: if has_int64 {
            Some(current_time_int64::<V>)
        } else {
            None
        },
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// The VFS behind SQLite's pointer and the host's own.
///
/// # Safety
/// `vfs` is null or the `base` of a [`Registration<V>`].
unsafe fn ours<V: Vfs>(
    vfs: *mut c::sqlite3_vfs,
) -> Option<(&'static V, &'static str, *mut c::sqlite3_vfs)> {
    if vfs.is_null() {
        return None;
    }
    let registration = vfs.cast::<Registration<V>>();
    // SAFETY: `base` is the first field, and registrations are never freed. Only `base` changes
    // (SQLite links its list through it), so the references are to other fields.
    unsafe {
        let name: &'static CString = &(*registration).name;
        Some((
            &(*registration).vfs,
            name.to_str().unwrap_or_default(),
            (*registration).host,
        ))
    }
}

unsafe extern "C" fn open<V: Vfs>(
    vfs: *mut c::sqlite3_vfs,
    name: c::sqlite3_filename,
    file: *mut c::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes our own structure, and memory of `szOsFile` bytes. Without a method
    // table SQLite does not close what was not opened.
    let this = unsafe {
        if file.is_null() {
            return Code::MISUSE.0;
        }
        (*file).pMethods = std::ptr::null();
        ours::<V>(vfs)
    };
    let Some((this, vfs_name, host)) = this else {
        return Code::MISUSE.0;
    };
    let opened = guard("xOpen", || {
        let is_database = flags & c::SQLITE_OPEN_MAIN_DB != 0;
        // SAFETY: SQLite's name, which lives longer than the file.
        let filename = (!name.is_null()).then(|| unsafe { Filename::new(name, is_database) });
        this.open(filename.as_ref(), OpenFlags(flags))
    });
    match opened {
        Err(_) => Code::IOERR.0,
        Ok(Err(error)) => code(Err(error)),
        // SAFETY: all arguments are SQLite's, the VFS is the host's.
        Ok(Ok(Opened::Host)) => unsafe {
            match (*host).xOpen {
                Some(open) => open(host, name, file, flags, out_flags),
                None => Code::CANTOPEN.0,
            }
        },
        Ok(Ok(Opened::File {
            file: opened,
            read_only,
        })) => {
            // SAFETY: the memory has room, the method table is the registration's and announced.
            unsafe {
                if !out_flags.is_null() {
                    *out_flags = granted(flags, read_only);
                }
                let methods = &raw const (*vfs.cast::<Registration<V>>()).methods;
                file_ffi::place(file, methods, vfs_name, opened);
            }
            Code::OK.0
        }
    }
}

fn granted(flags: c_int, read_only: bool) -> c_int {
    if read_only {
        (flags & !(c::SQLITE_OPEN_READWRITE | c::SQLITE_OPEN_CREATE)) | c::SQLITE_OPEN_READONLY
    } else {
        flags
    }
}

/// A path that is not UTF-8 cannot be ours: `None` sends it to the host's VFS.
///
/// # Safety
/// `path` is not null, ends with NUL and lives for `'a`.
unsafe fn path<'a>(path: *const c_char) -> Option<&'a str> {
    // SAFETY: as promised.
    unsafe { CStr::from_ptr(path) }.to_str().ok()
}

unsafe extern "C" fn delete<V: Vfs>(
    vfs: *mut c::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite passes our own structure.
    let Some((this, _, host)) = (unsafe { ours::<V>(vfs) }) else {
        return Code::MISUSE.0;
    };
    if name.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite's path.
    let done = unsafe { path(name) }.map_or(Ok(Ok(Delegated::Host)), |path| {
        guard("xDelete", || this.delete(path, sync_directory != 0))
    });
    match done {
        Err(_) => Code::IOERR_DELETE.0,
        Ok(Err(error)) => code(Err(error)),
        Ok(Ok(Delegated::Done(()))) => Code::OK.0,
        // SAFETY: the host's own VFS with SQLite's arguments.
        Ok(Ok(Delegated::Host)) => unsafe {
            (*host)
                .xDelete
                .map_or(Code::IOERR_DELETE.0, |f| f(host, name, sync_directory))
        },
    }
}

unsafe extern "C" fn access<V: Vfs>(
    vfs: *mut c::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes our own structure.
    let Some((this, _, host)) = (unsafe { ours::<V>(vfs) }) else {
        return Code::MISUSE.0;
    };
    if name.is_null() || result.is_null() {
        return Code::MISUSE.0;
    }
    let kind = match flags {
        c::SQLITE_ACCESS_READWRITE => Access::ReadWrite,
        c::SQLITE_ACCESS_READ => Access::Read,
        _ => Access::Exists,
    };
    // SAFETY: SQLite's path.
    let done = unsafe { path(name) }.map_or(Ok(Ok(Delegated::Host)), |path| {
        guard("xAccess", || this.access(path, kind))
    });
    match done {
        Err(_) => Code::IOERR_ACCESS.0,
        Ok(Err(error)) => code(Err(error)),
        Ok(Ok(Delegated::Done(yes))) => {
            // SAFETY: checked above.
            unsafe { *result = yes.into() };
            Code::OK.0
        }
        // SAFETY: the host's own VFS with SQLite's arguments.
        Ok(Ok(Delegated::Host)) => unsafe {
            (*host)
                .xAccess
                .map_or(Code::IOERR_ACCESS.0, |f| f(host, name, flags, result))
        },
    }
}

unsafe extern "C" fn full_pathname<V: Vfs>(
    vfs: *mut c::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    buffer: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes our own structure.
    let Some((this, _, host)) = (unsafe { ours::<V>(vfs) }) else {
        return Code::MISUSE.0;
    };
    if name.is_null() || buffer.is_null() {
        return Code::MISUSE.0;
    }
    // SAFETY: SQLite's path.
    let done = unsafe { path(name) }.map_or(Ok(Ok(Delegated::Host)), |path| {
        guard("xFullPathname", || this.full_pathname(path))
    });
    match done {
        Err(_) => Code::CANTOPEN_FULLPATH.0,
        Ok(Err(error)) => code(Err(error)),
        // SAFETY: the buffer has `size` bytes.
        Ok(Ok(Delegated::Done(path))) => unsafe { write_path(&path, size, buffer) },
        // SAFETY: the host's own VFS with SQLite's arguments.
        Ok(Ok(Delegated::Host)) => unsafe {
            (*host)
                .xFullPathname
                .map_or(Code::CANTOPEN_FULLPATH.0, |f| f(host, name, size, buffer))
        },
    }
}

/// # Safety
/// `buffer` has `size` bytes.
unsafe fn write_path(path: &str, size: c_int, buffer: *mut c_char) -> c_int {
    let size = usize::try_from(size).unwrap_or(0);
    if path.len() >= size || path.contains('\0') {
        return Code::CANTOPEN_FULLPATH.0;
    }
    // SAFETY: checked: the path and its NUL fit.
    unsafe {
        std::ptr::copy_nonoverlapping(path.as_ptr(), buffer.cast(), path.len());
        *buffer.add(path.len()) = 0;
    }
    Code::OK.0
}

/// Defines trampolines that hand a call on to the host's own VFS. None of them runs code of ours
/// that could panic; without a host method they answer what is given.
macro_rules! delegate {
    ($($name:ident => $method:ident($($argument:ident: $type:ty),*) $(-> $result:ty = $none:expr)?;)*) => {
        $(unsafe extern "C" fn $name<V: Vfs>(
            vfs: *mut c::sqlite3_vfs,
            $($argument: $type),*
        ) $(-> $result)? {
            // SAFETY: SQLite passes our own structure; the host's VFS gets SQLite's arguments.
            unsafe {
                let host = ours::<V>(vfs).map(|(_, _, host)| host);
                match host.and_then(|host| Some((host, (*host).$method?))) {
                    Some((host, method)) => method(host, $($argument),*),
                    None => { $($none)? }
                }
            }
        })*
    };
}

type Symbol = Option<unsafe extern "C" fn(*mut c::sqlite3_vfs, *mut c_void, *const c_char)>;

delegate! {
    dl_open => xDlOpen(path: *const c_char) -> *mut c_void = std::ptr::null_mut();
    dl_error => xDlError(size: c_int, message: *mut c_char);
    dl_sym => xDlSym(library: *mut c_void, symbol: *const c_char) -> Symbol = None;
    dl_close => xDlClose(library: *mut c_void);
    randomness => xRandomness(size: c_int, bytes: *mut c_char) -> c_int = 0;
    sleep => xSleep(microseconds: c_int) -> c_int = 0;
    current_time => xCurrentTime(day: *mut f64) -> c_int = Code::ERROR.0;
    get_last_error => xGetLastError(size: c_int, message: *mut c_char) -> c_int = 0;
    current_time_int64 => xCurrentTimeInt64(ms: *mut c::sqlite3_int64) -> c_int = Code::ERROR.0;
}

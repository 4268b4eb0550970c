//! The name SQLite passes to `xOpen`, and the URI parameters behind it.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::marker::PhantomData;

use crate::Code;
use crate::api::{c_text, call};

/// A file's name as passed to `xOpen`: <https://www.sqlite.org/c3ref/filename.html>.
#[derive(Clone, Copy)]
pub struct Filename<'a> {
    pointer: *const c_char,
    has_parameters: bool,
    lifetime: PhantomData<&'a CStr>,
}

impl<'a> Filename<'a> {
    /// # Safety
    /// `pointer` ends with NUL and lives for `'a`. If `has_parameters`, it came to `xOpen` as the
    /// name of a main database, so that SQLite's URI functions may be called with it.
    pub(crate) unsafe fn new(pointer: *const c_char, has_parameters: bool) -> Self {
        Self {
            pointer,
            has_parameters,
            lifetime: PhantomData,
        }
    }

    /// The path.
    ///
    /// # Errors
    /// `CANTOPEN` where it is not UTF-8; it is never altered.
    pub fn path(&self) -> Result<&'a str, Code> {
        self.as_c_str().to_str().map_err(|_| Code::CANTOPEN)
    }

    /// The path's bytes.
    #[must_use]
    pub fn as_c_str(&self) -> &'a CStr {
        // SAFETY: the constructor's contract.
        unsafe { CStr::from_ptr(self.pointer) }
    }

    /// The value of a URI parameter, the first if it is repeated:
    /// <https://www.sqlite.org/c3ref/uri_boolean.html>. Only a main database has any. Bytes that
    /// are not UTF-8 are replaced.
    #[must_use]
    pub fn uri_parameter(&self, name: &str) -> Option<String> {
        if !self.has_parameters {
            return None;
        }
        let name = c_text(name);
        // SAFETY: the constructor's contract; the value lives as long as the name.
        unsafe { text(call!(uri_parameter(self.pointer, name.as_ptr()))) }
    }

    /// A URI parameter as a boolean (`yes`, `on`, `true`, non-zero, and their opposites).
    #[must_use]
    pub fn uri_boolean(&self, name: &str, default: bool) -> bool {
        if !self.has_parameters {
            return default;
        }
        let name = c_text(name);
        // SAFETY: the constructor's contract.
        unsafe { call!(uri_boolean(self.pointer, name.as_ptr(), default.into())) != 0 }
    }

    /// All URI parameters in order.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        if !self.has_parameters {
            return Vec::new();
        }
        (0..)
            .map_while(|index| {
                // SAFETY: the constructor's contract; null after the last.
                unsafe { text(call!(uri_key(self.pointer, index))) }
            })
            .map(|key| {
                let value = self.uri_parameter(&key).unwrap_or_default();
                (key, value)
            })
            .collect()
    }
}

impl fmt::Debug for Filename<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_c_str().fmt(f)
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

//! SQL values: owned and borrowed.

use std::ffi::{c_int, c_void};
use std::slice;

use crate::api::call;
use crate::bindings as c;
use crate::{Code, Error};

/// A value of SQL.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

/// A value that belongs to SQLite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT as it is stored: SQLite does not check that it is UTF-8.
    Text(&'a [u8]),
    /// BLOB.
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// A copy.
    ///
    /// # Errors
    /// `MISMATCH` for text that is not UTF-8.
    pub fn to_value(self) -> Result<Value, Error> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(integer),
            Self::Real(real) => Value::Real(real),
            Self::Text(text) => Value::Text(utf8(text)?.to_owned()),
            Self::Blob(blob) => Value::Blob(blob.to_vec()),
        })
    }

    /// INTEGER, REAL, TEXT, BLOB or NULL.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "INTEGER",
            Self::Real(_) => "REAL",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BLOB",
        }
    }
}

impl Value {
    /// The same value, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(blob) => ValueRef::Blob(blob),
        }
    }
}

pub(crate) fn utf8(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|error| Error {
        code: Code::MISMATCH,
        message: format!("text is not valid UTF-8 at byte {}", error.valid_up_to()),
    })
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(blob: Vec<u8>) -> Self {
        Self::Blob(blob)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Reads a protected `sqlite3_value`. Text of another encoding is converted in place.
///
/// # Safety
/// `value` is valid and protected, and neither freed nor converted to UTF-16 during `'a`.
pub(crate) unsafe fn read<'a>(value: *mut c::sqlite3_value) -> ValueRef<'a> {
    // SAFETY: as promised. The length is asked for after the pointer, as SQLite demands.
    unsafe {
        match call!(value_type(value)) {
            c::SQLITE_INTEGER => ValueRef::Integer(call!(value_int64(value))),
            c::SQLITE_FLOAT => ValueRef::Real(call!(value_double(value))),
            c::SQLITE_TEXT => {
                let text = call!(value_text(value));
                ValueRef::Text(bytes(text, call!(value_bytes(value))))
            }
            c::SQLITE_BLOB => {
                let blob = call!(value_blob(value)).cast();
                ValueRef::Blob(bytes(blob, call!(value_bytes(value))))
            }
            _ => ValueRef::Null,
        }
    }
}

/// A slice that is empty where SQLite gives null (an empty blob, or out of memory).
///
/// # Safety
/// `start` is null or has `length` readable bytes for `'a`.
pub(crate) unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: as promised.
        Ok(length) if !start.is_null() => unsafe { slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

/// Sets a function's or column's result, copied by SQLite.
///
/// # Safety
/// `context` is the one passed to the running callback.
pub(crate) unsafe fn set_result(context: *mut c::sqlite3_context, value: ValueRef<'_>) {
    // SAFETY: as promised; SQLITE_TRANSIENT makes SQLite copy text and blobs before returning.
    unsafe {
        match value {
            ValueRef::Null => call!(result_null(context)),
            ValueRef::Integer(integer) => call!(result_int64(context, integer)),
            ValueRef::Real(real) => call!(result_double(context, real)),
            ValueRef::Text(text) => call!(result_text64(
                context,
                text.as_ptr().cast(),
                text.len() as u64,
                transient(),
                c::SQLITE_UTF8 as u8,
            )),
            ValueRef::Blob(blob) => {
                call!(result_blob64(
                    context,
                    blob.as_ptr().cast(),
                    blob.len() as u64,
                    transient()
                ));
            }
        }
    }
}

/// `SQLITE_TRANSIENT`: <https://www.sqlite.org/c3ref/c_static.html>.
pub(crate) fn transient() -> Option<unsafe extern "C" fn(*mut c_void)> {
    // SAFETY: not null; SQLite compares this value and never calls it.
    Some(unsafe { std::mem::transmute::<isize, unsafe extern "C" fn(*mut c_void)>(-1) })
}

//! Scalar functions and the arguments of all functions:
//! <https://www.sqlite.org/c3ref/create_function.html>.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::ops::BitOr;

use crate::api::{c_text, call};
use crate::bindings as c;
use crate::connection::name;
use crate::context::Context;
use crate::guard::{guard, guard_or};
use crate::value::{read, utf8};
use crate::{Code, Connection, Error, Value, ValueRef};

/// Why a function or a table failed: the statement ends with this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    message: String,
    code: Option<Code>,
}

impl FunctionError {
    /// A sentence for the user; the code is `SQLITE_ERROR`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: None,
        }
    }

    /// The same with another code.
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The code SQLite gets; never one that stands for success.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.code {
            None | Some(Code::OK | Code::ROW | Code::DONE) => Code::ERROR,
            Some(code) => code,
        }
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FunctionError {}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        Self {
            message: error.message,
            code: Some(error.code),
        }
    }
}

impl From<String> for FunctionError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for FunctionError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

/// What a function promises or demands: <https://www.sqlite.org/c3ref/c_deterministic.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionFlags(i32);

impl FunctionFlags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Only from top-level SQL: not from views, triggers, indexes or defaults.
    pub const DIRECTONLY: Self = Self(c::SQLITE_DIRECTONLY);
    /// The same arguments give the same result within a statement.
    pub const DETERMINISTIC: Self = Self(c::SQLITE_DETERMINISTIC);
    /// Harmless even when an untrusted schema calls it.
    pub const INNOCUOUS: Self = Self(c::SQLITE_INNOCUOUS);
    /// May give its result a subtype. Older hosts ignore it.
    pub const RESULT_SUBTYPE: Self = Self(c::SQLITE_RESULT_SUBTYPE);

    /// Gives way to any other function of the same name, and never replaces one: SQLite keeps
    /// functions for other text encodings apart, and prefers the one for the database's own. (A
    /// database in UTF-16 is the exception.) The arguments are the same.
    pub const YIELDING: Self = Self(c::SQLITE_UTF16BE & !c::SQLITE_UTF8);

    pub(crate) fn bits(self) -> c_int {
        c::SQLITE_UTF8 | self.0
    }
}

impl BitOr for FunctionFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The arguments of a call.
#[derive(Debug)]
pub struct Arguments<'a> {
    values: &'a [*mut c::sqlite3_value],
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// `values` is null or has `count` valid protected values for `'a`.
    pub(crate) unsafe fn new(count: c_int, values: *mut *mut c::sqlite3_value) -> Self {
        let values = match usize::try_from(count) {
            Ok(count) if !values.is_null() => {
                // SAFETY: as promised.
                unsafe { std::slice::from_raw_parts(values, count) }
            }
            _ => &[],
        };
        Self { values }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// None at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// An argument; the first is 0. NULL where it was not given.
    #[must_use]
    pub fn get(&self, index: usize) -> ValueRef<'a> {
        self.values.get(index).map_or(ValueRef::Null, |value| {
            // SAFETY: the constructor's contract; only this function reads it.
            unsafe { read(*value) }
        })
    }

    /// A copy of an argument.
    ///
    /// # Errors
    /// Text that is not UTF-8.
    pub fn value(&self, index: usize) -> Result<Value, FunctionError> {
        self.get(index)
            .to_value()
            .map_err(|error| self.wrong(index, &error.message))
    }

    /// A text argument; none for NULL.
    ///
    /// # Errors
    /// Another type, or text that is not UTF-8.
    pub fn text(&self, index: usize) -> Result<Option<&'a str>, FunctionError> {
        match self.get(index) {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => utf8(text)
                .map(Some)
                .map_err(|error| self.wrong(index, &error.message)),
            other => Err(self.unexpected(index, "TEXT", other)),
        }
    }

    /// An integer argument; none for NULL.
    ///
    /// # Errors
    /// Another type.
    pub fn integer(&self, index: usize) -> Result<Option<i64>, FunctionError> {
        match self.get(index) {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(integer) => Ok(Some(integer)),
            other => Err(self.unexpected(index, "INTEGER", other)),
        }
    }

    /// A numeric argument; none for NULL.
    ///
    /// # Errors
    /// Another type.
    pub fn real(&self, index: usize) -> Result<Option<f64>, FunctionError> {
        match self.get(index) {
            ValueRef::Null => Ok(None),
            ValueRef::Real(real) => Ok(Some(real)),
            ValueRef::Integer(integer) => Ok(Some(integer as f64)),
            other => Err(self.unexpected(index, "REAL", other)),
        }
    }

    /// A blob argument; none for NULL.
    ///
    /// # Errors
    /// Another type.
    pub fn blob(&self, index: usize) -> Result<Option<&'a [u8]>, FunctionError> {
        match self.get(index) {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(blob) => Ok(Some(blob)),
            other => Err(self.unexpected(index, "BLOB", other)),
        }
    }

    fn unexpected(&self, index: usize, expected: &str, found: ValueRef<'_>) -> FunctionError {
        self.wrong(
            index,
            &format!("expected {expected}, not {}", found.type_name()),
        )
    }

    fn wrong(&self, index: usize, what: &str) -> FunctionError {
        FunctionError::new(format!("argument {}: {what}", index + 1)).with_code(Code::MISMATCH)
    }
}

struct Scalar<F> {
    name: String,
    body: F,
}

impl Connection<'_> {
    /// Creates or replaces a scalar function of `arguments` arguments (-1: any number) whose
    /// result is what `body` returns. `body` is dropped when the function is replaced or the
    /// connection closed.
    ///
    /// # Errors
    /// SQLite's: a name that is too long, or a function of that name that is running.
    pub fn create_scalar<F>(
        &self,
        function: &str,
        arguments: i32,
        flags: FunctionFlags,
        body: F,
    ) -> Result<(), Error>
    where
        F: Fn(&Connection<'_>, &Arguments<'_>) -> Result<Value, FunctionError>
            + Send
            + Sync
            + 'static,
    {
        let direct = flags.0 & c::SQLITE_DIRECTONLY != 0;
        let name = function.to_owned();
        self.create_function(function, arguments, flags, move |context, arguments| {
            if direct && !context.connection().is_written(&name) {
                return Err(format!("unsafe use of {name}()").into());
            }
            context.set(body(context.connection(), arguments)?.as_ref());
            Ok(())
        })
    }

    /// The same for a body that sets its result itself ([`Context::set`]; NULL where it does not)
    /// and may keep data for the statement.
    ///
    /// # Errors
    /// As [`Connection::create_scalar`].
    pub fn create_function<F>(
        &self,
        function: &str,
        arguments: i32,
        flags: FunctionFlags,
        body: F,
    ) -> Result<(), Error>
    where
        F: Fn(&Context<'_>, &Arguments<'_>) -> Result<(), FunctionError> + Send + Sync + 'static,
    {
        let c_name = name(function)?;
        let scalar = Box::new(Scalar {
            name: function.to_owned(),
            body,
        });
        // SAFETY: the connection is open; `call_function::<F>` and `destroy` fit the boxed type,
        // which SQLite destroys once, also where this call fails.
        let code = unsafe {
            call!(create_function_v2(
                self.raw(),
                c_name.as_ptr(),
                arguments,
                flags.bits(),
                Box::into_raw(scalar).cast(),
                Some(call_function::<F>),
                None,
                None,
                Some(destroy::<Scalar<F>>),
            ))
        };
        self.check(code)
    }
}

/// `xFunc`.
unsafe extern "C" fn call_function<F>(
    context: *mut c::sqlite3_context,
    count: c_int,
    values: *mut *mut c::sqlite3_value,
) where
    F: Fn(&Context<'_>, &Arguments<'_>) -> Result<(), FunctionError>,
{
    guard_or("a function", (), || {
        // SAFETY: SQLite passes the context of a running function and its arguments.
        let (context, arguments) =
            unsafe { (Context::new(context, true), Arguments::new(count, values)) };
        let Some(context) = context else { return };
        // SAFETY: the function's data is the `Scalar<F>` that was registered with this very
        // trampoline, alive as long as the function.
        let scalar = unsafe { call!(user_data(context.raw())).cast::<Scalar<F>>().as_ref() };
        let Some(scalar) = scalar else { return };
        run(&context, &scalar.name, || {
            (scalar.body)(&context, &arguments)
        });
    });
}

/// Runs the body of a function's callback; an error or a panic becomes the function's error.
pub(crate) fn run(
    context: &Context<'_>,
    function: &str,
    body: impl FnOnce() -> Result<(), FunctionError>,
) {
    let outcome = guard("a function", body).unwrap_or_else(|panicked| {
        let message = panicked.message(&format!("{function}()"));
        Err(FunctionError::new(message).with_code(Code::IOERR))
    });
    if let Err(error) = outcome {
        let message = c_text(error.message());
        // SAFETY: the context of the running callback; SQLite copies the text. The code comes
        // second, because setting the text resets it.
        unsafe {
            call!(result_error(context.raw(), message.as_ptr(), -1));
            call!(result_error_code(context.raw(), error.code().0));
        }
    }
}

/// `xDestroy` for anything that was boxed.
///
/// # Safety
/// `pointer` is null or came from `Box::<T>::into_raw` and is not used again.
pub(crate) unsafe extern "C" fn destroy<T>(pointer: *mut c_void) {
    if pointer.is_null() {
        return;
    }
    guard_or("the end of a function", (), || {
        // SAFETY: as promised.
        drop(unsafe { Box::from_raw(pointer.cast::<T>()) });
    });
}

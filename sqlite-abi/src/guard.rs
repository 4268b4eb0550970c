//! The one place where a panic is stopped.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Code, log};

/// A callback panicked; it was logged.
#[derive(Debug)]
pub(crate) struct Panicked {
    detail: String,
}

impl Panicked {
    /// One sentence for the user, who knows the callback's owner by this name.
    pub(crate) fn message(&self, owner: &str) -> String {
        format!("internal error in {owner}: {}", self.detail)
    }
}

/// Runs a callback's body. A panic is logged as `SQLITE_IOERR` and returned.
pub(crate) fn guard<R>(callback: &str, body: impl FnOnce() -> R) -> Result<R, Panicked> {
    // The values a body leaves half-changed are its own file's or function's; those that matter
    // are poisoned by the caller.
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let panicked = Panicked {
            detail: describe(payload.as_ref()).to_owned(),
        };
        // A payload whose destructor panics must not do so outside.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        log(Code::IOERR, &panicked.message(callback));
        panicked
    })
}

/// Like [`guard`], with a value to return instead.
pub(crate) fn guard_or<R>(what: &str, otherwise: R, body: impl FnOnce() -> R) -> R {
    guard(what, body).unwrap_or(otherwise)
}

/// The callback's result as SQLite wants it. An error that claims to be `OK` is a bug of ours and
/// must not look like success.
pub(crate) fn code(result: Result<(), Code>) -> i32 {
    match result {
        Ok(()) => Code::OK.0,
        Err(Code::OK) => Code::IOERR.0,
        Err(code) => code.0,
    }
}

fn describe(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic")
}

/// Sends panic messages to the host's log instead of stderr. Only for a library that was loaded:
/// it has a standard library of its own, whereas a program's hook is the program's.
pub(crate) fn silence_panics() {
    std::panic::set_hook(Box::new(|info| log(Code::IOERR, &info.to_string())));
}

//! Programs that answer requests: `SELECT response FROM app WHERE request = '…'`.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::ffi::{self, Kind};

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// TEXT
    Text(String),
    /// BLOB
    Blob(Vec<u8>),
    /// NULL
    Null,
    /// The query fails with this sentence.
    Error(String),
}

/// What a handler of [`serve!`](crate::serve) can return: a text, a blob, `()` or `None` for NULL,
/// or a `Result` of these, whose errors are sentences for whoever asked.
pub trait IntoResponse {
    /// The answer it is.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::Text(self)
    }
}

impl IntoResponse for &str {
    fn into_response(self) -> Response {
        Response::Text(self.to_owned())
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::Blob(self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::Null
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        self.map_or(Response::Null, T::into_response)
    }
}

impl<T: IntoResponse, E: Display> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        self.map_or_else(|error| Response::Error(error.to_string()), T::into_response)
    }
}

/// What a handler of [`serve!`](crate::serve) can take: `&[u8]`, or `&str`, for which a request that
/// is not UTF-8 is an error.
pub trait Handler<Request: ?Sized> {
    /// Answers `request`.
    fn handle(&self, request: &[u8]) -> Response;
}

impl<F: Fn(&[u8]) -> R, R: IntoResponse> Handler<[u8]> for F {
    fn handle(&self, request: &[u8]) -> Response {
        self(request).into_response()
    }
}

impl<F: Fn(&str) -> R, R: IntoResponse> Handler<str> for F {
    fn handle(&self, request: &[u8]) -> Response {
        match std::str::from_utf8(request) {
            Ok(text) => self(text).into_response(),
            Err(_) => Response::Error("the request is not a text in UTF-8".to_owned()),
        }
    }
}

/// Makes the function `$handler` answer requests. It takes `&str` or `&[u8]` and returns what
/// [`IntoResponse`](crate::IntoResponse) can be made of. The crate's type is `cdylib`.
///
/// ```
/// fn shout(request: &str) -> Result<String, String> {
///     if request.is_empty() {
///         return Err("there is nothing to shout".into());
///     }
///     Ok(request.to_uppercase())
/// }
///
/// sqlbridge_guest::serve!(shout);
/// # fn main() {}
/// ```
///
/// A panic ends the query. Where panics unwind, the query's error is the panic's message. For
/// `wasm32-wasip1` they abort: the message is on stderr, and the host makes a fresh instance.
#[macro_export]
macro_rules! serve {
    ($handler:expr) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn sqlproxy_handle(length: i32) {
                $crate::answer(length, &$handler);
            }
        };
    };
}

/// Answers the request of `length` bytes that is waiting. For [`serve!`](crate::serve).
#[doc(hidden)]
pub fn answer<Request: ?Sized>(length: i32, handler: &impl Handler<Request>) {
    match respond(handler, &ffi::request(length)) {
        Response::Text(text) => ffi::respond(Kind::Text, text.as_bytes()),
        Response::Blob(blob) => ffi::respond(Kind::Blob, &blob),
        Response::Error(message) => ffi::respond(Kind::Error, message.as_bytes()),
        Response::Null => ffi::respond(Kind::Null, &[]),
    }
}

/// The answer of `handler`; a panic in it is an error. A handler that panicked may have left its
/// state half-changed, as one that returned early may have.
fn respond<Request: ?Sized>(handler: &impl Handler<Request>, request: &[u8]) -> Response {
    catch_unwind(AssertUnwindSafe(|| handler.handle(request))).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Response::Error(format!(
            "the program panicked: {}",
            message.unwrap_or("without a message")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_take_and_return_what_they_like() {
        fn text(request: &str) -> String {
            request.to_uppercase()
        }
        fn blob(request: &[u8]) -> Option<Vec<u8>> {
            (!request.is_empty()).then(|| request.to_vec())
        }
        fn fallible(request: &str) -> Result<&'static str, crate::Error> {
            if request.is_empty() {
                Err(crate::Error::NoRows)
            } else {
                Ok("yes")
            }
        }
        assert_eq!(respond(&text, b"abc"), Response::Text("ABC".into()));
        assert_eq!(
            respond(&text, b"\xff"),
            Response::Error("the request is not a text in UTF-8".into())
        );
        assert_eq!(respond(&blob, b"\xff"), Response::Blob(vec![0xff]));
        assert_eq!(respond(&blob, b""), Response::Null);
        assert_eq!(respond(&fallible, b"x"), Response::Text("yes".into()));
        assert_eq!(
            respond(&fallible, b""),
            Response::Error("the query has no rows, where one was needed".into())
        );
        assert_eq!(respond(&|_: &str| (), b""), Response::Null);
    }

    #[test]
    fn a_panic_is_an_error() {
        let handler = |request: &str| -> String { panic!("no {request}") };
        assert_eq!(
            respond(&handler, b"way"),
            Response::Error("the program panicked: no way".into())
        );
    }
}

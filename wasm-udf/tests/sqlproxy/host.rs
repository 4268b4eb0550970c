//! The host: `guest()` is an SQL function whose body each test brings along.

use std::cell::RefCell;
use std::sync::Once;

use rusqlite::Connection as Host;
use serde_json::Value as Json;
use sqlbridge_wasm_udf::sqlproxy::{Grant, Limits, Proxy};
use sqlite_abi::{Connection, Extension, FunctionFlags, Lent, Value, entry};

type Body = Box<dyn FnMut(&Connection<'_>) -> Value>;

thread_local! {
    static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
}

struct Guests;

impl Extension for Guests {
    const NAME: &'static str = "guests";
    const VERSION: &'static str = "1";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        let run = |connection: &Connection<'_>| {
            // Taken for the call, so that a body's SQL can call another one.
            let mut body = BODY.take().expect("a body");
            let value = body(connection);
            BODY.set(Some(body));
            value
        };
        connection
            .create_scalar("guest", -1, FunctionFlags::NONE, move |connection, _| {
                Ok(run(connection))
            })
            .map_err(|error| error.message)
    }
}

/// A database in memory that has the function.
pub(crate) fn open() -> Host {
    static LINKED: Once = Once::new();
    LINKED.call_once(|| entry::auto_extend_linked::<Guests>().unwrap());
    Host::open_in_memory().unwrap()
}

/// Runs `sql` of the host with this body for `guest()`.
pub(crate) fn with_body<R>(
    body: impl FnMut(&Connection<'_>) -> Value + 'static,
    run: impl FnOnce() -> R,
) -> R {
    let before = BODY.replace(Some(Box::new(body)));
    let result = run();
    BODY.set(before);
    result
}

/// A guest in a call: sends requests in JSON.
pub(crate) struct Guest<'a> {
    pub proxy: &'a mut Proxy,
    pub lent: &'a Lent,
}

impl Guest<'_> {
    pub(crate) fn send(&mut self, request: &Json) -> Json {
        self.send_text(&request.to_string())
    }

    pub(crate) fn send_text(&mut self, request: &str) -> Json {
        let answer = self.proxy.handle(self.lent, request.as_bytes());
        serde_json::from_slice(&answer)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&answer)))
    }

    /// Sends a request that must be answered.
    pub(crate) fn ok(&mut self, request: Json) -> Json {
        let answer = self.send(&request);
        assert_eq!(answer.get("error"), None, "{request} -> {answer}");
        answer
    }

    /// Sends a request that must be refused; the code's name and the message.
    pub(crate) fn error(&mut self, request: Json) -> (String, String) {
        let answer = self.send(&request);
        let text = |name: &str| answer["error"][name].as_str().map(str::to_owned);
        match (text("code"), text("message")) {
            (Some(code), Some(message)) => (code, message),
            _ => panic!("{request} -> {answer}"),
        }
    }

    pub(crate) fn exec(&mut self, sql: &str) -> Json {
        self.ok(serde_json::json!({"command": "exec", "sql": sql}))
    }

    /// All rows of a query.
    pub(crate) fn rows(&mut self, sql: &str) -> Json {
        self.ok(serde_json::json!({"command": "query", "sql": sql}))["rows"].take()
    }
}

/// Runs `call`, a statement of the host with `guest()` in it, with a guest of this grant.
pub(crate) fn call(
    host: &Host,
    call: &str,
    grant: Grant,
    body: impl FnMut(&mut Guest<'_>) + 'static,
) {
    limited(host, call, grant, Limits::default(), body);
}

pub(crate) fn limited(
    host: &Host,
    call: &str,
    grant: Grant,
    limits: Limits,
    mut body: impl FnMut(&mut Guest<'_>) + 'static,
) {
    let mut proxy = Proxy::new("tested", grant, limits);
    // A panic in a function becomes an error of the statement; the test wants the panic.
    let outcome = with_body(
        move |connection| {
            connection.lend(|lent| {
                body(&mut Guest {
                    proxy: &mut proxy,
                    lent,
                });
                proxy.end();
            });
            Value::Integer(1)
        },
        || host.execute_batch(call),
    );
    outcome.unwrap();
}

/// The usual case: one call, by a plain SELECT, of a guest that may write.
pub(crate) fn inside(host: &Host, body: impl FnMut(&mut Guest<'_>) + 'static) {
    call(host, "SELECT guest()", Grant::Write, body);
}

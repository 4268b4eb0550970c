//! The host: `guest()` is an SQL function whose body each test brings along.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Once;

use rusqlite::Connection as Host;
use serde_json::Value as Json;
use sqlbridge_wasm_udf::sqlproxy::{Grant, Limits, Proxy};
use sqlite_abi::{
    Column, Connection, Extension, FunctionError, FunctionFlags, Lent, Rows, TableFunction, Value,
    entry,
};

type Body = Rc<dyn Fn(&Connection<'_>) -> Value>;

thread_local! {
    static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
    /// How often something was called that a guest must not reach.
    pub(crate) static REACHED: Cell<u32> = const { Cell::new(0) };
    /// What the next connection has besides.
    static EXTRA: Cell<Option<fn(&Connection<'_>)>> = const { Cell::new(None) };
}

struct Guests;

impl Extension for Guests {
    const NAME: &'static str = "guests";
    const VERSION: &'static str = "1";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        let run = |connection: &Connection<'_>| {
            // Cloned, so that a body's SQL can call it again.
            let body = BODY.with_borrow(Clone::clone).expect("a body");
            body(connection)
        };
        connection
            .create_scalar("guest", -1, FunctionFlags::NONE, move |connection, _| {
                Ok(run(connection))
            })
            .map_err(|error| error.message)?;
        forbidden(connection, "danger", -1, FunctionFlags::NONE);
        forbidden(connection, "direct", -1, FunctionFlags::DIRECTONLY);
        connection.create_table_function(Reach).unwrap();
        connection
            .create_scalar("tame", -1, FunctionFlags::INNOCUOUS, |_, _| {
                Ok(Value::Integer(7))
            })
            .unwrap();
        if let Some(extra) = EXTRA.take() {
            extra(connection);
        }
        Ok(())
    }
}

/// A function that a guest must not reach.
pub(crate) fn forbidden(connection: &Connection<'_>, name: &str, count: i32, flags: FunctionFlags) {
    connection
        .create_scalar(name, count, flags, |_, _| {
            reached();
            Ok(Value::Integer(13))
        })
        .unwrap();
}

fn reached() {
    REACHED.set(REACHED.get() + 1);
}

/// A virtual table that exists without being created, and that a guest must not reach.
struct Reach;

impl TableFunction for Reach {
    fn name(&self) -> &str {
        "reach"
    }

    fn columns(&self) -> &[Column] {
        static COLUMNS: [Column; 2] = [
            Column::new("content", "TEXT"),
            Column::argument("path", "TEXT"),
        ];
        &COLUMNS
    }

    fn rows(&self, _: &Connection<'_>, _: &[Option<Value>]) -> Result<Rows, FunctionError> {
        reached();
        Ok(Box::new(std::iter::once(Ok(vec![Value::from("secret")]))))
    }
}

/// A database in memory that has the function.
pub(crate) fn open() -> Host {
    static LINKED: Once = Once::new();
    LINKED.call_once(|| entry::auto_extend_linked::<Guests>().unwrap());
    Host::open_in_memory().unwrap()
}

/// The same with something more on the connection.
pub(crate) fn open_with(extra: fn(&Connection<'_>)) -> Host {
    EXTRA.set(Some(extra));
    open()
}

/// Runs `sql` of the host with this body for `guest()`.
pub(crate) fn with_body<R>(
    body: impl Fn(&Connection<'_>) -> Value + 'static,
    run: impl FnOnce() -> R,
) -> R {
    let before = BODY.replace(Some(Rc::new(body)));
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
    body: impl FnMut(&mut Guest<'_>) + 'static,
) {
    let outcome = with_proxy(Proxy::new("procedure tested", grant, limits), body, || {
        host.execute_batch(call)
    });
    outcome.unwrap();
}

/// Runs `run` with a guest of this grant behind `guest()`.
pub(crate) fn with_guest<R>(
    grant: Grant,
    body: impl FnMut(&mut Guest<'_>) + 'static,
    run: impl FnOnce() -> R,
) -> R {
    with_proxy(
        Proxy::new("procedure tested", grant, Limits::default()),
        body,
        run,
    )
}

pub(crate) fn with_proxy<R>(
    proxy: Proxy,
    body: impl FnMut(&mut Guest<'_>) + 'static,
    run: impl FnOnce() -> R,
) -> R {
    let (proxy, body) = (RefCell::new(proxy), RefCell::new(body));
    with_body(
        move |connection| {
            connection.lend(|lent| {
                let proxy = &mut *proxy.borrow_mut();
                body.borrow_mut()(&mut Guest { proxy, lent });
                proxy.end();
            });
            Value::Integer(1)
        },
        run,
    )
}

/// The usual case: one call, by a plain SELECT, of a guest that may write.
pub(crate) fn inside(host: &Host, body: impl FnMut(&mut Guest<'_>) + 'static) {
    call(host, "SELECT guest()", Grant::Write, body);
}

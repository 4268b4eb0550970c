//! The host interface `sqlproxy`, version 1: SQL for programs inside the database.
//!
//! | module | what |
//! | --- | --- |
//! | [`gate`] | which SQL a guest may run |
//! | `commands` | what each command does |
//! | `session` | statements, cursors, transactions of a call |
//! | `transactions`, `pool`, `rows`, `warm` | its parts |
//! | `request`, `node`, `messagepack`, `time` | reading a request |
//! | `answer`, `error` | writing the answer |
//!
//! `docs/host-interface.md` is the page for authors of guests. Nothing here knows of a sandbox:
//! bytes come in, bytes go out.

mod answer;
mod commands;
mod error;
pub mod gate;
mod messagepack;
mod node;
mod pool;
mod request;
mod rows;
mod session;
mod time;
mod transactions;
mod warm;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sqlite_abi::{Code, ConnectionId, Lent, log};

use answer::{Encoding, Open, Writer};
use error::Error;
use gate::Catalog;
pub use gate::Grant;
use request::Request;
use session::{Prepared, Session};
pub(crate) use warm::Warm;

/// The version of the interface.
pub const VERSION: i64 = 1;

/// What a guest may have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Prepared statements; as many more are kept compiled for texts that come again.
    pub statements: usize,
    /// Open cursors.
    pub cursors: usize,
    /// Bytes of a request, of an answer, and of a value or row in between.
    pub result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statements: 128,
            cursors: 64,
            result_bytes: 16 << 20,
        }
    }
}

/// What holds for a guest.
pub(crate) struct Rules {
    /// What it is, and its name.
    guest: String,
    grant: Grant,
    limits: Limits,
    callable: Box<Callable>,
    /// The kind of virtual tables that is open to it besides the harmless ones.
    tables: Option<&'static str>,
    watch: Box<Watch>,
    /// A request's own time limit has interrupted the connection.
    interrupted: Arc<AtomicBool>,
}

/// Runs something on a connection, and interrupts the connection where that is later than a time.
type Watch = dyn Fn(&Lent, Instant, &mut dyn FnMut()) + Send;

/// Whether a connection has a name that a guest may call.
type Callable = dyn Fn(ConnectionId, &str) -> bool + Send;

impl Rules {
    /// Runs a request that has to be answered until `deadline`. A single step of SQLite's that takes
    /// longer is interrupted, and so is all that the connection runs, until the host's own statement
    /// ends.
    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    fn within(
        &self,
        connection: &Lent,
        deadline: Instant,
        request: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut request = Some(request);
        let mut outcome = Ok(());
        (self.watch)(connection, deadline, &mut || {
            if let Some(request) = request.take() {
                outcome = request();
            }
        });
        let is_late = |error: &Error| error.code() == Code::INTERRUPT && Instant::now() >= deadline;
        if let Err(error) = &outcome
            && is_late(error)
            && matches!(error.cause(), Error::Sqlite(_))
        {
            self.interrupted.store(true, Ordering::Relaxed);
            return Err(Error::Timeout);
        }
        outcome
    }

    fn refused(&self, refusal: gate::Refusal) -> Error {
        Error::Refused {
            guest: self.guest.clone(),
            refusal,
        }
    }
}

/// The interface as one instance of a guest has it. What the connection has (functions, kinds of
/// virtual tables) is asked for once for each statement of the host's: an instance that is kept
/// longer says with [`Proxy::begin`] that there is a new one.
pub struct Proxy {
    rules: Rules,
    catalog: Option<Catalog>,
    prepared: Prepared,
    session: Option<Session>,
    /// Whether statements are kept from call to call, because the loan lasts longer than one; and
    /// those, between calls.
    keeps: bool,
    warm: Option<Warm>,
    /// Of the last answer, to be used again.
    open: Open,
}

impl Proxy {
    /// For an instance of a guest: what it is and its name, for messages.
    #[must_use]
    pub fn new(guest: impl Into<String>, grant: Grant, limits: Limits) -> Self {
        Self {
            rules: Rules {
                guest: guest.into(),
                grant,
                limits,
                callable: Box::new(|_, _| false),
                tables: None,
                watch: Box::new(|_, _, body| body()),
                interrupted: Arc::default(),
            },
            catalog: None,
            prepared: Prepared::default(),
            session: None,
            keeps: false,
            warm: None,
            open: Open::new(),
        }
    }

    /// Lets the guest's SQL call functions and table-valued functions that would be refused,
    /// by name (in lower case): procedures.
    #[must_use]
    pub fn allowing(
        mut self,
        callable: impl Fn(ConnectionId, &str) -> bool + Send + 'static,
    ) -> Self {
        self.rules.callable = Box::new(callable);
        self
    }

    /// How a request that has a time limit of its own is stopped. Without it, it is between rows.
    #[must_use]
    pub(crate) fn watched(
        mut self,
        watch: impl Fn(&Lent, Instant, &mut dyn FnMut()) + Send + 'static,
    ) -> Self {
        self.rules.watch = Box::new(watch);
        self
    }

    /// Whether the connection is interrupted by a request's own time limit, not by its user.
    pub(crate) fn interrupted(&self) -> &Arc<AtomicBool> {
        &self.rules.interrupted
    }

    /// Lets the guest's SQL use virtual tables of this kind, which would be refused.
    #[must_use]
    pub(crate) fn with_tables(mut self, kind: &'static str) -> Self {
        self.rules.tables = Some(kind);
        self
    }

    /// Whether the caller's own statements would now run in the middle of something of the
    /// guest's: a transaction, or a statement that changes the database and has rows left.
    pub(crate) fn is_changing(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_changing)
    }

    /// A new statement of the host's begins: what the connection has is to be asked for again. Its
    /// loan lasts longer: statements of earlier calls are taken over, and can be [taken](Self::cool)
    /// afterwards.
    pub(crate) fn begin(&mut self, warm: Option<Warm>) {
        self.catalog = None;
        self.keeps = true;
        self.warm = warm;
    }

    /// The statements for the next call.
    pub(crate) fn cool(&mut self) -> Option<Warm> {
        self.warm.take()
    }

    /// Answers a request. Whatever is wrong is in the answer.
    pub fn handle(&mut self, connection: &Lent, request: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        self.handle_into(connection, request, &mut answer);
        answer
    }

    /// The same; the answer takes the place of what is in `room`.
    pub fn handle_into(&mut self, connection: &Lent, request: &[u8], room: &mut Vec<u8>) {
        let encoding = if request.first() == Some(&b'{') {
            Encoding::Json
        } else {
            Encoding::MessagePack
        };
        let open = std::mem::take(&mut self.open);
        let mut answer = Writer::new(encoding, std::mem::take(room), open);
        if let Err(error) = self.serve(connection, request, &mut answer) {
            answer.begin_again();
            error.write(&self.rules, &mut answer);
        }
        (*room, self.open) = answer.finish();
    }

    /// Ends what a call of the guest left behind: cursors are closed, transactions rolled back to
    /// where they began. Prepared statements keep their numbers. To be called after each call, also after one
    /// that failed, while the connection is still lent.
    pub fn end(&mut self) {
        self.rules.interrupted.store(false, Ordering::Relaxed);
        let Some(session) = self.session.take() else {
            return;
        };
        let (warm, ended) = session.end(self.keeps);
        self.warm = warm;
        if let Err(error) = ended {
            let guest = &self.rules.guest;
            log(
                error.code(),
                &format!("{guest}: its transaction could not be rolled back: {error}"),
            );
        }
    }

    fn serve(
        &mut self,
        connection: &Lent,
        request: &[u8],
        answer: &mut Writer,
    ) -> Result<(), Error> {
        let limit = self.rules.limits.result_bytes;
        if request.len() > limit {
            return Err(Error::TooLarge {
                guest: self.rules.guest.clone(),
                what: "the request",
                limit: "limit result_bytes",
                value: limit,
                advice: "send less at a time",
            });
        }
        let request = if request.first() == Some(&b'{') {
            Request::new(node::from_json(request).map_err(Error::Request)?)?
        } else {
            Request::of(messagepack::request(request).map_err(Error::Request)?)?
        };
        let rules = &self.rules;
        let catalog = &mut self.catalog;
        let known = self
            .session
            .take_if(|session| !session.lent.same_loan(connection));
        drop(known);
        let prepared = &mut self.prepared;
        let warm = &mut self.warm;
        let session = self
            .session
            .get_or_insert_with(|| Session::new(connection.clone(), rules, prepared, warm.take()));
        connection.with(|db| {
            db.with_lower_limits(limit, || {
                session.run(rules, catalog, prepared, request, answer)
            })
        })?
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

impl Error {
    /// Writes it as an answer.
    fn write(&self, rules: &Rules, answer: &mut Writer) {
        let code = self.code();
        let mut message = self.to_string();
        if let Self::Sqlite(error) = self.cause()
            && error.code == Code::TOOBIG
        {
            let limit = rules.limits.result_bytes;
            message = format!(
                "{}: {message} (limit result_bytes, {limit} bytes; less for each value where a statement computes many)",
                rules.guest
            );
        }
        answer.begin_map();
        answer.key("error");
        answer.begin_map();
        answer.key("code");
        answer.text(&error::name(code));
        answer.key("extended");
        answer.integer(code.0.into());
        answer.key("message");
        answer.text(&message);
        if let Self::Row { row, .. } = self {
            answer.key("row");
            answer.integer(i64::try_from(*row).unwrap_or(i64::MAX));
        }
        answer.end_map();
        answer.end_map();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("guest", &self.rules.guest)
            .field("grant", &self.rules.grant)
            .field("limits", &self.rules.limits)
            .finish_non_exhaustive()
    }
}

//! The host interface `sqlproxy`, version 1: SQL for programs inside the database.
//!
//! | module | what |
//! | --- | --- |
//! | [`gate`] | which SQL a procedure may run |
//! | `commands` | what each command does |
//! | `session` | statements, cursors, transactions of a call |
//! | `transactions`, `pool`, `rows` | its parts |
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

use std::fmt;

use sqlite_abi::{Code, Lent, log};

use answer::{Encoding, Writer};
use error::Error;
use gate::Catalog;
pub use gate::Grant;
use request::Request;
use session::Session;

/// The version of the interface.
pub const VERSION: i64 = 1;

/// What a procedure may have at a time.
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

/// What holds for a procedure.
pub(crate) struct Rules {
    procedure: String,
    grant: Grant,
    limits: Limits,
    callable: Box<dyn Fn(&str) -> bool + Send>,
}

impl Rules {
    fn refused(&self, refusal: gate::Refusal) -> Error {
        Error::Refused {
            procedure: self.procedure.clone(),
            refusal,
        }
    }
}

/// The interface as one instance of a guest has it. An instance lives within one statement of the
/// host's; a new statement needs a new one, because what the connection has (functions, kinds of
/// virtual tables) is asked for once.
pub struct Proxy {
    rules: Rules,
    catalog: Option<Catalog>,
    session: Option<Session>,
}

impl Proxy {
    /// For an instance of a procedure.
    #[must_use]
    pub fn new(procedure: impl Into<String>, grant: Grant, limits: Limits) -> Self {
        Self {
            rules: Rules {
                procedure: procedure.into(),
                grant,
                limits,
                callable: Box::new(|_| false),
            },
            catalog: None,
            session: None,
        }
    }

    /// Lets the procedure's SQL call functions and table-valued functions that would be refused,
    /// by name (in lower case): other procedures.
    #[must_use]
    pub fn allowing(mut self, callable: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.rules.callable = Box::new(callable);
        self
    }

    /// Answers a request. Whatever is wrong is in the answer.
    pub fn handle(&mut self, connection: &Lent, request: &[u8]) -> Vec<u8> {
        let encoding = if request.first() == Some(&b'{') {
            Encoding::Json
        } else {
            Encoding::MessagePack
        };
        let mut answer = Writer::new(encoding);
        if let Err(error) = self.serve(connection, request, &mut answer) {
            answer = Writer::new(encoding);
            error.write(&self.rules, &mut answer);
        }
        answer.finish()
    }

    /// Ends what a call of the procedure left behind: cursors and statements are closed,
    /// transactions rolled back to where they began. To be called after each call, also after one
    /// that failed, while the connection is still lent.
    pub fn end(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.end()
        {
            let procedure = &self.rules.procedure;
            log(
                error.code(),
                &format!(
                    "procedure {procedure}: its transaction could not be rolled back: {error}"
                ),
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
                procedure: self.rules.procedure.clone(),
                what: "the request",
                limit: "limit result_bytes",
                value: limit,
                advice: "send less at a time",
            });
        }
        let node = if request.first() == Some(&b'{') {
            node::from_json(request)
        } else {
            messagepack::read(request)
        };
        let request = Request::new(node.map_err(Error::Request)?)?;
        let rules = &self.rules;
        let catalog = &mut self.catalog;
        let known = self
            .session
            .take_if(|session| !session.lent.same_loan(connection));
        drop(known);
        let session = self
            .session
            .get_or_insert_with(|| Session::new(connection.clone(), rules));
        connection.with(|db| {
            db.with_lower_limits(limit, || session.run(rules, catalog, request, answer))
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
        if let Self::Sqlite(error) = self
            && error.code == Code::TOOBIG
        {
            let limit = rules.limits.result_bytes;
            message = format!(
                "procedure {}: {message} (limit result_bytes, {limit} bytes)",
                rules.procedure
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
        answer.end_map();
        answer.end_map();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("procedure", &self.rules.procedure)
            .field("grant", &self.rules.grant)
            .field("limits", &self.rules.limits)
            .finish_non_exhaustive()
    }
}

//! What a guest asks for: the entries of a request made a command. See `docs/host-interface.md`.

use std::borrow::Cow;
use std::time::Duration;

use super::error::Error;
use super::node::Node;

/// A command with the connection of the guest it is for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) connection: i64,
    /// The innermost transaction, if the guest says which it believes that to be.
    pub(crate) transaction: Option<i64>,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    pub(crate) command: Command<'a>,
}

#[derive(Debug)]
pub(crate) enum Command<'a> {
    Query {
        target: Target<'a>,
        values: Values<'a>,
        /// Rows in a batch; 0: all at once.
        fetch: usize,
    },
    Fetch {
        cursor: i64,
        fetch: Option<usize>,
    },
    CloseRows {
        cursor: i64,
    },
    Exec {
        target: Target<'a>,
        values: Values<'a>,
    },
    /// The same statement for each of many rows of values.
    ExecMany {
        target: Target<'a>,
        rows: Vec<Values<'a>>,
    },
    Prepare {
        sql: Cow<'a, str>,
    },
    CloseStatement {
        statement: i64,
    },
    Begin {
        mode: Mode,
        read_only: bool,
    },
    Commit,
    Rollback,
    Ping,
    CloseConnection,
    Batch {
        requests: Vec<Node<'a>>,
        stop: bool,
    },
    Drizzle {
        sql: Cow<'a, str>,
        values: Values<'a>,
        method: Method,
    },
}

/// The statement to run.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    Sql(Cow<'a, str>),
    Prepared(i64),
}

/// What is bound.
#[derive(Debug)]
pub(crate) enum Values<'a> {
    InOrder(Vec<Node<'a>>),
    Named(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// When a transaction takes its locks: <https://www.sqlite.org/lang_transaction.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Deferred,
    Immediate,
    Exclusive,
}

/// How Drizzle wants the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Run,
    All,
    Get,
}

impl<'a> Request<'a> {
    /// Of a tree.
    ///
    /// # Errors
    /// What is missing or of the wrong kind.
    pub(crate) fn new(node: Node<'a>) -> Result<Self, Error> {
        let kind = node.kind();
        let Node::Map(entries) = node else {
            return Err(wrong(&format!("a request is an object, not {kind}")));
        };
        let mut fields = Fields::new();
        for (name, node) in entries {
            fields.put(name.as_bytes(), node);
        }
        Self::of(fields)
    }

    /// # Errors
    /// What is missing or of the wrong kind.
    pub(crate) fn of(mut fields: Fields<'a>) -> Result<Self, Error> {
        let connection = fields.integer(Field::ConnId)?.unwrap_or(0);
        let transaction = fields.integer(Field::TxId)?;
        let timeout = fields.count(Field::TimeoutMs)?;
        let command = match fields.text(Field::Command)? {
            Some(command) => self::command(&command, &mut fields, transaction)?,
            None => drizzle(&mut fields)?,
        };
        Ok(Self {
            connection,
            transaction,
            timeout: timeout.map(|ms| Duration::from_millis(ms as u64)),
            command,
        })
    }
}

fn command<'a>(
    command: &str,
    fields: &mut Fields<'a>,
    transaction: Option<i64>,
) -> Result<Command<'a>, Error> {
    Ok(match command {
        "query" => Command::Query {
            target: fields.target()?,
            values: fields.values(Field::Args)?,
            fetch: fields.count(Field::Fetch)?.unwrap_or(0),
        },
        "fetch" => Command::Fetch {
            cursor: fields.need_integer(Field::CursorId)?,
            fetch: fields.count(Field::Fetch)?,
        },
        "close_rows" => Command::CloseRows {
            cursor: fields.need_integer(Field::CursorId)?,
        },
        "exec" => exec(fields)?,
        "prepare" => Command::Prepare {
            sql: fields.need_text(Field::Sql)?,
        },
        "close_stmt" => Command::CloseStatement {
            statement: fields.need_integer(Field::StmtId)?,
        },
        "begin_tx" => Command::Begin {
            mode: mode(fields.text(Field::Mode)?.as_deref())?,
            read_only: fields.boolean(Field::ReadOnly)?.unwrap_or(false),
        },
        "commit" | "rollback" if transaction.is_none() => {
            return Err(wrong(&format!("{command} needs tx_id")));
        }
        "commit" => Command::Commit,
        "rollback" => Command::Rollback,
        "ping" => Command::Ping,
        "close_conn" => Command::CloseConnection,
        "batch" => batch(fields)?,
        other => return Err(wrong(&format!("there is no command {other:?}"))),
    })
}

fn exec<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Error> {
    let target = fields.target()?;
    let Some(rows) = fields.take(Field::Rows) else {
        let values = fields.values(Field::Args)?;
        return Ok(Command::Exec { target, values });
    };
    if fields.take(Field::Args).is_some() {
        return Err(wrong("exec takes either args or rows"));
    }
    let Node::List(rows) = rows else {
        return Err(unexpected(Field::Rows.name(), "a list", &rows));
    };
    let row = |row| values(row, "a row");
    let rows = rows.into_iter().map(row).collect::<Result<_, _>>()?;
    Ok(Command::ExecMany { target, rows })
}

fn batch<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Error> {
    let requests = match fields.take(Field::Requests) {
        Some(Node::List(requests)) => requests,
        _ => return Err(wrong("batch needs requests, a list")),
    };
    let stop = match fields.text(Field::OnError)?.as_deref() {
        None | Some("stop") => true,
        Some("continue") => false,
        Some(other) => {
            return Err(wrong(&format!(
                "on_error is stop or continue, not {other:?}"
            )));
        }
    };
    Ok(Command::Batch { requests, stop })
}

fn drizzle<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Error> {
    let (Some(sql), Some(method)) = (fields.text(Field::Sql)?, fields.text(Field::Method)?) else {
        return Err(wrong("it has neither command, nor sql with method"));
    };
    let method = match method.as_ref() {
        "run" => Method::Run,
        "all" | "values" => Method::All,
        "get" => Method::Get,
        other => {
            return Err(wrong(&format!(
                "method is run, all, values or get, not {other:?}"
            )));
        }
    };
    Ok(Command::Drizzle {
        sql,
        values: fields.values(Field::Params)?,
        method,
    })
}

fn mode(text: Option<&str>) -> Result<Mode, Error> {
    match text {
        None | Some("deferred") => Ok(Mode::Deferred),
        Some("immediate") => Ok(Mode::Immediate),
        Some("exclusive") => Ok(Mode::Exclusive),
        Some(other) => Err(wrong(&format!(
            "mode is deferred, immediate or exclusive, not {other:?}"
        ))),
    }
}

fn wrong(what: &str) -> Error {
    Error::Request(what.to_owned())
}

/// The entries of a request that are known and not null. Of two with one name the first counts; others
/// are passed over.
pub(crate) struct Fields<'a>(Vec<(Field, Node<'a>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Command,
    Sql,
    Args,
    Rows,
    TxId,
    ConnId,
    StmtId,
    Fetch,
    CursorId,
    TimeoutMs,
    Params,
    Method,
    Mode,
    ReadOnly,
    Requests,
    OnError,
}

/// As they are called.
const NAMES: [(&str, Field); 16] = [
    ("command", Field::Command),
    ("sql", Field::Sql),
    ("args", Field::Args),
    ("rows", Field::Rows),
    ("tx_id", Field::TxId),
    ("conn_id", Field::ConnId),
    ("stmt_id", Field::StmtId),
    ("fetch", Field::Fetch),
    ("cursor_id", Field::CursorId),
    ("timeout_ms", Field::TimeoutMs),
    ("params", Field::Params),
    ("method", Field::Method),
    ("mode", Field::Mode),
    ("read_only", Field::ReadOnly),
    ("requests", Field::Requests),
    ("on_error", Field::OnError),
];

impl Field {
    fn named(name: &[u8]) -> Option<Self> {
        let mut known = NAMES.iter();
        let (_, field) = known.find(|(known, _)| known.as_bytes() == name)?;
        Some(*field)
    }

    fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(_, field)| *field == self);
        known.map_or("", |(name, _)| name)
    }
}

impl<'a> Fields<'a> {
    /// Room for as many as most requests have.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(6))
    }

    /// Puts an entry in. False: there is none of that name.
    #[inline]
    pub(crate) fn put(&mut self, name: &[u8], node: Node<'a>) -> bool {
        let Some(field) = Field::named(name) else {
            return false;
        };
        if node != Node::Null && self.place(field).is_none() {
            self.0.push((field, node));
        }
        true
    }

    #[inline]
    fn place(&self, field: Field) -> Option<usize> {
        self.0.iter().position(|(known, _)| *known == field)
    }

    #[inline]
    fn take(&mut self, field: Field) -> Option<Node<'a>> {
        let place = self.place(field)?;
        Some(self.0.swap_remove(place).1)
    }

    fn text(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, Error> {
        match self.take(field) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(field.name(), "a text", &other)),
        }
    }

    fn need_text(&mut self, field: Field) -> Result<Cow<'a, str>, Error> {
        self.text(field)?
            .ok_or_else(|| wrong(&format!("{} is missing", field.name())))
    }

    fn boolean(&mut self, field: Field) -> Result<Option<bool>, Error> {
        match self.take(field) {
            None => Ok(None),
            Some(Node::Boolean(value)) => Ok(Some(value)),
            Some(other) => Err(unexpected(field.name(), "a boolean", &other)),
        }
    }

    fn integer(&mut self, field: Field) -> Result<Option<i64>, Error> {
        match self.take(field) {
            None => Ok(None),
            Some(Node::Integer(value)) => Ok(Some(value)),
            Some(other) => Err(unexpected(field.name(), "an integer", &other)),
        }
    }

    fn need_integer(&mut self, field: Field) -> Result<i64, Error> {
        self.integer(field)?
            .ok_or_else(|| wrong(&format!("{} is missing", field.name())))
    }

    fn count(&mut self, field: Field) -> Result<Option<usize>, Error> {
        let Some(count) = self.integer(field)? else {
            return Ok(None);
        };
        usize::try_from(count)
            .map(Some)
            .map_err(|_| wrong(&format!("{} is negative", field.name())))
    }

    fn target(&mut self) -> Result<Target<'a>, Error> {
        match (self.text(Field::Sql)?, self.integer(Field::StmtId)?) {
            (Some(sql), None) => Ok(Target::Sql(sql)),
            (None, Some(statement)) => Ok(Target::Prepared(statement)),
            _ => Err(wrong("it needs either sql or stmt_id")),
        }
    }

    fn values(&mut self, field: Field) -> Result<Values<'a>, Error> {
        match self.take(field) {
            None => Ok(Values::InOrder(Vec::new())),
            Some(node) => values(node, field.name()),
        }
    }
}

/// Values for the parameters of a statement; `name` says where they are from.
fn values<'a>(node: Node<'a>, name: &str) -> Result<Values<'a>, Error> {
    let value = |node: Node<'a>| -> Result<Node<'a>, Error> {
        match node.untagged().map_err(Error::Request)? {
            list @ Node::List(_) => Err(unexpected("a parameter", "a value", &list)),
            value => Ok(value),
        }
    };
    match node {
        // Mostly there is nothing to replace.
        Node::List(nodes) if nodes.iter().all(|node| node.value().is_some()) => {
            Ok(Values::InOrder(nodes))
        }
        Node::List(nodes) => {
            let values: Result<_, _> = nodes.into_iter().map(value).collect();
            values.map(Values::InOrder)
        }
        Node::Map(entries) => {
            let named = |(name, node)| Ok((name, value(node)?));
            let values: Result<_, Error> = entries.into_iter().map(named).collect();
            values.map(Values::Named)
        }
        other => Err(unexpected(name, "a list or an object", &other)),
    }
}

fn unexpected(name: &str, expected: &str, found: &Node<'_>) -> Error {
    wrong(&format!("{name} is {expected}, not {}", found.kind()))
}

//! Values into a statement, columns and rows out of it.

use std::time::Instant;

use sqlite_abi::{Statement, ValueRef};

use super::Rules;
use super::answer::Writer;
use super::error::Error;
use super::pool::Head;
use super::request::Values;

/// What follows a batch of rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    Done,
    More,
}

/// How many rows, and how much of them, an answer may have.
pub(crate) struct Rows<'a> {
    /// 0: all.
    most: usize,
    rules: &'a Rules,
    deadline: Deadline,
}

/// When a request must have been answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Option<Instant>);

impl Deadline {
    /// Looked at between rows, where a statement can be given up and nothing else is harmed.
    #[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
    pub(crate) fn check(self) -> Result<(), Error> {
        match self.0 {
            Some(deadline) if Instant::now() >= deadline => Err(Error::Timeout),
            _ => Ok(()),
        }
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(rules: &'a Rules, most: usize, deadline: Deadline) -> Self {
        Self {
            most,
            rules,
            deadline,
        }
    }

    /// Writes the list of a batch's rows. `row`: whether the statement is on one. Where more
    /// follow, it is on the first of them afterwards.
    ///
    /// A batch ends early when it has half of what an answer may have, so that large rows need no
    /// guess of how many fit.
    pub(crate) fn write(
        &self,
        statement: &mut Statement<'_>,
        mut row: bool,
        answer: &mut Writer,
    ) -> Result<After, Error> {
        let mut count = 0;
        answer.begin_list();
        while row {
            let full = self.most > 0
                && (count == self.most || answer.len() > self.rules.limits.result_bytes / 2);
            if full && count > 0 {
                break;
            }
            self.row(statement, answer)?;
            count += 1;
            self.deadline.check()?;
            row = statement.step()?;
        }
        answer.end_list();
        Ok(if row { After::More } else { After::Done })
    }

    /// Writes the row the statement is on.
    pub(crate) fn row(&self, statement: &Statement<'_>, answer: &mut Writer) -> Result<(), Error> {
        let limit = self.rules.limits.result_bytes;
        answer.begin_list();
        for column in 0..statement.column_count() {
            answer.value(statement.column_ref(column));
            // Not only at the end: a row may have 2000 values of that size.
            if answer.len() > limit {
                return Err(Error::TooLarge {
                    guest: self.rules.guest.clone(),
                    what: "the answer",
                    limit: "limit result_bytes",
                    value: limit,
                    advice: "ask for fewer rows at a time, with fetch",
                });
            }
        }
        answer.end_list();
        Ok(())
    }
}

/// Writes the names and types of the columns, which are kept for the next time.
pub(crate) fn head_of(statement: &Statement<'_>, head: &mut Option<Head>, answer: &mut Writer) {
    let (encoding, recompiled) = (answer.encoding(), statement.recompiled());
    if let Some(head) = head
        && (head.encoding, head.recompiled) == (encoding, recompiled)
    {
        return answer.entries(&head.bytes, 2);
    }
    let begin = answer.len();
    columns(statement, answer);
    *head = Some(Head {
        encoding,
        recompiled,
        bytes: answer.since(begin).into(),
    });
}

/// Writes the names of the columns, and their declared types where they have one.
fn columns(statement: &Statement<'_>, answer: &mut Writer) {
    let count = statement.column_count();
    answer.key("columns");
    answer.begin_list();
    for column in 0..count {
        answer.text(&statement.column_name(column));
    }
    answer.end_list();
    answer.key("decltypes");
    answer.begin_list();
    for column in 0..count {
        match statement.column_decltype(column) {
            Some(decltype) => answer.text(&decltype),
            None => answer.null(),
        }
    }
    answer.end_list();
}

/// The same for what has no columns.
pub(crate) fn no_columns(answer: &mut Writer) {
    for key in ["columns", "decltypes"] {
        answer.key(key);
        answer.begin_list();
        answer.end_list();
    }
}

/// Writes what a statement takes and gives.
pub(crate) fn describe(statement: &Statement<'_>, answer: &mut Writer) {
    let count = statement.parameter_count();
    answer.key("num_input");
    answer.integer(count.try_into().unwrap_or(i64::MAX));
    answer.key("parameters");
    answer.begin_list();
    for index in 1..=count {
        match statement.parameter_name(index) {
            Some(name) => answer.text(&name),
            None => answer.null(),
        }
    }
    answer.end_list();
    columns(statement, answer);
    answer.key("read_only");
    answer.boolean(statement.is_readonly());
}

/// The same for a transaction command, which SQLite does not see.
pub(crate) fn describe_nothing(answer: &mut Writer) {
    answer.key("num_input");
    answer.integer(0);
    answer.key("parameters");
    answer.begin_list();
    answer.end_list();
    no_columns(answer);
    answer.key("read_only");
    answer.boolean(true);
}

/// Binds values to all parameters of a statement.
pub(crate) fn bind(statement: &mut Statement<'_>, values: &Values<'_>) -> Result<(), Error> {
    let count = statement.parameter_count();
    match values {
        Values::InOrder(values) if values.len() != count => Err(Error::Parameters(format!(
            "the statement has {}, the request {}",
            counted(count, "parameter"),
            counted(values.len(), "value"),
        ))),
        Values::InOrder(values) => {
            for (index, value) in values.iter().enumerate() {
                statement.bind_ref(index + 1, value.value().unwrap_or(ValueRef::Null))?;
            }
            Ok(())
        }
        Values::Named(values) => {
            let mut bound = vec![false; count];
            for (name, value) in values {
                let index = find(statement, name).ok_or_else(|| {
                    Error::Parameters(format!("the statement has no parameter {name}"))
                })?;
                statement.bind_ref(index, value.value().unwrap_or(ValueRef::Null))?;
                if let Some(bound) = bound.get_mut(index - 1) {
                    *bound = true;
                }
            }
            match bound.iter().position(|bound| !bound) {
                None => Ok(()),
                Some(index) => {
                    let name = statement.parameter_name(index + 1);
                    let name = name.unwrap_or_else(|| format!("?{}", index + 1));
                    Err(Error::Parameters(format!(
                        "there is no value for parameter {name}"
                    )))
                }
            }
        }
    }
}

/// A parameter by its name, with or without the mark it begins with.
fn find(statement: &Statement<'_>, name: &str) -> Option<usize> {
    let marked = [":", "@", "$"];
    statement.parameter_index(name).or_else(|| {
        marked
            .iter()
            .find_map(|mark| statement.parameter_index(&format!("{mark}{name}")))
    })
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

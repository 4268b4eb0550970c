//! What is done about conflicts.
//!
//! | policy | DATA | NOTFOUND | CONFLICT | CONSTRAINT | FOREIGN_KEY |
//! | --- | --- | --- | --- | --- | --- |
//! | `abort` (also NULL) | abort | abort | abort | abort | abort |
//! | `omit` | omit | omit | omit | omit | abort |
//! | `replace` | replace | omit | replace | omit | abort |
//! | another word | | | asks the SQL function of that name | | |
//! | JSON | one of these for each kind, and [`Options`] | | | | |
//!
//! A foreign key that is violated at the end is no single change that could be left out. So only
//! JSON or a function answers it with `omit`, which keeps the rows that violate it.

use std::fmt;

use serde_json::{Map, Value as Json};
use sqlite_abi::{Connection, Statement, ValueRef};

use super::error::Error;

/// The kinds of conflicts, as in the C API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// UPDATE or DELETE: the row has other values than those expected.
    Data,
    /// UPDATE or DELETE: there is no such row.
    NotFound,
    /// INSERT: there is a row with that key.
    Conflict,
    /// A constraint other than the key is violated.
    Constraint,
    /// Foreign keys are violated when all is done.
    ForeignKey,
}

impl Conflict {
    /// All, in the order of the C API's numbers from 1 on.
    pub const ALL: [Self; 5] = [
        Self::Data,
        Self::NotFound,
        Self::Conflict,
        Self::Constraint,
        Self::ForeignKey,
    ];

    /// The C API's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "DATA",
            Self::NotFound => "NOTFOUND",
            Self::Conflict => "CONFLICT",
            Self::Constraint => "CONSTRAINT",
            Self::ForeignKey => "FOREIGN_KEY",
        }
    }

    /// What it means, for error messages.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Data => "the row was changed here as well",
            Self::NotFound => "there is no such row here",
            Self::Conflict => "there is a row with that key already",
            Self::Constraint => "a constraint of the table does not allow it",
            Self::ForeignKey => "rows refer to rows that are not there",
        }
    }

    /// Whether there is a row that `replace` could mean.
    #[must_use]
    pub const fn is_replaceable(self) -> bool {
        matches!(self, Self::Data | Self::Conflict)
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is done about one conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Omit,
    Replace,
    Abort,
}

impl Verdict {
    fn parse(word: &str) -> Option<Self> {
        [
            ("omit", Self::Omit),
            ("replace", Self::Replace),
            ("abort", Self::Abort),
        ]
        .into_iter()
        .find_map(|(name, verdict)| word.eq_ignore_ascii_case(name).then_some(verdict))
    }

    /// `replace` as a policy for all kinds means omit where nothing can be replaced.
    const fn for_all(self, kind: Conflict) -> Self {
        match (self, kind) {
            (_, Conflict::ForeignKey) => Self::Abort,
            (Self::Replace, kind) if !kind.is_replaceable() => Self::Omit,
            (verdict, _) => verdict,
        }
    }
}

/// What a policy asks for besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    /// Return the rebase blob.
    pub(super) rebase: bool,
    /// Fail where tables are missing or different.
    pub(super) strict: bool,
    /// Changes that find what they would make are no conflicts.
    pub(super) ignore_noop: bool,
    /// Apply to these tables only.
    pub(super) tables: Option<Vec<String>>,
}

impl Options {
    pub(super) fn wants(&self, table: &str) -> bool {
        let tables = self.tables.as_ref();
        tables.is_none_or(|tables| tables.iter().any(|name| name.eq_ignore_ascii_case(table)))
    }
}

#[derive(Clone, Copy)]
enum Rule {
    Fixed(Verdict),
    /// The place among the functions.
    Ask(usize),
}

/// A policy, ready to be asked.
pub(super) struct Policy<'c> {
    pub(super) options: Options,
    rules: [Rule; 5],
    functions: Vec<Function<'c>>,
}

/// A SQL function that decides.
struct Function<'c> {
    name: String,
    call: Statement<'c>,
}

/// What a function is told about a conflict, each as JSON where it is a record.
pub(super) struct Case<'v> {
    pub(super) table: &'v str,
    pub(super) op: &'static str,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    /// The row that is there.
    pub(super) current: Option<String>,
}

const HELP: &str = "a policy is 'abort', 'omit', 'replace', the name of a SQL function of six \
                    arguments, or a JSON object with 'data', 'notfound', 'conflict', \
                    'constraint', 'foreign_key', 'default' (each a policy) and 'rebase', \
                    'strict', 'ignore_noop' (true or false), 'tables' (an array of names)";

fn refuse<T>(what: impl fmt::Display) -> Result<T, Error> {
    Err(Error::Policy(format!("{what}; {HELP}")))
}

impl<'c> Policy<'c> {
    /// Understands a policy and prepares the functions it names.
    pub(super) fn parse(connection: &'c Connection<'c>, text: Option<&str>) -> Result<Self, Error> {
        let mut policy = Self {
            options: Options::default(),
            rules: [Rule::Fixed(Verdict::Abort); 5],
            functions: Vec::new(),
        };
        let text = text.unwrap_or("abort").trim();
        if text.starts_with('{') {
            let json: Map<String, Json> = match serde_json::from_str(text) {
                Ok(json) => json,
                Err(error) => return refuse(format_args!("the policy is not JSON: {error}")),
            };
            policy.read_json(connection, &json)?;
        } else {
            policy.set_all(connection, text)?;
        }
        Ok(policy)
    }

    fn set_all(&mut self, connection: &'c Connection<'c>, word: &str) -> Result<(), Error> {
        let verdict = Verdict::parse(word);
        for kind in Conflict::ALL {
            self.rules[kind as usize] = match verdict {
                Some(verdict) => Rule::Fixed(verdict.for_all(kind)),
                None => self.function(connection, word)?,
            };
        }
        Ok(())
    }

    fn read_json(
        &mut self,
        connection: &'c Connection<'c>,
        json: &Map<String, Json>,
    ) -> Result<(), Error> {
        if let Some(default) = json.get("default") {
            self.set_all(connection, word("default", default)?)?;
        }
        for (key, value) in json {
            let kind = Conflict::ALL
                .into_iter()
                .find(|kind| key.eq_ignore_ascii_case(kind.name()));
            match (key.as_str(), kind) {
                (_, Some(kind)) => {
                    let word = word(key, value)?;
                    self.rules[kind as usize] = match Verdict::parse(word) {
                        Some(Verdict::Replace) if !kind.is_replaceable() => {
                            return Err(Error::Replace(kind));
                        }
                        Some(verdict) => Rule::Fixed(verdict),
                        None => self.function(connection, word)?,
                    };
                }
                ("default", _) => {}
                ("rebase", _) => self.options.rebase = flag(key, value)?,
                ("strict", _) => self.options.strict = flag(key, value)?,
                ("ignore_noop", _) => self.options.ignore_noop = flag(key, value)?,
                ("tables", _) => self.options.tables = Some(names(key, value)?),
                _ => return refuse(format_args!("the policy has an unknown key '{key}'")),
            }
        }
        Ok(())
    }

    fn function(&mut self, connection: &'c Connection<'c>, name: &str) -> Result<Rule, Error> {
        let known = self
            .functions
            .iter()
            .position(|function| function.name == name);
        let index = known.unwrap_or(self.functions.len());
        if known.is_none() {
            let sql = format!("SELECT {}(?1, ?2, ?3, ?4, ?5, ?6)", super::quoted(name));
            match connection.prepare(&sql) {
                Ok(call) => self.functions.push(Function {
                    name: name.to_owned(),
                    call,
                }),
                Err(error) => return refuse(format_args!("the policy '{name}': {error}")),
            }
        }
        Ok(Rule::Ask(index))
    }

    /// Decides about a conflict; `case` is made only if a function asks for it.
    pub(super) fn decide<'v>(
        &mut self,
        kind: Conflict,
        case: impl FnOnce() -> Option<Case<'v>>,
    ) -> Result<Verdict, Error> {
        let verdict = match self.rules[kind as usize] {
            Rule::Fixed(verdict) => verdict,
            Rule::Ask(index) => match self.functions.get_mut(index) {
                Some(function) => function.ask(kind, case())?,
                None => Verdict::Abort,
            },
        };
        if verdict == Verdict::Replace && !kind.is_replaceable() {
            return Err(Error::Replace(kind));
        }
        Ok(verdict)
    }
}

impl Function<'_> {
    fn ask(&mut self, kind: Conflict, case: Option<Case<'_>>) -> Result<Verdict, Error> {
        let text = |text: &'_ Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
        let arguments = match &case {
            Some(case) => [
                Some(case.table.as_bytes().to_vec()),
                Some(case.op.as_bytes().to_vec()),
                text(&case.old),
                text(&case.new),
                text(&case.current),
            ],
            None => [const { None }; 5],
        };
        let kind = Some(kind.name().as_bytes().to_vec());
        let failed = || Error::sqlite(format!("ask the policy '{}'", self.name));
        for (index, argument) in std::iter::once(&kind).chain(&arguments).enumerate() {
            let value = argument.as_deref().map_or(ValueRef::Null, ValueRef::Text);
            self.call.bind_ref(index + 1, value).map_err(failed())?;
        }
        self.call.step().map_err(failed())?;
        let verdict = match self.call.column_ref(0) {
            ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(Verdict::parse),
            // The C API's numbers.
            ValueRef::Integer(0) => Some(Verdict::Omit),
            ValueRef::Integer(1) => Some(Verdict::Replace),
            ValueRef::Integer(2) => Some(Verdict::Abort),
            _ => None,
        };
        let returned = self.call.column_ref(0);
        let verdict = verdict.ok_or_else(|| Error::Verdict {
            function: self.name.clone(),
            returned: crate::json::array([Some(returned)]),
        });
        self.call.reset();
        verdict
    }
}

fn word<'j>(key: &str, value: &'j Json) -> Result<&'j str, Error> {
    match value.as_str() {
        Some(word) => Ok(word),
        None => refuse(format_args!("the policy's '{key}' must be a string")),
    }
}

fn flag(key: &str, value: &Json) -> Result<bool, Error> {
    match value.as_bool() {
        Some(flag) => Ok(flag),
        None => refuse(format_args!("the policy's '{key}' must be true or false")),
    }
}

fn names(key: &str, value: &Json) -> Result<Vec<String>, Error> {
    let names = value.as_array().and_then(|names| {
        let names = names.iter().map(|name| name.as_str().map(str::to_owned));
        names.collect()
    });
    match names {
        Some(names) => Ok(names),
        None => refuse(format_args!(
            "the policy's '{key}' must be an array of strings"
        )),
    }
}

//! How a program is run: the JSON of the table function, or the arguments of a virtual table.
//!
//! The names are the same. In a virtual table each stands in an argument of its own, `timeout='5s'`,
//! and `args` and `env` are JSON in a string.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::guest::Terms;
use crate::signature::Limits as GuestLimits;
use crate::signature::{self, KeyDoc, SqlGrant};
use crate::sqlproxy::Limits;
use crate::world::Given;

/// What was asked for, checked, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Arguments, environment and input, without the program's name.
    pub(crate) given: Given,
    pub(crate) terms: Terms,
    /// None: it has no way to the database.
    pub(crate) sql: Option<SqlGrant>,
    pub(crate) limits: Limits,
    /// Most instances at a time.
    pub(crate) instances: usize,
}

/// What a virtual table is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) module: Module,
    pub(crate) options: Options,
}

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Module {
    Bytes(Vec<u8>),
    /// The name of a stored one, or a path.
    Named(String),
}

/// All options.
pub const OPTIONS: [KeyDoc; 13] = [
    doc(
        "args",
        "[]",
        "its arguments after its name: a list of texts",
    ),
    doc("env", "{}", "its environment: an object of texts"),
    doc("stdin", "–", "its input: a text"),
    doc("memory", "100MB", "most memory of an instance"),
    doc(
        "timeout",
        "5s",
        "longest run of a command, longest request of a reactor, SQL included",
    ),
    doc(
        "sql",
        "write",
        "`none`, `read` or `write`: what it may do with the database",
    ),
    doc("clock", "true", "whether it may know the time, and sleep"),
    doc("random", "true", "whether it may have random numbers"),
    doc(
        "instances",
        "4",
        "of a virtual table: most instances at a time; further requests wait",
    ),
    doc(
        "output",
        "16MB",
        "most of its output that is kept at a time; the largest answer of a reactor",
    ),
    doc("statements", "128", "most prepared statements"),
    doc("cursors", "64", "most open cursors"),
    doc(
        "result_bytes",
        "16MB",
        "largest request for SQL, and its largest answer",
    ),
];

const fn doc(key: &'static str, default: &'static str, meaning: &'static str) -> KeyDoc {
    KeyDoc {
        key,
        default,
        meaning,
    }
}

/// The options as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: Option<String>,
    memory: Option<Size>,
    timeout: Option<String>,
    sql: Option<Sql>,
    clock: Option<bool>,
    random: Option<bool>,
    instances: Option<usize>,
    output: Option<Size>,
    statements: Option<usize>,
    cursors: Option<usize>,
    result_bytes: Option<Size>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(usize),
    Text(String),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sql {
    None,
    Read,
    Write,
}

/// Most instances, statements or cursors that can be asked for.
const MOST: usize = 1000;

impl Options {
    /// Reads the JSON of the table function.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence.
    pub fn parse(json: &str) -> Result<Self, String> {
        let written: Json = serde_json::from_str(json)
            .map_err(|error| format!("the options are not valid JSON: {error}"))?;
        if !written.is_object() {
            return Err(
                "the options must be a JSON object, such as {\"args\": [\"--month\", \"11\"]}"
                    .to_owned(),
            );
        }
        Self::read(written)
    }

    /// Reads the arguments of `CREATE VIRTUAL TABLE … USING sqlproxy_serve(…)`.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence.
    pub fn declared(arguments: &[&str]) -> Result<Self, String> {
        Declared::parse(arguments).map(|declared| declared.options)
    }

    fn read(written: Json) -> Result<Self, String> {
        let written: Written =
            serde_json::from_value(written).map_err(|error| error.to_string())?;
        let size = |key, size: &Option<Size>, default| match size {
            None => Ok(default),
            Some(Size::Bytes(bytes)) => Ok(*bytes),
            Some(Size::Text(text)) => {
                signature::size(text).map_err(|reason| format!("\"{key}\": {reason}"))
            }
        };
        let count = |key, count: Option<usize>, default| match count {
            None => Ok(default),
            Some(count) if (1..=MOST).contains(&count) => Ok(count),
            Some(count) => Err(format!(
                "\"{key}\" is a number from 1 to {MOST}, not {count}"
            )),
        };
        let timeout = match &written.timeout {
            None => Duration::from_secs(5),
            Some(text) => {
                signature::duration(text).map_err(|reason| format!("\"timeout\": {reason}"))?
            }
        };
        Ok(Self {
            terms: Terms {
                limits: GuestLimits {
                    memory: size("memory", &written.memory, 100 << 20)?,
                    call: timeout,
                    statement: Some(timeout),
                    output: size("output", &written.output, 16 << 20)?,
                },
                clock: written.clock.unwrap_or(true),
                random: written.random.unwrap_or(true),
            },
            sql: match written.sql {
                Some(Sql::None) => None,
                Some(Sql::Read) => Some(SqlGrant::Read),
                Some(Sql::Write) | None => Some(SqlGrant::Write),
            },
            limits: Limits {
                statements: count(
                    "statements",
                    written.statements,
                    Limits::default().statements,
                )?,
                cursors: count("cursors", written.cursors, Limits::default().cursors)?,
                result_bytes: size(
                    "result_bytes",
                    &written.result_bytes,
                    Limits::default().result_bytes,
                )?,
            },
            instances: count("instances", written.instances, 4)?,
            given: given(written.args, written.env, written.stdin)?,
        })
    }
}

fn given(
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    input: Option<String>,
) -> Result<Given, String> {
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Err("\"args\": an argument has a zero byte".to_owned());
    }
    let mut variables = Vec::new();
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("\"env\": {name:?} is no variable with a value"));
        }
        variables.push(format!("{name}={value}"));
    }
    Ok(Given {
        arguments,
        environment: variables,
        input: input.unwrap_or_default().into_bytes(),
    })
}

impl Declared {
    /// Reads the arguments of `CREATE VIRTUAL TABLE … USING sqlproxy_serve(…)`.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut module = None;
        let mut written = Map::new();
        for argument in arguments {
            let Some((key, value)) = argument.split_once('=') else {
                return Err(format!(
                    "the argument {} is not of the form name='value'",
                    argument.trim()
                ));
            };
            let key = key.trim().to_ascii_lowercase();
            let value = unquoted(value.trim())?;
            let is_new = if key == "module" {
                module.replace(value).is_none()
            } else {
                let value = json(&key, value)?;
                written.insert(key.clone(), value).is_none()
            };
            if !is_new {
                return Err(format!("{key} is given twice"));
            }
        }
        let module = match module {
            Some(Text::Plain(name)) => Module::Named(name),
            Some(Text::Blob(bytes)) => Module::Bytes(bytes),
            None => {
                return Err("module='…' is missing: a stored guest's name, or a path".to_owned());
            }
        };
        let options = Options::read(Json::Object(written))?;
        Ok(Self { module, options })
    }
}

/// A value of an argument.
enum Text {
    Plain(String),
    Blob(Vec<u8>),
}

/// The value in quotes of SQL, `x'…'`, or as it stands.
fn unquoted(value: &str) -> Result<Text, String> {
    for quote in ['\'', '"'] {
        if let Some(rest) = value.strip_prefix(quote) {
            let inner = rest
                .strip_suffix(quote)
                .ok_or_else(|| format!("{value} does not end with its quote"))?;
            let doubled = format!("{quote}{quote}");
            return Ok(Text::Plain(inner.replace(&doubled, &quote.to_string())));
        }
    }
    let hexadecimal = value
        .strip_prefix(['x', 'X'])
        .and_then(|rest| rest.strip_prefix('\'')?.strip_suffix('\''));
    match hexadecimal {
        None => Ok(Text::Plain(value.to_owned())),
        Some(digits) => bytes(digits)
            .map(Text::Blob)
            .ok_or_else(|| "a blob is written in hexadecimal: x'0061…'".to_owned()),
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

/// A value as the JSON of the table function would have it.
fn json(key: &str, value: Text) -> Result<Json, String> {
    let Text::Plain(text) = value else {
        return Err(format!("{key} is no blob"));
    };
    Ok(match key {
        "args" | "env" => serde_json::from_str(&text)
            .map_err(|error| format!("{key} is not valid JSON: {error}"))?,
        "clock" | "random" => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" => Json::Bool(true),
            "false" | "0" | "off" => Json::Bool(false),
            other => return Err(format!("{key} is true or false, not {other}")),
        },
        "instances" | "statements" | "cursors" => text
            .parse::<usize>()
            .map(Json::from)
            .map_err(|_| format!("{key} is a number, not {text}"))?,
        _ => Json::String(text),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Declared, Module, OPTIONS, Options};
    use crate::signature::SqlGrant;

    #[test]
    fn options_are_read() {
        let options = Options::parse(
            r#"{"args":["a","b"],"env":{"K":"v=w"},"stdin":"in","memory":"1MB","timeout":"2s",
                "sql":"read","clock":false,"output":1000,"instances":2,"statements":3,"cursors":5,"result_bytes":"1KB"}"#,
        )
        .unwrap();
        assert_eq!(options.given.arguments, ["a", "b"]);
        assert_eq!(options.given.environment, ["K=v=w"]);
        assert_eq!(options.given.input, b"in");
        assert_eq!(options.terms.limits.memory, 1 << 20);
        assert_eq!(options.terms.limits.call, Duration::from_secs(2));
        assert!(!options.terms.clock && options.terms.random);
        assert_eq!(options.sql, Some(SqlGrant::Read));
        assert_eq!((options.terms.limits.output, options.instances), (1000, 2));
        assert_eq!(options.limits.result_bytes, 1024);
        let none = Options::parse("{}").unwrap();
        assert_eq!(none.sql, Some(SqlGrant::Write));
        assert_eq!(Options::parse(r#"{"sql":"none"}"#).unwrap().sql, None);
    }

    #[test]
    fn arguments_mean_the_same() {
        let declared = Declared::parse(&[
            "module='it''s.wasm'",
            " args = '[\"a\",\"b\"]'",
            "env='{\"K\":\"v\"}'",
            "memory=1MB",
            "timeout=\"2s\"",
            "clock=off",
            "instances=2",
        ])
        .unwrap();
        let json = r#"{"args":["a","b"],"env":{"K":"v"},"memory":"1MB","timeout":"2s","clock":false,"instances":2}"#;
        assert_eq!(declared.module, Module::Named("it's.wasm".to_owned()));
        assert_eq!(declared.options, Options::parse(json).unwrap());
        let blob = Declared::parse(&["module=x'00617F'"]).unwrap();
        assert_eq!(blob.module, Module::Bytes(vec![0, 0x61, 0x7f]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, expected) in [
            ("[]", "must be a JSON object"),
            ("{", "not valid JSON"),
            (r#"{"argv":[]}"#, "unknown field `argv`, expected one of"),
            (r#"{"timeout":"5"}"#, "\"timeout\": '5' is no time"),
            (r#"{"memory":"x"}"#, "\"memory\": 'x' is no size"),
            (
                r#"{"instances":0}"#,
                "\"instances\" is a number from 1 to 1000",
            ),
            (r#"{"args":["a\u0000"]}"#, "has a zero byte"),
            (r#"{"env":{"a=b":"c"}}"#, "is no variable"),
            (r#"{"sql":"all"}"#, "unknown variant `all`"),
        ] {
            let error = Options::parse(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
        for (arguments, expected) in [
            (vec![], "module='…' is missing"),
            (vec!["app.wasm"], "is not of the form name='value'"),
            (vec!["module='a"], "does not end with its quote"),
            (vec!["module=x'0'"], "in hexadecimal"),
            (vec!["module=a", "module=b"], "module is given twice"),
            (vec!["module=a", "args=1"], "invalid type: integer `1`"),
            (vec!["module=a", "clock=maybe"], "clock is true or false"),
            (vec!["module=a", "cursors=many"], "cursors is a number"),
            (vec!["module=a", "stdin=x'00'"], "stdin is no blob"),
        ] {
            let error = Declared::parse(&arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn all_options_are_documented() {
        let error = Options::parse(r#"{"no_such_key":1}"#).unwrap_err();
        let (_, known) = error.split_once("expected one of ").unwrap();
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, OPTIONS.map(|doc| doc.key));
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer(json in ".{0,60}", arguments in proptest::collection::vec("[a-z]{0,8}=?[ -~]{0,20}", 0..4)) {
            let _ = Options::parse(&json);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let _ = Declared::parse(&arguments);
        }
    }
}

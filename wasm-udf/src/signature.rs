//! The definition of a procedure: the JSON of `proc_create`, checked, with its defaults.
//!
//! Divisions: the definition · parsing · sizes and times.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guest::Terms;
use crate::types::{DataType, NAMES};

/// What a procedure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value for each row.
    #[default]
    Scalar,
    /// A value for each group of rows.
    Aggregate,
    /// An aggregate that can be used with `OVER`.
    Window,
    /// Rows.
    Table,
    /// A program, for `sqlproxy_serve`: not called, but run.
    Guest,
}

impl Kind {
    /// As it stands in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
            Self::Table => "table",
            Self::Guest => "guest",
        }
    }
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// For all calls of a statement.
    #[default]
    Statement,
    /// For one call.
    Call,
}

/// What a procedure may do with the database it is called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SqlGrant {
    /// Only statements that change nothing.
    Read,
    /// Also statements that change data and schema.
    Write,
}

/// A parameter, or a column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, for messages and columns.
    pub name: String,
    /// The declared type, as the author wrote it.
    pub data_type: String,
    /// Whether the procedure is called when it is NULL.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nullable: bool,
}

impl Parameter {
    /// What the declared type means; parsing made sure that it is one.
    pub(crate) fn data_type(&self) -> DataType {
        DataType::parse(&self.data_type).unwrap_or(DataType::Any)
    }
}

/// A procedure's definition. Serialised, it is what the database stores.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signature {
    /// What it is.
    pub kind: Kind,
    /// Its parameters; none: those of the export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Vec<Parameter>>,
    /// The declared type of its result; none: that of the export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<String>,
    /// The columns of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<Parameter>>,
    /// The export, or the beginning of the exports' names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    /// What it was written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The same arguments always give the same result: it may be used in indexes.
    #[serde(skip_serializing_if = "is_false")]
    pub deterministic: bool,
    /// How long an instance lives.
    #[serde(skip_serializing_if = "is_default")]
    pub isolation: Isolation,
    /// Most memory of an instance, such as `100MB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Longest call, such as `5s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Longest time in the procedure within one statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<String>,
    /// Largest result of one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Whether it may query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<SqlGrant>,
    /// Whether it may know the time.
    #[serde(skip_serializing_if = "is_false")]
    pub clock: bool,
    /// Whether it may have random numbers.
    #[serde(skip_serializing_if = "is_false")]
    pub random: bool,
}

/// One key of the JSON, for the reference and its test.
#[derive(Debug, Clone, Copy)]
pub struct KeyDoc {
    /// The key.
    pub key: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn key(key: &'static str, default: &'static str, meaning: &'static str) -> KeyDoc {
    KeyDoc {
        key,
        default,
        meaning,
    }
}

/// All keys.
pub const KEYS: [KeyDoc; 18] = [
    key(
        "kind",
        "scalar",
        "`scalar`, `aggregate`, `window`, `table`, or `guest`: a program for `sqlproxy_serve`",
    ),
    key(
        "params",
        "those of the export",
        "a list of `{\"name\", \"data_type\", \"nullable\"}`",
    ),
    key("return_type", "that of the export", "type of the result"),
    key(
        "columns",
        "–",
        "a table's columns: a list of `{\"name\", \"data_type\"}`",
    ),
    key(
        "export",
        "the procedure's name",
        "the export, or the beginning of the exports' names",
    ),
    key("language", "wasm", "what it was written in, for people"),
    key("description", "–", "for people"),
    key(
        "deterministic",
        "false",
        "the same arguments always give the same result: it may be used in indexes, generated columns and CHECK",
    ),
    key(
        "isolation",
        "statement",
        "`statement`: one instance for all calls of a statement; `call`: one for each call",
    ),
    key("memory", "100MB", "most memory of an instance"),
    key("timeout", "5s", "longest call, SQL that it runs included"),
    key(
        "statement_timeout",
        "–",
        "longest time in the procedure within one statement",
    ),
    key("output", "64MB", "largest result of one call"),
    key(
        "sql",
        "–",
        "grant: `read` or `write` lets it query the connection it is called from",
    ),
    key("clock", "false", "grant: it may know the time, and sleep"),
    key("random", "false", "grant: it may have random numbers"),
    key(
        "replace",
        "false",
        "a procedure of that name is replaced (not stored)",
    ),
    key("schema", "main", "the schema it is stored in (not stored)"),
];

/// The arguments of `proc_create` that are not stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Creation {
    /// Whether a procedure of that name may be there.
    pub replace: bool,
    /// The schema to store it in.
    pub schema: Option<String>,
}

/// What holds a procedure back, with the defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) call: Duration,
    pub(crate) statement: Option<Duration>,
    pub(crate) output: usize,
}

const MEBIBYTE: usize = 1 << 20;

impl Signature {
    /// Reads the JSON of `proc_create`.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence.
    pub fn parse(json: &str) -> Result<(Self, Creation), String> {
        let mut value: serde_json::Value = serde_json::from_str(json)
            .map_err(|error| format!("the JSON is not valid: {error}"))?;
        let Some(object) = value.as_object_mut() else {
            return Err(
                "the JSON must be an object, such as {\"return_type\": \"INT\"}".to_owned(),
            );
        };
        let replace = match object.remove("replace") {
            None | Some(serde_json::Value::Null) => false,
            Some(serde_json::Value::Bool(replace)) => replace,
            Some(other) => return Err(format!("\"replace\" must be true or false, not {other}")),
        };
        let schema = match object.remove("schema") {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(schema)) => Some(schema),
            Some(other) => return Err(format!("\"schema\" must be a name, not {other}")),
        };
        let signature: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        signature.check()?;
        Ok((signature, Creation { replace, schema }))
    }

    /// Reads what a database stores. Whoever wrote the database wrote this too, so it is checked
    /// again.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence.
    pub fn stored(json: &str) -> Result<Self, String> {
        let signature: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        signature.check()?;
        Ok(signature)
    }

    /// The JSON to store.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn limits(&self) -> Limits {
        let size = |text: &Option<String>, default| {
            text.as_deref()
                .and_then(|text| size(text).ok())
                .unwrap_or(default)
        };
        let time = |text: &Option<String>| text.as_deref().and_then(|text| duration(text).ok());
        Limits {
            memory: size(&self.memory, 100 * MEBIBYTE),
            call: time(&self.timeout).unwrap_or(Duration::from_secs(5)),
            statement: time(&self.statement_timeout),
            output: size(&self.output, 64 * MEBIBYTE),
        }
    }

    /// What a procedure is held back by.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            limits: self.limits(),
            clock: self.clock,
            random: self.random,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.kind == Kind::Guest {
            return self.check_guest();
        }
        for parameter in self.params.iter().flatten() {
            known_type(
                &parameter.data_type,
                &format!("parameter '{}'", parameter.name),
            )?;
        }
        if self
            .params
            .as_ref()
            .is_some_and(|params| params.len() > MOST_PARAMETERS)
        {
            return Err(format!("at most {MOST_PARAMETERS} parameters are possible"));
        }
        if let Some(name) = &self.return_type {
            known_type(name, "the result")?;
        }
        for column in self.columns.iter().flatten() {
            known_type(&column.data_type, &format!("column '{}'", column.name))?;
        }
        if self
            .columns
            .as_ref()
            .is_some_and(|columns| columns.len() > MOST_COLUMNS)
        {
            return Err(format!("at most {MOST_COLUMNS} columns are possible"));
        }
        match (self.kind, &self.columns, &self.return_type) {
            (Kind::Table, Some(columns), _) if columns.is_empty() => {
                return Err("a table needs at least one column".to_owned());
            }
            (Kind::Table, _, Some(_)) => {
                return Err("a table has \"columns\", not a \"return_type\"".to_owned());
            }
            (Kind::Scalar | Kind::Aggregate | Kind::Window | Kind::Guest, Some(_), _) => {
                return Err("only procedures of kind \"table\" have \"columns\"".to_owned());
            }
            _ => {}
        }
        if self.isolation == Isolation::Call && self.kind != Kind::Scalar {
            return Err(
                "\"isolation\": \"call\" is for scalars: a group or a scan lives in one instance"
                    .to_owned(),
            );
        }
        if self.deterministic && self.sql.is_some() {
            return Err(
                "a procedure with \"sql\" depends on the database and cannot be deterministic"
                    .to_owned(),
            );
        }
        for (key, text) in [("memory", &self.memory), ("output", &self.output)] {
            if let Some(text) = text {
                size(text).map_err(|why| format!("\"{key}\": {why}"))?;
            }
        }
        for (key, text) in [
            ("timeout", &self.timeout),
            ("statement_timeout", &self.statement_timeout),
        ] {
            if let Some(text) = text {
                duration(text).map_err(|why| format!("\"{key}\": {why}"))?;
            }
        }
        Ok(())
    }
}

impl Signature {
    /// How a guest is run is said where it is run.
    fn check_guest(&self) -> Result<(), String> {
        let plain = Self {
            kind: Kind::Guest,
            language: self.language.clone(),
            description: self.description.clone(),
            ..Self::default()
        };
        if *self == plain {
            return Ok(());
        }
        Err(
            "a guest has a \"language\" and a \"description\" and nothing else: its limits and \
             grants are options of sqlproxy_serve"
                .to_owned(),
        )
    }
}

/// SQLite's own limit on a function's arguments is 100 on older hosts.
const MOST_PARAMETERS: usize = 100;
const MOST_COLUMNS: usize = 1000;

fn known_type(name: &str, of: &str) -> Result<(), String> {
    if DataType::parse(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
    Err(format!(
        "{of} has the unknown type '{name}'; types are {}",
        known.join(", ")
    ))
}

/// `64KB`, `100MB`, `1GB` or a number of bytes; powers of 1024.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("'{text}' is no size; write 65536, 64KB, 100MB or 1GB");
    let trimmed = text.trim().to_ascii_uppercase();
    let (digits, unit) = [
        ("GB", 1 << 30),
        ("MB", MEBIBYTE),
        ("KB", 1 << 10),
        ("B", 1),
        ("", 1),
    ]
    .into_iter()
    .find_map(|(suffix, unit)| Some((trimmed.strip_suffix(suffix)?, unit)))
    .ok_or_else(wrong)?;
    let number: usize = digits.trim().parse().map_err(|_| wrong())?;
    let size = number.checked_mul(unit).ok_or_else(wrong)?;
    if size > 4 << 30 {
        return Err(format!(
            "'{text}' is more than a module of 32 bits can have, 4GB"
        ));
    }
    Ok(size)
}

/// `500ms`, `5s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time; write 500ms, 5s or 2m");
    let trimmed = text.trim().to_ascii_lowercase();
    let (digits, unit) = [("ms", 1), ("s", 1000), ("m", 60_000)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((trimmed.strip_suffix(suffix)?, unit)))
        .ok_or_else(wrong)?;
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    match number.checked_mul(unit) {
        Some(0) => Err(format!("'{text}' is no time at all")),
        Some(milliseconds) if milliseconds <= 86_400_000 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(format!("'{text}' is more than a day")),
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kind, Signature, duration, size};

    #[test]
    fn a_definition_is_read_and_stored() {
        let (signature, creation) = Signature::parse(
            r#"{"params":[{"name":"price","data_type":"float"},{"name":"tier","data_type":"INT","nullable":true}],
                "return_type":"FLOAT","replace":true,"schema":"temp","timeout":"2s","memory":"1MB"}"#,
        )
        .unwrap();
        assert_eq!(signature.kind, Kind::Scalar);
        assert!(creation.replace && creation.schema.as_deref() == Some("temp"));
        assert_eq!(signature.limits().call, Duration::from_secs(2));
        assert_eq!(signature.limits().memory, 1 << 20);
        assert_eq!(Signature::stored(&signature.to_json()).unwrap(), signature);
        assert_eq!(Signature::default().to_json(), r#"{"kind":"scalar"}"#);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, expected) in [
            ("[]", "must be an object"),
            ("{", "not valid"),
            (
                r#"{"return_typ":"INT"}"#,
                "unknown field `return_typ`, expected one of",
            ),
            (
                r#"{"return_type":"MONEY"}"#,
                "unknown type 'MONEY'; types are BIGINT",
            ),
            (
                r#"{"params":[{"name":"x","data_type":"y"}]}"#,
                "parameter 'x' has the unknown type",
            ),
            (r#"{"replace":1}"#, "\"replace\" must be true or false"),
            (r#"{"kind":"window","isolation":"call"}"#, "is for scalars"),
            (r#"{"kind":"view"}"#, "unknown variant `view`"),
            (r#"{"kind":"table","columns":[]}"#, "at least one column"),
            (r#"{"columns":[]}"#, "only procedures of kind \"table\""),
            (r#"{"timeout":"5"}"#, "\"timeout\": '5' is no time"),
            (r#"{"memory":"5GB"}"#, "more than a module"),
            (
                r#"{"deterministic":true,"sql":"read"}"#,
                "cannot be deterministic",
            ),
        ] {
            let error = Signature::parse(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn all_keys_are_documented() {
        let error = Signature::parse(r#"{"no_such_key":1}"#).unwrap_err();
        let (_, known) = error.split_once("expected one of ").unwrap();
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.extend(["replace", "schema"]);
        assert_eq!(known, super::KEYS.map(|doc| doc.key));
    }

    #[test]
    fn sizes_and_times() {
        assert_eq!(size("64KB"), Ok(65536));
        assert_eq!(size("7"), Ok(7));
        assert_eq!(size("2 gb"), Ok(2 << 30));
        assert!(size("-1").is_err() && size("MB").is_err() && size("99999999999GB").is_err());
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("0s").is_err() && duration("s").is_err() && duration("25000h").is_err());
    }
}

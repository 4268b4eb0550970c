//! Where settings come from: the file, the environment, flags. Later ones win.

use serde_json::Value as Node;

use super::error::{Error, Result, nearest, suggestion, takes_numbers, variables};
use super::table::{SETTINGS, Setting};
use super::values::{Origin, Values};

/// The largest configuration file that is read, in bytes.
const LARGEST_FILE: usize = 1 << 20;
/// Beginnings of names of environment variables among which typing errors are looked for.
const OURS: &[&str] = &[
    "PG_",
    "DB_",
    "S3_",
    "AZURE_STORAGE_",
    "GCS_",
    "LOG_",
    "ADMIN_",
    "CAPTURE_",
];

/// Takes what a file in YAML says.
///
/// # Errors
/// What is not YAML, no setting, or of another kind than the setting.
pub fn file(values: &mut Values, name: &str, text: &str) -> Result<()> {
    let syntax = |problem: String| Error::Syntax {
        path: name.to_owned(),
        problem,
    };
    if text.len() > LARGEST_FILE {
        return Err(syntax("it is larger than 1 MB".to_owned()));
    }
    let only_comments = text
        .lines()
        .all(|line| matches!(line.trim(), "" | "---") || line.trim().starts_with('#'));
    if only_comments {
        return Ok(());
    }
    let root: Node = serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
    match root {
        Node::Null => Ok(()),
        root => section(values, name, "", root),
    }
}

fn section(values: &mut Values, file: &str, prefix: &str, node: Node) -> Result<()> {
    let Node::Object(entries) = node else {
        let key = if prefix.is_empty() {
            "the file"
        } else {
            prefix
        };
        return Err(shape(key, file, "should be a section with settings in it"));
    };
    for (name, node) in entries {
        let key = match prefix {
            "" => name,
            _ => format!("{prefix}.{name}"),
        };
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
            if let Some(text) = scalar(setting, file, node)? {
                values.give(setting, text, Origin::File(file.to_owned()));
            }
        } else if SETTINGS.iter().any(|setting| within(setting.key, &key)) {
            if !node.is_null() {
                section(values, file, &key, node)?;
            }
        } else {
            return Err(unknown(file, &key));
        }
    }
    Ok(())
}

/// Whether a setting lies in a section.
fn within(key: &str, section: &str) -> bool {
    key.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// A name that is no setting's: names of the same depth may have been meant, sections among them.
fn unknown(file: &str, key: &str) -> Error {
    let depth = key.matches('.').count();
    let level = |setting: &'static Setting| {
        let end = setting.key.match_indices('.').nth(depth).map(|(at, _)| at);
        &setting.key[..end.unwrap_or(setting.key.len())]
    };
    let last = key.rsplit('.').next().unwrap_or(key);
    let elsewhere = SETTINGS
        .iter()
        .map(|setting| setting.key)
        .find(|known| known.ends_with(&format!(".{last}")));
    let same_level = SETTINGS
        .iter()
        .map(level)
        .filter(|known| known.matches('.').count() == depth);
    let suggestion = match elsewhere {
        Some(known) => format!("; did you mean '{known}'?"),
        None => suggestion(key, same_level),
    };
    Error::Unknown {
        name: key.to_owned(),
        origin: file.to_owned(),
        suggestion,
    }
}

fn scalar(setting: &Setting, file: &str, node: Node) -> Result<Option<String>> {
    match node {
        Node::Null => Ok(None),
        Node::String(text) => Ok(Some(text)),
        Node::Bool(on) if setting.kind == super::table::Kind::Switch => Ok(Some(on.to_string())),
        Node::Number(number) if takes_numbers(setting.kind) => Ok(Some(number.to_string())),
        Node::Number(_) | Node::Bool(_) => {
            Err(shape(setting.key, file, "should be text; put it in quotes"))
        }
        Node::Array(items) if setting.kind == super::table::Kind::Names => {
            let names: Option<Vec<_>> = items.iter().map(Node::as_str).collect();
            let names =
                names.ok_or_else(|| shape(setting.key, file, "should be a list of names"))?;
            Ok(Some(names.join(",")))
        }
        Node::Array(_) | Node::Object(_) => {
            Err(shape(setting.key, file, "should be one value, not several"))
        }
    }
}

fn shape(key: &str, origin: &str, problem: &'static str) -> Error {
    Error::Shape {
        key: key.to_owned(),
        origin: origin.to_owned(),
        problem,
    }
}

/// Takes what the environment says. Names of ours that are nearly a setting's are taken for typing
/// errors; other variables are nobody's business.
///
/// # Errors
/// Such a name.
pub fn environment(values: &mut Values, environment: &[(String, String)]) -> Result<()> {
    for setting in SETTINGS {
        let set = setting.env.iter().find_map(|name| {
            let found = environment
                .iter()
                .find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| (*name, value))
        });
        if let Some((name, value)) = set {
            values.give(setting, value.clone(), Origin::Environment(name));
        }
    }
    for (name, _) in environment {
        let ours = OURS.iter().any(|prefix| name.starts_with(prefix));
        if !ours || variables().any(|known| known == name) || is_the_librarys(name) {
            continue;
        }
        let near =
            nearest(name, variables()).filter(|near| strsim::damerau_levenshtein(name, near) <= 2);
        if let Some(near) = near {
            return Err(Error::Unknown {
                name: name.clone(),
                origin: "the environment".to_owned(),
                suggestion: format!("; did you mean '{near}'?"),
            });
        }
    }
    Ok(())
}

/// Variables that the storage library reads itself.
fn is_the_librarys(name: &str) -> bool {
    matches!(
        name,
        "GCS_SERVICE_ACCOUNT_KEY" | "AZURE_STORAGE_SAS_TOKEN" | "S3_PROFILE"
    )
}

/// Takes flags, by the key of their setting.
pub fn flags(values: &mut Values, given: impl IntoIterator<Item = (&'static Setting, String)>) {
    for (setting, text) in given {
        values.give(setting, text, Origin::Flag(setting.flag));
    }
}

//! `--print-config`: what holds, as a file that can be used, and where each value comes from.
//! Secrets are left out.

use super::table::{Kind, SETTINGS};
use super::values::Values;

/// The settings as YAML.
#[must_use]
pub fn yaml(values: &Values) -> String {
    let mut out = String::new();
    let mut sections: Vec<&str> = Vec::new();
    for setting in SETTINGS {
        let parts: Vec<&str> = setting.key.split('.').collect();
        let Some((name, path)) = parts.split_last() else {
            continue;
        };
        let shared = sections
            .iter()
            .zip(path)
            .take_while(|(open, wanted)| open == wanted)
            .count();
        sections.truncate(shared);
        for section in &path[shared..] {
            out.push_str(&format!("{}{section}:\n", "  ".repeat(sections.len())));
            sections.push(section);
        }
        let indent = "  ".repeat(sections.len());
        let origin = values
            .given(setting.key)
            .map(|given| given.origin.to_string());
        out.push_str(&match (values.text(setting.key), origin) {
            (Some(_), Some(origin)) if setting.kind == Kind::Secret => {
                format!("{indent}# {name}: set by {origin}, not shown\n")
            }
            (Some(text), Some(origin)) => {
                format!(
                    "{indent}{name}: {}  # {origin}\n",
                    scalar(setting.kind, text)
                )
            }
            (Some(text), None) => format!("{indent}{name}: {}\n", scalar(setting.kind, text)),
            (None, _) => format!("{indent}# {name}: not set\n"),
        });
    }
    out
}

fn scalar(kind: Kind, text: &str) -> String {
    let bare = matches!(
        kind,
        Kind::Port | Kind::Count | Kind::Minutes | Kind::Switch
    );
    let word = text.trim();
    if bare && word.chars().all(|c| c.is_ascii_alphanumeric()) {
        return word.to_owned();
    }
    // A JSON string is a YAML string.
    serde_json::Value::from(text).to_string()
}

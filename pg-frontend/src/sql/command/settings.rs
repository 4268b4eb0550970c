//! `SET`, `SHOW`, `RESET`, `DISCARD`.

use super::words::Words;
use super::{plain, transaction};
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::{Action, Column, Plan, Tag, Transaction};
use crate::types::Type;
use crate::types::zone::Zone;

/// One of these commands; none where the text is another's (`SET CONSTRAINTS`).
pub(crate) fn read(words: &mut Words<'_>, state: &State) -> Result<Option<Plan>> {
    let first = words.advance().unwrap_or_default();
    match first.as_str() {
        "SET" => set(words, state).map(Some),
        "SHOW" => {
            let name = special(words)?;
            words.end()?;
            Ok(Some(show(&name)))
        }
        "RESET" => {
            if words.accept("ALL") {
                words.end()?;
                return Ok(Some(plain(Action::ResetAll, "RESET")));
            }
            if words.accept("SESSION AUTHORIZATION") {
                return Ok(Some(plain(Action::Nothing(None), "RESET")));
            }
            let name = special(words)?;
            words.end()?;
            let action = Action::Set {
                name,
                value: None,
                local: false,
            };
            Ok(Some(plain(action, "RESET")))
        }
        _ => {
            let what = words.advance().ok_or_else(|| words.unexpected())?;
            words.end()?;
            Ok(Some(plain(
                Action::Discard(what.clone()),
                &format!("DISCARD {what}"),
            )))
        }
    }
}

/// A setting's name, also those of several words.
fn special(words: &mut Words<'_>) -> Result<String> {
    if words.accept("TIME ZONE") {
        return Ok("timezone".to_owned());
    }
    if words.accept("TRANSACTION ISOLATION LEVEL") {
        return Ok("transaction_isolation".to_owned());
    }
    if words.accept("SESSION AUTHORIZATION") {
        return Ok("session_authorization".to_owned());
    }
    let mut name = words.name()?.to_lowercase();
    while words.accept(".") {
        name.push('.');
        name.push_str(&words.name()?.to_lowercase());
    }
    Ok(name)
}

fn show(name: &str) -> Plan {
    let text = |name: &str| Column {
        name: name.to_owned(),
        ty: Type::TEXT,
        table: 0,
        number: 0,
    };
    let columns = if name == "all" {
        vec![text("name"), text("setting"), text("description")]
    } else {
        // As Postgres spells the name of the column.
        vec![text(match name {
            "timezone" => "TimeZone",
            "datestyle" => "DateStyle",
            "intervalstyle" => "IntervalStyle",
            other => other,
        })]
    };
    Plan {
        action: Action::Show(name.to_owned()),
        tag: Tag::Plain("SHOW".to_owned()),
        parameters: Vec::new(),
        columns: Some(columns),
        read_only: true,
    }
}

fn set(words: &mut Words<'_>, state: &State) -> Result<Plan> {
    if words.accept("CONSTRAINTS") {
        return set_constraints(words);
    }
    if words.accept("SESSION CHARACTERISTICS AS TRANSACTION") {
        let modes = transaction::modes(words)?;
        let (name, value) = match (modes.isolation, modes.read_only) {
            (Some(level), _) => ("default_transaction_isolation", level),
            (None, Some(read_only)) => (
                "default_transaction_read_only",
                if read_only { "on" } else { "off" }.to_owned(),
            ),
            (None, None) => return Ok(plain(Action::Nothing(None), "SET")),
        };
        return Ok(setting(name, Some(value), false));
    }
    if words.accept("TRANSACTION") {
        if words.accept("SNAPSHOT") {
            return Err(crate::sql::query::unsupported("SET TRANSACTION SNAPSHOT"));
        }
        let modes = transaction::modes(words)?;
        let action = Action::Transaction(Transaction::Characteristics {
            read_only: modes.read_only,
            isolation: modes.isolation,
        });
        return Ok(plain(action, "SET"));
    }
    let local = words.accept("LOCAL");
    if !local {
        words.accept("SESSION");
    }
    if words.accept("AUTHORIZATION") || words.accept("ROLE") {
        return Ok(plain(Action::Nothing(None), "SET"));
    }
    if words.accept("TIME ZONE") {
        let value = zone(words)?;
        return checked("timezone", value, local, state);
    }
    if words.accept("NAMES") {
        let value = if words.at_end() || words.accept("DEFAULT") {
            None
        } else {
            Some(value_list(words)?)
        };
        return checked("client_encoding", value, local, state);
    }
    if words.accept("SCHEMA") {
        let schema = words.string()?;
        return checked("search_path", Some(schema), local, state);
    }
    let name = special(words)?;
    if !words.accept("TO") {
        words.expect("=")?;
    }
    let value = if words.accept("DEFAULT") {
        None
    } else {
        Some(value_list(words)?)
    };
    words.end()?;
    checked(&name, value, local, state)
}

fn zone(words: &mut Words<'_>) -> Result<Option<String>> {
    if words.accept("LOCAL") || words.accept("DEFAULT") {
        return Ok(None);
    }
    if words.accept("INTERVAL") {
        let text = words.string()?;
        words.accept("HOUR TO MINUTE");
        return Ok(Some(text));
    }
    if words.is_string() {
        return words.string().map(Some);
    }
    if words.is_name() {
        return words.name().map(Some);
    }
    let sign = if words.accept("-") { "-" } else { "" };
    words.accept("+");
    let number = words.advance().ok_or_else(|| words.unexpected())?;
    Ok(Some(format!("{sign}{number}")))
}

/// `a`, `'a'`, `a, b`, `10`, `-1`, `10MB`.
fn value_list(words: &mut Words<'_>) -> Result<String> {
    let mut out = String::new();
    loop {
        if words.is_string() {
            out.push_str(&words.string()?);
        } else if words.is_name() {
            // A quoted name keeps its quotes where it would be folded (search_path).
            let shown = words.peek().unwrap_or_default();
            let name = words.name()?;
            if shown.starts_with('"')
                && name
                    .chars()
                    .any(|c| !(c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit()))
                && name != "UTF8"
                && name != "UTF-8"
            {
                out.push_str(&shown);
            } else {
                out.push_str(&name);
            }
        } else {
            if words.accept("-") {
                out.push('-');
            }
            out.push_str(&words.advance().ok_or_else(|| words.unexpected())?);
        }
        if !words.accept(",") {
            return Ok(out);
        }
        out.push_str(", ");
    }
}

fn setting(name: &str, value: Option<String>, local: bool) -> Plan {
    plain(
        Action::Set {
            name: name.to_owned(),
            value,
            local,
        },
        "SET",
    )
}

/// Values of settings that have a meaning here are looked at before they are taken.
fn checked(name: &str, value: Option<String>, local: bool, _state: &State) -> Result<Plan> {
    let invalid = |value: &str| {
        PgError::new(
            "22023",
            format!("invalid value for parameter \"{name}\": \"{value}\""),
        )
    };
    if let Some(value) = &value {
        check(name, value).ok_or_else(|| invalid(value))?;
    }
    Ok(setting(name, value, local))
}

/// None where the value is none of the setting's.
#[must_use]
pub(crate) fn check(name: &str, value: &str) -> Option<()> {
    let lower = value.trim().trim_matches('\'').to_ascii_lowercase();
    let fine = match name {
        "timezone" => Zone::parse_setting(value).is_some(),
        "client_encoding" => {
            matches!(
                lower.replace(['-', '_'], "").as_str(),
                "utf8" | "unicode" | "sqlascii" | "latin1" | "iso88591"
            )
        }
        "standard_conforming_strings" => matches!(lower.as_str(), "on" | "true" | "yes" | "1"),
        "intervalstyle" => matches!(
            lower.as_str(),
            "postgres" | "postgres_verbose" | "sql_standard" | "iso_8601"
        ),
        "bytea_output" => matches!(lower.as_str(), "hex" | "escape"),
        "transaction_isolation" | "default_transaction_isolation" => {
            matches!(
                lower.as_str(),
                "serializable" | "repeatable read" | "read committed" | "read uncommitted"
            )
        }
        _ => true,
    };
    fine.then_some(())
}

/// `SET CONSTRAINTS ALL DEFERRED`: SQLite has it as a pragma, for all of them. The pragma forgets what is
/// violated when it is turned off: that is looked at before.
fn set_constraints(words: &mut Words<'_>) -> Result<Plan> {
    let rest = words.rest().to_ascii_uppercase();
    let statements: &[&str] = if rest.ends_with("DEFERRED") {
        &["PRAGMA defer_foreign_keys = ON"]
    } else if rest.ends_with("IMMEDIATE") {
        &[
            "SELECT pg_check_deferred()",
            "PRAGMA defer_foreign_keys = OFF",
        ]
    } else {
        return Err(words.unexpected());
    };
    let statements = statements.iter().map(|sql| (*sql).to_owned()).collect();
    Ok(plain(Action::Script(statements), "SET CONSTRAINTS"))
}

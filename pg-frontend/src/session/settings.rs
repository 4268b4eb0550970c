//! `SET`, `SHOW`, and what clients are told of settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Session;
use super::failure::Result;
use super::variables::{self, REPORTED, VARIABLES};
use crate::error::{PgError, Result as PgResult};
use crate::protocol::backend::{self, Severity};
use crate::server::Settings;
use crate::sql::Column;
use crate::types::{Style, Type};

/// A session's defaults: the server's settings, then what the client's startup message says.
///
/// # Errors
/// As for [`State::set`](super::state::State::set).
pub(super) fn defaults(
    server: &Settings,
    wanted: &BTreeMap<String, String>,
) -> PgResult<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let version = &server.server_version;
    for (name, value) in [
        ("server_version", version.clone()),
        ("server_version_num", version_number(version).to_string()),
        ("max_connections", server.connections.to_string()),
        (
            "ssl",
            if server.tls.is_some() { "on" } else { "off" }.to_owned(),
        ),
        ("timezone", server.time_zone.clone()),
        (
            "statement_timeout",
            as_setting("statement_timeout", server.statement_timeout),
        ),
        (
            "idle_in_transaction_session_timeout",
            as_setting(
                "idle_in_transaction_session_timeout",
                server.idle_in_transaction_timeout,
            ),
        ),
    ] {
        all.insert(name.to_owned(), value);
    }
    for (name, value) in wanted {
        match variables::find(name) {
            Some(variable) => all.insert(name.clone(), variable.accept(value)?),
            None if name.contains('.') => all.insert(name.clone(), value.clone()),
            None => return Err(super::state::unknown(name)),
        };
    }
    Ok(all)
}

fn as_setting(name: &str, time: Duration) -> String {
    let number = time.as_millis().to_string();
    variables::find(name)
        .and_then(|variable| variable.accept(&number).ok())
        .unwrap_or(number)
}

/// `13.0` is 130000, `14.5` is 140005.
fn version_number(version: &str) -> u32 {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    let (major, minor): (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    major.saturating_mul(10_000).saturating_add(minor)
}

/// `SHOW name` has one column, `SHOW ALL` three.
pub(super) fn shown_columns(name: &str) -> Vec<Column> {
    let names: Vec<String> = match name {
        "all" => ["name", "setting", "description"]
            .map(str::to_owned)
            .to_vec(),
        name => vec![usual_name(name)],
    };
    names
        .into_iter()
        .map(|name| Column {
            name,
            ty: Type::TEXT,
            table: 0,
            number: 0,
        })
        .collect()
}

fn usual_name(name: &str) -> String {
    let known = variables::find(&name.to_ascii_lowercase());
    known.map_or_else(|| name.to_owned(), |variable| variable.name.to_owned())
}

impl Session<'_> {
    /// Tells the client of settings that it must know and that have changed.
    pub(super) fn report_settings(&mut self) {
        let state = self.state.borrow();
        if state.version() == self.settings_version {
            return;
        }
        self.settings_version = state.version();
        self.style = Style::of(&state.settings);
        let time = |name: &str| {
            let milliseconds = state
                .setting(name)
                .and_then(|text| variables::milliseconds(&text));
            Duration::from_millis(
                milliseconds
                    .and_then(|time| u64::try_from(time).ok())
                    .unwrap_or(0),
            )
        };
        self.timeouts = super::Timeouts {
            statement: time("statement_timeout"),
            idle_in_transaction: time("idle_in_transaction_session_timeout"),
            idle: time("idle_session_timeout"),
        };
        for name in REPORTED {
            let value = state.setting(name).unwrap_or_default();
            match self.reported.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) if *known == value => continue,
                Some((_, known)) => known.clone_from(&value),
                None => self.reported.push((name, value.clone())),
            }
            backend::parameter_status(&mut self.wire.out, name, &value);
        }
    }

    /// Settings may have changed within a text: what is written from here on follows them.
    pub(super) fn refresh_style(&mut self) {
        let state = self.state.borrow();
        if state.version() != self.settings_version {
            self.style = Style::of(&state.settings);
        }
    }

    /// `SET`
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        if local && self.transaction.block == super::Block::None {
            let warning = PgError::new("25P01", "SET LOCAL can only be used in transaction blocks");
            self.notice(Severity::Warning, &warning);
            return Ok(());
        }
        match name {
            "transaction_isolation" | "transaction_read_only" => self.set_transaction(name, value),
            "transaction_deferrable" => Ok(()),
            _ => Ok(self.state.borrow_mut().set(name, value, local)?),
        }
    }

    fn set_transaction(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let variable = variables::find(name).ok_or_else(|| super::state::unknown(name))?;
        let value = variable.accept(value.unwrap_or(variable.default))?;
        let (read_only, isolation) = match name {
            "transaction_isolation" => (None, Some(value)),
            _ => (variables::parse_bool(&value), None),
        };
        self.transaction_command(&crate::sql::Transaction::Characteristics {
            read_only,
            isolation,
        })
        .map(|_| ())
    }

    /// What `SHOW` says of one setting.
    fn shown(&self, name: &str) -> Option<String> {
        // Outside of a transaction, what the next one will have.
        let inside = self.transaction.block != super::Block::None;
        match name {
            "transaction_isolation" if !inside => {
                self.state.borrow().setting("default_transaction_isolation")
            }
            "transaction_read_only" if !inside => {
                self.state.borrow().setting("default_transaction_read_only")
            }
            "transaction_isolation" => Some(self.transaction.isolation_name().to_owned()),
            "transaction_read_only" => Some(
                if self.transaction.is_read_only() {
                    "on"
                } else {
                    "off"
                }
                .to_owned(),
            ),
            _ => self.state.borrow().setting(name),
        }
    }

    /// The rows of `SHOW`.
    pub(super) fn show(&self, name: &str) -> Result<Vec<Vec<String>>> {
        if name == "all" {
            return Ok(VARIABLES
                .iter()
                .map(|variable| {
                    let value = self
                        .shown(&variable.name.to_ascii_lowercase())
                        .unwrap_or_default();
                    vec![variable.name.to_owned(), value, String::new()]
                })
                .collect());
        }
        let value = self
            .shown(name)
            .ok_or_else(|| super::state::unknown(name))?;
        Ok(vec![vec![value]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_numbers() {
        assert_eq!(version_number("13.0"), 130_000);
        assert_eq!(version_number("14.5 (Debian)"), 140_005);
    }

    #[test]
    fn the_client_outweighs_the_server() {
        let wanted = [("timezone", "Asia/Tokyo"), ("client_encoding", "'utf-8'")];
        let wanted = wanted
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let all = defaults(&Settings::default(), &wanted).unwrap();
        assert_eq!(all["timezone"], "Asia/Tokyo");
        assert_eq!(all["client_encoding"], "UTF8");
        assert_eq!(all["idle_in_transaction_session_timeout"], "30s");
        let wrong = [("no_such".to_owned(), "1".to_owned())].into();
        assert_eq!(
            defaults(&Settings::default(), &wrong).unwrap_err().code,
            "42704"
        );
    }
}

//! The values of settings as they were given, and what they are once understood.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{Error, Result};
use super::table::{Kind, Setting, by_key};

/// Where a value comes from, for sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file, by this name.
    File(String),
    /// An environment variable.
    Environment(&'static str),
    /// A flag.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(name) => f.write_str(name),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A value that was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// As it was written.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

// What was given may be a secret.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Values by key. What is given later takes the place of what was given before.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<&'static str, Given>);

impl Values {
    /// Takes a value; a blank one counts as not given.
    pub fn give(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        if !text.trim().is_empty() {
            self.0.insert(setting.key, Given { text, origin });
        }
    }

    /// What was given.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<&Given> {
        self.0.get(key)
    }

    /// What holds: given, else the default, else nothing.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let given = self.given(key).map(|given| given.text.as_str());
        given.or_else(|| {
            let default = by_key(key)?.default;
            Some(default).filter(|default| !default.is_empty())
        })
    }

    /// A text that has a default.
    pub(super) fn required(&self, key: &str) -> String {
        self.text(key).unwrap_or_default().to_owned()
    }

    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>> {
        self.read(key, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        })
    }

    pub(super) fn port(&self, key: &str) -> Result<u16> {
        Ok(self.read(key, |text| text.parse().ok())?.unwrap_or(0))
    }

    pub(super) fn count(&self, key: &str) -> Result<usize> {
        let positive = |text: &str| text.parse().ok().filter(|count| *count > 0);
        Ok(self.read(key, positive)?.unwrap_or(1))
    }

    pub(super) fn duration(&self, key: &str) -> Result<Duration> {
        Ok(self.read(key, duration)?.unwrap_or_default())
    }

    pub(super) fn milliseconds(&self, key: &str) -> Result<u128> {
        let bare = |text: &str| text.parse().ok().map(Duration::from_millis);
        let read = self.read(key, |text| bare(text).or_else(|| duration(text)))?;
        Ok(read.unwrap_or_default().as_millis())
    }

    pub(super) fn minutes(&self, key: &str) -> Result<Duration> {
        Ok(Duration::from_secs(60 * self.count(key)? as u64))
    }

    pub(super) fn size(&self, key: &str) -> Result<u64> {
        Ok(self.read(key, size)?.unwrap_or(0))
    }

    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        self.read(key, |text| {
            let found = words
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, value)| *value)
        })
    }

    pub(super) fn names(&self, key: &str) -> Vec<String> {
        let names = self.text(key).unwrap_or_default().split(',').map(str::trim);
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn read<T>(&self, key: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        if let Some(value) = parse(text.trim()) {
            return Ok(Some(value));
        }
        let kind = by_key(key).map_or(Kind::Text, |setting| setting.kind);
        let origin = self.given(key).map(|given| given.origin.to_string());
        Err(Error::Invalid {
            key: key.to_owned(),
            origin: origin.unwrap_or_else(|| "the default".to_owned()),
            value: text.to_owned(),
            expected: kind.expected(),
        })
    }
}

/// `500ms`, `30s`, `5m`, `1h`, or seconds.
fn duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// `65536`, `64KB`, `64MB`, `2GB`.
fn size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

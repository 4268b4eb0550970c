//! What is wrong with settings, in sentences.

use super::table::{Kind, SETTINGS};

/// See the sentences.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is no setting's.
    #[error("{origin}: there is no setting '{name}'{suggestion}")]
    Unknown {
        /// The name.
        name: String,
        /// Where it stands.
        origin: String,
        /// `; did you mean …?`, or nothing.
        suggestion: String,
    },
    /// A value that is none of the setting's.
    #[error("{key} ({origin}) is '{value}', and should be {expected}")]
    Invalid {
        /// The setting.
        key: String,
        /// Where the value stands.
        origin: String,
        /// The value.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// A value in the file that is of another kind than the setting's.
    #[error("{origin}: {key} {problem}")]
    Shape {
        /// The setting.
        key: String,
        /// The file.
        origin: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read {what} {path}: {problem}")]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// Its path.
        path: String,
        /// Why.
        problem: String,
    },
    /// A file that is no YAML.
    #[error("{path} is not YAML: {problem}")]
    Syntax {
        /// Its path.
        path: String,
        /// What the parser says.
        problem: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Contradiction(String),
}

/// The result of what may fail for the person who starts the server.
pub type Result<T> = std::result::Result<T, Error>;

/// `; did you mean …?` for a name that resembles one of those there are.
pub(super) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean '{near}'?"))
}

/// The name that differs least, if it differs little.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    known
        .map(|other| (distance(other), other))
        .filter(|(distance, other)| *distance <= 2.max(other.len() / 4))
        .min()
        .map(|(_, other)| other)
}

/// All environment variables of settings.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().flat_map(|setting| setting.env).copied()
}

/// Whether a kind's value may stand as a bare number in a file without losing digits.
pub(super) fn takes_numbers(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Text | Kind::Secret | Kind::Path | Kind::Choice(_) | Kind::Names
    )
}

//! Errors as Postgres clients know them.
//! <https://www.postgresql.org/docs/15/protocol-error-fields.html>
//!
//! `sqlite` makes them of SQLite's errors.

mod sqlite;

use std::fmt;
use std::ops::{Deref, DerefMut};

pub use sqlite::{is_lost_race, of_sqlite};

/// An error for a client. It is no larger than a pointer, because nearly every function here may return one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgError(Box<Fields>);

/// What goes into an `ErrorResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The SQLSTATE, five characters.
    pub code: &'static str,
    /// One sentence, lower case at its beginning, as Postgres writes them.
    pub message: String,
    /// What else is known.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the query's text, in characters, from 1.
    pub position: Option<usize>,
    /// What was being done: a line of COPY.
    pub context: Option<String>,
    /// Table, column and constraint it is about.
    pub table: Option<String>,
    /// See `table`.
    pub column: Option<String>,
    /// See `table`.
    pub constraint: Option<String>,
}

impl PgError {
    /// An error with a code and a sentence.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Fields {
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            table: None,
            column: None,
            constraint: None,
        }))
    }

    /// With what else is known.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a position in the text, in characters, from 1.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }
}

impl Deref for PgError {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for PgError {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for PgError {}

/// The result of what may fail for a client.
pub type Result<T, E = PgError> = std::result::Result<T, E>;

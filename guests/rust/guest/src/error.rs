//! What can go wrong.

use std::fmt;

/// Why something could not be done. The message is a sentence for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// SQLite, or the host, refused it.
    Sqlite {
        /// The name of SQLite's [extended code](https://www.sqlite.org/rescode.html), such as
        /// `SQLITE_CONSTRAINT_UNIQUE`.
        code: String,
        /// Its number.
        extended: i32,
        /// What SQLite says.
        message: String,
        /// Which row of [`Connection::execute_many`](crate::Connection::execute_many) it was, from 1.
        row: Option<usize>,
    },
    /// A row was asked for, and there is none.
    NoRows,
    /// A column that the row does not have.
    NoColumn(String),
    /// A column has something else than it is read as.
    Type {
        /// The column's name.
        column: String,
        /// A noun phrase.
        expected: &'static str,
        /// The type that the value has.
        found: &'static str,
    },
    /// A value that SQLite cannot hold, or a row that does not fit the type it is read into.
    Unfit(String),
    /// The host's answer is not understood: it has another version of the interface.
    Answer(String),
}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The name of SQLite's extended code, if it is SQLite's.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Sqlite { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The number of SQLite's extended code, if it is SQLite's.
    pub fn extended(&self) -> Option<i32> {
        match self {
            Self::Sqlite { extended, .. } => Some(*extended),
            _ => None,
        }
    }

    /// Whether a constraint was violated, of whichever kind.
    pub fn is_constraint(&self) -> bool {
        const SQLITE_CONSTRAINT: i32 = 19;
        self.extended()
            .is_some_and(|extended| extended & 0xff == SQLITE_CONSTRAINT)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite {
                message,
                row: Some(row),
                ..
            } => write!(f, "{message}, in row {row}"),
            Self::Sqlite { message, .. } => f.write_str(message),
            Self::NoRows => f.write_str("the query has no rows, where one was needed"),
            Self::NoColumn(column) => write!(f, "the row has no column {column}"),
            Self::Type {
                column,
                expected,
                found,
            } => {
                write!(
                    f,
                    "the column {column} has {found}, where {expected} was needed"
                )
            }
            Self::Unfit(message) => f.write_str(message),
            Self::Answer(message) => write!(f, "the host's answer is not understood: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Unfit(message.to_string())
    }
}

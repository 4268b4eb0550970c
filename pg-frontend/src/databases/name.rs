//! What may be a database's name. It becomes a file's name or a part of an object's key, so it is
//! held to what is plain in both.

use crate::error::{PgError, Result};

/// As many bytes as a Postgres name has.
const LONGEST: usize = 63;

/// Checks a name.
///
/// # Errors
/// 42602, with what may be one.
pub fn check(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fine = !name.is_empty()
        && name.len() <= LONGEST
        && name.chars().all(plain)
        && !name.starts_with(['.', '-']);
    if fine {
        return Ok(());
    }
    Err(
        PgError::new("42602", format!("\"{name}\" cannot be the name of a database")).hint(
            "A name has 1 to 63 letters, digits, \"_\", \"-\" and \".\", and begins with a letter, a digit or \"_\".",
        ),
    )
}

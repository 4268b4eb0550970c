//! What a key may be.
//!
//! Keys become object names, file names and URL paths, so the rule is the
//! narrowest of the three: `/`-separated segments of `A-Z a-z 0-9 . _ -`, none
//! of them `.` or `..`. Such a key means the same everywhere, percent-encoded or not.

/// Why a string is no key; a half sentence about the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// `a//b`, `/a` or `a/`.
    #[error("it begins or ends with '/' or has an empty part")]
    EmptySegment,
    /// `.` or `..` as a segment.
    #[error("'.' and '..' cannot be part of it")]
    Relative,
    /// Another character.
    #[error("only letters, digits, '.', '_', '-' and '/' can be in it, not {0:?}")]
    Character(char),
}

/// Checks a whole key.
///
/// # Errors
/// The first rule it breaks.
pub fn check(key: &str) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    key.split('/').try_for_each(check_segment)
}

/// Checks a list prefix: empty, or a key followed by `/`. Gives the key without the slash.
///
/// # Errors
/// The first rule it breaks.
pub fn check_prefix(prefix: &str) -> Result<&str, KeyError> {
    if prefix.is_empty() {
        return Ok(prefix);
    }
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    check(folder)?;
    Ok(folder)
}

/// True where a name met in a listing can be part of a key.
#[must_use]
pub fn is_segment(name: &str) -> bool {
    check_segment(name).is_ok()
}

fn check_segment(segment: &str) -> Result<(), KeyError> {
    match segment {
        "" => return Err(KeyError::EmptySegment),
        "." | ".." => return Err(KeyError::Relative),
        _ => {}
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match segment.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(KeyError::Character(c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mean_the_same_everywhere_pass() {
        for key in [
            "a",
            "app.db/ltx/0/00-01.ltx",
            ".sqlbridge-probe/x_1",
            "a..b/...",
            "-",
        ] {
            assert_eq!(check(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn keys_that_could_escape_or_change_are_refused() {
        assert_eq!(check(""), Err(KeyError::Empty));
        assert_eq!(check("/etc/passwd"), Err(KeyError::EmptySegment));
        assert_eq!(check("a//b"), Err(KeyError::EmptySegment));
        assert_eq!(check("a/"), Err(KeyError::EmptySegment));
        assert_eq!(check("a/../b"), Err(KeyError::Relative));
        assert_eq!(check("."), Err(KeyError::Relative));
        assert_eq!(check("a b"), Err(KeyError::Character(' ')));
        assert_eq!(check("a%2e"), Err(KeyError::Character('%')));
        assert_eq!(check("a\\b"), Err(KeyError::Character('\\')));
        assert_eq!(check("ä"), Err(KeyError::Character('ä')));
    }

    #[test]
    fn a_prefix_is_empty_or_a_folder() {
        assert_eq!(check_prefix(""), Ok(""));
        assert_eq!(check_prefix("app.db/0000/"), Ok("app.db/0000"));
        assert_eq!(check_prefix("app.db"), Ok("app.db"));
        assert_eq!(check_prefix("/"), Err(KeyError::Empty));
        assert_eq!(check_prefix("../"), Err(KeyError::Relative));
    }
}

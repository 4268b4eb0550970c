//! The terms and the filter of a `CREATE INDEX` statement, as text.
//!
//! SQLite tells the columns of an index, but not its expressions. They are cut out of
//! the statement: it is known to be valid, so brackets, quotes and comments are all that
//! has to be understood.

/// What stands in the brackets, term by term, and behind WHERE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IndexSql<'a> {
    pub(crate) terms: Vec<&'a str>,
    pub(crate) filter: Option<&'a str>,
}

/// None where the text is no index definition.
pub(crate) fn parse(sql: &str) -> Option<IndexSql<'_>> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut terms = Vec::new();
    let mut at = 0;
    let bytes = sql.as_bytes();
    while at < bytes.len() {
        let end = token_end(bytes, at);
        match bytes[at] {
            b'(' => {
                depth += 1;
                if depth == 1 {
                    start = end;
                }
            }
            b',' if depth == 1 => {
                terms.push(term(sql.get(start..at)?));
                start = end;
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    terms.push(term(sql.get(start..at)?));
                    let filter = after_where(sql.get(end..)?);
                    return Some(IndexSql { terms, filter });
                }
            }
            _ => {}
        }
        at = end;
    }
    None
}

/// A term without its direction; its collation belongs to it.
fn term(text: &str) -> &str {
    let text = text.trim();
    let shortened = text
        .rsplit_once(|c: char| c.is_whitespace())
        .and_then(|(rest, word)| {
            let direction = word.eq_ignore_ascii_case("ASC") || word.eq_ignore_ascii_case("DESC");
            direction.then(|| rest.trim_end())
        });
    shortened.unwrap_or(text)
}

/// What follows the word WHERE.
fn after_where(rest: &str) -> Option<&str> {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        if rest
            .get(at..at + 5)
            .is_some_and(|word| word.eq_ignore_ascii_case("WHERE"))
        {
            return rest.get(at + 5..);
        }
        at = end;
    }
    None
}

/// Where the string, quoted name, comment or single byte at `at` ends.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at + 1..];
    let until = |end: &[u8]| {
        let found = rest.windows(end.len()).position(|window| window == end);
        found.map_or(bytes.len(), |found| at + 1 + found + end.len())
    };
    match (bytes[at], rest.first()) {
        // A doubled quote inside reads as the end of one string and the beginning of the next.
        (quote @ (b'\'' | b'"' | b'`'), _) => until(&[quote]),
        (b'[', _) => until(b"]"),
        (b'-', Some(b'-')) => until(b"\n"),
        (b'/', Some(b'*')) => until(b"*/"),
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{IndexSql, parse};

    #[test]
    fn terms_and_filters_are_found() {
        assert_eq!(
            parse(
                "CREATE UNIQUE INDEX \"i(\" ON t(a, lower(b || ',)') DESC, [x(y] COLLATE nocase)"
            ),
            Some(IndexSql {
                terms: vec!["a", "lower(b || ',)')", "[x(y] COLLATE nocase"],
                filter: None
            })
        );
        assert_eq!(
            parse("CREATE UNIQUE INDEX i ON t(a /* , */ ) /* where */ WHERE b > 0 -- )"),
            Some(IndexSql {
                terms: vec!["a /* , */"],
                filter: Some(" b > 0 -- )")
            })
        );
        assert_eq!(parse("CREATE TABLE t"), None);
        assert_eq!(parse("('"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "[a-z ()'\"`,\\[\\]/*\\-\n\u{fc}]{0,60}|CREATE INDEX i ON t.{0,40}") {
            let parsed = parse(&text);
            let parts = parsed.iter().flat_map(|parsed| parsed.terms.iter().chain(&parsed.filter));
            for part in parts {
                proptest::prop_assert!(text.contains(part));
            }
        }
    }
}

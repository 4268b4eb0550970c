//! Who calls a function: the statement that the user wrote, or the schema.
//!
//! SQLite lets no view, trigger, index, default or constraint call a `DIRECTONLY` function, nor,
//! with `trusted_schema=OFF`, one that is not `INNOCUOUS`. But 3.40 and others before 3.54 overlook
//! CHECK constraints with functions that are not deterministic, and all versions overlook functions
//! that the connection did not know yet when it read the schema.

use std::ffi::{CStr, c_int};

use crate::Connection;
use crate::api::{call, routines};
use crate::bindings as c;

impl Connection<'_> {
    /// Whether a statement that runs calls this function in its own text. True where none runs: SQLite may try a
    /// function while it prepares.
    #[must_use]
    pub fn is_written(&self, function: &str) -> bool {
        self.any_running(|text| calls(text, function))
            .unwrap_or(true)
    }

    /// Whether a statement that runs is a `CREATE VIRTUAL TABLE`. SQLite lets a module that has a
    /// table-valued function not tell otherwise a new table from one that is there.
    pub(crate) fn creates_virtual_table(&self) -> bool {
        let creates = |text: &[u8]| {
            let tokens = tokens(text);
            ["CREATE", "VIRTUAL", "TABLE"].iter().enumerate().all(|(at, word)| {
                matches!(tokens.get(at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word.as_bytes()))
            })
        };
        self.any_running(creates).unwrap_or(false)
    }

    /// Whether the text of a statement that runs is such. None where none runs; a statement
    /// without a text counts as one.
    fn any_running(&self, is_such: impl Fn(&[u8]) -> bool) -> Option<bool> {
        let sql = routines().sql?;
        let mut statement = std::ptr::null_mut();
        let mut runs = None;
        loop {
            // SAFETY: the connection is open; null begins the list, and each statement in it is
            // alive.
            let text = unsafe {
                statement = call!(next_stmt(self.raw(), statement));
                if statement.is_null() {
                    return runs;
                }
                if call!(stmt_busy(statement)) == 0 {
                    continue;
                }
                sql(statement)
            };
            runs = Some(false);
            // SAFETY: not null, it is the text of a living statement, which ends with a zero.
            if text.is_null() || is_such(unsafe { CStr::from_ptr(text) }.to_bytes()) {
                return Some(true);
            }
        }
    }

    /// Whether `PRAGMA trusted_schema` is on, as it is by default.
    #[must_use]
    pub fn trusts_schema(&self) -> bool {
        let mut on: c_int = 1;
        if let Some(configure) = routines().db_config {
            // SAFETY: the connection is open; with -1 the setting is only read, to the integer.
            unsafe {
                configure(
                    self.raw(),
                    c::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
                    -1 as c_int,
                    std::ptr::from_mut(&mut on),
                );
            }
        }
        on != 0
    }
}

/// Whether a statement's text calls this function: a name before a parenthesis, at a place where SQL
/// has expressions. A stranger chooses the names of his functions and tables, so `INSERT INTO f(x)`
/// and a column called `f` must not count. Statements on the schema call nothing; what they
/// evaluate is the schema's.
fn calls(text: &[u8], function: &str) -> bool {
    let tokens = tokens(text);
    let is_word = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word.as_bytes()));
    if ["CREATE", "ALTER", "DROP", "REINDEX"]
        .iter()
        .any(|word| is_word(0, word))
    {
        return false;
    }
    tokens.iter().enumerate().any(|(at, token)| {
        let named = match token {
            Token::Word(name) | Token::Quoted(name) => unquoted_eq(name, function),
            Token::Other(_) => false,
        };
        named
            && tokens.get(at + 1) == Some(&Token::Other(b'('))
            && at > 0
            && match &tokens[at - 1] {
                // Words that stand before an expression; after all others a name is a table, a
                // column, an alias or a type.
                Token::Word(word) => BEFORE_EXPRESSIONS
                    .iter()
                    .any(|known| word.eq_ignore_ascii_case(known.as_bytes())),
                Token::Quoted(_) => false,
                Token::Other(other) => *other != b'.' && *other != b')',
            }
            && !is_common_table(&tokens, at + 1)
    })
}

const BEFORE_EXPRESSIONS: [&str; 28] = [
    "SELECT",
    "DISTINCT",
    "ALL",
    "WHERE",
    "HAVING",
    "BY",
    "AND",
    "OR",
    "NOT",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "IN",
    "IS",
    "LIKE",
    "GLOB",
    "REGEXP",
    "MATCH",
    "BETWEEN",
    "ESCAPE",
    "ON",
    "LIMIT",
    "OFFSET",
    "RETURNING",
    "SET",
    "VALUES",
    "EXISTS",
];

/// Whether the parenthesis that opens at `open` closes before `AS (`: the columns of a WITH.
fn is_common_table(tokens: &[Token<'_>], open: usize) -> bool {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Other(b'(') => depth += 1,
            Token::Other(b')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let word = |at: usize, word: &[u8]| matches!(tokens.get(at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
                    return word(at + 1, b"AS")
                        && (tokens.get(at + 2) == Some(&Token::Other(b'('))
                            || word(at + 2, b"NOT")
                            || word(at + 2, b"MATERIALIZED"));
                }
            }
            _ => {}
        }
    }
    false
}

/// What SQLite's tokenizer sees, as far as it matters here:
/// <https://www.sqlite.org/lang_keywords.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    /// A name or a keyword.
    Word(&'t [u8]),
    /// A name in quotes, without the outer ones.
    Quoted(&'t [u8]),
    /// A string, or the first byte of anything else.
    Other(u8),
}

fn tokens(text: &[u8]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let length = |end: Option<usize>| end.unwrap_or(rest.len());
        let used = match first {
            b'-' if after.first() == Some(&b'-') => {
                length(rest.iter().position(|byte| *byte == b'\n'))
            }
            b'/' if after.first() == Some(&b'*') => length(find(rest, 2, b"*/").map(|end| end + 2)),
            b'\'' | b'"' | b'`' | b'[' => {
                let close = if *first == b'[' { b']' } else { *first };
                let used = quoted(rest, close);
                if *first == b'\'' {
                    tokens.push(Token::Other(b'\''));
                } else {
                    tokens.push(Token::Quoted(&rest[1..(used - 1).max(1)]));
                }
                used
            }
            byte if byte.is_ascii_whitespace() => 1,
            byte if is_name(*byte) => {
                let used = length(rest.iter().position(|byte| !is_name(*byte)));
                tokens.push(Token::Word(&rest[..used]));
                used
            }
            byte => {
                tokens.push(Token::Other(*byte));
                1
            }
        };
        rest = &rest[used.max(1)..];
    }
    tokens
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

fn find(text: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let at = text
        .get(from..)?
        .windows(what.len())
        .position(|part| part == what)?;
    Some(from + at)
}

/// Length of a quoted token with both quotes; a doubled quote stands for one.
fn quoted(text: &[u8], close: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte == close {
            if close != b']' && text.get(at) == Some(&close) {
                at += 1;
            } else {
                return at;
            }
        }
    }
    text.len()
}

/// Names of functions have no quotes in them, so a doubled one makes another name.
fn unquoted_eq(name: &[u8], function: &str) -> bool {
    name.eq_ignore_ascii_case(function.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::calls;

    #[test]
    fn calls_are_told_from_names() {
        for called in [
            "SELECT f(1)",
            "SELECT 1, F (2)",
            "SELECT \"f\"(1), 2",
            "SELECT a FROM t WHERE x = f(1)",
            "INSERT INTO t VALUES (1, f(2))",
            "INSERT INTO t SELECT f(x) FROM u",
            "UPDATE t SET a = f(a)",
            "SELECT x AS f, -f(x) FROM t",
            "SELECT /* c */ f /* d */ (1)",
            "WITH c AS (SELECT f(1)) SELECT * FROM c",
            "DELETE FROM t WHERE NOT f(x)",
            "SELECT * FROM a JOIN b ON f(a.x)",
            "VALUES (f(1))",
            "SELECT f(x) AS y FROM t",
        ] {
            assert!(calls(called.as_bytes(), "f"), "{called}");
        }
        for named in [
            "INSERT INTO f(x) VALUES (1)",
            "INSERT INTO main.f (x) VALUES (1)",
            "INSERT INTO t(f) VALUES (1)",
            "INSERT INTO f VALUES (1)",
            "SELECT f FROM t",
            "SELECT 'f(1)'",
            "SELECT 1 -- f(1)",
            "SELECT 1 /* f(1) */",
            "WITH f(x) AS (SELECT 1) SELECT 2",
            "WITH f(x) AS NOT MATERIALIZED (SELECT 1) SELECT 2",
            "SELECT * FROM f(1)",
            "CREATE INDEX i ON f(x)",
            "CREATE TABLE t(x CHECK(f(x)))",
            "REPLACE INTO \"f\"(x) VALUES (1)",
            "SELECT af(1), fa(2)",
            "SELECT \"a f\"(1)",
            "UPDATE f SET x = 1",
            "SELECT x AS f (1)",
            "",
            "f(",
            "'",
            "/*",
        ] {
            assert!(!calls(named.as_bytes(), "f"), "{named}");
        }
    }
}

//! SQLite's lexical rules: <https://www.sqlite.org/lang_keywords.html>, and the tokenizer's own.
//!
//! The gate judges a text by its tokens, so a text must not mean one thing here and another to
//! SQLite. What SQLite would call illegal is an error; so are Tcl's parameters (`$a(b)`, `$a::b`),
//! which some builds read and others do not.

use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a bare name.
    Word,
    /// A name in `"…"`, `[…]` or `` `…` ``.
    Quoted,
    /// `'…'`. SQLite takes it for a name too, in some places.
    Text,
    /// `x'…'`.
    Blob,
    /// A number.
    Number,
    /// `?`, `?1`, `:a`, `@a`, `$a`.
    Parameter,
    /// An operator or a mark.
    Mark,
}

/// A token. White space and comments are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it stands.
    pub text: &'a str,
}

/// No token of SQLite's begins here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal {
    /// The byte it is about.
    pub at: usize,
    /// What it is.
    pub what: &'static str,
}

impl<'a> Token<'a> {
    /// Whether it is this keyword, or this mark.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Mark) && self.text.eq_ignore_ascii_case(word)
    }

    /// The name it stands for where a name is meant, in lower case. SQLite folds ASCII only.
    pub(crate) fn name(&self) -> Option<Cow<'a, str>> {
        let inner = || self.text.get(1..self.text.len() - 1).unwrap_or_default();
        let name: Cow<'a, str> = match self.kind {
            Kind::Word => self.text.into(),
            Kind::Quoted if self.text.starts_with('[') => inner().into(),
            Kind::Quoted | Kind::Text => {
                let quote = self.text.get(..1).unwrap_or_default();
                let twice = [quote, quote].concat();
                if inner().contains(&twice) {
                    inner().replace(&twice, quote).into()
                } else {
                    inner().into()
                }
            }
            _ => return None,
        };
        Some(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name
        })
    }
}

/// All tokens of a text.
///
/// # Errors
/// Where SQLite would find none.
pub fn tokenize(sql: &str) -> Result<Vec<Token<'_>>, Illegal> {
    Tokens::new(sql).collect()
}

/// The tokens of a text, one by one. Ends after an error.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.sql.as_bytes().get(self.at..).unwrap_or_default()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, Illegal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return None;
            }
            match blank(rest) {
                0 => break,
                length => self.at += length,
            }
        }
        let start = self.at;
        match token(self.rest()) {
            Ok((kind, length)) => {
                self.at += length;
                let text = self.sql.get(start..self.at).unwrap_or_default();
                Some(Ok(Token { kind, text }))
            }
            Err(what) => {
                self.at = self.sql.len();
                Some(Err(Illegal { at: start, what }))
            }
        }
    }
}

/// The length of the white space or comment that `rest` begins with; 0 for none.
fn blank(rest: &[u8]) -> usize {
    match rest {
        [b' ' | b'\t' | b'\n' | b'\x0c' | b'\r', ..] => run(rest, is_space),
        [b'-', b'-', ..] => run(rest, |byte| byte != b'\n'),
        [b'/', b'*', _, after @ ..] => {
            // The star that ends it is not the one that begins it.
            let end = rest[2..].windows(2).position(|pair| pair == b"*/");
            end.map_or(after.len() + 3, |end| end + 4)
        }
        [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

/// The first token of a text that begins with one.
fn token(rest: &[u8]) -> Result<(Kind, usize), &'static str> {
    let first = rest.first().copied().unwrap_or_default();
    let second = rest.get(1).copied().unwrap_or_default();
    Ok(match (first, second) {
        (b'\'', _) => (Kind::Text, quoted(rest, b'\'')?),
        (b'"' | b'`', _) => (Kind::Quoted, quoted(rest, first)?),
        (b'[', _) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (Kind::Quoted, end + 1),
            None => return Err("a name in [ ] without an end"),
        },
        (b'x' | b'X', b'\'') => (Kind::Blob, blob(rest)?),
        (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => (Kind::Number, number(rest)?),
        (b'?', _) => (
            Kind::Parameter,
            1 + run(&rest[1..], |byte| byte.is_ascii_digit()),
        ),
        (b':' | b'@' | b'$' | b'#', _) => (Kind::Parameter, parameter(rest)?),
        (b'-', b'>') if rest.get(2) == Some(&b'>') => (Kind::Mark, 3),
        (b'-', b'>')
        | (b'|', b'|')
        | (b'<', b'=' | b'>' | b'<')
        | (b'>', b'=' | b'>')
        | (b'=' | b'!', b'=') => (Kind::Mark, 2),
        (
            b'-' | b'(' | b')' | b';' | b'+' | b'*' | b'/' | b'%' | b'=' | b'<' | b'>' | b'|'
            | b',' | b'&' | b'~' | b'.',
            _,
        ) => (Kind::Mark, 1),
        (byte, _) if is_name(byte) => (Kind::Word, run(rest, is_name)),
        (0, _) => return Err("a zero byte"),
        _ => return Err("a character that SQL does not have"),
    })
}

/// Up to the quotation mark that is not doubled.
fn quoted(rest: &[u8], quote: u8) -> Result<usize, &'static str> {
    let mut at = 1;
    loop {
        match (rest.get(at), rest.get(at + 1)) {
            (Some(byte), Some(next)) if *byte == quote && *next == quote => at += 2,
            (Some(byte), _) if *byte == quote => return Ok(at + 1),
            // SQLite stops reading at a zero byte.
            (None | Some(0), _) => return Err("a quotation without an end"),
            _ => at += 1,
        }
    }
}

fn blob(rest: &[u8]) -> Result<usize, &'static str> {
    let digits = run(&rest[2..], |byte| byte.is_ascii_hexdigit());
    if digits % 2 == 0 && rest.get(2 + digits) == Some(&b'\'') {
        Ok(digits + 3)
    } else {
        Err("a blob that is not x'…' with an even number of hexadecimal digits")
    }
}

/// Digits with `_` between them are a number since SQLite 3.46 and illegal before.
fn number(rest: &[u8]) -> Result<usize, &'static str> {
    let digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let length = if let [b'0', b'x' | b'X', next, ..] = rest
        && next.is_ascii_hexdigit()
    {
        2 + run(&rest[2..], |byte| byte.is_ascii_hexdigit() || byte == b'_')
    } else {
        let mut length = run(rest, digit);
        if rest.get(length) == Some(&b'.') {
            length += 1 + run(&rest[length + 1..], digit);
        }
        if let Some(b'e' | b'E') = rest.get(length) {
            let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
            if rest.get(length + 1 + sign).is_some_and(u8::is_ascii_digit) {
                length += 1 + sign + run(&rest[length + 1 + sign..], digit);
            }
        }
        length
    };
    if rest.get(length).copied().is_some_and(is_name) {
        return Err("a number that runs into a name");
    }
    Ok(length)
}

fn parameter(rest: &[u8]) -> Result<usize, &'static str> {
    let length = 1 + run(&rest[1..], is_name);
    match (rest.first(), rest.get(length..)) {
        (Some(b'#'), _) => Err("a character that SQL does not have"),
        (_, Some([b'(', ..] | [b':', b':', ..])) => {
            Err("a parameter of Tcl's, $name(…) or $name::…, which procedures have no use for")
        }
        _ if length == 1 => Err("a parameter without a name"),
        _ => Ok(length),
    }
}

/// How many bytes at the beginning are of a kind.
fn run(bytes: &[u8], kind: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|byte| !kind(*byte))
        .unwrap_or(bytes.len())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What names consist of; they begin with no digit and no `$`.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

#[cfg(test)]
mod tests;

//! The tokens of Postgres's SQL, as far as splitting and reading commands needs them.
//! <https://www.postgresql.org/docs/15/sql-syntax-lexical.html>

use crate::error::{PgError, Result};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes (also `U&"…"`).
    Quoted,
    /// `'…'`, `U&'…'`, `B'…'`, `X'…'`
    String,
    /// `E'…'`
    Escaped,
    /// `$tag$…$tag$`
    Dollar,
    /// A number.
    Number,
    /// `$1`
    Parameter,
    /// One character of an operator, a bracket, a comma …
    Symbol,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// All tokens of a text.
///
/// # Errors
/// 42601: an unfinished quote or comment.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    let mut out = Vec::with_capacity(text.len() / 4);
    while let Some(token) = lexer.read()? {
        out.push(token);
    }
    Ok(out)
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn unfinished(&self, what: &str, start: usize) -> PgError {
        let near: String = self.text[start..].chars().take(40).collect();
        PgError::new(
            "42601",
            format!("unterminated {what} at or near \"{near}\""),
        )
        .at(self.text[..start].chars().count() + 1)
    }

    /// Skips space and comments; block comments nest.
    fn skip(&mut self) -> Result<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => {
                    while self.at < self.bytes.len() && self.peek(0) != b'\n' {
                        self.at += 1;
                    }
                }
                (b'/', b'*') => {
                    let start = self.at;
                    let mut depth = 0;
                    loop {
                        match (self.peek(0), self.peek(1)) {
                            (b'/', b'*') => {
                                depth += 1;
                                self.at += 2;
                            }
                            (b'*', b'/') => {
                                depth -= 1;
                                self.at += 2;
                                if depth == 0 {
                                    break;
                                }
                            }
                            _ if self.at >= self.bytes.len() => {
                                return Err(self.unfinished("/* comment", start));
                            }
                            _ => self.at += 1,
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn read(&mut self) -> Result<Option<Token>> {
        self.skip()?;
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let kind = self.token(start)?;
        Ok(Some(Token {
            kind,
            start,
            end: self.at,
        }))
    }

    fn token(&mut self, start: usize) -> Result<Kind> {
        let byte = self.peek(0);
        let prefix = byte.to_ascii_lowercase();
        match byte {
            b'\'' => self.quoted(start, b'\'', false).map(|()| Kind::String),
            b'"' => self.quoted(start, b'"', false).map(|()| Kind::Quoted),
            _ if prefix == b'e' && self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted(start, b'\'', true).map(|()| Kind::Escaped)
            }
            _ if matches!(prefix, b'b' | b'x' | b'n') && self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted(start, b'\'', false).map(|()| Kind::String)
            }
            _ if prefix == b'u' && self.peek(1) == b'&' && matches!(self.peek(2), b'\'' | b'"') => {
                let quote = self.peek(2);
                self.at += 2;
                self.quoted(start, quote, false)?;
                Ok(if quote == b'"' {
                    Kind::Quoted
                } else {
                    Kind::String
                })
            }
            b'$' if self.peek(1).is_ascii_digit() => {
                self.at += 1;
                while self.peek(0).is_ascii_digit() {
                    self.at += 1;
                }
                Ok(Kind::Parameter)
            }
            b'$' => self.dollar(start),
            _ if is_name_start(byte) => {
                while is_name(self.peek(0)) {
                    self.at += 1;
                }
                Ok(Kind::Word)
            }
            _ if byte.is_ascii_digit() || byte == b'.' && self.peek(1).is_ascii_digit() => {
                self.number();
                Ok(Kind::Number)
            }
            _ => {
                self.at += 1;
                Ok(Kind::Symbol)
            }
        }
    }

    fn number(&mut self) {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                while self.peek(0).is_ascii_digit() {
                    self.at += 1;
                }
            }
        }
    }

    /// From an opening quote to behind the closing one; doubled quotes stand for one.
    fn quoted(&mut self, start: usize, quote: u8, backslash: bool) -> Result<()> {
        self.at += 1;
        loop {
            match self.peek(0) {
                _ if self.at >= self.bytes.len() => {
                    let what = if quote == b'"' {
                        "quoted identifier"
                    } else {
                        "quoted string"
                    };
                    return Err(self.unfinished(what, start));
                }
                b'\\' if backslash => self.at += 2,
                byte if byte == quote => {
                    self.at += 1;
                    if self.peek(0) != quote {
                        return Ok(());
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    fn dollar(&mut self, start: usize) -> Result<Kind> {
        let mut end = start + 1;
        while self
            .bytes
            .get(end)
            .is_some_and(|byte| is_name(*byte) && *byte != b'$')
        {
            end += 1;
        }
        if self.bytes.get(end) != Some(&b'$') {
            self.at += 1;
            return Ok(Kind::Symbol);
        }
        let tag = &self.text[start..=end];
        match self.text[end + 1..].find(tag) {
            Some(at) => {
                self.at = end + 1 + at + tag.len();
                Ok(Kind::Dollar)
            }
            None => Err(self.unfinished("dollar-quoted string", start)),
        }
    }
}

/// The statements of a text: byte ranges without the semicolons, those without a token left out.
///
/// # Errors
/// As [`tokens`].
pub(crate) fn split(text: &str) -> Result<Vec<(usize, usize)>> {
    let mut out = Vec::new();
    let mut depth = 0usize;
    let mut start = None;
    let mut end = 0;
    for token in tokens(text)? {
        let symbol = (token.kind == Kind::Symbol).then(|| text.as_bytes()[token.start]);
        match symbol {
            Some(b';') if depth == 0 => {
                if let Some(start) = start.take() {
                    out.push((start, end));
                }
                continue;
            }
            Some(b'(') => depth += 1,
            Some(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        start.get_or_insert(token.start);
        end = token.end;
    }
    if let Some(start) = start {
        out.push((start, end));
    }
    Ok(out)
}

/// A string token's value.
pub(crate) fn string_value(kind: Kind, token: &str) -> String {
    match kind {
        Kind::Dollar => {
            let tag = token[1..].find('$').map_or(2, |at| at + 2);
            token.get(tag..token.len() - tag).unwrap_or("").to_owned()
        }
        Kind::Escaped => unescape(&token[2..token.len() - 1]),
        _ => {
            let at = token.find('\'').unwrap_or(0);
            let body = token[at + 1..token.len() - 1].replace("''", "'");
            if token[..at].starts_with(['u', 'U']) {
                unicode(&body)
            } else {
                body
            }
        }
    }
}

/// What the backslashes of an `E''` string stand for.
fn unescape(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            chars.next_if_eq(&'\'');
            out.push(c);
            continue;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(letter) = chars.next() else { break };
        let mut code = |radix: u32, most: usize, first: u32| {
            let mut value = first;
            for _ in 0..most {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else {
                    break;
                };
                value = value * radix + digit;
                chars.next();
            }
            char::from_u32(value)
        };
        let meant = match letter {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'x' => code(16, 2, 0),
            'u' => code(16, 4, 0),
            'U' => code(16, 8, 0),
            digit @ '0'..='7' => code(8, 2, digit.to_digit(8).unwrap_or(0)),
            other => Some(other),
        };
        out.extend(meant);
    }
    out
}

/// What `\0041` and `\+000041` of a `U&''` string stand for.
fn unicode(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = after;
            continue;
        }
        let (skip, digits) = if rest.starts_with('+') {
            (1, 6)
        } else {
            (0, 4)
        };
        let code = rest
            .get(skip..skip + digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = &rest[skip + digits..];
            }
            None => out.push('\\'),
        }
    }
    out.push_str(rest);
    out
}

/// A name token's value: without quotes, or in lower case.
pub(crate) fn name_value(kind: Kind, token: &str) -> String {
    if kind != Kind::Quoted {
        return token.to_lowercase();
    }
    let at = token.find('"').unwrap_or(0);
    token[at + 1..token.len() - 1].replace("\"\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statements(text: &str) -> Vec<&str> {
        split(text)
            .unwrap()
            .into_iter()
            .map(|(start, end)| &text[start..end])
            .collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        assert_eq!(
            statements("SELECT 1; ;-- ;\n/* ; /* ; */ ; */SELECT ';' ;"),
            ["SELECT 1", "SELECT ';'"]
        );
        assert_eq!(
            statements("DO $x$ a; $y$ b $y$; $x$; SELECT E'\\';'"),
            ["DO $x$ a; $y$ b $y$; $x$", "SELECT E'\\';'"]
        );
        assert_eq!(
            statements("SELECT \";\", U&';', 'it''s;'"),
            ["SELECT \";\", U&';', 'it''s;'"]
        );
        assert_eq!(
            statements("CREATE RULE r AS DO (a; b); c"),
            ["CREATE RULE r AS DO (a; b)", "c"]
        );
        assert_eq!(statements(" -- nothing"), Vec::<&str>::new());
        assert_eq!(statements("SELECT a$1, $1;x"), ["SELECT a$1, $1", "x"]);
    }

    #[test]
    fn unfinished_quotes_have_positions() {
        for (text, position) in [
            ("SELECT 'a", 8),
            ("é \"a", 3),
            ("/* /* */", 1),
            ("SELECT $$a", 8),
        ] {
            let error = split(text).unwrap_err();
            assert_eq!(
                (error.code, error.position),
                ("42601", Some(position)),
                "{text}"
            );
        }
    }

    #[test]
    fn strings() {
        assert_eq!(
            string_value(Kind::Escaped, r"E'a\n\x41\u00e9\101\'''"),
            "a\nAéA''"
        );
        assert_eq!(string_value(Kind::String, r"U&'d\0061t\+000061'"), "data");
        assert_eq!(string_value(Kind::Dollar, "$x$it's$x$"), "it's");
        assert_eq!(string_value(Kind::String, "'it''s'"), "it's");
    }

    proptest! {
        #[test]
        fn any_text_splits_or_is_refused(text in "[a-cEU&;'\"$\\\\/*() \n-]{0,40}") {
            if let Ok(ranges) = split(&text) {
                let mut last = 0;
                for (start, end) in ranges {
                    prop_assert!(start >= last && end > start && text.is_char_boundary(start) && text.is_char_boundary(end));
                    last = end;
                }
            }
            if let Ok(tokens) = tokens(&text) {
                for token in tokens {
                    let word = &text[token.start..token.end];
                    match token.kind {
                        Kind::String | Kind::Escaped | Kind::Dollar => { string_value(token.kind, word); }
                        Kind::Quoted | Kind::Word => { name_value(token.kind, word); }
                        _ => {}
                    }
                }
            }
        }
    }
}

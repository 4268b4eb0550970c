//! A command's tokens, read one after another.

use crate::error::{PgError, Result};
use crate::sql::lexer::{self, Kind, Token};
use crate::sql::names::Name;

/// See the module.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub(crate) text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self> {
        Ok(Self {
            text,
            tokens: lexer::tokens(text)?,
            at: 0,
        })
    }

    fn token(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn shown(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    /// The next word or symbol, in upper case; none at the end, and for quoted things their text.
    pub(crate) fn peek(&self) -> Option<String> {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> Option<String> {
        let token = self.token(ahead)?;
        Some(match token.kind {
            Kind::Word => self.shown(token).to_ascii_uppercase(),
            _ => self.shown(token).to_owned(),
        })
    }

    pub(crate) fn advance(&mut self) -> Option<String> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// Takes these words if they come next.
    pub(crate) fn accept(&mut self, words: &str) -> bool {
        let mut ahead = 0;
        for word in words.split(' ') {
            if self.peek_at(ahead).as_deref() != Some(word) {
                return false;
            }
            ahead += 1;
        }
        self.at += ahead;
        true
    }

    /// Takes these words, or it is a syntax error.
    pub(crate) fn expect(&mut self, words: &str) -> Result<()> {
        if self.accept(words) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// 42601 at the next token.
    pub(crate) fn unexpected(&self) -> PgError {
        match self.token(0) {
            Some(token) => PgError::new(
                "42601",
                format!("syntax error at or near \"{}\"", self.shown(token)),
            )
            .at(self.text[..token.start].chars().count() + 1),
            None => {
                PgError::new("42601", "syntax error at end of input")
                    .at(self.text.chars().count() + 1)
            }
        }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.token(0).is_none()
    }

    /// Nothing more may come.
    pub(crate) fn end(&self) -> Result<()> {
        if self.at_end() {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// A name, folded.
    pub(crate) fn name(&mut self) -> Result<String> {
        match self.token(0) {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Quoted) => {
                self.at += 1;
                Ok(lexer::name_value(token.kind, self.shown(token)))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A name that may have a schema before it.
    pub(crate) fn qualified(&mut self) -> Result<Name> {
        let mut parts = vec![self.name()?];
        while self.accept(".") {
            parts.push(self.name()?);
        }
        let name = parts.pop().unwrap_or_default();
        Ok(Name {
            schema: parts.pop(),
            name,
            position: (0, 0),
        })
    }

    /// A string.
    pub(crate) fn string(&mut self) -> Result<String> {
        match self.token(0) {
            Some(token) if matches!(token.kind, Kind::String | Kind::Escaped | Kind::Dollar) => {
                self.at += 1;
                Ok(lexer::string_value(token.kind, self.shown(token)))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The next token is a string.
    pub(crate) fn is_string(&self) -> bool {
        self.token(0)
            .is_some_and(|token| matches!(token.kind, Kind::String | Kind::Escaped | Kind::Dollar))
    }

    /// The next token is a name (or a keyword).
    pub(crate) fn is_name(&self) -> bool {
        self.token(0)
            .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
    }

    /// A whole number, perhaps with a sign.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        let negative = self.accept("-");
        let plus = !negative && self.accept("+");
        let _ = plus;
        let value = match self.token(0) {
            Some(token) if token.kind == Kind::Number => self.shown(token).parse::<i64>().ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(if negative { -value } else { value })
    }

    /// What is left of the text.
    pub(crate) fn rest(&self) -> &'a str {
        match self.token(0) {
            Some(token) => &self.text[token.start..],
            None => "",
        }
    }

    /// Takes everything up to the closing bracket of one that was just opened; gives what is within.
    pub(crate) fn bracketed(&mut self) -> Result<&'a str> {
        let start = self.token(0).map_or(self.text.len(), |token| token.start);
        let mut depth = 1;
        while let Some(token) = self.token(0) {
            self.at += 1;
            match self.shown(token) {
                "(" => depth += 1,
                ")" => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(self.text[start..token.start].trim());
                    }
                }
                _ => {}
            }
        }
        Err(self.unexpected())
    }

    /// The position (in characters from 0) of the next token.
    pub(crate) fn offset(&self) -> usize {
        self.token(0).map_or(self.text.len(), |token| token.start)
    }

    /// The text so far behind a place in bytes.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        let end = self
            .at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(start, |token| token.end);
        self.text.get(start..end).unwrap_or("")
    }
}

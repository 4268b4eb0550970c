//! Text to syntax tree, and what the parser does not know taken out of its way.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Location;

use super::depth;
use super::lexer::{self, Kind};
use super::query::position;
use crate::error::{PgError, Result};

/// How deep expressions may nest.
const DEPTH: usize = 120;

/// One statement.
///
/// # Errors
/// 42601, with the position.
pub(crate) fn statement(text: &str) -> Result<Statement> {
    let eased = ease(text);
    let text = eased.as_deref().unwrap_or(text);
    depth::check(text)?;
    let fail = |error: ParserError| syntax_error(text, &error);
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(DEPTH)
        .try_with_sql(text)
        .map_err(fail)?;
    let statement = parser.parse_statement().map_err(fail)?;
    let rest = parser.peek_token();
    if rest.token != sqlparser::tokenizer::Token::EOF
        && rest.token != sqlparser::tokenizer::Token::SemiColon
    {
        let error = near(&rest.token.to_string());
        return Err(match position(text, rest.span.start) {
            Some(position) => error.at(position),
            None => error,
        });
    }
    Ok(statement)
}

fn near(word: &str) -> PgError {
    if word == "EOF" {
        return PgError::new("42601", "syntax error at end of input");
    }
    PgError::new("42601", format!("syntax error at or near \"{word}\""))
}

/// The parser's error in Postgres's words: what was found, and where.
fn syntax_error(text: &str, error: &ParserError) -> PgError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return PgError::new("54001", "stack depth limit exceeded")
                .hint("The statement nests too deeply.");
        }
    };
    let place = message.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some(Location::new(
            line.trim().parse().ok()?,
            column.trim().parse().ok()?,
        ))
    });
    let found = message.rsplit_once("found: ").map(|(_, found)| {
        found
            .rsplit_once(" at Line: ")
            .map_or(found, |(found, _)| found)
    });
    let error = match found {
        Some(found) => near(found.trim()),
        None => PgError::new("42601", format!("syntax error: {message}")),
    };
    match place.and_then(|place| position(text, place)) {
        Some(position) => error.at(position),
        None if found == Some("EOF") => error.at(text.chars().count() + 1),
        None => error,
    }
}

/// Blanks out `ONLY` before tables and the schema of `OPERATOR(schema.op)`, so that positions stay.
fn ease(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    if !upper.contains("ONLY") && !upper.contains("OPERATOR") {
        return None;
    }
    let tokens = lexer::tokens(text).ok()?;
    let mut bytes = text.as_bytes().to_vec();
    let word = |index: usize| {
        tokens
            .get(index)
            .filter(|token| token.kind == Kind::Word)
            .map(|token| upper[token.start..token.end].to_owned())
    };
    let symbol = |index: usize| {
        tokens
            .get(index)
            .filter(|token| token.kind == Kind::Symbol)
            .map(|token| text.as_bytes()[token.start])
    };
    for (index, token) in tokens.iter().enumerate() {
        let blank = |bytes: &mut Vec<u8>, from: usize, to: usize| bytes[from..to].fill(b' ');
        match word(index).as_deref() {
            Some("ONLY") => {
                let before = index.checked_sub(1).and_then(word);
                if matches!(
                    before.as_deref(),
                    Some("FROM" | "JOIN" | "UPDATE" | "TABLE" | "INTO")
                ) {
                    blank(&mut bytes, token.start, token.end);
                }
            }
            Some("OPERATOR") if symbol(index + 1) == Some(b'(') => {
                let close = (index + 2..tokens.len()).find(|index| symbol(*index) == Some(b')'))?;
                let mut from = index + 2;
                if tokens
                    .get(from)
                    .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
                    && symbol(from + 1) == Some(b'.')
                {
                    from += 2;
                }
                blank(&mut bytes, token.start, tokens.get(from)?.start);
                blank(&mut bytes, tokens[close].start, tokens[close].end);
            }
            _ => {}
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_positions() {
        let error = statement("SELECT 1 FRM t WHERE").unwrap_err();
        assert_eq!(error.code, "42601");
        assert!(error.position.is_some(), "{error:?}");
        let error = statement("SELECT (1").unwrap_err();
        assert_eq!(
            (error.code, error.position),
            ("42601", Some(10)),
            "{error:?}"
        );
    }

    #[test]
    fn what_the_parser_does_not_know() {
        for text in [
            "SELECT * FROM ONLY t",
            "SELECT 1 WHERE a OPERATOR(pg_catalog.~) '^(x)$'",
            "SELECT 1 WHERE a OPERATOR(pg_catalog.=) ANY (ARRAY[1])",
        ] {
            statement(text).unwrap();
        }
    }
}

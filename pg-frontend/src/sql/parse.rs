//! Text to syntax tree, and what the parser does not know taken out of its way.
//!
//! Whoever goes through a tree goes down as deep as it is, also who drops it, on a stack that has an end. So no tree
//! is made that is too deep to be dropped, and none is given away that is too deep to be planned.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, SetExpr, Statement, Visit as _, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Location;

use super::lexer::{self, Kind};
use super::query::position;
use crate::error::{PgError, Result};

/// How deep brackets and prefixes may nest.
const DEPTH: usize = 120;
/// How deep expressions may nest: `1 + 1 + …` is as deep as it is long. As SQLite has it.
const CHAIN: usize = 1000;
/// Queries that UNION and its kin may put together. As SQLite has it.
const TERMS: usize = 500;
/// Tokens of which each may stand one deeper than the one before.
const RUN: usize = 10_000;

/// One statement.
///
/// # Errors
/// 42601, with the position.
pub(crate) fn statement(text: &str) -> Result<Statement> {
    let eased = ease(text);
    let text = eased.as_deref().unwrap_or(text);
    if text.len() > RUN && run(text)? > RUN {
        return Err(too_deep());
    }
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
    // An operator and its operand are two characters at least.
    if text.len() > 2 * CHAIN && statement.visit(&mut Depth::default()).is_break() {
        return Err(too_deep());
    }
    Ok(statement)
}

fn too_deep() -> PgError {
    PgError::new("54001", "stack depth limit exceeded").hint(
        "The statement nests too deeply. Operators in a row nest as well: give many values as one array, x = ANY ($1).",
    )
}

/// No tree of a text is deeper than this: tokens in a row, with what is in brackets between them; a comma begins
/// a new row.
fn run(text: &str) -> Result<usize> {
    // For each open bracket: the longest row, and the one that goes on.
    let mut levels = vec![(0, 0)];
    let mut longest = 0;
    for token in lexer::tokens(text)? {
        let symbol = match token.kind {
            Kind::Symbol => text.as_bytes()[token.start],
            _ => 0,
        };
        let inside = match symbol {
            b'(' | b'[' => {
                levels.push((0, 0));
                continue;
            }
            b')' | b']' if levels.len() > 1 => {
                levels.pop().map_or(0, |(longest, row)| longest.max(row))
            }
            _ => 0,
        };
        let Some((most, row)) = levels.last_mut() else {
            break;
        };
        if symbol == b',' {
            *most = (*most).max(*row);
            *row = 0;
        } else {
            *row = inside.max(*row) + 1;
            longest = longest.max(*row);
        }
    }
    Ok(longest)
}

/// Stops at what is too deep for a plan.
#[derive(Default)]
struct Depth(usize);

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.0 += 1;
        if self.0 > CHAIN {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.0 -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut terms = 1;
        let mut open = vec![query.body.as_ref()];
        while let Some(body) = open.pop() {
            if let SetExpr::SetOperation { left, right, .. } = body {
                terms += 1;
                open.extend([left.as_ref(), right.as_ref()]);
            }
        }
        if terms > TERMS {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
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
            return too_deep();
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

    /// A text that is as deep as it is long.
    fn deep(shape: &str, times: usize) -> String {
        let (head, link) = shape.split_once('…').unwrap();
        format!("{head}{}", link.repeat(times))
    }

    #[test]
    fn what_is_deep_is_refused_and_overflows_no_stack() {
        // That of a session.
        let session = std::thread::Builder::new().stack_size(8 << 20);
        let check = || {
            for shape in [
                "SELECT 1…+1",
                "SELECT true… AND true",
                "SELECT 'a'…||'a'",
                "SELECT 1…::int",
                "SELECT '{1}'::int[]…[1]",
                "SELECT 1… IS NULL",
                "SELECT 'a'… LIKE 'a'",
                "SELECT 'a'… COLLATE \"C\"",
                "SELECT now()… AT TIME ZONE 'utc'",
                "SELECT '{}'::jsonb…->'a'",
                "SELECT NULL::int…[]",
                "SELECT 1… UNION ALL SELECT 1",
                "SELECT 1 UNION SELECT 1… INTERSECT SELECT 1",
                "SELECT …NOT ",
                "SELECT …(",
                "SELECT …- ",
                "SELECT 1… BETWEEN 1 AND 2",
                "SELECT 1… IN (1)",
                "SELECT a….a",
                "SELECT …ARRAY[",
                "SELECT …CASE WHEN 1 THEN ",
            ] {
                for times in [2_000, 20_000, 200_000] {
                    let parsed = statement(&deep(shape, times));
                    assert!(parsed.is_err() || times < RUN, "{shape} {times}");
                }
            }
            for text in [
                deep("SELECT 1…+1", CHAIN),
                deep("SELECT 1… UNION SELECT 1", TERMS),
                deep("SELECT 1 UNION SELECT 1… INTERSECT SELECT 1", TERMS),
            ] {
                assert_eq!(statement(&text).unwrap_err().code, "54001");
            }
            for text in [
                deep("SELECT 1…+1", 900),
                deep("SELECT 1… UNION SELECT 1", 400),
                format!("SELECT 1 IN (1{})", ",1".repeat(100_000)),
            ] {
                statement(&text).unwrap();
            }
            let values = format!(
                "INSERT INTO t VALUES (1 + 1){}",
                ", (2 + 2)".repeat(100_000)
            );
            statement(&values).unwrap();
        };
        session.spawn(check).unwrap().join().unwrap();
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

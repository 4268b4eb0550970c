//! How deep the tree of a text may become. What follows walks the tree in recursions, and a session's stack is
//! not endless: `a OR b OR c …` is a tree as deep as it is long, which the parser, who counts brackets, lets pass.

use super::lexer::{self, Kind};
use crate::error::{PgError, Result};

/// Operators on a way from the root to a leaf. SQLite itself takes expressions of a depth of 1000.
const OPERATORS: usize = 2000;
/// `UNION` and its kin at one level, which SQLite takes 500 queries of.
const SETS: usize = 499;

/// Words that are operators.
const WORDS: &[&str] = &[
    "AND", "AT", "BETWEEN", "COLLATE", "ILIKE", "IN", "IS", "ISNULL", "LIKE", "NOT", "NOTNULL",
    "OR", "OVERLAPS", "SIMILAR",
];

/// Refuses a text whose tree would be too deep.
///
/// # Errors
/// 54001. And what the lexer says.
pub(super) fn check(text: &str) -> Result<()> {
    // Neither limit is reached with less.
    if text.len() <= OPERATORS {
        return Ok(());
    }
    // Operators and sets for each bracket that is open, and of the operators the sum.
    let mut levels = vec![(0, 0)];
    let mut depth = 0;
    let mut last_symbol = usize::MAX;
    for token in lexer::tokens(text)? {
        let shown = &text[token.start..token.end];
        let Some((operators, sets)) = levels.last_mut() else {
            return Ok(());
        };
        match (token.kind, shown) {
            (Kind::Symbol, "(" | "[") => levels.push((0, 0)),
            (Kind::Symbol, ")" | "]") => {
                depth -= *operators;
                if levels.len() > 1 {
                    levels.pop();
                } else {
                    levels[0].0 = 0;
                }
            }
            (Kind::Symbol, "," | ";") => {
                depth -= *operators;
                *operators = 0;
            }
            (Kind::Symbol, ".") => {}
            (Kind::Symbol, _) => {
                // An operator of several characters is one.
                if last_symbol != token.start {
                    *operators += 1;
                    depth += 1;
                }
                last_symbol = token.end;
            }
            (Kind::Word, word) if is_one_of(word, WORDS) => {
                *operators += 1;
                depth += 1;
            }
            (Kind::Word, word) if is_one_of(word, &["UNION", "INTERSECT", "EXCEPT"]) => {
                *sets += 1;
                if *sets > SETS {
                    return Err(too_deep());
                }
            }
            _ => {}
        }
        if depth > OPERATORS {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|other| word.eq_ignore_ascii_case(other))
}

fn too_deep() -> PgError {
    PgError::new("54001", "stack depth limit exceeded").hint(
        "The statement has too many operators one after another. Use IN, = ANY or a table of values.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<&'static str> {
        check(text).err().map(|error| error.code)
    }

    #[test]
    fn chains_are_counted() {
        for (item, between, most) in [
            ("1=1", " or ", 1000),
            ("1", " + ", 2000),
            ("'a'", "||", 2000),
            ("select 1", " union all ", 499),
            ("x", " is null and ", 1000),
        ] {
            let chain = |count: usize| format!("select {}", vec![item; count].join(between));
            assert_eq!(code(&chain(most)), None, "{between}");
            assert_eq!(code(&chain(most + 3)), Some("54001"), "{between}");
        }
    }

    #[test]
    fn the_way_down_is_counted_and_not_the_breadth() {
        let half = vec!["1"; 1200].join("+");
        assert_eq!(code(&format!("select {half}, {half}, {half}")), None);
        assert_eq!(
            code(&format!("select f({half}), ({half}); select {half}")),
            None
        );
        assert_eq!(code(&format!("select {half} + ({half})")), Some("54001"));
        assert_eq!(code(&format!("select ({half}) + {half}")), None);
        assert_eq!(
            code(&format!("select a in ({})", vec!["1"; 50_000].join(","))),
            None
        );
        assert_eq!(
            code(&format!("values {}", vec!["(1 + -1)"; 50_000].join(","))),
            None
        );
        assert_eq!(code(&")".repeat(5000)), None);
    }
}

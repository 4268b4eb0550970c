//! Numbers in simple queries made parameters, so that statements that differ in them only share a plan:
//! `WHERE id = 17` is planned as `WHERE id = $1` with an int4.
//!
//! Done where it cannot make a difference: whole numbers of an int4 behind `= < > <= >= <> != + - *`, or as an
//! element of `VALUES (…)`. Positions (`ORDER BY 1`), modifiers (`varchar(10)`), `LIMIT` and the like stay,
//! and so does every statement with something this reader does not read: comments, dollar quotes, escapes,
//! and grouping, where the same number in two places must be seen to be the same.

use rusqlite::types::Value;

/// Longer statements, and more numbers, are hardly ever repeated.
const LONGEST: usize = 4096;
const MOST: usize = 64;

/// The text with parameters instead of numbers, and the numbers. None: it stays as it is.
pub(super) fn lift(text: &str) -> Option<(String, Vec<Value>)> {
    if text.len() > LONGEST {
        return None;
    }
    let mut reader = Reader {
        text,
        place: 0,
        before: Before::Other,
        depth: 0,
        values: None,
    };
    let mut out = String::with_capacity(text.len() + 16);
    let mut numbers = Vec::new();
    let mut copied = 0;
    while let Some(token) = reader.next()? {
        if let Some(number) = token {
            let (start, end, value) = number;
            if numbers.len() == MOST {
                return None;
            }
            numbers.push(Value::Integer(i64::from(value)));
            out.push_str(&text[copied..start]);
            out.push('$');
            out.push_str(&numbers.len().to_string());
            copied = end;
        }
    }
    if numbers.is_empty() {
        return None;
    }
    out.push_str(&text[copied..]);
    Some((out, numbers))
}

/// What stands before a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// An operator, or where an element of VALUES begins.
    Ready,
    Other,
}

struct Reader<'t> {
    text: &'t str,
    place: usize,
    before: Before,
    depth: usize,
    /// `VALUES` has come at this depth.
    values: Option<usize>,
}

/// A number to lift: where it begins and ends, and itself.
type Number = (usize, usize, i32);

impl Reader<'_> {
    /// The next token; the outer none: this text is not to be changed; the inner none: its end.
    #[expect(
        clippy::option_option,
        reason = "two kinds of end, and tokens that are no numbers"
    )]
    fn next(&mut self) -> Option<Option<Option<Number>>> {
        let bytes = self.text.as_bytes();
        let Some(first) = bytes.get(self.place).copied() else {
            return Some(None);
        };
        let start = self.place;
        let token = match first {
            b' ' | b'\t' | b'\n' | b'\r' => {
                self.place += 1;
                return Some(Some(None));
            }
            b'\'' | b'"' => {
                self.quoted(first)?;
                None
            }
            b'0'..=b'9' => {
                self.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
                let cast = self.text[self.place..].trim_start().starts_with(':');
                let value = self.text[start..self.place].parse().ok();
                value
                    .filter(|_| self.before == Before::Ready && !cast)
                    .map(|value| (start, self.place, value))
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => return self.word(start),
            b'(' => {
                self.depth += 1;
                self.place += 1;
                self.before = self.element();
                return Some(Some(None));
            }
            b',' => {
                self.place += 1;
                self.before = self.element();
                return Some(Some(None));
            }
            b')' => {
                self.depth = self.depth.checked_sub(1)?;
                self.place += 1;
                None
            }
            b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=' | b'!' | b'~' | b'@' | b'#' | b'%'
            | b'^' | b'&' | b'|' | b'?' => {
                return self.operator(start);
            }
            b'.' | b';' | b'[' | b']' | b':' => {
                self.place += 1;
                None
            }
            // Dollar quotes, parameters, and what else there may be.
            _ => return None,
        };
        self.before = Before::Other;
        Some(Some(token))
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.place..];
        self.place += rest
            .iter()
            .position(|byte| !belongs(*byte))
            .unwrap_or(rest.len());
    }

    /// Text in quotes, in which two quotes are one. None: it has no end.
    fn quoted(&mut self, quote: u8) -> Option<()> {
        loop {
            let rest = self.text.as_bytes().get(self.place + 1..)?;
            self.place += 2 + rest.iter().position(|byte| *byte == quote)?;
            if self.text.as_bytes().get(self.place) != Some(&quote) {
                return Some(());
            }
        }
    }

    #[expect(clippy::option_option, reason = "as `next`")]
    fn word(&mut self, start: usize) -> Option<Option<Option<Number>>> {
        self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80);
        let word = &self.text[start..self.place];
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        // `E'…'` and its kin have rules of their own.
        let prefix = self.text.as_bytes().get(self.place) == Some(&b'\'');
        if prefix
            || [
                "group", "distinct", "having", "over", "create", "alter", "declare", "prepare",
                "execute",
            ]
            .iter()
            .any(|other| is(other))
        {
            return None;
        }
        if is("values") {
            self.values = Some(self.depth);
        } else if self.depth == 0 {
            self.values = None;
        }
        self.before = Before::Other;
        Some(Some(None))
    }

    #[expect(clippy::option_option, reason = "as `next`")]
    fn operator(&mut self, start: usize) -> Option<Option<Option<Number>>> {
        self.run(|byte| b"+-*/<>=!~@#%^&|?".contains(&byte));
        let operator = &self.text[start..self.place];
        if operator.contains("--") || operator.contains("/*") {
            return None;
        }
        let known = ["=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*"].contains(&operator);
        // A sign belongs to what is ready for a number; behind a word it is an operator itself.
        self.before = if known { Before::Ready } else { Before::Other };
        Some(Some(None))
    }

    /// Whether an element of VALUES begins here.
    fn element(&self) -> Before {
        match self.values {
            Some(depth) if self.depth == depth + 1 => Before::Ready,
            _ => Before::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lifted(text: &str) -> Option<(String, Vec<i64>)> {
        let (text, numbers) = lift(text)?;
        let numbers = numbers.into_iter().map(|number| match number {
            Value::Integer(number) => number,
            other => panic!("{other:?}"),
        });
        Some((text, numbers.collect()))
    }

    #[test]
    fn numbers_become_parameters() {
        for (text, expected, numbers) in [
            (
                "SELECT b FROM t WHERE a = 17;",
                "SELECT b FROM t WHERE a = $1;",
                vec![17],
            ),
            (
                "UPDATE t SET a = a + -5 WHERE b=7",
                "UPDATE t SET a = a + -$1 WHERE b=$2",
                vec![5, 7],
            ),
            (
                "INSERT INTO t(a, b) VALUES (1, -2, 'x'), (3, f(4), now()) ON CONFLICT (a) DO NOTHING",
                "INSERT INTO t(a, b) VALUES ($1, -$2, 'x'), ($3, f(4), now()) ON CONFLICT (a) DO NOTHING",
                vec![1, 2, 3],
            ),
            (
                "SELECT 'it''s 1', \"2\" FROM t1 WHERE a<>3",
                "SELECT 'it''s 1', \"2\" FROM t1 WHERE a<>$1",
                vec![3],
            ),
            (
                "SELECT a FROM t WHERE a = 1 ORDER BY 1 LIMIT 2",
                "SELECT a FROM t WHERE a = $1 ORDER BY 1 LIMIT 2",
                vec![1],
            ),
        ] {
            assert_eq!(lifted(text), Some((expected.to_owned(), numbers)), "{text}");
        }
    }

    #[test]
    fn what_matters_where_it_stands_stays() {
        for text in [
            "SELECT 1",
            "SELECT a FROM t ORDER BY 1",
            "SELECT a + 1 FROM t GROUP BY a + 1",
            "SELECT a FROM t WHERE a = 1.5",
            "SELECT a FROM t WHERE a = 99999999999",
            "SELECT a FROM t WHERE a = 1::text",
            "SELECT a FROM t WHERE a = E'1' AND b = 1",
            "SELECT a FROM t WHERE a = $1 AND b = 1",
            "SELECT a FROM t WHERE b -> 1 IS NULL",
            "SELECT a FROM t WHERE a = 1 -- or 2",
            "SELECT a FROM t WHERE a = 'open",
            "SELECT CAST(a AS varchar(10)) FROM t",
            "SELECT a[1] FROM t LIMIT 5 OFFSET 3",
            "CREATE TABLE t(a int DEFAULT -1)",
        ] {
            assert_eq!(lifted(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_may_come(text: String) {
            let _ = lift(&text);
        }

        #[test]
        fn the_numbers_are_all_there(text in "[a-z0-9 =<>+,()'\"*-]{0,40}") {
            if let Some((mut out, numbers)) = lifted(&text) {
                for (index, number) in numbers.iter().enumerate().rev() {
                    out = out.replace(&format!("${}", index + 1), &number.to_string());
                }
                // Leading zeros are lost, and nothing else.
                let plain = |text: &str| text.replace('0', "");
                prop_assert_eq!(plain(&out), plain(&text));
            }
        }
    }
}

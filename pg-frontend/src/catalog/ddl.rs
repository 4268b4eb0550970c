//! What SQLite's pragmas do not tell: the constraints' names, `CHECK` expressions, deferrability, the
//! expressions of indexes and the bodies of views, read from the statements in `sqlite_schema`.
//!
//! SQLite has accepted each statement before it stored it, so the reader only finds its way: it never
//! judges, and what it does not understand it leaves out.
//! <https://www.sqlite.org/lang_createtable.html>

use super::tokens::{Token, closing, split, text, tokens};

/// The constraints of a `CREATE TABLE`, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableText {
    /// Those of columns and those of the table.
    pub constraints: Vec<ConstraintText>,
}

/// A constraint as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintText {
    /// `CONSTRAINT name`.
    pub name: Option<String>,
    /// The columns it is about. For a `CHECK` of a column: that column; of the table: none.
    pub columns: Vec<String>,
    /// What it says.
    pub rule: Rule,
}

/// What a constraint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `PRIMARY KEY`.
    Primary,
    /// `UNIQUE`.
    Unique,
    /// `CHECK (expression)`, without the parentheses.
    Check(String),
    /// `REFERENCES`.
    Foreign(Reference),
    /// `GENERATED ALWAYS AS (expression)`, without the parentheses.
    Generated(String),
}

/// `REFERENCES table (columns) ON DELETE … DEFERRABLE …`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// The table's name in SQLite.
    pub table: String,
    /// Its columns; none: its primary key.
    pub columns: Vec<String>,
    /// `pg_constraint.confupdtype`: `a` no action, `r` restrict, `c` cascade, `n` set null, `d` set default.
    pub on_update: Action,
    /// `pg_constraint.confdeltype`.
    pub on_delete: Action,
    /// `DEFERRABLE`.
    pub deferrable: bool,
    /// `INITIALLY DEFERRED`.
    pub deferred: bool,
}

/// What happens to rows that refer to one that changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Action {
    /// `NO ACTION`
    #[default]
    Nothing,
    /// `RESTRICT`
    Restrict,
    /// `CASCADE`
    Cascade,
    /// `SET NULL`
    SetNull,
    /// `SET DEFAULT`
    SetDefault,
}

impl Action {
    /// As in `pg_constraint`.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Nothing => "a",
            Self::Restrict => "r",
            Self::Cascade => "c",
            Self::SetNull => "n",
            Self::SetDefault => "d",
        }
    }

    /// As in SQL.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

/// Reads the constraints of a `CREATE TABLE`.
pub fn table(sql: &str) -> TableText {
    let tokens = tokens(sql);
    let Some(open) = tokens.iter().position(|token| token.text == "(") else {
        return TableText::default();
    };
    let body = &tokens[open + 1..closing(&tokens, open)];
    let mut constraints = Vec::new();
    for item in split(body) {
        Reader { sql, tokens: item }.item(&mut constraints);
    }
    TableText { constraints }
}

/// The parts of a `CREATE INDEX`: each column's or expression's text, without its `COLLATE` and order,
/// and the text after `WHERE`.
pub fn index(sql: &str) -> (Vec<String>, Option<String>) {
    let tokens = tokens(sql);
    let Some(open) = tokens.iter().position(|token| token.text == "(") else {
        return (Vec::new(), None);
    };
    let close = closing(&tokens, open);
    let keys = split(&tokens[open + 1..close])
        .map(|item| {
            let end = item
                .iter()
                .rposition(|token| !token.is("ASC") && !token.is("DESC"))
                .map_or(0, |last| last + 1);
            let end = match item[..end] {
                [.., ref word, _] if end > 2 && word.is("COLLATE") => end - 2,
                _ => end,
            };
            text(sql, &item[..end]).to_owned()
        })
        .collect();
    let condition = tokens
        .get(close + 1)
        .filter(|token| token.is("WHERE"))
        .map(|_| text(sql, &tokens[close + 2..]).to_owned());
    (keys, condition)
}

/// The query of a `CREATE VIEW`.
pub fn view(sql: &str) -> &str {
    let tokens = tokens(sql);
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.is("AS") => return text(sql, &tokens[at + 1..]),
            _ => {}
        }
    }
    ""
}

/// When and on what a trigger of SQLite's acts: `(tgtype, columns of UPDATE OF)`, the bits as in
/// `pg_trigger.tgtype` (1 row, 2 before, 4 insert, 8 delete, 16 update, 64 instead).
pub fn trigger(sql: &str) -> i16 {
    let mut bits = 1;
    for token in tokens(sql) {
        bits |= match token {
            _ if token.is("BEFORE") => 2,
            _ if token.is("INSTEAD") => 64,
            _ if token.is("INSERT") => return bits | 4,
            _ if token.is("DELETE") => return bits | 8,
            _ if token.is("UPDATE") => return bits | 16,
            _ => 0,
        };
    }
    bits
}

/// What a call in an expression is for Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A call of the same name.
    Kept,
    /// A call of another name.
    Named(String),
    /// Nothing: its first argument stands for itself.
    Argument,
}

/// An expression as Postgres would print it: names quoted only where they must be (`quote`), functions
/// as Postgres has them (`call`).
pub fn expression(
    sql: &str,
    quote: &impl Fn(&str) -> String,
    call: &impl Fn(&str) -> Call,
) -> String {
    let tokens = tokens(sql);
    let mut out = String::with_capacity(sql.len());
    let mut written = 0;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        out.push_str(&sql[written..token.start]);
        written = token.start + token.text.len();
        let calls = tokens.get(at + 1).is_some_and(|next| next.text == "(");
        match token.text.as_bytes().first() {
            Some(b'"' | b'`' | b'[') => out.push_str(&quote(&token.name())),
            _ if calls => match call(token.text) {
                Call::Kept => out.push_str(token.text),
                Call::Named(name) => out.push_str(&name),
                Call::Argument => {
                    let close = closing(&tokens, at + 1);
                    let inside = tokens.get(at + 2..close).unwrap_or_default();
                    let first = split(inside).next().unwrap_or_default();
                    out.push_str(&expression(text(sql, first), quote, call));
                    let end = tokens.get(close).map_or(sql.len(), |token| token.start + 1);
                    (at, written) = (close, end);
                }
            },
            _ if token.is("NOTNULL") => out.push_str("IS NOT NULL"),
            _ if token.is("ISNULL") => out.push_str("IS NULL"),
            _ => out.push_str(token.text),
        }
        at += 1;
    }
    out
}

/// The words and quoted names of an expression, out of their quotes.
pub fn names(expression: &str) -> Vec<String> {
    tokens(expression)
        .iter()
        .filter(|token| !token.text.starts_with('\''))
        .map(Token::name)
        .collect()
}

/// Reads one item of a `CREATE TABLE`'s list.
struct Reader<'t, 's> {
    sql: &'s str,
    tokens: &'t [Token<'s>],
}

impl<'s> Reader<'_, 's> {
    /// A column with its constraints, or a constraint of the table (or several: the comma between them is optional).
    fn item(mut self, out: &mut Vec<ConstraintText>) {
        let Some(first) = self.tokens.first() else {
            return;
        };
        let of_table = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
            .iter()
            .any(|word| first.is(word));
        let column = if of_table {
            Vec::new()
        } else {
            let name = first.name();
            self.tokens = &self.tokens[1..];
            vec![name]
        };
        let mut name = None;
        while let Some(token) = self.advance() {
            if token.is("CONSTRAINT") {
                name = self.advance().map(|token| token.name());
            } else if token.text == "(" {
                // The type's length, or a default's expression.
                self.skip_parentheses();
            } else if let Some((columns, rule)) = self.rule(&token, &column) {
                out.push(ConstraintText {
                    name: name.take(),
                    columns,
                    rule,
                });
            } else if token.is("NULL") || token.is("COLLATE") || token.is("DEFAULT") {
                name = None;
            }
        }
    }

    fn rule(&mut self, token: &Token<'_>, column: &[String]) -> Option<(Vec<String>, Rule)> {
        if token.is("PRIMARY") {
            self.take("KEY");
            return Some((self.columns_or(column), Rule::Primary));
        }
        if token.is("UNIQUE") {
            return Some((self.columns_or(column), Rule::Unique));
        }
        if token.is("CHECK") {
            return Some((column.to_vec(), Rule::Check(self.parenthesized())));
        }
        if token.is("FOREIGN") {
            self.take("KEY");
            let columns = self.columns_or(column);
            self.take("REFERENCES");
            return Some((columns, Rule::Foreign(self.reference())));
        }
        if token.is("REFERENCES") {
            return Some((column.to_vec(), Rule::Foreign(self.reference())));
        }
        if token.is("AS") {
            return Some((column.to_vec(), Rule::Generated(self.parenthesized())));
        }
        None
    }

    /// After `REFERENCES`.
    fn reference(&mut self) -> Reference {
        let mut out = Reference {
            table: self.advance().map(|token| token.name()).unwrap_or_default(),
            columns: self.columns_or(&[]),
            ..Reference::default()
        };
        loop {
            if self.take("ON") {
                let update = self.advance().is_some_and(|token| token.is("UPDATE"));
                let action = self.action();
                if update {
                    out.on_update = action;
                } else {
                    out.on_delete = action;
                }
            } else if self.take("MATCH") {
                self.advance();
            } else if self.peek(0, "NOT") && self.peek(1, "DEFERRABLE") {
                self.tokens = &self.tokens[2..];
            } else if self.take("DEFERRABLE") {
                out.deferrable = true;
            } else if self.take("INITIALLY") {
                out.deferred = self.advance().is_some_and(|token| token.is("DEFERRED"));
            } else {
                return out;
            }
        }
    }

    fn action(&mut self) -> Action {
        let Some(token) = self.advance() else {
            return Action::Nothing;
        };
        if token.is("SET") {
            return match self.advance() {
                Some(token) if token.is("NULL") => Action::SetNull,
                _ => Action::SetDefault,
            };
        }
        if token.is("NO") {
            self.take("ACTION");
        }
        match token {
            _ if token.is("CASCADE") => Action::Cascade,
            _ if token.is("RESTRICT") => Action::Restrict,
            _ => Action::Nothing,
        }
    }

    /// The names in parentheses that follow, or `otherwise` where none do.
    fn columns_or(&mut self, otherwise: &[String]) -> Vec<String> {
        if !self.peek(0, "(") {
            return otherwise.to_vec();
        }
        let close = closing(self.tokens, 0);
        let names = split(&self.tokens[1..close])
            .filter_map(|item| item.first().map(Token::name))
            .collect();
        self.tokens = self.tokens.get(close + 1..).unwrap_or_default();
        names
    }

    /// The text in parentheses that follows.
    fn parenthesized(&mut self) -> String {
        if !self.peek(0, "(") {
            return String::new();
        }
        let close = closing(self.tokens, 0);
        let inside = text(self.sql, &self.tokens[1..close]).to_owned();
        self.tokens = self.tokens.get(close + 1..).unwrap_or_default();
        inside
    }

    /// After an opening parenthesis: to behind its closing one.
    fn skip_parentheses(&mut self) {
        let mut depth = 1_usize;
        while let Some(token) = self.advance() {
            match token.text {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn advance(&mut self) -> Option<Token<'s>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn peek(&self, ahead: usize, word: &str) -> bool {
        self.tokens.get(ahead).is_some_and(|token| token.is(word))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek(0, word);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, columns: &[&str], rule: Rule) -> ConstraintText {
        ConstraintText {
            name: (!name.is_empty()).then(|| name.to_owned()),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rule,
        }
    }

    #[test]
    fn constraints_of_columns_and_of_the_table() {
        let sql = r#"CREATE TABLE "o" (
            id INTEGER PRIMARY KEY, -- a comment, with (a parenthesis
            price numeric(10,2) DEFAULT (1 + (2)) CONSTRAINT "pos" CHECK (price > 0),
            "c d" text NOT NULL UNIQUE REFERENCES p(x) ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
            g text GENERATED ALWAYS AS (lower("c d")) STORED,
            CONSTRAINT f FOREIGN KEY (id, price) REFERENCES [q r] NOT DEFERRABLE,
            UNIQUE (price, g), CHECK (a IN (1, ')')))"#;
        assert_eq!(
            table(sql).constraints,
            [
                named("", &["id"], Rule::Primary),
                named("pos", &["price"], Rule::Check("price > 0".to_owned())),
                named("", &["c d"], Rule::Unique),
                named(
                    "",
                    &["c d"],
                    Rule::Foreign(Reference {
                        table: "p".to_owned(),
                        columns: vec!["x".to_owned()],
                        on_update: Action::Cascade,
                        on_delete: Action::SetNull,
                        deferrable: true,
                        deferred: true,
                    })
                ),
                named("", &["g"], Rule::Generated("lower(\"c d\")".to_owned())),
                named(
                    "f",
                    &["id", "price"],
                    Rule::Foreign(Reference {
                        table: "q r".to_owned(),
                        ..Reference::default()
                    })
                ),
                named("", &["price", "g"], Rule::Unique),
                named("", &[], Rule::Check("a IN (1, ')')".to_owned())),
            ]
        );
    }

    #[test]
    fn indexes_and_views() {
        assert_eq!(
            index("CREATE INDEX i ON t (lower(a) COLLATE NOCASE DESC, \"b\") WHERE a > 0"),
            (
                vec!["lower(a)".to_owned(), "\"b\"".to_owned()],
                Some("a > 0".to_owned())
            )
        );
        assert_eq!(view("CREATE VIEW v(a) AS SELECT 1 AS a"), "SELECT 1 AS a");
        assert_eq!(
            trigger("CREATE TRIGGER x BEFORE UPDATE OF a ON t"),
            1 | 2 | 16
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(sql in "[a-zA-Z(),'\"\\[\\]`/*\\- é.0-9]{0,80}|CREATE TABLE t\\(.{0,80}") {
            let _ = (table(&sql), index(&sql), view(&sql).len(), trigger(&sql));
            let _ = expression(&sql, &|name| name.to_owned(), &|_| Call::Argument);
        }
    }
}

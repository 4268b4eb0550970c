//! What a text of SQL creates, what it has inside, and what it reads and writes, by its tokens.

use std::collections::HashMap;

use super::super::tokens::{Kind, Token};
use super::{Key, Role};

// What a text creates -----------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    View,
    Trigger,
    Virtual,
    Table,
    Index,
}

pub(super) struct Created<'t, 'a> {
    pub(super) kind: What,
    pub(super) name: String,
    pub(super) rest: &'t [Token<'a>],
}

impl<'t, 'a> Created<'t, 'a> {
    pub(super) fn new(tokens: &'t [Token<'a>]) -> Option<Self> {
        let [create, rest @ ..] = tokens else {
            return None;
        };
        if !create.is("create") {
            return None;
        }
        let kinds = [
            ("view", What::View),
            ("trigger", What::Trigger),
            ("virtual", What::Virtual),
            ("table", What::Table),
            ("index", What::Index),
        ];
        // Before its kind stand TEMP or UNIQUE at most.
        let (at, kind) = rest.iter().take(2).enumerate().find_map(|(at, token)| {
            let kind = kinds.iter().find(|(word, _)| token.is(word));
            kind.map(|(_, kind)| (at, *kind))
        })?;
        let mut rest = rest.get(at + 1..)?;
        if kind == What::Virtual {
            rest = rest.get(1..)?;
        }
        if let [when, not, exists, ..] = rest
            && when.is("if")
            && not.is("not")
            && exists.is("exists")
        {
            rest = rest.get(3..)?;
        }
        if rest.get(1).is_some_and(|dot| dot.is(".")) {
            rest = rest.get(2..)?;
        }
        let name = rest.first()?.name()?.into_owned();
        let rest = rest.get(1..)?;
        Some(Self { kind, name, rest })
    }
}

/// Whether SQLite reads a statement without compiling what is inside: views and triggers are, when they are used.
pub(in super::super) fn is_only_read(tokens: &[Token<'_>]) -> bool {
    let created = Created::new(tokens).map(|created| created.kind);
    matches!(created, Some(What::View | What::Trigger))
}

/// Whether a statement may make something deeper than it was.
pub(in super::super) fn deepens(tokens: &[Token<'_>]) -> bool {
    if tokens.first().is_some_and(|verb| verb.is("alter")) {
        return true;
    }
    let Some(Created { kind, rest, .. }) = Created::new(tokens) else {
        return false;
    };
    let words = ["as", "check", "default", "references"];
    match kind {
        What::Table => rest
            .iter()
            .any(|token| words.iter().any(|word| token.is(word))),
        What::Index => rest.iter().filter(|token| token.is("(")).count() > 1,
        What::View | What::Trigger | What::Virtual => true,
    }
}

/// The name after the first of these words, without its schema.
pub(super) fn after(tokens: &[Token<'_>], word: &str) -> Option<String> {
    let at = tokens.iter().position(|token| token.is(word))?;
    name_at(tokens, at + 1)
}

/// The name at a place, without its schema.
fn name_at(tokens: &[Token<'_>], at: usize) -> Option<String> {
    let at = match tokens.get(at + 1) {
        Some(dot) if dot.is(".") => at + 2,
        _ => at,
    };
    Some(tokens.get(at)?.name()?.into_owned())
}

// What a text has inside --------------------------------------------------------------------

/// Where a name is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    /// Among the tables of a FROM.
    From,
    /// In the condition of a join, after which more tables may come.
    On,
    Other,
}

/// Most steps inwards that a text itself makes, and what it reads and writes: every name that stands where
/// SQLite's grammar has a table, and perhaps some that do not. The words that are looked at are reserved
/// ones, which no name can be.
pub(super) fn inside(tokens: &[Token<'_>]) -> (usize, HashMap<Key, usize>) {
    const ENDS: [&str; 11] = [
        "where",
        "group",
        "order",
        "limit",
        "having",
        "union",
        "except",
        "intersect",
        "select",
        "set",
        ";",
    ];
    let mut levels = 0;
    let mut found = HashMap::new();
    let mut add = |name: String, role| *found.entry((name, role)).or_default() += 1;
    let mut clause = Clause::Other;
    let mut outer = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        levels += usize::from(token.is("select") || token.is("values"));
        if token.is("(") {
            // A join in parentheses is a SELECT too.
            levels += usize::from(clause == Clause::From);
            outer.push(clause);
            if clause == Clause::On {
                clause = Clause::Other;
            }
        } else if token.is(")") {
            clause = outer.pop().unwrap_or(Clause::Other);
        } else if token.is("from") || token.is("join") {
            clause = Clause::From;
            let deletes = index
                .checked_sub(1)
                .and_then(|before| tokens.get(before))
                .is_some_and(|before| before.is("delete"));
            if deletes && let Some(name) = name_at(tokens, index + 1) {
                add(name, Role::Write);
            }
        } else if token.is("on") || token.is("using") {
            clause = Clause::On;
        } else if token.is(",") && clause == Clause::On {
            clause = Clause::From;
        } else if ENDS.iter().any(|end| token.is(end)) {
            clause = Clause::Other;
        } else if token.is("in") {
            if let Some(name) = name_at(tokens, index + 1) {
                add(name, Role::Read);
            }
        } else if token.is("into") || token.is("update") {
            let or = tokens.get(index + 1).is_some_and(|next| next.is("or"));
            if let Some(name) = name_at(tokens, if or { index + 3 } else { index + 1 }) {
                add(name, Role::Write);
            }
        } else if clause == Clause::From
            && !tokens.get(index + 1).is_some_and(|next| next.is("."))
            && let Some(name) = token.name()
        {
            add(name.into_owned(), Role::Read);
        }
    }
    (levels, found)
}

/// How many values a text computes that may be large though it is not. Numbers, texts and parameters are as
/// large as the request at most, and the columns of a row as large as the row; so these do not count where
/// they are alone in a list.
pub(super) fn values(tokens: &[Token<'_>]) -> usize {
    let mut count = 0;
    for (index, token) in tokens.iter().enumerate() {
        let next_is = |word: &str| tokens.get(index + 1).is_some_and(|next| next.is(word));
        let calls = token.name().is_some() && next_is("(");
        let operator = ["||", "->", "->>"].iter().any(|mark| token.is(mark));
        let named = || {
            let rest = tokens.get(index + 1..).unwrap_or_default();
            let first = rest.iter().find(|token| token.kind != Kind::Mark);
            first.is_some_and(|first| matches!(first.kind, Kind::Word | Kind::Quoted))
        };
        count += usize::from(calls || operator || (token.is(",") && named()));
        // All columns once more.
        if token.is(",") && next_is("*") {
            count += STAR;
        }
    }
    count
}

/// What `*` counts for where it is not the first of a list.
const STAR: usize = 100;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heights {
    /// Most tokens inside of each other.
    pub(super) tallest: usize,
    /// Those of all generated columns of a table together.
    pub(super) generated: usize,
}

/// What an expression between two commas has of tokens is the most that it can be deep.
pub(super) fn heights(tokens: &[Token<'_>]) -> Heights {
    #[derive(Default)]
    struct Run {
        tokens: usize,
        inner: usize,
        /// Of the runs before, within the same parentheses.
        tallest: usize,
        generated: bool,
    }
    impl Run {
        fn end(&mut self) -> (usize, bool) {
            let height = self.tokens + self.inner;
            let generated = self.generated;
            *self = Self {
                tallest: self.tallest.max(height),
                ..Self::default()
            };
            (height, generated)
        }
    }
    let mut sum = 0;
    let mut outer = Vec::new();
    let mut run = Run::default();
    for token in tokens {
        let ends = token.is(",") || token.is(")");
        if ends {
            let (height, generated) = run.end();
            if generated && outer.len() == 1 {
                sum += height;
            }
        }
        if token.is("(") {
            outer.push(std::mem::take(&mut run));
        } else if token.is(")") {
            let inner = run.tallest + 1;
            run = outer.pop().unwrap_or_default();
            run.inner = run.inner.max(inner);
        } else if !ends {
            run.tokens += usize::from(token.kind != Kind::Parameter);
            run.generated |= token.is("as");
        }
    }
    run.end();
    Heights {
        tallest: run.tallest,
        generated: sum,
    }
}

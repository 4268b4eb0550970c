//! Where a name before `(` is no call: where SQL names a table, and in the parentheses its columns.
//!
//! | in | before the name |
//! | --- | --- |
//! | `INSERT INTO t(`, `CREATE TABLE t(`, `REFERENCES t(` | these words, which SQLite reserves |
//! | `CREATE VIEW t(`, `CREATE INDEX i ON t(` | the statement's beginning |
//! | `WITH t(a, b) AS (` | recognised by what follows |
//!
//! Nothing else can stand there, so nothing that SQLite would call is taken for a table here.

use super::{Kind, Token};

/// Whether the name at `index`, which `(` follows, is that of a table with its columns.
pub(super) fn names_a_table(tokens: &[Token<'_>], index: usize) -> bool {
    let (before, from) = tokens.split_at(index);
    let before = match before {
        [before @ .., schema, dot] if dot.is(".") && schema.name().is_some() => before,
        before => before,
    };
    let before = match before {
        [before @ .., when, not, there] if when.is("if") && not.is("not") && there.is("exists") => {
            before
        }
        before => before,
    };
    match before {
        [.., word] if any(word, &["into", "table", "references"]) => true,
        [.., create, view] if create.is("create") && view.is("view") => true,
        [.., create, temporary, view]
            if create.is("create") && any(temporary, &["temp", "temporary"]) && view.is("view") =>
        {
            true
        }
        [.., on] if on.is("on") => is_index(before),
        [.., word] if any(word, &["with", "recursive", ","]) => is_common_table(from),
        _ => false,
    }
}

fn any(token: &Token<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| token.is(word))
}

/// `CREATE INDEX name ON`, and no other `ON`.
fn is_index(before: &[Token<'_>]) -> bool {
    let create = before.iter().position(|token| token.is("create"));
    let begins = match create.and_then(|create| before.get(create + 1..)) {
        Some([unique, index, ..]) if unique.is("unique") => index.is("index"),
        Some([index, ..]) => index.is("index"),
        _ => false,
    };
    begins && before.iter().filter(|token| token.is("on")).count() == 1
}

/// `name(column, …) AS (`, with a hint perhaps.
fn is_common_table(from: &[Token<'_>]) -> bool {
    let Some(close) = from.iter().position(|token| token.is(")")) else {
        return false;
    };
    let (columns, after) = from.split_at(close);
    let only_names = columns
        .iter()
        .skip(2)
        .all(|token| token.is(",") || matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Text));
    let begins = match after {
        [_, word, open, ..] if open.is("(") => word.is("as"),
        [_, word, hint, open, ..] if open.is("(") => word.is("as") && hint.is("materialized"),
        [_, word, not, hint, open, ..] if open.is("(") => {
            word.is("as") && not.is("not") && hint.is("materialized")
        }
        _ => false,
    };
    only_names && begins
}

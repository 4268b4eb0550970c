//! The tables of `docs/reference.md` on change capture say what the code does.
//!
//! `UPDATE_REFERENCE=1 cargo test --release -p sqlbridge-session-ext --test reference` rewrites them.

#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared; a test fails by panicking"
)]
#[path = "../../vfs/tests/generated_tables/mod.rs"]
mod generated_tables;

use generated_tables::{code, table};
use sqlbridge_session_ext::apply::{self, Conflict};
use sqlbridge_session_ext::changeset::{Error, Malformed, Problem};
use sqlbridge_session_ext::functions::functions;

#[test]
fn the_reference_is_up_to_date() {
    generated_tables::check(&[
        ("change capture functions", function_table()),
        ("conflicts", conflicts()),
        ("changeset errors", errors()),
    ]);
}

fn function_table() -> String {
    let row = |doc: &sqlbridge_session_ext::functions::FunctionDoc| {
        let (returns, meaning) = (doc.returns.to_owned(), doc.meaning.to_owned());
        vec![code(doc.signature), returns, meaning]
    };
    table(
        &["function", "returns", "what it does"],
        functions().map(row),
    )
}

fn conflicts() -> String {
    let rows = Conflict::ALL.iter().map(|kind| {
        let answers = if kind.is_replaceable() {
            "`omit`, `replace`, `abort`"
        } else {
            "`omit`, `abort`"
        };
        vec![
            code(kind.name()),
            code(&kind.name().to_ascii_lowercase()),
            kind.meaning().to_owned(),
            answers.to_owned(),
        ]
    });
    table(&["conflict", "JSON key", "meaning", "answers"], rows)
}

fn errors() -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |code: sqlite_abi::Code, functions: &str, when: &str| {
        let name = format!("`SQLITE_{}`", code.name().unwrap_or("?"));
        rows.push(vec![
            name,
            code.0.to_string(),
            functions.to_owned(),
            when.to_owned(),
        ]);
    };
    for error in apply_errors() {
        row(error.code(), "`changeset_apply`", explain_apply(&error));
    }
    for error in transform_errors() {
        row(error.code(), "the others", explain_transform(&error));
    }
    table(&["code", "number", "functions", "when"], rows)
}

fn malformed() -> Malformed {
    Malformed {
        offset: 0,
        problem: Problem::Truncated,
    }
}

/// One error of each kind, in the order of the table.
fn apply_errors() -> Vec<apply::Error> {
    let aborted = |kind| apply::Error::Aborted {
        kind,
        change: String::new(),
    };
    vec![
        aborted(Conflict::Data),
        aborted(Conflict::ForeignKey),
        apply::Error::Malformed(malformed()),
        apply::Error::Incomplete {
            offset: 0,
            op: "",
            table: String::new(),
        },
        apply::Error::Schema {
            table: String::new(),
            reason: String::new(),
        },
        apply::Error::Policy(String::new()),
        apply::Error::Replace(Conflict::NotFound),
        apply::Error::Verdict {
            function: String::new(),
            returned: String::new(),
        },
        apply::Error::InStatement,
        apply::Error::RolledBack(String::new()),
    ]
}

/// Exhaustive, so that a new error is a new row. SQLite's own errors keep their codes.
fn explain_apply(error: &apply::Error) -> &'static str {
    match error {
        apply::Error::Aborted { kind, .. } if *kind == Conflict::ForeignKey => {
            "the policy answered a `FOREIGN_KEY` conflict with `abort`"
        }
        apply::Error::Aborted { .. } => "the policy answered another conflict with `abort`",
        apply::Error::Malformed(_) => "the bytes are not a changeset; nothing was applied",
        apply::Error::Incomplete { .. } => "a change lacks a value; it may be a rebase blob",
        apply::Error::Schema { .. } => "`strict`: a table is missing here, or different",
        apply::Error::Policy(_) => "the policy is not understood, or its function is not there",
        apply::Error::Replace(_) => "a policy says `replace` where nothing can be replaced",
        apply::Error::Verdict { .. } => "a policy's function returned something else",
        apply::Error::InStatement => {
            "inside a transaction, called by a statement that writes; use a SELECT of its own"
        }
        apply::Error::RolledBack(_) => {
            "a trigger with RAISE(ROLLBACK), or the policy's function, ended the transaction"
        }
        apply::Error::Sqlite { .. } => unreachable!("SQLite's own errors have no row"),
    }
}

fn transform_errors() -> Vec<Error> {
    vec![
        Error::Malformed(malformed()),
        Error::Mixed,
        Error::Schema(String::new()),
        Error::InvertPatchset,
        Error::RebasePatchset,
        Error::NotRebase(0),
    ]
}

fn explain_transform(error: &Error) -> &'static str {
    match error {
        Error::Malformed(_) => "the bytes are not a changeset",
        Error::Mixed => "a changeset and a patchset were to become one",
        Error::Schema(_) => "a table has other columns or another key in one of the changesets",
        Error::InvertPatchset => "a patchset cannot be inverted: it has no old values",
        Error::RebasePatchset => "a patchset cannot be rebased",
        Error::NotRebase(_) => "what was passed is no rebase blob",
    }
}

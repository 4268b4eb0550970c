//! The tables of `docs/reference.md` say what the code does: they are made from it here.
//!
//! `UPDATE_REFERENCE=1 cargo test --release -p sqlbridge-vfs --test reference` rewrites them.

#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared; a test fails by panicking"
)]
mod generated_tables;

use generated_tables::{code, table};
use sqlbridge_vfs::error::Error;
use sqlbridge_vfs::functions::FUNCTIONS;
use sqlbridge_vfs::options;
use sqlbridge_vfs::store::{self, ErrorKind, Operation, StoreError};

#[test]
fn the_reference_is_up_to_date() {
    generated_tables::check(&[
        ("database parameters", database_parameters()),
        ("store parameters", store_parameters()),
        ("functions", functions()),
        ("errors", errors()),
    ]);
}

/// A dash for what is not there.
fn or_none(text: &str) -> String {
    if text.is_empty() {
        "–".to_owned()
    } else {
        text.to_owned()
    }
}

fn database_parameters() -> String {
    let row = |doc: &options::OptionDoc| {
        let env = if doc.env.is_empty() {
            String::new()
        } else {
            code(doc.env)
        };
        vec![
            code(doc.name),
            or_none(&env),
            doc.default.to_owned(),
            doc.meaning.to_owned(),
        ]
    };
    table(
        &["parameter", "environment", "default", "meaning"],
        options::OPTIONS.iter().map(row),
    )
}

fn store_parameters() -> String {
    let row = |doc: &store::options::OptionDoc| {
        let env: Vec<String> = doc.env.iter().map(|name| code(name)).collect();
        let kinds: Vec<String> = doc.applies_to.iter().map(ToString::to_string).collect();
        let kinds = if kinds.len() == 4 {
            "all".to_owned()
        } else {
            kinds.join(", ")
        };
        let meaning = doc.meaning.trim_end_matches('.').to_owned();
        vec![
            code(doc.name),
            or_none(&env.join(", ")),
            kinds,
            or_none(doc.default),
            meaning,
        ]
    };
    let head = ["parameter", "environment", "stores", "default", "meaning"];
    table(&head, store::options::OPTIONS.iter().map(row))
}

fn functions() -> String {
    let ours = FUNCTIONS
        .iter()
        .map(|doc| [doc.signature, doc.returns, doc.meaning]);
    let extensions = [
        ["sqlbridge_version()", "text", "the version of the library"],
        [
            "sqlbridge_debug()",
            "text, one `key: value` a line",
            "version, commit, the host's SQLite, what it lacks, the kinds of stores: for bug reports",
        ],
    ];
    let row = |[signature, returns, meaning]: [&str; 3]| {
        vec![code(signature), returns.to_owned(), meaning.to_owned()]
    };
    table(
        &["function", "returns", "what it does"],
        ours.chain(extensions).map(row),
    )
}

fn errors() -> String {
    let rows = every_error().into_iter().map(|error| {
        let code = error.code();
        let (when, what_to_do) = explain(&error);
        let name = code.name().unwrap_or("?");
        vec![
            format!("`SQLITE_{name}`"),
            code.0.to_string(),
            when.to_owned(),
            what_to_do.to_owned(),
        ]
    });
    table(&["code", "number", "when", "what to do"], rows)
}

/// One error of each kind, in the order of the table.
fn every_error() -> Vec<Error> {
    let text = String::new;
    let failed = |kind| StoreError {
        kind,
        operation: Operation::Get,
        store: text(),
        key: text(),
        detail: text(),
    };
    let cause = failed(ErrorKind::Unreachable);
    vec![
        Error::Conflict {
            database: text(),
            base: 1,
            head: 2,
        },
        Error::Busy { database: text() },
        Error::NotSent {
            database: text(),
            txid: 1,
            cause: cause.clone(),
        },
        Error::Unknown {
            database: text(),
            txid: 1,
            cause: cause.clone(),
        },
        Error::Store(cause),
        Error::Store(failed(ErrorKind::Denied)),
        Error::Store(failed(ErrorKind::Full)),
        Error::Local {
            action: text(),
            detail: text(),
            full: false,
        },
        Error::Local {
            action: text(),
            detail: text(),
            full: true,
        },
        Error::TooLarge {
            size: 1,
            limit: 1,
            store: text(),
        },
        Error::Damaged {
            key: text(),
            detail: text(),
        },
        Error::History {
            database: text(),
            detail: text(),
        },
        Error::Diverged {
            database: text(),
            detail: text(),
        },
        Error::Expired {
            database: text(),
            txid: 1,
        },
        Error::Forked,
        Error::NoDatabase {
            database: text(),
            store: text(),
        },
        Error::ReadOnly(text()),
        Error::Refused(text()),
    ]
}

/// When an error comes, and what a user does then. Exhaustive, so that a new error is a new row.
fn explain(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::Conflict { .. } => (
            "another writer committed first; nothing of this transaction was",
            "roll back where that was not done already, and run the transaction again",
        ),
        Error::Busy { .. } => (
            "another connection of this process is writing",
            "set a busy timeout, or try again",
        ),
        Error::NotSent { .. } => (
            "at COMMIT: the store was not reached, nothing was committed",
            "COMMIT again (the transaction is still open), or ROLLBACK",
        ),
        Error::Unknown { .. } => (
            "at COMMIT: the store may or may not have taken it",
            "read the data before repeating the change; see the guide",
        ),
        Error::Store(error) => match error.kind {
            ErrorKind::Denied => (
                "credentials are missing, wrong or lack a right",
                "correct them",
            ),
            ErrorKind::Full => ("the disk of a local directory store is full", "make room"),
            _ => (
                "the store is out of reach, or refused a request",
                "read `sqlbridge_last_error()`; later, try again",
            ),
        },
        Error::Local { full, .. } => {
            if *full {
                (
                    "the disk for temporary files is full",
                    "make room, or set another `cache_dir`",
                )
            } else {
                (
                    "a local file cannot be read or written",
                    "read `sqlbridge_last_error()`",
                )
            }
        }
        Error::TooLarge { .. } => (
            "the transaction is larger than one object may be",
            "commit in several transactions",
        ),
        Error::Damaged { .. } => (
            "an object's content is not what was written; nothing of it was used",
            "restore that object from a copy; see the guide",
        ),
        Error::History { .. } => (
            "the files in the store are not one whole history",
            "restore the files that are missing, or move away those beyond the gap",
        ),
        Error::Diverged { .. } => (
            "the history in the store is not the one this process followed",
            "close all connections to the database and open it again",
        ),
        Error::Expired { .. } => (
            "the files of a snapshot that is open were removed after the retention",
            "end the transaction and begin another",
        ),
        Error::Forked => (
            "a connection that was opened before `fork()` is used in the child",
            "open another there",
        ),
        Error::NoDatabase { .. } => (
            "there is no such database, and none may be created",
            "check store and name",
        ),
        Error::ReadOnly(_) => (
            "a write to the past, to a connection that is read-only, or to Litestream's database",
            "open the newest state for writing; `adopt=1` for Litestream's",
        ),
        Error::Refused(_) => (
            "what was asked is not offered, or a parameter is wrong",
            "read `sqlbridge_last_error()`: it says what to do instead",
        ),
    }
}

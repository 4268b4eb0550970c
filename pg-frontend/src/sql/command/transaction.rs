//! Transaction commands.

use super::plain;
use super::words::Words;
use crate::error::Result;
use crate::sql::{Action, Plan, Transaction};

/// The modes that may follow `BEGIN` and `SET TRANSACTION`.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    pub(crate) mode: Option<&'static str>,
    pub(crate) read_only: Option<bool>,
    pub(crate) isolation: Option<String>,
}

/// Reads modes up to the end.
pub(crate) fn modes(words: &mut Words<'_>) -> Result<Modes> {
    let mut out = Modes::default();
    while !words.at_end() {
        if words.accept("ISOLATION LEVEL") {
            let level = if words.accept("SERIALIZABLE") {
                "serializable"
            } else if words.accept("REPEATABLE READ") {
                "repeatable read"
            } else if words.accept("READ COMMITTED") {
                "read committed"
            } else if words.accept("READ UNCOMMITTED") {
                "read uncommitted"
            } else {
                return Err(words.unexpected());
            };
            out.isolation = Some(level.to_owned());
        } else if words.accept("READ ONLY") {
            out.read_only = Some(true);
        } else if words.accept("READ WRITE") {
            out.read_only = Some(false);
        } else if words.accept("NOT DEFERRABLE") || words.accept("DEFERRABLE") {
        } else if words.accept("DEFERRED") {
            out.mode = Some("DEFERRED");
        } else if words.accept("IMMEDIATE") {
            out.mode = Some("IMMEDIATE");
        } else if words.accept("EXCLUSIVE") {
            out.mode = Some("EXCLUSIVE");
        } else {
            return Err(words.unexpected());
        }
        words.accept(",");
    }
    Ok(out)
}

/// `BEGIN`, `COMMIT`, `SAVEPOINT` and their kin.
pub(crate) fn read(words: &mut Words<'_>) -> Result<Plan> {
    let first = words.advance().unwrap_or_default();
    let (transaction, tag) = match first.as_str() {
        "BEGIN" | "START" => {
            // SQLite's words stand before TRANSACTION.
            let mode = if words.accept("DEFERRED") {
                Some("DEFERRED")
            } else if words.accept("IMMEDIATE") {
                Some("IMMEDIATE")
            } else if words.accept("EXCLUSIVE") {
                Some("EXCLUSIVE")
            } else {
                None
            };
            if first == "START" {
                words.expect("TRANSACTION")?;
            } else if !words.accept("TRANSACTION") {
                words.accept("WORK");
            }
            let modes = modes(words)?;
            let begin = Transaction::Begin {
                mode: mode.or(modes.mode),
                read_only: modes.read_only,
                isolation: modes.isolation,
            };
            (
                begin,
                if first == "START" {
                    "START TRANSACTION"
                } else {
                    "BEGIN"
                },
            )
        }
        "COMMIT" | "END" => {
            if words.accept("PREPARED") {
                return Err(crate::sql::query::unsupported("two-phase commit"));
            }
            let chain = chain(words)?;
            (Transaction::Commit { chain }, "COMMIT")
        }
        "ROLLBACK" | "ABORT" => {
            if words.accept("PREPARED") {
                return Err(crate::sql::query::unsupported("two-phase commit"));
            }
            if !words.accept("TRANSACTION") {
                words.accept("WORK");
            }
            if words.accept("TO") {
                words.accept("SAVEPOINT");
                (Transaction::RollbackTo(words.name()?), "ROLLBACK")
            } else {
                let chain = chain(words)?;
                (Transaction::Rollback { chain }, "ROLLBACK")
            }
        }
        "SAVEPOINT" => (Transaction::Savepoint(words.name()?), "SAVEPOINT"),
        _ => {
            words.accept("SAVEPOINT");
            (Transaction::Release(words.name()?), "RELEASE")
        }
    };
    words.end()?;
    Ok(plain(Action::Transaction(transaction), tag))
}

fn chain(words: &mut Words<'_>) -> Result<bool> {
    if !words.accept("TRANSACTION") {
        words.accept("WORK");
    }
    if words.accept("AND NO CHAIN") {
        return Ok(false);
    }
    Ok(words.accept("AND CHAIN"))
}

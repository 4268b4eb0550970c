//! Changesets applied to the main database, as plain SQL and by the rules of
//! `sqlite3changeset_apply()`: <https://www.sqlite.org/session/sqlite3changeset_apply.html>.
//!
//! | module | what |
//! | --- | --- |
//! | `target`, `sql` | the table that is written, its statements |
//! | `policy` | what is done about conflicts |
//! | `retry` | changes that a constraint holds up until others are done |
//! | `transaction` | all or nothing; foreign keys are checked at the end |
//! | `error` | why a changeset was not applied |
//!
//! The way of a change: its statement runs. No row is touched: DATA if there is a row with that
//! key, else NOTFOUND. A constraint fails: CONFLICT if an INSERT met its key; else the change
//! waits for the end of its table, and only then is a CONSTRAINT conflict.

mod error;
mod policy;
mod retry;
mod sql;
mod target;
mod transaction;

use sqlite_abi::Connection;

pub use error::Error;
pub use policy::Conflict;

use crate::changeset::{Change, Field, Kind, Op, Reader, Table, Writer};
use crate::json;
use policy::{Case, Policy, Verdict};
use target::{Check, Fields, Outcome, Target};
use transaction::Transaction;

/// Applies a changeset or patchset to the main database, all of it or nothing.
///
/// # Errors
/// See [`Error`].
pub fn apply(
    connection: &Connection<'_>,
    changeset: &[u8],
    policy: Option<&str>,
) -> Result<Report, Error> {
    let policy = Policy::parse(connection, policy)?;
    let mut application = Application {
        connection,
        transaction: Transaction::begin(connection)?,
        rebase: policy.options.rebase.then(|| Writer::new(Kind::Changeset)),
        policy,
        report: Report::default(),
        waiting: Vec::new(),
        may_wait: true,
        fields: Fields::default(),
    };
    let outcome = application.run(changeset);
    let Application {
        transaction,
        rebase,
        mut report,
        ..
    } = application;
    report.rebase = rebase.map(Writer::finish);
    transaction.end(outcome)?;
    Ok(report)
}

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What an application did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Changes that were made, with those that replaced something or found themselves made.
    pub applied: u64,
    /// Changes that replaced a row or a value that was expected to be another.
    pub replaced: u64,
    /// Conflicts that were answered by leaving the change out, by kind.
    pub skipped: [u64; 5],
    /// Changes left out because their table is missing or different here, with the reason, by
    /// table.
    pub mismatched: Vec<(String, String, u64)>,
    /// What `changeset_rebase` needs, if it was asked for; none for a patchset.
    pub rebase: Option<Vec<u8>>,
}

impl Report {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        use base64::Engine;
        let kinds = Conflict::ALL.iter().zip(self.skipped);
        let skipped: Vec<String> = kinds
            .map(|(kind, count)| format!("\"{}\":{count}", kind.name().to_ascii_lowercase()))
            .collect();
        let mismatched: Vec<String> = self
            .mismatched
            .iter()
            .map(|(table, reason, count)| {
                let (table, reason) = (json::string(table), json::string(reason));
                format!("{{\"table\":{table},\"changes\":{count},\"reason\":{reason}}}")
            })
            .collect();
        let rebase = self.rebase.as_ref().map_or_else(String::new, |blob| {
            let blob = base64::engine::general_purpose::STANDARD.encode(blob);
            format!(",\"rebase\":\"{blob}\"")
        });
        format!(
            "{{\"applied\":{},\"replaced\":{},\"skipped\":{{{}}},\"mismatched\":[{}]{rebase}}}",
            self.applied,
            self.replaced,
            skipped.join(","),
            mismatched.join(",")
        )
    }
}

/// An application under way. `'c` is the connection's, `'a` the bytes'.
struct Application<'c, 'a> {
    connection: &'c Connection<'c>,
    transaction: Transaction<'c>,
    policy: Policy<'c>,
    report: Report,
    rebase: Option<Writer>,
    /// Changes of the current table that a constraint held up.
    waiting: Vec<Change<'a>>,
    /// Whether changes may wait; false in the last attempt.
    may_wait: bool,
    fields: Fields<'a>,
}

impl<'c, 'a> Application<'c, 'a> {
    fn run(&mut self, changeset: &'a [u8]) -> Result<(), Error> {
        let mut header = None;
        let mut target = None;
        for change in Reader::new(changeset) {
            let change = change?;
            if header.replace(change.table.offset) != Some(change.table.offset) {
                self.finish_table(target.as_mut())?;
                target = self.begin_table(&change.table)?;
            }
            match &mut target {
                Some(target) => self.apply(target, &change)?,
                None => self.skip_table(),
            }
        }
        self.finish_table(target.as_mut())?;
        self.check_foreign_keys()
    }

    /// The table that the following changes go to; none where they are left out.
    fn begin_table(&mut self, table: &Table<'_>) -> Result<Option<Target<'c>>, Error> {
        self.may_wait = true;
        let left_out = |reason: &str| (table.name.to_owned(), reason.to_owned(), 0);
        if !self.policy.options.wants(table.name) {
            let reason = "not among the policy's tables";
            self.report.mismatched.push(left_out(reason));
            return Ok(None);
        }
        match Target::open(self.connection, table)? {
            Ok(target) => {
                if table.kind == Kind::Patchset {
                    // A patchset tells too little of what was there.
                    self.rebase = None;
                } else if let Some(rebase) = &mut self.rebase {
                    rebase.table(target.name(), target.key());
                }
                Ok(Some(target))
            }
            Err(reason) if self.policy.options.strict => Err(Error::Schema {
                table: table.name.to_owned(),
                reason,
            }),
            Err(reason) => {
                self.report.mismatched.push(left_out(&reason));
                Ok(None)
            }
        }
    }

    fn skip_table(&mut self) {
        if let Some((_, _, count)) = self.report.mismatched.last_mut() {
            *count += 1;
        }
    }

    /// Applies a change, as often as the policy's answers ask for.
    fn apply(&mut self, target: &mut Target<'c>, change: &Change<'a>) -> Result<(), Error> {
        let mut fields = std::mem::take(&mut self.fields);
        change.fields(&mut fields.old, &mut fields.new);
        let applied = self.apply_fields(target, change, &fields);
        self.fields = fields;
        applied
    }

    fn apply_fields(
        &mut self,
        target: &mut Target<'c>,
        change: &Change<'a>,
        fields: &Fields<'a>,
    ) -> Result<(), Error> {
        let check = match change.table.kind {
            Kind::Changeset => Check::Values,
            Kind::Patchset => Check::KeyOnly,
        };
        let outcome = target.run(change, fields, check)?;
        if outcome == Outcome::Done {
            self.report.applied += 1;
            return Ok(());
        }
        let replaceable = outcome == Outcome::NoRow || change.op == Op::Insert;
        if !self.conflict(target, change, fields, outcome, replaceable)? {
            return Ok(());
        }
        if change.op == Op::Insert {
            target.run_delete(change, &fields.new, Check::KeyOnly)?;
        }
        let outcome = target.run(change, fields, Check::KeyOnly)?;
        if outcome == Outcome::Done {
            self.report.applied += 1;
            self.report.replaced += 1;
            return Ok(());
        }
        self.conflict(target, change, fields, outcome, false)?;
        Ok(())
    }

    /// Asks the policy. True: it wants the row that is there replaced. A change that a
    /// constraint holds up waits where it may.
    fn conflict(
        &mut self,
        target: &mut Target<'c>,
        change: &Change<'a>,
        fields: &Fields<'a>,
        outcome: Outcome,
        replaceable: bool,
    ) -> Result<bool, Error> {
        self.check_transaction(target)?;
        let exists = replaceable && target.seek(change, fields)?;
        let kind = match (outcome, exists) {
            (Outcome::NoRow, true) => Conflict::Data,
            (Outcome::NoRow, false) => Conflict::NotFound,
            (_, true) => Conflict::Conflict,
            (_, false) => Conflict::Constraint,
        };
        if kind == Conflict::Constraint && self.may_wait {
            target.leave();
            self.waiting.push(*change);
            return Ok(false);
        }
        if self.policy.options.ignore_noop && is_noop(target, change, fields, kind)? {
            target.leave();
            self.note_resolution(change, fields, false);
            self.report.applied += 1;
            return Ok(false);
        }
        let verdict = self.policy.decide(kind, || {
            Some(Case {
                table: change.table.name,
                op: change.op.name(),
                old: (change.op != Op::Insert).then(|| record(&fields.old)),
                new: (change.op != Op::Delete).then(|| record(&fields.new)),
                current: exists.then(|| target.current()),
            })
        });
        target.leave();
        self.check_transaction(target)?;
        match verdict? {
            Verdict::Abort => Err(Error::Aborted {
                kind,
                change: describe(change),
            }),
            verdict => {
                self.note_resolution(change, fields, verdict == Verdict::Replace);
                if verdict == Verdict::Omit {
                    self.report.skipped[kind as usize] += 1;
                }
                Ok(verdict == Verdict::Replace)
            }
        }
    }

    /// What a trigger or a policy's function rolled back must not go on as single commits.
    fn check_transaction(&self, target: &Target<'c>) -> Result<(), Error> {
        if self.transaction.is_lost() {
            return Err(Error::RolledBack(target.name().to_owned()));
        }
        Ok(())
    }

    /// Writes into the rebase blob how a conflict was resolved.
    fn note_resolution(&mut self, change: &Change<'a>, fields: &Fields<'a>, replaced: bool) {
        let Some(rebase) = &mut self.rebase else {
            return;
        };
        let columns = fields.old.iter().zip(&fields.new).zip(change.table.key);
        let row = columns.map(|((old, new), place)| {
            let old_one = change.op == Op::Delete || change.op == Op::Update && *place != 0;
            if old_one { *old } else { *new }
        });
        let op = if change.op == Op::Delete {
            Op::Delete
        } else {
            Op::Insert
        };
        rebase.fields(op, replaced, row);
    }

    fn check_foreign_keys(&mut self) -> Result<(), Error> {
        if !self.connection.violates_foreign_keys() {
            return Ok(());
        }
        match self.policy.decide(Conflict::ForeignKey, || None)? {
            Verdict::Omit => {
                self.report.skipped[Conflict::ForeignKey as usize] += 1;
                Ok(())
            }
            _ => Err(Error::Aborted {
                kind: Conflict::ForeignKey,
                change: "the changeset as a whole".to_owned(),
            }),
        }
    }
}

/// Whether a change in conflict would make what is there already.
fn is_noop(
    target: &mut Target<'_>,
    change: &Change<'_>,
    fields: &Fields<'_>,
    kind: Conflict,
) -> Result<bool, Error> {
    match (kind, change.op) {
        (Conflict::NotFound, Op::Delete) => Ok(true),
        (Conflict::Data, Op::Update) | (Conflict::Conflict, _) => target.holds(change, fields),
        _ => Ok(false),
    }
}

fn record(fields: &[Field<'_>]) -> String {
    json::array(fields.iter().map(|field| field.value()))
}

fn describe(change: &Change<'_>) -> String {
    let key = json::array(change.keyed().key().map(Field::value));
    let (op, table) = (change.op.name(), change.table.name);
    format!("{op} of the row with key {key} of table '{table}'")
}

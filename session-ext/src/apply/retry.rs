//! Changes that a constraint held up, tried again when the others of their table are done.
//!
//! 1. All of them, for as long as one more can be made.
//! 2. Values that trade places (a unique column of two rows) can never be written one after the
//!    other. So the row of an UPDATE is given stand-ins for its unique values, the others are
//!    tried, and then the UPDATE is made; if it cannot be, all that is taken back and the next
//!    UPDATE is used.
//! 3. What is left is a CONSTRAINT conflict each.

use super::Application;
use super::error::Error;
use super::target::{Fields, Outcome, Target, step};
use crate::changeset::{Change, Op};

const BEGIN: &str = "SAVEPOINT sqlbridge_update";
const RELEASE: &str = "RELEASE sqlbridge_update";
const ROLLBACK: &str = "ROLLBACK TO sqlbridge_update";

impl<'c, 'a> Application<'c, 'a> {
    /// Deals with what waits, once a table's changes are through.
    pub(super) fn finish_table(&mut self, target: Option<&mut Target<'c>>) -> Result<(), Error> {
        let Some(target) = target else { return Ok(()) };
        self.retry_while_it_helps(target, 0)?;
        if self.transaction.has_savepoints() {
            self.retry_with_stand_ins(target)?;
        }
        self.may_wait = false;
        for change in std::mem::take(&mut self.waiting) {
            self.apply(target, &change)?;
        }
        Ok(())
    }

    /// `gone`: how many have just left those that wait, which counts as the first progress. So a
    /// policy is asked as often as SQLite asks.
    fn retry_while_it_helps(&mut self, target: &mut Target<'c>, gone: usize) -> Result<(), Error> {
        let mut before = self.waiting.len() + gone;
        while !self.waiting.is_empty() {
            for change in std::mem::take(&mut self.waiting) {
                self.apply(target, &change)?;
            }
            if self.waiting.len() >= before {
                break;
            }
            before = self.waiting.len();
        }
        Ok(())
    }

    fn retry_with_stand_ins(&mut self, target: &mut Target<'c>) -> Result<(), Error> {
        let mut skipped = 0;
        loop {
            let mut updates = self.waiting.iter().enumerate();
            let update = updates
                .by_ref()
                .filter(|(_, change)| change.op == Op::Update);
            let Some(place) = update.map(|(place, _)| place).nth(skipped) else {
                return Ok(());
            };
            if self.try_update(target, place)? {
                skipped = 0;
            } else {
                skipped += 1;
            }
        }
    }

    /// Whether the UPDATE at that place could be made.
    fn try_update(&mut self, target: &mut Target<'c>, place: usize) -> Result<bool, Error> {
        let Some(update) = self.waiting.get(place).copied() else {
            return Ok(false);
        };
        let mut fields = Fields::default();
        update.fields(&mut fields.old, &mut fields.new);
        let Some([mut away, mut back]) = target.stand_ins(&update, &fields)? else {
            return Ok(false);
        };
        let before = (
            self.waiting.clone(),
            self.report.clone(),
            self.rebase.clone(),
        );
        self.waiting.remove(place);
        self.exec(BEGIN, &update)?;
        let mut done = step(&mut away, &update)? == Outcome::Done;
        if done {
            self.retry_while_it_helps(target, 1)?;
            done = step(&mut back, &update)? == Outcome::Done;
        }
        if done {
            self.report.applied += 1;
        } else {
            self.check_transaction(target)?;
            self.exec(ROLLBACK, &update)?;
            (self.waiting, self.report, self.rebase) = before;
        }
        self.exec(RELEASE, &update)?;
        Ok(done)
    }

    fn exec(&self, sql: &str, change: &Change<'_>) -> Result<(), Error> {
        let failed = Error::sqlite(format!("retry a change of table '{}'", change.table.name));
        self.connection.exec(sql).map_err(failed)
    }
}

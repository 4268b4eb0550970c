//! What is done for each kind of statement.

use std::time::Duration;

use rusqlite::types::Value;

use super::failure::Result;
use super::plans::Planned;
use super::portal::{Portal, Progress, SendError};
use super::transaction::{Block, failed};
use super::{Session, copy};
use crate::error::{PgError, is_lost_race};
use crate::protocol::backend::{self, Severity};
use crate::server::clock;
use crate::server::sessions::Interrupt;
use crate::sql::{Action, Tag};
use crate::types::{Format, Oid};

/// How often a statement that is a transaction of its own is tried again after a lost race.
const RETRIES: u32 = 20;

impl<'s> Session<'s> {
    /// Executes a portal, or goes on with it, up to `limit` rows: rows and `CommandComplete`, or
    /// `PortalSuspended`. `alone`: the statement may be a transaction of its own. `describe`: the rows'
    /// description goes first.
    pub(super) fn execute(
        &mut self,
        portal: &mut Portal<'s>,
        limit: Option<u64>,
        alone: bool,
        describe: bool,
    ) -> Result<()> {
        let began = clock::monotonic();
        self.state.borrow_mut().statement_time = clock::wall_microseconds();
        self.refresh_style();
        let outcome = self.act(portal, limit, alone, describe);
        let took = clock::monotonic().saturating_duration_since(began);
        self.observe(portal, took);
        outcome
    }

    fn observe(&self, portal: &Portal<'s>, took: Duration) {
        self.counters.queries.increment(1);
        self.counters.durations.record(took.as_secs_f64());
        if took >= self.server.settings.slow_query {
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let statement = match &portal.planned.plan.action {
                Action::Run(sql) => sql,
                Action::Copy(copy) => &copy.sql,
                _ => tag_word(&portal.planned.plan.tag),
            };
            tracing::warn!(pid = self.handle.pid, milliseconds, statement, "slow query");
        }
    }

    fn act(
        &mut self,
        portal: &mut Portal<'s>,
        limit: Option<u64>,
        alone: bool,
        describe: bool,
    ) -> Result<()> {
        let planned = std::rc::Rc::clone(&portal.planned);
        if matches!(portal.progress, Progress::Over) && portal.columns.is_none() {
            return Err(PgError::new("55000", "portal cannot be run").into());
        }
        if !matches!(planned.plan.action, Action::Transaction(_) | Action::Empty)
            && self.transaction.block == Block::Failed
        {
            return Err(failed().into());
        }
        match &planned.plan.action {
            Action::Run(_) => self.run(portal, limit, alone, describe),
            Action::Empty => {
                backend::bare(&mut self.wire.out, b'I');
                Ok(())
            }
            Action::Copy(copy) => self.copy(copy, portal, alone),
            Action::Fetch {
                name,
                direction,
                discard,
            } => self.fetch(name, *direction, *discard, portal, describe),
            Action::Execute { name, arguments } => {
                self.execute_prepared(name, arguments, limit, alone, describe)
            }
            Action::Transaction(command) => {
                let tag = self.transaction_command(command)?;
                portal.progress = Progress::Over;
                backend::complete(&mut self.wire.out, tag);
                Ok(())
            }
            Action::Script(statements) => {
                let changed = self.script(statements, &planned, alone)?;
                self.done(portal, changed);
                Ok(())
            }
            Action::Show(name) => {
                self.send_shown(name, portal, describe)?;
                self.done(portal, 0);
                Ok(())
            }
            _ => {
                self.command(&planned, &portal.parameters, alone)?;
                self.done(portal, 0);
                Ok(())
            }
        }
    }

    /// What is done for its effect on the session or on the server.
    fn command(&mut self, planned: &Planned<'s>, parameters: &[Value], alone: bool) -> Result<()> {
        match &planned.plan.action {
            Action::Nothing(notice) => {
                if let Some(notice) = notice {
                    self.notice(Severity::Notice, &PgError::new("00000", notice.clone()));
                }
                Ok(())
            }
            Action::Set { name, value, local } => self.set(name, value.as_deref(), *local),
            Action::ResetAll => {
                self.state.borrow_mut().reset_all();
                Ok(())
            }
            Action::Discard(what) => self.discard(what),
            Action::Prepare {
                name,
                types,
                text,
                whole,
            } => self.prepare_of_sql(name, types, text, whole),
            Action::Deallocate(name) => self.deallocate(name.as_deref()),
            Action::Declare {
                name,
                hold,
                binary,
                scroll,
                text,
            } => {
                let given: Vec<Oid> = planned.plan.parameters.iter().map(|ty| ty.oid).collect();
                let mut cursor = self.cursor(text, &given)?;
                cursor.parameters = parameters.to_vec();
                cursor.hold = *hold;
                cursor.scroll = *scroll;
                if *binary {
                    cursor.formats.fill(Format::Binary);
                }
                self.declare(name, cursor)
            }
            Action::Close(name) => self.close_cursor(name.as_deref()),
            Action::CreateDatabase { name } => {
                self.not_in_block("CREATE DATABASE", alone)?;
                Ok(self.server.databases.create(name)?)
            }
            Action::DropDatabase { name, if_exists } => {
                self.not_in_block("DROP DATABASE", alone)?;
                self.drop_database(name, *if_exists)
            }
            // Those that answer in ways of their own.
            Action::Run(_)
            | Action::Empty
            | Action::Copy(_)
            | Action::Fetch { .. }
            | Action::Execute { .. }
            | Action::Transaction(_)
            | Action::Script(_)
            | Action::Show(_) => Ok(()),
        }
    }

    fn done(&mut self, portal: &mut Portal<'s>, changed: u64) {
        portal.progress = Progress::Over;
        if self.transaction.block == Block::None {
            self.state.borrow_mut().end_transaction(true);
        }
        self.complete(&portal.planned.plan.tag, changed);
    }

    /// `CommandComplete`
    fn complete(&mut self, tag: &Tag, count: u64) {
        match tag {
            Tag::Plain(tag) => backend::complete(&mut self.wire.out, tag),
            Tag::Rows(tag) | Tag::Changes(tag) => {
                // An INSERT's tag has the oid of a time long gone.
                let zero = if *tag == "INSERT" { " 0" } else { "" };
                backend::complete(&mut self.wire.out, &format!("{tag}{zero} {count}"));
            }
        }
    }

    /// A statement of SQLite's.
    fn run(
        &mut self,
        portal: &mut Portal<'s>,
        limit: Option<u64>,
        alone: bool,
        describe: bool,
    ) -> Result<()> {
        let planned = std::rc::Rc::clone(&portal.planned);
        let plan = &planned.plan;
        let fresh = matches!(portal.progress, Progress::Fresh);
        // A suspended statement that writes has not committed: it needs a transaction around it.
        let alone = alone
            && self.transaction.block == Block::None
            && (plan.read_only || !self.recorder.is_active())
            && (plan.read_only || limit.is_none() || plan.columns.is_none());
        let mark = self.wire.mark();
        let mut attempt = 0;
        let sent = loop {
            if fresh {
                self.admit(&planned, alone)?;
                if describe && let Some(columns) = &portal.columns {
                    backend::row_description(&mut self.wire.out, columns, &portal.formats);
                }
            }
            match self.rows(portal, limit) {
                Ok(sent) => break sent,
                Err(SendError::Sqlite(error))
                    if alone
                        && is_lost_race(&error)
                        && attempt < RETRIES
                        && self.wire.take_back(mark) =>
                {
                    portal.progress = Progress::Fresh;
                    self.fail();
                    attempt += 1;
                    metrics::counter!("pg_statement_retries_total").increment(1);
                    // The loser steps back a little longer each time.
                    clock::sleep(Duration::from_millis(u64::from(attempt)));
                    if self.handle.interrupted() != Interrupt::None {
                        return Err(self.interrupted());
                    }
                }
                Err(error) => return Err(self.unsent(error)),
            }
        };
        if !sent.over {
            backend::bare(&mut self.wire.out, b's');
            return Ok(());
        }
        if planned.changes_schema() {
            self.schema_changed();
        }
        let count = match plan.tag {
            // As Postgres counts: a portal that is fetched in parts has the rows of its last part.
            Tag::Changes(_) if fresh && (limit.is_none() || portal.columns.is_none()) => {
                self.connection.changes()
            }
            _ => sent.rows,
        };
        if alone {
            self.end_alone(true)?;
        }
        self.complete(&plan.tag, count);
        Ok(())
    }

    /// Several statements of SQLite's for one of Postgres': all or nothing.
    fn script(&mut self, statements: &[String], planned: &Planned<'s>, alone: bool) -> Result<u64> {
        let own = alone && self.transaction.block == Block::None;
        let outside = statements.iter().any(|sql| {
            let word = sql.trim_start().get(..6).unwrap_or_default();
            word.eq_ignore_ascii_case("vacuum")
        });
        self.admit(planned, own && outside)?;
        for sql in statements {
            if let Err(error) = self.connection.execute_batch(sql) {
                return Err(self.explain(&error).into());
            }
        }
        let changed = self.connection.changes();
        self.schema_changed();
        if own && outside {
            self.end_alone(true)?;
        } else if own && self.transaction.block == Block::Implicit {
            self.commit()?;
        }
        Ok(changed)
    }

    fn send_shown(&mut self, name: &str, portal: &mut Portal<'s>, describe: bool) -> Result<()> {
        let rows = self.show(name)?;
        let Some(columns) = portal.columns.clone() else {
            return Ok(());
        };
        if describe {
            backend::row_description(&mut self.wire.out, &columns, &portal.formats);
        }
        for row in &rows {
            let values = columns.iter().zip(&portal.formats).zip(row);
            let values = values.map(|((column, format), text)| {
                (
                    column.ty,
                    *format,
                    rusqlite::types::ValueRef::Text(text.as_bytes()),
                )
            });
            backend::data_row(&mut self.wire.out, values, &self.style)?;
        }
        Ok(())
    }

    /// What cannot be undone is not done inside of a transaction.
    fn not_in_block(&self, what: &str, alone: bool) -> Result<()> {
        if self.transaction.block == Block::None && alone {
            return Ok(());
        }
        Err(PgError::new(
            "25001",
            format!("{what} cannot run inside a transaction block"),
        )
        .into())
    }

    fn drop_database(&mut self, name: &str, if_exists: bool) -> Result<()> {
        if *name == self.state.borrow().database {
            return Err(PgError::new("55006", "cannot drop the currently open database").into());
        }
        match self.server.databases.drop(name) {
            Err(error) if if_exists && error.code == "3D000" => {
                let notice = PgError::new(
                    "00000",
                    format!("database \"{name}\" does not exist, skipping"),
                );
                self.notice(Severity::Notice, &notice);
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }

    fn discard(&mut self, what: &str) -> Result<()> {
        let all = what.eq_ignore_ascii_case("all");
        if all && self.transaction.block != Block::None {
            return Err(
                PgError::new("25001", "DISCARD ALL cannot run inside a transaction block").into(),
            );
        }
        if all {
            self.portals.clear();
            self.deallocate(None)?;
            self.state.borrow_mut().reset_all();
        }
        if all || what.eq_ignore_ascii_case("plans") {
            self.plans.clear();
        }
        if all || what.eq_ignore_ascii_case("temp") || what.eq_ignore_ascii_case("temporary") {
            self.discard_temporary()?;
        }
        Ok(())
    }

    fn discard_temporary(&mut self) -> Result<()> {
        let names =
            "SELECT type || ' \"' || replace(name, '\"', '\"\"') || '\"' FROM temp.sqlite_schema
                     WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let mut statement = self.connection.prepare(names)?;
        let names: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        drop(statement);
        for name in &names {
            let (kind, name) = name.split_once(' ').unwrap_or(("table", name));
            self.connection
                .execute_batch(&format!("DROP {kind} temp.{name}"))?;
        }
        if !names.is_empty() {
            self.schema_changed();
        }
        Ok(())
    }

    fn copy(
        &mut self,
        copy: &crate::sql::Copy,
        portal: &mut Portal<'s>,
        alone: bool,
    ) -> Result<()> {
        let planned = std::rc::Rc::clone(&portal.planned);
        let own = self.transaction.block == Block::None;
        // COPY IN is one transaction, whatever SQLite needs for it.
        self.admit(&planned, own && !copy.from && alone)?;
        let outcome = if copy.from {
            copy::copy_in(self, copy)
        } else {
            copy::copy_out(self, copy, &portal.parameters)
        };
        let rows = outcome?;
        if own && self.transaction.block == Block::Implicit && alone {
            self.commit()?;
        } else if own && self.transaction.block == Block::None {
            self.end_alone(true)?;
        }
        portal.progress = Progress::Over;
        backend::complete(&mut self.wire.out, &format!("COPY {rows}"));
        Ok(())
    }
}

/// The first word of what a client is told at a statement's end.
pub(super) fn tag_word(tag: &Tag) -> &str {
    match tag {
        Tag::Rows(tag) | Tag::Changes(tag) => tag,
        Tag::Plain(tag) => tag,
    }
}

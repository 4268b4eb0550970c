//! The commands of the interface, one method each.

use std::sync::Arc;

use sqlite_abi::{Connection, Statement};

use super::VERSION;
use super::error::Error;
use super::gate;
use super::node::Node;
use super::pool::Compiled;
use super::request::{Command, Method, Request, Target, Values};
use super::rows::{After, Deadline, Rows, bind, describe, describe_nothing, head_of, no_columns};
use super::session::{Call, Cursor, Text};

impl Call<'_> {
    pub(crate) fn command(
        &mut self,
        command: Command<'_>,
        transaction: Option<i64>,
    ) -> Result<(), Error> {
        match command {
            Command::Query {
                target,
                values,
                fetch,
            } => {
                self.session
                    .transactions
                    .check(self.connection, transaction)?;
                self.query(&target, &values, fetch)
            }
            Command::Exec { target, values } => {
                self.session
                    .transactions
                    .check(self.connection, transaction)?;
                self.exec(&target, &values)
            }
            Command::ExecMany { target, rows } => {
                self.session
                    .transactions
                    .check(self.connection, transaction)?;
                self.exec_many(&target, &rows)
            }
            Command::Drizzle {
                sql,
                values,
                method,
            } => {
                self.session
                    .transactions
                    .check(self.connection, transaction)?;
                self.drizzle(&sql, &values, method)
            }
            Command::Begin { mode, read_only } => {
                self.session
                    .transactions
                    .check(self.connection, transaction)?;
                let connection = self.connection;
                let id = self.transactions(|transactions, db| {
                    transactions.begin(db, connection, mode, read_only)
                })?;
                self.map(|answer| {
                    answer.key("tx_id");
                    answer.integer(id);
                });
                Ok(())
            }
            Command::Commit => {
                self.no_writing_cursor()?;
                let connection = self.connection;
                self.transactions(|transactions, db| {
                    transactions.commit(db, connection, transaction.unwrap_or_default())
                })?;
                self.map(|_| ());
                Ok(())
            }
            Command::Rollback => {
                let connection = self.connection;
                self.transactions(|transactions, db| {
                    transactions.rollback(db, connection, transaction.unwrap_or_default())
                })?;
                self.map(|_| ());
                Ok(())
            }
            Command::Fetch { cursor, fetch } => self.fetch(cursor, fetch),
            Command::CloseRows { cursor } => {
                self.cursor(cursor)?;
                if let Some(cursor) = self.session.cursors.remove(&cursor) {
                    self.session.pool.put(cursor.compiled);
                }
                self.map(|_| ());
                Ok(())
            }
            Command::Prepare { sql } => self.prepare(&sql),
            Command::CloseStatement { statement } => {
                self.prepared(statement)?;
                self.prepared.texts.remove(&statement);
                self.map(|_| ());
                Ok(())
            }
            Command::Ping => {
                self.map(|answer| {
                    answer.key("version");
                    answer.integer(VERSION);
                    answer.key("sqlite");
                    answer.text(&sqlite_abi::host::version());
                });
                Ok(())
            }
            Command::CloseConnection => self.close(),
            Command::Batch { requests, stop } => self.batch(requests, stop),
        }
    }

    fn query(
        &mut self,
        target: &Target<'_>,
        values: &Values<'_>,
        fetch: usize,
    ) -> Result<(), Error> {
        if fetch > 0 && self.session.cursors.len() >= self.rules.limits.cursors {
            return Err(self.too_many(
                "open cursors (limit cursors)",
                self.rules.limits.cursors,
                "read their rows to the end, or close them",
            ));
        }
        let Some(mut compiled) = self.compiled(target)? else {
            self.map(|answer| {
                no_columns(answer);
                answer.key("rows");
                answer.begin_list();
                answer.end_list();
            });
            return Ok(());
        };
        self.answer.begin_map();
        let outcome = self.first_rows(&mut compiled, values, fetch);
        match outcome {
            Ok(After::More) => {
                let id = self.prepared.new_id();
                self.answer.key("cursor_id");
                self.answer.integer(id);
                self.session.cursors.insert(
                    id,
                    Cursor {
                        connection: self.connection,
                        compiled,
                        fetch,
                    },
                );
            }
            Ok(After::Done) => self.session.pool.put(compiled),
            Err(error) => {
                self.session.pool.put(compiled);
                return Err(error);
            }
        }
        self.answer.end_map();
        Ok(())
    }

    /// Steps to the first row before it looks at the columns: that is when SQLite compiles a
    /// statement again whose tables have changed.
    fn first_rows(
        &mut self,
        compiled: &mut Compiled,
        values: &Values<'_>,
        fetch: usize,
    ) -> Result<After, Error> {
        let rows = Rows::new(self.rules, fetch, self.deadline);
        let answer = &mut *self.answer;
        let Compiled { kept, head, .. } = compiled;
        kept.with(|statement| {
            bind(statement, values)?;
            let row = statement.step()?;
            head_of(statement, head, answer);
            answer.key("rows");
            rows.write(statement, row, answer)
        })?
    }

    fn fetch(&mut self, id: i64, fetch: Option<usize>) -> Result<(), Error> {
        let rows = Rows::new(
            self.rules,
            fetch.unwrap_or(self.cursor(id)?.fetch),
            self.deadline,
        );
        self.bound(self.cursor(id)?.compiled.most_bytes)?;
        self.answer.begin_map();
        self.answer.key("rows");
        let answer = &mut *self.answer;
        let Some(cursor) = self.session.cursors.get_mut(&id) else {
            return Ok(());
        };
        let after = cursor.compiled.kept.with(|statement| {
            // The first of these rows was stepped to when the last batch ended.
            rows.write(statement, true, answer)
        });
        let after = after.map_err(Error::from).flatten();
        if !matches!(after, Ok(After::More))
            && let Some(cursor) = self.session.cursors.remove(&id)
        {
            self.session.pool.put(cursor.compiled);
        }
        self.answer.key("done");
        self.answer.boolean(after? == After::Done);
        self.answer.end_map();
        Ok(())
    }

    fn exec(&mut self, target: &Target<'_>, values: &Values<'_>) -> Result<(), Error> {
        let (id, changes) = self.changes(target, values)?;
        self.changed(id, changes);
        Ok(())
    }

    /// All rows or none. What only reads has nothing to undo.
    fn exec_many(&mut self, target: &Target<'_>, rows: &[Values<'_>]) -> Result<(), Error> {
        let alone = || {
            let message = "a transaction command has no rows of values";
            Error::Request(message.to_owned())
        };
        // Before it is taken for compiling, which would carry it out.
        if self.is_transaction_command(target)? {
            return Err(alone());
        }
        let mut compiled = self.compiled(target)?.ok_or_else(alone)?;
        let outcome = self.many(&mut compiled, rows);
        self.session.pool.put(compiled);
        let (id, changes) = outcome?;
        self.changed(id, changes);
        Ok(())
    }

    fn many(&mut self, compiled: &mut Compiled, rows: &[Values<'_>]) -> Result<(i64, i64), Error> {
        let (connection, deadline) = (self.connection, self.deadline);
        if compiled.readonly {
            return self.transactions(|_, db| each(db, compiled, rows, deadline));
        }
        self.no_writing_cursor()?;
        self.transactions(|transactions, db| {
            transactions.all_or_nothing(db, connection, || each(db, compiled, rows, deadline))
        })
    }

    fn is_transaction_command(&self, target: &Target<'_>) -> Result<bool, Error> {
        let sql = match target {
            Target::Sql(sql) => sql.as_ref(),
            Target::Prepared(id) => &self.prepared(*id)?.sql,
        };
        let text = gate::Text::new(sql).map_err(|refusal| self.rules.refused(refusal))?;
        Ok(text.transaction().is_some())
    }

    fn changed(&mut self, id: i64, changes: i64) {
        self.map(|answer| {
            answer.key("last_insert_id");
            answer.integer(id);
            answer.key("rows_affected");
            answer.integer(changes);
        });
    }

    /// Runs a statement to its end; returns the last rowid and the rows changed.
    fn changes(&mut self, target: &Target<'_>, values: &Values<'_>) -> Result<(i64, i64), Error> {
        let Some(mut compiled) = self.compiled(target)? else {
            let id = self.session.lent.with(|db| db.last_insert_rowid())?;
            return Ok((id, 0));
        };
        let deadline = self.deadline;
        let outcome = self.transactions(|_, db| {
            let changes = compiled
                .kept
                .with(|statement| run(db, statement, values, deadline))??;
            Ok((db.last_insert_rowid(), changes))
        });
        self.session.pool.put(compiled);
        outcome
    }

    fn drizzle(&mut self, sql: &str, values: &Values<'_>, method: Method) -> Result<(), Error> {
        let target = Target::Sql(sql.into());
        if method == Method::Run {
            let (id, changes) = self.changes(&target, values)?;
            self.map(|answer| {
                answer.key("rows");
                answer.begin_list();
                answer.end_list();
                answer.key("changes");
                answer.integer(changes);
                answer.key("lastInsertRowid");
                answer.integer(id);
            });
            return Ok(());
        }
        self.answer.begin_map();
        if let Some(mut compiled) = self.compiled(&target)? {
            let rows = Rows::new(self.rules, 0, self.deadline);
            let answer = &mut *self.answer;
            let outcome = compiled.kept.with(|statement| {
                bind(statement, values)?;
                let row = statement.step()?;
                if method == Method::All {
                    answer.key("rows");
                    rows.write(statement, row, answer)?;
                } else if row {
                    // One row as it is; without one, no rows at all: undefined, as Drizzle wants it.
                    answer.key("rows");
                    rows.row(statement, answer)?;
                }
                Ok(())
            });
            self.session.pool.put(compiled);
            outcome.map_err(Error::from).flatten()?;
        }
        self.answer.end_map();
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<(), Error> {
        let most = self.rules.limits.statements;
        if self.prepared.texts.len() >= most {
            return Err(self.too_many(
                "prepared statements (limit statements)",
                most,
                "close some",
            ));
        }
        let text = gate::Text::new(sql).map_err(|refusal| self.rules.refused(refusal))?;
        let compiled = match text.transaction() {
            Some(_) => None,
            None => self.compiled(&Target::Sql(sql.into()))?,
        };
        let id = self.prepared.new_id();
        let connection = self.connection;
        let sql: Arc<str> = sql.into();
        self.prepared.texts.insert(id, Text { connection, sql });
        self.answer.begin_map();
        self.answer.key("stmt_id");
        self.answer.integer(id);
        match compiled {
            Some(mut compiled) => {
                let answer = &mut *self.answer;
                compiled
                    .kept
                    .with(|statement| describe(statement, answer))?;
                self.session.pool.put(compiled);
            }
            None => describe_nothing(self.answer),
        }
        self.answer.end_map();
        Ok(())
    }

    fn batch(&mut self, requests: Vec<Node<'_>>, stop: bool) -> Result<(), Error> {
        self.answer.begin_map();
        self.answer.key("results");
        self.answer.begin_list();
        for node in requests {
            let mark = self.answer.mark();
            let outcome = self.one_of_batch(node);
            if let Err(error) = outcome {
                self.answer.back_to(mark);
                error.write(self.rules, self.answer);
                // Errors alone could fill any memory.
                if stop || self.answer.len() > self.rules.limits.result_bytes {
                    break;
                }
            }
        }
        self.answer.end_list();
        self.answer.end_map();
        Ok(())
    }

    fn one_of_batch(&mut self, node: Node<'_>) -> Result<(), Error> {
        let request = Request::new(node)?;
        if matches!(request.command, Command::Batch { .. }) {
            return Err(Error::Request("a batch inside a batch".to_owned()));
        }
        self.session.run(
            self.rules,
            self.catalog,
            self.prepared,
            request,
            self.answer,
        )
    }

    /// Ends what the guest's connection has.
    fn close(&mut self) -> Result<(), Error> {
        let connection = self.connection;
        let session = &mut *self.session;
        session
            .cursors
            .retain(|_, cursor| cursor.connection != connection);
        self.prepared
            .texts
            .retain(|_, text| text.connection != connection);
        if session.transactions.check(connection, None).is_ok() {
            self.transactions(|transactions, db| transactions.undo_all(db))?;
        }
        self.map(|_| ());
        Ok(())
    }
}

/// Runs a statement to its end; returns the rows changed.
fn run(
    db: &Connection<'_>,
    statement: &mut Statement<'_>,
    values: &Values<'_>,
    deadline: Deadline,
) -> Result<i64, Error> {
    let before = db.total_changes();
    bind(statement, values)?;
    while statement.step()? {
        deadline.check()?;
    }
    // What SQLite reports are the rows of the last statement that could change any.
    let changed = db.total_changes() != before;
    Ok(if changed { db.changes() } else { 0 })
}

/// Runs a statement for each row of values; returns the last rowid and the rows changed.
fn each(
    db: &Connection<'_>,
    compiled: &mut Compiled,
    rows: &[Values<'_>],
    deadline: Deadline,
) -> Result<(i64, i64), Error> {
    compiled.kept.with(|statement| {
        let mut changes = 0;
        for (row, values) in (1..).zip(rows) {
            let changed = run(db, statement, values, deadline).and_then(|changed| {
                deadline.check()?;
                Ok(changed)
            });
            // Also after an error: a statement at work would be in the way of undoing it.
            statement.reset();
            changes += changed.map_err(|error| error.in_row(row))?;
        }
        Ok((db.last_insert_rowid(), changes))
    })?
}

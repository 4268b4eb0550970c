//! What a guest has on a connection, from its first request to the end of its call: compiled
//! statements, cursors, transactions; and how a text becomes a statement. Only the numbers of prepared
//! statements outlive the call: they stand for texts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlite_abi::{Connection, Kept, Lent};

use super::Rules;
use super::answer::Writer;
use super::error::Error;
use super::gate::{self, Age, Catalog, Gate, Refusal};
use super::pool::{Compiled, Pool};
use super::request::{Request, Target};
use super::rows::Deadline;
use super::transactions::Transactions;
use super::warm::{Canary, Warm};

/// Everything that ends with the call.
pub(crate) struct Session {
    pub(crate) lent: Lent,
    pub(crate) pool: Pool,
    canary: Option<Canary>,
    pub(crate) cursors: BTreeMap<i64, Cursor>,
    pub(crate) transactions: Transactions,
}

/// The prepared statements of a guest, and the last number that was given to one, or to a cursor.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) texts: BTreeMap<i64, Text>,
    last_id: i64,
    /// The last number of a transaction.
    pub(crate) last_transaction: i64,
}

/// A text that a guest gave a number.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) connection: i64,
    pub(crate) sql: Arc<str>,
}

impl Prepared {
    pub(crate) fn new_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }
}

/// A statement with rows left.
pub(crate) struct Cursor {
    pub(crate) connection: i64,
    pub(crate) compiled: Compiled,
    pub(crate) fetch: usize,
}

impl Session {
    /// With the statements of earlier calls, if they are of the same loan and as they were judged.
    pub(crate) fn new(lent: Lent, rules: &Rules, prepared: &Prepared, warm: Option<Warm>) -> Self {
        let thawed = warm.and_then(|warm| warm.thaw(&lent)).unzip();
        let (pool, canary): (Option<Pool>, Option<Canary>) = thawed;
        Self {
            pool: pool.unwrap_or_else(|| Pool::new(rules.limits.statements)),
            canary,
            lent,
            cursors: BTreeMap::new(),
            transactions: Transactions::new(rules.grant, prepared.last_transaction),
        }
    }

    /// Does what a request asks for. On an error the answer so far is to be taken back.
    pub(crate) fn run(
        &mut self,
        rules: &Rules,
        catalog: &mut Option<Catalog>,
        prepared: &mut Prepared,
        request: Request<'_>,
        answer: &mut Writer,
    ) -> Result<(), Error> {
        let Request {
            connection,
            transaction,
            timeout,
            command,
        } = request;
        let lent = self.lent.clone();
        let mut call = Call {
            connection,
            deadline: deadline(timeout),
            rules,
            catalog,
            prepared,
            answer,
            session: self,
        };
        let outcome = match call.deadline {
            Deadline(None) => call.command(command, transaction),
            Deadline(Some(deadline)) => {
                rules.within(&lent, deadline, || call.command(command, transaction))
            }
        };
        call.prepared.last_transaction = call.session.transactions.last_id;
        let noticed = lent.with(|connection| self.transactions.notice(connection));
        outcome.and(noticed.map_err(Error::from))
    }

    /// Ends everything: what transactions are open is undone. With `keep`, compiled statements are
    /// what is left.
    pub(crate) fn end(mut self, keep: bool) -> (Option<Warm>, Result<(), Error>) {
        // Cursors first: a statement that writes and is not read to its end would be in the way.
        for (_, cursor) in std::mem::take(&mut self.cursors) {
            self.pool.put(cursor.compiled);
        }
        let transactions = &mut self.transactions;
        let ended = self
            .lent
            .with(|connection| transactions.undo_all(connection));
        let ended = ended.map_err(Error::from).flatten();
        if !keep {
            return (None, ended);
        }
        (Warm::new(self.lent, self.pool, self.canary), ended)
    }

    /// See [`super::Proxy::is_changing`].
    pub(crate) fn is_changing(&self) -> bool {
        self.transactions.are_open()
            || self
                .cursors
                .values()
                .any(|cursor| !cursor.compiled.readonly)
    }
}

#[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
fn deadline(timeout: Option<Duration>) -> Deadline {
    Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
}

/// A request while it is served.
pub(crate) struct Call<'a> {
    /// The guest's connection.
    pub(crate) connection: i64,
    pub(crate) deadline: Deadline,
    pub(crate) rules: &'a Rules,
    pub(crate) catalog: &'a mut Option<Catalog>,
    pub(crate) prepared: &'a mut Prepared,
    pub(crate) answer: &'a mut Writer,
    pub(crate) session: &'a mut Session,
}

impl Call<'_> {
    /// A compiled statement; none where the text was a transaction command, which is done then.
    pub(crate) fn compiled(&mut self, target: &Target<'_>) -> Result<Option<Compiled>, Error> {
        let known = match target {
            Target::Sql(sql) => self.session.pool.take(sql),
            Target::Prepared(id) => {
                let sql = Arc::clone(&self.prepared(*id)?.sql);
                self.session.pool.take(&sql)
            }
        };
        // SQLite may compile it again, by what the schema is now.
        let compiled = match known.filter(|known| known.age == Age::now()) {
            Some(compiled) => compiled,
            None => {
                let sql = match target {
                    Target::Sql(sql) => Arc::from(sql.as_ref()),
                    Target::Prepared(id) => Arc::clone(&self.prepared(*id)?.sql),
                };
                match self.compile(sql)? {
                    Some(compiled) => compiled,
                    None => return Ok(None),
                }
            }
        };
        if compiled.deepens {
            Age::ends();
        }
        self.bound(compiled.most_bytes)?;
        if !compiled.readonly
            && let Err(error) = self.session.transactions.check_writable()
        {
            self.session.pool.put(compiled);
            return Err(error);
        }
        Ok(Some(compiled))
    }

    /// Bounds the values of what runs until the request is answered.
    pub(crate) fn bound(&self, most_bytes: usize) -> Result<(), Error> {
        if most_bytes < self.rules.limits.result_bytes {
            let lent = &self.session.lent;
            lent.with(|connection| connection.lower_length(most_bytes))?;
        }
        Ok(())
    }

    pub(crate) fn compile(&mut self, sql: Arc<str>) -> Result<Option<Compiled>, Error> {
        let rules = self.rules;
        let refused = |refusal| rules.refused(refusal);
        let text = gate::Text::new(&sql).map_err(refused)?;
        if let Some(words) = text.transaction() {
            let words = words.map_err(refused)?;
            self.no_writing_cursor()?;
            let connection = self.connection;
            self.transactions(|transactions, db| transactions.text(db, connection, &words))?;
            return Ok(None);
        }
        let age = Age::now();
        let catalog = match self.catalog.take() {
            Some(mut catalog) => {
                let refreshed = self.session.lent.with(|db| catalog.refresh(db))?;
                refreshed.map_err(refused)?;
                catalog
            }
            None => {
                let loaded = self.session.lent.with(Catalog::load)?;
                loaded.map_err(refused)?
            }
        };
        let catalog = self.catalog.insert(catalog);
        let connection = self.session.lent.id();
        let gate = Gate {
            grant: self.rules.grant,
            catalog,
            callable: &|name| (self.rules.callable)(connection, name),
            tables: self.rules.tables,
        };
        gate.admit(&text).map_err(refused)?;
        let (kept, rest) = self.session.lent.keep_next(&sql)?;
        let mut kept: Kept = kept.ok_or_else(|| refused(Refusal::Empty))?;
        gate::only(rest).map_err(refused)?;
        let (readonly, recompiled, columns) = kept.with(|statement| {
            let columns = statement.column_count();
            (statement.is_readonly(), statement.recompiled(), columns)
        })?;
        gate.admit_compiled(&text, readonly).map_err(refused)?;
        let holds_table = gate.leads_to_table(&text);
        Ok(Some(Compiled {
            sql: Arc::clone(&sql),
            kept,
            readonly,
            recompiled,
            holds_table,
            age,
            deepens: text.deepens(),
            most_bytes: gate.most_bytes(&text, columns),
            head: None,
        }))
    }

    pub(crate) fn transactions<R>(
        &mut self,
        body: impl FnOnce(&mut Transactions, &Connection<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let transactions = &mut self.session.transactions;
        self.session
            .lent
            .with(|connection| body(transactions, connection))?
    }

    /// SQLite cannot commit while a statement writes.
    pub(crate) fn no_writing_cursor(&self) -> Result<(), Error> {
        let writing = |(id, cursor): (&i64, &Cursor)| {
            (!cursor.compiled.readonly).then(|| format!("cursor {id} ({})", cursor.compiled.sql))
        };
        let open: Vec<String> = self.session.cursors.iter().filter_map(writing).collect();
        if open.is_empty() {
            return Ok(());
        }
        Err(Error::Transaction(format!(
            "rows of statements that change the database are not all read; read them to the end or \
             close them first: {}",
            open.join(", ")
        )))
    }

    pub(crate) fn cursor(&self, id: i64) -> Result<&Cursor, Error> {
        let cursor = self.session.cursors.get(&id);
        cursor
            .filter(|cursor| cursor.connection == self.connection)
            .ok_or(Error::Unknown {
                what: "open cursor",
                id,
                connection: self.connection,
            })
    }

    pub(crate) fn prepared(&self, id: i64) -> Result<&Text, Error> {
        let prepared = self.prepared.texts.get(&id);
        prepared
            .filter(|prepared| prepared.connection == self.connection)
            .ok_or(Error::Unknown {
                what: "prepared statement",
                id,
                connection: self.connection,
            })
    }

    pub(crate) fn too_many(
        &self,
        limit: &'static str,
        value: usize,
        advice: &'static str,
    ) -> Error {
        Error::TooMany {
            guest: self.rules.guest.clone(),
            limit,
            value,
            advice,
        }
    }

    pub(crate) fn map(&mut self, body: impl FnOnce(&mut Writer)) {
        self.answer.begin_map();
        body(self.answer);
        self.answer.end_map();
    }
}

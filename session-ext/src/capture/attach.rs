//! Which tables are captured, and keeping up with the schema.
//!
//! Nobody tells us of schema changes, so each session function first looks: a table that
//! was made since the last look is attached to if its session wants it, and all its rows count as
//! inserted. A table whose triggers are gone although their mark is still there was dropped and made
//! again, so its rows are new as well. If the mark is gone too, a rollback undid the capture:
//! what happened since then is unknown, and the session says so from then on.
//!
//! A mark is a TEMP view that is made together with a table's triggers, in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;

use sqlite_abi::Connection;

use super::error::{Error, Result};
use super::quote::{list, quote};
use super::shape::{self, Kind, Listed, STATISTICS, Shape};
use super::triggers::{PREFIX, Tokens, triggers};
use super::{Route, Says, State, Tracked, Watch};
use crate::changeset::value::encode;

/// What is in the TEMP schema of ours: names, and the tables they belong to.
type Installed = HashMap<String, String>;

impl State {
    /// Attaches a session to a table, or to all. False: there was nothing to do.
    pub(crate) fn attach(
        &mut self,
        connection: &Connection<'_>,
        handle: i64,
        table: Option<&str>,
    ) -> Result<bool> {
        self.refresh(connection)?;
        let session = self.session(handle)?.clone();
        let listed = shape::tables(connection, &session.schema)?;
        let Some(name) = table else {
            self.change(handle, |session| session.all = true)?;
            for table in &listed {
                self.watch(connection, handle, table, false)?;
            }
            return Ok(!session.all);
        };
        let same = |other: &String| other.eq_ignore_ascii_case(name);
        if session.names.iter().any(same) {
            return Ok(false);
        }
        let found = listed.iter().find(|table| same(&table.name));
        if session.strict {
            let rule = match found {
                None => Some("does not exist"),
                Some(table) if table.kind == Kind::Virtual => {
                    Some("is a virtual table; attach to the tables in which it keeps its data")
                }
                Some(table) => Shape::read(connection, &session.schema, table)?.obstacle(),
            };
            if let Some(rule) = rule {
                return Err(Error::Table {
                    handle,
                    schema: session.schema,
                    table: name.to_owned(),
                    rule: rule.to_owned(),
                });
            }
        }
        self.change(handle, |session| session.names.push(name.to_owned()))?;
        match found {
            Some(table) => self.watch(connection, handle, table, false),
            None => Ok(true),
        }
    }

    /// Ends a session. False: there is none.
    pub(crate) fn delete(&mut self, connection: &Connection<'_>, handle: i64) -> bool {
        if self.sessions.remove(&handle).is_none() {
            return false;
        }
        for table in self.tables.values_mut() {
            table.watches.retain(|watch| watch.session != handle);
        }
        let unwatched = |table: &Tracked| table.watches.is_empty();
        let dropped: Vec<Tracked> = self
            .tables
            .extract_if(.., |_, table| unwatched(table))
            .map(|(_, table)| table)
            .collect();
        for table in dropped {
            remove(connection, &table.triggers);
            remove_mark(connection, table.mark);
        }
        let tables = &self.tables;
        self.routes
            .retain(|_, route| tables.contains_key(&route.slot));
        true
    }

    /// Looks at what became of the schema since the last look.
    pub(crate) fn refresh(&mut self, connection: &Connection<'_>) -> Result<()> {
        let mut schemas: Vec<String> = self
            .sessions
            .values()
            .map(|session| session.schema.clone())
            .collect();
        schemas.sort();
        schemas.dedup();
        if schemas.is_empty() {
            return Ok(());
        }
        let installed = installed(connection)?;
        for schema in schemas {
            self.refresh_schema(connection, &schema, &installed)?;
        }
        self.remove_strays(connection, &installed);
        Ok(())
    }

    fn refresh_schema(
        &mut self,
        connection: &Connection<'_>,
        schema: &str,
        installed: &Installed,
    ) -> Result<()> {
        let Ok(definition) = shape::definition(connection, schema) else {
            self.lose(schema, "was detached");
            return Ok(());
        };
        let definition = self.secret(definition) as u64;
        let changed = self.definitions.get(schema) != Some(&definition);
        let listed = shape::tables(connection, schema)?;
        let slots: Vec<usize> = self
            .tables
            .iter()
            .filter(|(_, table)| table.schema == schema)
            .map(|(slot, _)| *slot)
            .collect();
        for slot in slots {
            self.refresh_table(connection, slot, &listed, installed, changed)?;
        }
        if changed {
            let sessions: Vec<i64> = self.sessions.keys().copied().collect();
            for handle in sessions {
                let session = self.session(handle)?.clone();
                let wanted = |table: &&Listed| {
                    session.all
                        || session
                            .names
                            .iter()
                            .any(|name| name.eq_ignore_ascii_case(&table.name))
                };
                let all = listed.iter().filter(|_| session.schema == schema);
                for table in all.filter(wanted) {
                    self.watch(connection, handle, table, session.enabled)?;
                }
            }
            self.definitions.insert(schema.to_owned(), definition);
        }
        Ok(())
    }

    fn refresh_table(
        &mut self,
        connection: &Connection<'_>,
        slot: usize,
        listed: &[Listed],
        installed: &Installed,
        changed: bool,
    ) -> Result<()> {
        let Some(table) = self.tables.get_mut(&slot) else {
            return Ok(());
        };
        let present = table
            .triggers
            .iter()
            .filter(|name| installed.contains_key(*name))
            .count();
        let whole = present == table.triggers.len();
        let renamed = table.triggers.first().and_then(|name| installed.get(name));
        let find = |name: &str| {
            listed
                .iter()
                .find(|table| table.name.eq_ignore_ascii_case(name))
        };
        let found = find(&table.name).or_else(|| renamed.and_then(|name| find(name)));
        table.gone = found.is_none();
        let Some(found) = found.cloned() else {
            return Ok(());
        };
        // A rollback can bring back triggers that were replaced; their mark tells.
        let current =
            whole && (table.triggers.is_empty() || installed.contains_key(&mark_name(table.mark)));
        if current && !changed {
            return Ok(());
        }
        table.name.clone_from(&found.name);
        if whole {
            return self.reinstall(connection, slot, &found);
        }
        let undone = present > 0 || !installed.contains_key(&mark_name(table.mark));
        let rule = format!(
            "the capture of {}.{} was undone, by a ROLLBACK of the transaction in which it began or by dropping its \
             triggers; what changed since then is unknown. Delete the session and create another, outside of a transaction",
            table.schema, table.name
        );
        for watch in &mut table.watches {
            if !undone || watch.fresh {
                watch.fresh = true;
            } else if let Some(session) = self.sessions.get_mut(&watch.session) {
                session.problem = Some(rule.clone());
            }
        }
        self.reinstall(connection, slot, &found)?;
        self.adopt(connection, slot, |watch| watch.enabled && watch.fresh)
    }

    /// Makes the triggers anew if the table's shape is not what it was.
    fn reinstall(
        &mut self,
        connection: &Connection<'_>,
        slot: usize,
        found: &Listed,
    ) -> Result<()> {
        let installed = installed(connection)?;
        let Some(table) = self.tables.get_mut(&slot) else {
            return Ok(());
        };
        let shape = Shape::read(connection, &table.schema, found)?;
        let marked = table.triggers.is_empty() || installed.contains_key(&mark_name(table.mark));
        let whole = table
            .triggers
            .iter()
            .all(|name| installed.contains_key(name));
        if whole && marked && shape == *table.shape {
            return Ok(());
        }
        if !shape.continues(
            &table.shape,
            whole && shape.columns.len() >= table.shape.columns.len(),
        ) {
            for watch in &mut table.watches {
                watch.replaced |= watch.touched.has_rows()
                    || watch.touched.len() > 0 && shape.key.len() != table.shape.key.len();
            }
        }
        table.shape = Arc::new(shape);
        self.install(connection, slot)
    }

    /// Has a session watch a table, if it can be captured and the session does not yet.
    /// `fresh`: the table is new, its rows count as inserted.
    fn watch(
        &mut self,
        connection: &Connection<'_>,
        handle: i64,
        listed: &Listed,
        fresh: bool,
    ) -> Result<bool> {
        let session = self.session(handle)?.clone();
        if listed.kind == Kind::Virtual {
            return Ok(false);
        }
        let known = self.tables.iter().find(|(_, table)| {
            table.schema == session.schema && table.name.eq_ignore_ascii_case(&listed.name)
        });
        let slot = match known {
            Some((_, table)) if table.watches.iter().any(|watch| watch.session == handle) => {
                return Ok(false);
            }
            // One that was made for a strict session only refuses.
            Some((_, table)) if table.shape.obstacle().is_some() && !session.strict => {
                return Ok(false);
            }
            Some((slot, _)) => *slot,
            None => {
                let shape = Shape::read(connection, &session.schema, listed)?;
                if shape.obstacle().is_some() && !session.strict {
                    return Ok(false);
                }
                match self.track(connection, &session.schema, listed, shape) {
                    Ok(slot) => slot,
                    // A defensive connection allows no triggers on them.
                    Err(_) if listed.kind == Kind::Shadow && !session.strict => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        };
        let seed = self.secret((handle, slot)) as u64;
        let watch = Watch::new(handle, &session, seed, fresh);
        if let Some(table) = self.tables.get_mut(&slot) {
            table.watches.push(watch);
        }
        if fresh {
            self.adopt(connection, slot, |watch| watch.session == handle)?;
        } else if listed.name == STATISTICS {
            self.note_statistics(connection, slot, handle)?;
        }
        Ok(true)
    }

    /// Begins to capture a table.
    fn track(
        &mut self,
        connection: &Connection<'_>,
        schema: &str,
        listed: &Listed,
        shape: Shape,
    ) -> Result<usize> {
        let slot = self.next_slot;
        self.next_slot += 1;
        let table = Tracked {
            schema: schema.to_owned(),
            name: listed.name.clone(),
            shape: Arc::new(shape),
            triggers: Vec::new(),
            mark: 0,
            gone: false,
            watches: Vec::new(),
        };
        self.tables.insert(slot, table);
        if listed.name != STATISTICS
            && let Err(error) = self.install(connection, slot)
        {
            self.tables.remove(&slot);
            return Err(error);
        }
        Ok(slot)
    }

    /// Makes a table's triggers, in place of those that are there.
    fn install(&mut self, connection: &Connection<'_>, slot: usize) -> Result<()> {
        self.last_mark += 1;
        let mark = self.last_mark;
        let tokens = Tokens {
            row: self.secret((mark, "row")),
            key: self.secret((mark, "key")),
        };
        let Some(table) = self.tables.get_mut(&slot) else {
            return Ok(());
        };
        let failed = format!(
            "cannot make the triggers that capture {}.{}",
            table.schema, table.name
        );
        let triggers = triggers(&table.schema, &table.name, slot, &table.shape, tokens);
        remove(connection, &table.triggers);
        remove_mark(connection, table.mark);
        let view = format!("CREATE TEMP VIEW {} AS SELECT 1", quote(&mark_name(mark)));
        let mut made = Vec::new();
        for sql in triggers.iter().map(|trigger| &trigger.sql).chain([&view]) {
            if let Err(error) = connection.exec(sql) {
                remove(connection, &made);
                return Err(Error::sqlite(failed)(error));
            }
            made.extend(triggers.get(made.len()).map(|trigger| trigger.name.clone()));
        }
        table.triggers = made;
        table.mark = mark;
        for (token, says) in [(tokens.row, Says::Row), (tokens.key, Says::Key)] {
            let shape = Arc::clone(&table.shape);
            self.routes.insert(token, Route { slot, says, shape });
        }
        Ok(())
    }

    /// Takes all rows of a table for inserted.
    fn adopt(
        &mut self,
        connection: &Connection<'_>,
        slot: usize,
        watching: impl Fn(&Watch) -> bool,
    ) -> Result<()> {
        let Some(table) = self.tables.get_mut(&slot) else {
            return Ok(());
        };
        if table.shape.obstacle().is_some() {
            return Ok(());
        }
        let failed = format!("cannot read the keys of {}.{}", table.schema, table.name);
        let failed = |error| Error::sqlite(failed.clone())(error);
        let columns = list(
            table
                .shape
                .key
                .iter()
                .map(|at| table.shape.columns[*at].select()),
        );
        let sql = format!(
            "SELECT {columns} FROM {}.{}",
            quote(&table.schema),
            quote(&table.name)
        );
        let mut statement = connection.prepare(&sql).map_err(failed)?;
        let mut key = Vec::new();
        while statement.step().map_err(failed)? {
            key.clear();
            let values = 0..statement.column_count();
            let mut values = values.map(|index| statement.column_ref(index));
            if values
                .clone()
                .any(|value| value == sqlite_abi::ValueRef::Null)
            {
                continue;
            }
            values
                .by_ref()
                .for_each(|value| encode(&mut key, Some(value)));
            for watch in table.watches.iter_mut().filter(|watch| watching(watch)) {
                watch.touched.touch(&key, watch.indirect, |_| None);
            }
        }
        Ok(())
    }

    /// Keeps `sqlite_stat1` as it is: without triggers, all its rows count as touched.
    fn note_statistics(
        &mut self,
        connection: &Connection<'_>,
        slot: usize,
        handle: i64,
    ) -> Result<()> {
        let Some(table) = self.tables.get_mut(&slot) else {
            return Ok(());
        };
        let failed = |error| Error::sqlite("cannot read sqlite_stat1")(error);
        let columns = list((0..3).map(|at| table.shape.columns[at].select()));
        let sql = format!(
            "SELECT {columns} FROM {}.{STATISTICS} WHERE tbl IS NOT NULL",
            quote(&table.schema)
        );
        let mut statement = connection.prepare(&sql).map_err(failed)?;
        while statement.step().map_err(failed)? {
            let mut key = Vec::new();
            (0..2).for_each(|index| encode(&mut key, Some(statement.column_ref(index))));
            for watch in table
                .watches
                .iter_mut()
                .filter(|watch| watch.session == handle)
            {
                watch.touched.touch(&key, watch.indirect, |row| {
                    (0..3).for_each(|index| encode(row, Some(statement.column_ref(index))));
                    Some(3)
                });
            }
        }
        Ok(())
    }

    /// Notes that a schema's changes are not known any more.
    fn lose(&mut self, schema: &str, why: &str) {
        let watching = self
            .sessions
            .values_mut()
            .filter(|session| session.schema == schema);
        watching.for_each(|session| {
            session.problem = Some(format!("its database '{schema}' {why}"));
        });
    }

    /// Drops what a rollback brought back after its session was deleted.
    fn remove_strays(&self, connection: &Connection<'_>, installed: &Installed) {
        for name in installed.keys() {
            let number = name
                .strip_prefix(MARK)
                .and_then(|number| number.parse().ok());
            let known = self.tables.values().any(|table| {
                table.triggers.contains(name) || number.is_some_and(|number| number == table.mark)
            });
            match number {
                _ if known => {}
                Some(number) => remove_mark(connection, number),
                None => remove(connection, std::slice::from_ref(name)),
            }
        }
    }
}

const MARK: &str = "sqlbridge_capture_mark_";

fn mark_name(mark: u64) -> String {
    format!("{MARK}{mark}")
}

fn installed(connection: &Connection<'_>) -> Result<Installed> {
    let sql = format!("SELECT name, tbl_name FROM sqlite_temp_schema WHERE name GLOB '{PREFIX}*'");
    let rows = shape::rows(connection, &sql)?;
    Ok(rows
        .into_iter()
        .map(|mut row| (row.remove(0), row.remove(0)))
        .collect())
}

/// Drops triggers. Where that is not possible (a database that may only be read), they stay; their tokens are
/// forgotten, so they do nothing.
fn remove(connection: &Connection<'_>, triggers: &[String]) {
    for name in triggers {
        drop(connection.exec(&format!("DROP TRIGGER IF EXISTS temp.{}", quote(name))));
    }
}

fn remove_mark(connection: &Connection<'_>, mark: u64) {
    drop(connection.exec(&format!(
        "DROP VIEW IF EXISTS temp.{}",
        quote(&mark_name(mark))
    )));
}

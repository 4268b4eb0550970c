//! Compiled statements that wait for their next use, found by their text.
//!
//! Every statement a guest runs comes from here and returns here, so one that is sent as text over
//! and over is compiled (and judged) once. `prepare` gives a text a number, no more: two cursors
//! over one prepared statement are two compiled ones.

use std::collections::HashMap;
use std::sync::Arc;

use sqlite_abi::Kept;

use super::answer::Encoding;
use super::gate::Age;

/// A compiled statement.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) sql: Arc<str>,
    pub(crate) kept: Kept,
    pub(crate) readonly: bool,
    /// How often it had been compiled again when it was judged.
    pub(crate) recompiled: i32,
    /// Whether it may hold a table of a program's, which may hold statements: both would stay for ever.
    pub(crate) holds_table: bool,
    /// When it was judged.
    pub(crate) age: Age,
    /// Whether it may make a schema deeper.
    pub(crate) deepens: bool,
    /// Most bytes of a value that it computes.
    pub(crate) most_bytes: usize,
    pub(crate) head: Option<Head>,
}

/// The names and types of a statement's columns, as they were written into an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) encoding: Encoding,
    /// How often the statement had been compiled again: then it may have other columns.
    pub(crate) recompiled: i32,
    pub(crate) bytes: Box<[u8]>,
}

#[derive(Debug)]
pub(crate) struct Pool {
    /// The one that was used last: it is likely to be the next one too.
    last: Option<Compiled>,
    idle: HashMap<Arc<str>, Vec<(u64, Compiled)>>,
    count: usize,
    most: usize,
    clock: u64,
    /// Whether SQLite compiled one of them again since it was judged.
    recompiled: bool,
}

impl Pool {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            last: None,
            idle: HashMap::new(),
            count: 0,
            most,
            clock: 0,
            recompiled: false,
        }
    }

    pub(crate) fn take(&mut self, sql: &str) -> Option<Compiled> {
        if let Some(last) = self.last.take_if(|last| *last.sql == *sql) {
            return Some(last);
        }
        let (_, compiled) = self.idle.get_mut(sql)?.pop()?;
        self.count -= 1;
        Some(compiled)
    }

    /// Keeps a statement, without its values. The one that was not used for longest goes.
    pub(crate) fn put(&mut self, mut compiled: Compiled) {
        let reset = compiled.kept.with(|statement| {
            statement.reset();
            statement.clear_bindings();
            statement.recompiled()
        });
        let Ok(recompiled) = reset else {
            return;
        };
        self.recompiled |= recompiled != compiled.recompiled;
        let Some(compiled) = self.last.replace(compiled) else {
            return;
        };

        if self.count >= self.most {
            self.evict();
        }
        self.clock += 1;
        let sql = Arc::clone(&compiled.sql);
        self.idle
            .entry(sql)
            .or_default()
            .push((self.clock, compiled));
        self.count += 1;
    }

    /// Forgets the statements that must not be kept longer than a call.
    pub(crate) fn cool(&mut self) {
        self.last.take_if(|last| last.holds_table);
        self.idle.retain(|_, idle| {
            idle.retain(|(_, compiled)| !compiled.holds_table);
            !idle.is_empty()
        });
        self.count = self.idle.values().map(Vec::len).sum();
    }

    pub(crate) fn was_recompiled(&self) -> bool {
        self.recompiled
    }

    fn evict(&mut self) {
        let used = |(sql, idle): (&Arc<str>, &Vec<(u64, Compiled)>)| {
            idle.first().map(|(used, _)| (*used, Arc::clone(sql)))
        };
        let oldest = self.idle.iter().filter_map(used).min();
        let Some(idle) = oldest.and_then(|(_, sql)| self.idle.get_mut(&sql)) else {
            return;
        };
        idle.remove(0);
        self.count -= 1;
        if self.count < self.idle.len() {
            self.idle.retain(|_, idle| !idle.is_empty());
        }
    }
}

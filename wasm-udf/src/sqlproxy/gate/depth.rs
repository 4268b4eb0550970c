//! How much of the thread's stack SQLite may take to compile a statement, and how long that may get.
//!
//! Its compiler calls itself for what stands inside of something else, and what a name stands for goes on in
//! the schema, which a stranger may have written. Bytes of stack for each step inwards, measured with SQLite 3.40
//! and 3.54 on x86-64, compiled with `-O2` (and 3.54 with `-O0`):
//!
//! | step | bytes |
//! | --- | --- |
//! | a view, a common table, a SELECT inside of another | 336 to 1984 (2896) |
//! | a trigger, or the action of a foreign key, that sets off the next | 1280 to 1552 |
//! | an operator or a function inside of an expression | 400 to 608 |
//! | a generated column that is made of another one | 992 to 1200 |
//!
//! Expressions of statements, views and triggers are at most [400 deep](sqlite_abi::Connection::with_lower_limits).
//! Those of tables and indexes are as deep as whoever made them liked.
//!
//! A view that is named twice is compiled twice, and so on inwards: SQLite looks for no interrupt meanwhile.
//!
//! Nor does it while it makes the values of a row, all of which it holds at a time.

mod text;

use std::collections::HashMap;

use self::text::{Created, Heights, What, after, heights, inside, values};
pub(super) use self::text::{deepens, is_only_read};
use super::tokens::Token;

/// Bytes of stack for a SELECT inside of another, and the like.
const LEVEL: usize = 3 << 10;
/// Bytes of stack for a token of an expression inside of another.
const TERM: usize = 640;
/// Bytes of stack for a flat statement whose expressions are as deep as they may be.
const FLAT: usize = 264 << 10;

/// What has a depth of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    /// A table or view that is read.
    Read,
    /// One that is written to: its triggers run, and the actions of foreign keys.
    Write,
    Trigger,
}

type Key = (String, Role);

#[derive(Debug, Default)]
struct Entry {
    /// Steps inwards within its own text.
    levels: usize,
    /// Tokens inside of each other that no limit holds for.
    terms: usize,
    /// Values that its text computes.
    values: usize,
    /// What it goes on with, and how often.
    uses: HashMap<Key, usize>,
    /// Whether it is a virtual table that is not for guests.
    refused: bool,
}

impl Entry {
    /// Of a text with SELECTs.
    fn of(tokens: &[Token<'_>]) -> Self {
        let (levels, uses) = inside(tokens);
        Self {
            levels,
            values: values(tokens),
            uses,
            ..Self::default()
        }
    }

    /// Of something that is no more than others.
    fn using(keys: impl IntoIterator<Item = Key>) -> Self {
        Self {
            uses: keys.into_iter().map(|key| (key, 1)).collect(),
            ..Self::default()
        }
    }
}

/// What compiling something takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Bytes of stack.
    pub(crate) stack: usize,
    /// SELECTs and triggers inside of each other.
    pub(crate) levels: usize,
    /// SELECTs that are compiled, each as often as it is.
    pub(crate) selects: usize,
    /// Values that are computed, each as often as its text is compiled.
    pub(crate) values: usize,
    /// Whether it leads to a virtual table that is not for guests.
    pub(crate) refused: bool,
}

impl Cost {
    /// Adds what is compiled beside of it.
    fn add(&mut self, other: Self, times: usize) {
        let selects = other.selects.saturating_mul(times);
        self.selects = self.selects.saturating_add(selects);
        let values = other.values.saturating_mul(times);
        self.values = self.values.saturating_add(values);
        self.stack = self.stack.max(other.stack);
        self.levels = self.levels.max(other.levels);
        self.refused |= other.refused;
    }
}

/// The depths of a connection's schemas. Entries are added and never taken away: what was dropped may come
/// back when a transaction is undone.
#[derive(Debug, Default)]
pub(crate) struct Depths {
    entries: HashMap<Key, Entry>,
    costs: HashMap<Key, Cost>,
    most: Cost,
}

impl Depths {
    /// Adds what an entry of a schema creates. [`Depths::settle`] has to follow.
    pub(crate) fn add(&mut self, tokens: &[Token<'_>]) {
        let Some(Created { kind, name, rest }) = Created::new(tokens) else {
            return;
        };
        let read = (name.clone(), Role::Read);
        match kind {
            What::View => {
                self.merge((name, Role::Write), Entry::using([read.clone()]));
                self.merge(read, Entry::of(rest));
            }
            What::Trigger => self.trigger(name, rest),
            What::Virtual => {
                // Full-text search reads the table that its text names.
                let names = rest.iter().filter_map(Token::name);
                let named = names.map(|name| (name.into_owned(), Role::Read));
                self.merge(read, Entry::using(named));
            }
            What::Table => self.table(name, rest),
            What::Index => {
                if let Some(table) = after(rest, "on") {
                    let entry = Entry {
                        terms: heights(rest).tallest,
                        ..Entry::default()
                    };
                    self.merge((table, Role::Read), entry);
                }
            }
        }
    }

    /// Adds a virtual table that is not for guests.
    pub(super) fn refuse(&mut self, table: &str) {
        for role in [Role::Read, Role::Write] {
            let entry = self.entries.entry((table.to_owned(), role)).or_default();
            entry.refused = true;
        }
    }

    /// Makes what was added count.
    pub(crate) fn settle(&mut self) {
        self.costs = settled(&self.entries);
        self.most = Cost::default();
        for cost in self.costs.values() {
            self.most.stack = self.most.stack.max(cost.stack);
            self.most.levels = self.most.levels.max(cost.levels);
            self.most.selects = self.most.selects.max(cost.selects);
        }
    }

    /// What compiling a statement takes.
    pub(super) fn cost(&self, tokens: &[Token<'_>], reach: Option<Reach>) -> Cost {
        let (levels, uses) = inside(tokens);
        let mut inner = Cost::default();
        for (key, times) in uses {
            if let Some(cost) = self.costs.get(&key) {
                inner.add(*cost, times);
            }
        }
        if reach.is_some() {
            inner.stack = inner.stack.max(self.most.stack);
            inner.levels = inner.levels.max(self.most.levels);
        }
        if reach == Some(Reach::Views) {
            inner.selects = inner.selects.max(self.most.selects);
        }
        Cost {
            stack: (levels.saturating_mul(LEVEL))
                .saturating_add(inner.stack)
                .saturating_add(FLAT),
            levels: levels.saturating_add(inner.levels),
            selects: levels.saturating_add(inner.selects),
            values: values(tokens).saturating_add(inner.values),
            refused: inner.refused,
        }
    }

    fn trigger(&mut self, name: String, rest: &[Token<'_>]) {
        let Some(table) = after(rest, "on") else {
            return;
        };
        let trigger = (name, Role::Trigger);
        let mut entry = Entry::of(rest);
        entry.levels += 1;
        self.merge((table, Role::Write), Entry::using([trigger.clone()]));
        self.merge(trigger, entry);
    }

    fn table(&mut self, name: String, rest: &[Token<'_>]) {
        let Heights { tallest, generated } = heights(rest);
        let read = (name.clone(), Role::Read);
        let written = (name, Role::Write);
        let entry = Entry {
            terms: tallest.max(generated),
            ..Entry::default()
        };
        self.merge(written.clone(), Entry::using([read.clone()]));
        self.merge(read, entry);
        let acts = |token: &Token<'_>| token.is("cascade") || token.is("set");
        if !rest.iter().any(acts) {
            return;
        }
        for (index, _) in rest.iter().enumerate().filter(|(_, t)| t.is("references")) {
            if let Some(parent) = rest.get(index + 1).and_then(Token::name) {
                let mut action = Entry::using([written.clone()]);
                action.levels = 1;
                self.merge((parent.into_owned(), Role::Write), action);
            }
        }
    }

    fn merge(&mut self, key: Key, mut more: Entry) {
        more.uses.remove(&key);
        let entry = self.entries.entry(key).or_default();
        entry.levels = entry.levels.max(more.levels);
        entry.terms = entry.terms.max(more.terms);
        entry.values = entry.values.max(more.values);
        entry.refused |= more.refused;
        for (key, times) in more.uses {
            let known = entry.uses.entry(key).or_default();
            *known = times.max(*known);
        }
    }
}

/// How far a statement may look beyond what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// At anything, with one thing that it compiles after another.
    Any,
    /// At all views, which it compiles.
    Views,
}

// Costs -------------------------------------------------------------------------------------

/// The costs of all entries, from the innermost outwards. What is left then goes round in circles: a trigger
/// is compiled once at most in a statement, and views in a circle not at all, so together they are as
/// deep as all of them.
fn settled(entries: &HashMap<Key, Entry>) -> HashMap<Key, Cost> {
    let mut used_by: HashMap<&Key, Vec<&Key>> = HashMap::new();
    let mut waits: HashMap<&Key, usize> = HashMap::new();
    let mut ready = Vec::new();
    for (key, entry) in entries {
        let uses = entry.uses.keys().filter(|used| entries.contains_key(*used));
        let mut count = 0;
        for used in uses {
            used_by.entry(used).or_default().push(key);
            count += 1;
        }
        waits.insert(key, count);
        if count == 0 {
            ready.push(key);
        }
    }
    let mut costs: HashMap<Key, Cost> = HashMap::with_capacity(entries.len());
    while let Some(key) = ready.pop() {
        waits.remove(key);
        if let Some(entry) = entries.get(key) {
            let inner = inner(entry, &costs);
            costs.insert(key.clone(), outer(entry, inner));
        }
        for user in used_by.get(key).into_iter().flatten() {
            if let Some(count) = waits.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(user);
                }
            }
        }
    }
    let mut together = Cost::default();
    let circular: Vec<&Key> = waits.into_keys().collect();
    let (mut stack, mut levels) = (0, 0);
    for entry in circular.iter().filter_map(|key| entries.get(*key)) {
        let inner = inner(entry, &costs);
        stack = stack.max(inner.stack).max(entry.terms * TERM);
        levels = levels.max(inner.levels);
        together.refused |= entry.refused || inner.refused;
        together.stack = together.stack.saturating_add(entry.levels * LEVEL);
        together.levels = together.levels.saturating_add(entry.levels);
        together.selects = together
            .selects
            .saturating_add(entry.levels)
            .saturating_add(inner.selects);
        together.values = together
            .values
            .saturating_add(entry.values)
            .saturating_add(inner.values);
    }
    together.stack = together.stack.saturating_add(stack);
    together.levels = together.levels.saturating_add(levels);
    costs.extend(circular.into_iter().map(|key| (key.clone(), together)));
    costs
}

/// What an entry goes on with.
fn inner(entry: &Entry, costs: &HashMap<Key, Cost>) -> Cost {
    let mut inner = Cost::default();
    for (key, times) in &entry.uses {
        if let Some(cost) = costs.get(key) {
            inner.add(*cost, *times);
        }
    }
    inner
}

fn outer(entry: &Entry, inner: Cost) -> Cost {
    Cost {
        stack: (entry.levels * LEVEL)
            .saturating_add(inner.stack)
            .max(entry.terms * TERM),
        levels: entry.levels.saturating_add(inner.levels),
        selects: entry.levels.saturating_add(inner.selects),
        values: entry.values.saturating_add(inner.values),
        refused: entry.refused || inner.refused,
    }
}

#[cfg(test)]
mod tests;

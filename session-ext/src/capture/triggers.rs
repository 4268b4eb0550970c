//! The TEMP triggers of a captured table, as SQL.
//!
//! | trigger | tells |
//! | --- | --- |
//! | BEFORE DELETE, BEFORE UPDATE | the row as it is |
//! | BEFORE INSERT, BEFORE UPDATE of unique columns | the rows that the new one collides with: REPLACE removes them without firing a trigger; and then the new key |
//! | AFTER INSERT, AFTER UPDATE of the key | the new key, where it is known only now: SQLite chose it, or took a default for a NULL |
//!
//! The new key is told as early as possible: a foreign key's action may change the row before the AFTER
//! triggers run.
//!
//! A TEMP trigger is seen by its connection only, is gone with it, and may name any schema. It
//! does nothing but call [`CAPTURE`] in a SELECT, so `changes()`, `last_insert_rowid()` and the user's
//! triggers notice nothing. The first argument is a [`Token`]: without it a call does nothing.
//!
//! Functions take 127 arguments at most. Rows of wider tables are handed over in pieces that
//! [`RECORD`] has encoded.

use super::quote::{list, quote};
use super::shape::{Shape, Term, Unique};

/// The function that the triggers call.
pub(crate) const CAPTURE: &str = "sqlbridge_capture";
/// The function that encodes its arguments as fields of a record.
pub(crate) const RECORD: &str = "sqlbridge_record";
/// What all our objects in the TEMP schema are called, and nobody else's.
pub(crate) const PREFIX: &str = "sqlbridge_capture_";

/// Columns up to this number are passed one by one.
const NARROW: usize = 100;
/// What a key may have, beside the pieces of a row of 2000 columns.
const LONGEST_KEY: usize = 64;

/// What only our triggers know: the table, and what the other arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) row: i64,
    pub(crate) key: i64,
}

/// How a table's rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Column by column.
    Columns,
    /// The key's columns, then all columns in encoded pieces.
    Pieces,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl Shape {
    /// How its rows come.
    pub(crate) fn passing(&self) -> Passing {
        if self.columns.len() <= NARROW {
            Passing::Columns
        } else {
            Passing::Pieces
        }
    }

    /// Why it cannot be captured, if so.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        match self.key.len() {
            0 => Some("has no primary key, so changes of it cannot be told in a changeset"),
            1..=LONGEST_KEY => None,
            _ => Some("has more than 64 columns in its primary key"),
        }
    }
}

/// The triggers of a table. `slot` makes their names unique.
pub(crate) fn triggers(
    schema: &str,
    table: &str,
    slot: usize,
    shape: &Shape,
    tokens: Tokens,
) -> Vec<Trigger> {
    let maker = Maker {
        schema: quote(schema),
        table: quote(table),
        slot,
        shape,
        tokens,
    };
    if shape.obstacle().is_some() {
        return maker.refusing();
    }
    maker.capturing()
}

struct Maker<'a> {
    schema: String,
    table: String,
    slot: usize,
    shape: &'a Shape,
    tokens: Tokens,
}

impl Maker<'_> {
    fn trigger(&self, suffix: &str, event: &str, body: &[String]) -> Trigger {
        let name = format!("{PREFIX}{}_{suffix}", self.slot);
        let Self { schema, table, .. } = self;
        let body = body.join("; ");
        let sql =
            format!("CREATE TEMP TRIGGER \"{name}\" {event} ON {schema}.{table} BEGIN {body}; END");
        Trigger { name, sql }
    }

    /// For a table that a strict session may not see change.
    fn refusing(&self) -> Vec<Trigger> {
        let body = [format!("SELECT {CAPTURE}({})", self.tokens.row)];
        ["INSERT", "UPDATE", "DELETE"]
            .map(|event| self.trigger(event, &format!("BEFORE {event}"), &body))
            .to_vec()
    }

    fn capturing(&self) -> Vec<Trigger> {
        let old = [format!("SELECT {}", self.row("OLD"))];
        let new_key = format!("SELECT {}", self.key("NEW"));
        let mut triggers = vec![
            self.trigger("delete", "BEFORE DELETE", &old),
            self.trigger("update", "BEFORE UPDATE", &old),
        ];
        let mut arriving = self.collisions();
        let known = self.key_is_given();
        if known {
            arriving.push(new_key.clone());
        }
        let changed = self.update_of_unique();
        triggers.push(self.trigger("collide", &format!("BEFORE UPDATE{changed}"), &arriving));
        if !known {
            let moved = format!("AFTER UPDATE OF {}", self.update_of_key());
            triggers.push(self.trigger("moved", &moved, std::slice::from_ref(&new_key)));
        }
        if !known || self.shape.rowid_key {
            let inserted = std::slice::from_ref(&new_key);
            triggers.push(self.trigger("inserted", "AFTER INSERT", inserted));
            arriving.retain(|select| *select != new_key);
        }
        triggers.push(self.trigger("insert", "BEFORE INSERT", &arriving));
        triggers
    }

    /// Whether the key that a row gets is the one it is given, and not a default in place of a NULL.
    fn key_is_given(&self) -> bool {
        let mut key = self.shape.key.iter().map(|at| &self.shape.columns[*at]);
        key.all(|column| !column.not_null || column.default.is_none())
    }

    /// The call that hands over a row.
    fn row(&self, row: &str) -> String {
        let columns = || {
            self.shape
                .columns
                .iter()
                .map(|column| format!("{row}.{}", quote(&column.name)))
        };
        let arguments = match self.shape.passing() {
            Passing::Columns => list(columns()),
            Passing::Pieces => {
                let columns: Vec<String> = columns().collect();
                let pieces = columns
                    .chunks(NARROW)
                    .map(|chunk| format!("{RECORD}({})", chunk.join(", ")));
                format!("{}, {}", self.key_columns(row), list(pieces))
            }
        };
        format!("{CAPTURE}({}, {arguments})", self.tokens.row)
    }

    /// The call that hands over a key.
    fn key(&self, row: &str) -> String {
        format!("{CAPTURE}({}, {})", self.tokens.key, self.key_columns(row))
    }

    fn key_columns(&self, row: &str) -> String {
        let key = self
            .shape
            .key
            .iter()
            .map(|at| &self.shape.columns[*at].name);
        list(key.map(|name| format!("{row}.{}", quote(name))))
    }

    /// For each way in which the new row may collide, the SELECT that hands over the rows it
    /// collides with.
    fn collisions(&self) -> Vec<String> {
        let Self {
            schema,
            table,
            shape,
            ..
        } = self;
        // A table called "new" would stand for the new row.
        let alias = "sqlbridge row";
        let row = self.row(&quote(alias));
        let select = |condition: String| {
            format!(
                "SELECT {row} FROM {schema}.{table} AS {} WHERE {condition}",
                quote(alias)
            )
        };
        let rowid_key = shape.rowid_key.then(|| shape.key.first()).flatten();
        let rowid_key = rowid_key.map(|at| quote(&shape.columns[*at].name));
        let rowid = rowid_key.or_else(|| shape.rowid.map(str::to_owned));
        let by_rowid = rowid.map(|rowid| format!("{}.{rowid} = NEW.{rowid}", quote(alias)));
        by_rowid
            .into_iter()
            .chain(
                shape
                    .uniques
                    .iter()
                    .map(|unique| self.collision(unique, &quote(alias))),
            )
            .map(select)
            .collect()
    }

    fn collision(&self, unique: &Unique, alias: &str) -> String {
        let terms = unique.terms.iter().map(|term| match term {
            Term::Column { name, collation } => format!(
                "{alias}.{} = {} COLLATE {}",
                quote(name),
                self.value(name),
                quote(collation)
            ),
            Term::Expression(sql) => {
                format!("({sql}\n) = (SELECT {sql}\n FROM ({}))", self.new_row())
            }
        });
        let filter = unique.filter.iter().map(|filter| format!("({filter}\n)"));
        terms.chain(filter).collect::<Vec<_>>().join(" AND ")
    }

    /// The new row's value, or the default that REPLACE takes for a NULL.
    fn value(&self, name: &str) -> String {
        let value = format!("NEW.{}", quote(name));
        let column = self.shape.column(name).filter(|column| column.not_null);
        match column.and_then(|column| column.default.as_ref()) {
            Some(default) => format!("coalesce({value}, ({default}\n))"),
            None => value,
        }
    }

    /// A SELECT of the new row, with its columns by name.
    fn new_row(&self) -> String {
        let columns = self.shape.columns.iter().chain(&self.shape.generated);
        let columns = columns
            .map(|column| format!("{} AS {}", self.value(&column.name), quote(&column.name)));
        format!("SELECT {}", list(columns))
    }

    /// `OF` the columns whose change can make a row collide; nothing where a
    /// change of any column can.
    fn update_of_unique(&self) -> String {
        let mut names = Vec::new();
        for unique in &self.shape.uniques {
            for term in &unique.terms {
                match term {
                    Term::Column { name, .. }
                        if self.shape.columns.iter().any(|c| c.name == *name) =>
                    {
                        names.push(quote(name));
                    }
                    _ => return String::new(),
                }
            }
            if unique.filter.is_some() {
                return String::new();
            }
        }
        names.push(self.update_of_key());
        format!(" OF {}", names.join(", "))
    }

    /// The names under which an UPDATE can change the key or the rowid.
    fn update_of_key(&self) -> String {
        let key = self
            .shape
            .key
            .iter()
            .map(|at| quote(&self.shape.columns[*at].name));
        let has_rowid = self.shape.rowid_key || self.shape.rowid.is_some();
        let rowid = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .filter(|_| has_rowid);
        list(key.chain(rowid.map(str::to_owned)))
    }
}

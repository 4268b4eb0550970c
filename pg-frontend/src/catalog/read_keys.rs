//! Reads a table's keys: its indexes, and the constraints with the names that Postgres gives them.

use std::collections::HashMap;

use super::ddl::{self, ConstraintText, Rule};
use super::model::{Constraint, ConstraintRule, Index, IndexKey, Table};
use super::oids::Kind;
use super::read::{Reader, key};
use super::text;

/// What there is to know of a table's keys.
pub(super) struct TableTexts<'t> {
    pub(super) schema: &'t str,
    pub(super) key: &'t str,
    pub(super) constraints: &'t [ConstraintText],
    pub(super) indexes: &'t HashMap<String, String>,
}

/// A row of `pragma_index_list`.
struct IndexRow {
    name: String,
    unique: bool,
    /// `c` made by `CREATE INDEX`, `u` by `UNIQUE`, `pk` by `PRIMARY KEY`.
    origin: String,
}

impl Reader<'_> {
    /// Returns whether the primary key has an index: without one it is the rowid.
    pub(super) fn indexes(
        &mut self,
        table: &mut Table,
        texts: &TableTexts<'_>,
        primary: &[i16],
    ) -> rusqlite::Result<bool> {
        let schema = texts.schema;
        let mut statement = self.connection.prepare_cached(
            "SELECT name, \"unique\", origin FROM pragma_index_list(?1, ?2) ORDER BY origin = 'pk' DESC, origin = 'u' DESC, seq DESC",
        )?;
        let rows = statement.query_map([&*table.stored, schema], |row| {
            Ok(IndexRow {
                name: row.get(0)?,
                unique: row.get(1)?,
                origin: row.get(2)?,
            })
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let by_index = rows.iter().any(|row| row.origin == "pk");
        if !by_index && !primary.is_empty() {
            let keys = primary.iter().map(|&column| IndexKey {
                column,
                expression: None,
                descending: false,
                collation: None,
            });
            self.key(table, texts, keys.collect(), true, None);
        }
        for row in rows {
            let keys = self.keys(table, schema, &row.name)?;
            if row.origin != "c" {
                self.key(table, texts, keys, row.origin == "pk", Some(row.name));
                continue;
            }
            let (_, name) = self.place(&row.name);
            let sql = texts.indexes.get(&row.name).map_or("", String::as_str);
            let (expressions, condition) = ddl::index(sql);
            let mut keys = keys;
            for (key, sql) in keys.iter_mut().zip(expressions) {
                key.expression = (key.column == 0).then(|| text::expression(&sql));
            }
            let index = Index {
                oid: self.ids.take(Kind::Relation, &key(schema, &row.name)),
                name: self.free(table.namespace, &name, "", ""),
                stored: Some(row.name),
                unique: row.unique,
                primary: false,
                keys,
                condition: condition.map(|sql| text::expression(&sql)),
            };
            table.indexes.push(index);
        }
        Ok(by_index)
    }

    /// A primary key or unique constraint with its index.
    fn key(
        &mut self,
        table: &mut Table,
        texts: &TableTexts<'_>,
        keys: Vec<IndexKey>,
        primary: bool,
        stored: Option<String>,
    ) {
        let columns: Vec<i16> = keys.iter().map(|key| key.column).collect();
        let named = texts.constraints.iter().find(|text| match text.rule {
            Rule::Primary => primary,
            Rule::Unique => !primary && table.numbers(&text.columns) == columns,
            _ => false,
        });
        let name = match named.and_then(|text| text.name.clone()) {
            Some(name) => self.free(table.namespace, &name, "", ""),
            None if primary => self.free(table.namespace, &table.name, "", "pkey"),
            None => self.free(
                table.namespace,
                &table.name,
                &column_names(table, &columns),
                "key",
            ),
        };
        let at = table.indexes.len();
        let key = texts.key;
        table.indexes.push(Index {
            oid: self.ids.take(Kind::Relation, &format!("{key}.{name}")),
            name: name.clone(),
            stored,
            unique: true,
            primary,
            keys,
            condition: None,
        });
        table.constraints.push(Constraint {
            oid: self.ids.take(Kind::Constraint, &format!("{key}.{name}")),
            name,
            columns,
            rule: if primary {
                ConstraintRule::Primary(at)
            } else {
                ConstraintRule::Unique(at)
            },
        });
    }

    fn keys(&self, table: &Table, schema: &str, index: &str) -> rusqlite::Result<Vec<IndexKey>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, cid, \"desc\", coll FROM pragma_index_xinfo(?1, ?2) WHERE key ORDER BY seqno",
        )?;
        let rows = statement.query_map([index, schema], |row| {
            let name: Option<String> = row.get(0)?;
            let collation: Option<String> = row.get(3)?;
            Ok(IndexKey {
                column: name
                    .and_then(|name| table.column(&name))
                    .map_or(0, |column| column.number),
                expression: None,
                descending: row.get(2)?,
                collation: collation.filter(|name| name != "BINARY"),
            })
        })?;
        rows.collect()
    }

    /// Checks and foreign keys.
    pub(super) fn other_constraints(
        &mut self,
        table: &mut Table,
        key: &str,
        texts: &[ConstraintText],
    ) {
        for constraint in texts {
            let (columns, label, rule) = match &constraint.rule {
                Rule::Check(expression) => (
                    checked(table, expression),
                    "check",
                    ConstraintRule::Check(text::expression(expression)),
                ),
                Rule::Foreign(reference) => (
                    table.numbers(&constraint.columns),
                    "fkey",
                    ConstraintRule::Foreign(reference.clone()),
                ),
                _ => continue,
            };
            let name = constraint.name.clone().unwrap_or_else(|| {
                let of = match (label, &*columns) {
                    ("check", [_, _, ..]) => String::new(),
                    _ => column_names(table, &columns),
                };
                let taken = |name: &str| table.constraints.iter().any(|each| each.name == name);
                text::object_name(&table.name, &of, label, taken)
            });
            table.constraints.push(Constraint {
                oid: self.ids.take(Kind::Constraint, &format!("{key}.{name}")),
                name,
                columns,
                rule,
            });
        }
    }
}

fn column_names(table: &Table, columns: &[i16]) -> String {
    let names: Vec<&str> = columns
        .iter()
        .map(|&number| table.column_name(number))
        .collect();
    names.join("_")
}

/// The columns that a check is about.
fn checked(table: &Table, expression: &str) -> Vec<i16> {
    let words = ddl::names(expression);
    table
        .columns
        .iter()
        .filter(|column| {
            words
                .iter()
                .any(|word| word.eq_ignore_ascii_case(&column.name))
        })
        .map(|column| column.number)
        .collect()
}

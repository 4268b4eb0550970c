//! Statements and clauses that make an object again: what `pg_get_indexdef` and its kin return.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectNamePart, Query, Visit as _, Visitor, visit_relations_mut};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::model::{Constraint, ConstraintRule, Index, IndexKey, Model, Table};
use super::names::Path;
use super::oids::PUBLIC;
use super::text::quote_ident;
use super::{ddl, names, print};
use crate::sql::schema;
use crate::types::Oid;

/// `pg_get_indexdef(oid)`: a `CREATE INDEX`. `pretty` is what psql asks for: without what needs not be there.
pub(super) fn index(model: &Model, table: &Table, index: &Index, pretty: bool) -> String {
    let keys: Vec<String> = index
        .keys
        .iter()
        .map(|key| index_key(table, key, true))
        .collect();
    let condition = index
        .condition
        .as_ref()
        .map_or_else(String::new, |condition| {
            format!(" WHERE {}", print::condition(table, condition, pretty))
        });
    format!(
        "CREATE {}INDEX {} ON {} USING btree ({}){condition}",
        if index.unique { "UNIQUE " } else { "" },
        quote_ident(&index.name),
        names::qualified(model, table.namespace, &table.name),
        keys.join(", ")
    )
}

/// A column of an index: `lower(name)`, and with `order`: `name DESC`.
pub(super) fn index_key(table: &Table, key: &IndexKey, order: bool) -> String {
    let mut out = match &key.expression {
        Some(expression) if called(expression).is_some() => print::argument(table, expression),
        Some(expression) => format!("({})", print::argument(table, expression)),
        None => quote_ident(table.column_name(key.column)),
    };
    if order {
        if let Some(collation) = &key.collation {
            out.push_str(&format!(" COLLATE {}", quote_ident(collation)));
        }
        if key.descending {
            out.push_str(" DESC");
        }
    }
    out
}

/// The function that an expression is a call of: such a one needs no parentheses in an index.
pub(super) fn called(expression: &str) -> Option<&str> {
    let (name, rest) = expression.split_once('(')?;
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && !name.is_empty() && rest.find(')') == Some(rest.len() - 1)).then_some(name)
}

/// `pg_get_constraintdef(oid)`. Names of other tables are qualified where the search path does not find them.
pub(super) fn constraint(
    model: &Model,
    table: &Table,
    constraint: &Constraint,
    pretty: bool,
    visible: impl Fn(Oid) -> bool,
) -> String {
    let columns = |table: &Table, numbers: &[i16]| {
        let names: Vec<String> = numbers
            .iter()
            .map(|&number| quote_ident(table.column_name(number)))
            .collect();
        names.join(", ")
    };
    match &constraint.rule {
        ConstraintRule::Primary(_) => {
            format!("PRIMARY KEY ({})", columns(table, &constraint.columns))
        }
        ConstraintRule::Unique(_) => format!("UNIQUE ({})", columns(table, &constraint.columns)),
        ConstraintRule::Check(expression) => {
            format!("CHECK ({})", print::condition(table, expression, pretty))
        }
        ConstraintRule::Foreign(reference) => {
            let target = model.target(reference);
            let (name, referred) = match &target {
                Some(target) if visible(target.table.oid) => (
                    quote_ident(&target.table.name),
                    columns(target.table, &target.columns),
                ),
                Some(target) => (
                    names::qualified(model, target.table.namespace, &target.table.name),
                    columns(target.table, &target.columns),
                ),
                None => (quote_ident(&reference.table), reference.columns.join(", ")),
            };
            let mut out = format!(
                "FOREIGN KEY ({}) REFERENCES {name}({referred})",
                columns(table, &constraint.columns)
            );
            for (word, action) in [
                ("UPDATE", reference.on_update),
                ("DELETE", reference.on_delete),
            ] {
                if action != ddl::Action::Nothing {
                    out.push_str(&format!(" ON {word} {}", action.words()));
                }
            }
            if reference.deferrable {
                out.push_str(" DEFERRABLE");
            }
            if reference.deferred {
                out.push_str(" INITIALLY DEFERRED");
            }
            out
        }
    }
}

/// `pg_get_viewdef(oid)`: the query, as it was written for Postgres if it was. Tables that the search path
/// does not find (`pg_dump` empties it) are qualified.
pub(super) fn view(model: &Model, path: Option<&Path>, table: &Table) -> String {
    let written = schema::read_view_header(&table.sql).map(|(_, query)| query);
    let query = written.unwrap_or_else(|| ddl::view(&table.sql).to_owned());
    let query = path
        .and_then(|path| qualified(model, path, &query))
        .unwrap_or(query);
    format!(" {};", query.trim_end_matches(';').trim())
}

/// A query with its tables qualified; none where nothing needs to be.
fn qualified(model: &Model, path: &Path, query: &str) -> Option<String> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, query).ok()?;
    let mut changed = false;
    let mut common = Common::default();
    let _ = statements.visit(&mut common);
    let _ = visit_relations_mut(&mut statements, |name| {
        if let [ObjectNamePart::Identifier(ident)] = &*name.0 {
            let folded = if ident.quote_style.is_some() {
                ident.value.clone()
            } else {
                ident.value.to_lowercase()
            };
            let tables = model
                .tables
                .iter()
                .filter(|table| table.name == folded && !path.sees(model, table.oid));
            if let (Some(table), false) = (
                tables.min_by_key(|table| table.namespace != PUBLIC),
                common.0.contains(&folded),
            ) {
                let schema = model.namespace_name(table.namespace).unwrap_or("public");
                let parts = [schema, &table.name].map(|part| match quote_ident(part) {
                    plain if plain == part => Ident::new(part),
                    _ => Ident::with_quote('"', part),
                });
                name.0 = parts.map(ObjectNamePart::Identifier).to_vec();
                changed = true;
            }
        }
        ControlFlow::<()>::Continue(())
    });
    changed.then(|| statements.iter().map(ToString::to_string).collect())
}

/// The names of a query's `WITH`.
#[derive(Default)]
struct Common(HashSet<String>);

impl Visitor for Common {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0
            .extend(tables.map(|table| table.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}

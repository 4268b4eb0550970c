//! `GROUPING SETS`, `ROLLUP` and `CUBE`, which SQLite does not have: one grouped query a set, put together by
//! `UNION ALL`. What a set leaves out is NULL in its query, outside of aggregates.
//!
//! | | |
//! | --- | --- |
//! | `grouping_sets` | which sets a `GROUP BY` asks for |
//! | `select_by_sets` | the queries, their order and limit around them |
//! | `left_out` | within one of them: what is NULL |
//! | `grouping` | `grouping(a, b)`: which of them are left out, as bits |

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, OrderBy, Select, SelectItem, Spanned as _, Visit, Visitor,
};
use sqlparser::tokenizer::Span;

use super::order::{order_exprs, ordinal};
use super::scope::Scope;
use super::target_list::output_name;
use super::{Compiled, Compiler, Output, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, quote};
use crate::types::Type;

/// As many as Postgres allows.
const MOST_SETS: usize = 4096;

impl Compiler<'_> {
    /// The sets of a `GROUP BY`, each a list of expressions; none where it has but one.
    pub(super) fn grouping_sets(&self, group_by: &GroupByExpr) -> Result<Option<Vec<Vec<Expr>>>> {
        let GroupByExpr::Expressions(exprs, _) = group_by else {
            return Ok(None);
        };
        let several = |expr: &Expr| {
            matches!(
                expr,
                Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_)
            )
        };
        if !exprs.iter().any(several) {
            return Ok(None);
        }
        let mut sets = vec![Vec::new()];
        for expr in exprs {
            let choices = sets_of(expr);
            if sets.len().saturating_mul(choices.len()) > MOST_SETS {
                return Err(PgError::new(
                    "54011",
                    format!("too many grouping sets present (maximum {MOST_SETS})"),
                ));
            }
            let product = sets.iter().flat_map(|set: &Vec<Expr>| {
                let choices = choices.iter();
                choices.map(move |choice| set.iter().chain(choice).cloned().collect())
            });
            sets = product.collect();
        }
        Ok(Some(sets))
    }

    /// A `SELECT` that is grouped by several sets.
    pub(super) fn select_by_sets(
        &mut self,
        select: &Select,
        sets: &[Vec<Expr>],
        order: Option<&OrderBy>,
        limit: &str,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        if has_windows(&select.projection) {
            return Err(unsupported("a window function with grouping sets"));
        }
        let distinct = match &select.distinct {
            Some(Distinct::On(_)) => {
                return Err(unsupported("DISTINCT ON with grouping sets"));
            }
            Some(Distinct::Distinct) => "DISTINCT ",
            _ => "",
        };
        let mut one = select.clone();
        one.distinct = None;
        let keys = keys(order, &mut one.projection)?;
        let every: Vec<Expr> = sets.iter().flatten().cloned().collect();
        let mut parts = Vec::new();
        let mut columns: Vec<Output> = Vec::new();
        for set in sets {
            one.group_by = GroupByExpr::Expressions(set.clone(), Vec::new());
            self.scopes.push(Scope {
                all_groups: Some(every.clone()),
                ..Scope::default()
            });
            let compiled = self.select_inner(&one, None, "", expected);
            self.scopes.pop();
            let compiled = compiled?;
            parts.push(compiled.sql);
            if columns.is_empty() {
                columns = compiled.columns;
            } else {
                for (column, other) in columns.iter_mut().zip(&compiled.columns) {
                    column.not_null &= other.not_null;
                }
            }
        }
        let carried = keys
            .iter()
            .filter(|key| matches!(key, Key::Carried))
            .count();
        let shown = columns.len() - carried;
        let list: Vec<String> = columns[..shown]
            .iter()
            .map(|column| {
                let alias = quote(&column.alias);
                // Numbers as text are the same whatever their zeros.
                match (distinct, column.ty.oid) {
                    ("DISTINCT ", 1700) if !column.native => {
                        format!("{alias} COLLATE pg_numeric AS {alias}")
                    }
                    _ => alias,
                }
            })
            .collect();
        let mut sql = format!(
            "SELECT {distinct}{} FROM ({})",
            list.join(", "),
            parts.join(" UNION ALL ")
        );
        let order = self.order_of_sets(&keys, order, &columns, shown)?;
        sql.push_str(&order);
        sql.push_str(limit);
        columns.truncate(shown);
        Ok(Compiled { sql, columns })
    }

    fn order_of_sets(
        &self,
        keys: &[Key],
        order: Option<&OrderBy>,
        columns: &[Output],
        shown: usize,
    ) -> Result<String> {
        let mut carried = columns[shown..].iter();
        let mut parts = Vec::new();
        for (key, written) in keys.iter().zip(order_exprs(order)?) {
            let column = match key {
                Key::Place(place) => columns[..shown].get(place.wrapping_sub(1)),
                Key::Name(name) => columns[..shown].iter().find(|column| column.name == *name),
                Key::Carried => carried.next(),
            };
            let Some(column) = column else {
                return Err(self.error_at(
                    written.expr.span(),
                    "42P10",
                    format!("ORDER BY position {} is not in select list", written.expr),
                ));
            };
            parts.push(self.order_term(&self.sorted(column), column.not_null, written));
        }
        Ok(if parts.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", parts.join(", "))
        })
    }

    /// A column as SQLite orders it rightly.
    fn sorted(&self, column: &Output) -> String {
        let mut typed = Typed::new(quote(&column.alias), column.ty);
        typed.native = column.native;
        self.sortable(&typed)
    }

    /// After the `GROUP BY` of one set: the texts of what the other sets group by is left out here.
    pub(super) fn left_out(&mut self, projection: &[SelectItem]) -> Result<()> {
        let Some(all) = self.scope().all_groups.clone() else {
            return Ok(());
        };
        let mut left_out = Vec::new();
        for expr in &all {
            let (sql, _) = self.group_expr(expr, projection)?;
            let scope = self.scope();
            let groups = scope.groups.get_or_insert_default();
            if !groups.contains(&sql) {
                groups.push(sql.clone());
                left_out.push(sql);
            }
        }
        let scope = self.scope();
        scope.loose.clear();
        scope.groups.get_or_insert_default();
        scope.left_out = left_out;
        Ok(())
    }

    /// A value as a set has it: NULL where the set leaves it out.
    pub(super) fn in_set(&self, level: usize, typed: Typed) -> Typed {
        let left_out = self
            .scopes
            .get(level)
            .is_some_and(|scope| scope.in_aggregate == 0 && scope.left_out.contains(&typed.sql));
        if !left_out {
            return typed;
        }
        let mut null = Typed::new("NULL", typed.ty);
        null.native = typed.native;
        null.source = typed.source;
        null
    }

    /// `grouping(a, b)`.
    pub(super) fn grouping(&mut self, arguments: &[&Expr], span: Span) -> Result<Typed> {
        // Here the expressions stand for themselves.
        let left_out = std::mem::take(&mut self.scope().left_out);
        let typed: Result<Vec<Typed>> = arguments.iter().map(|expr| self.expr(expr)).collect();
        let mut bits = 0_u32;
        for item in &typed? {
            let scope = self.scope();
            let grouped = scope.groups.as_ref();
            if !grouped.is_some_and(|groups| groups.contains(&item.sql)) {
                return Err(self.error_at(
                    span,
                    "42803",
                    "arguments to GROUPING must be grouping expressions of the associated query level",
                ));
            }
            bits = bits << 1 | u32::from(left_out.contains(&item.sql));
        }
        self.scope().left_out = left_out;
        Ok(Typed::new(bits.to_string(), Type::INT4).not_null())
    }
}

/// A key of the `ORDER BY` around the sets.
enum Key {
    Place(usize),
    /// A column of the result.
    Name(String),
    /// Another expression: the sets bring it along behind their columns.
    Carried,
}

/// The keys; expressions that are no columns of the result are added to the select list.
fn keys(order: Option<&OrderBy>, projection: &mut Vec<SelectItem>) -> Result<Vec<Key>> {
    let names: Vec<String> = projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::UnnamedExpr(expr) => Some(output_name(expr)),
            SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
            _ => None,
        })
        .collect();
    let mut keys = Vec::new();
    for item in order_exprs(order)? {
        keys.push(match (ordinal(&item.expr), &item.expr) {
            (Some(place), _) => Key::Place(place),
            (None, Expr::Identifier(ident)) if names.contains(&fold(ident)) => {
                Key::Name(fold(ident))
            }
            (None, expr) => {
                projection.push(SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: Ident::with_quote('"', format!("_key{}", keys.len())),
                });
                Key::Carried
            }
        });
    }
    Ok(keys)
}

/// The sets that one item of a `GROUP BY` asks for.
fn sets_of(expr: &Expr) -> Vec<Vec<Expr>> {
    match expr {
        Expr::Rollup(items) => (0..=items.len())
            .rev()
            .map(|length| items[..length].concat())
            .collect(),
        Expr::Cube(items) => (0..1_usize << items.len().min(13))
            .rev()
            .map(|bits| {
                let last = items.len() - 1;
                let chosen = items.iter().enumerate();
                chosen
                    .filter(|(index, _)| bits >> (last - index) & 1 == 1)
                    .flat_map(|(_, item)| item.iter().cloned())
                    .collect()
            })
            .collect(),
        Expr::GroupingSets(sets) => sets
            .iter()
            .flat_map(|set| match set.as_slice() {
                [only] => sets_of(only),
                _ => vec![set.clone()],
            })
            .collect(),
        Expr::Tuple(items) => vec![items.clone()],
        other => vec![vec![other.clone()]],
    }
}

fn has_windows(projection: &[SelectItem]) -> bool {
    struct Windows;
    impl Visitor for Windows {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
            match expr {
                Expr::Function(function) if function.over.is_some() => {
                    std::ops::ControlFlow::Break(())
                }
                _ => std::ops::ControlFlow::Continue(()),
            }
        }
    }
    projection
        .iter()
        .any(|item| item.visit(&mut Windows).is_break())
}

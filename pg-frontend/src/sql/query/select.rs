//! Queries: `WITH`, the body, `ORDER BY` and `LIMIT`; and one `SELECT`, clause by clause.
//!
//! The clauses are compiled in the order in which Postgres knows them: `FROM`, `WHERE`, `GROUP BY`, the
//! select list, `HAVING`, windows, `ORDER BY`. `DISTINCT ON` is the first row by a row number.
//!
//! | | |
//! | --- | --- |
//! | `query`, `subquery` | a whole query |
//! | `select_inner` | one `SELECT` |
//! | [`with`](super::with), [`set_operations`](super::set_operations), [`grouping`](super::grouping), [`target_list`](super::target_list), [`order`](super::order) | its parts |

use super::scope::Scope;
use super::{Compiled, Compiler, unsupported};
use crate::error::Result;
use crate::sql::names::{fold, quote};
use crate::types::Type;
use sqlparser::ast::{Distinct, OrderBy, Query, Select, SetExpr, Spanned as _};

use super::order::Key;
use super::target_list::unique_aliases;

impl Compiler<'_> {
    /// A query within another.
    pub(crate) fn subquery(&mut self, query: &Query) -> Result<Compiled> {
        let outermost = std::mem::replace(&mut self.outermost, false);
        let out = self.query(query, None);
        self.outermost = outermost;
        out
    }

    /// A query; `expected` are the types that its columns are made, where somebody wants them.
    pub(crate) fn query(&mut self, query: &Query, expected: Option<&[Type]>) -> Result<Compiled> {
        let mark = self.ctes.len();
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let out = self.query_body(query, expected);
        self.ctes.truncate(mark);
        let mut out = out?;
        if !with.is_empty() {
            out.sql = format!("{with}{}", out.sql);
        }
        Ok(out)
    }

    fn query_body(&mut self, query: &Query, expected: Option<&[Type]>) -> Result<Compiled> {
        // `FOR UPDATE` waits for the right to write: what it returns does not change before the update.
        self.writes |= !query.locks.is_empty();
        let limit = self.limit(query.limit_clause.as_ref(), query.fetch.as_ref())?;
        match query.body.as_ref() {
            SetExpr::Select(select) => {
                self.select(select, query.order_by.as_ref(), &limit, expected)
            }
            body => {
                let mut compiled = self.set(body, expected)?;
                if query.order_by.is_some() || !limit.is_empty() {
                    if matches!(body, SetExpr::Values(_)) {
                        compiled = self.wrapped(compiled);
                    }
                    let order = self.order_of_set(query.order_by.as_ref(), &compiled)?;
                    compiled.sql = format!("{}{order}{limit}", compiled.sql);
                }
                Ok(compiled)
            }
        }
    }

    /// One `SELECT`.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        limit: &str,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        self.step()?;
        if select.into.is_some() {
            return Err(unsupported("SELECT INTO in this place"));
        }
        if let Some(sets) = self.grouping_sets(&select.group_by)? {
            return self.select_by_sets(select, &sets, order, limit, expected);
        }
        self.scopes.push(Scope::default());
        let out = self.select_inner(select, order, limit, expected);
        self.scopes.pop();
        out
    }

    pub(super) fn select_inner(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        limit: &str,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        let mut from = self.from(&select.from)?;
        let filter = match &select.selection {
            Some(expr) => {
                let sql = self.condition(expr, "WHERE")?.sql;
                if self.scope().aggregates {
                    return Err(self.error_at(
                        expr.span(),
                        "42803",
                        "aggregate functions are not allowed in WHERE",
                    ));
                }
                Some(sql)
            }
            None => None,
        };
        self.scope().loose.clear();
        let groups = self.group_by(&select.group_by, &select.projection)?;
        self.scope().loose.clear();
        if !groups.is_empty() {
            self.scope().groups = Some(groups.iter().map(|(sql, _)| sql.clone()).collect());
        }
        self.left_out(&select.projection)?;
        let is_set = self.scope().all_groups.is_some();
        let (mut items, mut outputs) = self.projection(&select.projection, expected)?;
        let having = match &select.having {
            Some(expr) => Some(self.condition(expr, "HAVING")?.sql),
            None => None,
        };
        let windows = self.named_windows(select)?;
        let keys = self.order_keys(order, &outputs, &items)?;
        if self.scope().aggregates || !groups.is_empty() || having.is_some() || is_set {
            self.check_groups(!groups.is_empty())?;
        }
        let sources = self.scope().row_sources.take().unwrap_or_default();
        for (index, source) in sources.iter().enumerate() {
            from = join_source(&from, &sources, index, source);
        }
        let mut sql = String::from("SELECT ");
        let distinct_on = match &select.distinct {
            Some(Distinct::On(exprs)) => {
                let mut parts = Vec::new();
                for expr in exprs {
                    parts.push(self.group_expr(expr, &select.projection)?.0);
                }
                Some(parts)
            }
            Some(Distinct::Distinct) => {
                sql.push_str("DISTINCT ");
                None
            }
            _ => None,
        };
        if matches!(select.distinct, Some(Distinct::Distinct)) {
            for item in &mut items {
                // Numbers as text are the same whatever their zeros.
                if item.ty.oid == 1700 && !self.is_native(item) {
                    item.sql = format!("{} COLLATE pg_numeric", item.sql);
                }
            }
        }
        unique_aliases(&mut outputs);
        let mut list: Vec<String> = items
            .iter()
            .zip(&outputs)
            .map(|(item, output)| format!("{} AS {}", self.final_form(item), quote(&output.alias)))
            .collect();
        if is_set {
            // Also the set of nothing gives one row.
            list.push("count(*) AS \"_set\"".to_owned());
        }
        sql.push_str(&if list.is_empty() {
            "NULL AS \"_none\"".to_owned()
        } else {
            list.join(", ")
        });
        let row_number = distinct_on.is_some().then(|| self.fresh("n"));
        if let (Some(on), Some(alias)) = (&distinct_on, &row_number) {
            let order = if keys.is_empty() {
                String::new()
            } else {
                format!(" ORDER BY {}", self.order_text(&keys, order, &items, false))
            };
            sql.push_str(&format!(
                ", row_number() OVER (PARTITION BY {}{order}) AS {}",
                on.join(", "),
                quote(alias)
            ));
        }
        // Keys that are no columns of the result have to come along.
        let mut carried = Vec::new();
        if row_number.is_some() {
            for key in &keys {
                if let Key::Value(typed) = key {
                    let alias = self.fresh("k");
                    sql.push_str(&format!(", {} AS {}", self.sortable(typed), quote(&alias)));
                    carried.push(alias);
                }
            }
        }
        if !from.is_empty() {
            sql.push_str(&format!(" FROM {from}"));
        }
        if let Some(filter) = filter {
            sql.push_str(&format!(" WHERE {filter}"));
        }
        if !groups.is_empty() {
            let list: Vec<&str> = groups.iter().map(|(_, key)| key.as_str()).collect();
            sql.push_str(&format!(" GROUP BY {}", list.join(", ")));
        }
        if let Some(having) = having {
            sql.push_str(&format!(" HAVING {having}"));
        }
        sql.push_str(&windows);
        if let Some(alias) = row_number {
            let list: Vec<String> = outputs.iter().map(|output| quote(&output.alias)).collect();
            sql = format!(
                "SELECT {} FROM ({sql}) WHERE {} = 1",
                list.join(", "),
                quote(&alias)
            );
            if !keys.is_empty() {
                sql.push_str(&format!(
                    " ORDER BY {}",
                    self.outer_order(&keys, order, &outputs, &carried)
                ));
            }
        } else if !keys.is_empty() {
            sql.push_str(&format!(
                " ORDER BY {}",
                self.order_text(&keys, order, &items, true)
            ));
        }
        sql.push_str(limit);
        Ok(Compiled {
            sql,
            columns: outputs,
        })
    }

    fn named_windows(&mut self, select: &Select) -> Result<String> {
        let mut parts = Vec::new();
        for definition in &select.named_window {
            let spec = match &definition.1 {
                sqlparser::ast::NamedWindowExpr::NamedWindow(name) => quote(&fold(name)),
                sqlparser::ast::NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec)?,
            };
            parts.push(format!("{} AS ({spec})", quote(&fold(&definition.0))));
        }
        Ok(if parts.is_empty() {
            String::new()
        } else {
            format!(" WINDOW {}", parts.join(", "))
        })
    }
}

/// A row source of the select list joined to the `FROM`: one is walked as it is, several go side by
/// side until the longest ends.
fn join_source(
    from: &str,
    all: &[super::scope::RowSource],
    index: usize,
    source: &super::scope::RowSource,
) -> String {
    let comma = if from.is_empty() { "" } else { " JOIN " };
    if all.len() == 1 {
        return format!(
            "{from}{comma}json_each({}) AS {}",
            source.array,
            quote(&source.alias)
        );
    }
    let mut out = from.to_owned();
    if index == 0 {
        let arrays: Vec<&str> = all.iter().map(|source| source.array.as_str()).collect();
        out.push_str(&format!(
            "{comma}json_each(pg_longest({})) AS \"_rows\"",
            arrays.join(", ")
        ));
    }
    out.push_str(&format!(
        " LEFT JOIN json_each({0}) AS {1} ON {1}.\"key\" = \"_rows\".\"key\"",
        source.array,
        quote(&source.alias)
    ));
    out
}

//! `SELECT`, `WITH`, set operations, `ORDER BY` and `LIMIT`.

use std::rc::Rc;

use sqlparser::ast::{
    Distinct, Expr, Fetch, GroupByExpr, LimitClause, OrderBy, OrderByExpr, OrderByKind,
    OrderBySort, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, Spanned as _, With,
};
use sqlparser::tokenizer::Span;

use super::coerce::{Context, common};
use super::scope::{Cte, Scope};
use super::{Compiled, Compiler, Kind, Output, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, idents, quote};
use crate::types::Type;

/// Whether a key is `DESC`.
pub(crate) fn is_descending(item: &OrderByExpr) -> bool {
    matches!(item.options.sort, Some(OrderBySort::Desc))
}

/// A key of the `ORDER BY` of a whole query.
enum Key {
    /// A column of the result, by its place from 1.
    Place(usize),
    /// Another expression.
    Value(Typed),
}

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

    pub(crate) fn with(&mut self, with: &With) -> Result<String> {
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if matches!(
                cte.query.body.as_ref(),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
            ) {
                return Err(self
                    .error_at(cte.alias.name.span, "0A000", "a statement that changes data is not supported in WITH")
                    .hint("Run it as a statement of its own, with RETURNING, in the same transaction."));
            }
            let names: Vec<String> = cte
                .alias
                .columns
                .iter()
                .map(|column| fold(&column.name))
                .collect();
            let recursive = with.recursive && mentions(&cte.query, &name);
            if recursive {
                self.declare_recursive(&name, &names, &cte.query)?;
            }
            let compiled = self.subquery(&cte.query)?;
            if recursive {
                self.ctes.pop();
            }
            let columns = renamed(&compiled.columns, &names);
            let list: Vec<String> = columns.iter().map(|column| quote(&column.alias)).collect();
            let hint = match cte.materialized {
                Some(sqlparser::ast::CteAsMaterialized::Materialized) => "MATERIALIZED ",
                Some(sqlparser::ast::CteAsMaterialized::NotMaterialized) => "NOT MATERIALIZED ",
                None => "",
            };
            parts.push(format!(
                "{}({}) AS {hint}({})",
                quote(&name),
                list.join(", "),
                compiled.sql
            ));
            self.ctes.push(Cte {
                name,
                columns: Rc::new(columns),
            });
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{} ", parts.join(", ")))
    }

    /// A recursive query's columns are those of its first part.
    fn declare_recursive(&mut self, name: &str, names: &[String], query: &Query) -> Result<()> {
        let SetExpr::SetOperation { left, .. } = query.body.as_ref() else {
            return Err(PgError::new(
                "42P19",
                format!(
                    "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
                ),
            ));
        };
        let mark = self.ctes.len();
        let with = query
            .with
            .as_ref()
            .map(|with| self.with(with))
            .transpose()?;
        let _ = with;
        let first = self.set(left, None)?;
        self.ctes.truncate(mark);
        let columns = renamed(&first.columns, names);
        self.ctes.push(Cte {
            name: name.to_owned(),
            columns: Rc::new(columns),
        });
        Ok(())
    }

    /// What stands below `ORDER BY` and `LIMIT`.
    fn set(&mut self, body: &SetExpr, expected: Option<&[Type]>) -> Result<Compiled> {
        match body {
            SetExpr::Select(select) => self.select(select, None, "", expected),
            SetExpr::Query(query) => {
                let inner = self.query(query, expected)?;
                let plain = query.order_by.is_none()
                    && query.limit_clause.is_none()
                    && query.with.is_none()
                    && query.fetch.is_none();
                Ok(if plain { inner } else { self.wrapped(inner) })
            }
            SetExpr::Values(values) => self.values(values, expected),
            SetExpr::Table(table) => {
                let name = table
                    .table_name
                    .clone()
                    .map_or_else(String::new, |name| name.to_string());
                let sql = match &table.schema_name {
                    Some(schema) => format!("SELECT * FROM {schema}.{name}"),
                    None => format!("SELECT * FROM {name}"),
                };
                let parsed = crate::sql::parse::statement(&sql)?;
                match parsed {
                    sqlparser::ast::Statement::Query(query) => self.query(&query, expected),
                    _ => Err(unsupported("TABLE")),
                }
            }
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => self.set_operation(*op, *set_quantifier, left, right, expected),
            _ => Err(unsupported("a statement that changes data as a query")),
        }
    }

    /// A query that can stand as one operand: with its own ORDER BY, LIMIT or WITH.
    fn wrapped(&mut self, inner: Compiled) -> Compiled {
        let alias = self.fresh("q");
        let list: Vec<String> = inner
            .columns
            .iter()
            .map(|column| quote(&column.alias))
            .collect();
        Compiled {
            sql: format!(
                "SELECT {} FROM ({}) AS {}",
                list.join(", "),
                inner.sql,
                quote(&alias)
            ),
            columns: inner.columns,
        }
    }

    fn set_operation(
        &mut self,
        op: SetOperator,
        quantifier: SetQuantifier,
        left: &SetExpr,
        right: &SetExpr,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        let word = match op {
            SetOperator::Union => "UNION",
            SetOperator::Except => "EXCEPT",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Minus => return Err(unsupported("MINUS")),
        };
        // What has no type takes the other side's: at first neither is the result.
        let outermost = std::mem::replace(&mut self.outermost, false);
        let sides = self
            .set(left, expected)
            .and_then(|a| Ok((a, self.set(right, expected)?)));
        self.outermost = outermost;
        let (mut a, mut b) = sides?;
        if a.columns.len() != b.columns.len() {
            return Err(PgError::new(
                "42601",
                format!("each {word} query must have the same number of columns"),
            ));
        }
        let mut types = Vec::new();
        for (x, y) in a.columns.iter().zip(&b.columns) {
            let ty = common(x.ty, y.ty).ok_or_else(|| {
                PgError::new(
                    "42804",
                    format!(
                        "{word} types {} and {} cannot be matched",
                        self.type_name(x.ty),
                        self.type_name(y.ty)
                    ),
                )
            })?;
            types.push(if ty.oid == Type::UNKNOWN.oid {
                Type::TEXT
            } else {
                ty
            });
        }
        // Numerics of several kinds become text with their collation, so that equal ones are equal.
        let numeric = |index: usize| {
            let (x, y) = (&a.columns[index], &b.columns[index]);
            types[index].oid == Type::NUMERIC.oid && !(x.ty == y.ty && x.native && y.native)
        };
        let mixed: Vec<bool> = (0..types.len()).map(numeric).collect();
        for (ty, mixed) in types.iter_mut().zip(&mixed) {
            if *mixed {
                *ty = Type::NUMERIC;
            }
        }
        let differs = |compiled: &Compiled| {
            mixed.contains(&true)
                || compiled
                    .columns
                    .iter()
                    .zip(&types)
                    .any(|(column, ty)| column.ty.oid != ty.oid)
        };
        let (redo_a, redo_b) = (differs(&a), differs(&b));
        if outermost || redo_a {
            a = self.set(left, Some(&types))?;
        }
        if outermost || redo_b {
            b = self.set(right, Some(&types))?;
        }
        let left_sql = self.operand(&a, left);
        let right_sql = self.operand(&b, right);
        let compound = matches!(right, SetExpr::SetOperation { .. });
        let right_sql = if compound {
            format!("SELECT * FROM ({right_sql})")
        } else {
            right_sql
        };
        let left_compound = matches!(left, SetExpr::SetOperation { op: other, set_quantifier: q, .. } if *other != op || *q != quantifier);
        let left_sql = if left_compound {
            format!("SELECT * FROM ({left_sql})")
        } else {
            left_sql
        };
        let all = matches!(quantifier, SetQuantifier::All);
        let sql = match (word, all) {
            ("UNION", true) => format!("{left_sql} UNION ALL {right_sql}"),
            (_, true) => {
                // Rows counted: the n-th of equal rows on each side.
                let list: Vec<String> = (1..=types.len())
                    .map(|index| format!("\"c{index}\""))
                    .collect();
                let list = list.join(", ");
                let numbered = |sql: &str| {
                    format!(
                        "WITH \"n\"({list}) AS ({sql}) SELECT {list}, row_number() OVER (PARTITION BY {list}) AS \"k\" FROM \"n\""
                    )
                };
                format!(
                    "SELECT {list} FROM (SELECT * FROM ({}) {word} SELECT * FROM ({}))",
                    numbered(&left_sql),
                    numbered(&right_sql)
                )
            }
            _ => format!("{left_sql} {word} {right_sql}"),
        };
        let counted = all && word != "UNION";
        let columns = a
            .columns
            .iter()
            .zip(&b.columns)
            .zip(types)
            .enumerate()
            .map(|(index, ((x, y), ty))| Output {
                name: x.name.clone(),
                alias: if counted {
                    format!("c{}", index + 1)
                } else {
                    x.alias.clone()
                },
                ty: if x.ty == y.ty { ty } else { ty.bare() },
                not_null: x.not_null && y.not_null,
                native: x.native && y.native && (x.ty.oid != Type::NUMERIC.oid || x.ty == y.ty),
                source: None,
                fields: None,
            })
            .collect();
        Ok(Compiled { sql, columns })
    }

    fn operand(&mut self, compiled: &Compiled, body: &SetExpr) -> String {
        match body {
            // SQLite's VALUES has no names of its own to rely on.
            SetExpr::Values(_) => self.wrapped(compiled.clone()).sql,
            _ => compiled.sql.clone(),
        }
    }

    /// One `SELECT`.
    fn select(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        limit: &str,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        if select.into.is_some() {
            return Err(unsupported("SELECT INTO in this place"));
        }
        self.scopes.push(Scope::default());
        let out = self.select_inner(select, order, limit, expected);
        self.scopes.pop();
        out
    }

    fn select_inner(
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
        let (mut items, mut outputs) = self.projection(&select.projection, expected)?;
        let having = match &select.having {
            Some(expr) => Some(self.condition(expr, "HAVING")?.sql),
            None => None,
        };
        let windows = self.named_windows(select)?;
        let keys = self.order_keys(order, &outputs, &items)?;
        if self.scope().aggregates || !groups.is_empty() || having.is_some() {
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
        let list: Vec<String> = items
            .iter()
            .zip(&outputs)
            .map(|(item, output)| format!("{} AS {}", self.final_form(item), quote(&output.alias)))
            .collect();
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

    /// A value as the client or the next query gets it.
    fn final_form(&self, item: &Typed) -> String {
        if let Kind::Row(items) = &item.kind {
            if !self.outermost {
                let parts: Vec<String> = items.iter().map(|(_, item)| self.as_item(item)).collect();
                return format!("json_array({})", parts.join(", "));
            }
            return row_text(items);
        }
        if self.outermost && item.ty.is_reg() {
            // The oid for those who want it in binary, and what it is called.
            return format!(
                "({0} || ' ' || pg_reg_name({0}, {1}))",
                item.sql, item.ty.oid
            );
        }
        item.sql.clone()
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

    /// Texts of the `GROUP BY` expressions: as they are found again, and as SQLite groups by them.
    fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        projection: &[SelectItem],
    ) -> Result<Vec<(String, String)>> {
        match group_by {
            GroupByExpr::Expressions(exprs, modifiers) => {
                if !modifiers.is_empty() {
                    return Err(unsupported("GROUP BY WITH ROLLUP"));
                }
                let mut out = Vec::new();
                for expr in exprs {
                    match expr {
                        Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                            return Err(unsupported("GROUPING SETS, CUBE and ROLLUP"));
                        }
                        Expr::Tuple(items) if items.is_empty() => {}
                        Expr::Tuple(items) => {
                            for item in items {
                                out.push(self.group_expr(item, projection)?);
                            }
                        }
                        _ => out.push(self.group_expr(expr, projection)?),
                    }
                }
                Ok(out)
            }
            GroupByExpr::All(_) => Err(unsupported("GROUP BY ALL")),
        }
    }

    /// An expression, an ordinal, or the name of a column of the result.
    fn group_expr(&mut self, expr: &Expr, projection: &[SelectItem]) -> Result<(String, String)> {
        let chosen = match ordinal(expr) {
            Some(place) => match place.checked_sub(1).and_then(|index| projection.get(index)) {
                Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => {
                    expr
                }
                _ => {
                    return Err(self.error_at(
                        expr.span(),
                        "42P10",
                        format!("GROUP BY position {place} is not in select list"),
                    ));
                }
            },
            None => self.aliased(expr, projection),
        };
        self.scope().row_sources = Some(Vec::new());
        let typed = self.expr(chosen);
        self.scope().row_sources = None;
        let typed = self.settled(typed?, chosen.span())?;
        let key = self.sortable(&typed);
        let key = if key.bytes().all(|c| c.is_ascii_digit()) || key.starts_with('\'') {
            format!("({key} || '')")
        } else {
            key
        };
        Ok((typed.sql, key))
    }

    /// A bare name that is no column but is a name of the select list.
    fn aliased<'e>(&mut self, expr: &'e Expr, projection: &'e [SelectItem]) -> &'e Expr {
        let Expr::Identifier(ident) = expr else {
            return expr;
        };
        let name = fold(ident);
        let known = self
            .scope()
            .relations
            .iter()
            .any(|relation| relation.columns.iter().any(|column| column.name == name))
            || self.scope().merged.iter().any(|column| column.name == name);
        if known {
            return expr;
        }
        projection
            .iter()
            .find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if fold(alias) == name => Some(expr),
                _ => None,
            })
            .unwrap_or(expr)
    }

    /// Columns outside of aggregates must be grouped by.
    fn check_groups(&mut self, grouped: bool) -> Result<()> {
        // Grouping by the whole primary key of a table covers its other columns.
        let groups = self.scope().groups.clone().unwrap_or_default();
        let covered: Vec<String> = self
            .scope()
            .relations
            .iter()
            .filter(|relation| {
                let mut key = relation
                    .columns
                    .iter()
                    .filter(|column| column.primary)
                    .peekable();
                grouped && key.peek().is_some() && key.all(|column| groups.contains(&column.sql))
            })
            .map(|relation| format!("{}.", relation.alias))
            .collect();
        let loose = std::mem::take(&mut self.scope().loose);
        for (name, place) in loose {
            if covered.iter().any(|alias| name.starts_with(alias.as_str())) {
                continue;
            }
            let error = PgError::new(
                "42803",
                format!(
                    "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
                ),
            );
            return Err(match place {
                Some(place) => error.at(place),
                None => error,
            });
        }
        Ok(())
    }

    /// The select list.
    pub(crate) fn projection(
        &mut self,
        projection: &[SelectItem],
        expected: Option<&[Type]>,
    ) -> Result<(Vec<Typed>, Vec<Output>)> {
        let mut items = Vec::new();
        let mut names = Vec::new();
        let mut spans = Vec::new();
        self.scope().row_sources = Some(Vec::new());
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    // `(row_function(…)).*` and whole rows spread only where Postgres spreads them.
                    items.push(self.expr(expr)?);
                    names.push(output_name(expr));
                    spans.push(expr.span());
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(self.expr(expr)?);
                    names.push(fold(alias));
                    spans.push(expr.span());
                }
                SelectItem::Wildcard(_) => {
                    let all = self.all_columns(None)?;
                    if all.is_empty() && self.scope().relations.is_empty() {
                        return Err(PgError::new(
                            "42601",
                            "SELECT * with no tables specified is not valid",
                        ));
                    }
                    for (name, typed) in all {
                        self.note_star(&name, &typed);
                        items.push(typed);
                        names.push(name);
                        spans.push(Span::empty());
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    for (name, typed) in self.all_columns(Some(&idents(name)?))? {
                        self.note_star(&name, &typed);
                        items.push(typed);
                        names.push(name);
                        spans.push(Span::empty());
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                    let typed = self.expr(expr)?;
                    let Kind::Row(row) = typed.kind else {
                        return Err(self.error_at(
                            expr.span(),
                            "42809",
                            format!("type {} is not composite", self.type_name(typed.ty)),
                        ));
                    };
                    for (name, typed) in row {
                        items.push(typed);
                        names.push(name);
                        spans.push(expr.span());
                    }
                }
                other => return Err(unsupported(format!("the select item {other}"))),
            }
        }
        let mut typed = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            typed.push(match expected.and_then(|types| types.get(index)) {
                Some(ty) if ty.oid != Type::UNKNOWN.oid => {
                    let item = self.coerce(item, *ty, Context::Assignment, spans[index])?;
                    // Both sides of a set operation lie alike.
                    if ty.oid == 1700 && !ty.is_native_numeric() {
                        let mut item = self.numeric_text(item);
                        item.sql = format!("{} COLLATE pg_numeric", item.sql);
                        item
                    } else {
                        item
                    }
                }
                _ if expected.is_some() || self.outermost => self.settled(item, spans[index])?,
                _ if matches!(item.kind, Kind::Null) => item,
                _ if item.is_unknown()
                    && matches!(item.kind, Kind::Literal(_) | Kind::Parameter(_)) =>
                {
                    item
                }
                _ => self.settled(item, spans[index])?,
            });
        }
        let outputs = typed
            .iter()
            .zip(names)
            .map(|(item, name)| Output {
                alias: name.clone(),
                name,
                ty: item.ty,
                not_null: item.not_null,
                native: item.native || item.ty.is_int(),
                source: item.source.clone(),
                fields: match &item.kind {
                    Kind::Row(row) if !self.outermost => Some(
                        row.iter()
                            .map(|(name, item)| (name.clone(), item.ty))
                            .collect(),
                    ),
                    _ => None,
                },
            })
            .collect();
        Ok((typed, outputs))
    }

    fn note_star(&mut self, name: &str, typed: &Typed) {
        let scope = self.scope();
        if scope
            .groups
            .as_ref()
            .is_none_or(|groups| !groups.contains(&typed.sql))
        {
            let alias = scope
                .relations
                .iter()
                .find(|relation| {
                    relation
                        .columns
                        .iter()
                        .any(|column| column.sql == typed.sql)
                })
                .map_or_else(String::new, |relation| format!("{}.", relation.alias));
            scope.loose.push((format!("{alias}{name}"), None));
        }
    }

    /// What `*` or `t.*` stands for.
    fn all_columns(
        &mut self,
        qualifiers: Option<&[&sqlparser::ast::Ident]>,
    ) -> Result<Vec<(String, Typed)>> {
        let value = |column: &super::scope::RelationColumn, nullable: bool| {
            (column.name.clone(), column.typed(nullable))
        };
        match qualifiers {
            Some(qualifiers) => {
                for level in (0..self.scopes.len()).rev() {
                    if let Some(relation) = self.relation(level, qualifiers) {
                        let merged: Vec<String> = self.scopes[level]
                            .merged
                            .iter()
                            .map(|column| column.name.clone())
                            .collect();
                        return Ok(relation
                            .columns
                            .iter()
                            .filter(|column| !column.hidden || merged.contains(&column.name))
                            .map(|column| value(column, relation.nullable))
                            .collect());
                    }
                }
                let last = qualifiers
                    .last()
                    .map(|ident| fold(ident))
                    .unwrap_or_default();
                let span = qualifiers.first().map_or(Span::empty(), |ident| ident.span);
                Err(self.error_at(
                    span,
                    "42P01",
                    format!("missing FROM-clause entry for table \"{last}\""),
                ))
            }
            None => {
                let scope = self.scope();
                let mut out: Vec<(String, Typed)> = scope
                    .merged
                    .iter()
                    .map(|column| value(column, false))
                    .collect();
                for relation in scope
                    .relations
                    .iter()
                    .filter(|relation| !relation.qualified_only)
                {
                    out.extend(
                        relation
                            .columns
                            .iter()
                            .filter(|column| !column.hidden)
                            .map(|column| value(column, relation.nullable)),
                    );
                }
                Ok(out)
            }
        }
    }

    fn order_keys(
        &mut self,
        order: Option<&OrderBy>,
        outputs: &[Output],
        items: &[Typed],
    ) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        for item in order_exprs(order)? {
            if let Some(place) = ordinal(&item.expr) {
                if place == 0 || place > outputs.len() {
                    return Err(self.error_at(
                        item.expr.span(),
                        "42P10",
                        format!("ORDER BY position {place} is not in select list"),
                    ));
                }
                keys.push(Key::Place(place));
                continue;
            }
            if let Expr::Identifier(ident) = &item.expr {
                let name = fold(ident);
                if let Some(index) = outputs.iter().position(|output| output.name == name) {
                    keys.push(Key::Place(index + 1));
                    continue;
                }
            }
            let typed = self.expr(&item.expr)?;
            let typed = self.settled(typed, item.expr.span())?;
            match items.iter().position(|other| other.sql == typed.sql) {
                Some(index) => keys.push(Key::Place(index + 1)),
                None => keys.push(Key::Value(typed)),
            }
        }
        Ok(keys)
    }

    /// The `ORDER BY`; `places`: columns of the result may be called by their number.
    fn order_text(
        &self,
        keys: &[Key],
        order: Option<&OrderBy>,
        items: &[Typed],
        places: bool,
    ) -> String {
        let exprs = order_exprs(order).unwrap_or_default();
        let mut parts = Vec::new();
        for (key, written) in keys.iter().zip(exprs) {
            let (sql, not_null) = match key {
                Key::Place(place) => {
                    let item = &items[place - 1];
                    let sorted = self.sortable(item);
                    // The collation of a column's own goes with its number; a key of another form does not.
                    if places && sorted == item.sql && !matches!(item.kind, Kind::Column) {
                        (place.to_string(), item.not_null)
                    } else {
                        (sorted, item.not_null)
                    }
                }
                Key::Value(typed) => (self.sortable(typed), typed.not_null),
            };
            parts.push(self.order_term(&sql, not_null, written));
        }
        parts.join(", ")
    }

    /// The `ORDER BY` around a `DISTINCT ON`.
    fn outer_order(
        &self,
        keys: &[Key],
        order: Option<&OrderBy>,
        outputs: &[Output],
        carried: &[String],
    ) -> String {
        let exprs = order_exprs(order).unwrap_or_default();
        let mut carried = carried.iter();
        let mut parts = Vec::new();
        for (key, written) in keys.iter().zip(exprs) {
            let (typed, not_null) = match key {
                Key::Place(place) => {
                    let output = &outputs[place - 1];
                    let mut typed = Typed::new(quote(&output.alias), output.ty);
                    typed.native = output.native;
                    (self.sortable(&typed), output.not_null)
                }
                Key::Value(typed) => (
                    carried.next().map(|alias| quote(alias)).unwrap_or_default(),
                    typed.not_null,
                ),
            };
            parts.push(self.order_term(&typed, not_null, written));
        }
        parts.join(", ")
    }

    /// A key with its direction; NULLs are last where Postgres has them last.
    pub(crate) fn order_term(&self, sql: &str, not_null: bool, item: &OrderByExpr) -> String {
        let descending = is_descending(item);
        let direction = if descending { " DESC" } else { "" };
        let nulls = match (item.options.nulls_first.unwrap_or(descending), descending) {
            _ if not_null => "",
            (true, true) => " NULLS FIRST",
            (false, false) => " NULLS LAST",
            // SQLite's own order.
            _ => "",
        };
        format!("{sql}{direction}{nulls}")
    }

    fn order_of_set(&mut self, order: Option<&OrderBy>, compiled: &Compiled) -> Result<String> {
        let mut parts = Vec::new();
        for item in order_exprs(order)? {
            let place = match (ordinal(&item.expr), &item.expr) {
                (Some(place), _) => Some(place),
                (None, Expr::Identifier(ident)) => {
                    let name = fold(ident);
                    compiled
                        .columns
                        .iter()
                        .position(|output| output.name == name)
                        .map(|index| index + 1)
                }
                _ => None,
            };
            let Some(output) = place.and_then(|place| compiled.columns.get(place.checked_sub(1)?))
            else {
                return Err(match &item.expr {
                    Expr::Identifier(ident) => self.error_at(
                        ident.span,
                        "42703",
                        format!("column \"{}\" does not exist", fold(ident)),
                    ),
                    other => self.error_at(
                        other.span(),
                        "0A000",
                        "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                    ),
                });
            };
            let mut sql = place.unwrap_or(1).to_string();
            if output.ty.oid == 1700 && !output.native {
                sql.push_str(" COLLATE pg_numeric");
            }
            parts.push(self.order_term(&sql, output.not_null, item));
        }
        Ok(if parts.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", parts.join(", "))
        })
    }

    fn limit(&mut self, clause: Option<&LimitClause>, fetch: Option<&Fetch>) -> Result<String> {
        let (limit, offset) = match clause {
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(other) => return Err(unsupported(other)),
            None => (None, None),
        };
        let limit = match (limit, fetch) {
            (Some(limit), _) => Some(self.count(limit, "LIMIT")?),
            (None, Some(fetch)) => {
                if fetch.with_ties || fetch.percent {
                    return Err(unsupported("FETCH … WITH TIES"));
                }
                Some(match &fetch.quantity {
                    Some(quantity) => self.count(quantity, "FETCH")?,
                    None => "1".to_owned(),
                })
            }
            (None, None) => None,
        };
        let offset = offset
            .map(|offset| self.count(offset, "OFFSET"))
            .transpose()?;
        Ok(match (limit, offset) {
            (None, None) => String::new(),
            (Some(limit), None) => format!(" LIMIT {limit}"),
            (limit, Some(offset)) => {
                let offset = if offset == "NULL" {
                    "0".to_owned()
                } else {
                    offset
                };
                format!(
                    " LIMIT {} OFFSET {offset}",
                    limit.unwrap_or_else(|| "-1".to_owned())
                )
            }
        })
    }

    /// A number of rows; NULL is no limit.
    fn count(&mut self, expr: &Expr, what: &str) -> Result<String> {
        let typed = self.expr_as(expr, Type::INT8)?;
        Ok(match typed.kind {
            Kind::Null => "-1".to_owned(),
            Kind::Number(digits) if digits.starts_with('-') => {
                let code = if what == "OFFSET" { "2201X" } else { "2201W" };
                return Err(PgError::new(code, format!("{what} must not be negative")));
            }
            Kind::Number(_) => typed.sql,
            _ => format!("pg_limit({}, '{what}')", typed.sql),
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

fn order_exprs(order: Option<&OrderBy>) -> Result<Vec<&OrderByExpr>> {
    match order.map(|order| &order.kind) {
        None => Ok(Vec::new()),
        Some(OrderByKind::Expressions(exprs)) => Ok(exprs.iter().collect()),
        Some(OrderByKind::All(_)) => Err(unsupported("ORDER BY ALL")),
    }
}

/// A bare whole number: a column of the result.
fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            sqlparser::ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// The name that Postgres gives a column without an alias.
pub(crate) fn output_name(expr: &Expr) -> String {
    name_in(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn name_in(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Identifier(ident) => fold(ident),
        Expr::CompoundIdentifier(parts) => fold(parts.last()?),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => return name_in(inner),
        Expr::Function(function) => idents(&function.name)
            .ok()?
            .last()
            .map(|ident| fold(ident))?,
        Expr::Cast {
            expr: inner,
            data_type,
            ..
        } => return strong_name(inner).or_else(|| type_word(data_type)),
        Expr::TypedString(typed) => return type_word(&typed.data_type),
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(name_in)
            .unwrap_or_else(|| "case".to_owned()),
        Expr::Exists { negated: false, .. } => "exists".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Tuple(_) => "row".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Substring { shorthand, .. } => {
            if *shorthand { "substr" } else { "substring" }.to_owned()
        }
        Expr::BinaryOp {
            op: sqlparser::ast::BinaryOperator::Overlaps,
            ..
        } => "overlaps".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Overlay { .. } => "overlay".to_owned(),
        Expr::Interval(_) => "interval".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::AtTimeZone { .. } => "timezone".to_owned(),
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim",
            Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }
        .to_owned(),
        Expr::CompoundFieldAccess { root, access_chain } => {
            for access in access_chain.iter().rev() {
                if let sqlparser::ast::AccessExpr::Dot(Expr::Identifier(ident)) = access {
                    return Some(fold(ident));
                }
            }
            return name_in(root);
        }
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::UnnamedExpr(expr) => return name_in(expr),
                SelectItem::ExprWithAlias { alias, .. } => fold(alias),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// A name that a cast around does not replace: a column's or a function's.
fn strong_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr: inner, .. } | Expr::Nested(inner) => strong_name(inner),
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(strong_name),
        Expr::TypedString(_) => None,
        other => name_in(other),
    }
}

/// The catalog's name of a type: what `SELECT '1'::integer` calls its column.
fn type_word(data_type: &sqlparser::ast::DataType) -> Option<String> {
    let text = data_type.to_string().to_lowercase();
    let ty = crate::types::parse_name(&text)?;
    let ty = ty.element().unwrap_or(ty);
    crate::types::names::built_in_of(ty.oid).map(|row| row.name.to_owned())
}

/// Columns with other names.
fn renamed(columns: &[Output], names: &[String]) -> Vec<Output> {
    let mut out: Vec<Output> = columns.to_vec();
    for (column, name) in out.iter_mut().zip(names) {
        column.name.clone_from(name);
        column.alias.clone_from(name);
    }
    unique_aliases(&mut out);
    for column in &mut out {
        if column.ty.oid == Type::UNKNOWN.oid {
            column.ty = Type::TEXT;
        }
    }
    out
}

/// Each column gets a name of its own within SQLite's text.
fn unique_aliases(outputs: &mut [Output]) {
    for index in 1..outputs.len() {
        let (before, rest) = outputs.split_at_mut(index);
        let output = &mut rest[0];
        if before
            .iter()
            .any(|other| other.alias.eq_ignore_ascii_case(&output.alias))
        {
            output.alias = format!("{}:{index}", output.alias);
        }
    }
}

/// A row's text: `(1,abc,)`.
fn row_text(items: &[(String, Typed)]) -> String {
    let parts: Vec<String> = items
        .iter()
        .map(|(_, item)| format!("{}, {}, {}", item.sql, item.ty.oid, item.ty.modifier))
        .collect();
    format!("pg_row_text({})", parts.join(", "))
}

/// Whether a query names a relation; cautious: any mention counts.
fn mentions(query: &Query, name: &str) -> bool {
    use std::ops::ControlFlow;
    sqlparser::ast::visit_relations(query, |relation| {
        let same = relation.0.last().is_some_and(|part| {
            matches!(part, sqlparser::ast::ObjectNamePart::Identifier(ident) if fold(ident) == name)
        });
        if same {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .is_break()
}

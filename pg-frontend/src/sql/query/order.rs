//! `ORDER BY`, `LIMIT`, `OFFSET` and `FETCH`.
//!
//! A key is a column of the result, by its number or name, or an expression. NULLs are last where Postgres
//! has them last.

use super::{Compiled, Compiler, Kind, Output, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, quote};
use crate::types::Type;
use sqlparser::ast::{
    Expr, Fetch, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Spanned as _,
};

/// Whether a key is `DESC`.
pub(crate) fn is_descending(item: &OrderByExpr) -> bool {
    matches!(item.options.sort, Some(OrderBySort::Desc))
}

/// A key of the `ORDER BY` of a whole query.
pub(super) enum Key {
    /// A column of the result, by its place from 1.
    Place(usize),
    /// Another expression.
    Value(Typed),
}

impl Compiler<'_> {
    pub(super) fn order_keys(
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
    pub(super) fn order_text(
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
    pub(super) fn outer_order(
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

    pub(super) fn order_of_set(
        &mut self,
        order: Option<&OrderBy>,
        compiled: &Compiled,
    ) -> Result<String> {
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

    pub(super) fn limit(
        &mut self,
        clause: Option<&LimitClause>,
        fetch: Option<&Fetch>,
    ) -> Result<String> {
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

pub(super) fn order_exprs(order: Option<&OrderBy>) -> Result<Vec<&OrderByExpr>> {
    match order.map(|order| &order.kind) {
        None => Ok(Vec::new()),
        Some(OrderByKind::Expressions(exprs)) => Ok(exprs.iter().collect()),
        Some(OrderByKind::All(_)) => Err(unsupported("ORDER BY ALL")),
    }
}

/// A bare whole number: a column of the result.
pub(super) fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            sqlparser::ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

//! Queries and arrays that an expression compares with: `IN`, `ANY`, `ALL`, and a query as a value.

use super::coerce::Context;
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::Result;
use crate::types::Type;
use sqlparser::ast::{self, Expr, InTarget, Spanned as _, Value};
use sqlparser::tokenizer::Span;

impl Compiler<'_> {
    pub(super) fn in_target(
        &mut self,
        inner: &Expr,
        target: &InTarget,
        negated: bool,
    ) -> Result<Typed> {
        let span = inner.span();
        match target {
            InTarget::List(list) => {
                let x = self.expr(inner)?;
                let items = list
                    .iter()
                    .map(|item| self.expr(item))
                    .collect::<Result<Vec<_>>>()?;
                self.in_list(x, items, negated, span)
            }
            InTarget::Subquery(query) => {
                let x = self.expr(inner)?;
                self.in_subquery(x, "=", query, negated, span)
            }
            other => Err(unsupported(format!("IN {other:?}"))),
        }
    }

    /// `x IN (SELECT …)`, `x = ANY (SELECT …)`.
    pub(crate) fn in_subquery(
        &mut self,
        x: Typed,
        operator: &str,
        query: &ast::Query,
        negated: bool,
        span: Span,
    ) -> Result<Typed> {
        let compiled = self.subquery(query)?;
        let not = if negated { "NOT " } else { "" };
        if operator == "=" {
            if let Kind::Row(items) = &x.kind {
                if items.len() != compiled.columns.len() {
                    return Err(self.error_at(span, "42601", "subquery has too few columns"));
                }
                let items = items.clone();
                let mut left = Vec::new();
                for ((_, item), column) in items.into_iter().zip(&compiled.columns) {
                    left.push(
                        self.coerce(item, column.ty.bare(), Context::Implicit, span)?
                            .sql,
                    );
                }
                return Ok(Typed::new(
                    format!("(({}) {not}IN ({}))", left.join(", "), compiled.sql),
                    Type::BOOL,
                ));
            }
            let [column] = compiled.columns.as_slice() else {
                return Err(self.error_at(span, "42601", "subquery has too many columns"));
            };
            let right = super::coerce::common(x.ty, column.ty).map_or(column.ty, Type::bare);
            let plain = right.oid != 1700
                && self.order_key(right, false).is_none()
                && right.oid == column.ty.oid;
            if plain || x.ty.is_int() && column.ty.is_int() {
                let x = if plain {
                    self.coerce(x, right, Context::Implicit, span)?
                } else {
                    self.checked(x)
                };
                return Ok(Typed::new(
                    format!("({} {not}IN ({}))", x.sql, compiled.sql),
                    Type::BOOL,
                ));
            }
        }
        let [column] = compiled.columns.as_slice() else {
            return Err(self.error_at(span, "42601", "subquery has too many columns"));
        };
        let alias = self.fresh("q");
        let mut y = Typed::new(
            format!("\"{alias}\".{}", crate::sql::names::quote(&column.alias)),
            column.ty,
        );
        y.native = column.native;
        let test = self.compare(x, operator, y, span)?;
        // NULLs: the aggregate over the comparisons knows three values.
        Ok(Typed::new(
            format!(
                "(SELECT {not}pg_any_of(max({0}), count(*) > count({0})) FROM ({1}) AS \"{alias}\")",
                test.sql, compiled.sql
            ),
            Type::BOOL,
        ))
    }

    pub(super) fn quantified(
        &mut self,
        left: &Expr,
        op: &ast::BinaryOperator,
        right: &Expr,
        all: bool,
    ) -> Result<Typed> {
        let span = left.span();
        let operator = super::operators::comparison(op)
            .ok_or_else(|| unsupported(format!("{op} with ANY or ALL")));
        // `x <> ALL` is NOT IN; `x op ALL` in general is the negation of `x not-op ANY`.
        let (inner, negated) = match (&operator, all) {
            (Ok(operator), true) => (
                super::operators::negated_comparison(operator).to_owned(),
                true,
            ),
            (Ok(operator), false) => ((*operator).to_owned(), false),
            (Err(_), _) => (String::new(), false),
        };
        if let Expr::Subquery(query) = right {
            operator?;
            let x = self.expr(left)?;
            return self.in_subquery(x, &inner, query, negated, span);
        }
        let x = self.expr(left)?;
        // Elements that are written out are a list, which may stand in a CHECK.
        if inner == "="
            && let Some(items) = written_out(right)
        {
            let items = items.iter().map(|item| self.expr(item));
            let items = items.collect::<Result<Vec<_>>>()?;
            return self.in_list(x, items, negated, span);
        }
        let array = self.expr(right)?;
        let not = if negated { "NOT " } else { "" };
        let element = match array.ty.element() {
            Some(element) => element,
            None if array.is_unknown() => {
                if x.is_unknown() {
                    Type::TEXT
                } else {
                    x.ty.bare()
                }
            }
            None => {
                return Err(self.error_at(
                    right.span(),
                    "42809",
                    "op ANY/ALL (array) requires array on right side",
                ));
            }
        };
        let array = if array.is_unknown() {
            self.coerce(array, element.array(), Context::Implicit, right.span())?
        } else {
            array
        };
        let alias = self.fresh("a");
        let item = self.array_item(&format!("\"{alias}\".\"value\""), element);
        if operator.is_err() {
            // LIKE and regular expressions.
            let mut test = self.binary_typed(x, op, item, span)?;
            if all {
                test.sql = format!("(NOT {})", test.sql);
            }
            return Ok(any_of(&test, if all { "NOT " } else { "" }, &array, &alias));
        }
        let x = if x.is_unknown() {
            self.coerce(x, element.bare(), Context::Implicit, span)?
        } else {
            self.checked(x)
        };
        let plain = inner == "="
            && (x.ty.oid == element.oid
                || x.ty.is_int() && element.is_int()
                || x.ty.is_string() && element.is_string()
                || x.ty.is_oid() && (element.is_oid() || element.is_int())
                || x.ty.is_int() && element.is_oid())
            && element.oid != 1700
            && element.oid != 17
            && self.order_key(element, false).is_none();
        if plain {
            let rows = rows_of_array(&array);
            return Ok(Typed::new(
                format!("({} {not}IN (SELECT \"value\" FROM {rows}))", x.sql),
                Type::BOOL,
            ));
        }
        let test = self.compare(x, &inner, item, span)?;
        Ok(any_of(&test, not, &array, &alias))
    }

    /// `x LIKE ANY (array)`, `x NOT ILIKE ALL (array)`.
    pub(super) fn like_quantified(
        &mut self,
        left: &Expr,
        op: &ast::BinaryOperator,
        right: &Expr,
        all: bool,
    ) -> Result<Typed> {
        let right = match right {
            Expr::Nested(inner) => inner,
            other => other,
        };
        self.quantified(left, op, right, all)
    }

    /// An element of an array's JSON as a value of its type.
    pub(crate) fn array_item(&self, sql: &str, element: Type) -> Typed {
        let sql = match element.oid {
            17 => format!("pg_element_bytes({sql})"),
            _ => sql.to_owned(),
        };
        Typed::new(sql, element.bare())
    }

    pub(super) fn scalar_subquery(&mut self, query: &ast::Query, span: Span) -> Result<Typed> {
        let compiled = self.subquery(query)?;
        let [column] = compiled.columns.as_slice() else {
            return Err(self.error_at(span, "42601", "subquery must return only one column"));
        };
        let ty = if column.ty.oid == Type::UNKNOWN.oid {
            Type::TEXT
        } else {
            column.ty
        };
        // More than one row is an error in Postgres; where it may happen, SQLite is told to look.
        let sql = if gives_one_row(query) {
            format!("({})", compiled.sql)
        } else {
            let alias = self.fresh("o");
            let value = format!("\"{alias}\".{}", crate::sql::names::quote(&column.alias));
            format!(
                "(SELECT pg_one_row({value}, count(*)) FROM ({}) AS \"{alias}\")",
                compiled.sql
            )
        };
        let mut out = Typed::new(sql, ty);
        out.native = column.native;
        Ok(out)
    }
}

/// The elements of an array that is written out, in a cast or not.
fn written_out(array: &Expr) -> Option<Vec<Expr>> {
    match array {
        Expr::Nested(inner) => written_out(inner),
        Expr::Array(array) if !array.elem.is_empty() => {
            let nested = array.elem.iter().any(|item| matches!(item, Expr::Array(_)));
            (!nested).then(|| array.elem.clone())
        }
        Expr::Cast {
            kind,
            expr,
            data_type: ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(element, _)),
            format,
        } => Some(
            written_out(expr)?
                .into_iter()
                .map(|item| Expr::Cast {
                    kind: kind.clone(),
                    expr: Box::new(item),
                    data_type: (**element).clone(),
                    format: format.clone(),
                })
                .collect(),
        ),
        _ => None,
    }
}

/// An array's elements as rows. Of an array that is NULL nothing is known: it has one element, NULL.
fn rows_of_array(array: &Typed) -> String {
    if array.not_null {
        format!("json_each({})", array.sql)
    } else {
        format!("json_each(ifnull({}, '[null]'))", array.sql)
    }
}

/// Whether a test is true of any of an array's elements. NULLs: the aggregate over the tests knows three values.
fn any_of(test: &Typed, not: &str, array: &Typed, alias: &str) -> Typed {
    let rows = rows_of_array(array);
    let sql = format!(
        "(SELECT {not}pg_any_of(max({0}), count(*) > count({0})) FROM {rows} AS \"{alias}\")",
        test.sql
    );
    Typed::new(sql, Type::BOOL)
}

/// A query that cannot give two rows: an aggregate of all, `LIMIT 1`, no `FROM`.
fn gives_one_row(query: &ast::Query) -> bool {
    if let Some(ast::LimitClause::LimitOffset {
        limit: Some(Expr::Value(value)),
        ..
    }) = &query.limit_clause
        && matches!(&value.value, Value::Number(digits, _) if digits == "1")
    {
        return true;
    }
    let ast::SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    if select.from.is_empty() {
        return true;
    }
    let grouped =
        !matches!(&select.group_by, ast::GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    let aggregate = matches!(
        select.projection.as_slice(),
        [ast::SelectItem::UnnamedExpr(Expr::Function(function)) | ast::SelectItem::ExprWithAlias { expr: Expr::Function(function), .. }]
            if function.over.is_none() && super::aggregates::is_aggregate(&function.name)
    );
    aggregate && !grouped
}

//! Expressions.

use sqlparser::ast::{
    self, AccessExpr, Array, CastKind, DateTimeField, Expr, InTarget, Interval as IntervalExpr,
    Spanned as _, Subscript, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

use super::coerce::Context;
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, idents, literal};
use crate::types::Type;

impl Compiler<'_> {
    /// An expression; its literals may still be without a type.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<Typed> {
        let level = self.scopes.len().saturating_sub(1);
        let mark = self.scopes.get(level).map_or(0, |scope| scope.loose.len());
        let out = self.expr_inner(expr)?;
        // A whole GROUP BY expression covers the columns in it.
        if let Some(scope) = self.scopes.get_mut(level)
            && scope.loose.len() > mark
            && let Some(groups) = &scope.groups
            && groups.contains(&out.sql)
        {
            scope.loose.truncate(mark);
        }
        Ok(out)
    }

    /// An expression, made one of a type.
    pub(crate) fn expr_as(&mut self, expr: &Expr, ty: Type) -> Result<Typed> {
        let typed = self.expr(expr)?;
        self.coerce(typed, ty, Context::Implicit, expr.span())
    }

    /// A condition.
    pub(crate) fn condition(&mut self, expr: &Expr, what: &str) -> Result<Typed> {
        let typed = self.expr(expr)?;
        if !typed.is_unknown() && typed.ty.oid != Type::BOOL.oid {
            return Err(self.error_at(
                expr.span(),
                "42804",
                format!(
                    "argument of {what} must be type boolean, not type {}",
                    self.type_name(typed.ty)
                ),
            ));
        }
        self.coerce(typed, Type::BOOL, Context::Implicit, expr.span())
    }

    fn expr_inner(&mut self, expr: &Expr) -> Result<Typed> {
        let span = || expr.span();
        match expr {
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(parts) => self.resolve(&parts.iter().collect::<Vec<_>>()),
            Expr::Value(value) => self.value(value),
            Expr::Nested(inner) => self.expr(inner),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, expr),
            Expr::UnaryOp { op, expr: inner } => self.unary(op, inner, span()),
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                ..
            } => self.cast(kind, inner, data_type),
            Expr::TypedString(typed) => {
                let ty = self.data_type(&typed.data_type)?;
                // `bit '101'` has the length of its digits.
                let ty = if matches!(typed.data_type, ast::DataType::Bit(None)) {
                    ty.bare()
                } else {
                    ty
                };
                let text = self.value(&typed.value)?;
                self.coerce(text, ty, Context::Explicit, typed.value.span)
            }
            Expr::Function(function) => self.call(function, span()),
            Expr::IsNull(inner) => self.is_null(inner, "ISNULL"),
            Expr::IsNotNull(inner) => self.is_null(inner, "NOTNULL"),
            Expr::IsTrue(inner) => self.is_truth(inner, "IS TRUE"),
            Expr::IsNotTrue(inner) => self.is_truth(inner, "IS NOT TRUE"),
            Expr::IsFalse(inner) => self.is_truth(inner, "IS FALSE"),
            Expr::IsNotFalse(inner) => self.is_truth(inner, "IS NOT FALSE"),
            Expr::IsUnknown(inner) => self.is_truth(inner, "IS NULL"),
            Expr::IsNotUnknown(inner) => self.is_truth(inner, "IS NOT NULL"),
            Expr::IsDistinctFrom(a, b) => self.compare_exprs(a, "IS NOT", b),
            Expr::IsNotDistinctFrom(a, b) => self.compare_exprs(a, "IS", b),
            Expr::In {
                expr: inner,
                target,
                negated,
                ..
            } => self.in_target(inner, target, *negated),
            Expr::Between {
                expr: inner,
                negated,
                low,
                high,
            } => self.between(inner, *negated, low, high),
            Expr::Like {
                negated,
                expr: inner,
                pattern,
                escape_char,
                any: false,
            } => self.like_expr(inner, pattern, escape_char.as_deref(), *negated, false),
            Expr::ILike {
                negated,
                expr: inner,
                pattern,
                escape_char,
                any: false,
            } => self.like_expr(inner, pattern, escape_char.as_deref(), *negated, true),
            Expr::SimilarTo {
                negated,
                expr: inner,
                pattern,
                escape_char,
            } => {
                let a = self.expr_as(inner, Type::TEXT)?;
                let b = self.expr_as(pattern, Type::TEXT)?;
                let escape = match escape_char {
                    Some(escape) => self.expr_as(escape, Type::TEXT)?.sql,
                    None => literal("\\"),
                };
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::new(
                    format!("({not}pg_similar({}, {}, {escape}))", a.sql, b.sql),
                    Type::BOOL,
                ))
            }
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.quantified(left, compare_op, right, false),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(left, compare_op, right, true),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(
                operand.as_deref(),
                conditions,
                else_result.as_deref(),
                span(),
            ),
            Expr::Exists { subquery, negated } => {
                let inner = self.subquery(subquery)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::new(format!("({not}EXISTS ({}))", inner.sql), Type::BOOL).not_null())
            }
            Expr::Subquery(query) => self.scalar_subquery(query, span()),
            Expr::Tuple(items) => self.row(items),
            Expr::Array(Array { elem, .. }) => self.array(elem, span()),
            Expr::Interval(interval) => self.interval(interval, span()),
            Expr::Extract {
                field, expr: inner, ..
            } => self.extract(&field_name(field), inner, span()),
            Expr::Ceil { expr: inner, .. } => self.call_by_name("ceil", &[inner], span()),
            Expr::Floor { expr: inner, .. } => self.call_by_name("floor", &[inner], span()),
            Expr::Position { expr: needle, r#in } => {
                self.call_by_name("strpos", &[r#in, needle], span())
            }
            Expr::Substring {
                expr: inner,
                substring_from,
                substring_for,
                ..
            } => self.substring(
                inner,
                substring_from.as_deref(),
                substring_for.as_deref(),
                span(),
            ),
            Expr::Trim {
                trim_where,
                trim_what,
                expr: inner,
                trim_characters,
            } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut arguments: Vec<&Expr> = vec![inner];
                arguments.extend(trim_what.as_deref());
                arguments.extend(trim_characters.iter().flatten().take(1));
                self.call_by_name(name, &arguments, span())
            }
            Expr::Overlay {
                expr: inner,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut arguments: Vec<&Expr> = vec![inner, overlay_what, overlay_from];
                arguments.extend(overlay_for.as_deref());
                self.call_by_name("overlay", &arguments, span())
            }
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => self.at_time_zone(timestamp, time_zone, span()),
            Expr::Collate { expr: inner, .. } => self.expr(inner),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Expr::Prefixed { value, .. } => self.expr(value),
            other => Err(unsupported(format!("the expression {other}"))),
        }
    }

    fn identifier(&mut self, ident: &ast::Ident) -> Result<Typed> {
        if ident.quote_style.is_none() {
            // Words that are values, unless a column has the name.
            let special = match ident.value.to_ascii_lowercase().as_str() {
                "current_user" | "session_user" | "user" | "current_role" => Some("current_user"),
                "current_catalog" => Some("current_database"),
                "current_schema" => Some("current_schema"),
                "current_date" => Some("current_date"),
                "current_time" => Some("current_time"),
                "current_timestamp" => Some("current_timestamp"),
                "localtime" => Some("localtime"),
                "localtimestamp" => Some("localtimestamp"),
                "default" => {
                    return Err(self.error_at(
                        ident.span,
                        "42601",
                        "DEFAULT is not allowed in this context",
                    ));
                }
                _ => None,
            };
            if let Some(name) = special {
                return self.call_by_name(name, &[], ident.span);
            }
        }
        self.resolve(&[ident])
    }

    /// A literal or parameter.
    pub(crate) fn value(&mut self, value: &ValueWithSpan) -> Result<Typed> {
        let unknown = |text: String| {
            let mut out = Typed::new(literal(&text), Type::UNKNOWN).not_null();
            out.kind = Kind::Literal(text);
            out
        };
        Ok(match &value.value {
            Value::Number(digits, _) => self.number(&digits.replace('_', "")),
            Value::SingleQuotedString(text) | Value::NationalStringLiteral(text) => {
                unknown(text.clone())
            }
            Value::EscapedStringLiteral(text) => unknown(text.clone()),
            Value::UnicodeStringLiteral(text) => unknown(text.clone()),
            Value::DollarQuotedString(text) => unknown(text.value.clone()),
            Value::Boolean(truth) => {
                Typed::new(if *truth { "1" } else { "0" }, Type::BOOL).not_null()
            }
            Value::Null => {
                let mut out = Typed::new("NULL", Type::UNKNOWN);
                out.kind = Kind::Null;
                out
            }
            Value::Placeholder(name) => self.parameter(name, value.span)?,
            Value::HexStringLiteral(digits) => {
                let mut bits = String::new();
                for digit in digits.chars() {
                    let value = digit.to_digit(16).ok_or_else(|| {
                        self.error_at(
                            value.span,
                            "22P02",
                            format!("\"{digit}\" is not a valid hexadecimal digit"),
                        )
                    })?;
                    bits.push_str(&format!("{value:04b}"));
                }
                Typed::new(literal(&bits), Type::of(1560)).not_null()
            }
            Value::SingleQuotedByteStringLiteral(bits) => {
                let typed = unknown(bits.clone());
                self.coerce(typed, Type::of(1560), Context::Implicit, value.span)?
            }
            other => {
                return Err(self.error_at(
                    value.span,
                    "42601",
                    format!("syntax error at or near \"{other}\""),
                ));
            }
        })
    }

    fn parameter(&mut self, name: &str, span: Span) -> Result<Typed> {
        let index = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|index| (1..=65_535).contains(index))
            .ok_or_else(|| self.error_at(span, "42P02", format!("there is no parameter {name}")))?;
        if self.parameters.len() < index {
            self.parameters.resize(index, None);
        }
        let mut out = Typed::new(
            format!("?{index}"),
            self.parameters[index - 1].unwrap_or(Type::UNKNOWN),
        );
        out.kind = Kind::Parameter(index);
        Ok(out)
    }

    fn is_null(&mut self, inner: &Expr, word: &str) -> Result<Typed> {
        let typed = self.expr(inner)?;
        if let Kind::Row(items) = &typed.kind {
            let test = if word == "ISNULL" {
                "ISNULL"
            } else {
                "NOTNULL"
            };
            let parts: Vec<String> = items
                .iter()
                .map(|(_, item)| format!("({} {test})", item.sql))
                .collect();
            return Ok(Typed::new(format!("({})", parts.join(" AND ")), Type::BOOL).not_null());
        }
        let typed = self.settled(typed, inner.span())?;
        Ok(Typed::new(format!("({} {word})", typed.sql), Type::BOOL).not_null())
    }

    fn is_truth(&mut self, inner: &Expr, test: &str) -> Result<Typed> {
        let typed = self.condition(inner, test)?;
        Ok(Typed::new(format!("({} {test})", typed.sql), Type::BOOL).not_null())
    }

    pub(crate) fn compare_exprs(&mut self, a: &Expr, operator: &str, b: &Expr) -> Result<Typed> {
        let left = self.expr(a)?;
        let right = self.expr(b)?;
        self.compare(left, operator, right, a.span())
    }

    fn between(&mut self, inner: &Expr, negated: bool, low: &Expr, high: &Expr) -> Result<Typed> {
        let x = self.expr(inner)?;
        let low_typed = self.expr(low)?;
        let high_typed = self.expr(high)?;
        // An untyped x takes its type from the bounds.
        let lower = self.compare(x.clone(), ">=", low_typed, low.span())?;
        let upper = self.compare(x, "<=", high_typed, high.span())?;
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(
            format!("({not}({} AND {}))", lower.sql, upper.sql),
            Type::BOOL,
        ))
    }

    fn like_expr(
        &mut self,
        inner: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
        fold: bool,
    ) -> Result<Typed> {
        let a = self.expr(inner)?;
        let b = self.expr(pattern)?;
        let escape = escape.map(|escape| self.expr(escape)).transpose()?;
        self.like(a, b, escape, negated, fold, inner.span())
    }

    fn in_target(&mut self, inner: &Expr, target: &InTarget, negated: bool) -> Result<Typed> {
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

    fn quantified(
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
            let test = self.binary_typed(x, op, item, span)?;
            let (exists, test) = if all {
                ("NOT EXISTS", format!("NOT {}", test.sql))
            } else {
                ("EXISTS", test.sql)
            };
            return Ok(Typed::new(
                format!(
                    "({exists} (SELECT 1 FROM json_each({}) AS \"{alias}\" WHERE {test}))",
                    array.sql
                ),
                Type::BOOL,
            ));
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
            let test = format!(
                "({} {not}IN (SELECT \"value\" FROM json_each({})))",
                x.sql, array.sql
            );
            // Of an array that is NULL nothing is known; `json_each` has no rows of it.
            let sure = array.not_null || matches!(array.kind, Kind::Parameter(_)) && !negated;
            let test = if sure {
                test
            } else {
                format!("(CASE WHEN {} NOTNULL THEN {test} END)", array.sql)
            };
            return Ok(Typed::new(test, Type::BOOL));
        }
        let test = self.compare(x, &inner, item, span)?;
        Ok(Typed::new(
            format!(
                "(SELECT {not}pg_any_of(max({0}), count(*) > count({0})) FROM json_each({1}) AS \"{alias}\")",
                test.sql, array.sql
            ),
            Type::BOOL,
        ))
    }

    /// An element of an array's JSON as a value of its type.
    pub(crate) fn array_item(&self, sql: &str, element: Type) -> Typed {
        let sql = match element.oid {
            17 => format!("pg_element_bytes({sql})"),
            _ => sql.to_owned(),
        };
        Typed::new(sql, element.bare())
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Expr>,
        span: Span,
    ) -> Result<Typed> {
        let operand = operand.map(|operand| self.expr(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let test = match &operand {
                Some(operand) => {
                    let value = self.expr(&when.condition)?;
                    self.compare(operand.clone(), "=", value, when.condition.span())?
                }
                None => self.condition(&when.condition, "CASE/WHEN")?,
            };
            tests.push(test.sql);
            results.push(self.expr(&when.result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expr(otherwise)?);
        }
        let (results, ty) = self.unify(results, "CASE", span)?;
        let not_null = otherwise.is_some() && results.iter().all(|result| result.not_null);
        let native = ty.oid == 1700 && results.iter().all(|result| self.is_native(result));
        let mut sql = String::from("CASE");
        for (index, result) in results.iter().enumerate() {
            match tests.get(index) {
                Some(test) => sql.push_str(&format!(" WHEN {test} THEN {}", result.sql)),
                None => sql.push_str(&format!(" ELSE {}", result.sql)),
            }
        }
        let mut out = Typed::new(format!("({sql} END)"), ty);
        out.not_null = not_null;
        out.native = native;
        Ok(out)
    }

    fn scalar_subquery(&mut self, query: &ast::Query, span: Span) -> Result<Typed> {
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

    fn row(&mut self, items: &[Expr]) -> Result<Typed> {
        let mut row = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let typed = self.expr(item)?;
            row.push((format!("f{}", index + 1), typed));
        }
        let mut out = Typed::new("NULL", Type::RECORD);
        out.kind = Kind::Row(row);
        Ok(out)
    }

    /// `ARRAY[…]`.
    pub(crate) fn array(&mut self, items: &[Expr], span: Span) -> Result<Typed> {
        let mut typed = Vec::new();
        for item in items {
            typed.push(match item {
                // Inner brackets of several dimensions.
                Expr::Array(Array { elem, .. }) => self.array(elem, span)?,
                other => self.expr(other)?,
            });
        }
        if typed.is_empty() {
            let mut out = Typed::new(literal("[]"), Type::UNKNOWN);
            out.kind = Kind::Literal("{}".to_owned());
            return Ok(out);
        }
        let (typed, ty) = self.unify(typed, "ARRAY", span)?;
        if ty.element().is_some() {
            let parts: Vec<String> = typed
                .iter()
                .map(|item| format!("json({})", item.sql))
                .collect();
            return Ok(Typed::new(format!("json_array({})", parts.join(", ")), ty).not_null());
        }
        let parts: Vec<String> = typed.iter().map(|item| self.as_item(item)).collect();
        Ok(Typed::new(
            format!("json_array({})", parts.join(", ")),
            ty.bare().array(),
        )
        .not_null())
    }

    /// A value as an element of a JSON array: text of JSON's own stays text.
    pub(crate) fn as_item(&self, item: &Typed) -> String {
        match item.ty.oid {
            17 => format!("pg_bytes_element({})", item.sql),
            1700 => self.numeric_text(item.clone()).sql,
            _ => item.sql.clone(),
        }
    }

    fn interval(&mut self, interval: &IntervalExpr, span: Span) -> Result<Typed> {
        let typed = self.expr(&interval.value)?;
        let field = interval
            .last_field
            .as_ref()
            .or(interval.leading_field.as_ref())
            .map(field_name);
        match &typed.kind {
            Kind::Literal(written) => {
                let value = crate::types::interval::Interval::parse(written, field.as_deref());
                let value = self.place(value, span)?;
                Ok(Typed::new(literal(&value.text()), Type::INTERVAL).not_null())
            }
            Kind::Number(digits) => {
                let value = crate::types::interval::Interval::parse(digits, field.as_deref());
                let value = self.place(value, span)?;
                Ok(Typed::new(literal(&value.text()), Type::INTERVAL).not_null())
            }
            _ => self.coerce(typed, Type::INTERVAL, Context::Explicit, span),
        }
    }

    fn cast(&mut self, kind: &CastKind, inner: &Expr, data_type: &ast::DataType) -> Result<Typed> {
        if matches!(kind, CastKind::TryCast | CastKind::SafeCast) {
            return Err(unsupported("TRY_CAST"));
        }
        let ty = self.place(self.data_type(data_type), inner.span())?;
        // `ARRAY[]::int[]`, `ARRAY['1']::int[]`: elements of the type.
        if let (Expr::Array(Array { elem, .. }), Some(element)) = (inner, ty.element())
            && !elem.iter().any(|item| matches!(item, Expr::Array(_)))
        {
            let mut parts = Vec::new();
            for item in elem {
                let typed = self.expr(item)?;
                let typed = self.coerce(typed, element, Context::Explicit, item.span())?;
                parts.push(self.as_item(&typed));
            }
            return Ok(Typed::new(format!("json_array({})", parts.join(", ")), ty).not_null());
        }
        let typed = self.expr(inner)?;
        self.coerce(typed, ty, Context::Explicit, inner.span())
    }

    fn at_time_zone(&mut self, timestamp: &Expr, zone: &Expr, span: Span) -> Result<Typed> {
        let zone = self.expr(zone)?;
        let zone = match zone.ty.oid {
            1186 => zone,
            _ => self.text(zone, span)?,
        };
        let stamp = self.expr(timestamp)?;
        let stamp = match stamp.ty.oid {
            1114 | 1184 | 1083 | 1266 => stamp,
            1082 => self.coerce(stamp, Type::TIMESTAMPTZ, Context::Implicit, span)?,
            _ => self.coerce(stamp, Type::TIMESTAMPTZ, Context::Implicit, span)?,
        };
        match stamp.ty.oid {
            1114 => Ok(Typed::new(
                format!("pg_zone_to_utc({}, {})", stamp.sql, zone.sql),
                Type::TIMESTAMPTZ,
            )),
            1184 => Ok(Typed::new(
                format!("pg_zone_from_utc({}, {})", stamp.sql, zone.sql),
                Type::TIMESTAMP,
            )),
            _ => Err(unsupported("AT TIME ZONE of times of day")),
        }
    }

    /// `a[1]`, `a[1:2]`, `(row).field`, `j['key']`.
    fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Typed> {
        let span = root.span();
        // `schema.table.column[1]` comes as a chain of dots.
        let mut parts: Vec<&ast::Ident> = Vec::new();
        let mut rest = chain;
        if let Expr::Identifier(ident) = root {
            parts.push(ident);
            while let [AccessExpr::Dot(Expr::Identifier(ident)), after @ ..] = rest {
                parts.push(ident);
                rest = after;
            }
        }
        let mut typed = if parts.is_empty() {
            self.expr(root)?
        } else {
            self.resolve(&parts)?
        };
        while let Some((first, after)) = rest.split_first() {
            // Subscripts of several dimensions go together.
            let indexes: Vec<&Expr> = rest
                .iter()
                .map_while(|access| match access {
                    AccessExpr::Subscript(Subscript::Index { index }) => Some(index),
                    _ => None,
                })
                .collect();
            if indexes.len() > 1 && typed.ty.element().is_some() {
                rest = &rest[indexes.len()..];
                typed = self.subscripts(typed, &indexes)?;
                continue;
            }
            rest = after;
            typed = match first {
                AccessExpr::Dot(field) => self.field(typed, field, span)?,
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.expr(index)?;
                    self.subscript(typed, index, span)?
                }
                AccessExpr::Subscript(Subscript::Slice {
                    lower_bound,
                    upper_bound,
                    ..
                }) => {
                    let mut bound = |bound: &Option<Expr>| -> Result<String> {
                        match bound {
                            Some(bound) => Ok(self.expr_as(bound, Type::INT4)?.sql),
                            None => Ok("NULL".to_owned()),
                        }
                    };
                    let (low, high) = (bound(lower_bound)?, bound(upper_bound)?);
                    Typed::new(
                        format!("pg_array_slice({}, {low}, {high})", typed.sql),
                        typed.ty,
                    )
                }
            };
        }
        Ok(typed)
    }

    fn subscripts(&mut self, typed: Typed, indexes: &[&Expr]) -> Result<Typed> {
        let mut sql = typed.sql.clone();
        for index in indexes {
            let index = self.expr_as(index, Type::INT4)?;
            sql = format!("pg_array_get({sql}, {}, 1)", index.sql);
        }
        Ok(self.array_item(&sql, typed.ty.element().unwrap_or(Type::TEXT)))
    }

    fn subscript(&mut self, typed: Typed, index: Typed, span: Span) -> Result<Typed> {
        if typed.ty.oid == Type::JSONB.oid {
            return self.json_get(typed, index, false, span);
        }
        if typed.ty.oid == Type::NAME.oid {
            // A name is an array of its characters, from 0.
            let index = self.coerce(index, Type::INT4, Context::Implicit, span)?;
            return Ok(Typed::new(
                format!("substr({}, {} + 1, 1)", typed.sql, index.sql),
                Type::of(18),
            ));
        }
        let Some(element) = typed.ty.element() else {
            return Err(self.error_at(
                span,
                "42804",
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    self.type_name(typed.ty)
                ),
            ));
        };
        // int2vector and oidvector count from 0.
        let base = i64::from(!matches!(typed.ty.oid, 22 | 30));
        let literal_index = match &index.kind {
            Kind::Number(digits) => digits.parse::<i64>().ok().filter(|index| *index >= base),
            _ => None,
        };
        let index = self.coerce(index, Type::INT4, Context::Implicit, span)?;
        let item = match literal_index {
            Some(value) => format!("({} ->> {})", typed.sql, value - base),
            None => format!("pg_array_get({}, {}, {base})", typed.sql, index.sql),
        };
        let mut out = self.array_item(&item, element);
        // A further subscript goes into a nested array.
        out.ty.modifier = typed.ty.modifier;
        Ok(out)
    }

    fn field(&mut self, typed: Typed, field: &Expr, span: Span) -> Result<Typed> {
        let name = match field {
            Expr::Identifier(ident) => fold(ident),
            other => return Err(unsupported(format!("the field {other}"))),
        };
        if let Kind::Row(items) = &typed.kind
            && let Some((_, item)) = items.iter().find(|(key, _)| *key == name)
        {
            return Ok(item.clone());
        }
        Err(self.error_at(
            span,
            "42703",
            format!(
                "column \"{name}\" not found in data type {}",
                self.type_name(typed.ty)
            ),
        ))
    }
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

/// The name of a field of `EXTRACT`.
pub(crate) fn field_name(field: &DateTimeField) -> String {
    field.to_string().trim_matches('\'').to_lowercase()
}

/// The name of a function, `pg_catalog.` left out; none where it is in another schema.
pub(crate) fn function_name(name: &ast::ObjectName) -> Result<String> {
    let parts = idents(name)?;
    match parts.as_slice() {
        [name] => Ok(fold(name)),
        [schema, name] => match fold(schema).as_str() {
            "pg_catalog" | "public" => Ok(fold(name)),
            "information_schema" => Ok(format!("information_schema.{}", fold(name))),
            other => Err(PgError::new(
                "3F000",
                format!("schema \"{other}\" has no function {}", fold(name)),
            )),
        },
        _ => Err(PgError::new(
            "42601",
            format!("improper qualified name (too many dotted names): {name}"),
        )),
    }
}

//! Expressions: each form of the syntax tree made a [`Typed`].
//!
//! | | |
//! | --- | --- |
//! | `expr`, `expr_as`, `condition` | an expression; one of a type; one that is true or not |
//! | `expr_inner` | which form goes where |
//! | names, literals, parameters | here |
//! | `IN`, `ANY`, queries as values | [`subqueries`](super::subqueries) |
//! | rows, arrays, fields | [`parts`](super::parts) |
//! | operators | [`operators`](super::operators), [`compare`](super::compare), [`arithmetic`](super::arithmetic) |

use super::coerce::Context;
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, idents, literal};
use crate::types::Type;
use sqlparser::ast::{
    self, Array, BinaryOperator, CastKind, DateTimeField, Expr, Interval as IntervalExpr,
    Spanned as _, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

impl Compiler<'_> {
    /// An expression; its literals may still be without a type.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<Typed> {
        self.step()?;
        let level = self.scopes.len().saturating_sub(1);
        let mark = self.scopes.get(level).map_or(0, |scope| scope.loose.len());
        let out = self.expr_inner(expr)?;
        self.must_be_short(&out.sql)?;
        // A whole GROUP BY expression covers the columns in it.
        if let Some(scope) = self.scopes.get_mut(level)
            && scope.loose.len() > mark
            && let Some(groups) = &scope.groups
            && groups.contains(&out.sql)
        {
            scope.loose.truncate(mark);
        }
        Ok(self.in_set(level, out))
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
            Expr::Like {
                negated,
                expr: inner,
                pattern,
                escape_char: None,
                any: true,
            } => self.like_quantified(inner, &like_operator(*negated, false), pattern, false),
            Expr::ILike {
                negated,
                expr: inner,
                pattern,
                escape_char: None,
                any: true,
            } => self.like_quantified(inner, &like_operator(*negated, true), pattern, false),
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
        if let Some(array) = all_of(pattern)
            && escape.is_none()
        {
            let op = like_operator(negated, fold);
            return self.like_quantified(inner, &op, array, true);
        }
        let a = self.expr(inner)?;
        let b = self.expr(pattern)?;
        let escape = escape.map(|escape| self.expr(escape)).transpose()?;
        self.like(a, b, escape, negated, fold, inner.span())
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
}

/// `LIKE` and `ILIKE` as operators, which `ANY` and `ALL` take.
fn like_operator(negated: bool, fold: bool) -> BinaryOperator {
    match (negated, fold) {
        (false, false) => BinaryOperator::PGLikeMatch,
        (true, false) => BinaryOperator::PGNotLikeMatch,
        (false, true) => BinaryOperator::PGILikeMatch,
        (true, true) => BinaryOperator::PGNotILikeMatch,
    }
}

/// The array of `LIKE ALL (array)`, which the parser reads as a call.
fn all_of(pattern: &Expr) -> Option<&Expr> {
    let Expr::Function(function) = pattern else {
        return None;
    };
    let name = function_name(&function.name).ok()?;
    let arguments = super::call::Arguments::of(function).ok()?;
    match arguments.exprs.as_slice() {
        [only] if name == "all" => Some(only),
        _ => None,
    }
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

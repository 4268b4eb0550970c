//! Operators: which function or operator of SQLite's each is.

use sqlparser::ast::{BinaryOperator, Expr, Spanned as _, UnaryOperator};
use sqlparser::tokenizer::Span;

use super::coerce::Context;
use super::{Compiler, Typed, unsupported};
use crate::error::Result;
use crate::types::Type;

/// The comparison that an operator is.
pub(crate) fn comparison(op: &BinaryOperator) -> Option<&'static str> {
    Some(match name_of(op).as_str() {
        "=" => "=",
        "<>" => "<>",
        "<" => "<",
        "<=" => "<=",
        ">" => ">",
        ">=" => ">=",
        _ => return None,
    })
}

/// The comparison that is true where another is false.
pub(crate) fn negated_comparison(operator: &str) -> &'static str {
    match operator {
        "=" => "<>",
        "<>" => "=",
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        _ => "<",
    }
}

/// An operator as it is written; `OPERATOR(schema.op)` without the schema.
fn name_of(op: &BinaryOperator) -> String {
    match op {
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last().cloned().unwrap_or_default(),
        BinaryOperator::NotEq => "<>".to_owned(),
        BinaryOperator::PGExp => "^".to_owned(),
        BinaryOperator::BitwiseXor | BinaryOperator::PGBitwiseXor => "#".to_owned(),
        other => other.to_string(),
    }
}

impl Compiler<'_> {
    pub(crate) fn binary(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        whole: &Expr,
    ) -> Result<Typed> {
        let word = match op {
            BinaryOperator::And => Some("AND"),
            BinaryOperator::Or => Some("OR"),
            _ => None,
        };
        if let Some(word) = word {
            let a = self.condition(left, word)?;
            let b = self.condition(right, word)?;
            let mut out = Typed::new(format!("({} {word} {})", a.sql, b.sql), Type::BOOL);
            out.not_null = a.not_null && b.not_null;
            return Ok(out);
        }
        let span = left.span();
        // `->-1` is read as one operator.
        if let Some(bare) = op
            .to_string()
            .strip_suffix('-')
            .filter(|bare| matches!(*bare, "->" | "->>" | "=" | "<" | ">" | "+" | "*" | "/"))
        {
            let a = self.expr(left)?;
            let b = self.unary(&UnaryOperator::Minus, right, span)?;
            let bare = match bare {
                "->" => BinaryOperator::Arrow,
                "->>" => BinaryOperator::LongArrow,
                other => BinaryOperator::PGCustomBinaryOperator(vec![other.to_owned()]),
            };
            return self.binary_typed(a, &bare, b, span);
        }
        if matches!(op, BinaryOperator::Overlaps) {
            return self.overlaps(left, right, whole.span());
        }
        // `x op ANY (…)` with an operator that the parser does not know.
        if let Expr::Function(function) = right
            && let Some(all) = any_or_all(function)
        {
            return self.any_of_function(left, op, function, all);
        }
        let a = self.expr(left)?;
        let b = self.expr(right)?;
        self.binary_typed(a, op, b, span)
    }

    fn any_of_function(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        function: &sqlparser::ast::Function,
        all: bool,
    ) -> Result<Typed> {
        use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
        let inner = match &function.args {
            FunctionArguments::Subquery(query) => Expr::Subquery(query.clone()),
            FunctionArguments::List(list) => match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => expr.clone(),
                _ => return Err(unsupported(function)),
            },
            FunctionArguments::None => return Err(unsupported(function)),
        };
        let whole = if all {
            Expr::AllOp {
                left: Box::new(left.clone()),
                compare_op: op.clone(),
                right: Box::new(inner),
            }
        } else {
            Expr::AnyOp {
                left: Box::new(left.clone()),
                compare_op: op.clone(),
                right: Box::new(inner),
                is_some: false,
            }
        };
        self.expr(&whole)
    }

    /// `a op b` of compiled operands.
    pub(crate) fn binary_typed(
        &mut self,
        a: Typed,
        op: &BinaryOperator,
        b: Typed,
        span: Span,
    ) -> Result<Typed> {
        let name = name_of(op);
        if let Some(operator) = comparison(op) {
            return self.compare(a, operator, b, span);
        }
        match name.as_str() {
            "+" | "-" | "*" | "/" | "%" | "^" => self.arithmetic(a, &name, b, span),
            "||" => self.concat(a, b, span),
            "&" | "|" | "#" | "<<" | ">>" => self.bits(a, &name, b, span),
            "~" | "~*" | "!~" | "!~*" => self.regex(a, &name, b, span),
            "~~" => self.like(a, b, None, false, false, span),
            "!~~" => self.like(a, b, None, true, false, span),
            "~~*" => self.like(a, b, None, false, true, span),
            "!~~*" => self.like(a, b, None, true, true, span),
            "^@" => {
                let (a, b) = (self.text(a, span)?, self.text(b, span)?);
                Ok(Typed::new(
                    format!("pg_starts_with({}, {})", a.sql, b.sql),
                    Type::BOOL,
                ))
            }
            "->" => self.json_get(a, b, false, span),
            "->>" => self.json_get(a, b, true, span),
            "#>" => self.json_path(a, b, false, span),
            "#>>" => self.json_path(a, b, true, span),
            "#-" => {
                let b = self.coerce(b, Type::TEXT_ARRAY, Context::Implicit, span)?;
                Ok(Typed::new(
                    format!("pg_jsonb_delete_path({}, {})", a.sql, b.sql),
                    Type::JSONB,
                ))
            }
            "@>" | "<@" => self.contains(a, &name, b, span),
            "&&" => self.overlap(a, b, span),
            "?" => {
                let b = self.text(b, span)?;
                Ok(Typed::new(
                    format!("pg_jsonb_exists({}, {})", a.sql, b.sql),
                    Type::BOOL,
                ))
            }
            "?|" | "?&" => {
                let b = self.coerce(b, Type::TEXT_ARRAY, Context::Implicit, span)?;
                let all = i32::from(name == "?&");
                Ok(Typed::new(
                    format!("pg_jsonb_exists_of({}, {}, {all})", a.sql, b.sql),
                    Type::BOOL,
                ))
            }
            "@@" => Err(unsupported("full-text search with @@")),
            _ => Err(self.no_operator(a.ty, &name, b.ty, span)),
        }
    }

    fn concat(&mut self, a: Typed, b: Typed, span: Span) -> Result<Typed> {
        let (a, b) = (self.checked(a), self.checked(b));
        if a.ty.oid == Type::JSONB.oid || b.ty.oid == Type::JSONB.oid {
            let (a, b) = (
                self.coerce(a, Type::JSONB, Context::Implicit, span)?,
                self.coerce(b, Type::JSONB, Context::Implicit, span)?,
            );
            return Ok(Typed::new(
                format!("pg_jsonb_concat({}, {})", a.sql, b.sql),
                Type::JSONB,
            ));
        }
        match (a.ty.element(), b.ty.element()) {
            (None, None) => {}
            (Some(_), Some(_)) => {
                let (a, b, ty) = self.pair(a, b, "||", span)?;
                return Ok(Typed::new(
                    format!("pg_array_cat({}, {})", a.sql, b.sql),
                    ty,
                ));
            }
            (Some(element), None) => {
                let ty = a.ty;
                if b.is_unknown() {
                    let b = self.coerce(b, ty, Context::Implicit, span)?;
                    return Ok(Typed::new(
                        format!("pg_array_cat({}, {})", a.sql, b.sql),
                        ty,
                    ));
                }
                let b = self.coerce(b, element, Context::Implicit, span)?;
                return Ok(Typed::new(
                    format!("pg_array_append({}, {})", a.sql, self.as_item(&b)),
                    ty,
                ));
            }
            (None, Some(element)) => {
                let ty = b.ty;
                if a.is_unknown() {
                    let a = self.coerce(a, ty, Context::Implicit, span)?;
                    return Ok(Typed::new(
                        format!("pg_array_cat({}, {})", a.sql, b.sql),
                        ty,
                    ));
                }
                let a = self.coerce(a, element, Context::Implicit, span)?;
                return Ok(Typed::new(
                    format!("pg_array_prepend({}, {})", self.as_item(&a), b.sql),
                    ty,
                ));
            }
        }
        if a.ty.oid == Type::BYTEA.oid || b.ty.oid == Type::BYTEA.oid {
            let (a, b) = (
                self.coerce(a, Type::BYTEA, Context::Implicit, span)?,
                self.coerce(b, Type::BYTEA, Context::Implicit, span)?,
            );
            return Ok(Typed::new(
                format!("pg_bytea_cat({}, {})", a.sql, b.sql),
                Type::BYTEA,
            ));
        }
        if matches!(a.ty.oid, 1560 | 1562) && matches!(b.ty.oid, 1560 | 1562) {
            return Ok(Typed::new(
                format!("({} || {})", a.sql, b.sql),
                Type::of(1562),
            ));
        }
        let stringy = |typed: &Typed| typed.is_unknown() || typed.ty.is_string();
        if !stringy(&a) && !stringy(&b) {
            return Err(self.no_operator(a.ty, "||", b.ty, span));
        }
        let (a, b) = (self.shown(a, span)?, self.shown(b, span)?);
        let mut out = Typed::new(format!("({} || {})", a.sql, b.sql), Type::TEXT);
        out.not_null = a.not_null && b.not_null;
        Ok(out)
    }

    /// Any value as its text.
    pub(crate) fn shown(&mut self, typed: Typed, span: Span) -> Result<Typed> {
        self.coerce(typed, Type::TEXT, Context::Explicit, span)
    }

    fn regex(&mut self, a: Typed, operator: &str, b: Typed, span: Span) -> Result<Typed> {
        if !a.is_unknown() && !a.ty.is_string() {
            return Err(self.no_operator(a.ty, operator, b.ty, span));
        }
        let (a, b) = (self.text(a, span)?, self.text(b, span)?);
        let fold = i32::from(operator.ends_with('*'));
        let not = if operator.starts_with('!') {
            "NOT "
        } else {
            ""
        };
        Ok(Typed::new(
            format!("({not}pg_regex({}, {}, {fold}))", a.sql, b.sql),
            Type::BOOL,
        ))
    }

    /// `a -> b`, `a ->> b`.
    pub(crate) fn json_get(&mut self, a: Typed, b: Typed, text: bool, span: Span) -> Result<Typed> {
        let a = self.json(a, if text { "->>" } else { "->" }, span)?;
        let b = if b.ty.is_int() {
            b
        } else {
            self.text(b, span)?
        };
        let (function, ty) = if text {
            ("pg_json_get_text", Type::TEXT)
        } else {
            ("pg_json_get", a.ty)
        };
        let b = self.checked(b);
        Ok(Typed::new(format!("{function}({}, {})", a.sql, b.sql), ty))
    }

    fn json(&mut self, a: Typed, operator: &str, span: Span) -> Result<Typed> {
        if a.is_unknown() {
            return self.coerce(a, Type::JSONB, Context::Implicit, span);
        }
        if !matches!(a.ty.oid, 114 | 3802) {
            return Err(self.no_operator(a.ty, operator, Type::UNKNOWN, span));
        }
        Ok(a)
    }

    fn json_path(&mut self, a: Typed, b: Typed, text: bool, span: Span) -> Result<Typed> {
        let a = self.json(a, "#>", span)?;
        let b = self.coerce(b, Type::TEXT_ARRAY, Context::Implicit, span)?;
        let (function, ty) = if text {
            ("pg_json_path_text", Type::TEXT)
        } else {
            ("pg_json_path", a.ty)
        };
        Ok(Typed::new(format!("{function}({}, {})", a.sql, b.sql), ty))
    }

    /// `jsonb - key`, `jsonb - index`, `jsonb - keys`.
    pub(crate) fn json_delete(&mut self, a: Typed, b: Typed, span: Span) -> Result<Typed> {
        let b = if b.ty.is_int() || b.ty.element().is_some() {
            self.checked(b)
        } else {
            self.text(b, span)?
        };
        let many = i32::from(b.ty.element().is_some());
        Ok(Typed::new(
            format!("pg_jsonb_delete({}, {}, {many})", a.sql, b.sql),
            Type::JSONB,
        ))
    }

    fn contains(&mut self, a: Typed, operator: &str, b: Typed, span: Span) -> Result<Typed> {
        let (a, b, ty) = self.pair(a, b, operator, span)?;
        let (outer, inner) = if operator == "@>" { (a, b) } else { (b, a) };
        let function = match ty.oid {
            3802 => "pg_jsonb_contains",
            _ if ty.element().is_some() => "pg_array_contains",
            _ => return Err(self.no_operator(outer.ty, operator, inner.ty, span)),
        };
        Ok(Typed::new(
            format!("{function}({}, {})", outer.sql, inner.sql),
            Type::BOOL,
        ))
    }

    fn overlap(&mut self, a: Typed, b: Typed, span: Span) -> Result<Typed> {
        let (a, b, ty) = self.pair(a, b, "&&", span)?;
        if ty.element().is_none() {
            return Err(self.no_operator(a.ty, "&&", b.ty, span));
        }
        Ok(Typed::new(
            format!("pg_array_overlap({}, {})", a.sql, b.sql),
            Type::BOOL,
        ))
    }

    /// `(a, b) OVERLAPS (c, d)`.
    fn overlaps(&mut self, left: &Expr, right: &Expr, span: Span) -> Result<Typed> {
        let mut ends = Vec::new();
        for side in [left, right] {
            let Expr::Tuple(items) = side else {
                return Err(unsupported("OVERLAPS of anything but pairs"));
            };
            let [start, end] = items.as_slice() else {
                return Err(self.error_at(
                    span,
                    "42601",
                    "wrong number of parameters on either side of OVERLAPS expression",
                ));
            };
            let start = self.expr_as(start, Type::TIMESTAMP)?;
            let end = self.expr(end)?;
            let end = if end.ty.oid == Type::INTERVAL.oid {
                Typed::new(
                    format!("pg_timestamp_add({}, {})", start.sql, end.sql),
                    Type::TIMESTAMP,
                )
            } else {
                self.coerce(end, Type::TIMESTAMP, Context::Implicit, span)?
            };
            ends.push((start.sql, end.sql));
        }
        let [(a, b), (c, d)] = ends.as_slice() else {
            return Err(unsupported("OVERLAPS"));
        };
        Ok(Typed::new(
            format!(
                "(CASE WHEN min({a}, {b}) = min({c}, {d}) THEN 1 WHEN min({a}, {b}) < min({c}, {d}) THEN max({a}, {b}) > min({c}, {d}) ELSE max({c}, {d}) > min({a}, {b}) END)"
            ),
            Type::BOOL,
        ))
    }

    pub(crate) fn unary(&mut self, op: &UnaryOperator, inner: &Expr, span: Span) -> Result<Typed> {
        match op {
            UnaryOperator::Not => {
                let typed = self.condition(inner, "NOT")?;
                let mut out = Typed::new(format!("(NOT {})", typed.sql), Type::BOOL);
                out.not_null = typed.not_null;
                Ok(out)
            }
            UnaryOperator::Plus => self.expr(inner),
            UnaryOperator::Minus => {
                if let Some(power) = power_of_negative(inner) {
                    return self.expr(&power);
                }
                let typed = self.expr(inner)?;
                self.negate(typed, span)
            }
            UnaryOperator::BitwiseNot => {
                let typed = self.expr(inner)?;
                let typed = if typed.is_unknown() {
                    self.coerce(typed, Type::INT4, Context::Implicit, span)?
                } else {
                    self.checked(typed)
                };
                Ok(Typed::new(format!("(~{})", typed.sql), typed.ty))
            }
            UnaryOperator::PGAbs => self.call_by_name("abs", &[inner], span),
            UnaryOperator::PGSquareRoot => self.call_by_name("sqrt", &[inner], span),
            UnaryOperator::PGCubeRoot => self.call_by_name("cbrt", &[inner], span),
            UnaryOperator::PGPrefixFactorial | UnaryOperator::PGPostfixFactorial => {
                self.call_by_name("factorial", &[inner], span)
            }
            other => Err(unsupported(format!("the operator {other}"))),
        }
    }
}

/// `ANY(…)`, `ALL(…)` parsed as a function.
fn any_or_all(function: &sqlparser::ast::Function) -> Option<bool> {
    match function.name.to_string().to_ascii_lowercase().as_str() {
        "any" | "some" => Some(false),
        "all" => Some(true),
        _ => None,
    }
}

/// Minus binds closer than a power in Postgres, which the parser does not know: `- a ^ b` is `(- a) ^ b`. `inner` is
/// what stands behind the minus.
fn power_of_negative(inner: &Expr) -> Option<Expr> {
    let (left, op, right) = match inner {
        Expr::BinaryOp {
            left,
            op: op @ BinaryOperator::PGExp,
            right,
        } => (left.clone(), op.clone(), right.clone()),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match power_of_negative(expr)? {
            Expr::BinaryOp { left, op, right } => (left, op, right),
            _ => return None,
        },
        _ => return None,
    };
    Some(Expr::BinaryOp {
        left: Box::new(Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: left,
        }),
        op,
        right,
    })
}

//! `+ - * / % ^` and the bit operators, by the operands' types.

use sqlparser::tokenizer::Span;

use super::coerce::{Context, common};
use super::{Compiler, Kind, Typed};
use crate::error::Result;
use crate::types::Type;

impl Compiler<'_> {
    /// `a op b` for `+ - * / % ^`.
    pub(crate) fn arithmetic(
        &mut self,
        a: Typed,
        operator: &str,
        b: Typed,
        span: Span,
    ) -> Result<Typed> {
        if let Some(out) = self.time_arithmetic(&a, operator, &b, span)? {
            return Ok(out);
        }
        if operator == "-" && a.ty.oid == Type::JSONB.oid {
            return self.json_delete(a, b, span);
        }
        let numeric = |typed: &Typed| {
            typed.is_unknown()
                || typed.ty.is_int()
                || typed.ty.is_float()
                || typed.ty.oid == 1700
                || typed.ty.oid == 26
        };
        if !numeric(&a) || !numeric(&b) {
            return Err(self.no_operator(a.ty, operator, b.ty, span));
        }
        if a.is_unknown() && b.is_unknown() {
            if matches!(
                (&a.kind, &b.kind),
                (Kind::Parameter(_), Kind::Parameter(_)) | (Kind::Null, _) | (_, Kind::Null)
            ) {
                let a = self.coerce(a, Type::INT4, Context::Implicit, span)?;
                let b = self.coerce(b, Type::INT4, Context::Implicit, span)?;
                return self.arithmetic(a, operator, b, span);
            }
            return Err(self.error_at(
                span,
                "42725",
                format!("operator is not unique: unknown {operator} unknown"),
            ));
        }
        let ty = common(a.ty, b.ty).map_or(Type::NUMERIC, Type::bare);
        let ty = if ty.oid == 26 { Type::INT8 } else { ty };
        // Powers are doubles' or numerics'.
        let ty = if operator == "^" && ty.oid != 1700 {
            Type::FLOAT8
        } else {
            ty
        };
        let ty = if ty.oid == 700 && a.ty.oid != b.ty.oid {
            Type::FLOAT8
        } else {
            ty
        };
        let not_null = a.not_null && b.not_null;
        let unchecked = ty.is_int() && matches!(operator, "+" | "-" | "*");
        let (a, b) = if unchecked {
            // The check waits for the end of a chain.
            let fit = |this: &mut Self, typed: Typed| {
                if typed.ty.is_int() {
                    Ok(typed)
                } else {
                    this.coerce(typed, ty, Context::Implicit, span)
                }
            };
            (fit(self, a)?, fit(self, b)?)
        } else {
            (
                self.coerce(a, ty, Context::Implicit, span)?,
                self.coerce(b, ty, Context::Implicit, span)?,
            )
        };
        // A column's numbers come with their scale.
        let (a, b) = if ty.oid == 1700 {
            (self.scaled(a), self.scaled(b))
        } else {
            (a, b)
        };
        let (x, y) = (&a.sql, &b.sql);
        let zero_free = matches!(&b.kind, Kind::Number(digits) if digits.bytes().any(|c| (b'1'..=b'9').contains(&c)) && digits.as_bytes()[0] != b'-');
        let sql = match (ty.oid, operator) {
            (1700, "+") => format!("pg_numeric_add({x}, {y})"),
            (1700, "-") => format!("pg_numeric_sub({x}, {y})"),
            (1700, "*") => format!("pg_numeric_mul({x}, {y})"),
            (1700, "/") => format!("pg_numeric_div({x}, {y})"),
            (1700, "%") => format!("pg_numeric_mod({x}, {y})"),
            (1700, _) => format!("pg_numeric_power({x}, {y})"),
            (700 | 701, "/") => format!("pg_float_div({x}, {y})"),
            (700 | 701, "%") => return Err(self.no_operator(ty, operator, ty, span)),
            (700 | 701, "^") => format!("pg_power({x}, {y})"),
            (700 | 701, _) => format!("({x} {operator} {y})"),
            (_, "/") if zero_free => format!("({x} / {y})"),
            (_, "%") if zero_free => format!("({x} % {y})"),
            (_, "/") => format!("pg_div({x}, {y})"),
            (_, "%") => format!("pg_mod({x}, {y})"),
            _ => format!("({x} {operator} {y})"),
        };
        let mut out = Typed::new(sql, ty);
        out.not_null = not_null;
        out.unchecked = unchecked;
        Ok(out)
    }

    /// A numeric of a native column as text with its column's scale.
    pub(crate) fn scaled(&self, typed: Typed) -> Typed {
        let scale = crate::types::names::precision_and_scale(typed.ty.modifier);
        if typed.native && typed.ty.oid == 1700 && scale.is_some() {
            self.numeric_text(typed)
        } else {
            typed
        }
    }

    /// Dates, times and intervals.
    fn time_arithmetic(
        &mut self,
        a: &Typed,
        operator: &str,
        b: &Typed,
        span: Span,
    ) -> Result<Option<Typed>> {
        const D: u32 = 1082;
        const T: u32 = 1083;
        const S: u32 = 1114;
        const Z: u32 = 1184;
        const I: u32 = 1186;
        let timely = |ty: Type| matches!(ty.oid, D | T | S | Z | I | 1266);
        if !timely(a.ty) && !timely(b.ty) {
            return Ok(None);
        }
        let (mut a, mut b) = (self.checked(a.clone()), self.checked(b.clone()));
        // An untyped side: an interval to be added, or another of its kind to be subtracted.
        if b.is_unknown() {
            let ty = match (a.ty.oid, operator) {
                (I, "*" | "/") => Type::FLOAT8,
                (D, "+") => Type::INTERVAL,
                (_, "+") => Type::INTERVAL,
                (_, "-") if matches!(&b.kind, Kind::Literal(text) if text.bytes().any(|c| c.is_ascii_alphabetic()) && !text.contains('T')) => {
                    Type::INTERVAL
                }
                _ => a.ty,
            };
            b = self.coerce(b, ty, Context::Implicit, span)?;
        } else if a.is_unknown() {
            let ty = match (operator, b.ty.oid) {
                ("*", I) => Type::FLOAT8,
                ("+", I) => Type::INTERVAL,
                _ => b.ty,
            };
            a = self.coerce(a, ty, Context::Implicit, span)?;
        }
        // The interval, the number of days: on the right.
        if operator == "+"
            && (matches!(a.ty.oid, I | T) && matches!(b.ty.oid, D | S | Z)
                || a.ty.oid == I && b.ty.oid == T
                || a.ty.is_int() && b.ty.oid == D)
        {
            std::mem::swap(&mut a, &mut b);
        }
        if operator == "*" && b.ty.oid == I {
            std::mem::swap(&mut a, &mut b);
        }
        let minus = operator == "-";
        let (x, y) = (a.sql.clone(), b.sql.clone());
        let negated = if minus {
            format!("pg_interval_neg({y})")
        } else {
            y.clone()
        };
        let out = match (a.ty.oid, operator, b.ty.oid) {
            (D, "+" | "-", 20 | 21 | 23) => {
                let days = if minus { format!("-({y})") } else { y };
                Typed::new(format!("pg_date_add({x}, {days})"), Type::DATE)
            }
            (D, "-", D) => Typed::new(format!("pg_date_sub({x}, {y})"), Type::INT4),
            (D, "+" | "-", I) => {
                Typed::new(format!("pg_timestamp_add({x}, {negated})"), Type::TIMESTAMP)
            }
            (D, "+", T) => Typed::new(format!("pg_timestamp_add({x}, {y})"), Type::TIMESTAMP),
            (S, "+" | "-", I) => {
                Typed::new(format!("pg_timestamp_add({x}, {negated})"), Type::TIMESTAMP)
            }
            (Z, "+" | "-", I) => Typed::new(
                format!("pg_timestamptz_add({x}, {negated})"),
                Type::TIMESTAMPTZ,
            ),
            (T, "+" | "-", I) => Typed::new(format!("pg_time_add({x}, {negated})"), Type::TIME),
            (T, "-", T) => Typed::new(format!("pg_time_sub({x}, {y})"), Type::INTERVAL),
            (I, "+", I) => Typed::new(format!("pg_interval_add({x}, {y})"), Type::INTERVAL),
            (I, "-", I) => Typed::new(format!("pg_interval_add({x}, {negated})"), Type::INTERVAL),
            (I, "*" | "/", _) if b.ty.is_int() || b.ty.is_float() || b.ty.oid == 1700 => {
                let function = if operator == "*" {
                    "pg_interval_mul"
                } else {
                    "pg_interval_div"
                };
                Typed::new(
                    format!("{function}({x}, CAST({y} AS REAL))"),
                    Type::INTERVAL,
                )
            }
            (D | S | Z, "-", D | S | Z) => {
                let ty = common(a.ty, b.ty).unwrap_or(Type::TIMESTAMP).bare();
                let a = self.coerce(a, ty, Context::Implicit, span)?;
                let b = self.coerce(b, ty, Context::Implicit, span)?;
                Typed::new(
                    format!("pg_timestamp_sub({}, {})", a.sql, b.sql),
                    Type::INTERVAL,
                )
            }
            _ => return Err(self.no_operator(a.ty, operator, b.ty, span)),
        };
        Ok(Some(out))
    }

    /// `-x`, `+x`.
    pub(crate) fn negate(&mut self, typed: Typed, span: Span) -> Result<Typed> {
        if let Kind::Number(digits) = &typed.kind {
            let turned = match digits.strip_prefix('-') {
                Some(rest) => rest.to_owned(),
                None => format!("-{digits}"),
            };
            let mut out = self.number(&turned);
            if typed.ty.oid == 1700 {
                out.sql = crate::sql::names::literal(&turned);
                out.ty = typed.ty.bare();
            }
            return Ok(out);
        }
        let typed = if typed.is_unknown() {
            self.coerce(typed, Type::FLOAT8, Context::Implicit, span)?
        } else {
            typed
        };
        let typed = self.scaled(typed);
        let mut out = match typed.ty.oid {
            1700 => Typed::new(format!("pg_numeric_neg({})", typed.sql), Type::NUMERIC),
            1186 => Typed::new(format!("pg_interval_neg({})", typed.sql), Type::INTERVAL),
            _ if typed.ty.is_int() || typed.ty.is_float() => {
                let mut out = Typed::new(format!("(-{})", typed.sql), typed.ty);
                out.unchecked = typed.ty.is_int();
                out
            }
            _ => {
                return Err(self.error_at(
                    span,
                    "42883",
                    format!("operator does not exist: - {}", self.type_name(typed.ty)),
                ));
            }
        };
        out.not_null = typed.not_null;
        Ok(out)
    }

    /// A number as it is written: int4, int8 or numeric by its size.
    pub(crate) fn number(&self, digits: &str) -> Typed {
        let whole = digits.parse::<i64>();
        let (ty, sql) = match whole {
            Ok(value) if i32::try_from(value).is_ok() => (Type::INT4, digits.to_owned()),
            Ok(i64::MIN) => (Type::INT8, "(-9223372036854775807-1)".to_owned()),
            Ok(_) => (Type::INT8, digits.to_owned()),
            Err(_) => {
                let number = crate::types::numeric::Numeric::parse(digits)
                    .map_or_else(|| digits.to_owned(), |n| n.to_string());
                let mut out =
                    Typed::new(crate::sql::names::literal(&number), Type::NUMERIC).not_null();
                out.kind = Kind::Number(number);
                return out;
            }
        };
        let sql = if sql.starts_with('-') {
            format!("({sql})")
        } else {
            sql
        };
        let mut out = Typed::new(sql, ty).not_null();
        out.kind = Kind::Number(digits.to_owned());
        out
    }

    /// `& | # << >>`.
    pub(crate) fn bits(&mut self, a: Typed, operator: &str, b: Typed, span: Span) -> Result<Typed> {
        let (a, b, ty) = match operator {
            "<<" | ">>" => {
                let a = if a.is_unknown() {
                    self.coerce(a, Type::INT4, Context::Implicit, span)?
                } else {
                    self.checked(a)
                };
                let ty = a.ty;
                (a, self.coerce(b, Type::INT4, Context::Implicit, span)?, ty)
            }
            _ => self.pair(a, b, operator, span)?,
        };
        if ty.oid == 1560 || ty.oid == 1562 {
            let function = match operator {
                "&" => "pg_bit_and_string",
                "|" => "pg_bit_or_string",
                _ => "pg_bit_xor_string",
            };
            return Ok(Typed::new(format!("{function}({}, {})", a.sql, b.sql), ty));
        }
        if !ty.is_int() {
            return Err(self.no_operator(a.ty, operator, b.ty, span));
        }
        let sql = match operator {
            "#" => format!("pg_xor({}, {})", a.sql, b.sql),
            "<<" | ">>" => format!(
                "pg_shift({}, {}, {})",
                a.sql,
                if operator == "<<" {
                    b.sql
                } else {
                    format!("-({})", b.sql)
                },
                ty.size()
            ),
            _ => format!("({} {operator} {})", a.sql, b.sql),
        };
        Ok(Typed::new(sql, ty))
    }
}

//! Comparisons: `=`, `<` and their kin, `BETWEEN`, `IN`, `IS DISTINCT FROM`, rows, `LIKE`.

use sqlparser::tokenizer::Span;

use super::coerce::{Context, common};
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::Result;
use crate::sql::names::literal;
use crate::types::Type;

/// What a literal or a parameter becomes beside a value of a type: `varchar` has text's operators.
fn counterpart(ty: Type) -> Type {
    if ty.oid == Type::VARCHAR.oid {
        Type::TEXT
    } else {
        ty.bare()
    }
}

impl Compiler<'_> {
    /// Two operands made one type, as an operator between them needs it.
    pub(crate) fn pair(
        &mut self,
        a: Typed,
        b: Typed,
        operator: &str,
        span: Span,
    ) -> Result<(Typed, Typed, Type)> {
        let (a, b) = (self.checked(a), self.checked(b));
        let ty = match (a.is_unknown(), b.is_unknown()) {
            (true, true) => Type::TEXT,
            (true, false) => counterpart(b.ty),
            (false, true) => counterpart(a.ty),
            (false, false) => match common(a.ty, b.ty) {
                Some(ty) => ty,
                None => return Err(self.no_operator(a.ty, operator, b.ty, span)),
            },
        };
        // A native column keeps its own kind against literals.
        let ty = if ty.is_reg() && (a.is_unknown() || b.is_unknown()) {
            ty
        } else {
            ty.bare()
        };
        let a = self.coerce(a, ty, Context::Implicit, span)?;
        let b = self.coerce(b, ty, Context::Implicit, span)?;
        Ok((a, b, ty))
    }

    pub(crate) fn no_operator(
        &self,
        a: Type,
        operator: &str,
        b: Type,
        span: Span,
    ) -> crate::error::PgError {
        self.error_at(
            span,
            "42883",
            format!("operator does not exist: {} {operator} {}", self.type_name(a), self.type_name(b)),
        )
        .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
    }

    /// `a op b`, the operator one of `=`, `<>`, `<`, `<=`, `>`, `>=`, `IS`, `IS NOT`.
    pub(crate) fn compare(
        &mut self,
        a: Typed,
        operator: &str,
        b: Typed,
        span: Span,
    ) -> Result<Typed> {
        if let (Kind::Row(left), Kind::Row(right)) = (&a.kind, &b.kind) {
            let (left, right) = (left.clone(), right.clone());
            return self.compare_rows(left, operator, right, span);
        }
        let shown = match operator {
            "IS" | "IS NOT" => "=",
            other => other,
        };
        let not_null = a.not_null && b.not_null || operator.starts_with("IS");
        let (a, b, ty) = self.pair(a, b, shown, span)?;
        if ty.oid == 114 {
            return Err(self.no_operator(a.ty, shown, b.ty, span));
        }
        let ordering = matches!(operator, "<" | "<=" | ">" | ">=");
        let (left, right) = self.comparable(a, b, ty, ordering);
        let mut out = Typed::new(format!("({left} {operator} {right})"), Type::BOOL);
        out.not_null = not_null;
        Ok(out)
    }

    /// Two values of a type as SQLite compares them rightly.
    fn comparable(&self, a: Typed, b: Typed, ty: Type, ordering: bool) -> (String, String) {
        if ty.oid == 1700 {
            return self.comparable_numbers(a, b);
        }
        let key = self.order_key(ty, ordering);
        match key {
            Some(key) => (key.of(&a.sql), key.of(&b.sql)),
            None => (a.sql, b.sql),
        }
    }

    fn comparable_numbers(&self, a: Typed, b: Typed) -> (String, String) {
        // A native side is compared natively with what is exact as a double: its like, literals and parameters.
        let plain = |typed: &Typed| match &typed.kind {
            Kind::Number(digits)
                if digits.len() <= 16
                    && digits
                        .bytes()
                        .all(|c| c.is_ascii_digit() || c == b'.' || c == b'-') =>
            {
                Some(if digits.starts_with('-') {
                    format!("({digits})")
                } else {
                    digits.clone()
                })
            }
            Kind::Parameter(_) => Some(format!("CAST({} AS NUMERIC)", typed.sql)),
            _ if self.is_native(typed) => Some(typed.sql.clone()),
            _ => None,
        };
        let native = self.is_native(&a) || self.is_native(&b);
        if native && let (Some(left), Some(right)) = (plain(&a), plain(&b)) {
            return (left, right);
        }
        let (a, b) = (self.numeric_text(a), self.numeric_text(b));
        (format!("{} COLLATE pg_numeric", a.sql), b.sql)
    }

    /// What must be made of values of a type before SQLite orders (or compares) them.
    pub(crate) fn order_key(&self, ty: Type, ordering: bool) -> Option<OrderKey> {
        match ty.oid {
            1186 => Some(OrderKey("pg_interval_key(", ")".to_owned())),
            1266 => Some(OrderKey("pg_timetz_key(", ")".to_owned())),
            3802 => Some(OrderKey("pg_json_key(", ")".to_owned())),
            869 | 650 if ordering => Some(OrderKey("pg_inet_key(", ")".to_owned())),
            _ if ty.is_enum() && ordering => Some(OrderKey(
                "pg_enum_rank(",
                format!(", {})", self.labels_literal(ty)),
            )),
            _ if ty.element().is_some() && ordering => Some(OrderKey(
                "pg_array_key(",
                format!(", {})", ty.element().map_or(0, |e| e.oid)),
            )),
            _ => None,
        }
    }

    /// A value as `ORDER BY`, `GROUP BY`, `min` and `max` need it.
    pub(crate) fn sortable(&self, typed: &Typed) -> String {
        if typed.ty.oid == 1700 && !self.is_native(typed) {
            return format!("{} COLLATE pg_numeric", typed.sql);
        }
        match self.order_key(typed.ty, true) {
            Some(key) => key.of(&typed.sql),
            None => typed.sql.clone(),
        }
    }

    fn compare_rows(
        &mut self,
        left: Vec<(String, Typed)>,
        operator: &str,
        right: Vec<(String, Typed)>,
        span: Span,
    ) -> Result<Typed> {
        if left.len() != right.len() {
            return Err(self.error_at(
                span,
                "42601",
                "unequal number of entries in row expressions",
            ));
        }
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for ((_, x), (_, y)) in left.into_iter().zip(right) {
            let (x, y, ty) = self.pair(x, y, operator, span)?;
            let (x, y) = self.comparable(x, y, ty, true);
            a.push(x);
            b.push(y);
        }
        if let ([x], [y]) = (a.as_slice(), b.as_slice()) {
            return Ok(Typed::new(format!("({x} {operator} {y})"), Type::BOOL));
        }
        Ok(Typed::new(
            format!("(({}) {operator} ({}))", a.join(", "), b.join(", ")),
            Type::BOOL,
        ))
    }

    /// `x IN (a, b, …)`.
    pub(crate) fn in_list(
        &mut self,
        x: Typed,
        items: Vec<Typed>,
        negated: bool,
        span: Span,
    ) -> Result<Typed> {
        let not = if negated { "NOT " } else { "" };
        if matches!(x.kind, Kind::Row(_)) {
            let mut parts = Vec::new();
            for item in items {
                parts.push(self.compare(x.clone(), "=", item, span)?.sql);
            }
            return Ok(Typed::new(
                format!("({not}({}))", parts.join(" OR ")),
                Type::BOOL,
            ));
        }
        let mut all = vec![x.clone()];
        all.extend(items);
        // The list is matched to x where it can be, so that x's index serves.
        let known = !all[0].is_unknown();
        let mut list = Vec::new();
        if known && all[0].ty.oid != 1700 {
            let ty = all[0].ty;
            let same = all[1..].iter().all(|item| {
                item.is_unknown() || common(ty, item.ty).is_some_and(|c| c.oid == ty.oid)
            });
            if same && self.order_key(ty, false).is_none() {
                let x = all.remove(0);
                let x = self.checked(x);
                // One item is compared with, several are first made one type: the column's.
                let ty = match all.len() {
                    1 => counterpart(ty),
                    _ => ty.bare(),
                };
                for item in all {
                    list.push(self.coerce(item, ty, Context::Implicit, span)?.sql);
                }
                return Ok(Typed::new(
                    format!("({} {not}IN ({}))", x.sql, list.join(", ")),
                    Type::BOOL,
                ));
            }
        }
        let x = all.remove(0);
        let mut parts = Vec::new();
        for item in all {
            parts.push(self.compare(x.clone(), "=", item, span)?.sql);
        }
        Ok(Typed::new(
            format!("({not}({}))", parts.join(" OR ")),
            Type::BOOL,
        ))
    }

    /// `a LIKE b [ESCAPE c]`, also without regard to case.
    pub(crate) fn like(
        &mut self,
        a: Typed,
        b: Typed,
        escape: Option<Typed>,
        negated: bool,
        fold: bool,
        span: Span,
    ) -> Result<Typed> {
        let operator = match (fold, negated) {
            (false, false) => "~~",
            (false, true) => "!~~",
            (true, false) => "~~*",
            (true, true) => "!~~*",
        };
        if !a.is_unknown() && !a.ty.is_string() {
            if a.ty.oid == 17 {
                return Err(unsupported("LIKE between bytea"));
            }
            return Err(self.no_operator(
                a.ty,
                operator,
                if b.is_unknown() { Type::UNKNOWN } else { b.ty },
                span,
            ));
        }
        let plain = matches!(&b.kind, Kind::Literal(pattern) if !pattern.contains('\\'))
            && escape.is_none();
        let a = self.padded(a);
        let a = self.text(a, span)?;
        let b = self.text(b, span)?;
        let not = if negated { "NOT " } else { "" };
        let escape = match escape {
            Some(escape) => self.text(escape, span)?.sql,
            None => literal("\\"),
        };
        let sql = if fold {
            let call = format!("pg_ilike({}, {}, {escape})", a.sql, b.sql);
            if negated {
                format!("(NOT {call})")
            } else {
                call
            }
        } else if plain {
            format!("({} {not}LIKE {})", a.sql, b.sql)
        } else if escape == "''" {
            format!("({not}pg_like({}, {}, ''))", a.sql, b.sql)
        } else {
            format!("({} {not}LIKE {} ESCAPE {escape})", a.sql, b.sql)
        };
        Ok(Typed::new(sql, Type::BOOL))
    }

    /// A `char(n)` with its spaces, where Postgres looks at them: in patterns, and where it is written out.
    pub(crate) fn padded(&self, mut typed: Typed) -> Typed {
        if typed.ty.oid == Type::BPCHAR.oid && typed.ty.modifier > 4 {
            typed.sql = format!("pg_rpad({}, {})", typed.sql, typed.ty.modifier - 4);
            typed.ty = Type::TEXT;
            typed.kind = Kind::Value;
        }
        typed
    }

    /// As text: unknown ones become it, others are cast implicitly or refused.
    pub(crate) fn text(&mut self, typed: Typed, span: Span) -> Result<Typed> {
        self.coerce(typed, Type::TEXT, Context::Implicit, span)
    }
}

/// See [`Compiler::order_key`].
pub(crate) struct OrderKey(&'static str, String);

impl OrderKey {
    pub(crate) fn of(&self, sql: &str) -> String {
        format!("{}{sql}{}", self.0, self.1)
    }
}

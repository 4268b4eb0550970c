//! Values made of others, and their parts: rows, arrays, subscripts, fields.

use super::coerce::Context;
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::Result;
use crate::sql::names::{fold, literal};
use crate::types::Type;
use sqlparser::ast::{self, AccessExpr, Array, Expr, Spanned as _, Subscript};
use sqlparser::tokenizer::Span;

impl Compiler<'_> {
    pub(super) fn row(&mut self, items: &[Expr]) -> Result<Typed> {
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

    /// `a[1]`, `a[1:2]`, `(row).field`, `j['key']`.
    pub(super) fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Typed> {
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

    pub(super) fn field(&mut self, typed: Typed, field: &Expr, span: Span) -> Result<Typed> {
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

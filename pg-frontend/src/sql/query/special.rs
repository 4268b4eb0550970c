//! Functions whose result's type or form depends on more than a signature can say.

use sqlparser::ast::Expr;
use sqlparser::ast::Spanned as _;
use sqlparser::tokenizer::Span;

use super::coerce::Context;
use super::{Compiler, Kind, Typed};
use crate::error::Result;
use crate::sql::names::literal;
use crate::types::Type;

impl Compiler<'_> {
    /// A call of one of these; none where the name is another's.
    pub(crate) fn special(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        span: Span,
    ) -> Result<Option<Typed>> {
        let out = match (name, arguments) {
            ("grouping", [_, ..]) => self.grouping(arguments, span)?,
            ("coalesce", [_, ..]) => self.coalesce(arguments, span)?,
            ("nullif", [a, b]) => {
                let (a, b) = (self.expr(a)?, self.expr(b)?);
                let a = if a.is_unknown() && b.is_unknown() {
                    self.settled(a, span)?
                } else {
                    a
                };
                let test = self.compare(a.clone(), "=", b, span)?;
                let a = self.settled(a, span)?;
                let mut out = Typed::new(
                    format!("(CASE WHEN {} THEN NULL ELSE {} END)", test.sql, a.sql),
                    a.ty,
                );
                out.native = a.native;
                out
            }
            ("greatest" | "least", [_, ..]) => self.extreme(name == "greatest", arguments, span)?,
            ("date_part" | "extract", [field, source]) => {
                let field = self.expr(field)?;
                let Kind::Literal(field) = field.kind else {
                    return Err(super::unsupported(
                        "date_part of a field that is no literal",
                    ));
                };
                let mut out = self.extract(&field.to_lowercase(), source, span)?;
                out = self.coerce(out, Type::FLOAT8, Context::Explicit, span)?;
                out
            }
            ("to_json" | "row_to_json" | "array_to_json", [value]) => {
                let value = self.expr(value)?;
                let value = self.settled(value, span)?;
                Typed::new(self.json_of(&value, false)?, Type::JSON)
            }
            ("to_jsonb", [value]) => {
                let value = self.expr(value)?;
                let value = self.settled(value, span)?;
                Typed::new(self.json_of(&value, true)?, Type::JSONB)
            }
            ("json_build_array" | "jsonb_build_array", _) => {
                let binary = name.starts_with("jsonb");
                let mut parts = Vec::new();
                for argument in arguments {
                    let value = self.expr(argument)?;
                    let value = self.settled(value, argument.span())?;
                    parts.push(self.json_or_null(&value, binary)?);
                }
                let ty = if binary { Type::JSONB } else { Type::JSON };
                Typed::new(format!("pg_json_build_array({})", parts.join(", ")), ty)
            }
            ("json_build_object" | "jsonb_build_object", _) => {
                let binary = name.starts_with("jsonb");
                if !arguments.len().is_multiple_of(2) {
                    return Err(self.error_at(
                        span,
                        "22023",
                        "argument list must have even number of elements",
                    ));
                }
                let mut parts = vec![i32::from(binary).to_string()];
                for (index, argument) in arguments.iter().enumerate() {
                    let value = self.expr(argument)?;
                    if index % 2 == 0 {
                        parts.push(self.shown(value, argument.span())?.sql);
                    } else {
                        let value = self.settled(value, argument.span())?;
                        parts.push(self.json_or_null(&value, binary)?);
                    }
                }
                let ty = if binary { Type::JSONB } else { Type::JSON };
                Typed::new(format!("pg_json_build_object({})", parts.join(", ")), ty)
            }
            ("pg_typeof", [value]) => {
                let value = self.expr(value)?;
                Typed::new(value.ty.oid.to_string(), Type::REGTYPE).not_null()
            }
            ("row", _) => {
                let mut row = Vec::new();
                for (index, argument) in arguments.iter().enumerate() {
                    row.push((format!("f{}", index + 1), self.expr(argument)?));
                }
                let mut out = Typed::new("NULL", Type::RECORD);
                out.kind = Kind::Row(row);
                out
            }
            ("current_schemas", [implicit]) => {
                let implicit = self.expr_as(implicit, Type::BOOL)?;
                Typed::new(
                    format!("pg_current_schemas({})", implicit.sql),
                    Type::of(1003),
                )
            }
            ("enum_range" | "enum_first" | "enum_last", [value]) => {
                let value = self.expr(value)?;
                let labels = self.labels_literal(value.ty);
                match name {
                    "enum_range" => Typed::new(labels, value.ty.array()),
                    "enum_first" => Typed::new(format!("({labels} ->> 0)"), value.ty),
                    _ => Typed::new(format!("({labels} ->> '$[#-1]')"), value.ty),
                }
            }
            ("regexp_matches", [_, ..]) => return Ok(None),
            ("array_to_string" | "array_length" | "cardinality", [value, rest @ ..]) => {
                // Elements are written in their types' text.
                let value = self.expr(value)?;
                let value = if value.is_unknown() {
                    self.coerce(value, Type::TEXT_ARRAY, Context::Implicit, span)?
                } else {
                    value
                };
                if name != "array_to_string" {
                    let mut typed = vec![value];
                    for expr in rest {
                        typed.push(self.expr(expr)?);
                    }
                    return self.call_typed(name, typed, span).map(Some);
                }
                let element = value.ty.element().unwrap_or(Type::TEXT);
                let mut parts = vec![value.sql, element.oid.to_string()];
                for expr in rest {
                    parts.push(self.expr_as(expr, Type::TEXT)?.sql);
                }
                Typed::new(
                    format!("pg_array_to_string({})", parts.join(", ")),
                    Type::TEXT,
                )
            }
            ("pg_get_serial_sequence", [table, column]) => {
                let (table, column) = (
                    self.expr_as(table, Type::TEXT)?,
                    self.expr_as(column, Type::TEXT)?,
                );
                Typed::new(
                    format!("pg_get_serial_sequence({}, {})", table.sql, column.sql),
                    Type::TEXT,
                )
            }
            ("jsonb_set", [_, _, _, ..]) | ("jsonb_insert", [_, _, _, ..]) => {
                let target = self.expr_as(arguments[0], Type::JSONB)?;
                let path = self.expr_as(arguments[1], Type::TEXT_ARRAY)?;
                let value = self.expr_as(arguments[2], Type::JSONB)?;
                let flag = match arguments.get(3) {
                    Some(flag) => self.expr_as(flag, Type::BOOL)?.sql,
                    None => i32::from(name == "jsonb_set").to_string(),
                };
                Typed::new(
                    format!(
                        "pg_{name}({}, {}, {}, {flag})",
                        target.sql, path.sql, value.sql
                    ),
                    Type::JSONB,
                )
            }
            ("nextval" | "currval" | "setval", [sequence, rest @ ..]) => {
                let sequence = self.expr(sequence)?;
                let sequence = match (&sequence.kind, sequence.ty.is_reg()) {
                    (_, true) => {
                        Typed::new(format!("pg_reg_name({}, 2205)", sequence.sql), Type::TEXT)
                    }
                    _ => self.coerce(sequence, Type::TEXT, Context::Implicit, span)?,
                };
                let mut typed = vec![sequence];
                for expr in rest {
                    typed.push(self.expr(expr)?);
                }
                return self.call_typed(name, typed, span).map(Some);
            }
            ("array_in" | "int4in" | "textin", _) => return Ok(None),
            _ => return Ok(None),
        };
        Ok(Some(out))
    }

    fn coalesce(&mut self, arguments: &[&Expr], span: Span) -> Result<Typed> {
        let items = arguments
            .iter()
            .map(|expr| self.expr(expr))
            .collect::<Result<Vec<_>>>()?;
        let (items, ty) = self.unify(items, "COALESCE", span)?;
        let native = ty.oid == 1700 && items.iter().all(|item| self.is_native(item));
        let not_null = items.iter().any(|item| item.not_null);
        let mut out = match items.as_slice() {
            [only] => only.clone(),
            _ => {
                let parts: Vec<&str> = items.iter().map(|item| item.sql.as_str()).collect();
                Typed::new(format!("coalesce({})", parts.join(", ")), ty)
            }
        };
        out.native = native;
        out.not_null = not_null;
        out.kind = Kind::Value;
        Ok(out)
    }

    /// `GREATEST`, `LEAST`: NULLs are passed over.
    fn extreme(&mut self, greatest: bool, arguments: &[&Expr], span: Span) -> Result<Typed> {
        let items = arguments
            .iter()
            .map(|expr| self.expr(expr))
            .collect::<Result<Vec<_>>>()?;
        let (items, ty) = self.unify(items, if greatest { "GREATEST" } else { "LEAST" }, span)?;
        let flag = i32::from(greatest);
        let parts: Vec<String> = items.iter().map(|item| item.sql.clone()).collect();
        let sql = match (ty.oid, self.order_key(ty, true)) {
            (1700, _) => format!("pg_numeric_extreme({flag}, {})", parts.join(", ")),
            (_, Some(_)) => {
                return Err(super::unsupported(format!(
                    "GREATEST and LEAST of {}",
                    self.type_name(ty)
                )));
            }
            _ => format!("pg_extreme({flag}, {})", parts.join(", ")),
        };
        Ok(Typed::new(sql, ty))
    }

    /// `EXTRACT(field FROM source)`.
    pub(crate) fn extract(&mut self, field: &str, source: &Expr, span: Span) -> Result<Typed> {
        let source = self.expr(source)?;
        let source = if source.is_unknown() {
            self.coerce(source, Type::TIMESTAMP, Context::Implicit, span)?
        } else {
            source
        };
        if !matches!(source.ty.oid, 1082 | 1083 | 1114 | 1184 | 1186 | 1266) {
            return Err(self.no_function(
                "pg_catalog.extract",
                &[Typed::new("", Type::UNKNOWN), source],
                span,
            ));
        }
        Ok(Typed::new(
            format!(
                "pg_extract({}, {}, {})",
                literal(field),
                source.sql,
                source.ty.oid
            ),
            Type::NUMERIC,
        ))
    }

    /// `SUBSTRING(x FROM a FOR b)`, also with patterns.
    pub(crate) fn substring(
        &mut self,
        inner: &Expr,
        from: Option<&Expr>,
        length: Option<&Expr>,
        span: Span,
    ) -> Result<Typed> {
        let mut typed = vec![self.expr(inner)?];
        match from {
            Some(from) => typed.push(self.expr(from)?),
            None => typed.push(self.number("1")),
        }
        if let Some(length) = length {
            typed.push(self.expr(length)?);
        }
        self.call_typed("substring", typed, span)
    }

    /// A value as JSON text, for `to_json` and its kin; NULL stays NULL.
    pub(crate) fn json_of(&mut self, value: &Typed, binary: bool) -> Result<String> {
        let flag = i32::from(binary);
        if let Kind::Row(items) = &value.kind {
            let mut parts = vec![(2 + flag).to_string()];
            for (name, item) in items.clone() {
                let item = self.settled(item, Span::empty())?;
                parts.push(literal(&name));
                parts.push(self.json_or_null(&item, binary)?);
            }
            return Ok(format!("pg_json_build_object({})", parts.join(", ")));
        }
        Ok(match value.ty.oid {
            3802 => value.sql.clone(),
            114 if !binary => value.sql.clone(),
            20 | 21 | 23 | 26 => format!("CAST({} AS TEXT)", value.sql),
            _ => format!(
                "pg_to_json({}, {}, {}, {flag})",
                value.sql, value.ty.oid, value.ty.modifier
            ),
        })
    }

    /// As [`Self::json_of`], NULL as JSON's.
    pub(crate) fn json_or_null(&mut self, value: &Typed, binary: bool) -> Result<String> {
        let sql = self.json_of(value, binary)?;
        Ok(if value.not_null || matches!(value.kind, Kind::Row(_)) {
            sql
        } else {
            format!("ifnull({sql}, 'null')")
        })
    }
}

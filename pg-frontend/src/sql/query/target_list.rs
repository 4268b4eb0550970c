//! The select list: its values, what `*` stands for, and what the columns of the result are called.
//!
//! | | |
//! | --- | --- |
//! | `projection` | the list's values and columns |
//! | `all_columns` | `*`, `t.*` |
//! | [`output_name`] | the name of a column without an alias |
//! | `unique_aliases` | names that differ, for SQLite's text |

use super::coerce::Context;
use super::{Compiler, Kind, Output, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, idents};
use crate::types::Type;
use sqlparser::ast::{Expr, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned as _};
use sqlparser::tokenizer::Span;

impl Compiler<'_> {
    /// A value as the client or the next query gets it.
    pub(super) fn final_form(&self, item: &Typed) -> String {
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
                        items.push(self.in_set(self.scopes.len() - 1, typed));
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
                        items.push(self.in_set(self.scopes.len() - 1, typed));
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
        self.scope().note(typed, name, None);
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

/// Each column gets a name of its own within SQLite's text.
pub(super) fn unique_aliases(outputs: &mut [Output]) {
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

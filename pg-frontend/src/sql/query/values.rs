//! `VALUES`.

use sqlparser::ast::{Expr, Spanned as _, Values};
use sqlparser::tokenizer::Span;

use super::coerce::{Context, common};
use super::{Compiled, Compiler, Output, Typed};
use crate::error::{PgError, Result};
use crate::types::Type;

impl Compiler<'_> {
    /// `VALUES (…), (…)` as a query.
    pub(crate) fn values(
        &mut self,
        values: &Values,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        let (rows, width) = rows_of(values)?;
        let mut typed: Vec<Vec<Typed>> = Vec::new();
        for row in &rows {
            typed.push(
                row.iter()
                    .map(|expr| self.expr(expr))
                    .collect::<Result<_>>()?,
            );
        }
        let mut outputs = Vec::new();
        for column in 0..width {
            let wanted = expected
                .and_then(|types| types.get(column))
                .copied()
                .filter(|ty| ty.oid != Type::UNKNOWN.oid);
            let mut ty = wanted.unwrap_or(Type::UNKNOWN);
            if wanted.is_none() {
                for row in &typed {
                    ty = common(ty, row[column].ty).ok_or_else(|| {
                        PgError::new(
                            "42804",
                            format!(
                                "VALUES types {} and {} cannot be matched",
                                self.type_name(ty),
                                self.type_name(row[column].ty)
                            ),
                        )
                    })?;
                }
                if ty.oid == Type::UNKNOWN.oid {
                    ty = Type::TEXT;
                }
            }
            let context = if wanted.is_some() {
                Context::Assignment
            } else {
                Context::Implicit
            };
            let mut not_null = true;
            for (row, written) in typed.iter_mut().zip(&rows) {
                let span = written[column].span();
                let item = std::mem::replace(&mut row[column], Typed::new("", Type::TEXT));
                let item = self.coerce(item, ty, context, span)?;
                row[column] = if ty.oid == 1700 && !ty.is_native_numeric() {
                    self.numeric_text(item)
                } else {
                    item
                };
                not_null &= row[column].not_null;
            }
            let name = format!("column{}", column + 1);
            outputs.push(Output {
                alias: name.clone(),
                name,
                ty,
                not_null,
                native: ty.is_int(),
                source: None,
                fields: None,
            });
        }
        let lists: Vec<String> = typed
            .iter()
            .map(|row| {
                format!(
                    "({})",
                    row.iter()
                        .map(|item| item.sql.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            })
            .collect();
        let _ = Span::empty();
        Ok(Compiled {
            sql: format!("VALUES {}", lists.join(", ")),
            columns: outputs,
        })
    }
}

/// The rows, and how many values each has.
///
/// # Errors
/// 42601: one has more or fewer than another.
pub(super) fn rows_of(values: &Values) -> Result<(Vec<&[Expr]>, usize)> {
    let rows = values.rows.iter().map(|row| row.content.as_slice());
    let rows: Vec<&[Expr]> = rows.collect();
    let width = rows.first().map_or(0, |row| row.len());
    if rows.iter().any(|row| row.len() != width) {
        return Err(PgError::new(
            "42601",
            "VALUES lists must all be the same length",
        ));
    }
    Ok((rows, width))
}

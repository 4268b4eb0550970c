//! `GROUP BY`: its expressions, ordinals and names of the select list; and that no other column stands
//! outside of aggregates.

use super::{Compiler, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::fold;
use sqlparser::ast::{Expr, GroupByExpr, SelectItem, Spanned as _};

use super::order::ordinal;

impl Compiler<'_> {
    /// Texts of the `GROUP BY` expressions: as they are found again, and as SQLite groups by them.
    pub(super) fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        projection: &[SelectItem],
    ) -> Result<Vec<(String, String)>> {
        match group_by {
            GroupByExpr::Expressions(exprs, modifiers) => {
                if !modifiers.is_empty() {
                    return Err(unsupported("GROUP BY WITH ROLLUP"));
                }
                let mut out = Vec::new();
                for expr in exprs {
                    match expr {
                        Expr::Tuple(items) if items.is_empty() => {}
                        Expr::Tuple(items) => {
                            for item in items {
                                out.push(self.group_expr(item, projection)?);
                            }
                        }
                        _ => out.push(self.group_expr(expr, projection)?),
                    }
                }
                Ok(out)
            }
            GroupByExpr::All(_) => Err(unsupported("GROUP BY ALL")),
        }
    }

    /// An expression, an ordinal, or the name of a column of the result.
    pub(super) fn group_expr(
        &mut self,
        expr: &Expr,
        projection: &[SelectItem],
    ) -> Result<(String, String)> {
        let chosen = match ordinal(expr) {
            Some(place) => match place.checked_sub(1).and_then(|index| projection.get(index)) {
                Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => {
                    expr
                }
                _ => {
                    return Err(self.error_at(
                        expr.span(),
                        "42P10",
                        format!("GROUP BY position {place} is not in select list"),
                    ));
                }
            },
            None => self.aliased(expr, projection),
        };
        self.scope().row_sources = Some(Vec::new());
        let typed = self.expr(chosen);
        self.scope().row_sources = None;
        let typed = self.settled(typed?, chosen.span())?;
        let key = self.sortable(&typed);
        let key = if key.bytes().all(|c| c.is_ascii_digit()) || key.starts_with('\'') {
            format!("({key} || '')")
        } else {
            key
        };
        Ok((typed.sql, key))
    }

    /// A bare name that is no column but is a name of the select list.
    fn aliased<'e>(&mut self, expr: &'e Expr, projection: &'e [SelectItem]) -> &'e Expr {
        let Expr::Identifier(ident) = expr else {
            return expr;
        };
        let name = fold(ident);
        let known = self
            .scope()
            .relations
            .iter()
            .any(|relation| relation.columns.iter().any(|column| column.name == name))
            || self.scope().merged.iter().any(|column| column.name == name);
        if known {
            return expr;
        }
        projection
            .iter()
            .find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if fold(alias) == name => Some(expr),
                _ => None,
            })
            .unwrap_or(expr)
    }

    /// Columns outside of aggregates must be grouped by.
    pub(super) fn check_groups(&mut self, grouped: bool) -> Result<()> {
        // Grouping by the whole primary key of a table covers its other columns.
        let mut groups = self.scope().groups.clone().unwrap_or_default();
        let left_out = &self.scope().left_out;
        groups.retain(|group| !left_out.contains(group));
        let covered: Vec<String> = self
            .scope()
            .relations
            .iter()
            .filter(|relation| {
                let mut key = relation
                    .columns
                    .iter()
                    .filter(|column| column.primary)
                    .peekable();
                grouped && key.peek().is_some() && key.all(|column| groups.contains(&column.sql))
            })
            .map(|relation| format!("{}.", relation.alias))
            .collect();
        let loose = std::mem::take(&mut self.scope().loose);
        for (name, place) in loose {
            if covered.iter().any(|alias| name.starts_with(alias.as_str())) {
                continue;
            }
            let error = PgError::new(
                "42803",
                format!(
                    "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
                ),
            );
            return Err(match place {
                Some(place) => error.at(place),
                None => error,
            });
        }
        Ok(())
    }
}

//! `WITH`: named queries, recursive ones too.
//!
//! | | |
//! | --- | --- |
//! | `with` | the clause, its names in sight for what follows |
//! | `declare_recursive` | the columns of a query that names itself |
//! | `renamed` | columns under the names of an alias's list |

use super::scope::Cte;
use super::{Compiler, Output};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, quote};
use crate::types::Type;
use sqlparser::ast::{Query, SetExpr, With};
use std::rc::Rc;

use super::target_list::unique_aliases;

impl Compiler<'_> {
    pub(crate) fn with(&mut self, with: &With) -> Result<String> {
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if matches!(
                cte.query.body.as_ref(),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
            ) {
                return Err(self
                    .error_at(cte.alias.name.span, "0A000", "a statement that changes data is not supported in WITH")
                    .hint("Run it as a statement of its own, with RETURNING, in the same transaction."));
            }
            let names: Vec<String> = cte
                .alias
                .columns
                .iter()
                .map(|column| fold(&column.name))
                .collect();
            let recursive = with.recursive && mentions(&cte.query, &name);
            if recursive {
                self.declare_recursive(&name, &names, &cte.query)?;
            }
            let compiled = self.subquery(&cte.query)?;
            if recursive {
                self.ctes.pop();
            }
            let columns = renamed(&compiled.columns, &names);
            let list: Vec<String> = columns.iter().map(|column| quote(&column.alias)).collect();
            let hint = match cte.materialized {
                Some(sqlparser::ast::CteAsMaterialized::Materialized) => "MATERIALIZED ",
                Some(sqlparser::ast::CteAsMaterialized::NotMaterialized) => "NOT MATERIALIZED ",
                None => "",
            };
            parts.push(format!(
                "{}({}) AS {hint}({})",
                quote(&name),
                list.join(", "),
                compiled.sql
            ));
            self.ctes.push(Cte {
                name,
                columns: Rc::new(columns),
            });
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{} ", parts.join(", ")))
    }

    /// A recursive query's columns are those of its first part.
    fn declare_recursive(&mut self, name: &str, names: &[String], query: &Query) -> Result<()> {
        let SetExpr::SetOperation { left, .. } = query.body.as_ref() else {
            return Err(PgError::new(
                "42P19",
                format!(
                    "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
                ),
            ));
        };
        let mark = self.ctes.len();
        let with = query
            .with
            .as_ref()
            .map(|with| self.with(with))
            .transpose()?;
        let _ = with;
        let first = self.set(left, None)?;
        self.ctes.truncate(mark);
        let columns = renamed(&first.columns, names);
        self.ctes.push(Cte {
            name: name.to_owned(),
            columns: Rc::new(columns),
        });
        Ok(())
    }
}

/// Columns with other names.
fn renamed(columns: &[Output], names: &[String]) -> Vec<Output> {
    let mut out: Vec<Output> = columns.to_vec();
    for (column, name) in out.iter_mut().zip(names) {
        column.name.clone_from(name);
        column.alias.clone_from(name);
    }
    unique_aliases(&mut out);
    for column in &mut out {
        if column.ty.oid == Type::UNKNOWN.oid {
            column.ty = Type::TEXT;
        }
    }
    out
}

/// Whether a query names a relation; cautious: any mention counts.
fn mentions(query: &Query, name: &str) -> bool {
    use std::ops::ControlFlow;
    sqlparser::ast::visit_relations(query, |relation| {
        let same = relation.0.last().is_some_and(|part| {
            matches!(part, sqlparser::ast::ObjectNamePart::Identifier(ident) if fold(ident) == name)
        });
        if same {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .is_break()
}

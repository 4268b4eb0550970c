//! Changes of data: what `INSERT`, `UPDATE` and `DELETE` have in common, and `DELETE`.
//!
//! | | |
//! | --- | --- |
//! | [`Change`] | a change made SQLite's |
//! | `target`, `target_table`, `assign` | the table, its columns, a value for one |
//! | `returning` | `RETURNING` |
//! | [`insert`](super::insert), [`update`](super::update) | the other two |

use super::coerce::{Context, write_value};
use super::from::relation_of;
use super::scope::Scope;
use super::{Compiler, Kind, Output, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{Name, fold, literal, quote};
use crate::sql::schema::{Column, Key, Table};
use crate::types::Type;
use sqlparser::ast::{
    Delete, Expr, FromTable, Query, SelectItem, Spanned as _, TableFactor, TableWithJoins,
};
use sqlparser::tokenizer::Span;
use std::rc::Rc;

use super::update::unqualify;

/// A statement that changes data.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) sql: String,
    /// What `RETURNING` gives.
    pub(crate) returning: Option<Vec<Output>>,
}

/// 428C9: a value for a column that makes its own.
pub(super) fn not_assignable(column: &Column, what: &str) -> PgError {
    let name = &column.name;
    let mut error = PgError::new("428C9", what.replace("{}", name));
    error.detail = Some(if column.generated {
        format!("Column \"{name}\" is a generated column.")
    } else {
        format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
    });
    error
}

impl Compiler<'_> {
    pub(super) fn target<'t>(
        &self,
        table: &'t Table,
        name: &str,
        span: Span,
    ) -> Result<&'t Column> {
        table.column(name).ok_or_else(|| {
            self.error_at(
                span,
                "42703",
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    crate::sql::names::split(&table.name).1
                ),
            )
        })
    }

    /// A value for a column.
    pub(super) fn assigned(
        &mut self,
        expr: &Expr,
        table: &Table,
        column: &Column,
    ) -> Result<String> {
        if is_default(expr) {
            return Ok(match &column.default {
                Some(default) => format!("({default})"),
                None => "NULL".to_owned(),
            });
        }
        let typed = self.expr(expr)?;
        self.assign(typed, table, column, expr.span())
    }

    /// A compiled value made one for a column.
    fn assign(
        &mut self,
        typed: Typed,
        table: &Table,
        column: &Column,
        span: Span,
    ) -> Result<String> {
        let (from, null) = (typed.ty, matches!(typed.kind, Kind::Null));
        let typed = self
            .coerce(typed, column.ty, Context::Assignment, span)
            .map_err(|error| {
                if error.code != "42804" {
                    return error;
                }
                let error = PgError::new(
                    "42804",
                    format!(
                        "column \"{}\" is of type {} but expression is of type {}",
                        column.name,
                        self.type_name(column.ty),
                        self.type_name(from)
                    ),
                );
                let error = match self.position(span.start) {
                    Some(position) => error.at(position),
                    None => error,
                };
                error.hint("You will need to rewrite or cast the expression.")
            })?;
        let mut sql = typed.sql.clone();
        if column.ty.oid == 1700 {
            if column.ty.is_native_numeric() {
                // NUMERIC affinity makes it INTEGER or REAL.
                if let Kind::Number(digits) = &typed.kind {
                    sql = literal(digits);
                }
            } else {
                sql = self.numeric_text(typed.clone()).sql;
            }
        }
        if column.key.is_some() && column.key != Some(Key::Rowid) && !typed.not_null
            || null && column.key == Some(Key::Plain)
        {
            let relation = crate::sql::names::split(&table.name).1;
            let required = matches!(
                column.key,
                Some(Key::Plain | Key::Serial | Key::Identity { .. })
            );
            if required {
                sql = format!(
                    "pg_required({sql}, {}, {})",
                    literal(relation),
                    literal(&column.name)
                );
            }
        }
        Ok(sql)
    }

    /// `DELETE`.
    pub(crate) fn delete(&mut self, delete: &Delete, with: Option<&Query>) -> Result<Change> {
        let mark = self.ctes.len();
        let with = match with.and_then(|query| query.with.as_ref()) {
            Some(with) => self.with_clause(with)?,
            None => String::new(),
        };
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [target] = from.as_slice() else {
            return Err(unsupported("DELETE FROM several tables"));
        };
        let (table, alias) = self.target_table(target)?;
        self.scopes.push(Scope::default());
        let out = self.delete_inner(delete, &table, &alias, with);
        self.scopes.pop();
        self.ctes.truncate(mark);
        out
    }

    fn delete_inner(
        &mut self,
        delete: &Delete,
        table: &Table,
        alias: &str,
        with: String,
    ) -> Result<Change> {
        let mut relation = relation_of(table, alias, None);
        self.scope().relations.push(relation.clone());
        let mut sql = format!(
            "{with}DELETE FROM {}{}",
            quote(&table.name),
            as_alias(table, alias)
        );
        let using = match &delete.using {
            Some(using) => Some(self.from(using)?),
            None => None,
        };
        let test = match &delete.selection {
            Some(selection) => Some(self.condition(selection, "WHERE")?.sql),
            None => None,
        };
        match (using, test) {
            (None, None) => {}
            (None, Some(test)) => sql.push_str(&format!(" WHERE {test}")),
            (Some(using), test) => {
                let test = test.map_or_else(String::new, |test| format!(" WHERE {test}"));
                sql.push_str(&format!(" WHERE EXISTS (SELECT 1 FROM {using}{test})"));
            }
        }
        unqualify(&mut relation);
        self.scope().relations = vec![relation];
        let returning = self.returning(delete.returning.as_deref(), &mut sql)?;
        Ok(Change { sql, returning })
    }

    pub(super) fn target_table(&mut self, target: &TableWithJoins) -> Result<(Rc<Table>, String)> {
        let TableFactor::Table { name, alias, .. } = &target.relation else {
            return Err(unsupported("changing anything but a table"));
        };
        let parsed = Name::of(name)?;
        let table = self.find_table(&parsed, name.span())?;
        let alias = alias
            .as_ref()
            .map_or_else(|| table_alias(&table), |alias| fold(&alias.name));
        Ok((table, alias))
    }

    pub(super) fn returning(
        &mut self,
        returning: Option<&[SelectItem]>,
        sql: &mut String,
    ) -> Result<Option<Vec<Output>>> {
        let Some(items) = returning else {
            return Ok(None);
        };
        let outermost = std::mem::replace(&mut self.outermost, true);
        let out = self.projection(items, None);
        self.outermost = outermost;
        let (typed, outputs) = out?;
        self.scope().row_sources = None;
        let list: Vec<String> = typed
            .iter()
            .zip(&outputs)
            .map(|(item, output)| format!("{} AS {}", item.sql, quote(&output.alias)))
            .collect();
        sql.push_str(&format!(" RETURNING {}", list.join(", ")));
        Ok(Some(outputs))
    }

    pub(super) fn with_clause(&mut self, with: &sqlparser::ast::With) -> Result<String> {
        self.with(with)
    }

    /// A default as SQLite's expression, for `CREATE TABLE`.
    pub(crate) fn default_value(&mut self, expr: &Expr, ty: Type) -> Result<String> {
        let typed = self.expr(expr)?;
        let typed = self.coerce(typed, ty, Context::Assignment, expr.span())?;
        if let (Kind::Number(digits), true) = (&typed.kind, ty.is_native_numeric()) {
            return Ok(write_value(&rusqlite::types::Value::Text(digits.clone())));
        }
        Ok(self.checked(typed).sql)
    }
}

/// How columns of a table are qualified when it has no alias.
pub(super) fn table_alias(table: &Table) -> String {
    crate::sql::names::split(&table.name).1.to_owned()
}

pub(super) fn as_alias(table: &Table, alias: &str) -> String {
    if table.name == alias {
        String::new()
    } else {
        format!(" AS {}", quote(alias))
    }
}

pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

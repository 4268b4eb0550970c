//! `UPDATE`: the assignments, one by one or several from a row.

use super::Compiler;
use super::from::relation_of;
use super::scope::{Relation, Scope};
use crate::error::Result;
use crate::sql::names::{Name, quote};
use crate::sql::schema::{Column, Key, Table};
use crate::types::Type;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, Query, Spanned as _, Update, UpdateTableFromKind,
};

use super::dml::{Change, as_alias, is_default, not_assignable};

impl Compiler<'_> {
    /// `SET a = 1, (b, c) = (2, 3)`.
    pub(super) fn assignments(
        &mut self,
        assignments: &[Assignment],
        table: &Table,
    ) -> Result<String> {
        let mut parts = Vec::new();
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => {
                    let written = Name::of(name)?.name;
                    let column = self.target(table, &written, name.span())?.clone();
                    if !self.is_assigned(&column, &assignment.value)? {
                        continue;
                    }
                    let value = self.assigned(&assignment.value, table, &column)?;
                    parts.push(format!("{} = {value}", quote(&column.name)));
                }
                AssignmentTarget::Tuple(names) => {
                    let mut columns = Vec::new();
                    for name in names {
                        columns.push(
                            self.target(table, &Name::of(name)?.name, name.span())?
                                .clone(),
                        );
                    }
                    self.assign_several(&columns, &assignment.value, table, &mut parts)?;
                }
            }
        }
        Ok(parts.join(", "))
    }

    /// Whether a column gets a value. A generated one keeps its own: it may be set to `DEFAULT` only.
    fn is_assigned(&self, column: &Column, value: &Expr) -> Result<bool> {
        let always = column.key == Some(Key::Identity { always: true });
        if (always || column.generated) && !is_default(value) {
            let what = "column \"{}\" can only be updated to DEFAULT";
            return Err(not_assignable(column, what));
        }
        Ok(!column.generated)
    }

    fn assign_several(
        &mut self,
        columns: &[Column],
        value: &Expr,
        table: &Table,
        parts: &mut Vec<String>,
    ) -> Result<()> {
        if let Expr::Subquery(query) = value {
            for column in columns {
                self.is_assigned(column, value)?;
            }
            let types: Vec<Type> = columns.iter().map(|column| column.ty).collect();
            let compiled = self.subquery_as(query, &types)?;
            let list: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
            parts.push(format!("({}) = ({})", list.join(", "), compiled.sql));
            return Ok(());
        }
        let items: Vec<&Expr> = match value {
            Expr::Tuple(items) => items.iter().collect(),
            Expr::Nested(inner) => vec![inner.as_ref()],
            Expr::Function(function) => super::call::Arguments::of(function)?.exprs,
            other => vec![other],
        };
        if items.len() != columns.len() {
            return Err(self.error_at(
                value.span(),
                "42601",
                "number of columns does not match number of values",
            ));
        }
        for (column, item) in columns.iter().zip(items) {
            if !self.is_assigned(column, item)? {
                continue;
            }
            let sql = self.assigned(item, table, column)?;
            parts.push(format!("{} = {sql}", quote(&column.name)));
        }
        Ok(())
    }

    /// `UPDATE`.
    pub(crate) fn update(&mut self, update: &Update, with: Option<&Query>) -> Result<Change> {
        let mark = self.ctes.len();
        let with = match with.and_then(|query| query.with.as_ref()) {
            Some(with) => self.with_clause(with)?,
            None => String::new(),
        };
        let (table, alias) = self.target_table(&update.table)?;
        self.scopes.push(Scope::default());
        let out = self.update_inner(update, &table, &alias, with);
        self.scopes.pop();
        self.ctes.truncate(mark);
        out
    }

    fn update_inner(
        &mut self,
        update: &Update,
        table: &Table,
        alias: &str,
        with: String,
    ) -> Result<Change> {
        let mut relation = relation_of(table, alias, None);
        let from = match &update.from {
            Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => {
                self.from(from)?
            }
            None => String::new(),
        };
        self.scope().relations.insert(0, relation.clone());
        let mut set = self.assignments(&update.assignments, table)?;
        if set.is_empty() {
            // Generated columns alone, set to DEFAULT: the rows are written, and stay as they are.
            if let Some(column) = table.visible().find(|column| !column.generated) {
                set = format!("{0} = {0}", quote(&column.name));
            }
        }
        let mut sql = format!(
            "{with}UPDATE {}{} SET {set}",
            quote(&table.name),
            as_alias(table, alias)
        );
        if !from.is_empty() {
            sql.push_str(&format!(" FROM {from}"));
        }
        if let Some(selection) = &update.selection {
            sql.push_str(&format!(
                " WHERE {}",
                self.condition(selection, "WHERE")?.sql
            ));
        }
        unqualify(&mut relation);
        self.scope().relations[0] = relation;
        let returning = self.returning(update.returning.as_deref(), &mut sql)?;
        Ok(Change { sql, returning })
    }
}

/// `RETURNING` knows the columns by their bare names.
pub(super) fn unqualify(relation: &mut Relation) {
    for column in &mut relation.columns {
        column.sql = if column.hidden && matches!(column.name.as_str(), "ctid" | "rowid") {
            "rowid".to_owned()
        } else {
            quote(&column.name)
        };
    }
}

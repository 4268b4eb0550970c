//! `INSERT`: the columns, where the rows come from, and `ON CONFLICT`.

use super::from::relation_of;
use super::scope::{Relation, Scope};
use super::{Compiled, Compiler, Output, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{Name, fold, quote};
use crate::sql::schema::{Column, Key, Table};
use crate::types::Type;
use sqlparser::ast::{
    ConflictTarget, Insert, OnConflictAction, OnInsert, Query, SetExpr, Spanned as _, TableObject,
};
use sqlparser::tokenizer::Span;
use std::rc::Rc;

use super::dml::{Change, is_default, not_assignable, table_alias};
use super::update::unqualify;
use super::values::rows_of;

impl Compiler<'_> {
    /// `INSERT`.
    pub(crate) fn insert(&mut self, insert: &Insert, with: Option<&Query>) -> Result<Change> {
        let mark = self.ctes.len();
        let with = match with.and_then(|query| query.with.as_ref()) {
            Some(with) => self.with_clause(with)?,
            None => String::new(),
        };
        let TableObject::TableName(name) = &insert.table else {
            return Err(unsupported("INSERT INTO a function"));
        };
        let name = Name::of(name)?;
        let table = self.find_table(&name, insert.table.span())?;
        let columns = self.insert_columns(insert, &table)?;
        let overriding = insert.overriding.is_some();
        let (columns, body) = match &insert.source {
            None => (Vec::new(), "DEFAULT VALUES".to_owned()),
            Some(source) => self.insert_source(source, &table, columns, overriding)?,
        };
        let alias = insert
            .table_alias
            .as_ref()
            .map_or_else(|| table_alias(&table), |alias| fold(&alias.alias));
        let mut sql = format!("{with}INSERT INTO {}", quote(&table.name));
        if alias != table.name {
            sql.push_str(&format!(" AS {}", quote(&alias)));
        }
        if !columns.is_empty() {
            let list: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
            sql.push_str(&format!("({})", list.join(", ")));
        }
        sql.push_str(&format!(" {body}"));
        self.scopes.push(Scope::default());
        let out = self.insert_tail(insert, &table, &alias, &mut sql);
        self.scopes.pop();
        self.ctes.truncate(mark);
        Ok(Change {
            sql,
            returning: out?,
        })
    }

    fn insert_tail(
        &mut self,
        insert: &Insert,
        table: &Table,
        alias: &str,
        sql: &mut String,
    ) -> Result<Option<Vec<Output>>> {
        let mut relation = relation_of(table, alias, None);
        self.scope().relations.push(relation.clone());
        match &insert.on {
            None => {}
            Some(OnInsert::OnConflict(conflict)) => {
                sql.push_str(" ON CONFLICT");
                match &conflict.conflict_target {
                    Some(ConflictTarget::Columns { columns, predicate }) => {
                        let mut list = Vec::new();
                        for ident in columns {
                            let column = self.target(table, &fold(ident), ident.span)?;
                            list.push(quote(&column.name));
                        }
                        sql.push_str(&format!(" ({})", list.join(", ")));
                        if let Some(predicate) = predicate {
                            let mark = self.bare_columns(table);
                            let test = self.condition(predicate, "WHERE")?;
                            self.scope().relations = mark;
                            sql.push_str(&format!(" WHERE {}", test.sql));
                        }
                    }
                    Some(ConflictTarget::OnConstraint(name)) => {
                        let name = Name::of(name)?.name;
                        let columns = crate::sql::ddl::constraints::columns_of(
                            self.connection,
                            table,
                            &name,
                        )?;
                        let list: Vec<String> =
                            columns.iter().map(|column| quote(column)).collect();
                        sql.push_str(&format!(" ({})", list.join(", ")));
                    }
                    None => {}
                }
                match &conflict.action {
                    OnConflictAction::DoNothing => sql.push_str(" DO NOTHING"),
                    OnConflictAction::DoUpdate(update) => {
                        let mut excluded = relation_of(table, "excluded", None);
                        excluded.qualified_only = true;
                        self.scope().relations.push(excluded);
                        let set = self.assignments(&update.assignments, table)?;
                        sql.push_str(&format!(" DO UPDATE SET {set}"));
                        if let Some(selection) = &update.selection {
                            sql.push_str(&format!(
                                " WHERE {}",
                                self.condition(selection, "WHERE")?.sql
                            ));
                        }
                        self.scope().relations.pop();
                    }
                }
            }
            Some(other) => return Err(unsupported(other)),
        }
        unqualify(&mut relation);
        self.scope().relations = vec![relation];
        self.returning(insert.returning.as_deref(), sql)
    }

    /// The columns of the table without its name before them, for index predicates.
    fn bare_columns(&mut self, table: &Table) -> Vec<Relation> {
        let mut bare = relation_of(table, &table_alias(table), None);
        unqualify(&mut bare);
        std::mem::replace(&mut self.scope().relations, vec![bare])
    }

    fn insert_columns(&self, insert: &Insert, table: &Rc<Table>) -> Result<Vec<Column>> {
        if insert.columns.is_empty() {
            return Ok(table
                .visible()
                .filter(|column| !column.generated)
                .cloned()
                .collect());
        }
        let mut out: Vec<Column> = Vec::new();
        for name in &insert.columns {
            let written = Name::of(name)?.name;
            let column = self.target(table, &written, name.span())?;
            if out.iter().any(|other| other.name == column.name) {
                return Err(self.error_at(
                    name.span(),
                    "42701",
                    format!("column \"{written}\" specified more than once"),
                ));
            }
            out.push(column.clone());
        }
        Ok(out)
    }

    /// The rows to be put in. Columns whose every value is `DEFAULT` are left out.
    fn insert_source(
        &mut self,
        source: &Query,
        table: &Table,
        columns: Vec<Column>,
        overriding: bool,
    ) -> Result<(Vec<Column>, String)> {
        let SetExpr::Values(values) = source.body.as_ref() else {
            return self.insert_select(source, table, columns, overriding);
        };
        if source.order_by.is_some() || source.limit_clause.is_some() || source.with.is_some() {
            return self.insert_select(source, table, columns, overriding);
        }
        let (rows, width) = rows_of(values)?;
        self.check_width(width, columns.len(), source.span())?;
        let used: Vec<usize> = (0..width)
            .filter(|index| !rows.iter().all(|row| is_default(&row[*index])))
            .collect();
        if used.is_empty() && rows.len() == 1 {
            return Ok((Vec::new(), "DEFAULT VALUES".to_owned()));
        }
        let chosen: Vec<Column> = used.iter().map(|index| columns[*index].clone()).collect();
        self.check_required(table, &chosen, overriding)?;
        let mut lists = Vec::new();
        for row in rows {
            let mut parts = Vec::new();
            for (index, column) in used.iter().zip(&chosen) {
                parts.push(self.assigned(&row[*index], table, column)?);
            }
            lists.push(format!("({})", parts.join(", ")));
        }
        Ok((chosen, format!("VALUES {}", lists.join(", "))))
    }

    fn check_width(&self, values: usize, columns: usize, span: Span) -> Result<()> {
        if values > columns {
            return Err(self.error_at(
                span,
                "42601",
                "INSERT has more expressions than target columns",
            ));
        }
        Ok(())
    }

    /// A key that SQLite would make up must be given where Postgres would not make it up; one that is
    /// `GENERATED ALWAYS` must not.
    fn check_required(&self, table: &Table, given: &[Column], overriding: bool) -> Result<()> {
        for column in &table.columns {
            let is_given = given.iter().any(|other| other.name == column.name);
            if column.key == Some(Key::Plain) && !is_given {
                let mut error = PgError::new(
                    "23502",
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name,
                        crate::sql::names::split(&table.name).1
                    ),
                );
                error.table = Some(table.name.clone());
                error.column = Some(column.name.clone());
                return Err(error);
            }
            let always = column.key == Some(Key::Identity { always: true });
            if is_given && (column.generated || always && !overriding) {
                let error = not_assignable(
                    column,
                    "cannot insert a non-DEFAULT value into column \"{}\"",
                );
                return Err(if always {
                    error.hint("Use OVERRIDING SYSTEM VALUE to override.")
                } else {
                    error
                });
            }
        }
        Ok(())
    }

    fn insert_select(
        &mut self,
        source: &Query,
        table: &Table,
        columns: Vec<Column>,
        overriding: bool,
    ) -> Result<(Vec<Column>, String)> {
        let types: Vec<Type> = columns.iter().map(|column| column.ty).collect();
        let compiled = self.subquery_as(source, &types)?;
        self.check_width(compiled.columns.len(), columns.len(), source.span())?;
        let chosen: Vec<Column> = columns.into_iter().take(compiled.columns.len()).collect();
        self.check_required(table, &chosen, overriding)?;
        // The WHERE keeps ON CONFLICT apart from a join's ON.
        let list: Vec<String> = compiled
            .columns
            .iter()
            .map(|output| quote(&output.alias))
            .collect();
        Ok((
            chosen,
            format!("SELECT {} FROM ({}) WHERE 1", list.join(", "), compiled.sql),
        ))
    }

    pub(super) fn subquery_as(&mut self, query: &Query, types: &[Type]) -> Result<Compiled> {
        let outermost = std::mem::replace(&mut self.outermost, false);
        let out = self.query(query, Some(types));
        self.outermost = outermost;
        out
    }
}

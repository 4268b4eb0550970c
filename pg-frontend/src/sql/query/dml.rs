//! `INSERT`, `UPDATE`, `DELETE`.

use std::rc::Rc;

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, Expr, FromTable, Insert,
    OnConflictAction, OnInsert, Query, SelectItem, SetExpr, Spanned as _, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind,
};
use sqlparser::tokenizer::Span;

use super::coerce::{Context, write_value};
use super::from::relation_of;
use super::scope::{Relation, Scope};
use super::{Compiled, Compiler, Kind, Output, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::{Name, fold, literal, quote};
use crate::sql::schema::{Column, Key, Table};
use crate::types::Type;

/// A statement that changes data.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) sql: String,
    /// What `RETURNING` gives.
    pub(crate) returning: Option<Vec<Output>>,
}

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

    fn target<'t>(&self, table: &'t Table, name: &str, span: Span) -> Result<&'t Column> {
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
            return self.insert_select(source, table, columns);
        };
        if source.order_by.is_some() || source.limit_clause.is_some() || source.with.is_some() {
            return self.insert_select(source, table, columns);
        }
        let rows: Vec<&[Expr]> = values
            .rows
            .iter()
            .map(|row| row.content.as_slice())
            .collect();
        let width = rows.first().map_or(0, |row| row.len());
        if rows.iter().any(|row| row.len() != width) {
            return Err(PgError::new(
                "42601",
                "VALUES lists must all be the same length",
            ));
        }
        self.check_width(width, columns.len(), source.span())?;
        let used: Vec<usize> = (0..width)
            .filter(|index| !rows.iter().all(|row| is_default(&row[*index])))
            .collect();
        if used.is_empty() && rows.len() == 1 {
            return Ok((Vec::new(), "DEFAULT VALUES".to_owned()));
        }
        let chosen: Vec<Column> = used.iter().map(|index| columns[*index].clone()).collect();
        self.check_required(table, &chosen, overriding, false)?;
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
    fn check_required(
        &self,
        table: &Table,
        given: &[Column],
        overriding: bool,
        selects: bool,
    ) -> Result<()> {
        let _ = selects;
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
            if column.key == (Some(Key::Identity { always: true })) && is_given && !overriding {
                let mut error = PgError::new(
                    "428C9",
                    format!(
                        "cannot insert a non-DEFAULT value into column \"{}\"",
                        column.name
                    ),
                );
                error.detail = Some(format!(
                    "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
                    column.name
                ));
                return Err(error.hint("Use OVERRIDING SYSTEM VALUE to override."));
            }
            if column.generated && is_given {
                let mut error = PgError::new(
                    "428C9",
                    format!(
                        "cannot insert a non-DEFAULT value into column \"{}\"",
                        column.name
                    ),
                );
                error.detail = Some(format!("Column \"{}\" is a generated column.", column.name));
                return Err(error);
            }
        }
        Ok(())
    }

    /// A value for a column.
    fn assigned(&mut self, expr: &Expr, table: &Table, column: &Column) -> Result<String> {
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

    fn insert_select(
        &mut self,
        source: &Query,
        table: &Table,
        columns: Vec<Column>,
    ) -> Result<(Vec<Column>, String)> {
        let types: Vec<Type> = columns.iter().map(|column| column.ty).collect();
        let compiled = self.subquery_as(source, &types)?;
        self.check_width(compiled.columns.len(), columns.len(), source.span())?;
        let chosen: Vec<Column> = columns.into_iter().take(compiled.columns.len()).collect();
        self.check_required(table, &chosen, true, true)?;
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

    fn subquery_as(&mut self, query: &Query, types: &[Type]) -> Result<Compiled> {
        let outermost = std::mem::replace(&mut self.outermost, false);
        let out = self.query(query, Some(types));
        self.outermost = outermost;
        out
    }

    /// `SET a = 1, (b, c) = (2, 3)`.
    fn assignments(&mut self, assignments: &[Assignment], table: &Table) -> Result<String> {
        let mut parts = Vec::new();
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => {
                    let written = Name::of(name)?.name;
                    let column = self.target(table, &written, name.span())?.clone();
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

    fn assign_several(
        &mut self,
        columns: &[Column],
        value: &Expr,
        table: &Table,
        parts: &mut Vec<String>,
    ) -> Result<()> {
        if let Expr::Subquery(query) = value {
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
        let set = self.assignments(&update.assignments, table)?;
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

    fn target_table(&mut self, target: &TableWithJoins) -> Result<(Rc<Table>, String)> {
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

    fn returning(
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

    fn with_clause(&mut self, with: &sqlparser::ast::With) -> Result<String> {
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
fn table_alias(table: &Table) -> String {
    crate::sql::names::split(&table.name).1.to_owned()
}

fn as_alias(table: &Table, alias: &str) -> String {
    if table.name == alias {
        String::new()
    } else {
        format!(" AS {}", quote(alias))
    }
}

/// `RETURNING` knows the columns by their bare names.
fn unqualify(relation: &mut Relation) {
    for column in &mut relation.columns {
        column.sql = if column.hidden && matches!(column.name.as_str(), "ctid" | "rowid") {
            "rowid".to_owned()
        } else {
            quote(&column.name)
        };
    }
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

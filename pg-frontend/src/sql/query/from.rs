//! `FROM`: what its items are, tables, subqueries, functions and joins, and the relations they bring in sight.
//!
//! Joins are in [`joins`](super::joins), functions in [`from_function`](super::from_function).

use super::scope::{Relation, RelationColumn};
use super::{Compiled, Compiler, unsupported};
use crate::error::Result;
use crate::sql::names::{Name, fold, quote};
use crate::sql::schema::{self, Table};
use crate::types::Type;
use sqlparser::ast::{
    Expr, Ident, ObjectName, Spanned as _, TableAlias, TableFactor, TableWithJoins,
};
use sqlparser::tokenizer::Span;
use std::rc::Rc;

use super::from_function::plain_column;

/// How a table's columns are called in what is made of the statement.
pub(crate) fn relation_of(table: &Table, alias: &str, schema: Option<String>) -> Relation {
    let quoted = quote(alias);
    let mut columns: Vec<RelationColumn> = table
        .columns
        .iter()
        .map(|column| RelationColumn {
            name: column.name.clone(),
            sql: format!("{quoted}.{}", quote(&column.name)),
            ty: column.ty,
            not_null: column.not_null,
            native: column.ty.is_native_numeric(),
            source: Some(Rc::new((table.name.clone(), column.name.clone()))),
            primary: column.primary > 0,
            hidden: column.hidden,
            fields: None,
        })
        .collect();
    if !table.view {
        // `ctid` stands for the row itself, as SQLite's `rowid` does.
        for (name, ty) in [("ctid", Type::of(27)), ("rowid", Type::INT8)] {
            if table.column(name).is_some() {
                continue;
            }
            columns.push(RelationColumn {
                name: name.to_owned(),
                sql: format!("{quoted}.rowid"),
                ty,
                not_null: true,
                native: false,
                source: None,
                primary: false,
                hidden: true,
                fields: None,
            });
        }
    }
    Relation {
        alias: alias.to_owned(),
        schema,
        columns,
        qualified_only: false,
        nullable: false,
    }
}

impl Compiler<'_> {
    /// The whole `FROM`, its relations put into the innermost scope.
    pub(crate) fn from(&mut self, from: &[TableWithJoins]) -> Result<String> {
        let mut parts = Vec::new();
        for item in from {
            let sql = self.joined(item)?;
            // In SQLite commas bind as tightly as JOIN.
            let apart = !parts.is_empty() && !item.joins.is_empty();
            parts.push(if apart { format!("({sql})") } else { sql });
        }
        Ok(parts.join(", "))
    }

    /// One item of a `FROM`.
    pub(super) fn factor(&mut self, factor: &TableFactor) -> Result<String> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_ordinality: false,
                sample,
                ..
            } => {
                if sample.is_some() {
                    return Err(unsupported("TABLESAMPLE"));
                }
                self.table(name, alias.as_ref())
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(arguments),
                with_ordinality,
                ..
            } => {
                let exprs: Vec<&Expr> = arguments
                    .args
                    .iter()
                    .filter_map(|argument| match argument {
                        sqlparser::ast::FunctionArg::Unnamed(
                            sqlparser::ast::FunctionArgExpr::Expr(expr),
                        ) => Some(expr),
                        _ => None,
                    })
                    .collect();
                self.function(
                    name,
                    &exprs,
                    *with_ordinality,
                    alias.as_ref(),
                    factor.span(),
                )
            }
            TableFactor::Function {
                name,
                args,
                alias,
                with_ordinality,
                ..
            } => {
                let exprs: Vec<&Expr> = args
                    .iter()
                    .filter_map(|argument| match argument {
                        sqlparser::ast::FunctionArg::Unnamed(
                            sqlparser::ast::FunctionArgExpr::Expr(expr),
                        ) => Some(expr),
                        _ => None,
                    })
                    .collect();
                self.function(
                    name,
                    &exprs,
                    *with_ordinality,
                    alias.as_ref(),
                    factor.span(),
                )
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_ordinality,
                ..
            } => {
                let exprs: Vec<&Expr> = array_exprs.iter().collect();
                let name = ObjectName::from(vec![Ident::new("unnest")]);
                self.function(
                    &name,
                    &exprs,
                    *with_ordinality,
                    alias.as_ref(),
                    factor.span(),
                )
            }
            TableFactor::TableFunction {
                expr: Expr::Function(function),
                alias,
            } => {
                let arguments = super::call::Arguments::of(function)?;
                self.function(
                    &function.name,
                    &arguments.exprs,
                    false,
                    alias.as_ref(),
                    factor.span(),
                )
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                ..
            } => self.derived(*lateral, subquery, alias.as_ref()),
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => Ok(format!("({})", self.joined(table_with_joins)?)),
            other => Err(unsupported(format!("{other} in FROM"))),
        }
    }

    pub(super) fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<String> {
        let parsed = Name::of(name)?;
        let shown = alias.map_or_else(|| parsed.name.clone(), |alias| fold(&alias.name));
        if parsed.schema.is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == parsed.name)
        {
            let cte = cte.clone();
            let mut relation = Relation {
                alias: shown.clone(),
                schema: None,
                columns: cte
                    .columns
                    .iter()
                    .map(|output| RelationColumn::of_output(&shown, output))
                    .collect(),
                qualified_only: false,
                nullable: false,
            };
            rename(&mut relation, alias);
            self.add(relation, name.span())?;
            return Ok(format!("{} AS {}", quote(&cte.name), quote(&shown)));
        }
        let table = match self.find_table(&parsed, name.span()) {
            Ok(table) => table,
            Err(error) => return self.sequence(&parsed, &shown)?.ok_or(error),
        };
        let mut relation = relation_of(&table, &shown, parsed.schema.clone());
        rename(&mut relation, alias);
        self.add(relation, name.span())?;
        let written = quote(&table.name);
        Ok(if table.name == shown {
            written
        } else {
            format!("{written} AS {}", quote(&shown))
        })
    }

    /// A sequence read as a table of one row.
    fn sequence(&mut self, name: &Name, shown: &str) -> Result<Option<String>> {
        use crate::sql::ddl::sequences;
        use crate::sql::names::literal;
        let source = match sequences::sequence_exists(self.connection, self.state, name)? {
            Some(found) => format!(
                "SELECT last AS last_value, 0 AS log_cnt, called AS is_called FROM {} WHERE name = {}",
                sequences::SEQUENCES,
                literal(&found)
            ),
            None => match crate::functions::sequence::owner_of(self.connection, &name.name) {
                Some((table, _)) => format!(
                    "SELECT max(ifnull(max(seq), 1), 1) AS last_value, 0 AS log_cnt, count(*) > 0 AS is_called FROM sqlite_sequence WHERE name = {}",
                    literal(&table)
                ),
                None => return Ok(None),
            },
        };
        let quoted = quote(shown);
        let column = |name: &str, ty| plain_column(name, format!("{quoted}.{}", quote(name)), ty);
        self.add(
            Relation {
                alias: shown.to_owned(),
                schema: name.schema.clone(),
                columns: vec![
                    column("last_value", Type::INT8),
                    column("log_cnt", Type::INT8),
                    column("is_called", Type::BOOL),
                ],
                qualified_only: false,
                nullable: false,
            },
            Span::empty(),
        )?;
        Ok(Some(format!("({source}) AS {quoted}")))
    }

    /// A table by its name.
    ///
    /// # Errors
    /// 42P01.
    pub(crate) fn find_table(&self, name: &Name, span: Span) -> Result<Rc<Table>> {
        schema::find(self.connection, self.state, name)?.ok_or_else(|| {
            self.error_at(
                span,
                "42P01",
                format!("relation \"{}\" does not exist", name.display()),
            )
        })
    }

    pub(super) fn add(&mut self, relation: Relation, span: Span) -> Result<()> {
        if self
            .scope()
            .relations
            .iter()
            .any(|other| other.alias == relation.alias && !other.qualified_only)
        {
            return Err(self.error_at(
                span,
                "42712",
                format!("table name \"{}\" specified more than once", relation.alias),
            ));
        }
        self.scope().relations.push(relation);
        Ok(())
    }

    fn derived(
        &mut self,
        lateral: bool,
        query: &sqlparser::ast::Query,
        alias: Option<&TableAlias>,
    ) -> Result<String> {
        let name = alias.map_or_else(|| self.fresh("t"), |alias| fold(&alias.name));
        if lateral {
            return self.lateral(query, &name, alias);
        }
        // It sees nothing of its neighbours, only of the queries around.
        let inner = std::mem::take(&mut self.scope().relations);
        let merged = std::mem::take(&mut self.scope().merged);
        let compiled = self.subquery(query);
        self.scope().relations = inner;
        self.scope().merged = merged;
        let compiled = compiled?;
        let span = query.span();
        let relation = self.relation_of_query(&compiled, &name, alias);
        self.add(relation, span)?;
        Ok(format!("({}) AS {}", compiled.sql, quote(&name)))
    }

    pub(super) fn relation_of_query(
        &self,
        compiled: &Compiled,
        name: &str,
        alias: Option<&TableAlias>,
    ) -> Relation {
        let mut relation = Relation {
            alias: name.to_owned(),
            schema: None,
            columns: compiled
                .columns
                .iter()
                .map(|output| RelationColumn::of_output(name, output))
                .collect(),
            qualified_only: false,
            nullable: false,
        };
        for column in &mut relation.columns {
            if column.ty.oid == Type::UNKNOWN.oid {
                column.ty = Type::TEXT;
            }
        }
        rename(&mut relation, alias);
        relation
    }
}

/// `AS t(a, b)`: the columns' new names.
pub(super) fn rename(relation: &mut Relation, alias: Option<&TableAlias>) {
    let Some(alias) = alias else { return };
    let visible = relation.columns.iter_mut().filter(|column| !column.hidden);
    for (column, renamed) in visible.zip(&alias.columns) {
        column.name = fold(&renamed.name);
    }
}

//! `FROM`: tables, subqueries, functions and joins.

use std::rc::Rc;

use sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Spanned as _, TableAlias,
    TableFactor, TableWithJoins,
};
use sqlparser::tokenizer::Span;

use super::expr::function_name;
use super::scope::{Relation, RelationColumn};
use super::{Compiled, Compiler, unsupported};
use crate::error::Result;
use crate::sql::names::{Name, fold, quote};
use crate::sql::schema::{self, Table};
use crate::types::Type;

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
            source: (!table.view).then(|| Rc::new((table.name.clone(), column.name.clone()))),
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

    fn joined(&mut self, item: &TableWithJoins) -> Result<String> {
        let first = self.scope().relations.len();
        let mut sql = self.factor(&item.relation)?;
        for join in &item.joins {
            sql = self.join(sql, join, first)?;
        }
        Ok(sql)
    }

    fn join(&mut self, left: String, join: &Join, first: usize) -> Result<String> {
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                ("JOIN", constraint)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
            // SQLite's CROSS JOIN would fix the order of the tables.
            JoinOperator::CrossJoin(constraint) => ("JOIN", constraint),
            other => return Err(unsupported(format!("the join {other:?}"))),
        };
        let middle = self.scope().relations.len();
        let right = self.factor(&join.relation)?;
        let scope = self.scope();
        if matches!(word, "RIGHT JOIN" | "FULL JOIN") {
            for relation in &mut scope.relations[first..middle] {
                relation.nullable = true;
            }
        }
        let right_nullable = matches!(word, "LEFT JOIN" | "FULL JOIN");
        let on = match constraint {
            JoinConstraint::On(expr) => Some(self.condition(expr, "JOIN/ON")?.sql),
            JoinConstraint::Using(names) | JoinConstraint::UsingAlias(names, _) => {
                let names: Vec<String> = names
                    .iter()
                    .map(|name| Ok(Name::of(name)?.name))
                    .collect::<Result<_>>()?;
                Some(self.using(&names, first, middle, word)?)
            }
            JoinConstraint::Natural => {
                let names = self.common_columns(first, middle);
                if names.is_empty() {
                    None
                } else {
                    Some(self.using(&names, first, middle, word)?)
                }
            }
            JoinConstraint::None => None,
        };
        if right_nullable {
            for relation in &mut self.scope().relations[middle..] {
                relation.nullable = true;
            }
        }
        // A right side that is itself a join needs its parentheses.
        Ok(match on {
            Some(on) => format!("{left} {word} {right} ON {on}"),
            None => format!("{left} {word} {right}"),
        })
    }

    fn common_columns(&mut self, first: usize, middle: usize) -> Vec<String> {
        let scope = self.scope();
        let mut left: Vec<String> = scope
            .merged
            .iter()
            .map(|column| column.name.clone())
            .collect();
        for relation in &scope.relations[first..middle] {
            left.extend(
                relation
                    .columns
                    .iter()
                    .filter(|column| !column.hidden)
                    .map(|column| column.name.clone()),
            );
        }
        scope.relations[middle..]
            .iter()
            .flat_map(|relation| relation.columns.iter().filter(|column| !column.hidden))
            .map(|column| column.name.clone())
            .filter(|name| left.contains(name))
            .collect()
    }

    /// The condition of `USING`, its columns merged.
    fn using(
        &mut self,
        names: &[String],
        first: usize,
        middle: usize,
        word: &str,
    ) -> Result<String> {
        let mut tests = Vec::new();
        for name in names {
            let missing = |side: &str| {
                crate::error::PgError::new(
                    "42703",
                    format!(
                        "column \"{name}\" specified in USING clause does not exist in {side} table"
                    ),
                )
            };
            let scope = self.scope();
            let visible = |relations: &[Relation]| {
                relations
                    .iter()
                    .flat_map(|relation| relation.columns.iter())
                    .find(|column| !column.hidden && column.name == *name)
                    .cloned()
            };
            let earlier = scope.merged.iter().position(|column| column.name == *name);
            let left = match earlier {
                Some(index) => Some(scope.merged.remove(index)),
                None => visible(&scope.relations[first..middle]),
            }
            .ok_or_else(|| missing("left"))?;
            let right = visible(&scope.relations[middle..]).ok_or_else(|| missing("right"))?;
            for relation in &mut scope.relations[first..] {
                for column in relation
                    .columns
                    .iter_mut()
                    .filter(|column| column.name == *name)
                {
                    column.hidden = true;
                }
            }
            let mut merged = left.clone();
            merged.sql = match word {
                "RIGHT JOIN" => right.sql.clone(),
                "FULL JOIN" => format!("coalesce({}, {})", left.sql, right.sql),
                _ => left.sql.clone(),
            };
            merged.not_null = left.not_null && right.not_null;
            scope.merged.push(merged);
            let (a, b) = (column_value(&left), column_value(&right));
            tests.push(self.compare(a, "=", b, Span::empty())?.sql);
        }
        Ok(tests.join(" AND "))
    }

    /// One item of a `FROM`.
    fn factor(&mut self, factor: &TableFactor) -> Result<String> {
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

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<String> {
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
        use crate::sql::ddl::objects;
        use crate::sql::names::literal;
        let source = match objects::sequence_exists(self.connection, self.state, name)? {
            Some(found) => format!(
                "SELECT last AS last_value, 0 AS log_cnt, called AS is_called FROM {} WHERE name = {}",
                objects::SEQUENCES,
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

    fn add(&mut self, relation: Relation, span: Span) -> Result<()> {
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

    fn relation_of_query(
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

    /// A subquery that sees the relations before it: SQLite lets only the arguments of table functions do so,
    /// so its rows become a JSON array that `json_each` walks.
    fn lateral(
        &mut self,
        query: &sqlparser::ast::Query,
        name: &str,
        alias: Option<&TableAlias>,
    ) -> Result<String> {
        let compiled = self.subquery(query)?;
        let inner = self.fresh("l");
        let mut items = Vec::new();
        let mut relation = self.relation_of_query(&compiled, name, alias);
        for (index, (output, column)) in compiled
            .columns
            .iter()
            .zip(&mut relation.columns)
            .enumerate()
        {
            let value = format!("{}.{}", quote(&inner), quote(&output.alias));
            let value = if column.ty.element().is_some() {
                format!("{value} || ''")
            } else {
                value
            };
            let mut typed = super::Typed::new(value, column.ty);
            typed.native = output.native;
            items.push(self.as_item(&typed));
            let item = format!("({}.\"value\" ->> {index})", quote(name));
            column.sql = self.array_item(&item, column.ty).sql;
            column.native = false;
        }
        self.add(relation, query.span())?;
        Ok(format!(
            "json_each((SELECT json_group_array(json_array({})) FROM ({}) AS {})) AS {}",
            items.join(", "),
            compiled.sql,
            quote(&inner),
            quote(name)
        ))
    }

    fn function(
        &mut self,
        name: &ObjectName,
        arguments: &[&Expr],
        ordinality: bool,
        alias: Option<&TableAlias>,
        span: Span,
    ) -> Result<String> {
        let called = function_name(name)?;
        let shown = alias.map_or_else(|| called.clone(), |alias| fold(&alias.name));
        if let Some(rows) = self.rows_of(&called, arguments, span)? {
            let quoted = quote(&shown);
            let only = rows.columns.len() == 1;
            let mut relation = Relation {
                alias: shown.clone(),
                schema: None,
                columns: Vec::new(),
                qualified_only: false,
                nullable: false,
            };
            let aliased = alias.is_some_and(|alias| !alias.columns.is_empty());
            for (index, (column, ty)) in rows.columns.iter().enumerate() {
                let value = format!("{quoted}.\"value\"");
                let sql = if only {
                    value
                } else {
                    format!("({value} ->> {index})")
                };
                let typed = self.array_item(&sql, *ty);
                let name = match column {
                    Some(name) => (*name).to_owned(),
                    None if only || aliased => shown.clone(),
                    None => called.clone(),
                };
                relation
                    .columns
                    .push(plain_column(&name, typed.sql, typed.ty));
            }
            if ordinality {
                relation.columns.push(plain_column(
                    "ordinality",
                    format!("({quoted}.\"key\" + 1)"),
                    Type::INT8,
                ));
            }
            rename(&mut relation, alias);
            let sql = match &rows.series {
                Some([start, stop, step])
                    if !ordinality && self.is_constant(&[start, stop, step]) =>
                {
                    format!("({}) AS {quoted}", series_query(start, stop, step))
                }
                _ => format!("json_each({}) AS {quoted}", rows.array),
            };
            self.add(relation, span)?;
            return Ok(sql);
        }
        // A table function of SQLite's, or of the catalog.
        if let Some(table) = schema::load(self.connection, &called)? {
            let mut parts = Vec::new();
            for expr in arguments {
                let typed = self.expr(expr)?;
                parts.push(self.settled(typed, expr.span())?.sql);
            }
            let mut relation = relation_of(&table, &shown, None);
            rename(&mut relation, alias);
            self.add(relation, span)?;
            return Ok(format!(
                "{}({}) AS {}",
                quote(&called),
                parts.join(", "),
                quote(&shown)
            ));
        }
        // A function that gives one value gives one row.
        let value = self.call_by_name(&called, arguments, span)?;
        let mut relation = Relation {
            alias: shown.clone(),
            schema: None,
            columns: vec![plain_column(
                &shown,
                format!("{}.\"v\"", quote(&shown)),
                value.ty,
            )],
            qualified_only: false,
            nullable: false,
        };
        rename(&mut relation, alias);
        self.add(relation, span)?;
        Ok(format!(
            "(SELECT {} AS \"v\") AS {}",
            value.sql,
            quote(&shown)
        ))
    }

    /// It names no column: a subquery may hold it.
    fn is_constant(&self, parts: &[&String]) -> bool {
        parts.iter().all(|part| !part.contains('"'))
    }
}

/// A series of integers without an array, however long.
fn series_query(start: &str, stop: &str, step: &str) -> String {
    if step == "1" {
        return format!(
            "WITH RECURSIVE \"s\"(\"value\") AS (SELECT {start} WHERE {start} <= {stop} UNION ALL SELECT \"value\" + 1 FROM \"s\" WHERE \"value\" < {stop}) SELECT \"value\" FROM \"s\""
        );
    }
    format!(
        "WITH RECURSIVE \"s\"(\"value\") AS (SELECT {start} WHERE CASE WHEN pg_series_step({step}) > 0 THEN {start} <= {stop} ELSE {start} >= {stop} END \
         UNION ALL SELECT \"value\" + {step} FROM \"s\" WHERE CASE WHEN {step} > 0 THEN \"value\" + {step} <= {stop} ELSE \"value\" + {step} >= {stop} END) SELECT \"value\" FROM \"s\""
    )
}

fn plain_column(name: &str, sql: String, ty: Type) -> RelationColumn {
    RelationColumn {
        name: name.to_owned(),
        sql,
        ty,
        not_null: false,
        native: false,
        source: None,
        primary: false,
        hidden: false,
        fields: None,
    }
}

fn column_value(column: &RelationColumn) -> super::Typed {
    let mut out = super::Typed::new(column.sql.clone(), column.ty);
    out.native = column.native;
    out.not_null = column.not_null;
    out
}

/// `AS t(a, b)`: the columns' new names.
fn rename(relation: &mut Relation, alias: Option<&TableAlias>) {
    let Some(alias) = alias else { return };
    let visible = relation.columns.iter_mut().filter(|column| !column.hidden);
    for (column, renamed) in visible.zip(&alias.columns) {
        column.name = fold(&renamed.name);
    }
}

//! Functions in `FROM`: `generate_series(…)`, `unnest(…) WITH ORDINALITY`, `ROWS FROM`, and `LATERAL`.

use super::Compiler;
use super::expr::function_name;
use super::scope::{Relation, RelationColumn};
use crate::error::Result;
use crate::sql::names::{fold, quote};
use crate::sql::schema::{self};
use crate::types::Type;
use sqlparser::ast::{Expr, ObjectName, Spanned as _, TableAlias};
use sqlparser::tokenizer::Span;

use super::from::{relation_of, rename};

impl Compiler<'_> {
    /// A subquery that sees the relations before it: SQLite lets only the arguments of table functions do so,
    /// so its rows become a JSON array that `json_each` walks.
    pub(super) fn lateral(
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

    pub(super) fn function(
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
            self.writes |= matches!(called.as_str(), "session_capture" | "sqlproxy_serve");
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

pub(super) fn plain_column(name: &str, sql: String, ty: Type) -> RelationColumn {
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

//! What stands below `ORDER BY` and `LIMIT`: one `SELECT`, `VALUES`, `TABLE`, or two of them put together
//! by `UNION`, `INTERSECT` or `EXCEPT`.
//!
//! SQLite puts operations together from left to right and has no parentheses: operands of another kind are
//! wrapped in a query. `ALL` with `INTERSECT` and `EXCEPT` it does not have: equal rows are numbered.

use super::coerce::common;
use super::{Compiled, Compiler, Output, unsupported};
use crate::error::{PgError, Result};
use crate::sql::names::quote;
use crate::types::Type;
use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

impl Compiler<'_> {
    /// What stands below `ORDER BY` and `LIMIT`.
    pub(super) fn set(&mut self, body: &SetExpr, expected: Option<&[Type]>) -> Result<Compiled> {
        match body {
            SetExpr::Select(select) => self.select(select, None, "", expected),
            SetExpr::Query(query) => {
                let inner = self.query(query, expected)?;
                let plain = query.order_by.is_none()
                    && query.limit_clause.is_none()
                    && query.with.is_none()
                    && query.fetch.is_none();
                Ok(if plain { inner } else { self.wrapped(inner) })
            }
            SetExpr::Values(values) => self.values(values, expected),
            SetExpr::Table(table) => {
                let name = table
                    .table_name
                    .clone()
                    .map_or_else(String::new, |name| name.to_string());
                let sql = match &table.schema_name {
                    Some(schema) => format!("SELECT * FROM {schema}.{name}"),
                    None => format!("SELECT * FROM {name}"),
                };
                let parsed = crate::sql::parse::statement(&sql)?;
                match parsed {
                    sqlparser::ast::Statement::Query(query) => self.query(&query, expected),
                    _ => Err(unsupported("TABLE")),
                }
            }
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => self.set_operation(*op, *set_quantifier, left, right, expected),
            _ => Err(unsupported("a statement that changes data as a query")),
        }
    }

    /// A query that can stand as one operand: with its own ORDER BY, LIMIT or WITH.
    pub(super) fn wrapped(&mut self, inner: Compiled) -> Compiled {
        let alias = self.fresh("q");
        let list: Vec<String> = inner
            .columns
            .iter()
            .map(|column| quote(&column.alias))
            .collect();
        Compiled {
            sql: format!(
                "SELECT {} FROM ({}) AS {}",
                list.join(", "),
                inner.sql,
                quote(&alias)
            ),
            columns: inner.columns,
        }
    }

    fn set_operation(
        &mut self,
        op: SetOperator,
        quantifier: SetQuantifier,
        left: &SetExpr,
        right: &SetExpr,
        expected: Option<&[Type]>,
    ) -> Result<Compiled> {
        let word = match op {
            SetOperator::Union => "UNION",
            SetOperator::Except => "EXCEPT",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Minus => return Err(unsupported("MINUS")),
        };
        // What has no type takes the other side's: at first neither is the result.
        let outermost = std::mem::replace(&mut self.outermost, false);
        let sides = self
            .set(left, expected)
            .and_then(|a| Ok((a, self.set(right, expected)?)));
        self.outermost = outermost;
        let (mut a, mut b) = sides?;
        if a.columns.len() != b.columns.len() {
            return Err(PgError::new(
                "42601",
                format!("each {word} query must have the same number of columns"),
            ));
        }
        let mut types = Vec::new();
        for (x, y) in a.columns.iter().zip(&b.columns) {
            let ty = common(x.ty, y.ty).ok_or_else(|| {
                PgError::new(
                    "42804",
                    format!(
                        "{word} types {} and {} cannot be matched",
                        self.type_name(x.ty),
                        self.type_name(y.ty)
                    ),
                )
            })?;
            types.push(if ty.oid == Type::UNKNOWN.oid {
                Type::TEXT
            } else {
                ty
            });
        }
        // Numerics of several kinds become text with their collation, so that equal ones are equal.
        let numeric = |index: usize| {
            let (x, y) = (&a.columns[index], &b.columns[index]);
            types[index].oid == Type::NUMERIC.oid && !(x.ty == y.ty && x.native && y.native)
        };
        let mixed: Vec<bool> = (0..types.len()).map(numeric).collect();
        for (ty, mixed) in types.iter_mut().zip(&mixed) {
            if *mixed {
                *ty = Type::NUMERIC;
            }
        }
        let differs = |compiled: &Compiled| {
            mixed.contains(&true)
                || compiled
                    .columns
                    .iter()
                    .zip(&types)
                    .any(|(column, ty)| column.ty.oid != ty.oid)
        };
        let (redo_a, redo_b) = (differs(&a), differs(&b));
        if outermost || redo_a {
            a = self.set(left, Some(&types))?;
        }
        if outermost || redo_b {
            b = self.set(right, Some(&types))?;
        }
        let left_sql = self.operand(&a, left);
        let right_sql = self.operand(&b, right);
        let compound = matches!(right, SetExpr::SetOperation { .. });
        let right_sql = if compound {
            format!("SELECT * FROM ({right_sql})")
        } else {
            right_sql
        };
        let left_compound = matches!(left, SetExpr::SetOperation { op: other, set_quantifier: q, .. } if *other != op || *q != quantifier);
        let left_sql = if left_compound {
            format!("SELECT * FROM ({left_sql})")
        } else {
            left_sql
        };
        let all = matches!(quantifier, SetQuantifier::All);
        let sql = match (word, all) {
            ("UNION", true) => format!("{left_sql} UNION ALL {right_sql}"),
            (_, true) => {
                // Rows counted: the n-th of equal rows on each side.
                let list: Vec<String> = (1..=types.len())
                    .map(|index| format!("\"c{index}\""))
                    .collect();
                let list = list.join(", ");
                let numbered = |sql: &str| {
                    format!(
                        "WITH \"n\"({list}) AS ({sql}) SELECT {list}, row_number() OVER (PARTITION BY {list}) AS \"k\" FROM \"n\""
                    )
                };
                format!(
                    "SELECT {list} FROM (SELECT * FROM ({}) {word} SELECT * FROM ({}))",
                    numbered(&left_sql),
                    numbered(&right_sql)
                )
            }
            _ => format!("{left_sql} {word} {right_sql}"),
        };
        let counted = all && word != "UNION";
        let columns = a
            .columns
            .iter()
            .zip(&b.columns)
            .zip(types)
            .enumerate()
            .map(|(index, ((x, y), ty))| Output {
                name: x.name.clone(),
                alias: if counted {
                    format!("c{}", index + 1)
                } else {
                    x.alias.clone()
                },
                ty: if x.ty == y.ty { ty } else { ty.bare() },
                not_null: x.not_null && y.not_null,
                native: x.native && y.native && (x.ty.oid != Type::NUMERIC.oid || x.ty == y.ty),
                source: None,
                fields: None,
            })
            .collect();
        Ok(Compiled { sql, columns })
    }

    fn operand(&mut self, compiled: &Compiled, body: &SetExpr) -> String {
        match body {
            // SQLite's VALUES has no names of its own to rely on.
            SetExpr::Values(_) => self.wrapped(compiled.clone()).sql,
            _ => compiled.sql.clone(),
        }
    }
}

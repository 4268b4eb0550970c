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
        let body = bare(body);
        match body {
            SetExpr::Select(select) => self.select(select, None, "", expected),
            SetExpr::Query(query) => {
                let inner = self.query(query, expected)?;
                Ok(self.wrapped(inner))
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
            SetExpr::SetOperation { .. } => self.set_operation(body, expected),
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

    /// What is put together. Each term is compiled twice at most, however many there are: for its own types,
    /// then for those of all.
    fn set_operation(&mut self, whole: &SetExpr, expected: Option<&[Type]>) -> Result<Compiled> {
        // What has no type takes the other side's: at first no term is the result.
        let outermost = std::mem::replace(&mut self.outermost, false);
        let mut terms = Vec::new();
        let resolved = self.resolve_terms(whole, expected, &mut terms);
        self.outermost = outermost;
        self.put_together(whole, &resolved?, &mut terms.into_iter())
    }

    /// The columns of what is put together; the terms are compiled, from left to right.
    fn resolve_terms(
        &mut self,
        body: &SetExpr,
        expected: Option<&[Type]>,
        terms: &mut Vec<Compiled>,
    ) -> Result<Vec<Resolved>> {
        let SetExpr::SetOperation {
            op, left, right, ..
        } = bare(body)
        else {
            let term = self.set(body, expected)?;
            let columns = term.columns.iter();
            let columns = columns.map(|column| Resolved {
                ty: column.ty,
                native: column.native,
            });
            let columns = columns.collect();
            terms.push(term);
            return Ok(columns);
        };
        let word = word(*op)?;
        let left = self.resolve_terms(left, expected, terms)?;
        let right = self.resolve_terms(right, expected, terms)?;
        if left.len() != right.len() {
            return Err(PgError::new(
                "42601",
                format!("each {word} query must have the same number of columns"),
            ));
        }
        let both = left.into_iter().zip(right);
        both.map(|(x, y)| self.match_columns(word, x, y)).collect()
    }

    fn match_columns(&self, word: &str, x: Resolved, y: Resolved) -> Result<Resolved> {
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
        let same = x.ty == y.ty;
        let native = x.native && y.native && (same || ty.oid != Type::NUMERIC.oid);
        let ty = match ty {
            ty if ty.oid == Type::UNKNOWN.oid => Type::TEXT,
            // Numerics of several kinds become text with their collation, so that equal ones are equal.
            ty if ty.oid == Type::NUMERIC.oid && !native => Type::NUMERIC,
            ty if same => ty,
            ty => ty.bare(),
        };
        Ok(Resolved { ty, native })
    }

    /// The text for SQLite, of the terms as they were compiled where they fit.
    fn put_together(
        &mut self,
        body: &SetExpr,
        result: &[Resolved],
        terms: &mut std::vec::IntoIter<Compiled>,
    ) -> Result<Compiled> {
        let types: Vec<Type> = result.iter().map(|column| column.ty).collect();
        let SetExpr::SetOperation {
            op,
            set_quantifier: quantifier,
            left,
            right,
        } = bare(body)
        else {
            return match terms.next() {
                Some(term) if !self.outermost && fits(&term, result) => Ok(term),
                _ => self.set(body, Some(&types)),
            };
        };
        let word = word(*op)?;
        let a = self.put_together(left, result, terms)?;
        let b = self.put_together(right, result, terms)?;
        let left_sql = self.operand(&a, left);
        let right_sql = self.operand(&b, right);
        let (left, right) = (bare(left), bare(right));
        let compound = matches!(right, SetExpr::SetOperation { .. });
        let right_sql = if compound {
            format!("SELECT * FROM ({right_sql})")
        } else {
            right_sql
        };
        let left_compound = matches!(left, SetExpr::SetOperation { op: other, set_quantifier: q, .. } if other != op || q != quantifier);
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

/// A column of what is put together.
#[derive(Clone, Copy)]
struct Resolved {
    ty: Type,
    native: bool,
}

/// Whether a term that was compiled for its own types has those of all.
fn fits(term: &Compiled, result: &[Resolved]) -> bool {
    let mut columns = term.columns.iter().zip(result);
    columns.all(|(column, result)| {
        let numeric = result.ty.oid == Type::NUMERIC.oid;
        column.ty.oid == result.ty.oid && (result.native || !numeric)
    })
}

/// What parentheses hold that have nothing of their own.
fn bare(body: &SetExpr) -> &SetExpr {
    match body {
        SetExpr::Query(query)
            if query.order_by.is_none()
                && query.limit_clause.is_none()
                && query.with.is_none()
                && query.fetch.is_none()
                && query.locks.is_empty() =>
        {
            bare(&query.body)
        }
        other => other,
    }
}

fn word(op: SetOperator) -> Result<&'static str> {
    match op {
        SetOperator::Union => Ok("UNION"),
        SetOperator::Except => Ok("EXCEPT"),
        SetOperator::Intersect => Ok("INTERSECT"),
        SetOperator::Minus => Err(unsupported("MINUS")),
    }
}

//! Joins: `ON`, `USING`, `NATURAL`, and the columns that two sides have in common.

use super::scope::{Relation, RelationColumn};
use super::{Compiler, unsupported};
use crate::error::Result;
use crate::sql::names::Name;
use sqlparser::ast::{Join, JoinConstraint, JoinOperator, TableWithJoins};
use sqlparser::tokenizer::Span;

impl Compiler<'_> {
    pub(super) fn joined(&mut self, item: &TableWithJoins) -> Result<String> {
        let first = self.scope().relations.len();
        let mut sql = self.factor(&item.relation)?;
        for join in &item.joins {
            sql = self.join(sql, join, first)?;
        }
        Ok(sql)
    }

    pub(super) fn join(&mut self, left: String, join: &Join, first: usize) -> Result<String> {
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
}

fn column_value(column: &RelationColumn) -> super::Typed {
    let mut out = super::Typed::new(column.sql.clone(), column.ty);
    out.native = column.native;
    out.not_null = column.not_null;
    out
}

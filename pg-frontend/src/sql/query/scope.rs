//! Relations and columns in sight, and how names find them.

use std::rc::Rc;

use sqlparser::ast::Ident;

use super::{Compiler, Kind, Output, Source, Typed};
use crate::error::{PgError, Result};
use crate::sql::names::{fold, quote};
use crate::types::Type;

/// A relation in a `FROM`.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The name that columns are qualified with.
    pub(crate) alias: String,
    /// Its schema, if it was named without an alias.
    pub(crate) schema: Option<String>,
    pub(crate) columns: Vec<RelationColumn>,
    /// Only visible with its name (`excluded`, and relations that lateral subqueries see).
    pub(crate) qualified_only: bool,
    /// Its outer join may make all of its columns NULL.
    pub(crate) nullable: bool,
}

/// A column of a relation.
#[derive(Debug, Clone)]
pub(crate) struct RelationColumn {
    pub(crate) name: String,
    /// SQLite's text of it.
    pub(crate) sql: String,
    pub(crate) ty: Type,
    pub(crate) not_null: bool,
    pub(crate) native: bool,
    pub(crate) source: Source,
    /// Part of the table's primary key.
    pub(crate) primary: bool,
    /// Left out of `*` and of unqualified names: merged by `USING`, or hidden.
    pub(crate) hidden: bool,
    /// Names and types of a row's columns, where it is one.
    pub(crate) fields: Option<Vec<(String, Type)>>,
}

impl RelationColumn {
    pub(crate) fn of_output(alias: &str, output: &Output) -> Self {
        Self {
            name: output.name.clone(),
            sql: format!("{}.{}", quote(alias), quote(&output.alias)),
            ty: output.ty,
            not_null: output.not_null,
            native: output.native,
            source: output.source.clone(),
            primary: false,
            hidden: false,
            fields: output.fields.clone(),
        }
    }

    pub(crate) fn typed(&self, nullable: bool) -> Typed {
        let kind = match &self.fields {
            None => Kind::Column,
            Some(fields) => Kind::Row(
                fields
                    .iter()
                    .enumerate()
                    .map(|(index, (name, ty))| {
                        (
                            name.clone(),
                            Typed::new(format!("({} ->> {index})", self.sql), *ty),
                        )
                    })
                    .collect(),
            ),
        };
        Typed {
            sql: self.sql.clone(),
            ty: self.ty,
            kind,
            not_null: self.not_null && !nullable,
            native: self.native,
            unchecked: false,
            source: self.source.clone(),
        }
    }
}

/// A `WITH` query.
#[derive(Debug, Clone)]
pub(crate) struct Cte {
    pub(crate) name: String,
    pub(crate) columns: Rc<Vec<Output>>,
}

/// A function that gives rows, called in a select list: the JSON array of its values.
#[derive(Debug, Clone)]
pub(crate) struct RowSource {
    pub(crate) alias: String,
    pub(crate) array: String,
}

/// What one query sees of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) relations: Vec<Relation>,
    /// Columns that `USING` made one of two.
    pub(crate) merged: Vec<RelationColumn>,
    /// Texts of the `GROUP BY` expressions, where there is grouping.
    pub(crate) groups: Option<Vec<String>>,
    /// In the query of one grouping set: what all the sets group by.
    pub(crate) all_groups: Option<Vec<sqlparser::ast::Expr>>,
    /// Texts of those that this set leaves out: they are NULL outside of aggregates.
    pub(crate) left_out: Vec<String>,
    /// Columns outside of aggregates that no group has, with their places.
    pub(crate) loose: Vec<(String, Option<usize>)>,
    /// Within how many aggregates' arguments the walk is.
    pub(crate) in_aggregate: usize,
    /// An aggregate was seen.
    pub(crate) aggregates: bool,
    /// Row sources of the select list; none where they are not allowed.
    pub(crate) row_sources: Option<Vec<RowSource>>,
}

impl Scope {
    /// Remembers a column by its name, unless the query groups by it.
    pub(super) fn note(&mut self, typed: &Typed, name: &str, place: Option<usize>) {
        if let Some(groups) = &self.groups
            && groups.contains(&typed.sql)
        {
            return;
        }
        let has_it = |relation: &&Relation| {
            let mut columns = relation.columns.iter();
            columns.any(|column| column.sql == typed.sql)
        };
        let relation = self.relations.iter().find(has_it);
        let alias = relation.map_or_else(String::new, |relation| format!("{}.", relation.alias));
        self.loose.push((format!("{alias}{name}"), place));
    }
}

impl Compiler<'_> {
    /// The innermost scope.
    pub(crate) fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// A column by its name, qualified or not; also a relation's name, which stands for its row.
    pub(crate) fn resolve(&mut self, parts: &[&Ident]) -> Result<Typed> {
        let Some((last, qualifiers)) = parts.split_last() else {
            return Err(PgError::new("42601", "syntax error: an empty name"));
        };
        let name = fold(last);
        for level in (0..self.scopes.len()).rev() {
            let found = if qualifiers.is_empty() {
                self.unqualified(level, &name, last)?
            } else {
                self.qualified(level, qualifiers, &name, last)?
            };
            if let Some(typed) = found {
                self.note_column(level, &typed, &name, last);
                return Ok(self.in_set(level, typed));
            }
        }
        if qualifiers.is_empty() {
            for level in (0..self.scopes.len()).rev() {
                if let Some(row) = self.row_of(level, &name) {
                    return Ok(row);
                }
            }
        }
        Err(self.missing_column(qualifiers, &name, last))
    }

    fn unqualified(&self, level: usize, name: &str, ident: &Ident) -> Result<Option<Typed>> {
        let scope = &self.scopes[level];
        for exact in [true, false] {
            let same = |other: &str| {
                if exact {
                    other == name
                } else {
                    other.eq_ignore_ascii_case(name)
                }
            };
            if let Some(column) = scope.merged.iter().find(|column| same(&column.name)) {
                return Ok(Some(column.typed(false)));
            }
            let mut found: Option<Typed> = None;
            for relation in scope
                .relations
                .iter()
                .filter(|relation| !relation.qualified_only)
            {
                for column in relation
                    .columns
                    .iter()
                    .filter(|column| !column.hidden && same(&column.name))
                {
                    if found.is_some() {
                        return Err(self.error_at(
                            ident.span,
                            "42702",
                            format!("column reference \"{name}\" is ambiguous"),
                        ));
                    }
                    found = Some(column.typed(relation.nullable));
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            // Hidden columns of virtual tables and system columns.
            for relation in scope
                .relations
                .iter()
                .filter(|relation| !relation.qualified_only)
            {
                if let Some(column) = relation
                    .columns
                    .iter()
                    .find(|column| column.hidden && same(&column.name))
                {
                    return Ok(Some(column.typed(relation.nullable)));
                }
            }
        }
        Ok(None)
    }

    fn qualified(
        &self,
        level: usize,
        qualifiers: &[&Ident],
        name: &str,
        ident: &Ident,
    ) -> Result<Option<Typed>> {
        let Some(relation) = self.relation(level, qualifiers) else {
            return Ok(None);
        };
        let column = relation
            .columns
            .iter()
            .find(|column| column.name == name)
            .or_else(|| {
                relation
                    .columns
                    .iter()
                    .find(|column| column.name.eq_ignore_ascii_case(name))
            });
        match column {
            Some(column) => Ok(Some(column.typed(relation.nullable))),
            None => Err(self.error_at(
                qualifiers[0].span,
                "42703",
                format!("column {}.{} does not exist", relation.alias, ident.value),
            )),
        }
    }

    /// A relation by its name.
    pub(crate) fn relation(
        &self,
        level: usize,
        qualifiers: &[&Ident],
    ) -> Option<&super::scope::Relation> {
        let (last, schema) = qualifiers.split_last()?;
        let alias = fold(last);
        let schema = schema.last().map(|schema| fold(schema));
        self.scopes[level].relations.iter().find(|relation| {
            (relation.alias == alias
                || last.quote_style.is_none() && relation.alias.eq_ignore_ascii_case(&alias))
                && schema.as_ref().is_none_or(|schema| {
                    relation.schema.as_deref().unwrap_or("public") == schema
                        || relation.schema.is_none() && schema == "pg_catalog"
                })
        })
    }

    /// A relation's row as a value.
    fn row_of(&self, level: usize, name: &str) -> Option<Typed> {
        let relation = self.scopes[level]
            .relations
            .iter()
            .find(|relation| relation.alias == name)?;
        let visible: Vec<&RelationColumn> = relation
            .columns
            .iter()
            .filter(|column| !column.hidden)
            .collect();
        // A function's only column has the function's name.
        if let [only] = visible.as_slice()
            && only.name == name
        {
            return Some(only.typed(relation.nullable));
        }
        let row = visible
            .iter()
            .map(|column| (column.name.clone(), column.typed(relation.nullable)))
            .collect();
        let mut typed = Typed::new("NULL", Type::RECORD);
        typed.kind = Kind::Row(row);
        Some(typed)
    }

    /// Remembers a column outside of aggregates, for the check of `GROUP BY`.
    fn note_column(&mut self, level: usize, typed: &Typed, name: &str, ident: &Ident) {
        let place = self.position(ident.span.start);
        let scope = &mut self.scopes[level];
        if scope.in_aggregate == 0 {
            scope.note(typed, name, place);
        }
    }

    fn missing_column(&self, qualifiers: &[&Ident], name: &str, ident: &Ident) -> PgError {
        match qualifiers.last() {
            Some(qualifier) => self.error_at(
                qualifiers[0].span,
                "42P01",
                format!(
                    "missing FROM-clause entry for table \"{}\"",
                    fold(qualifier)
                ),
            ),
            None => self.error_at(
                ident.span,
                "42703",
                format!("column \"{name}\" does not exist"),
            ),
        }
    }
}

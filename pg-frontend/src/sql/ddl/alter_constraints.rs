//! `ALTER TABLE`: constraints added and dropped, and what a new one finds in the table.

use super::alter::Work;
use super::constraints::{self, Kind};
use super::create::{become_rowid, declared};
use crate::error::{PgError, Result};
use crate::sql::names::{self, literal, quote};
use crate::sql::query::unsupported;
use crate::sql::schema::{self, Column, Key};
use sqlparser::ast::TableConstraint;

impl Work<'_> {
    pub(super) fn no_constraint(&self, name: &str) -> PgError {
        PgError::new(
            "42704",
            format!(
                "constraint \"{name}\" of relation \"{}\" does not exist",
                names::split(&self.table.name).1
            ),
        )
    }

    pub(super) fn add_constraint(
        &mut self,
        constraint: &TableConstraint,
        not_valid: bool,
    ) -> Result<()> {
        if let TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) =
            constraint
        {
            return Err(unsupported("ADD CONSTRAINT … USING INDEX"));
        }
        let made = constraints::of_table(
            &self.table,
            constraint,
            self.text,
            self.connection,
            self.state,
        )?;
        if self
            .parts
            .constraints
            .iter()
            .any(|other| other.name == made.name)
        {
            return Err(PgError::new(
                "42710",
                format!(
                    "constraint \"{}\" for relation \"{}\" already exists",
                    made.name,
                    names::split(&self.table.name).1
                ),
            ));
        }
        let table = quote(&self.table.name);
        match &made.kind {
            Kind::Primary(columns) => {
                if self
                    .parts
                    .constraints
                    .iter()
                    .any(|other| matches!(other.kind, Kind::Primary(_)))
                {
                    return Err(PgError::new(
                        "42P16",
                        format!(
                            "multiple primary keys for table \"{}\" are not allowed",
                            names::split(&self.table.name).1
                        ),
                    ));
                }
                for name in columns {
                    let place = self.parts.place(name)?;
                    self.parts.columns[place].not_null = true;
                }
                if let [name] = columns.as_slice() {
                    let place = self.parts.place(name)?;
                    let column = self.column(name)?;
                    let part = &mut self.parts.columns[place];
                    if column.ty.is_int() && part.default.is_none() && part.generated.is_none() {
                        become_rowid(part, column.ty, Key::Plain);
                        self.values[place] = Some(format!(
                            "pg_required({}, {}, {})",
                            quote(name),
                            literal(names::split(&self.table.name).1),
                            literal(name)
                        ));
                    }
                }
                self.rebuild = true;
            }
            // An index does it, and it can be dropped again.
            Kind::Unique(_) => self.rebuild = true,
            Kind::Check(test) => {
                if !not_valid {
                    let relation = names::split(&self.table.name).1;
                    self.before.push(format!(
                        "SELECT pg_raise('23514', {}) FROM {table} WHERE NOT ({test})",
                        literal(&format!("check constraint \"{}\" of relation \"{relation}\" is violated by some row", made.name))
                    ));
                }
                self.changed = true;
            }
            Kind::Foreign {
                columns,
                table: other,
                referred,
                ..
            } => {
                if !not_valid {
                    self.check_references(columns, other, referred, &made.name)?;
                }
                self.changed = true;
            }
        }
        self.parts.constraints.push(made);
        Ok(())
    }

    /// Rows that are there must have what they refer to.
    fn check_references(
        &mut self,
        columns: &[String],
        other: &str,
        referred: &[String],
        name: &str,
    ) -> Result<()> {
        let parent = schema::load(self.connection, other)?
            .ok_or_else(|| PgError::new("42P01", format!("relation \"{other}\" does not exist")))?;
        let referred: Vec<String> = if referred.is_empty() {
            let mut key: Vec<&Column> = parent
                .columns
                .iter()
                .filter(|column| column.primary > 0)
                .collect();
            key.sort_by_key(|column| column.primary);
            key.into_iter().map(|column| column.name.clone()).collect()
        } else {
            referred.to_vec()
        };
        if referred.len() != columns.len() {
            return Err(PgError::new(
                "42830",
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let present: Vec<String> = columns
            .iter()
            .map(|column| format!("c.{} IS NOT NULL", quote(column)))
            .collect();
        let same: Vec<String> = columns
            .iter()
            .zip(&referred)
            .map(|(column, other)| format!("p.{} = c.{}", quote(other), quote(column)))
            .collect();
        let relation = names::split(&self.table.name).1;
        self.before.push(format!(
            "SELECT pg_raise('23503', {}) FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
            literal(&format!("insert or update on table \"{relation}\" violates foreign key constraint \"{name}\"")),
            quote(&self.table.name),
            present.join(" AND "),
            quote(other),
            same.join(" AND ")
        ));
        Ok(())
    }

    pub(super) fn drop_constraint(&mut self, name: &str, if_exists: bool) -> Result<()> {
        let Some(place) = self
            .parts
            .constraints
            .iter()
            .position(|constraint| constraint.name == name)
        else {
            // A unique index made by CREATE INDEX is no constraint; one made for a constraint has its name.
            if if_exists {
                return Ok(());
            }
            return Err(self.no_constraint(name));
        };
        let gone = self.parts.constraints.remove(place);
        match gone.kind {
            Kind::Check(_) | Kind::Foreign { .. } => self.changed = true,
            Kind::Unique(_) => self.rebuild = true,
            Kind::Primary(columns) => {
                for name in columns {
                    let place = self.parts.place(&name)?;
                    let ty = self.column(&name)?.ty;
                    let part = &mut self.parts.columns[place];
                    if part.rowid.take().is_some() {
                        part.declared = declared(self.connection, ty).0;
                        part.default = None;
                        part.not_null = true;
                    }
                }
                self.rebuild = true;
            }
        }
        Ok(())
    }
}

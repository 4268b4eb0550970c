//! `ALTER TABLE`: its actions in their order, then the least that SQLite needs for them.
//!
//! Some are SQLite's own `ALTER TABLE`, some change the table's text only, the rest makes the table anew
//! ([`rebuild`](super::rebuild)).
//!
//! | | |
//! | --- | --- |
//! | [`table`] | the whole command |
//! | [`Work`] | what is to become of the table |
//! | [`alter_columns`](super::alter_columns), [`alter_constraints`](super::alter_constraints) | the actions |

use super::comments;
use super::rebuild::Parts;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::{plain, script};
use crate::sql::names::{self, Name, fold, quote};
use crate::sql::query::unsupported;
use crate::sql::schema::{self, Column, Table};
use crate::sql::{Action, Plan};
use rusqlite::Connection;
use sqlparser::ast::{AlterTable, AlterTableOperation, RenameTableNameKind};

/// What is to become of a table.
pub(super) struct Work<'a> {
    pub(super) connection: &'a Connection,
    pub(super) state: &'a State,
    pub(super) text: &'a str,
    pub(super) table: Table,
    pub(super) parts: Parts,
    /// What each column's rows get; none: nothing, the column is new.
    pub(super) values: Vec<Option<String>>,
    pub(super) dropped: Vec<String>,
    /// The rows have to be written anew.
    pub(super) rebuild: bool,
    /// The table's text changes.
    pub(super) changed: bool,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

/// `ALTER TABLE`.
pub(crate) fn table(
    alter: &AlterTable,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    let name = Name::of(&alter.name)?;
    let Some(table) = schema::find(connection, state, &name)? else {
        if alter.if_exists {
            return Ok(plain(
                Action::Nothing(Some(format!(
                    "relation \"{}\" does not exist, skipping",
                    name.name
                ))),
                "ALTER TABLE",
            ));
        }
        return Err(PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", name.display()),
        ));
    };
    if let [operation] = alter.operations.as_slice()
        && let Some(plan) = native(operation, &table, connection, state)?
    {
        return Ok(plan);
    }
    let parts = Parts::read(connection, &table.name)?;
    let mut work = Work {
        values: parts
            .columns
            .iter()
            .map(|column| Some(quote(&column.name)))
            .collect(),
        connection,
        state,
        text,
        table: (*table).clone(),
        parts,
        dropped: Vec::new(),
        rebuild: false,
        changed: false,
        before: Vec::new(),
        after: Vec::new(),
    };
    for operation in &alter.operations {
        work.apply(operation)?;
    }
    let mut statements = std::mem::take(&mut work.before);
    if work.rebuild {
        statements.extend(
            work.parts
                .rebuild(connection, &work.values, &work.dropped)?,
        );
    } else if work.changed {
        statements.extend(work.parts.replace());
    }
    statements.extend(work.after);
    if statements.is_empty() {
        return Ok(plain(Action::Nothing(None), "ALTER TABLE"));
    }
    Ok(script(statements, "ALTER TABLE"))
}

/// What SQLite's own `ALTER TABLE` does.
fn native(
    operation: &AlterTableOperation,
    table: &Table,
    connection: &Connection,
    state: &State,
) -> Result<Option<Plan>> {
    let quoted = quote(&table.name);
    let statements = match operation {
        AlterTableOperation::RenameTable { table_name } => {
            let (RenameTableNameKind::To(new) | RenameTableNameKind::As(new)) = table_name;
            let new = Name::of(new)?;
            let schema = names::split(&table.name).0;
            let new = names::in_schema(Some(new.schema.as_deref().unwrap_or(schema)), &new.name);
            if schema::load(connection, &new)?.is_some() {
                return Err(PgError::new(
                    "42P07",
                    format!("relation \"{}\" already exists", names::split(&new).1),
                ));
            }
            let mut statements = vec![format!("ALTER TABLE {quoted} RENAME TO {}", quote(&new))];
            statements.extend(comments::follow(connection, &table.name, Some(&new))?);
            statements
        }
        AlterTableOperation::RenameColumn {
            old_column_name,
            new_column_name,
        } => {
            let old = fold(old_column_name);
            let column = table.column(&old).ok_or_else(|| missing(&old, table))?;
            let new = fold(new_column_name);
            let mut statements = vec![format!(
                "ALTER TABLE {quoted} RENAME COLUMN {} TO {}",
                quote(&column.name),
                quote(&new)
            )];
            statements.extend(comments::follow_column(
                connection,
                &table.name,
                &column.name,
                &new,
            )?);
            statements
        }
        _ => return Ok(None),
    };
    let _ = state;
    Ok(Some(script(statements, "ALTER TABLE")))
}

fn missing(column: &str, table: &Table) -> PgError {
    PgError::new(
        "42703",
        format!(
            "column \"{column}\" of relation \"{}\" does not exist",
            names::split(&table.name).1
        ),
    )
}

impl Work<'_> {
    fn apply(&mut self, operation: &AlterTableOperation) -> Result<()> {
        match operation {
            AlterTableOperation::AddColumn {
                if_not_exists,
                column_def,
                ..
            } => self.add_column(column_def, *if_not_exists),
            AlterTableOperation::DropColumn {
                column_names,
                if_exists,
                ..
            } => {
                for ident in column_names {
                    self.drop_column(&fold(ident), *if_exists)?;
                }
                Ok(())
            }
            AlterTableOperation::AddConstraint {
                constraint,
                not_valid,
            } => self.add_constraint(constraint, *not_valid),
            AlterTableOperation::DropConstraint {
                if_exists, name, ..
            } => self.drop_constraint(&fold(name), *if_exists),
            AlterTableOperation::RenameConstraint { old_name, new_name } => {
                let old = fold(old_name);
                let new = fold(new_name);
                let Some(constraint) = self
                    .parts
                    .constraints
                    .iter_mut()
                    .find(|constraint| constraint.name == old)
                else {
                    return Err(self.no_constraint(&old));
                };
                constraint.name = new;
                self.changed = true;
                Ok(())
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.alter_column(&fold(column_name), op)
            }
            AlterTableOperation::RenameTable { .. } | AlterTableOperation::RenameColumn { .. } => {
                Err(unsupported("RENAME together with other changes"))
            }
            AlterTableOperation::ValidateConstraint { .. }
            | AlterTableOperation::OwnerTo { .. }
            | AlterTableOperation::ReplicaIdentity { .. }
            | AlterTableOperation::EnableTrigger { .. }
            | AlterTableOperation::DisableTrigger { .. }
            | AlterTableOperation::EnableAlwaysTrigger { .. }
            | AlterTableOperation::EnableReplicaTrigger { .. }
            | AlterTableOperation::SetOptionsParens { .. } => Ok(()),
            AlterTableOperation::EnableRowLevelSecurity
            | AlterTableOperation::DisableRowLevelSecurity
            | AlterTableOperation::ForceRowLevelSecurity
            | AlterTableOperation::NoForceRowLevelSecurity => {
                Err(unsupported("row-level security"))
            }
            other => Err(unsupported(format!("ALTER TABLE … {other}"))),
        }
    }

    pub(super) fn column(&self, name: &str) -> Result<Column> {
        self.table
            .column(name)
            .cloned()
            .ok_or_else(|| missing(name, &self.table))
    }
}

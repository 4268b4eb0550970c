//! `ALTER TABLE`.

use rusqlite::Connection;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption, Expr,
    GeneratedAs, RenameTableNameKind, TableConstraint,
};

use super::comments;
use super::constraints::{self, Kind};
use super::create::{self, become_rowid, declared};
use super::objects;
use super::rebuild::Parts;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::{plain, script};
use crate::sql::names::{self, Name, fold, literal, quote};
use crate::sql::query::coerce::Context;
use crate::sql::query::from::relation_of;
use crate::sql::query::scope::Scope;
use crate::sql::query::typenames::data_type;
use crate::sql::query::{Compiler, unsupported};
use crate::sql::schema::{self, Column, Key, Table};
use crate::sql::{Action, Plan};
use crate::types::Type;

/// What is to become of a table.
struct Work<'a> {
    connection: &'a Connection,
    state: &'a State,
    text: &'a str,
    table: Table,
    parts: Parts,
    /// What each column's rows get; none: nothing, the column is new.
    values: Vec<Option<String>>,
    dropped: Vec<String>,
    /// The rows have to be written anew.
    rebuild: bool,
    /// The table's text changes.
    changed: bool,
    before: Vec<String>,
    after: Vec<String>,
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

    fn column(&self, name: &str) -> Result<Column> {
        self.table
            .column(name)
            .cloned()
            .ok_or_else(|| missing(name, &self.table))
    }

    fn add_column(&mut self, definition: &ColumnDef, if_not_exists: bool) -> Result<()> {
        let name = fold(&definition.name);
        if self.table.column(&name).is_some() {
            if if_not_exists {
                return Ok(());
            }
            return Err(PgError::new(
                "42701",
                format!(
                    "column \"{name}\" of relation \"{}\" already exists",
                    names::split(&self.table.name).1
                ),
            ));
        }
        let primary = definition
            .options
            .iter()
            .any(|option| matches!(option.option, ColumnOption::PrimaryKey(_)));
        let column = Column {
            name,
            ty: data_type(self.connection, &definition.data_type)?,
            not_null: primary,
            primary: i32::from(primary),
            default: None,
            key: None,
            generated: false,
            hidden: false,
            number: i16::try_from(self.table.columns.len() + 1).unwrap_or(0),
        };
        self.table.columns.push(column.clone());
        let constraints_before = self.parts.constraints.len();
        let part = create::column_part(
            &column,
            definition,
            &self.table,
            self.text,
            self.connection,
            self.state,
            &mut self.parts.constraints,
            &mut self.before,
        )?;
        // SQLite adds a column itself if no row has to change: NULL or a literal everywhere.
        let simple_default = part.default.as_ref().is_none_or(|default| {
            !default.contains('(')
                && (default.starts_with('\'')
                    || default
                        .bytes()
                        .all(|c| c.is_ascii_digit() || c == b'.' || c == b'-'))
        });
        let plain = !self.rebuild
            && !self.changed
            && part.rowid.is_none()
            && part.generated.is_none()
            && simple_default
            && (!part.not_null || part.default.is_some())
            && self.parts.constraints.len() == constraints_before;
        let default = part.default.clone();
        if plain {
            self.after.push(format!(
                "ALTER TABLE {} ADD COLUMN {}",
                quote(&self.table.name),
                add_text(&part)
            ));
            self.parts.columns.push(part);
            self.values.push(default);
            return Ok(());
        }
        if !self.after.is_empty() {
            // Columns that were to be added by SQLite are part of the new table now.
            self.after
                .retain(|statement| !statement.contains(" ADD COLUMN "));
        }
        self.parts.columns.push(part);
        self.values.push(default);
        self.rebuild = true;
        Ok(())
    }

    fn drop_column(&mut self, name: &str, if_exists: bool) -> Result<()> {
        let place = match self.parts.place(name) {
            Ok(place) => place,
            Err(_) if if_exists => return Ok(()),
            Err(error) => return Err(error),
        };
        let column = self.parts.columns.remove(place);
        self.values.remove(place);
        self.table.columns.remove(place);
        let quoted = quote(&column.name);
        self.parts
            .constraints
            .retain(|constraint| match &constraint.kind {
                Kind::Primary(columns) | Kind::Unique(columns) | Kind::Foreign { columns, .. } => {
                    !columns.contains(&column.name)
                }
                Kind::Check(test) => !test.contains(&quoted),
            });
        self.dropped.push(column.name);
        self.rebuild = true;
        Ok(())
    }

    fn no_constraint(&self, name: &str) -> PgError {
        PgError::new(
            "42704",
            format!(
                "constraint \"{name}\" of relation \"{}\" does not exist",
                names::split(&self.table.name).1
            ),
        )
    }

    fn add_constraint(&mut self, constraint: &TableConstraint, not_valid: bool) -> Result<()> {
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

    fn drop_constraint(&mut self, name: &str, if_exists: bool) -> Result<()> {
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

    fn alter_column(&mut self, name: &str, operation: &AlterColumnOperation) -> Result<()> {
        let place = self.parts.place(name)?;
        let column = self.column(name)?;
        let relation = names::split(&self.table.name).1.to_owned();
        match operation {
            AlterColumnOperation::SetNotNull => {
                if self.parts.columns[place].rowid.is_none() {
                    self.before.push(format!(
                        "SELECT pg_raise('23502', {}) FROM {} WHERE {} IS NULL",
                        literal(&format!(
                            "column \"{}\" of relation \"{relation}\" contains null values",
                            column.name
                        )),
                        quote(&self.table.name),
                        quote(&column.name)
                    ));
                    self.parts.columns[place].not_null = true;
                    self.changed = true;
                }
            }
            AlterColumnOperation::DropNotNull => {
                if column.primary > 0 {
                    return Err(PgError::new(
                        "42P16",
                        format!("column \"{name}\" is in a primary key"),
                    ));
                }
                self.parts.columns[place].not_null = false;
                self.changed = true;
            }
            AlterColumnOperation::SetDefault { value } => {
                self.set_default(place, &column, value)?
            }
            AlterColumnOperation::DropDefault => {
                if self.parts.columns[place].rowid.is_some() {
                    become_rowid(&mut self.parts.columns[place], column.ty, Key::Plain);
                    self.rebuild = true;
                } else {
                    self.materialize(&column);
                    self.parts.columns[place].default = None;
                    self.changed = true;
                }
            }
            AlterColumnOperation::SetDataType {
                data_type: written,
                using,
                ..
            } => {
                let ty = data_type(self.connection, written)?;
                self.set_type(place, &column, ty, using.as_ref())?;
            }
            AlterColumnOperation::AddGenerated { generated_as, .. } => {
                let always = *generated_as == Some(GeneratedAs::Always);
                if self.parts.columns[place].rowid.is_some() {
                    become_rowid(
                        &mut self.parts.columns[place],
                        column.ty,
                        Key::Identity { always },
                    );
                    self.rebuild = true;
                } else {
                    let sequence = constraints::made_up(
                        &self.table.name,
                        std::slice::from_ref(&column.name),
                        "seq",
                    );
                    self.before.extend(objects::sequence_for(
                        &sequence,
                        &self.table.name,
                        &column.name,
                        column.ty,
                    ));
                    self.parts.columns[place].default =
                        Some(format!("pg_nextval({})", literal(&sequence)));
                    self.changed = true;
                }
            }
            other => return Err(unsupported(format!("ALTER COLUMN … {other}"))),
        }
        Ok(())
    }

    fn set_default(&mut self, place: usize, column: &Column, value: &Expr) -> Result<()> {
        let default = create::default(value, column.ty, self.text, self.connection, self.state)?;
        let part = &mut self.parts.columns[place];
        if part.rowid.take().is_some() {
            // The rowid cannot have a default of its own: an ordinary column of the primary key can.
            part.declared = declared(self.connection, column.ty).0;
            part.not_null = true;
            self.rebuild = true;
        }
        part.default = default;
        self.materialize(column);
        self.changed = true;
        Ok(())
    }

    /// Rows from before a column was added have its default by SQLite's reading of the schema: they are
    /// given it for good before the default changes.
    fn materialize(&mut self, column: &Column) {
        let name = quote(&column.name);
        self.before.push(format!(
            "UPDATE {} SET {name} = {name}",
            quote(&self.table.name)
        ));
    }

    fn set_type(
        &mut self,
        place: usize,
        column: &Column,
        ty: Type,
        using: Option<&Expr>,
    ) -> Result<()> {
        let mut compiler = Compiler::new(self.connection, self.state, self.text, &[]);
        compiler.scopes.push(Scope::default());
        let mut relation = relation_of(&self.table, names::split(&self.table.name).1, None);
        for column in &mut relation.columns {
            column.sql = quote(&column.name);
        }
        compiler.scope().relations.push(relation);
        let name =
            sqlparser::ast::Expr::Identifier(sqlparser::ast::Ident::with_quote('"', &column.name));
        let written = using.unwrap_or(&name);
        let context = if using.is_some() {
            Context::Explicit
        } else {
            Context::Assignment
        };
        let typed = compiler.expr(written)?;
        let value = compiler
            .coerce(typed, ty, context, sqlparser::tokenizer::Span::empty())
            .map_err(|_| {
                PgError::new(
                    "42804",
                    format!(
                        "column \"{}\" cannot be cast automatically to type {}",
                        column.name,
                        compiler.type_name(ty)
                    ),
                )
                .hint(format!(
                    "You might need to specify \"USING {}::{}\".",
                    column.name,
                    compiler.type_name(ty)
                ))
            })?;
        let value = if ty.oid == 1700 && !ty.is_native_numeric() {
            compiler.numeric_text(value)
        } else {
            compiler.checked(value)
        };
        let part = &mut self.parts.columns[place];
        if part.rowid.is_some() && ty.is_int() {
            let key = column.key.unwrap_or(Key::Plain);
            become_rowid(part, ty, key);
        } else {
            let was_rowid = part.rowid.take().is_some();
            let (declaration, collation) = declared(self.connection, ty);
            part.declared = declaration;
            part.collation = collation;
            if was_rowid {
                part.default = None;
                part.not_null = true;
            }
        }
        if value.sql == quote(&column.name)
            && using.is_none()
            && part.rowid.is_none()
            && column.ty.oid != 1700
            && affinity(column.ty) == affinity(ty)
        {
            self.changed = true;
        } else {
            self.rebuild = true;
        }
        self.values[place] = Some(value.sql);
        self.table.columns[place].ty = ty;
        Ok(())
    }
}

/// What SQLite makes of values of a column.
fn affinity(ty: Type) -> u8 {
    if ty.is_int() {
        b'i'
    } else if ty.is_float() {
        b'r'
    } else if ty.is_string() {
        b't'
    } else {
        b'n'
    }
}

/// A column for SQLite's `ADD COLUMN`: a literal default stands without brackets.
fn add_text(part: &super::rebuild::ColumnPart) -> String {
    let text = part.text();
    match &part.default {
        Some(default) => text.replacen(
            &format!("DEFAULT ({default})"),
            &format!("DEFAULT {default}"),
            1,
        ),
        None => text,
    }
}

//! `ALTER TABLE`: columns added, dropped, and changed in type, default, or being required.

use super::alter::Work;
use super::constraints::{self, Kind};
use super::create::{self, become_rowid, declared};
use super::sequences;
use crate::error::{PgError, Result};
use crate::sql::names::{self, fold, literal, quote};
use crate::sql::query::coerce::Context;
use crate::sql::query::from::relation_of;
use crate::sql::query::scope::Scope;
use crate::sql::query::typenames::data_type;
use crate::sql::query::{Compiler, unsupported};
use crate::sql::schema::{Column, Key};
use crate::types::Type;
use sqlparser::ast::{AlterColumnOperation, ColumnDef, ColumnOption, Expr, GeneratedAs};

impl Work<'_> {
    pub(super) fn add_column(&mut self, definition: &ColumnDef, if_not_exists: bool) -> Result<()> {
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

    pub(super) fn drop_column(&mut self, name: &str, if_exists: bool) -> Result<()> {
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

    pub(super) fn alter_column(
        &mut self,
        name: &str,
        operation: &AlterColumnOperation,
    ) -> Result<()> {
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
                    self.before.extend(sequences::sequence_for(
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

//! Constraints of tables, and what Postgres calls them.

use rusqlite::Connection;
use sqlparser::ast::{
    CheckConstraint, ConstraintCharacteristics, Expr, ForeignKeyConstraint, Ident, IndexColumn,
    ReferentialAction, TableConstraint,
};

use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::names::{self, Name, fold, quote};
use crate::sql::query::from::relation_of;
use crate::sql::query::scope::Scope;
use crate::sql::query::{Compiler, unsupported};
use crate::sql::schema::{self, Table, unreadable};

/// A constraint as it goes into `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// See [`Constraint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Primary(Vec<String>),
    Unique(Vec<String>),
    /// The expression in SQLite's text.
    Check(String),
    Foreign {
        columns: Vec<String>,
        /// The other table, as SQLite calls it.
        table: String,
        /// None: its primary key.
        referred: Vec<String>,
        /// `ON DELETE …` and so on.
        actions: String,
    },
}

impl Constraint {
    /// As it stands in `CREATE TABLE`.
    pub(crate) fn text(&self) -> String {
        let list = |columns: &[String]| {
            columns
                .iter()
                .map(|column| quote(column))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let body = match &self.kind {
            Kind::Primary(columns) => format!("PRIMARY KEY ({})", list(columns)),
            Kind::Unique(columns) => format!("UNIQUE ({})", list(columns)),
            Kind::Check(test) => format!("CHECK ({test})"),
            Kind::Foreign {
                columns,
                table,
                referred,
                actions,
            } => {
                let referred = if referred.is_empty() {
                    String::new()
                } else {
                    format!("({})", list(referred))
                };
                format!(
                    "FOREIGN KEY ({}) REFERENCES {}{referred}{actions}",
                    list(columns),
                    quote(table)
                )
            }
        };
        format!("CONSTRAINT {} {body}", quote(&self.name))
    }
}

/// The name that Postgres makes up: `table_column_key`.
pub(crate) fn made_up(table: &str, columns: &[String], suffix: &str) -> String {
    let table = names::split(table).1;
    if suffix == "pkey" || columns.is_empty() {
        return format!("{table}_{suffix}");
    }
    format!("{table}_{}_{suffix}", columns.join("_"))
}

/// Names of columns of a key.
pub(crate) fn key_columns(columns: &[IndexColumn]) -> Result<Vec<String>> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(fold(ident)),
            other => Err(unsupported(format!("the expression {other} in a key"))),
        })
        .collect()
}

fn actions(
    on_delete: Option<&ReferentialAction>,
    on_update: Option<&ReferentialAction>,
    characteristics: Option<&ConstraintCharacteristics>,
) -> String {
    let mut out = String::new();
    for (action, when) in [(on_delete, "DELETE"), (on_update, "UPDATE")] {
        if let Some(action) = action {
            out.push_str(&format!(" ON {when} {action}"));
        }
    }
    if let Some(characteristics) = characteristics {
        if characteristics.deferrable == Some(true) {
            out.push_str(" DEFERRABLE");
        }
        if matches!(
            characteristics.initially,
            Some(sqlparser::ast::DeferrableInitial::Deferred)
        ) {
            out.push_str(if characteristics.deferrable == Some(true) {
                " INITIALLY DEFERRED"
            } else {
                " DEFERRABLE INITIALLY DEFERRED"
            });
        }
    }
    out
}

/// A foreign key.
pub(crate) fn foreign(
    table: &str,
    columns: Vec<String>,
    key: &ForeignKeyConstraint,
    connection: &Connection,
    state: &State,
    name: Option<&Ident>,
) -> Result<Constraint> {
    let written = Name::of(&key.foreign_table)?;
    let itself = written.name == names::split(table).1
        && written
            .schema
            .as_deref()
            .is_none_or(|schema| names::in_schema(Some(schema), &written.name) == table);
    let other = if itself {
        table.to_owned()
    } else {
        schema::find(connection, state, &written)?
            .ok_or_else(|| {
                PgError::new(
                    "42P01",
                    format!("relation \"{}\" does not exist", written.display()),
                )
            })?
            .name
            .clone()
    };
    let name = name
        .or(key.name.as_ref())
        .map_or_else(|| made_up(table, &columns, "fkey"), fold);
    Ok(Constraint {
        name,
        kind: Kind::Foreign {
            columns,
            table: other,
            referred: key.referred_columns.iter().map(fold).collect(),
            actions: actions(
                key.on_delete.as_ref(),
                key.on_update.as_ref(),
                key.characteristics.as_ref(),
            ),
        },
    })
}

/// A check constraint; its columns are those of `table`.
pub(crate) fn check(
    table: &Table,
    check: &CheckConstraint,
    text: &str,
    connection: &Connection,
    state: &State,
    name: Option<&Ident>,
) -> Result<Constraint> {
    let sql = table_expression(table, &check.expr, text, connection, state)?;
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| sql.contains(&quote(&column.name)))
        .map(|column| column.name.clone())
        .collect();
    let columns = if columns.len() == 1 {
        columns
    } else {
        Vec::new()
    };
    let name = name
        .or(check.name.as_ref())
        .map_or_else(|| made_up(&table.name, &columns, "check"), fold);
    Ok(Constraint {
        name,
        kind: Kind::Check(sql),
    })
}

/// A condition over a table's columns in SQLite's text, the columns without the table's name.
pub(crate) fn table_expression(
    table: &Table,
    expr: &Expr,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<String> {
    let mut compiler = Compiler::new(connection, state, text, &[]);
    compiler.scopes.push(Scope::default());
    let mut relation = relation_of(table, names::split(&table.name).1, None);
    for column in &mut relation.columns {
        column.sql = quote(&column.name);
    }
    compiler.scope().relations.push(relation);
    Ok(compiler.condition(expr, "CHECK")?.sql)
}

/// A constraint of a table's own.
pub(crate) fn of_table(
    table: &Table,
    constraint: &TableConstraint,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Constraint> {
    Ok(match constraint {
        TableConstraint::PrimaryKey(key) => {
            let columns = known(table, key_columns(&key.columns)?)?;
            let name = key
                .name
                .as_ref()
                .map_or_else(|| made_up(&table.name, &columns, "pkey"), fold);
            Constraint {
                name,
                kind: Kind::Primary(columns),
            }
        }
        TableConstraint::Unique(key) => {
            let columns = known(table, key_columns(&key.columns)?)?;
            let name = key
                .name
                .as_ref()
                .map_or_else(|| made_up(&table.name, &columns, "key"), fold);
            Constraint {
                name,
                kind: Kind::Unique(columns),
            }
        }
        TableConstraint::ForeignKey(key) => {
            let columns = known(table, key.columns.iter().map(fold).collect())?;
            foreign(&table.name, columns, key, connection, state, None)?
        }
        TableConstraint::Check(test) => check(table, test, text, connection, state, None)?,
        TableConstraint::Exclude(_) => return Err(unsupported("EXCLUDE constraints")),
        other => return Err(unsupported(format!("the constraint {other}"))),
    })
}

/// Columns of a key must be there; they are called as the table calls them.
fn known(table: &Table, columns: Vec<String>) -> Result<Vec<String>> {
    columns
        .into_iter()
        .map(|name| {
            table
                .column(&name)
                .map(|column| column.name.clone())
                .ok_or_else(|| {
                    PgError::new(
                        "42703",
                        format!("column \"{name}\" named in key does not exist"),
                    )
                })
        })
        .collect()
}

/// The columns of a unique constraint or index by its name, for `ON CONFLICT ON CONSTRAINT`.
///
/// # Errors
/// 42704.
pub(crate) fn columns_of(
    connection: &Connection,
    table: &Table,
    name: &str,
) -> Result<Vec<String>> {
    let parts = super::rebuild::Parts::read(connection, &table.name)?;
    for constraint in &parts.constraints {
        if constraint.name == name
            && let Kind::Primary(columns) | Kind::Unique(columns) = &constraint.kind
        {
            return Ok(columns.clone());
        }
    }
    // A unique index of that name.
    let mut statement = connection
        .prepare_cached(
            "SELECT name FROM pragma_index_info(?1) WHERE name IS NOT NULL ORDER BY seqno",
        )
        .map_err(|error| unreadable(&error))?;
    let columns = statement
        .query_map([name], |row| row.get(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<String>>>)
        .map_err(|error| unreadable(&error))?;
    if columns.is_empty() {
        return Err(PgError::new(
            "42704",
            format!(
                "constraint \"{name}\" for table \"{}\" does not exist",
                names::split(&table.name).1
            ),
        ));
    }
    Ok(columns)
}

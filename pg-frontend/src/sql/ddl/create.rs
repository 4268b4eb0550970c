//! `CREATE TABLE`.

use rusqlite::Connection;
use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableLikeKind, DataType, Expr, GeneratedAs,
    IdentityPropertyKind, TableConstraint,
};

use super::constraints::{self, Constraint, Kind};
use super::rebuild::{ColumnPart, Parts};
use super::sequences;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::command::script;
use crate::sql::names::{self, Name, fold, quote};
use crate::sql::query::scope::Scope;
use crate::sql::query::typenames::data_type;
use crate::sql::query::{Compiler, unsupported};
use crate::sql::schema::{self, Column, Key, Table};
use crate::sql::{Action, Plan, Tag};
use crate::types::{self, Type};

/// Where a new relation goes, as SQLite calls it; refused where its schema is not there.
pub(crate) fn new_name(name: &Name, connection: &Connection, state: &State) -> Result<String> {
    match &name.schema {
        Some(schema) if !names::schema_exists(connection, schema) => Err(PgError::new(
            "3F000",
            format!("schema \"{schema}\" does not exist"),
        )),
        Some(schema) if matches!(schema.as_str(), "pg_catalog" | "information_schema") => {
            Err(PgError::new(
                "42501",
                format!("permission denied to create \"{}\"", name.display()),
            ))
        }
        Some(_) => Ok(name.in_sqlite()),
        None => {
            let schema = names::creation_schema(connection, state)
                .ok_or_else(|| PgError::new("3F000", "no schema has been selected to create in"))?;
            Ok(names::in_schema(Some(&schema), &name.name))
        }
    }
}

/// `IF NOT EXISTS` of something that is there.
pub(crate) fn skipped(name: &str, tag: &str) -> Plan {
    crate::sql::command::plain(
        Action::Nothing(Some(format!(
            "relation \"{name}\" already exists, skipping"
        ))),
        tag,
    )
}

/// `CREATE TABLE`.
pub(crate) fn table(
    table: &CreateTable,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    if table.partition_by.is_some() || table.partition_of.is_some() {
        return Err(unsupported("partitioning").hint("Make an ordinary table."));
    }
    if table.inherits.is_some() {
        return Err(unsupported("INHERITS"));
    }
    let written = Name::of(&table.name)?;
    let temporary = table.temporary || written.schema.as_deref() == Some("pg_temp");
    let name = if temporary {
        written.name.clone()
    } else {
        new_name(&written, connection, state)?
    };
    let tag = if table.query.is_some() {
        "CREATE TABLE AS"
    } else {
        "CREATE TABLE"
    };
    if exists(connection, &name, temporary)? {
        if table.if_not_exists {
            return Ok(skipped(&written.name, tag));
        }
        return Err(PgError::new(
            "42P07",
            format!("relation \"{}\" already exists", written.name),
        ));
    }
    if let Some(query) = &table.query {
        return table_as(&name, temporary, query, table, text, connection, state);
    }
    let mut before = Vec::new();
    let mut parts = Parts {
        name: name.clone(),
        columns: Vec::new(),
        constraints: Vec::new(),
        options: String::new(),
        temporary,
    };
    if let Some(like) = &table.like {
        let (CreateTableLikeKind::Plain(like) | CreateTableLikeKind::Parenthesized(like)) = like;
        copy_columns(&Name::of(&like.name)?, &mut parts, connection, state)?;
    }
    let shape = shape(&name, table, connection)?;
    for (column, definition) in shape.columns.iter().zip(&table.columns) {
        let part = column_part(
            column,
            definition,
            &shape,
            text,
            connection,
            state,
            &mut parts.constraints,
            &mut before,
        )?;
        parts.columns.push(part);
    }
    for constraint in &table.constraints {
        let made = constraints::of_table(&shape, constraint, text, connection, state)?;
        parts.constraints.push(made);
    }
    finish_constraints(&mut parts)?;
    let mut statements = before;
    statements.push(parts.create(&name));
    Ok(script(statements, tag))
}

/// Names twice get numbers, as Postgres gives them.
fn finish_constraints(parts: &mut Parts) -> Result<()> {
    for index in 1..parts.constraints.len() {
        let base = parts.constraints[index].name.clone();
        let mut number = 0;
        while parts.constraints[..index]
            .iter()
            .any(|other| other.name == parts.constraints[index].name)
        {
            number += 1;
            parts.constraints[index].name = format!("{base}{number}");
        }
    }
    let keys = parts
        .constraints
        .iter()
        .filter(|constraint| matches!(constraint.kind, Kind::Primary(_)))
        .count();
    if keys > 1 {
        return Err(PgError::new(
            "42P16",
            format!(
                "multiple primary keys for table \"{}\" are not allowed",
                names::split(&parts.name).1
            ),
        ));
    }
    // Columns of a primary key are NOT NULL, which SQLite does not say by itself.
    if let Some(Constraint {
        kind: Kind::Primary(columns),
        ..
    }) = parts
        .constraints
        .iter()
        .find(|constraint| matches!(constraint.kind, Kind::Primary(_)))
        .cloned()
        .as_ref()
    {
        for column in parts
            .columns
            .iter_mut()
            .filter(|column| columns.contains(&column.name) && column.rowid.is_none())
        {
            column.not_null = true;
        }
    }
    Ok(())
}

fn exists(connection: &Connection, name: &str, temporary: bool) -> Result<bool> {
    let schema = if temporary {
        "sqlite_temp_schema"
    } else {
        "sqlite_schema"
    };
    connection
        .prepare_cached(&format!(
            "SELECT 1 FROM {schema} WHERE name = ?1 COLLATE NOCASE"
        ))
        .and_then(|mut statement| statement.exists([name]))
        .map_err(|error| schema::unreadable(&error))
}

fn copy_columns(
    name: &Name,
    parts: &mut Parts,
    connection: &Connection,
    state: &State,
) -> Result<()> {
    let other = schema::find(connection, state, name)?.ok_or_else(|| {
        PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", name.display()),
        )
    })?;
    let source = Parts::read(connection, &other.name)?;
    for (mut column, typed) in source.columns.into_iter().zip(&other.columns) {
        if column.rowid.take().is_some() {
            column.declared = types::declare(typed.ty, None);
            column.not_null = true;
            column.default = None;
        }
        parts.columns.push(column);
    }
    Ok(())
}

/// The table that is to be, as far as its columns' names and types go.
fn shape(name: &str, table: &CreateTable, connection: &Connection) -> Result<Table> {
    let mut columns: Vec<Column> = Vec::new();
    for definition in &table.columns {
        let column = fold(&definition.name);
        if columns.iter().any(|other| other.name == column) {
            return Err(PgError::new(
                "42701",
                format!("column \"{column}\" specified more than once"),
            ));
        }
        columns.push(Column {
            name: column,
            ty: data_type(connection, &definition.data_type)?,
            not_null: false,
            primary: 0,
            default: None,
            key: None,
            generated: false,
            hidden: false,
            number: i16::try_from(columns.len() + 1).unwrap_or(0),
        });
    }
    let mut primary: Vec<String> = Vec::new();
    for definition in &table.columns {
        if definition
            .options
            .iter()
            .any(|option| matches!(option.option, ColumnOption::PrimaryKey(_)))
        {
            primary.push(fold(&definition.name));
        }
    }
    for constraint in &table.constraints {
        if let TableConstraint::PrimaryKey(key) = constraint {
            primary.extend(constraints::key_columns(&key.columns)?);
        }
    }
    for (index, name) in primary.iter().enumerate() {
        if let Some(column) = columns.iter_mut().find(|column| column.name == *name) {
            column.primary = i32::try_from(index + 1).unwrap_or(1);
            column.not_null = true;
        }
    }
    Ok(Table {
        name: name.to_owned(),
        columns,
        view: false,
        temporary: false,
    })
}

/// `serial` and its kin.
pub(crate) fn is_serial(data_type: &DataType) -> bool {
    let DataType::Custom(name, _) = data_type else {
        return false;
    };
    matches!(
        name.to_string().to_lowercase().as_str(),
        "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8"
    )
}

/// What a column's options say of keys made up by the server.
fn key_kind(definition: &ColumnDef) -> Option<Key> {
    if is_serial(&definition.data_type) {
        return Some(Key::Serial);
    }
    definition
        .options
        .iter()
        .find_map(|option| match &option.option {
            ColumnOption::Generated {
                generated_as,
                generation_expr: None,
                ..
            } => Some(Key::Identity {
                always: *generated_as == GeneratedAs::Always,
            }),
            ColumnOption::Identity(
                IdentityPropertyKind::Identity(_) | IdentityPropertyKind::Autoincrement(_),
            ) => Some(Key::Serial),
            _ => None,
        })
}

/// The declaration of a type, with the collation that it needs.
pub(crate) fn declared(connection: &Connection, ty: Type) -> (String, Option<String>) {
    let user = if ty.is_enum() {
        schema::enum_labels(connection, ty).map(|(name, _)| name)
    } else {
        ty.element()
            .filter(|element| element.is_enum())
            .and_then(|element| schema::enum_labels(connection, element))
            .map(|(name, _)| name)
    };
    let collation = (ty.oid == 1700 && !ty.is_native_numeric()).then(|| "pg_numeric".to_owned());
    (types::declare(ty, user.as_deref()), collation)
}

/// One column; its constraints go to the table's.
#[allow(clippy::too_many_arguments, reason = "what a definition may touch")]
pub(crate) fn column_part(
    column: &Column,
    definition: &ColumnDef,
    table: &Table,
    text: &str,
    connection: &Connection,
    state: &State,
    out: &mut Vec<Constraint>,
    before: &mut Vec<String>,
) -> Result<ColumnPart> {
    let (declaration, collation) = declared(connection, column.ty);
    let mut part = ColumnPart {
        name: column.name.clone(),
        declared: declaration,
        not_null: column.not_null,
        default: None,
        generated: None,
        rowid: None,
        collation,
        rest: String::new(),
    };
    let mut constraints: Vec<Constraint> = Vec::new();
    let own = |kind: Kind, name: Option<String>, suffix: &str| Constraint {
        name: name.unwrap_or_else(|| {
            constraints::made_up(&table.name, std::slice::from_ref(&column.name), suffix)
        }),
        kind,
    };
    for option in &definition.options {
        let named = option.name.as_ref().map(fold);
        match &option.option {
            ColumnOption::NotNull => part.not_null = true,
            ColumnOption::Null | ColumnOption::Collation(_) | ColumnOption::Comment(_) => {}
            ColumnOption::Default(expr) => {
                part.default = default(expr, column.ty, text, connection, state)?
            }
            ColumnOption::PrimaryKey(key) => {
                let name = named.or(key.name.as_ref().map(fold));
                constraints.push(own(Kind::Primary(vec![column.name.clone()]), name, "pkey"));
            }
            ColumnOption::Unique(key) => {
                let name = named.or(key.name.as_ref().map(fold));
                constraints.push(own(Kind::Unique(vec![column.name.clone()]), name, "key"));
            }
            ColumnOption::ForeignKey(key) => {
                constraints.push(constraints::foreign(
                    &table.name,
                    vec![column.name.clone()],
                    key,
                    connection,
                    state,
                    option.name.as_ref(),
                )?);
            }
            ColumnOption::Check(check) => {
                constraints.push(constraints::check(
                    table,
                    check,
                    text,
                    connection,
                    state,
                    option.name.as_ref(),
                )?);
            }
            ColumnOption::Generated {
                generation_expr: Some(expr),
                ..
            } => {
                part.generated = Some(generated(table, expr, column.ty, text, connection, state)?);
            }
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => part.not_null = true,
            other => return Err(unsupported(format!("the column option {other}"))),
        }
    }
    let single = column.primary == 1
        && table
            .columns
            .iter()
            .filter(|column| column.primary > 0)
            .count()
            == 1;
    let made = key_kind(definition);
    if single && column.ty.is_int() && part.default.is_none() && part.generated.is_none() {
        become_rowid(&mut part, column.ty, made.unwrap_or(Key::Plain));
    } else if made.is_some() {
        part.not_null = true;
        let sequence = constraints::made_up(&table.name, std::slice::from_ref(&column.name), "seq");
        before.extend(sequences::sequence_for(
            &sequence,
            &table.name,
            &column.name,
            column.ty,
        ));
        part.default = Some(format!("pg_nextval({})", names::literal(&sequence)));
    }
    out.extend(constraints);
    Ok(part)
}

/// An integer key that is SQLite's rowid.
pub(crate) fn become_rowid(part: &mut ColumnPart, ty: Type, key: Key) {
    part.declared = "INTEGER".to_owned();
    part.rowid = Some(!matches!(key, Key::Plain | Key::Rowid));
    part.default = schema::write_key(key, ty);
    part.not_null = false;
}

/// A default in SQLite's text; none for NULL.
pub(crate) fn default(
    expr: &Expr,
    ty: Type,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Option<String>> {
    let mut compiler = Compiler::new(connection, state, text, &[]);
    let sql = compiler.default_value(expr, ty)?;
    Ok((sql != "NULL").then_some(sql))
}

fn generated(
    table: &Table,
    expr: &Expr,
    ty: Type,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<String> {
    let mut compiler = Compiler::new(connection, state, text, &[]);
    compiler.scopes.push(Scope::default());
    let mut relation =
        crate::sql::query::from::relation_of(table, names::split(&table.name).1, None);
    for column in &mut relation.columns {
        column.sql = quote(&column.name);
    }
    compiler.scope().relations.push(relation);
    compiler.default_value(expr, ty)
}

/// `CREATE TABLE … AS query`.
fn table_as(
    name: &str,
    temporary: bool,
    query: &sqlparser::ast::Query,
    table: &CreateTable,
    text: &str,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    let mut compiler = Compiler::new(connection, state, text, &[]);
    let compiled = compiler.query(query, Some(&[]))?;
    if compiled.columns.is_empty() {
        return Err(unsupported("a table without columns"));
    }
    let mut parts = Parts {
        name: name.to_owned(),
        columns: Vec::new(),
        constraints: Vec::new(),
        options: String::new(),
        temporary,
    };
    for (index, output) in compiled.columns.iter().enumerate() {
        let renamed = table.columns.get(index).map(|column| fold(&column.name));
        let (declaration, collation) = declared(connection, output.column(connection, state).ty);
        parts.columns.push(ColumnPart {
            name: renamed.unwrap_or_else(|| output.name.clone()),
            declared: declaration,
            not_null: false,
            default: None,
            generated: None,
            rowid: None,
            collation,
            rest: String::new(),
        });
    }
    let mut statements = vec![parts.create(name)];
    if is_without_data(text) {
        return Ok(script(statements, "CREATE TABLE AS"));
    }
    statements.push(format!("INSERT INTO {} {}", quote(name), compiled.sql));
    let mut plan = script(statements, "SELECT");
    plan.tag = Tag::Changes("SELECT");
    Ok(plan)
}

/// It ends with `WITH NO DATA`.
fn is_without_data(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace().rev();
    ["DATA", "NO", "WITH"].iter().all(|word| {
        words
            .next()
            .is_some_and(|own| own.eq_ignore_ascii_case(word))
    })
}

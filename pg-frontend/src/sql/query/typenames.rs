//! Types as they are written in SQL.

use sqlparser::ast::{ArrayElemTypeDef, DataType};

use super::Compiler;
use crate::error::{PgError, Result};
use crate::sql::{names, schema};
use crate::types::{self, Type};

impl Compiler<'_> {
    /// The type that is written; 42704 where there is none.
    pub(crate) fn data_type(&self, written: &DataType) -> Result<Type> {
        data_type(self.connection, written)
    }
}

/// See [`Compiler::data_type`].
pub(crate) fn data_type(connection: &rusqlite::Connection, written: &DataType) -> Result<Type> {
    match written {
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Qualified(element, _),
        ) => {
            let element = data_type(connection, element)?;
            // More brackets make no other type.
            return Ok(if element.element().is_some() {
                element
            } else {
                element.array()
            });
        }
        DataType::Custom(name, _) => {
            let parts = names::idents(name)?;
            let last = parts
                .last()
                .map(|ident| names::fold(ident))
                .unwrap_or_default();
            let quoted = parts
                .last()
                .is_some_and(|ident| ident.quote_style.is_some());
            let text = if quoted && last == "char" {
                "\"char\"".to_owned()
            } else {
                last.clone()
            };
            let modifiers = written.to_string();
            let modifiers = modifiers.find('(').map_or("", |at| &modifiers[at..]);
            if quoted && last != "char" {
                // A quoted built-in name is the catalog's own: `"timestamptz"`.
                let found = types::names::BUILT_IN
                    .iter()
                    .find(|row| row.name == last)
                    .map(|row| Type::of(row.oid));
                if let Some(ty) = found {
                    return Ok(ty);
                }
            } else if let Some(ty) = types::parse_name(&format!("{text}{modifiers}").to_lowercase())
            {
                return Ok(ty);
            }
            let user = match parts.as_slice() {
                [schema, _] if !matches!(schema.value.as_str(), "public" | "pg_catalog") => {
                    format!("{}.{last}", names::fold(schema))
                }
                _ => last.clone(),
            };
            return schema::enum_type(connection, &user)
                .or_else(|| schema::enum_type(connection, &last))
                .ok_or_else(|| PgError::new("42704", format!("type \"{last}\" does not exist")));
        }
        _ => {}
    }
    let text = written.to_string().to_lowercase();
    types::parse_name(&text)
        .ok_or_else(|| PgError::new("42704", format!("type \"{text}\" does not exist")))
}

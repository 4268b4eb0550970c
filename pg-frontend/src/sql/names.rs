//! Names: Postgres's schemas over SQLite's one list of tables.
//!
//! `public.t` and `t` are SQLite's table `t`; a table `t` of another schema `s` is SQLite's table
//! `s.t`; `pg_temp.t` is `temp.t`. `pg_catalog.x` is SQLite's `x`, `information_schema.x` is
//! `information_schema_x`.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::{PgError, Result};
use crate::session::state::State;

/// The table of schemas that users made.
pub const SCHEMAS: &str = "pg_frontend_schemas";

/// A name as SQL has it: folded to lower case unless quoted.
#[must_use]
pub fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// A name in double quotes.
#[must_use]
pub fn quote(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A text in single quotes.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        if c == '\'' {
            out.push('\'');
        }
        out.push(c);
    }
    out.push('\'');
    out
}

/// A relation's name as it was written: schema, if there is one, and name, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `public`, `s` …
    pub schema: Option<String>,
    /// The relation.
    pub name: String,
    /// Where it stands in the text, in characters from 1; 0 where unknown.
    pub position: (u64, u64),
}

impl Name {
    /// Of a parsed name; a database's name in front of it is left out.
    ///
    /// # Errors
    /// 42601 for a name of more than three parts.
    pub fn of(name: &ObjectName) -> Result<Self> {
        let parts = idents(name)?;
        let (schema, last) = match parts.as_slice() {
            [name] => (None, *name),
            [schema, name] | [_, schema, name] => (Some(fold(schema)), *name),
            _ => {
                return Err(PgError::new(
                    "42601",
                    format!("improper qualified name (too many dotted names): {name}"),
                ));
            }
        };
        Ok(Self {
            schema,
            name: fold(last),
            position: (last.span.start.line, last.span.start.column),
        })
    }

    /// As SQLite calls it, where it exists or is to be made in this schema.
    #[must_use]
    pub fn in_sqlite(&self) -> String {
        in_schema(self.schema.as_deref(), &self.name)
    }

    /// As messages show it.
    #[must_use]
    pub fn display(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The names SQLite may know it by, in the order of the search path.
    #[must_use]
    pub fn candidates(&self, state: &State) -> Vec<String> {
        if self.schema.is_some() {
            return vec![self.in_sqlite()];
        }
        let mut out: Vec<String> = Vec::with_capacity(2);
        for schema in search_path(state) {
            let name = in_schema(Some(&schema), &self.name);
            if !out.contains(&name) {
                out.push(name);
            }
        }
        // Catalogs are always in the path, and so are temporary tables.
        if !out.contains(&self.name) {
            out.push(self.name.clone());
        }
        out
    }
}

/// The identifiers of a parsed name.
///
/// # Errors
/// 42601 for a part that is no identifier.
pub fn idents(name: &ObjectName) -> Result<Vec<&Ident>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident),
            ObjectNamePart::Function(_) => Err(PgError::new(
                "42601",
                format!("syntax error in name {name}"),
            )),
        })
        .collect()
}

/// SQLite's name of a relation in a schema.
#[must_use]
pub fn in_schema(schema: Option<&str>, name: &str) -> String {
    match schema {
        None | Some("public" | "pg_catalog" | "main" | "pg_temp") => name.to_owned(),
        Some("information_schema") => format!("information_schema_{name}"),
        Some(schema) => format!("{schema}.{name}"),
    }
}

/// Schema and name of one of SQLite's relations.
#[must_use]
pub fn split(sqlite: &str) -> (&str, &str) {
    if let Some(name) = sqlite.strip_prefix("information_schema_") {
        return ("information_schema", name);
    }
    sqlite.split_once('.').unwrap_or(("public", sqlite))
}

/// The schemas of the search path, `$user` replaced.
#[must_use]
pub fn search_path(state: &State) -> Vec<String> {
    let setting = state
        .settings
        .get("search_path")
        .map_or("\"$user\", public", String::as_str);
    setting
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "\"\"" && *part != "''")
        .map(|part| match part.trim_matches(['"', '\'']) {
            "$user" => state.user.clone(),
            bare if part.starts_with('"') => bare.to_owned(),
            bare => bare.to_lowercase(),
        })
        .collect()
}

/// The schema that new relations go to: the first of the search path that is there.
#[must_use]
pub fn creation_schema(connection: &rusqlite::Connection, state: &State) -> Option<String> {
    search_path(state)
        .into_iter()
        .find(|schema| schema == "public" || schema_exists(connection, schema))
}

/// Whether a schema is there.
#[must_use]
pub fn schema_exists(connection: &rusqlite::Connection, schema: &str) -> bool {
    if matches!(
        schema,
        "public" | "pg_catalog" | "information_schema" | "pg_temp"
    ) {
        return true;
    }
    connection
        .prepare_cached(&format!("SELECT 1 FROM {SCHEMAS} WHERE name = ?1"))
        .and_then(|mut statement| statement.exists([schema]))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_map_both_ways() {
        assert_eq!(in_schema(Some("public"), "t"), "t");
        assert_eq!(in_schema(Some("s"), "t"), "s.t");
        assert_eq!(split("s.t"), ("s", "t"));
        assert_eq!(split("t"), ("public", "t"));
        assert_eq!(
            in_schema(Some("information_schema"), "columns"),
            "information_schema_columns"
        );
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
    }
}

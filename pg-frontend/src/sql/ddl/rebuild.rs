//! A table's parts read back from SQLite's text of it, and the table made anew with other parts.
//!
//! SQLite's `ALTER TABLE` renames and adds columns. What changes only what a table says (defaults, NOT
//! NULL, checks, foreign keys) changes its text; for the rest a new table is made and the rows are copied.
//! <https://www.sqlite.org/lang_altertable.html#otheralter>

use rusqlite::Connection;

use super::constraints::{Constraint, Kind};
use crate::error::{PgError, Result};
use crate::sql::lexer::{self, Kind as TokenKind, Token};
use crate::sql::names::{self, literal, quote};
use crate::sql::schema::unreadable;

/// A column as it stands in `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnPart {
    pub(crate) name: String,
    /// Its declared type.
    pub(crate) declared: String,
    pub(crate) not_null: bool,
    /// SQLite's expression, without brackets.
    pub(crate) default: Option<String>,
    pub(crate) generated: Option<String>,
    /// `PRIMARY KEY` of an `INTEGER` column, and whether with `AUTOINCREMENT`.
    pub(crate) rowid: Option<bool>,
    pub(crate) collation: Option<String>,
    /// What else stands there, kept as it is.
    pub(crate) rest: String,
}

impl ColumnPart {
    pub(crate) fn text(&self) -> String {
        let mut out = quote(&self.name);
        if !self.declared.is_empty() {
            out.push(' ');
            out.push_str(&self.declared);
        }
        if let Some(autoincrement) = self.rowid {
            out.push_str(" PRIMARY KEY");
            if autoincrement {
                out.push_str(" AUTOINCREMENT");
            }
        }
        if self.not_null {
            out.push_str(" NOT NULL");
        }
        if let Some(default) = &self.default {
            out.push_str(&format!(" DEFAULT ({default})"));
        }
        if let Some(collation) = &self.collation {
            out.push_str(&format!(" COLLATE {collation}"));
        }
        if let Some(generated) = &self.generated {
            out.push_str(&format!(" GENERATED ALWAYS AS ({generated}) STORED"));
        }
        if !self.rest.is_empty() {
            out.push(' ');
            out.push_str(&self.rest);
        }
        out
    }
}

/// A table's parts.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnPart>,
    pub(crate) constraints: Vec<Constraint>,
    /// Behind the closing bracket: `WITHOUT ROWID`, `STRICT`.
    pub(crate) options: String,
    pub(crate) temporary: bool,
}

impl Parts {
    /// `CREATE TABLE`, under another name if one is given.
    pub(crate) fn create(&self, name: &str) -> String {
        let mut items: Vec<String> = self.columns.iter().map(ColumnPart::text).collect();
        let rowid = self.columns.iter().any(|column| column.rowid.is_some());
        items.extend(
            self.constraints
                .iter()
                .filter(|constraint| !(rowid && matches!(constraint.kind, Kind::Primary(_))))
                .map(Constraint::text),
        );
        // The name of a rowid's constraint has no place in a column; it is kept beside it.
        let temporary = if self.temporary { "TEMPORARY " } else { "" };
        let options = if self.options.is_empty() {
            String::new()
        } else {
            format!(" {}", self.options)
        };
        format!(
            "CREATE {temporary}TABLE {} ({}){options}",
            quote(name),
            items.join(", ")
        )
    }

    /// Reads a table's parts.
    ///
    /// # Errors
    /// 42P01; XX000 where the text cannot be read.
    pub(crate) fn read(connection: &Connection, name: &str) -> Result<Self> {
        let found: rusqlite::Result<(String, bool)> = connection.query_row(
            "SELECT sql, 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE \
             UNION ALL SELECT sql, 1 FROM sqlite_temp_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let (sql, temporary) = match found {
            Ok(found) => found,
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                return Err(PgError::new(
                    "42P01",
                    format!("relation \"{}\" does not exist", names::split(name).1),
                ));
            }
            Err(error) => return Err(unreadable(&error)),
        };
        let mut parts = Reader::new(&sql)?.table(name)?;
        parts.temporary = temporary;
        Ok(parts)
    }

    /// A column's place.
    ///
    /// # Errors
    /// 42703.
    pub(crate) fn place(&self, column: &str) -> Result<usize> {
        self.columns
            .iter()
            .position(|part| part.name == column)
            .or_else(|| {
                self.columns
                    .iter()
                    .position(|part| part.name.eq_ignore_ascii_case(column))
            })
            .ok_or_else(|| {
                PgError::new(
                    "42703",
                    format!(
                        "column \"{column}\" of relation \"{}\" does not exist",
                        names::split(&self.name).1
                    ),
                )
            })
    }

    /// The statements that make the table anew. `values`: for each column, what its rows get (an
    /// expression over the old row); none: the column is new, and gets its default.
    ///
    /// Dropping a table deletes its rows first, with all that foreign keys do then. So the old table is
    /// renamed, which takes the references of others along, and these are turned to the new one before it is dropped.
    ///
    /// # Errors
    /// XX000 where the schema cannot be read.
    pub(crate) fn rebuild(
        &self,
        connection: &Connection,
        values: &[Option<String>],
        dropped: &[String],
    ) -> Result<Vec<String>> {
        let old = format!("pg_frontend_old_{}", self.name);
        let main = if self.temporary {
            "sqlite_temp_schema"
        } else {
            "sqlite_schema"
        };
        let dependents = dependents(connection, &self.name, dropped)?;
        let mut out = vec![
            "PRAGMA defer_foreign_keys = ON".to_owned(),
            format!(
                "ALTER TABLE {} RENAME TO {}",
                quote(&self.name),
                quote(&old)
            ),
            self.create(&self.name),
        ];
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        for (column, value) in self.columns.iter().zip(values) {
            if let (Some(value), None) = (value, &column.generated) {
                targets.push(quote(&column.name));
                sources.push(value.clone());
            }
        }
        if !targets.is_empty() {
            out.push(format!(
                "INSERT INTO {}({}) SELECT {} FROM {}",
                quote(&self.name),
                targets.join(", "),
                sources.join(", "),
                quote(&old)
            ));
        }
        out.extend([
            "PRAGMA writable_schema = ON".to_owned(),
            format!(
                "UPDATE {main} SET sql = replace(sql, {}, {}) WHERE tbl_name <> {} AND instr(sql, {})",
                literal(&quote(&old)), literal(&quote(&self.name)), literal(&old), literal(&quote(&old))
            ),
            "PRAGMA writable_schema = RESET".to_owned(),
        ]);
        if self.columns.iter().any(|column| column.rowid == Some(true)) {
            out.push(format!(
                "UPDATE sqlite_sequence SET seq = max(seq, ifnull((SELECT seq FROM sqlite_sequence WHERE name = {}), 0)) WHERE name = {}",
                literal(&old), literal(&self.name)
            ));
        }
        out.push(format!("DROP TABLE {}", quote(&old)));
        out.extend(dependents);
        Ok(out)
    }

    /// The statements that change a table's text only: its rows lie as they did.
    pub(crate) fn replace(&self) -> Vec<String> {
        let main = if self.temporary {
            "sqlite_temp_schema"
        } else {
            "sqlite_schema"
        };
        vec![
            "PRAGMA writable_schema = ON".to_owned(),
            format!(
                "UPDATE {main} SET sql = {} WHERE type = 'table' AND name = {}",
                literal(&self.create(&self.name)),
                literal(&self.name)
            ),
            "PRAGMA writable_schema = RESET".to_owned(),
            // Other connections see that the schema has changed by its version, which DDL raises.
            "CREATE TABLE pg_frontend_touch(x)".to_owned(),
            "DROP TABLE pg_frontend_touch".to_owned(),
        ]
    }
}

/// The texts of indexes and triggers of a table, those left out that use a dropped column.
fn dependents(connection: &Connection, table: &str, dropped: &[String]) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT sql, name FROM sqlite_schema WHERE tbl_name = ?1 AND type IN ('index', 'trigger') AND sql IS NOT NULL \
             UNION ALL SELECT sql, name FROM sqlite_temp_schema WHERE tbl_name = ?1 AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        )
        .map_err(|error| unreadable(&error))?;
    let found: Vec<(String, String)> = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(&error))?;
    let mut uses = connection
        .prepare_cached("SELECT 1 FROM pragma_index_info(?1) WHERE name = ?2")
        .map_err(|error| unreadable(&error))?;
    let mut out = Vec::new();
    for (sql, name) in found {
        let mut gone = false;
        for column in dropped {
            gone |= uses
                .exists([&name, column])
                .map_err(|error| unreadable(&error))?
                || sql.contains(&quote(column));
        }
        if !gone {
            out.push(sql);
        }
    }
    Ok(out)
}

/// Reads `CREATE TABLE` in SQLite's text.
struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Result<Self> {
        Ok(Self {
            text,
            tokens: lexer::tokens(text)?,
            at: 0,
        })
    }

    fn broken(&self) -> PgError {
        PgError::new(
            "XX000",
            format!("this table's definition cannot be read: {}", self.text),
        )
    }

    fn word(&self) -> String {
        self.tokens.get(self.at).map_or_else(String::new, |token| {
            let text = &self.text[token.start..token.end];
            if token.kind == TokenKind::Word {
                text.to_ascii_uppercase()
            } else {
                text.to_owned()
            }
        })
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.word() == word;
        if found {
            self.at += 1;
        }
        found
    }

    fn name(&mut self) -> Result<String> {
        // SQLite's names may stand in other quotes, too.
        let token = *self.tokens.get(self.at).ok_or_else(|| self.broken())?;
        let text = &self.text[token.start..token.end];
        self.at += 1;
        match token.kind {
            TokenKind::Word => Ok(text.to_owned()),
            TokenKind::Quoted => Ok(lexer::name_value(token.kind, text)),
            TokenKind::String => Ok(lexer::string_value(token.kind, text)),
            TokenKind::Symbol if text == "[" || text == "`" => {
                let close = if text == "[" { ']' } else { '`' };
                let length = self.text[token.end..]
                    .find(close)
                    .ok_or_else(|| self.broken())?;
                let name = &self.text[token.end..token.end + length];
                while self
                    .tokens
                    .get(self.at)
                    .is_some_and(|next| next.start <= token.end + length)
                {
                    self.at += 1;
                }
                Ok(name.to_owned())
            }
            _ => Err(self.broken()),
        }
    }

    /// Takes a bracketed part; gives what is within.
    fn bracketed(&mut self) -> Result<&'a str> {
        if !self.accept("(") {
            return Err(self.broken());
        }
        let start = self
            .tokens
            .get(self.at)
            .map_or(self.text.len(), |token| token.start);
        let mut depth = 1;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match &self.text[token.start..token.end] {
                "(" => depth += 1,
                ")" => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(self.text[start..token.start].trim());
                    }
                }
                _ => {}
            }
        }
        Err(self.broken())
    }

    fn columns(&mut self) -> Result<Vec<String>> {
        if !self.accept("(") {
            return Err(self.broken());
        }
        let mut out = Vec::new();
        loop {
            out.push(self.name()?);
            while !matches!(self.word().as_str(), "," | ")" | "") {
                self.at += 1;
            }
            if !self.accept(",") {
                break;
            }
        }
        if self.accept(")") {
            Ok(out)
        } else {
            Err(self.broken())
        }
    }

    fn table(mut self, name: &str) -> Result<Parts> {
        while self.word() != "(" {
            if self.at >= self.tokens.len() {
                return Err(self.broken());
            }
            self.at += 1;
        }
        self.at += 1;
        let mut parts = Parts {
            name: name.to_owned(),
            columns: Vec::new(),
            constraints: Vec::new(),
            options: String::new(),
            temporary: false,
        };
        loop {
            if matches!(
                self.word().as_str(),
                "CONSTRAINT" | "PRIMARY" | "UNIQUE" | "CHECK" | "FOREIGN"
            ) {
                let named = if self.accept("CONSTRAINT") {
                    Some(self.name()?)
                } else {
                    None
                };
                let constraint = self.constraint(name, named)?;
                parts.constraints.push(constraint);
            } else {
                self.column(&mut parts)?;
            }
            if !self.accept(",") && matches!(self.word().as_str(), ")" | "") {
                break;
            }
        }
        if !self.accept(")") {
            return Err(self.broken());
        }
        if let Some(token) = self.tokens.get(self.at) {
            parts.options = self.text[token.start..].trim().to_owned();
        }
        Ok(parts)
    }

    fn constraint(&mut self, table: &str, named: Option<String>) -> Result<Constraint> {
        let (kind, columns, suffix) = if self.accept("PRIMARY") {
            self.accept("KEY");
            let columns = self.columns()?;
            (Kind::Primary(columns.clone()), columns, "pkey")
        } else if self.accept("UNIQUE") {
            let columns = self.columns()?;
            (Kind::Unique(columns.clone()), columns, "key")
        } else if self.accept("CHECK") {
            (
                Kind::Check(self.bracketed()?.to_owned()),
                Vec::new(),
                "check",
            )
        } else if self.accept("FOREIGN") {
            self.accept("KEY");
            let columns = self.columns()?;
            if !self.accept("REFERENCES") {
                return Err(self.broken());
            }
            (self.references(columns.clone())?, columns, "fkey")
        } else {
            return Err(self.broken());
        };
        Ok(Constraint {
            name: named.unwrap_or_else(|| super::constraints::made_up(table, &columns, suffix)),
            kind,
        })
    }

    fn references(&mut self, columns: Vec<String>) -> Result<Kind> {
        let table = self.name()?;
        let referred = if self.word() == "(" {
            self.columns()?
        } else {
            Vec::new()
        };
        let start = self
            .tokens
            .get(self.at)
            .map_or(self.text.len(), |token| token.start);
        let mut end = start;
        while matches!(
            self.word().as_str(),
            "ON" | "DELETE"
                | "UPDATE"
                | "CASCADE"
                | "RESTRICT"
                | "SET"
                | "NULL"
                | "DEFAULT"
                | "NO"
                | "ACTION"
                | "NOT"
                | "DEFERRABLE"
                | "INITIALLY"
                | "DEFERRED"
                | "IMMEDIATE"
                | "MATCH"
                | "FULL"
                | "SIMPLE"
                | "PARTIAL"
        ) {
            // `NOT NULL` of a column is not the key's.
            if self.word() == "NOT"
                && self.tokens.get(self.at + 1).is_some_and(|token| {
                    self.text[token.start..token.end].eq_ignore_ascii_case("NULL")
                })
            {
                break;
            }
            end = self.tokens[self.at].end;
            self.at += 1;
        }
        let actions = self.text[start..end].trim();
        Ok(Kind::Foreign {
            columns,
            table,
            referred,
            actions: if actions.is_empty() {
                String::new()
            } else {
                format!(" {actions}")
            },
        })
    }

    fn column(&mut self, parts: &mut Parts) -> Result<()> {
        let name = self.name()?;
        let mut column = ColumnPart {
            name: name.clone(),
            declared: String::new(),
            not_null: false,
            default: None,
            generated: None,
            rowid: None,
            collation: None,
            rest: String::new(),
        };
        column.declared = self.declared();
        let mut named: Option<String> = None;
        loop {
            match self.word().as_str() {
                "CONSTRAINT" => {
                    self.at += 1;
                    named = Some(self.name()?);
                    continue;
                }
                "NOT" => {
                    self.at += 1;
                    self.accept("NULL");
                    column.not_null = true;
                }
                "NULL" => self.at += 1,
                "DEFAULT" => {
                    self.at += 1;
                    column.default = Some(self.default()?);
                }
                "COLLATE" => {
                    self.at += 1;
                    column.collation = Some(self.name()?);
                }
                "PRIMARY" => {
                    self.at += 1;
                    self.accept("KEY");
                    if !self.accept("ASC") {
                        self.accept("DESC");
                    }
                    let autoincrement = self.accept("AUTOINCREMENT");
                    if column.declared.eq_ignore_ascii_case("INTEGER") {
                        column.rowid = Some(autoincrement);
                    }
                    parts.constraints.push(Constraint {
                        name: named.take().unwrap_or_else(|| {
                            super::constraints::made_up(&parts.name, &[], "pkey")
                        }),
                        kind: Kind::Primary(vec![name.clone()]),
                    });
                }
                "UNIQUE" => {
                    self.at += 1;
                    let columns = vec![name.clone()];
                    parts.constraints.push(Constraint {
                        name: named.take().unwrap_or_else(|| {
                            super::constraints::made_up(&parts.name, &columns, "key")
                        }),
                        kind: Kind::Unique(columns),
                    });
                }
                "CHECK" => {
                    self.at += 1;
                    let test = self.bracketed()?.to_owned();
                    parts.constraints.push(Constraint {
                        name: named.take().unwrap_or_else(|| {
                            super::constraints::made_up(
                                &parts.name,
                                std::slice::from_ref(&name),
                                "check",
                            )
                        }),
                        kind: Kind::Check(test),
                    });
                }
                "REFERENCES" => {
                    self.at += 1;
                    let columns = vec![name.clone()];
                    let kind = self.references(columns.clone())?;
                    parts.constraints.push(Constraint {
                        name: named.take().unwrap_or_else(|| {
                            super::constraints::made_up(&parts.name, &columns, "fkey")
                        }),
                        kind,
                    });
                }
                "GENERATED" | "AS" => {
                    if self.accept("GENERATED") {
                        self.accept("ALWAYS");
                    }
                    self.accept("AS");
                    column.generated = Some(self.bracketed()?.to_owned());
                    if !self.accept("STORED") {
                        self.accept("VIRTUAL");
                    }
                }
                "," | ")" | "" => break,
                _ => return Err(self.broken()),
            }
        }
        parts.columns.push(column);
        Ok(())
    }

    /// A declared type: words, brackets, `(10,2)`.
    fn declared(&mut self) -> String {
        let start = self
            .tokens
            .get(self.at)
            .map_or(self.text.len(), |token| token.start);
        let mut end = start;
        loop {
            let word = self.word();
            if matches!(
                word.as_str(),
                "CONSTRAINT"
                    | "NOT"
                    | "NULL"
                    | "DEFAULT"
                    | "COLLATE"
                    | "PRIMARY"
                    | "UNIQUE"
                    | "CHECK"
                    | "REFERENCES"
                    | "GENERATED"
                    | "AS"
                    | ","
                    | ")"
                    | ""
            ) {
                return self.text[start..end].to_owned();
            }
            if word == "(" {
                if self.bracketed().is_err() {
                    return self.text[start..end].to_owned();
                }
            } else {
                self.at += 1;
            }
            end = self.tokens[self.at - 1].end;
        }
    }

    fn default(&mut self) -> Result<String> {
        if self.word() == "(" {
            return Ok(self.bracketed()?.to_owned());
        }
        let start = self.tokens.get(self.at).ok_or_else(|| self.broken())?.start;
        if matches!(self.word().as_str(), "-" | "+") {
            self.at += 1;
        }
        let end = self.tokens.get(self.at).ok_or_else(|| self.broken())?.end;
        self.at += 1;
        Ok(self.text[start..end].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back() {
        let sql = "CREATE TABLE \"t\" (\"id\" INTEGER PRIMARY KEY AUTOINCREMENT DEFAULT (pg_serial('int4')), \"p\" numeric(10,2) NOT NULL DEFAULT (0), \
                   \"a\" text[] COLLATE BINARY, \"o\" int4 REFERENCES \"o\"(\"id\") ON DELETE SET NULL NOT NULL, CONSTRAINT \"u\" UNIQUE (\"p\", \"a\"), CHECK (\"p\" > 0)) STRICT";
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&sql.replace(" STRICT", ""))
            .unwrap();
        let parts = Parts::read(&connection, "t").unwrap();
        assert_eq!(parts.columns.len(), 4);
        assert_eq!(parts.columns[0].rowid, Some(true));
        assert_eq!(parts.columns[1].declared, "numeric(10,2)");
        assert_eq!(parts.columns[2].declared, "text[]");
        assert!(parts.columns[3].not_null);
        assert_eq!(parts.constraints.len(), 4);
        let again = parts.create("u");
        connection.execute_batch(&again).unwrap();
        let second = Parts::read(&connection, "u").unwrap();
        assert_eq!(second.columns, parts.columns);
    }

    #[test]
    fn tables_of_others_are_read() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE [My Table] ([Id] INTEGER NOT NULL, `b` NVARCHAR(20) DEFAULT 'x', c NUMERIC(10,2) DEFAULT -1, PRIMARY KEY ([Id]))")
            .unwrap();
        let parts = Parts::read(&connection, "My Table").unwrap();
        assert_eq!(parts.columns[0].name, "Id");
        assert_eq!(parts.columns[1].declared, "NVARCHAR(20)");
        assert_eq!(parts.columns[2].default.as_deref(), Some("-1"));
    }
}

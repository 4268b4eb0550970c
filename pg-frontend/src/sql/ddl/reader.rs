//! SQLite's text of a table read into its [`Parts`].

use super::constraints::{Constraint, Kind};
use crate::error::{PgError, Result};
use crate::sql::lexer::{self, Kind as TokenKind, Token};

use super::rebuild::{ColumnPart, Parts};

/// Reads `CREATE TABLE` in SQLite's text.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
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

    pub(super) fn name(&mut self) -> Result<String> {
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

    pub(super) fn columns(&mut self) -> Result<Vec<String>> {
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

    pub(super) fn table(mut self, name: &str) -> Result<Parts> {
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

    pub(super) fn constraint(&mut self, table: &str, named: Option<String>) -> Result<Constraint> {
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

    pub(super) fn references(&mut self, columns: Vec<String>) -> Result<Kind> {
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

    pub(super) fn column(&mut self, parts: &mut Parts) -> Result<()> {
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
    pub(super) fn declared(&mut self) -> String {
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

    pub(super) fn default(&mut self) -> Result<String> {
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
    use rusqlite::Connection;

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

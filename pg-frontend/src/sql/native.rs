//! What goes to SQLite as it stands: statements that are no Postgres, but SQLite's own.

use rusqlite::Connection;

use super::lexer::{self, Kind};
use super::{Action, Column, Plan, Tag};
use crate::types::{self, Oid, Type};

/// The plan of a statement that SQLite takes; none where it does not.
pub(super) fn plan(connection: &Connection, text: &str, given: &[Oid]) -> Option<Plan> {
    let sql = numbered(text)?;
    let statement = connection.prepare(&sql).ok()?;
    let columns: Vec<Column> = statement
        .columns()
        .map(|column| Column {
            name: column.name().to_owned(),
            ty: column
                .decl_type()
                .and_then(types::parse_name)
                .unwrap_or(Type::TEXT),
            table: 0,
            number: 0,
        })
        .collect();
    let parameters = (0..statement.parameter_count())
        .map(|index| {
            given
                .get(index)
                .filter(|oid| **oid != 0)
                .map_or(Type::TEXT, |oid| Type::of(*oid))
        })
        .collect();
    let read_only = statement.readonly();
    let word = lexer::tokens(text)
        .ok()?
        .first()
        .map(|token| text[token.start..token.end].to_ascii_uppercase())?;
    let tag = match word.as_str() {
        "INSERT" | "REPLACE" => Tag::Changes("INSERT"),
        "UPDATE" => Tag::Changes("UPDATE"),
        "DELETE" => Tag::Changes("DELETE"),
        _ if !columns.is_empty() => Tag::Rows("SELECT"),
        _ => Tag::Plain(word),
    };
    drop(statement);
    Some(Plan {
        action: Action::Run(sql.into()),
        tag,
        parameters,
        columns: (!columns.is_empty()).then_some(columns),
        read_only,
    })
}

/// `$1` as `?1`: to SQLite the former is a name.
fn numbered(text: &str) -> Option<String> {
    let mut out = text.as_bytes().to_vec();
    for token in lexer::tokens(text).ok()? {
        if token.kind == Kind::Parameter {
            out[token.start] = b'?';
        }
    }
    String::from_utf8(out).ok()
}

//! `COPY … FROM STDIN`, `COPY … TO STDOUT`.
//! <https://www.postgresql.org/docs/15/sql-copy.html>

use rusqlite::Connection;

use super::words::Words;
use crate::error::{PgError, Result};
use crate::session::state::State;
use crate::sql::names::{literal, quote, split};
use crate::sql::{Action, Column, Copy, CopyFormat, Parsed, Plan, Tag, schema};

/// The options as they are written.
#[derive(Debug, Default)]
struct Options {
    format: Option<String>,
    delimiter: Option<String>,
    null: Option<String>,
    header: bool,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<Vec<String>>,
    force_not_null: Vec<String>,
    force_null: Vec<String>,
    all_quoted: bool,
}

/// A COPY.
pub(crate) fn read(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
    words.advance();
    words.accept("BINARY");
    if words.accept("(") {
        let query = words.bracketed()?;
        words.expect("TO")?;
        destination(words, false)?;
        let options = options(words)?;
        return copy_query(query, &options, connection, state);
    }
    let name = words.qualified()?;
    let mut chosen = Vec::new();
    if words.accept("(") {
        loop {
            chosen.push(words.name()?);
            if !words.accept(",") {
                break;
            }
        }
        words.expect(")")?;
    }
    let from = words.accept("FROM");
    if !from {
        words.expect("TO")?;
    }
    destination(words, from)?;
    let options = options(words)?;
    if words.accept("WHERE") {
        return Err(crate::sql::query::unsupported("COPY … WHERE"));
    }
    words.end()?;
    let table = schema::find(connection, state, &name)?.ok_or_else(|| {
        PgError::new(
            "42P01",
            format!("relation \"{}\" does not exist", name.display()),
        )
    })?;
    let mut columns = Vec::new();
    if chosen.is_empty() {
        columns.extend(table.visible().filter(|column| !column.generated).cloned());
    }
    for written in &chosen {
        let column = table.column(written).ok_or_else(|| {
            PgError::new(
                "42703",
                format!(
                    "column \"{written}\" of relation \"{}\" does not exist",
                    name.name
                ),
            )
        })?;
        columns.push(column.clone());
    }
    let outputs: Vec<Column> = columns
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            ty: column.ty,
            table: 0,
            number: 0,
        })
        .collect();
    let format = finish(&options, &outputs)?;
    let mut list: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    let sql = if from {
        let place = |(index, column)| required(&table.name, column, copied(column, index + 1));
        let mut values: Vec<String> = columns.iter().enumerate().map(place).collect();
        for column in &table.columns {
            // A key that SQLite would make up, and Postgres would not.
            let given = columns.iter().any(|other| other.name == column.name);
            if column.key == Some(schema::Key::Plain) && !given {
                list.push(quote(&column.name));
                values.push(required(&table.name, column, "NULL".to_owned()));
            }
        }
        let list = list.join(", ");
        format!(
            "INSERT INTO {}({list}) VALUES ({})",
            quote(&table.name),
            values.join(", ")
        )
    } else {
        format!("SELECT {} FROM {}", list.join(", "), quote(&table.name))
    };
    Ok(plan(sql, (from, &table.name), outputs, format))
}

/// A key that is the rowid: SQLite would make one up where NULL is given.
fn required(table: &str, column: &schema::Column, value: String) -> String {
    match column.key {
        None | Some(schema::Key::Rowid) => value,
        Some(_) => format!(
            "pg_required({value}, {}, {})",
            literal(split(table).1),
            literal(&column.name)
        ),
    }
}

/// A parameter for a column, its length or precision enforced.
fn copied(column: &schema::Column, index: usize) -> String {
    if column.ty.modifier >= 0 {
        return format!(
            "pg_shape(?{index}, {}, {}, 0)",
            column.ty.oid, column.ty.modifier
        );
    }
    format!("?{index}")
}

fn plan(
    sql: String,
    (from, table): (bool, &str),
    columns: Vec<Column>,
    format: CopyFormat,
) -> Plan {
    Plan {
        action: Action::Copy(Box::new(Copy {
            sql: sql.into(),
            from,
            table: table.to_owned(),
            columns,
            format,
        })),
        tag: Tag::Rows("COPY"),
        parameters: Vec::new(),
        columns: None,
        read_only: !from,
    }
}

fn copy_query(
    query: &str,
    options: &Options,
    connection: &Connection,
    state: &State,
) -> Result<Plan> {
    let parsed = Parsed {
        text: query.into(),
        offset: 0,
    };
    let inner = crate::sql::plan(connection, state, &parsed, &[])?;
    let (Action::Run(sql), Some(columns)) = (inner.action, inner.columns) else {
        return Err(PgError::new("0A000", "COPY query must have a result"));
    };
    let format = finish(options, &columns)?;
    let mut out = plan(sql.to_string(), (false, ""), columns, format);
    out.read_only = inner.read_only;
    Ok(out)
}

fn destination(words: &mut Words<'_>, from: bool) -> Result<()> {
    if words.accept("PROGRAM") || words.is_string() {
        return Err(PgError::new(
            "42501",
            "COPY to or from a file or program is not allowed on this server",
        )
        .hint(
            "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
        ));
    }
    words.expect(if from { "STDIN" } else { "STDOUT" })
}

fn options(words: &mut Words<'_>) -> Result<Options> {
    let mut out = Options::default();
    words.accept("WITH");
    if words.accept("(") {
        loop {
            option(words, &mut out)?;
            if !words.accept(",") {
                break;
            }
        }
        words.expect(")")?;
        return Ok(out);
    }
    // The forms of before 9.0.
    loop {
        if words.accept("CSV") {
            out.format = Some("csv".to_owned());
        } else if words.accept("BINARY") {
            out.format = Some("binary".to_owned());
        } else if words.accept("HEADER") {
            out.header = true;
        } else if words.accept("DELIMITER") || words.accept("DELIMITERS") {
            words.accept("AS");
            out.delimiter = Some(words.string()?);
        } else if words.accept("NULL") {
            words.accept("AS");
            out.null = Some(words.string()?);
        } else if words.accept("QUOTE") {
            words.accept("AS");
            out.quote = Some(words.string()?);
        } else if words.accept("ESCAPE") {
            words.accept("AS");
            out.escape = Some(words.string()?);
        } else if words.accept("FREEZE ON") || words.accept("FREEZE") {
        } else if words.accept("FORCE QUOTE *") {
            out.all_quoted = true;
        } else if words.accept("FORCE QUOTE") {
            out.force_quote = Some(names(words)?);
        } else if words.accept("FORCE NOT NULL") {
            out.force_not_null = names(words)?;
        } else {
            return Ok(out);
        }
    }
}

fn names(words: &mut Words<'_>) -> Result<Vec<String>> {
    let mut out = Vec::new();
    loop {
        out.push(words.name()?);
        if !words.accept(",") {
            return Ok(out);
        }
    }
}

fn option(words: &mut Words<'_>, out: &mut Options) -> Result<()> {
    let name = words.name()?;
    let list = |words: &mut Words<'_>| -> Result<Vec<String>> {
        words.expect("(")?;
        let found = names(words)?;
        words.expect(")")?;
        Ok(found)
    };
    match name.as_str() {
        "format" => {
            out.format = Some(if words.is_string() {
                words.string()?
            } else {
                words.name()?
            })
        }
        "delimiter" => out.delimiter = Some(words.string()?),
        "null" => out.null = Some(words.string()?),
        "quote" => out.quote = Some(words.string()?),
        "escape" => out.escape = Some(words.string()?),
        "header" => {
            let value = if words.is_string() {
                words.string()?
            } else if words.is_name() {
                words.name()?
            } else if matches!(words.peek().as_deref(), Some("," | ")") | None) {
                "true".to_owned()
            } else {
                words.advance().unwrap_or_default()
            };
            out.header = matches!(
                value.to_ascii_lowercase().as_str(),
                "true" | "on" | "1" | "match"
            );
        }
        "force_quote" => {
            if words.accept("*") {
                out.all_quoted = true;
            } else {
                out.force_quote = Some(list(words)?);
            }
        }
        "force_not_null" => out.force_not_null = list(words)?,
        "force_null" => out.force_null = list(words)?,
        "freeze" | "encoding" => {
            if words.is_string() {
                words.string()?;
            } else if !matches!(words.peek().as_deref(), Some("," | ")")) {
                words.advance();
            }
        }
        other => {
            return Err(PgError::new(
                "42601",
                format!("option \"{other}\" not recognized"),
            ));
        }
    }
    Ok(())
}

fn byte(name: &str, value: Option<&str>, default: u8) -> Result<u8> {
    match value.map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) => Ok(*byte),
        Some(_) => Err(PgError::new(
            "0A000",
            format!("COPY {name} must be a single one-byte character"),
        )),
    }
}

fn finish(options: &Options, columns: &[Column]) -> Result<CopyFormat> {
    let places = |wanted: &[String]| -> Result<Vec<usize>> {
        wanted
            .iter()
            .map(|name| {
                columns
                    .iter()
                    .position(|column| column.name == *name)
                    .ok_or_else(|| {
                        PgError::new("42703", format!("column \"{name}\" does not exist"))
                    })
            })
            .collect()
    };
    match options
        .format
        .as_deref()
        .unwrap_or("text")
        .to_ascii_lowercase()
        .as_str()
    {
        "text" => Ok(CopyFormat::Text {
            delimiter: byte("delimiter", options.delimiter.as_deref(), b'\t')?,
            null: options.null.clone().unwrap_or_else(|| "\\N".to_owned()),
            header: options.header,
        }),
        "csv" => {
            let quote = byte("quote", options.quote.as_deref(), b'"')?;
            Ok(CopyFormat::Csv {
                delimiter: byte("delimiter", options.delimiter.as_deref(), b',')?,
                null: options.null.clone().unwrap_or_default(),
                header: options.header,
                quote,
                escape: byte("escape", options.escape.as_deref(), quote)?,
                force_quote: if options.all_quoted {
                    (0..columns.len()).collect()
                } else {
                    places(options.force_quote.as_deref().unwrap_or(&[]))?
                },
                force_not_null: places(&options.force_not_null)?,
                force_null: places(&options.force_null)?,
            })
        }
        "binary" => Ok(CopyFormat::Binary),
        other => Err(PgError::new(
            "22023",
            format!("COPY format \"{other}\" not recognized"),
        )),
    }
}

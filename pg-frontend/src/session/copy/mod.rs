//! COPY in and out. <https://www.postgresql.org/docs/15/sql-copy.html>
//!
//! | module | what |
//! | --- | --- |
//! | this one | the conversation with the client, and SQLite's side |
//! | [`decode`] | data in chunks of any size made rows of fields |
//! | `text`, `csv`, `binary` | one format each, both ways |
//!
//! Rows go from the client's message into SQLite one by one, and back: memory does not grow with them. A
//! COPY that fails leaves nothing behind, because it is one transaction, or a part of one that fails.

mod binary;
mod csv;
pub mod decode;
mod text;

use bytes::BufMut;
use rusqlite::Statement;
use rusqlite::types::{Value, ValueRef};

use super::Session;
use super::failure::{Failure, Result};
use crate::error::{PgError, of_sqlite};
use crate::protocol::backend;
use crate::protocol::frontend::Message;
use crate::server::sessions::{Interrupt, Phase};
use crate::sql::{Column, Copy, CopyFormat};
use crate::types::{self, Format, Style};
use decode::{Decoder, Row};

/// `COPY … FROM STDIN`; returns how many rows came.
pub(super) fn copy_in(session: &mut Session<'_>, copy: &Copy) -> Result<u64> {
    let format = wire_format(&copy.format);
    backend::copy_response(&mut session.wire.out, b'G', format, copy.columns.len());
    session.wire.flush()?;
    let mut statement = session.connection.prepare(&copy.sql)?;
    let mut decoder = Decoder::new(
        &copy.format,
        &copy.table,
        &copy.columns,
        session.wire.max_message(),
    );
    let mut rows = 0;
    loop {
        let frame = session.next_of_copy()?;
        match Message::parse(&frame)? {
            Message::CopyData(bytes) => decoder.feed(bytes, &mut |row| {
                rows += 1;
                insert(&mut statement, copy, row, format, &session.style)
            })?,
            Message::CopyDone => {
                decoder.finish(&mut |row| {
                    rows += 1;
                    insert(&mut statement, copy, row, format, &session.style)
                })?;
                return Ok(rows);
            }
            Message::CopyFail(why) => {
                return Err(PgError::new("57014", format!("COPY from stdin failed: {why}")).into());
            }
            // As Postgres: a client may not know yet that it is a COPY.
            Message::Flush | Message::Sync => {}
            Message::Terminate => return Err(Failure::Gone),
            _ => {
                let text = format!(
                    "unexpected message type 0x{:02X} during COPY from stdin",
                    frame.kind
                );
                return Err(PgError::new("08P01", text).into());
            }
        }
    }
}

impl Session<'_> {
    fn next_of_copy(&mut self) -> Result<crate::protocol::frontend::Frame> {
        if !self.wire.frame_is_here() {
            self.handle
                .enter(Phase::Copying, self.timeouts.idle_in_transaction);
        }
        let frame = self.wire.next_frame()?;
        if self.handle.phase() == Phase::Copying {
            self.handle.enter(Phase::Active, self.timeouts.statement);
        }
        match self.handle.interrupted() {
            Interrupt::None => Ok(frame),
            why => Err(self.interruption(why)),
        }
    }
}

/// Inserts one row.
fn insert(
    statement: &mut Statement<'_>,
    copy: &Copy,
    row: &Row<'_>,
    format: Format,
    style: &Style,
) -> Result<(), PgError> {
    for (index, column) in copy.columns.iter().enumerate() {
        let bytes = row.field(index);
        bind(statement, index + 1, column, bytes, format, style)
            .map_err(|error| located(error, copy, row, Some((column, bytes))))?;
    }
    match statement.raw_execute() {
        Ok(_) => Ok(()),
        Err(error) => Err(located(of_sqlite(&error), copy, row, None)),
    }
}

fn bind(
    statement: &mut Statement<'_>,
    place: usize,
    column: &Column,
    bytes: Option<&[u8]>,
    format: Format,
    style: &Style,
) -> Result<(), PgError> {
    let Some(bytes) = bytes else {
        return statement
            .raw_bind_parameter(place, Value::Null)
            .map_err(|error| of_sqlite(&error));
    };
    // Text without a limit on its length is itself, and needs no memory of its own.
    let plain = matches!(column.ty.oid, 25 | 1043) && column.ty.modifier < 0;
    let bound = if plain && !bytes.contains(&0) {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        statement.raw_bind_parameter(place, text)
    } else {
        statement.raw_bind_parameter(place, types::decode(column.ty, format, bytes, style)?)
    };
    bound.map_err(|error| of_sqlite(&error))
}

/// With the line that an error is in: of a value with its column, else with what the line says, as Postgres has
/// it (which finds out later that a row is there already).
fn located(
    mut error: PgError,
    copy: &Copy,
    row: &Row<'_>,
    field: Option<(&Column, Option<&[u8]>)>,
) -> PgError {
    let mut context = decode::place(&copy.table, row.line);
    if let Some((column, bytes)) = field {
        context.push_str(&format!(", column {}", column.name));
        match bytes {
            // What is between the fields of binary data is nothing to be shown.
            _ if copy.format == CopyFormat::Binary => {}
            Some(bytes) => context.push_str(&format!(": \"{}\"", decode::excerpt(bytes))),
            None => context.push_str(": null input"),
        }
    } else if copy.format != CopyFormat::Binary && error.code != "23505" {
        context.push_str(&format!(": \"{}\"", decode::excerpt(row.data())));
    }
    error.context = Some(context);
    error
}

/// `COPY … TO STDOUT`; returns how many rows went.
pub(super) fn copy_out(
    session: &mut Session<'_>,
    copy: &Copy,
    parameters: &[Value],
) -> Result<u64> {
    let format = wire_format(&copy.format);
    let mut statement = session.connection.prepare(&copy.sql)?;
    super::portal::bind(&mut statement, parameters)?;
    backend::copy_response(&mut session.wire.out, b'H', format, copy.columns.len());
    head(session, copy);
    // Not a message of its own: psycopg 3 takes each for a row.
    let signature = match copy.format {
        CopyFormat::Binary => binary::HEAD,
        _ => &[],
    };
    let mut rows = statement.raw_query();
    let mut count = 0;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) => {
                drop(rows);
                return Err(session.explain(&error).into());
            }
        };
        let out = &mut session.wire.out;
        let begin = out.len();
        let mut outcome = Ok(());
        backend::message(out, b'd', |out| {
            let value = |index| row.get_ref(index).unwrap_or(ValueRef::Null);
            if count == 0 {
                out.put_slice(signature);
            }
            outcome = match &copy.format {
                CopyFormat::Binary => binary::write_row(out, &copy.columns, value, &session.style),
                CopyFormat::Text {
                    delimiter, null, ..
                } => text::write_row(out, &copy.columns, value, &session.style, *delimiter, null),
                CopyFormat::Csv { .. } => csv::write_row(out, copy, value, &session.style),
            };
        });
        if let Err(error) = outcome {
            out.truncate(begin);
            return Err(error.into());
        }
        count += 1;
        session.wire.flush_if_full()?;
    }
    drop(rows);
    if copy.format == CopyFormat::Binary {
        backend::message(&mut session.wire.out, b'd', |out| {
            if count == 0 {
                out.put_slice(signature);
            }
            out.put_i16(-1);
        });
    }
    backend::bare(&mut session.wire.out, b'c');
    Ok(count)
}

/// The names before the rows.
fn head(session: &mut Session<'_>, copy: &Copy) {
    let out = &mut session.wire.out;
    let names = copy.columns.iter().map(|column| column.name.as_str());
    match &copy.format {
        CopyFormat::Text {
            delimiter,
            header: true,
            ..
        } => {
            backend::message(out, b'd', |out| text::write_names(out, names, *delimiter));
        }
        CopyFormat::Csv {
            header: true,
            delimiter,
            quote,
            ..
        } => {
            backend::message(out, b'd', |out| {
                csv::write_names(out, names, *delimiter, *quote)
            });
        }
        _ => {}
    }
}

fn wire_format(format: &CopyFormat) -> Format {
    match format {
        CopyFormat::Binary => Format::Binary,
        _ => Format::Text,
    }
}

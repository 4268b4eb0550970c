//! COPY's CSV format: quotes around what would be taken for something else, also line ends.

use bytes::{BufMut, BytesMut};
use memchr::memchr3;
use rusqlite::types::ValueRef;

use super::decode::{Fields, Found};
use crate::error::{PgError, Result};
use crate::sql::{Copy, CopyFormat};
use crate::types::{self, Format, Style};

#[derive(Debug)]
pub(super) struct Reader {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Vec<u8>,
    force_not_null: Vec<usize>,
    force_null: Vec<usize>,
    /// So much of the row at the front has been looked at, …
    scanned: usize,
    /// … and this is how it was left: inside of quotes.
    quoted: bool,
}

impl Reader {
    pub(super) fn new(format: &CopyFormat) -> Self {
        let mut reader = Self {
            delimiter: b',',
            quote: b'"',
            escape: b'"',
            null: Vec::new(),
            force_not_null: Vec::new(),
            force_null: Vec::new(),
            scanned: 0,
            quoted: false,
        };
        if let CopyFormat::Csv {
            delimiter,
            null,
            quote,
            escape,
            force_not_null,
            force_null,
            ..
        } = format
        {
            reader.delimiter = *delimiter;
            reader.quote = *quote;
            reader.escape = *escape;
            reader.null = null.as_bytes().to_vec();
            reader.force_not_null.clone_from(force_not_null);
            reader.force_null.clone_from(force_null);
        }
        reader
    }

    /// The row at the beginning of data: up to a line end outside of quotes. Line ends inside of quotes count
    /// as lines.
    pub(super) fn find(&mut self, data: &[u8], last: bool, line: &mut u64) -> Result<Found> {
        let mut from = self.scanned.min(data.len());
        while let Some(found) = memchr3(b'\n', self.quote, self.escape, &data[from..]) {
            let place = from + found;
            let byte = data[place];
            if self.quoted && byte == self.escape && self.escape != self.quote {
                if place + 1 == data.len() && !last {
                    // What it escapes is not here yet.
                    self.scanned = place;
                    return Ok(Found::Part);
                }
                let next = data.get(place + 1).copied();
                let escapes = next == Some(self.quote) || next == Some(self.escape);
                from = place + if escapes { 2 } else { 1 };
                continue;
            }
            if byte == self.quote {
                self.quoted = !self.quoted;
            } else if byte == b'\n' && self.quoted {
                *line += 1;
            } else if byte == b'\n' {
                self.scanned = 0;
                return Ok(whole(data, place, place + 1));
            }
            from = place + 1;
        }
        if last {
            if self.quoted {
                return Err(PgError::new("22P04", "unterminated CSV quoted field"));
            }
            self.scanned = 0;
            return Ok(whole(data, data.len(), data.len()));
        }
        self.scanned = data.len().max(from);
        Ok(Found::Part)
    }

    /// A row's fields.
    pub(super) fn split(&self, row: &[u8], fields: &mut Fields) -> Result<()> {
        if !row.contains(&self.quote) {
            let mut start = 0;
            for end in memchr::memchr_iter(self.delimiter, row).chain([row.len()]) {
                let null = self.is_null(&row[start..end], false, fields.ranges.len());
                fields.ranges.push((!null).then_some(start..end));
                start = end + 1;
            }
            return Ok(());
        }
        fields.buffered = true;
        let mut rest = row;
        loop {
            let start = fields.buffer.len();
            let (quoted, more) = self.field(rest, &mut fields.buffer)?;
            let null = self.is_null(&fields.buffer[start..], quoted, fields.ranges.len());
            fields
                .ranges
                .push((!null).then_some(start..fields.buffer.len()));
            match more {
                Some(more) => rest = more,
                None => return Ok(()),
            }
        }
    }

    /// Appends the field at the beginning; says whether any of it was in quotes, and what follows.
    fn field<'r>(&self, row: &'r [u8], out: &mut Vec<u8>) -> Result<(bool, Option<&'r [u8]>)> {
        let (mut quoted, mut inside) = (false, false);
        let mut place = 0;
        while let Some(byte) = row.get(place).copied() {
            place += 1;
            if inside {
                let next = row.get(place).copied();
                if byte == self.escape && (next == Some(self.quote) || next == Some(self.escape)) {
                    out.extend(next);
                    place += 1;
                } else if byte == self.quote {
                    inside = false;
                } else {
                    out.push(byte);
                }
            } else if byte == self.quote {
                (quoted, inside) = (true, true);
            } else if byte == self.delimiter {
                return Ok((quoted, Some(&row[place..])));
            } else {
                out.push(byte);
            }
        }
        if inside {
            return Err(PgError::new("22P04", "unterminated CSV quoted field"));
        }
        Ok((quoted, None))
    }

    fn is_null(&self, field: &[u8], quoted: bool, column: usize) -> bool {
        field == self.null
            && if quoted {
                self.force_null.contains(&column)
            } else {
                !self.force_not_null.contains(&column)
            }
    }
}

fn whole(data: &[u8], end: usize, length: usize) -> Found {
    let end = if data[..end].ends_with(b"\r") {
        end - 1
    } else {
        end
    };
    if &data[..end] == b"\\." {
        return Found::End;
    }
    Found::Row(0..end, length)
}

pub(super) fn write_row<'v>(
    out: &mut BytesMut,
    copy: &Copy,
    value: impl Fn(usize) -> ValueRef<'v>,
    style: &Style,
) -> Result<()> {
    let CopyFormat::Csv {
        delimiter,
        null,
        quote,
        escape,
        force_quote,
        ..
    } = &copy.format
    else {
        return Ok(());
    };
    for (index, column) in copy.columns.iter().enumerate() {
        if index > 0 {
            out.put_u8(*delimiter);
        }
        match value(index) {
            ValueRef::Null => out.put_slice(null.as_bytes()),
            value => {
                let start = out.len();
                types::encode(column.ty, Format::Text, value, style, out)?;
                let written = &out[start..];
                let alone = copy.columns.len() == 1 && written == b"\\.";
                let quoted = force_quote.contains(&index) || alone || written == null.as_bytes();
                quote_from(out, start, [*delimiter, *quote, *escape], quoted);
            }
        }
    }
    out.put_u8(b'\n');
    Ok(())
}

pub(super) fn write_names<'n>(
    out: &mut BytesMut,
    names: impl Iterator<Item = &'n str>,
    delimiter: u8,
    quote: u8,
) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.put_u8(delimiter);
        }
        let start = out.len();
        out.put_slice(name.as_bytes());
        quote_from(out, start, [delimiter, quote, quote], false);
    }
    out.put_u8(b'\n');
}

/// Puts quotes around what has been written since `start`, where it needs them or must have them.
fn quote_from(out: &mut BytesMut, start: usize, [delimiter, quote, escape]: [u8; 3], must: bool) {
    let special =
        |byte: &u8| *byte == delimiter || *byte == quote || *byte == b'\n' || *byte == b'\r';
    if !must && !out[start..].iter().any(special) {
        return;
    }
    let raw = out.split_off(start);
    out.put_u8(quote);
    for byte in &raw {
        if *byte == quote || *byte == escape {
            out.put_u8(escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quote);
}

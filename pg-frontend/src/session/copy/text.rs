//! COPY's text format: a line for each row, a tab between fields, `\N` for NULL, backslashes before what
//! would be taken for these.

use bytes::{BufMut, BytesMut};
use memchr::{memchr, memchr_iter, memchr2};
use rusqlite::types::ValueRef;

use super::decode::{Fields, Found};
use crate::error::Result;
use crate::sql::Column;
use crate::types::{self, Format, Style};

#[derive(Debug)]
pub(super) struct Reader {
    delimiter: u8,
    null: Vec<u8>,
    /// So much of the row at the front is known to have no end.
    scanned: usize,
}

impl Reader {
    pub(super) fn new(delimiter: u8, null: &str) -> Self {
        Self {
            delimiter,
            null: null.as_bytes().to_vec(),
            scanned: 0,
        }
    }

    /// The line at the beginning of data. A line end behind an odd number of backslashes is data.
    pub(super) fn find(&mut self, data: &[u8], last: bool) -> Found {
        let from = self.scanned.min(data.len());
        for end in memchr_iter(b'\n', &data[from..]).map(|end| from + end) {
            let backslashes = data[..end]
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\\')
                .count();
            if backslashes % 2 == 0 {
                self.scanned = 0;
                return whole(data, end, end + 1);
            }
        }
        if last {
            self.scanned = 0;
            return whole(data, data.len(), data.len());
        }
        self.scanned = data.len();
        Found::Part
    }

    /// A line's fields.
    pub(super) fn split(&self, line: &[u8], fields: &mut Fields) {
        let plain = memchr(b'\\', line).is_none();
        if plain {
            let mut start = 0;
            for end in memchr_iter(self.delimiter, line).chain([line.len()]) {
                let null = line[start..end] == self.null[..];
                fields.ranges.push((!null).then_some(start..end));
                start = end + 1;
            }
            return;
        }
        fields.buffered = true;
        let mut rest = line;
        loop {
            let (raw, more) = self.field(rest);
            let null = raw == self.null;
            let start = fields.buffer.len();
            if !null {
                unescape(raw, &mut fields.buffer);
            }
            fields
                .ranges
                .push((!null).then_some(start..fields.buffer.len()));
            match more {
                Some(more) => rest = more,
                None => return,
            }
        }
    }

    /// The field at the beginning as it stands, and what follows its delimiter.
    fn field<'l>(&self, line: &'l [u8]) -> (&'l [u8], Option<&'l [u8]>) {
        let mut from = 0;
        while let Some(found) = memchr2(self.delimiter, b'\\', &line[from..]) {
            let place = from + found;
            if line[place] == self.delimiter {
                return (&line[..place], Some(&line[place + 1..]));
            }
            from = (place + 2).min(line.len());
        }
        (line, None)
    }
}

/// A line without its end, which may be CR LF; or the mark of the data's end.
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

fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(place) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..place]);
        rest = &rest[place + 1..];
        let Some((first, tail)) = rest.split_first() else {
            // A backslash at the very end stands for itself.
            out.push(b'\\');
            return;
        };
        let (byte, used) = match first {
            b'b' => (8, 0),
            b'f' => (12, 0),
            b'n' => (b'\n', 0),
            b'r' => (b'\r', 0),
            b't' => (b'\t', 0),
            b'v' => (11, 0),
            b'0'..=b'7' => number(rest, 8, 3),
            b'x' => match number(tail, 16, 2) {
                (_, 0) => (b'x', 0),
                (byte, digits) => (byte, digits + 1),
            },
            other => (*other, 0),
        };
        out.push(byte);
        rest = &rest[used.max(1)..];
    }
    out.extend_from_slice(rest);
}

/// A number of at most so many digits, and how many it has.
fn number(digits: &[u8], base: u32, most: usize) -> (u8, usize) {
    let mut value: u32 = 0;
    let mut used = 0;
    for digit in digits.iter().take(most) {
        let Some(digit) = char::from(*digit).to_digit(base) else {
            break;
        };
        value = value * base + digit;
        used += 1;
    }
    // As Postgres: what is too large for a byte is cut.
    ((value & 0xff) as u8, used)
}

pub(super) fn write_row<'v>(
    out: &mut BytesMut,
    columns: &[Column],
    value: impl Fn(usize) -> ValueRef<'v>,
    style: &Style,
    delimiter: u8,
    null: &str,
) -> Result<()> {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.put_u8(delimiter);
        }
        match value(index) {
            ValueRef::Null => out.put_slice(null.as_bytes()),
            value => {
                let start = out.len();
                types::encode(column.ty, Format::Text, value, style, out)?;
                escape_from(out, start, delimiter);
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
) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.put_u8(delimiter);
        }
        let start = out.len();
        out.put_slice(name.as_bytes());
        escape_from(out, start, delimiter);
    }
    out.put_u8(b'\n');
}

/// Escapes what has been written since `start`.
fn escape_from(out: &mut BytesMut, start: usize, delimiter: u8) {
    let special = |byte: &u8| *byte == b'\\' || *byte == delimiter || (8..=13).contains(byte);
    if !out[start..].iter().any(special) {
        return;
    }
    let raw = out.split_off(start);
    for byte in &raw {
        match byte {
            8 => out.put_slice(b"\\b"),
            9 => out.put_slice(b"\\t"),
            10 => out.put_slice(b"\\n"),
            11 => out.put_slice(b"\\v"),
            12 => out.put_slice(b"\\f"),
            13 => out.put_slice(b"\\r"),
            b'\\' => out.put_slice(b"\\\\"),
            byte if *byte == delimiter => out.put_slice(&[b'\\', delimiter]),
            byte => out.put_u8(*byte),
        }
    }
}

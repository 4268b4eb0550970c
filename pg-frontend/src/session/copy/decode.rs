//! Data of a COPY, in chunks that end anywhere, made rows of fields.
//!
//! A row that is whole within a chunk is read where it lies. What is left at a chunk's end waits for the
//! next one, and what has been looked at of it is not looked at again.

use std::ops::Range;

use super::{binary, csv, text};
use crate::error::{PgError, Result};
use crate::sql::{Column, CopyFormat};

/// A row's fields. They are where the row is, or, if something had to be unescaped, in a buffer.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) ranges: Vec<Option<Range<usize>>>,
    pub(super) buffer: Vec<u8>,
    pub(super) buffered: bool,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.ranges.clear();
        self.buffer.clear();
        self.buffered = false;
    }
}

/// One row.
#[derive(Debug)]
pub struct Row<'a> {
    fields: &'a Fields,
    data: &'a [u8],
    /// Its line, from 1; of a row over several lines, the last.
    pub line: u64,
}

impl Row<'_> {
    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.ranges.len()
    }

    /// It has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.ranges.is_empty()
    }

    /// The row as it came.
    pub(super) fn data(&self) -> &[u8] {
        self.data
    }

    /// A field; none for NULL.
    #[must_use]
    pub fn field(&self, index: usize) -> Option<&[u8]> {
        let range = self.fields.ranges.get(index)?.clone()?;
        let source = if self.fields.buffered {
            &self.fields.buffer
        } else {
            self.data
        };
        source.get(range)
    }
}

/// What a format finds at the beginning of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// No whole row yet.
    Part,
    /// A row: where it is, and how many bytes it takes with its end.
    Row(Range<usize>, usize),
    /// Something that is no row, of so many bytes.
    Other(usize),
    /// The end of the data, whatever follows.
    End,
}

#[derive(Debug)]
enum Reader {
    Text(text::Reader),
    Csv(csv::Reader),
    Binary(binary::Reader),
}

/// See the module.
#[derive(Debug)]
pub struct Decoder<'c> {
    reader: Reader,
    table: &'c str,
    columns: &'c [Column],
    header: bool,
    pending: Vec<u8>,
    fields: Fields,
    line: u64,
    ended: bool,
    longest: usize,
}

/// What is done with each row.
pub type Take<'t> = &'t mut dyn FnMut(&Row<'_>) -> Result<()>;

impl<'c> Decoder<'c> {
    /// For data of a format for these columns of a table, and rows of at most `longest` bytes.
    #[must_use]
    pub fn new(format: &CopyFormat, table: &'c str, columns: &'c [Column], longest: usize) -> Self {
        let (reader, header) = match format {
            CopyFormat::Text {
                delimiter,
                null,
                header,
            } => (Reader::Text(text::Reader::new(*delimiter, null)), *header),
            CopyFormat::Csv { header, .. } => (Reader::Csv(csv::Reader::new(format)), *header),
            CopyFormat::Binary => (Reader::Binary(binary::Reader::default()), false),
        };
        Self {
            reader,
            table,
            columns,
            header,
            pending: Vec::new(),
            fields: Fields::default(),
            line: 0,
            ended: false,
            longest,
        }
    }

    /// Takes a chunk: each row that it completes.
    ///
    /// # Errors
    /// 22P04: the data is malformed, with the line. And what `take` says.
    pub fn feed(&mut self, chunk: &[u8], take: Take<'_>) -> Result<()> {
        if self.pending.is_empty() {
            let used = self.rows(chunk, false, take)?;
            self.pending.extend_from_slice(&chunk[used..]);
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(chunk);
            let used = self.rows(&pending, false, take)?;
            pending.drain(..used);
            self.pending = pending;
        }
        if self.pending.len() > self.longest {
            let text = format!("a row is longer than the limit of {} bytes", self.longest);
            return Err(self.located(PgError::new("54000", text), self.line + 1, &[]));
        }
        Ok(())
    }

    /// The data is over: the last row may have no end.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub fn finish(&mut self, take: Take<'_>) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.rows(&pending, true, take)?;
        match &self.reader {
            Reader::Binary(reader) if !reader.ended() => {
                let error = PgError::new("22P04", "unexpected EOF in COPY data");
                Err(self.located(error, self.line + 1, &[]))
            }
            _ => Ok(()),
        }
    }

    /// Takes the whole rows at the beginning of data; returns how many bytes they had.
    fn rows(&mut self, data: &[u8], last: bool, take: Take<'_>) -> Result<usize> {
        let mut used = 0;
        while used < data.len() && !self.ended {
            let rest = &data[used..];
            self.fields.clear();
            let found = match &mut self.reader {
                Reader::Text(reader) => Ok(reader.find(rest, last)),
                Reader::Csv(reader) => reader.find(rest, last, &mut self.line),
                Reader::Binary(reader) => reader.find(rest, &mut self.fields),
            };
            // What cannot be found has not been counted yet.
            match found.map_err(|error| self.located(error, self.line + 1, rest))? {
                Found::Part => return Ok(used),
                Found::Other(length) => used += length,
                Found::End => {
                    self.ended = true;
                    return Ok(data.len());
                }
                Found::Row(place, length) => {
                    self.line += 1;
                    used += length;
                    self.row(&rest[place], take)?;
                }
            }
        }
        Ok(if self.ended { data.len() } else { used })
    }

    fn row(&mut self, data: &[u8], take: Take<'_>) -> Result<()> {
        if std::mem::take(&mut self.header) {
            return Ok(());
        }
        let split = match &mut self.reader {
            Reader::Text(reader) => {
                reader.split(data, &mut self.fields);
                Ok(())
            }
            Reader::Csv(reader) => reader.split(data, &mut self.fields),
            Reader::Binary(_) => Ok(()),
        };
        split
            .and_then(|()| self.count())
            .map_err(|error| self.located(error, self.line, data))?;
        take(&Row {
            fields: &self.fields,
            data,
            line: self.line,
        })
    }

    fn count(&self) -> Result<()> {
        let found = self.fields.ranges.len();
        // A table without columns has empty lines.
        let nothing = self.columns.is_empty() && found <= 1;
        match found.cmp(&self.columns.len()) {
            std::cmp::Ordering::Less => Err(PgError::new(
                "22P04",
                format!("missing data for column \"{}\"", self.columns[found].name),
            )),
            std::cmp::Ordering::Greater if !nothing => Err(PgError::new(
                "22P04",
                "extra data after last expected column",
            )),
            _ => Ok(()),
        }
    }

    /// With the line that an error is in, and what it says.
    fn located(&self, mut error: PgError, line: u64, data: &[u8]) -> PgError {
        let mut context = place(self.table, line);
        if !matches!(self.reader, Reader::Binary(_)) && !data.is_empty() {
            context.push_str(&format!(": \"{}\"", excerpt(data)));
        }
        error.context = Some(context);
        error
    }
}

/// Where an error is.
pub(super) fn place(table: &str, line: u64) -> String {
    format!("COPY {table}, line {line}")
}

/// The beginning of data, to be shown.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    if bytes.len() > SHOWN {
        text + "..."
    } else {
        text
    }
}

#[cfg(test)]
mod tests;

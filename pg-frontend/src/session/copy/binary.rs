//! COPY's binary format: a signature, then for each row the number of its fields, and each field behind its
//! length.

use bytes::{BufMut, BytesMut};
use rusqlite::types::ValueRef;

use super::decode::{Fields, Found};
use crate::error::{PgError, Result};
use crate::protocol::backend;
use crate::sql::Column;
use crate::types::{Format, Style};

/// Signature, flags and no extension.
pub(super) const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const SIGNATURE: usize = 11;
/// The row has oids: of a time long gone.
const WITH_OIDS: u32 = 1 << 16;

#[derive(Debug, Default)]
pub(super) struct Reader {
    begun: bool,
    ended: bool,
}

impl Reader {
    /// The end's mark has come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The header or the row at the beginning of data.
    pub(super) fn find(&mut self, data: &[u8], fields: &mut Fields) -> Result<Found> {
        if self.ended {
            return Err(malformed("received copy data after EOF marker"));
        }
        if !self.begun {
            return self.head(data);
        }
        let Some(count) = number(data, 0, 2) else {
            return Ok(Found::Part);
        };
        let count = match i16::try_from(count) {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(_) if count == 0xffff => {
                self.ended = true;
                return Ok(Found::Other(2));
            }
            Err(_) => return Err(malformed("row field count is negative")),
        };
        let mut place = 2;
        for _ in 0..count {
            let Some(length) = number(data, place, 4) else {
                return Ok(Found::Part);
            };
            place += 4;
            if length == u32::MAX {
                fields.ranges.push(None);
                continue;
            }
            let length = i32::try_from(length).map_err(|_| malformed("invalid field size"))?;
            let end = place + usize::try_from(length).unwrap_or(0);
            if data.len() < end {
                return Ok(Found::Part);
            }
            fields.ranges.push(Some(place..end));
            place = end;
        }
        Ok(Found::Row(0..place, place))
    }

    fn head(&mut self, data: &[u8]) -> Result<Found> {
        let signature = &data[..data.len().min(SIGNATURE)];
        if !HEAD.starts_with(signature) {
            return Err(malformed("COPY file signature not recognized"));
        }
        let (Some(flags), Some(extension)) =
            (number(data, SIGNATURE, 4), number(data, SIGNATURE + 4, 4))
        else {
            return Ok(Found::Part);
        };
        if flags & WITH_OIDS != 0 {
            return Err(malformed("invalid COPY file header (WITH OIDS)"));
        }
        if flags >> 16 != 0 {
            return Err(malformed("unrecognized critical flags in COPY file header"));
        }
        let extension = i32::try_from(extension)
            .map_err(|_| malformed("invalid COPY file header (wrong length)"))?;
        let length = SIGNATURE + 8 + usize::try_from(extension).unwrap_or(0);
        if data.len() < length {
            return Ok(Found::Part);
        }
        self.begun = true;
        Ok(Found::Other(length))
    }
}

fn number(data: &[u8], place: usize, bytes: usize) -> Option<u32> {
    let bytes = data.get(place..place + bytes)?;
    Some(
        bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u32::from(*byte)),
    )
}

fn malformed(text: &str) -> PgError {
    PgError::new("22P04", text)
}

pub(super) fn write_row<'v>(
    out: &mut BytesMut,
    columns: &[Column],
    value: impl Fn(usize) -> ValueRef<'v>,
    style: &Style,
) -> Result<()> {
    out.put_u16(u16::try_from(columns.len()).unwrap_or(u16::MAX));
    for (index, column) in columns.iter().enumerate() {
        backend::field(out, column.ty, Format::Binary, value(index), style)?;
    }
    Ok(())
}

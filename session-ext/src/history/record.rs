//! Rows from payloads: <https://www.sqlite.org/fileformat2.html#record_format>.

use sqlite_abi::ValueRef;

use super::error::{Error, Result};
use crate::changeset::Field;
use crate::changeset::value::encode;

/// How text is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// As the database's header tells.
    pub(super) const fn of(number: u32) -> Self {
        match number {
            2 => Self::Utf16Le,
            3 => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }
}

/// The fields of a record, encoded as in a changeset.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    /// A field's value; none beyond the end.
    pub(super) fn value(&self, at: usize) -> Option<ValueRef<'_>> {
        Field::all(self.bytes(at)?).next()?.value()
    }

    /// A field's bytes; none beyond the end.
    pub(super) fn bytes(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }
}

/// Reads a payload.
pub(super) fn record(payload: &[u8], encoding: Encoding, tree: &str) -> Result<Record> {
    let damaged = |problem| Error::Record {
        tree: tree.to_owned(),
        problem,
    };
    let short = || damaged("is shorter than it says");
    let (header, rest) = varint(payload).ok_or_else(short)?;
    let header = usize::try_from(header).unwrap_or(usize::MAX);
    let read = payload.len() - rest.len();
    let mut types = payload.get(read..header).ok_or_else(short)?;
    let mut content = &payload[header..];
    let mut record = Record::default();
    while !types.is_empty() {
        let (kind, tail) = varint(types).ok_or_else(short)?;
        types = tail;
        let length = content_length(kind).ok_or_else(|| damaged("has a value of no known type"))?;
        let (value, tail) = content.split_at_checked(length).ok_or_else(short)?;
        content = tail;
        match kind {
            0 => encode(&mut record.bytes, Some(ValueRef::Null)),
            1..=6 => encode(&mut record.bytes, Some(ValueRef::Integer(integer(value)))),
            7 => {
                let bits = u64::from_be_bytes(value.try_into().unwrap_or_default());
                encode(
                    &mut record.bytes,
                    Some(ValueRef::Real(f64::from_bits(bits))),
                );
            }
            8 | 9 => encode(&mut record.bytes, Some(ValueRef::Integer(kind as i64 - 8))),
            _ if kind % 2 == 0 => encode(&mut record.bytes, Some(ValueRef::Blob(value))),
            _ => text(&mut record.bytes, value, encoding),
        }
        record.ends.push(record.bytes.len());
    }
    Ok(record)
}

fn content_length(kind: u64) -> Option<usize> {
    match kind {
        0 | 8 | 9 => Some(0),
        1..=4 => Some(kind as usize),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => usize::try_from((kind - 12) / 2).ok(),
    }
}

/// A signed integer of up to eight bytes.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let start = if negative { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |number, byte| number << 8 | i64::from(*byte))
}

fn text(out: &mut Vec<u8>, stored: &[u8], encoding: Encoding) {
    let unit: fn([u8; 2]) -> u16 = match encoding {
        Encoding::Utf8 => return encode(out, Some(ValueRef::Text(stored))),
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
    };
    let units = stored.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units)
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    encode(out, Some(ValueRef::Text(text.as_bytes())));
}

/// Cuts SQLite's variable-length integer off.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((number << 8 | u64::from(byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

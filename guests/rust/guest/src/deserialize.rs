//! Rows as types of the program's, with [serde](https://serde.rs).

use serde::de::value::{BorrowedBytesDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::error::{Error, Result};
use crate::rows::Row;
use crate::value::ValueRef;

/// A whole row: a map of its columns, a list of them, or the only one.
#[derive(Debug)]
pub(crate) struct RowDeserializer<'r> {
    row: Row<'r>,
    at: usize,
}

impl<'r> RowDeserializer<'r> {
    pub(crate) fn new(row: Row<'r>) -> Self {
        Self { row, at: 0 }
    }

    fn only(self) -> Result<ValueDeserializer<'r>> {
        match self.row.len() {
            1 => self.column(0),
            columns => Err(Error::Unfit(format!(
                "a row of one column was needed, and it has {columns}"
            ))),
        }
    }

    fn column(&self, at: usize) -> Result<ValueDeserializer<'r>> {
        let name = self.row.columns.names.get(at).map_or("", String::as_str);
        Ok(ValueDeserializer {
            value: self.row.value(at)?,
            name,
        })
    }
}

macro_rules! forward_to_only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'r> Deserializer<'r> for RowDeserializer<'r> {
    type Error = Error;

    forward_to_only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self)
    }

    fn deserialize_map<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'r>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_map(self)
    }

    fn deserialize_seq<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple<V: Visitor<'r>>(self, length: usize, visitor: V) -> Result<V::Value> {
        match self.row.len() {
            columns if columns == length => visitor.visit_seq(self),
            columns => Err(Error::Unfit(format!(
                "a row of {length} columns was needed, and it has {columns}"
            ))),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'r>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'r>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.only()?.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'r>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

impl<'r> MapAccess<'r> for RowDeserializer<'r> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'r>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.at == self.row.len() {
            return Ok(None);
        }
        let name: StrDeserializer<'_, Error> = self.column(self.at)?.name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'r>>(&mut self, seed: V) -> Result<V::Value> {
        self.at += 1;
        let column = self.column(self.at - 1)?;
        let name = column.name;
        seed.deserialize(column)
            .map_err(|error| in_column(name, error))
    }
}

impl<'r> SeqAccess<'r> for RowDeserializer<'r> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'r>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.at == self.row.len() {
            return Ok(None);
        }
        self.next_value_seed(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.len() - self.at)
    }
}

fn in_column(name: &str, error: Error) -> Error {
    match error {
        Error::Unfit(message) => Error::Unfit(format!("the column {name}: {message}")),
        other => other,
    }
}

/// One value.
struct ValueDeserializer<'r> {
    value: ValueRef<'r>,
    name: &'r str,
}

impl<'de> Deserializer<'de> for ValueDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            ValueRef::Null => visitor.visit_unit(),
            ValueRef::Integer(integer) => visitor.visit_i64(integer),
            ValueRef::Real(real) => visitor.visit_f64(real),
            ValueRef::Text(text) => visitor.visit_borrowed_str(text),
            ValueRef::Blob(blob) => visitor.visit_borrowed_bytes(blob),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            ValueRef::Integer(integer @ (0 | 1)) => visitor.visit_bool(integer == 1),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            ValueRef::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    /// `Vec<u8>` asks for a list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            ValueRef::Blob(blob) => {
                visitor.visit_seq(serde::de::value::SeqDeserializer::new(blob.iter().copied()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            ValueRef::Blob(blob) => BorrowedBytesDeserializer::new(blob).deserialize_bytes(visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    /// A text is the name of a variant without contents.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.value {
            ValueRef::Text(text) => visitor.visit_enum(Variant(text)),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

struct Variant<'r>(&'r str);

impl<'r> EnumAccess<'r> for Variant<'r> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'r>>(self, seed: V) -> Result<(V::Value, Self)> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'r> VariantAccess<'r> for Variant<'r> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'r>>(self, _seed: T) -> Result<T::Value> {
        Err(self.contents())
    }

    fn tuple_variant<V: Visitor<'r>>(self, _length: usize, _visitor: V) -> Result<V::Value> {
        Err(self.contents())
    }

    fn struct_variant<V: Visitor<'r>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value> {
        Err(self.contents())
    }
}

impl Variant<'_> {
    fn contents(&self) -> Error {
        Error::Unfit(format!("{} has contents, which a text has not", self.0))
    }
}

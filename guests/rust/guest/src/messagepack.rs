//! [MessagePack](https://github.com/msgpack/msgpack/blob/master/spec.md), as far as the host
//! interface has it. Of our own, for it is 200 lines, and reads rows where they lie.

use crate::error::Error;
use crate::value::ValueRef;

/// Writes a request.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn raw(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    pub(crate) fn null(&mut self) {
        self.bytes.push(0xc0);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.bytes.push(if value { 0xc3 } else { 0xc2 });
    }

    pub(crate) fn integer(&mut self, value: i64) {
        match value {
            -32..=127 => self.bytes.push(value as u8),
            _ => self.marked(0xd3, &value.to_be_bytes()),
        }
    }

    pub(crate) fn real(&mut self, value: f64) {
        self.marked(0xcb, &value.to_be_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(length @ 0..=31) => self.bytes.push(0xa0 | length),
            Ok(length) => self.marked(0xd9, &[length]),
            Err(_) => self.marked(0xdb, &length(text.len())),
        }
        self.raw(text.as_bytes());
    }

    pub(crate) fn blob(&mut self, blob: &[u8]) {
        self.marked(0xc6, &length(blob.len()));
        self.raw(blob);
    }

    /// A time: seconds since 1970, rounded down, and nanoseconds.
    pub(crate) fn time(&mut self, seconds: i64, nanoseconds: u32) {
        self.marked(0xc7, &[12, 0xff]);
        self.raw(&nanoseconds.to_be_bytes());
        self.raw(&seconds.to_be_bytes());
    }

    pub(crate) fn list(&mut self, items: usize) {
        self.marked(0xdd, &length(items));
    }

    pub(crate) fn map(&mut self, entries: usize) {
        self.marked(0xdf, &length(entries));
    }

    fn marked(&mut self, marker: u8, bytes: &[u8]) {
        self.bytes.push(marker);
        self.raw(bytes);
    }
}

/// Nothing of 4 GiB fits the memory of a guest.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Reads an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What comes next: a value, or the length of a list or map, whose items follow.
#[derive(Debug)]
enum Item<'a> {
    Value(ValueRef<'a>),
    List(usize),
    Map(usize),
}

impl<'a> Decoder<'a> {
    /// Reads from `at` on, which may be 0 or where another one was.
    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn value(&mut self) -> Result<ValueRef<'a>, Error> {
        match self.item()? {
            Item::Value(value) => Ok(value),
            Item::List(_) | Item::Map(_) => Err(self.wrong("a value")),
        }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        match self.value()? {
            ValueRef::Text(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64, Error> {
        match self.value()? {
            ValueRef::Integer(integer) => Ok(integer),
            _ => Err(self.wrong("an integer")),
        }
    }

    pub(crate) fn list(&mut self) -> Result<usize, Error> {
        match self.item()? {
            Item::List(items) => Ok(items),
            _ => Err(self.wrong("a list")),
        }
    }

    pub(crate) fn map(&mut self) -> Result<usize, Error> {
        match self.item()? {
            Item::Map(entries) => Ok(entries),
            _ => Err(self.wrong("a map")),
        }
    }

    /// Passes over the next value, and over what is in it.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let mut left = 1_usize;
        while left > 0 {
            let inside = match self.item()? {
                Item::Value(_) => 0,
                Item::List(items) => items,
                Item::Map(entries) => entries.saturating_mul(2),
            };
            left = (left - 1).saturating_add(inside);
        }
        Ok(())
    }

    fn item(&mut self) -> Result<Item<'a>, Error> {
        let [marker] = self.take()?;
        let value = match marker {
            0x00..=0x7f | 0xe0..=0xff => ValueRef::Integer(i64::from(marker as i8)),
            0x80..=0x8f => return Ok(Item::Map(usize::from(marker & 0x0f))),
            0x90..=0x9f => return Ok(Item::List(usize::from(marker & 0x0f))),
            0xa0..=0xbf => self.string(usize::from(marker & 0x1f))?,
            0xc0 => ValueRef::Null,
            0xc2 => ValueRef::Integer(0),
            0xc3 => ValueRef::Integer(1),
            0xc4 => self.blob::<1>()?,
            0xc5 => self.blob::<2>()?,
            0xc6 => self.blob::<4>()?,
            0xc7 => self.extension::<1>()?,
            0xc8 => self.extension::<2>()?,
            0xc9 => self.extension::<4>()?,
            0xca => ValueRef::Real(f64::from(f32::from_be_bytes(self.take()?))),
            0xcb => ValueRef::Real(f64::from_be_bytes(self.take()?)),
            0xcc => ValueRef::Integer(u8::from_be_bytes(self.take()?).into()),
            0xcd => ValueRef::Integer(u16::from_be_bytes(self.take()?).into()),
            0xce => ValueRef::Integer(u32::from_be_bytes(self.take()?).into()),
            0xcf => {
                let integer = u64::from_be_bytes(self.take()?);
                ValueRef::Integer(
                    integer
                        .try_into()
                        .map_err(|_| self.wrong("an integer of 64 bits"))?,
                )
            }
            0xd0 => ValueRef::Integer(i8::from_be_bytes(self.take()?).into()),
            0xd1 => ValueRef::Integer(i16::from_be_bytes(self.take()?).into()),
            0xd2 => ValueRef::Integer(i32::from_be_bytes(self.take()?).into()),
            0xd3 => ValueRef::Integer(i64::from_be_bytes(self.take()?)),
            0xd4..=0xd8 => {
                let [_kind] = self.take()?;
                ValueRef::Blob(self.slice(1 << (marker - 0xd4))?)
            }
            0xd9 => {
                let length = self.length::<1>()?;
                self.string(length)?
            }
            0xda => {
                let length = self.length::<2>()?;
                self.string(length)?
            }
            0xdb => {
                let length = self.length::<4>()?;
                self.string(length)?
            }
            0xdc => return Ok(Item::List(self.length::<2>()?)),
            0xdd => return Ok(Item::List(self.length::<4>()?)),
            0xde => return Ok(Item::Map(self.length::<2>()?)),
            0xdf => return Ok(Item::Map(self.length::<4>()?)),
            0xc1 => return Err(self.wrong("MessagePack")),
        };
        Ok(Item::Value(value))
    }

    fn string(&mut self, length: usize) -> Result<ValueRef<'a>, Error> {
        let text = std::str::from_utf8(self.slice(length)?).map_err(|_| self.wrong("UTF-8"))?;
        Ok(ValueRef::Text(text))
    }

    fn blob<const N: usize>(&mut self) -> Result<ValueRef<'a>, Error> {
        let length = self.length::<N>()?;
        Ok(ValueRef::Blob(self.slice(length)?))
    }

    /// The host has one kind of them: texts that are not UTF-8.
    fn extension<const N: usize>(&mut self) -> Result<ValueRef<'a>, Error> {
        let length = self.length::<N>()?;
        let [_kind] = self.take()?;
        Ok(ValueRef::Blob(self.slice(length)?))
    }

    fn length<const N: usize>(&mut self) -> Result<usize, Error> {
        let bytes: [u8; N] = self.take()?;
        Ok(bytes
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.slice(N)?.try_into().map_err(|_| self.wrong("more"))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let slice = self
            .at
            .checked_add(length)
            .and_then(|end| self.bytes.get(self.at..end));
        let slice = slice.ok_or_else(|| self.wrong("more"))?;
        self.at += length;
        Ok(slice)
    }

    fn wrong(&self, expected: &str) -> Error {
        Error::Answer(format!(
            "{expected} was expected before byte {} of {}",
            self.at,
            self.bytes.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rmpv::Value as Theirs;

    use super::*;
    use crate::value::{ToSql, Value};

    fn encoded(value: &impl ToSql) -> Vec<u8> {
        let mut encoder = Encoder::default();
        value.encode(&mut encoder).unwrap();
        encoder.into_bytes()
    }

    fn theirs(value: &Value) -> Theirs {
        match value.clone() {
            Value::Null => Theirs::Nil,
            Value::Integer(integer) => integer.into(),
            Value::Real(real) => real.into(),
            Value::Text(text) => text.into(),
            Value::Blob(blob) => blob.into(),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            (-300..300_i64).prop_map(Value::Integer),
            any::<f64>()
                .prop_filter("NaN is not equal to itself", |real| !real.is_nan())
                .prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            "a{0,300}".prop_map(Value::Text),
            proptest::collection::vec(any::<u8>(), 0..400).prop_map(Value::Blob),
        ]
    }

    proptest! {
        /// What we write, another library reads.
        #[test]
        fn values_are_messagepack(value in values()) {
            let bytes = encoded(&value);
            prop_assert_eq!(rmpv::decode::read_value(&mut &bytes[..]).unwrap(), theirs(&value));
        }

        /// What another library writes, in the shortest forms, we read, and where it ends.
        #[test]
        fn messagepack_is_values(values in proptest::collection::vec(values(), 0..20), rest in any::<u8>()) {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &Theirs::Array(values.iter().map(theirs).collect())).unwrap();
            bytes.push(rest);
            let mut decoder = Decoder::at(&bytes, 0);
            prop_assert_eq!(decoder.list().unwrap(), values.len());
            for value in &values {
                prop_assert_eq!(&decoder.value().unwrap().to_owned(), value);
            }
            prop_assert_eq!(decoder.position(), bytes.len() - 1);
            let mut decoder = Decoder::at(&bytes, 0);
            decoder.skip().unwrap();
            prop_assert_eq!(decoder.position(), bytes.len() - 1);
        }

        /// Whatever comes, it is values or an error; what we skip is what another library reads.
        #[test]
        fn anything(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut decoder = Decoder::at(&bytes, 0);
            let mut rest = &bytes[..];
            let theirs = rmpv::decode::read_value(&mut rest);
            if decoder.skip().is_ok() {
                prop_assert!(decoder.position() <= bytes.len());
                if theirs.is_ok() {
                    prop_assert_eq!(decoder.position(), bytes.len() - rest.len());
                }
            }
            let _ = crate::protocol::Answer::parse(&bytes);
        }
    }

    #[test]
    fn all_forms() {
        for (bytes, expected) in [
            (&[0x7f][..], ValueRef::Integer(127)),
            (&[0xe0], ValueRef::Integer(-32)),
            (&[0xc2], ValueRef::Integer(0)),
            (&[0xc3], ValueRef::Integer(1)),
            (&[0xcc, 0xff], ValueRef::Integer(255)),
            (&[0xcd, 1, 0], ValueRef::Integer(256)),
            (&[0xce, 0, 1, 0, 0], ValueRef::Integer(65_536)),
            (
                &[0xcf, 0x7f, 255, 255, 255, 255, 255, 255, 255],
                ValueRef::Integer(i64::MAX),
            ),
            (&[0xd0, 0x80], ValueRef::Integer(-128)),
            (&[0xd1, 0x80, 0], ValueRef::Integer(-32_768)),
            (&[0xd2, 0x80, 0, 0, 0], ValueRef::Integer(i32::MIN.into())),
            (
                &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
                ValueRef::Integer(i64::MIN),
            ),
            (&[0xca, 0x3f, 0x80, 0, 0], ValueRef::Real(1.0)),
            (&[0xd9, 1, b'x'], ValueRef::Text("x")),
            (&[0xda, 0, 1, b'x'], ValueRef::Text("x")),
            (&[0xdb, 0, 0, 0, 1, b'x'], ValueRef::Text("x")),
            (&[0xc4, 1, 7], ValueRef::Blob(&[7])),
            (&[0xc5, 0, 1, 7], ValueRef::Blob(&[7])),
            (&[0xc6, 0, 0, 0, 1, 7], ValueRef::Blob(&[7])),
            (&[0xc7, 1, 1, 0xff], ValueRef::Blob(&[0xff])),
            (&[0xd5, 1, 1, 2], ValueRef::Blob(&[1, 2])),
        ] {
            assert_eq!(Decoder::at(bytes, 0).value(), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for (bytes, message) in [
            (&[][..], "more was expected before byte 0 of 0"),
            (&[0xc1], "MessagePack was expected before byte 1 of 1"),
            (
                &[0xdb, 255, 255, 255, 255],
                "more was expected before byte 5 of 5",
            ),
            (&[0xa1, 0xff], "UTF-8 was expected before byte 2 of 2"),
            (
                &[0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0],
                "an integer of 64 bits was expected before byte 9 of 9",
            ),
            (&[0x90], "a value was expected before byte 1 of 1"),
        ] {
            assert_eq!(
                Decoder::at(bytes, 0).value(),
                Err(Error::Answer(message.into())),
                "{bytes:?}"
            );
        }
    }
}

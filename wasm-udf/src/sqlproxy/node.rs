//! A request as a tree, whichever way it was written; and its reader for JSON.
//!
//! What JSON has no form for is an object with one tagged entry: `{"$int":"9007199254740993"}`,
//! `{"$float":"NaN"}`, `{"$bytes":"aGk="}`, `{"$text":"/w=="}`, `{"$time":"2026-11-20T10:00:00Z"}`.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use sqlite_abi::ValueRef;

use super::time;

/// How many parts a request may have: the tree needs more memory than the bytes it is read from.
pub(crate) const MOST_NODES: u32 = 1_000_000;

/// A part of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// Text that is not UTF-8.
    OtherText(Cow<'a, [u8]>),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Reads JSON.
pub(crate) fn from_json(text: &[u8]) -> Result<Node<'_>, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let count = Cell::new(0);
    let node = Seed(&count)
        .deserialize(&mut json)
        .map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    Ok(node)
}

impl<'a> Node<'a> {
    /// Replaces a tagged object by what it stands for, with nothing copied that need not be.
    pub(crate) fn untagged(self) -> Result<Self, String> {
        let Self::Map(mut entries) = self else {
            return Ok(self);
        };
        let (Some((tag, value)), true) = (entries.pop(), entries.is_empty()) else {
            return Err("a value is an object, but not one with a single tag".to_owned());
        };
        match (tag.as_ref(), value) {
            ("$int", Self::Text(digits)) => digits
                .parse()
                .map(Self::Integer)
                .map_err(|_| format!("$int {digits:?} is not an integer of 64 bits")),
            ("$int", integer @ Self::Integer(_)) => Ok(integer),
            ("$float", Self::Integer(integer)) => Ok(Self::Real(integer as f64)),
            ("$float", real @ Self::Real(_)) => Ok(real),
            ("$float", Self::Text(text)) => match text.as_ref() {
                "NaN" => Ok(Self::Real(f64::NAN)),
                "Infinity" => Ok(Self::Real(f64::INFINITY)),
                "-Infinity" => Ok(Self::Real(f64::NEG_INFINITY)),
                other => Err(format!(
                    "$float {other:?} is neither a number nor NaN, Infinity or -Infinity"
                )),
            },
            ("$bytes", Self::Text(text)) => Ok(Self::Bytes(base64("$bytes", &text)?.into())),
            ("$text", Self::Text(text)) => Ok(Self::OtherText(base64("$text", &text)?.into())),
            ("$time", Self::Text(text)) => {
                time::check(&text)?;
                Ok(Self::Text(text))
            }
            (tag, _) => Err(format!(
                "a value is an object with the entry {tag:?}; the tags are $int, $float, $bytes, \
                 $text and $time"
            )),
        }
    }

    /// What is bound for it. Only for what [`Node::untagged`] returned.
    pub(crate) fn value(&self) -> Option<ValueRef<'_>> {
        Some(match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(value) => ValueRef::Integer(i64::from(*value)),
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::OtherText(text) => ValueRef::Text(text),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::List(_) | Self::Map(_) => return None,
        })
    }

    /// Its kind, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a float",
            Self::Text(_) | Self::OtherText(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

fn base64(tag: &str, text: &str) -> Result<Vec<u8>, String> {
    BASE64
        .decode(text)
        .map_err(|error| format!("{tag} is not base64: {error}"))
}

/// Reads a node and counts it.
struct Seed<'c>(&'c Cell<u32>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > MOST_NODES {
            return Err(D::Error::custom(format!("more than {MOST_NODES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Integer(value))
    }

    /// Beyond 64 bits with a sign, a number is a REAL, as it is in SQL.
    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(value).map_or(Node::Real(value as f64), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Real(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'de>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(Seed(self.0))? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Seed(self.0))? {
            let Node::Text(key) = key else {
                return Err(A::Error::custom("a key that is not a text"));
            };
            entries.push((key, map.next_value_seed(Seed(self.0))?));
        }
        Ok(Node::Map(entries))
    }
}

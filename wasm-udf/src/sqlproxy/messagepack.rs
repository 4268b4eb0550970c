//! Reads a request in MessagePack: <https://github.com/msgpack/msgpack/blob/master/spec.md>.
//!
//! A reader of our own, because it is short and has to be exact in what libraries leave to their
//! data model: bytes are not text, an integer beyond 64 bits with a sign is an error, timestamps
//! and text that is not UTF-8 are extensions, and no length is believed that the bytes there are
//! do not bear out. The tests compare it with `rmpv`.

use std::borrow::Cow;

use super::answer::EXT_TEXT;
use super::node::{MOST_NODES, Node};
use super::request::Fields;
use super::time;

/// How deep lists and maps may be nested: a batch of requests with lists of values needs five.
const DEEPEST: u32 = 32;

/// The type number of timestamps.
const EXT_TIME: i8 = -1;

/// Reads a request that is all of `bytes`: its entries go to their places at once, without a tree of them.
pub(crate) fn request(bytes: &[u8]) -> Result<Fields<'_>, String> {
    let mut reader = Reader {
        rest: bytes,
        nodes: 1,
    };
    let [first] = reader.fixed()?;
    let length = match first {
        0x80..=0x8f => usize::from(first & 0x0f),
        0xde | 0xdf => reader.length(first - 0xdd)?,
        _ => {
            let kind = read(bytes)?.kind();
            return Err(format!("a request is an object, not {kind}"));
        }
    };
    reader.has_room(length, 2, 0)?;
    let mut fields = Fields::new();
    for _ in 0..length {
        let name = reader.key()?;
        let node = reader.node(1)?;
        if !fields.put(name, node) {
            // What is passed over has to be right, too.
            utf8(name)?;
        }
    }
    reader.end()?;
    Ok(fields)
}

/// Reads a value that is all of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Node<'_>, String> {
    let mut reader = Reader {
        rest: bytes,
        nodes: 0,
    };
    let node = reader.node(0)?;
    reader.end()?;
    Ok(node)
}

struct Reader<'a> {
    rest: &'a [u8],
    nodes: u32,
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("a text is not UTF-8: {error}"))
}

impl<'a> Reader<'a> {
    fn end(&self) -> Result<(), String> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(format!("{more} bytes after the end of the request")),
        }
    }

    /// The bytes of a map's key, of which nobody knows yet that they are UTF-8.
    #[inline]
    fn key(&mut self) -> Result<&'a [u8], String> {
        self.nodes += 1;
        let [first] = self.fixed()?;
        let length = match first {
            0xa0..=0xbf => usize::from(first & 0x1f),
            0xd9..=0xdb => self.length(first - 0xd9)?,
            _ => return Err("a key of a map is not a text".to_owned()),
        };
        self.take(length)
    }

    fn node(&mut self, depth: u32) -> Result<Node<'a>, String> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(format!("more than {MOST_NODES} values"));
        }
        let [first] = self.fixed()?;
        match first {
            0xc0 => Ok(Node::Null),
            0xc2 => Ok(Node::Boolean(false)),
            0xc3 => Ok(Node::Boolean(true)),
            0x00..=0x7f | 0xe0..=0xff => Ok(Node::Integer(first.cast_signed().into())),
            0xcc => Ok(Node::Integer(u8::from_be_bytes(self.fixed()?).into())),
            0xcd => Ok(Node::Integer(u16::from_be_bytes(self.fixed()?).into())),
            0xce => Ok(Node::Integer(u32::from_be_bytes(self.fixed()?).into())),
            0xcf => {
                let value = u64::from_be_bytes(self.fixed()?);
                i64::try_from(value)
                    .map(Node::Integer)
                    .map_err(|_| format!("the integer {value} has more than 64 bits with its sign"))
            }
            0xd0 => Ok(Node::Integer(i8::from_be_bytes(self.fixed()?).into())),
            0xd1 => Ok(Node::Integer(i16::from_be_bytes(self.fixed()?).into())),
            0xd2 => Ok(Node::Integer(i32::from_be_bytes(self.fixed()?).into())),
            0xd3 => Ok(Node::Integer(i64::from_be_bytes(self.fixed()?))),
            0xca => Ok(Node::Real(f32::from_be_bytes(self.fixed()?).into())),
            0xcb => Ok(Node::Real(f64::from_be_bytes(self.fixed()?))),
            0xa0..=0xbf => self.text(usize::from(first & 0x1f)).map(Node::Text),
            0xd9..=0xdb => {
                let length = self.length(first - 0xd9)?;
                self.text(length).map(Node::Text)
            }
            0xc4..=0xc6 => {
                let length = self.length(first - 0xc4)?;
                Ok(Node::Bytes(Cow::Borrowed(self.take(length)?)))
            }
            0x90..=0x9f => self.list(usize::from(first & 0x0f), depth),
            0xdc | 0xdd => {
                let length = self.length(first - 0xdb)?;
                self.list(length, depth)
            }
            0x80..=0x8f => self.map(usize::from(first & 0x0f), depth),
            0xde | 0xdf => {
                let length = self.length(first - 0xdd)?;
                self.map(length, depth)
            }
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4)),
            0xc7..=0xc9 => {
                let length = self.length(first - 0xc7)?;
                self.extension(length)
            }
            0xc1 => Err("the byte c1 is no MessagePack".to_owned()),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(format!(
                "it ends early: {length} bytes are announced where {} are left",
                self.rest.len()
            ));
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    /// A length of 1, 2 or 4 bytes (form 0, 1, 2).
    fn length(&mut self, form: u8) -> Result<usize, String> {
        let length = match form {
            0 => u32::from(u8::from_be_bytes(self.fixed()?)),
            1 => u32::from(u16::from_be_bytes(self.fixed()?)),
            _ => u32::from_be_bytes(self.fixed()?),
        };
        usize::try_from(length).map_err(|_| format!("the length {length} is beyond memory"))
    }

    #[inline]
    fn text(&mut self, length: usize) -> Result<Cow<'a, str>, String> {
        utf8(self.take(length)?).map(Cow::Borrowed)
    }

    /// Room for `length` parts of at least `size` bytes each, if there are that many bytes.
    fn room<T>(&self, length: usize, size: usize, depth: u32) -> Result<Vec<T>, String> {
        self.has_room(length, size, depth)?;
        Ok(Vec::with_capacity(length.min(1024)))
    }

    fn has_room(&self, length: usize, size: usize, depth: u32) -> Result<(), String> {
        if depth >= DEEPEST {
            return Err(format!(
                "lists and maps are nested more than {DEEPEST} deep"
            ));
        }
        if length.saturating_mul(size) > self.rest.len() {
            return Err(format!(
                "it ends early: {length} entries are announced where {} bytes are left",
                self.rest.len()
            ));
        }
        Ok(())
    }

    fn list(&mut self, length: usize, depth: u32) -> Result<Node<'a>, String> {
        let mut nodes = self.room(length, 1, depth)?;
        for _ in 0..length {
            nodes.push(self.node(depth + 1)?);
        }
        Ok(Node::List(nodes))
    }

    fn map(&mut self, length: usize, depth: u32) -> Result<Node<'a>, String> {
        let mut entries = self.room(length, 2, depth)?;
        for _ in 0..length {
            let key = Cow::Borrowed(utf8(self.key()?)?);
            entries.push((key, self.node(depth + 1)?));
        }
        Ok(Node::Map(entries))
    }

    fn extension(&mut self, length: usize) -> Result<Node<'a>, String> {
        let kind = i8::from_be_bytes(self.fixed()?);
        let content = self.take(length)?;
        match kind {
            EXT_TEXT => Ok(Node::OtherText(Cow::Borrowed(content))),
            EXT_TIME => timestamp(content)
                .map(|time| Node::Text(Cow::Owned(time)))
                .ok_or_else(|| "a timestamp has a form or a year that is not known".to_owned()),
            other => Err(format!("the extension type {other} is not known")),
        }
    }
}

fn timestamp(content: &[u8]) -> Option<String> {
    let (seconds, nanoseconds) = match content.len() {
        4 => (u32::from_be_bytes(content.try_into().ok()?).into(), 0),
        8 => {
            let both = u64::from_be_bytes(content.try_into().ok()?);
            let seconds = i64::try_from(both & ((1 << 34) - 1)).ok()?;
            (seconds, u32::try_from(both >> 34).ok()?)
        }
        12 => {
            let (nanoseconds, seconds) = content.split_at_checked(4)?;
            (
                i64::from_be_bytes(seconds.try_into().ok()?),
                u32::from_be_bytes(nanoseconds.try_into().ok()?),
            )
        }
        _ => return None,
    };
    time::from_unix(seconds, nanoseconds)
}

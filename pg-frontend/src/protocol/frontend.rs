//! What clients send.
//!
//! A [`Frame`] is one message as it came; [`Message::parse`] takes it apart without copying. Nothing is
//! believed: a length or a count that the bytes do not bear out is an error, never a panic and never
//! memory.

use bytes::Bytes;

use crate::error::{PgError, Result};
use crate::types::{Format, Oid};

/// One message: its type and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The type's byte.
    pub kind: u8,
    /// What follows the length.
    pub body: Bytes,
}

/// A prepared statement or a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// A message, borrowed from its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// `Query`: statements in one text.
    Query(&'a str),
    /// `Parse`: a prepared statement.
    Parse {
        /// Its name; empty is the unnamed one.
        name: &'a str,
        /// Its text.
        query: &'a str,
        /// Types of its parameters, as far as the client says.
        types: Vec<Oid>,
    },
    /// `Bind`: a portal.
    Bind(Bind<'a>),
    /// `Describe`
    Describe(Target, &'a str),
    /// `Execute`: at most so many rows, 0 for all.
    Execute {
        /// The portal.
        portal: &'a str,
        /// Rows, 0 for all.
        max_rows: u32,
    },
    /// `Close`
    Close(Target, &'a str),
    /// `Flush`
    Flush,
    /// `Sync`
    Sync,
    /// `Terminate`
    Terminate,
    /// `CopyData`
    CopyData(&'a [u8]),
    /// `CopyDone`
    CopyDone,
    /// `CopyFail`, with the client's reason.
    CopyFail(&'a str),
    /// `PasswordMessage` and the SASL messages, which share a type.
    Password(&'a [u8]),
}

/// See [`Message::Bind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty is the unnamed one.
    pub portal: &'a str,
    /// The statement's name.
    pub statement: &'a str,
    /// Formats of the parameters: none, one for all, or one each.
    pub formats: Vec<Format>,
    /// Values; none for NULL.
    pub parameters: Vec<Option<&'a [u8]>>,
    /// Formats of the columns: none, one for all, or one each.
    pub results: Vec<Format>,
}

impl<'a> Message<'a> {
    /// Takes a message apart.
    ///
    /// # Errors
    /// 08P01: an unknown type, a length that does not fit. 22021: not UTF-8.
    pub fn parse(frame: &'a Frame) -> Result<Self> {
        let mut fields = Fields(&frame.body);
        let message = match frame.kind {
            b'Q' => Self::Query(fields.string()?),
            b'P' => Self::Parse {
                name: fields.string()?,
                query: fields.string()?,
                types: fields.list(Fields::u32)?,
            },
            b'B' => Self::Bind(Bind {
                portal: fields.string()?,
                statement: fields.string()?,
                formats: fields.list(Fields::format)?,
                parameters: fields.list(Fields::value)?,
                results: fields.list(Fields::format)?,
            }),
            b'D' => Self::Describe(fields.target()?, fields.string()?),
            b'C' => Self::Close(fields.target()?, fields.string()?),
            b'E' => Self::Execute {
                portal: fields.string()?,
                // Postgres reads a negative number as no limit.
                max_rows: i32::try_from(fields.u32()?).map_or(0, i32::cast_unsigned),
            },
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'd' => Self::CopyData(fields.rest()),
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail(fields.string()?),
            b'p' => Self::Password(fields.rest()),
            b'F' => {
                return Err(PgError::new(
                    "0A000",
                    "function calls by the fast path are not supported",
                )
                .hint("Call the function with SELECT."));
            }
            kind => {
                return Err(PgError::new(
                    "08P01",
                    format!("invalid frontend message type {kind}"),
                ));
            }
        };
        if fields.0.is_empty() {
            Ok(message)
        } else {
            Err(malformed())
        }
    }
}

/// The length of a frame's body, from the length that the client wrote.
///
/// # Errors
/// 08P01: less than the length's own four bytes, or more than `limit`.
pub fn body_length(length: [u8; 4], limit: usize) -> Result<usize> {
    let length = u32::from_be_bytes(length) as usize;
    match length.checked_sub(4) {
        None => Err(PgError::new("08P01", "invalid message length")),
        Some(body) if body > limit => Err(PgError::new(
            "08P01",
            format!("a message of {body} bytes is longer than the limit of {limit} bytes"),
        )
        .hint("Raise the server's limit on messages, or send the data with COPY.")),
        Some(body) => Ok(body),
    }
}

/// Formats as `Bind` gives them, for `count` values.
///
/// # Errors
/// 08P01: neither none, nor one, nor as many as there are values.
pub fn formats(given: &[Format], count: usize, what: &str) -> Result<Vec<Format>> {
    match given {
        [] => Ok(vec![Format::Text; count]),
        [all] => Ok(vec![*all; count]),
        each if each.len() == count => Ok(each.to_vec()),
        _ => Err(PgError::new(
            "08P01",
            format!(
                "bind message has {} {what} formats but query has {count} {what}s",
                given.len()
            ),
        )),
    }
}

/// What is left of a body.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(self
            .take(2)?
            .iter()
            .fold(0, |n, byte| (n << 8) | u16::from(*byte)))
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(self
            .take(4)?
            .iter()
            .fold(0, |n, byte| (n << 8) | u32::from(*byte)))
    }

    pub(super) fn string(&mut self) -> Result<&'a str> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(malformed)?;
        let text = std::str::from_utf8(self.take(end)?)
            .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        self.take(1)?;
        Ok(text)
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = usize::from(self.u16()?);
        // No item takes less than two bytes: a count is not worth more memory than was sent.
        let mut items = Vec::with_capacity(count.min(self.0.len() / 2));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn format(&mut self) -> Result<Format> {
        match self.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            code => Err(PgError::new(
                "22023",
                format!("unsupported format code: {code}"),
            )),
        }
    }

    fn value(&mut self) -> Result<Option<&'a [u8]>> {
        match self.u32()? {
            u32::MAX => Ok(None),
            length => self.take(length as usize).map(Some),
        }
    }

    fn target(&mut self) -> Result<Target> {
        match self.take(1)? {
            b"S" => Ok(Target::Statement),
            b"P" => Ok(Target::Portal),
            _ => Err(malformed()),
        }
    }
}

fn malformed() -> PgError {
    PgError::new("08P01", "invalid message format")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Frame {
        Frame {
            kind,
            body: Bytes::copy_from_slice(body),
        }
    }

    #[test]
    fn a_bind_is_taken_apart() {
        let frame = frame(
            b'B',
            b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x03abc\xff\xff\xff\xff\0\0",
        );
        let Ok(Message::Bind(bind)) = Message::parse(&frame) else {
            panic!("no Bind");
        };
        assert_eq!((bind.portal, bind.statement), ("p", "s"));
        assert_eq!(bind.formats, [Format::Binary]);
        assert_eq!(bind.parameters, [Some(&b"abc"[..]), None]);
        assert!(bind.results.is_empty());
    }

    #[test]
    fn lengths_are_checked() {
        for (kind, body) in [
            (b'Q', &b"select 1"[..]),
            (b'P', b"\0select 1\0\0\x02\0\0\0\x17"),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x09abc\0\0"),
            (b'S', b"x"),
            (b'D', b"Xname\0"),
            (b'?', b""),
        ] {
            let error = Message::parse(&frame(kind, body)).unwrap_err();
            assert_eq!(error.code, "08P01", "{kind}");
        }
        assert!(body_length([0, 0, 0, 3], 100).is_err());
        assert!(body_length([0, 0, 0, 105], 100).is_err());
        assert_eq!(body_length([0, 0, 0, 104], 100).unwrap(), 100);
    }

    #[test]
    fn formats_are_counted() {
        assert_eq!(formats(&[], 2, "result").unwrap(), [Format::Text; 2]);
        assert_eq!(
            formats(&[Format::Binary], 2, "result").unwrap(),
            [Format::Binary; 2]
        );
        assert_eq!(
            formats(&[Format::Binary; 2], 3, "result").unwrap_err().code,
            "08P01"
        );
    }

    proptest! {
        #[test]
        fn anything_may_come(kind: u8, body: Vec<u8>) {
            let _ = Message::parse(&frame(kind, &body));
        }

        #[test]
        fn mutations_of_a_bind_may_come(at in 0usize..26, byte: u8) {
            let mut body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x03abc\xff\xff\xff\xff\0\0".to_vec();
            if let Some(place) = body.get_mut(at) { *place = byte; }
            let _ = Message::parse(&frame(b'B', &body));
        }
    }
}

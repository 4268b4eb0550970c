//! Writes answers, in JSON or MessagePack, value by value into one buffer.
//!
//! What is not known beforehand (how many rows there are) is counted on the way: MessagePack's
//! lists have a head of fixed size, which is filled in at their end. A part can be taken back:
//! see [`Writer::mark`].

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sqlite_abi::ValueRef;

/// How a request is written, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    MessagePack,
}

/// The largest integer that every reader of JSON has exactly: 2^53 - 1.
const EXACT_IN_JSON: u64 = (1 << 53) - 1;

/// The type number of a MessagePack extension of ours: text that is not UTF-8.
pub(crate) const EXT_TEXT: i8 = 1;

pub(crate) struct Writer {
    encoding: Encoding,
    out: Vec<u8>,
    open: Open,
}

/// Lists and maps that are not ended: where the head is, and how many entries there are.
pub(crate) type Open = Vec<(usize, u32)>;

/// A place to go back to.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    length: usize,
    open: Open,
}

impl Writer {
    /// Writes into the room of earlier answers, whose content is dropped.
    pub(crate) fn new(encoding: Encoding, out: Vec<u8>, open: Open) -> Self {
        let mut writer = Self {
            encoding,
            out,
            open,
        };
        writer.begin_again();
        writer
    }

    /// Drops all that was written.
    pub(crate) fn begin_again(&mut self) {
        self.out.clear();
        self.open.clear();
    }

    pub(crate) fn finish(self) -> (Vec<u8>, Open) {
        (self.out, self.open)
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What was written since there were so many bytes.
    pub(crate) fn since(&self, length: usize) -> &[u8] {
        &self.out[length..]
    }

    /// The first entries of a map, as they were written before.
    pub(crate) fn entries(&mut self, bytes: &[u8], count: u32) {
        if let Some((_, entries)) = self.open.last_mut() {
            *entries += count;
        }
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            length: self.out.len(),
            open: self.open.clone(),
        }
    }

    /// Takes back everything since `mark`.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.out.truncate(mark.length);
        self.open = mark.open;
    }

    pub(crate) fn begin_map(&mut self) {
        self.begin(b'{', 0xdf);
    }

    pub(crate) fn end_map(&mut self) {
        self.end(b'}');
    }

    pub(crate) fn begin_list(&mut self) {
        self.begin(b'[', 0xdd);
    }

    pub(crate) fn end_list(&mut self) {
        self.end(b']');
    }

    /// A map's next key; its value comes next.
    pub(crate) fn key(&mut self, name: &str) {
        if let Some((_, count)) = self.open.last_mut() {
            *count += 1;
        }
        match self.encoding {
            Encoding::Json => {
                // Keys are ours: nothing in them needs an escape.
                let comma = self.out.last() != Some(&b'{');
                self.out
                    .extend_from_slice(if comma { b",\"" } else { b"\"" });
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
            Encoding::MessagePack => self.pack_text(name.as_bytes()),
        }
    }

    pub(crate) fn null(&mut self) {
        self.next();
        match self.encoding {
            Encoding::Json => self.out.extend_from_slice(b"null"),
            Encoding::MessagePack => self.out.push(0xc0),
        }
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.next();
        match (self.encoding, value) {
            (Encoding::Json, true) => self.out.extend_from_slice(b"true"),
            (Encoding::Json, false) => self.out.extend_from_slice(b"false"),
            (Encoding::MessagePack, value) => self.out.push(0xc2 | u8::from(value)),
        }
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.next();
        match self.encoding {
            Encoding::Json if value.unsigned_abs() > EXACT_IN_JSON => {
                self.tagged("$int", value.to_string().as_bytes());
            }
            Encoding::Json => self.digits(value),
            Encoding::MessagePack => self.pack_integer(value),
        }
    }

    pub(crate) fn real(&mut self, value: f64) {
        self.next();
        match self.encoding {
            Encoding::Json if value.is_finite() => {
                // Rust writes the shortest digits that read back the same; a number with a point
                // or an exponent is a REAL.
                // Writing to a vector cannot fail.
                let _ = write!(self.out, "{value:?}");
            }
            Encoding::Json => {
                let name: &[u8] = if value.is_nan() {
                    b"NaN"
                } else if value > 0.0 {
                    b"Infinity"
                } else {
                    b"-Infinity"
                };
                self.tagged("$float", name);
            }
            Encoding::MessagePack => {
                self.out.push(0xcb);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.next();
        match self.encoding {
            Encoding::Json => self.json_text(text),
            Encoding::MessagePack => self.pack_text(text.as_bytes()),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.next();
        match self.encoding {
            Encoding::Json => self.tagged("$bytes", BASE64.encode(bytes).as_bytes()),
            Encoding::MessagePack => {
                self.head(bytes.len(), None, [0xc4, 0xc5, 0xc6]);
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// A value of a column.
    pub(crate) fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.null(),
            ValueRef::Integer(integer) => self.integer(integer),
            ValueRef::Real(real) => self.real(real),
            ValueRef::Blob(blob) => self.bytes(blob),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => self.text(text),
                Err(_) => self.other_text(text),
            },
        }
    }

    /// Text that is not UTF-8, which neither encoding has.
    fn other_text(&mut self, text: &[u8]) {
        self.next();
        match self.encoding {
            Encoding::Json => self.tagged("$text", BASE64.encode(text).as_bytes()),
            Encoding::MessagePack => {
                self.head(text.len(), None, [0xc7, 0xc8, 0xc9]);
                self.out.push(EXT_TEXT.cast_unsigned());
                self.out.extend_from_slice(text);
            }
        }
    }

    /// Before each value: counts it, and writes the comma.
    fn next(&mut self) {
        match self.encoding {
            // A text ends with a quotation mark, so these bytes are structure.
            Encoding::Json => {
                if !matches!(self.out.last(), None | Some(b'[' | b':')) {
                    self.out.push(b',');
                }
            }
            Encoding::MessagePack => {
                if let Some((head, count)) = self.open.last_mut()
                    && self.out.get(*head) == Some(&0xdd)
                {
                    *count += 1;
                }
            }
        }
    }

    fn begin(&mut self, json: u8, pack: u8) {
        self.next();
        self.open.push((self.out.len(), 0));
        match self.encoding {
            Encoding::Json => self.out.push(json),
            Encoding::MessagePack => self.out.extend_from_slice(&[pack, 0, 0, 0, 0]),
        }
    }

    fn end(&mut self, json: u8) {
        let Some((head, count)) = self.open.pop() else {
            return;
        };
        match self.encoding {
            Encoding::Json => self.out.push(json),
            Encoding::MessagePack => {
                if let Some(place) = self.out.get_mut(head + 1..head + 5) {
                    place.copy_from_slice(&count.to_be_bytes());
                }
            }
        }
    }

    /// An integer of at most 16 digits.
    fn digits(&mut self, value: i64) {
        if value < 0 {
            self.out.push(b'-');
        }
        let mut digits = [b'0'; 20];
        let mut begin = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            begin -= 1;
            digits[begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[begin..]);
    }

    fn tagged(&mut self, tag: &str, text: &[u8]) {
        self.out.extend_from_slice(b"{\"");
        self.out.extend_from_slice(tag.as_bytes());
        self.out.extend_from_slice(b"\":\"");
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\"}");
    }

    fn json_text(&mut self, text: &str) {
        self.out.push(b'"');
        let escaped = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f);
        // Most texts have nothing to escape, and looking at all of them at once is fast.
        if !text
            .as_bytes()
            .iter()
            .fold(false, |any, byte| any | escaped(byte))
        {
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
            return;
        }
        let mut plain = 0;
        for (index, byte) in text.bytes().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..=0x1f | 0x7f => b"",
                _ => continue,
            };
            self.out.extend_from_slice(&text.as_bytes()[plain..index]);
            if escape.is_empty() {
                self.out
                    .extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            } else {
                self.out.extend_from_slice(escape);
            }
            plain = index + 1;
        }
        self.out.extend_from_slice(&text.as_bytes()[plain..]);
        self.out.push(b'"');
    }

    fn pack_text(&mut self, text: &[u8]) {
        self.head(text.len(), Some((0xa0, 31)), [0xd9, 0xda, 0xdb]);
        self.out.extend_from_slice(text);
    }

    fn pack_integer(&mut self, value: i64) {
        if let Ok(small) = i8::try_from(value) {
            if small < -32 {
                self.out.push(0xd0);
            }
            self.out.push(small.cast_unsigned());
        } else if let Ok(value) = i16::try_from(value) {
            self.out.push(0xd1);
            self.out.extend_from_slice(&value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.out.push(0xd2);
            self.out.extend_from_slice(&value.to_be_bytes());
        } else {
            self.out.push(0xd3);
            self.out.extend_from_slice(&value.to_be_bytes());
        }
    }

    /// A length, in the shortest of MessagePack's forms. Nothing here is longer than 4 GiB:
    /// SQLite's values end at 2 GiB.
    fn head(&mut self, length: usize, fixed: Option<(u8, usize)>, forms: [u8; 3]) {
        match (fixed, u8::try_from(length), u16::try_from(length)) {
            (Some((form, most)), Ok(short), _) if length <= most => self.out.push(form | short),
            (_, Ok(length), _) => self.out.extend_from_slice(&[forms[0], length]),
            (_, _, Ok(length)) => {
                self.out.push(forms[1]);
                self.out.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                self.out.push(forms[2]);
                self.out.extend_from_slice(&length.to_be_bytes());
            }
        }
    }
}

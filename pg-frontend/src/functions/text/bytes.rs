//! Bytea: parts of it, digests, and its encodings.

use crate::error::{PgError, Result};
use crate::functions::{Arguments, Entry, int_value, text_value};
use crate::types::bytea;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use rusqlite::types::Value;

fn blob(bytes: impl Into<Vec<u8>>) -> Result<Value> {
    Ok(Value::Blob(bytes.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(in crate::functions) const STRICT: &[Entry] = &[
    ("pg_substr_bytes", 2, substr_bytes),
    ("pg_substr_bytes", 3, substr_bytes),
    ("pg_btrim_bytes", 2, |a| {
        let (bytes, set) = (a.bytes(0)?, a.bytes(1)?);
        let start = bytes
            .iter()
            .position(|byte| !set.contains(byte))
            .unwrap_or(bytes.len());
        let end = bytes
            .iter()
            .rposition(|byte| !set.contains(byte))
            .map_or(start, |at| at + 1);
        blob(&bytes[start..end])
    }),
    ("pg_strpos_bytes", 2, |a| {
        let (bytes, needle) = (a.bytes(0)?, a.bytes(1)?);
        if needle.is_empty() {
            return int_value(1);
        }
        int_value(
            bytes
                .windows(needle.len())
                .position(|part| part == needle)
                .map_or(0, |at| at + 1),
        )
    }),
    ("pg_md5", 1, |a| text_value(hex(&Md5::digest(a.bytes(0)?)))),
    ("pg_sha224", 1, |_| {
        Err(PgError::new("0A000", "sha224 is not supported").hint("Use sha256."))
    }),
    ("pg_sha256", 1, |a| {
        blob(ring::digest::digest(&ring::digest::SHA256, a.bytes(0)?).as_ref())
    }),
    ("pg_sha384", 1, |a| {
        blob(ring::digest::digest(&ring::digest::SHA384, a.bytes(0)?).as_ref())
    }),
    ("pg_sha512", 1, |a| {
        blob(ring::digest::digest(&ring::digest::SHA512, a.bytes(0)?).as_ref())
    }),
    ("pg_encode", 2, |a| {
        let bytes = a.bytes(0)?;
        match a.text(1)?.to_ascii_lowercase().as_str() {
            "hex" => text_value(hex(bytes)),
            "base64" => {
                // Lines of 76 characters.
                let all = STANDARD.encode(bytes);
                let lines: Vec<&str> = all
                    .as_bytes()
                    .chunks(76)
                    .filter_map(|line| std::str::from_utf8(line).ok())
                    .collect();
                text_value(lines.join("\n"))
            }
            "escape" => {
                let mut out = bytes::BytesMut::new();
                for byte in bytes {
                    match byte {
                        0 | 0x80..=0xff => bytea::write_escape(&[*byte], &mut out),
                        b'\\' => out.extend_from_slice(b"\\\\"),
                        _ => out.extend_from_slice(&[*byte]),
                    }
                }
                text_value(String::from_utf8_lossy(&out))
            }
            other => Err(PgError::new(
                "22023",
                format!("unrecognized encoding: \"{other}\""),
            )),
        }
    }),
    ("pg_decode", 2, |a| {
        let text = a.text(0)?;
        match a.text(1)?.to_ascii_lowercase().as_str() {
            "hex" => blob(bytea::parse_hex(text)?),
            "base64" => {
                let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                blob(
                    STANDARD
                        .decode(packed)
                        .map_err(|_| PgError::new("22023", "invalid base64 end sequence"))?,
                )
            }
            "escape" => blob(bytea::parse(text)?),
            other => Err(PgError::new(
                "22023",
                format!("unrecognized encoding: \"{other}\""),
            )),
        }
    }),
    ("pg_get_byte", 2, |a| {
        let bytes = a.bytes(0)?;
        let at = usize::try_from(a.int(1)?)
            .ok()
            .filter(|at| *at < bytes.len());
        let at = at.ok_or_else(|| PgError::new("2202E", "index out of valid range"))?;
        Ok(Value::Integer(bytes[at].into()))
    }),
    ("pg_set_byte", 3, |a| {
        let mut bytes = a.bytes(0)?.to_vec();
        let at = usize::try_from(a.int(1)?)
            .ok()
            .filter(|at| *at < bytes.len());
        let at = at.ok_or_else(|| PgError::new("2202E", "index out of valid range"))?;
        bytes[at] = u8::try_from(a.int(2)? & 0xff).unwrap_or(0);
        blob(bytes)
    }),
    ("pg_bytea_cat", 2, |a| {
        blob([a.bytes(0)?, a.bytes(1)?].concat())
    }),
    ("pg_convert_from", 2, |a| {
        let text = std::str::from_utf8(a.bytes(0)?)
            .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        text_value(text)
    }),
    ("pg_convert_to", 2, |a| blob(a.text(0)?.as_bytes())),
];

fn substr_bytes(a: &Arguments<'_>) -> Result<Value> {
    let (bytes, start) = (a.bytes(0)?, a.int(1)?);
    let end = if a.len() > 2 {
        start.saturating_add(a.int(2)?)
    } else {
        i64::MAX
    };
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(0);
    let take = usize::try_from(end - start.max(1)).unwrap_or(0);
    blob(
        bytes
            .iter()
            .skip(skip)
            .take(take)
            .copied()
            .collect::<Vec<u8>>(),
    )
}

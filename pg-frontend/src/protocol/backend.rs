//! What we send: each function appends one message to an output buffer.

use bytes::{BufMut, BytesMut};
use rusqlite::types::ValueRef;

use crate::error::{PgError, Result};
use crate::sql::Column;
use crate::types::{self, Format, Style, Type};

/// What `ReadyForQuery` says of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// None is open.
    Idle = b'I' as isize,
    /// One is open.
    Transaction = b'T' as isize,
    /// One has failed and waits for its end.
    Failed = b'E' as isize,
}

/// A message: its type, its length, and what `body` writes.
pub fn message(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let start = out.len();
    out.put_u32(0);
    body(out);
    patch(out, start, 0);
}

/// Writes into the four bytes at `start` how much follows: counted from `start`, less `less`.
fn patch(out: &mut BytesMut, start: usize, less: usize) {
    let length = u32::try_from(out.len() - start - less).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn string(out: &mut BytesMut, text: &str) {
    // A zero byte would end it early: what follows it is not sent.
    out.put_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    out.put_u8(0);
}

/// Messages without a body: `ParseComplete` 1, `BindComplete` 2, `CloseComplete` 3, `NoData` n,
/// `PortalSuspended` s, `EmptyQueryResponse` I, `CopyDone` c.
pub fn bare(out: &mut BytesMut, kind: u8) {
    message(out, kind, |_| {});
}

/// `AuthenticationOk` and its kin: the request's number and what it carries.
pub fn authentication(out: &mut BytesMut, request: u32, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_u32(request);
        out.put_slice(data);
    });
}

/// `ParameterStatus`
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        string(out, name);
        string(out, value);
    });
}

/// `BackendKeyData`
pub fn backend_key(out: &mut BytesMut, pid: i32, secret: u32) {
    message(out, b'K', |out| {
        out.put_i32(pid);
        out.put_u32(secret);
    });
}

/// `NegotiateProtocolVersion`: 3.0, and which of the client's options we do not know.
pub fn negotiate_version(out: &mut BytesMut, unknown: &[&str]) {
    message(out, b'v', |out| {
        out.put_u32(3 << 16);
        out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        for option in unknown {
            string(out, option);
        }
    });
}

/// `ReadyForQuery`
pub fn ready(out: &mut BytesMut, status: Status) {
    out.put_slice(&[b'Z', 0, 0, 0, 5, status as u8]);
}

/// `CommandComplete`
pub fn complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| string(out, tag));
}

/// `ParameterDescription`
pub fn parameters(out: &mut BytesMut, types: &[Type]) {
    message(out, b't', |out| {
        put_count(out, types.len());
        for ty in types {
            out.put_u32(ty.oid);
        }
    });
}

/// `RowDescription`; without formats everything is text.
pub fn row_description(out: &mut BytesMut, columns: &[Column], formats: &[Format]) {
    message(out, b'T', |out| {
        put_count(out, columns.len());
        for (index, column) in columns.iter().enumerate() {
            string(out, &column.name);
            out.put_u32(column.table);
            out.put_i16(column.number);
            out.put_u32(column.ty.oid);
            out.put_i16(column.ty.size());
            out.put_i32(column.ty.modifier);
            put_format(out, formats.get(index).copied().unwrap_or(Format::Text));
        }
    });
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

fn put_format(out: &mut BytesMut, format: Format) {
    out.put_u16(match format {
        Format::Text => 0,
        Format::Binary => 1,
    });
}

/// `DataRow`, with one value for each type and format. Nothing is left in `out` after an error.
///
/// # Errors
/// As [`types::encode`].
pub fn data_row<'v>(
    out: &mut BytesMut,
    columns: impl ExactSizeIterator<Item = (Type, Format, ValueRef<'v>)>,
    style: &Style,
) -> Result<()> {
    let begin = out.len();
    out.put_u8(b'D');
    out.put_u32(0);
    put_count(out, columns.len());
    for (ty, format, value) in columns {
        if let Err(error) = field(out, ty, format, value, style) {
            out.truncate(begin);
            return Err(error);
        }
    }
    patch(out, begin + 1, 0);
    Ok(())
}

/// A value behind its length, as in `DataRow` and in binary COPY.
///
/// # Errors
/// As [`types::encode`].
pub fn field(
    out: &mut BytesMut,
    ty: Type,
    format: Format,
    value: ValueRef<'_>,
    style: &Style,
) -> Result<()> {
    let start = out.len();
    if matches!(value, ValueRef::Null) {
        out.put_i32(-1);
        return Ok(());
    }
    out.put_u32(0);
    types::encode(ty, format, value, style, out)?;
    patch(out, start, 4);
    Ok(())
}

/// `CopyInResponse` (G) or `CopyOutResponse` (H).
pub fn copy_response(out: &mut BytesMut, kind: u8, format: Format, columns: usize) {
    message(out, kind, |out| {
        out.put_u8(u8::from(format == Format::Binary));
        put_count(out, columns);
        for _ in 0..columns {
            put_format(out, format);
        }
    });
}

/// How bad an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session ends.
    Fatal,
    /// It goes on.
    Warning,
    /// It goes on, and it is no matter.
    Notice,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// `ErrorResponse` or `NoticeResponse`.
/// <https://www.postgresql.org/docs/15/protocol-error-fields.html>
pub fn error(out: &mut BytesMut, severity: Severity, error: &PgError) {
    let kind = match severity {
        Severity::Error | Severity::Fatal => b'E',
        Severity::Warning | Severity::Notice => b'N',
    };
    message(out, kind, |out| {
        let mut put = |field: u8, text: &str| {
            out.put_u8(field);
            string(out, text);
        };
        put(b'S', severity.name());
        put(b'V', severity.name());
        put(b'C', error.code);
        put(b'M', &error.message);
        let position = error.position.map(|position| position.to_string());
        for (field, text) in [
            (b'D', &error.detail),
            (b'H', &error.hint),
            (b'P', &position),
            (b'W', &error.context),
            (b't', &error.table),
            (b'c', &error.column),
            (b'n', &error.constraint),
        ] {
            if let Some(text) = text {
                put(field, text);
            }
        }
        if error.table.is_some() {
            put(b's', "public");
        }
        out.put_u8(0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length() {
        let mut out = BytesMut::new();
        complete(&mut out, "SELECT 1");
        assert_eq!(&out[..], b"C\0\0\0\x0dSELECT 1\0");
    }

    #[test]
    fn an_error_has_its_fields() {
        let mut out = BytesMut::new();
        let mut problem = PgError::new("42601", "syntax error").at(7);
        problem.table = Some("t".to_owned());
        error(&mut out, Severity::Error, &problem);
        let text = String::from_utf8_lossy(&out[5..]).into_owned();
        assert_eq!(
            text,
            "SERROR\0VERROR\0C42601\0Msyntax error\0P7\0tt\0spublic\0\0"
        );
    }

    #[test]
    fn a_row_has_lengths_and_nulls() {
        let mut out = BytesMut::new();
        let style = Style::default();
        let row = [ValueRef::Text(b"ab"), ValueRef::Null];
        let columns = row.map(|value| (Type::TEXT, Format::Text, value));
        data_row(&mut out, columns.into_iter(), &style).unwrap();
        assert_eq!(&out[..], b"D\0\0\0\x10\0\x02\0\0\0\x02ab\xff\xff\xff\xff");
    }
}

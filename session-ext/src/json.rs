//! Fields of changes as JSON: what policies written in SQL and `changeset_each` get.
//!
//! A record is an array with an element for each column:
//!
//! | value | JSON |
//! | --- | --- |
//! | NULL, INTEGER, TEXT | `null`, a number (all 64 bits), a string |
//! | REAL | a number with a point or an exponent; infinity is `9e999` |
//! | BLOB, and TEXT that is not UTF-8 | `{"blob":"48656C6C6F"}`, `{"text":"FF"}`: hexadecimal digits |
//! | not told by the change | `{}` |

use std::fmt::Write;

use sqlite_abi::ValueRef;

/// An array of values, `None` for what is not told.
pub(crate) fn array<'v>(values: impl IntoIterator<Item = Option<ValueRef<'v>>>) -> String {
    let mut out = String::from("[");
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(&mut out, value);
    }
    out.push(']');
    out
}

/// A string with its quotes.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn push(out: &mut String, value: Option<ValueRef<'_>>) {
    match value {
        None => out.push_str("{}"),
        Some(ValueRef::Null) => out.push_str("null"),
        Some(ValueRef::Integer(integer)) => {
            let _ = write!(out, "{integer}");
        }
        Some(ValueRef::Real(real)) => push_real(out, real),
        Some(ValueRef::Text(text)) => match std::str::from_utf8(text) {
            Ok(text) => out.push_str(&string(text)),
            Err(_) => push_hex(out, "text", text),
        },
        Some(ValueRef::Blob(blob)) => push_hex(out, "blob", blob),
    }
}

/// Rust writes the shortest digits that read back as the same number.
fn push_real(out: &mut String, real: f64) {
    let _ = if real.is_nan() {
        write!(out, "null")
    } else if real.is_infinite() {
        write!(out, "{}9e999", if real < 0.0 { "-" } else { "" })
    } else {
        write!(out, "{real:?}")
    };
}

fn push_hex(out: &mut String, tag: &str, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push_str("{\"");
    out.push_str(tag);
    out.push_str("\":\"");
    out.reserve(2 * bytes.len() + 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.push(char::from(DIGITS[usize::from(half)]));
        }
    }
    out.push_str("\"}");
}

#[cfg(test)]
mod tests {
    use super::array;
    use sqlite_abi::ValueRef;

    #[test]
    fn every_value_has_a_form() {
        let values = [
            Some(ValueRef::Null),
            Some(ValueRef::Integer(i64::MAX)),
            Some(ValueRef::Real(1.0)),
            Some(ValueRef::Real(1e300)),
            Some(ValueRef::Real(f64::NEG_INFINITY)),
            Some(ValueRef::Text("\"grüße\"\n".as_bytes())),
            Some(ValueRef::Text(b"\xff")),
            Some(ValueRef::Blob(b"\x00\xab")),
            None,
        ];
        assert_eq!(
            array(values),
            r#"[null,9223372036854775807,1.0,1e300,-9e999,"\"grüße\"\n",{"text":"FF"},{"blob":"00AB"},{}]"#
        );
    }
}

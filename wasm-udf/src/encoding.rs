//! Values of SQL in a module's memory: a tag byte and a payload in little-endian, as
//! `docs/calling-convention.md` says. Used for `ANY` and for the rows of tables.

use sqlite_abi::ValueRef;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// How many bytes [`encode`] writes for a value.
#[must_use]
pub fn encoded_length(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null => 1,
        ValueRef::Integer(_) | ValueRef::Real(_) => 9,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => 5 + bytes.len(),
    }
}

/// Appends a value to `target`: [`encoded_length`] bytes.
pub fn encode(value: ValueRef<'_>, target: &mut Vec<u8>) {
    match value {
        ValueRef::Null => target.push(NULL),
        ValueRef::Integer(integer) => {
            target.push(INTEGER);
            target.extend_from_slice(&integer.to_le_bytes());
        }
        ValueRef::Real(real) => {
            target.push(REAL);
            target.extend_from_slice(&real.to_le_bytes());
        }
        ValueRef::Text(bytes) => encode_bytes(TEXT, bytes, target),
        ValueRef::Blob(bytes) => encode_bytes(BLOB, bytes, target),
    }
}

fn encode_bytes(tag: u8, bytes: &[u8], target: &mut Vec<u8>) {
    target.push(tag);
    // SQLite's values have at most 2^31 - 1 bytes.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    target.extend_from_slice(&length.to_le_bytes());
    target.extend_from_slice(bytes);
}

/// Reads the value at the beginning of `bytes`; returns it with what follows.
///
/// # Errors
/// What is wrong, as the rest of a sentence.
pub fn decode(bytes: &[u8]) -> Result<(ValueRef<'_>, &[u8]), String> {
    let cut = || "a value that is cut off".to_owned();
    let (&tag, rest) = bytes.split_first().ok_or_else(cut)?;
    match tag {
        NULL => Ok((ValueRef::Null, rest)),
        INTEGER | REAL => {
            let (payload, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
            let value = if tag == INTEGER {
                ValueRef::Integer(i64::from_le_bytes(*payload))
            } else {
                ValueRef::Real(f64::from_le_bytes(*payload))
            };
            Ok((value, rest))
        }
        TEXT | BLOB => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            let length = u32::from_le_bytes(*length) as usize;
            let (payload, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
            if tag == BLOB {
                return Ok((ValueRef::Blob(payload), rest));
            }
            match std::str::from_utf8(payload) {
                Ok(text) => Ok((ValueRef::Text(text.as_bytes()), rest)),
                Err(error) => Err(format!(
                    "text that is not valid UTF-8 at byte {}",
                    error.valid_up_to()
                )),
            }
        }
        other => Err(format!("a value with the unknown tag {other}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlite_abi::Value;

    use super::{decode, encode, encoded_length};

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(values in prop::collection::vec(value(), 0..8)) {
            let mut bytes = Vec::new();
            for value in &values {
                let before = bytes.len();
                encode(value.as_ref(), &mut bytes);
                prop_assert_eq!(bytes.len() - before, encoded_length(value.as_ref()));
            }
            let mut rest = &bytes[..];
            for value in &values {
                let (decoded, after) = decode(rest).unwrap();
                prop_assert_eq!(&decoded.to_value().unwrap(), value);
                rest = after;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let mut rest = &bytes[..];
            while let Ok((_, after)) = decode(rest) {
                prop_assert!(after.len() < rest.len());
                rest = after;
            }
        }
    }
}

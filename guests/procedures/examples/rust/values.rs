//! Values of any type, blobs, truth, JSON: what goes in and out of a procedure.

use sqlbridge_procedure::{Value, procedure};

procedure! {
    fn type_name(value: Value) -> &'static str {
        match value {
            Value::Null => "null",
            Value::Integer(_) => "integer",
            Value::Real(_) => "real",
            Value::Text(_) => "text",
            Value::Blob(_) => "blob",
        }
    }
}

procedure! {
    fn same(value: Value) -> Value<'static> {
        value.into_owned()
    }
}

procedure! {
    fn same_int(value: i64) -> i64 {
        value
    }
}

procedure! {
    fn same_small(value: i32) -> i32 {
        value
    }
}

procedure! {
    fn same_real(value: f64) -> f64 {
        value
    }
}

procedure! {
    fn same_bool(value: bool) -> bool {
        value
    }
}

procedure! {
    fn same_text(value: &str) -> String {
        value.into()
    }
}

procedure! {
    fn same_blob(value: &[u8]) -> Vec<u8> {
        value.into()
    }
}

procedure! {
    fn or_zero(value: Option<i64>) -> i64 {
        value.unwrap_or(0)
    }
}

procedure! {
    fn byte_count(value: Option<&[u8]>) -> Option<i64> {
        value.map(|bytes| bytes.len() as i64)
    }
}

procedure! {
    /// A JSON result: an object with one member.
    fn as_object(name: &str, value: f64) -> String {
        format!("{{{name:?}:{value}}}")
    }
}

procedure! {
    fn no_result() {}
}

procedure! {
    fn square_root(value: f64) -> f64 {
        value.sqrt()
    }
}

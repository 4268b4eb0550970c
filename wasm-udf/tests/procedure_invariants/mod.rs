//! What holds for any bytes that claim to be a module, a definition or values. Shared with the
//! fuzz targets.

use sqlbridge_wasm_udf::check;
use sqlbridge_wasm_udf::encoding::{decode, encode, encoded_length};
use sqlbridge_wasm_udf::serve::options::Options;
use sqlbridge_wasm_udf::signature::Signature;

/// A module is taken or refused with a reason, under every kind of definition.
pub fn module(bytes: &[u8]) {
    for definition in [
        "{}",
        r#"{"kind":"aggregate","export":"f"}"#,
        r#"{"kind":"guest"}"#,
        r#"{"kind":"table","columns":[{"name":"c","data_type":"ANY"}]}"#,
        r#"{"params":[{"name":"t","data_type":"TEXT","nullable":true}],"return_type":"JSON","sql":"write"}"#,
    ] {
        let (signature, _) = Signature::parse(definition).expect("a definition");
        if let Err(reason) = check("f", bytes, &signature) {
            assert!(!reason.is_empty() && reason.len() < 100_000, "{reason}");
        }
    }
}

/// A definition is refused with a reason, or what is stored of it says the same.
pub fn definition(text: &str) {
    match Signature::parse(text) {
        Err(reason) => assert!(!reason.is_empty()),
        Ok((signature, _)) => {
            let stored = serde_json::to_string(&signature).expect("JSON");
            assert_eq!(Signature::stored(&stored), Ok(signature));
        }
    }
    let _ = Signature::stored(text);
}

/// A program's options are refused with a reason, or read: as the JSON of the function, and as the
/// arguments of a table, where a text in quotes means the same as without.
pub fn options(text: &str) {
    if let Err(reason) = Options::parse(text) {
        assert!(!reason.is_empty());
    }
    let arguments: Vec<&str> = text.split(',').collect();
    let declared = Options::declared(&arguments);
    if let Err(reason) = &declared {
        assert!(!reason.is_empty());
    }
    let quoted: Option<Vec<String>> = arguments
        .iter()
        .map(|argument| {
            let (key, value) = argument.split_once('=')?;
            let plain = !value.trim_start().starts_with(['\'', '"', 'x', 'X']);
            plain.then(|| format!("{key}='{}'", value.trim().replace('\'', "''")))
        })
        .collect();
    if let Some(quoted) = quoted {
        let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
        assert_eq!(Options::declared(&quoted), declared);
    }
}

/// Values are read to the end, or up to what is wrong; what was read is written the same.
pub fn values(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok((value, after)) = decode(rest) {
        let mut again = Vec::new();
        encode(value, &mut again);
        assert_eq!(again.len(), encoded_length(value));
        assert_eq!(again, rest[..rest.len() - after.len()]);
        rest = after;
    }
}

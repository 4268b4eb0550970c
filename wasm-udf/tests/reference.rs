//! The tables of `docs/reference.md` on procedures say what the code does.
//!
//! `UPDATE_REFERENCE=1 cargo test --release -p sqlbridge-wasm-udf --test reference` rewrites them.

#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared; a test fails by panicking"
)]
#[path = "../../vfs/tests/generated_tables/mod.rs"]
mod generated_tables;

use generated_tables::{code, table};
use sqlbridge_wasm_udf::functions::FUNCTIONS;
use sqlbridge_wasm_udf::serve::options::OPTIONS;
use sqlbridge_wasm_udf::signature::{KEYS, KeyDoc};
use sqlbridge_wasm_udf::types::{DataType, NAMES};

#[test]
fn the_reference_is_up_to_date() {
    generated_tables::check(&[
        ("procedure functions", functions()),
        ("procedure definition", definition()),
        ("procedure types", types()),
        ("program options", options()),
    ]);
}

fn functions() -> String {
    let rows = FUNCTIONS.iter().map(|doc| {
        vec![
            code(doc.signature),
            doc.returns.to_owned(),
            doc.meaning.to_owned(),
        ]
    });
    table(&["function", "returns", "what it does"], rows)
}

fn definition() -> String {
    keys("key", &KEYS)
}

fn options() -> String {
    keys("option", &OPTIONS)
}

fn keys(what: &str, docs: &[KeyDoc]) -> String {
    let rows = docs.iter().map(|doc| {
        vec![
            code(doc.key),
            doc.default.to_owned(),
            doc.meaning.to_owned(),
        ]
    });
    table(&[what, "default", "meaning"], rows)
}

fn types() -> String {
    let meaning = |data_type| match data_type {
        DataType::Integer => "a whole number of 64 bits",
        DataType::Bool => "0 or 1",
        DataType::Real => "a floating-point number",
        DataType::Text => "UTF-8 text",
        DataType::Blob => "bytes",
        DataType::Json => "text that is JSON; a result has JSON's subtype",
        DataType::Any => "any value",
    };
    let mut kinds: Vec<DataType> = Vec::new();
    for (_, data_type) in NAMES {
        if !kinds.contains(&data_type) {
            kinds.push(data_type);
        }
    }
    let rows = kinds.into_iter().map(|kind| {
        let names = NAMES.iter().filter(|(_, data_type)| *data_type == kind);
        let names: Vec<String> = names.map(|(name, _)| code(name)).collect();
        vec![names.join(", "), meaning(kind).to_owned()]
    });
    table(&["types", "values"], rows)
}

//! `docs/host-interface.md` is true: its examples are sent in order and its limits compared.

use std::path::Path;

use serde_json::Value as Json;
use sqlbridge_wasm_udf::sqlproxy::{Grant, Limits, Proxy};

use crate::host::{open, with_proxy};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/host-interface.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn its_examples_are_answered_as_it_says() {
    let page = page();
    let mut examples = Vec::new();
    for block in page.split("```text\n").skip(1) {
        let lines: Vec<&str> = block.split("```").next().unwrap().lines().collect();
        for pair in lines.chunks(2) {
            let [request, answer] = pair else {
                panic!("a request without an answer: {pair:?}");
            };
            let request = request.strip_prefix("> ").expect("a request");
            let answer = answer.strip_prefix("< ").expect("an answer");
            examples.push((request.to_owned(), answer.to_owned()));
        }
    }
    assert!(examples.len() > 30, "{}", examples.len());
    let host = open();
    let proxy = Proxy::new("procedure example", Grant::Write, Limits::default());
    let body = move |guest: &mut crate::host::Guest<'_>| {
        for (request, answer) in &examples {
            if request.starts_with('{') {
                let expected: Json = serde_json::from_str(answer).unwrap();
                let got = guest.send_text(request);
                assert!(
                    agrees(&expected, &got),
                    "{request}\nsays  {expected}\nfound {got}"
                );
            } else {
                assert_eq!(
                    guest.proxy.handle(guest.lent, &bytes(request)),
                    bytes(answer)
                );
            }
        }
    };
    with_proxy(proxy, body, || host.execute_batch("SELECT guest()")).unwrap();
}

/// The same, but that `"*"` stands for any text or null: it depends on the host.
fn agrees(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::String(any), Json::String(_) | Json::Null) if any == "*" => true,
        (Json::Array(expected), Json::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| agrees(a, b))
        }
        (Json::Object(expected), Json::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(key, value)| found.get(key).is_some_and(|found| agrees(value, found)))
        }
        _ => expected == found,
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: String = hexadecimal.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn its_limits_are_the_defaults() {
    let page = page();
    let Limits {
        statements,
        cursors,
        result_bytes,
    } = Limits::default();
    for (name, value) in [
        ("statements", statements),
        ("cursors", cursors),
        ("result_bytes", result_bytes),
    ] {
        assert!(page.contains(&format!("| `{name}` | {value} |")), "{name}");
    }
}

//! Values in both encodings, there and back; bytes that are no requests.

use proptest::prelude::*;
use rmpv::Value as Pack;
use serde_json::json;
use sqlbridge_wasm_udf::sqlproxy::{Grant, Limits, Proxy};

use crate::host::{call, inside, open};
use crate::invariants::is_answered;

/// What SQLite has for a value sent in JSON: its type, and the value as it comes back.
#[test]
fn every_value_in_json() {
    let host = open();
    inside(&host, |guest| {
        for (sent, kind, back) in [
            (json!(null), "null", json!(null)),
            (json!(true), "integer", json!(1)),
            (json!(false), "integer", json!(0)),
            (json!(0), "integer", json!(0)),
            (
                json!(9_007_199_254_740_991_i64),
                "integer",
                json!(9_007_199_254_740_991_i64),
            ),
            (
                json!(9_007_199_254_740_993_i64),
                "integer",
                json!({"$int": "9007199254740993"}),
            ),
            (
                json!(i64::MIN),
                "integer",
                json!({"$int": "-9223372036854775808"}),
            ),
            (
                json!({"$int": "9223372036854775807"}),
                "integer",
                json!({"$int": "9223372036854775807"}),
            ),
            (json!({"$int": 5}), "integer", json!(5)),
            (json!(u64::MAX), "real", json!(18_446_744_073_709_551_615.0)),
            (json!(1.0), "real", json!(1.0)),
            (json!(-0.0), "real", json!(-0.0)),
            (json!({"$float": 3}), "real", json!(3.0)),
            (json!(1e300), "real", json!(1e300)),
            (json!(5e-324), "real", json!(5e-324)),
            (
                json!({"$float": "Infinity"}),
                "real",
                json!({"$float": "Infinity"}),
            ),
            (
                json!({"$float": "-Infinity"}),
                "real",
                json!({"$float": "-Infinity"}),
            ),
            // SQLite has no NaN.
            (json!({"$float": "NaN"}), "null", json!(null)),
            (json!(""), "text", json!("")),
            (
                json!("a\u{0}\"\\\n\u{1f}é\u{1f600}"),
                "text",
                json!("a\u{0}\"\\\n\u{1f}é\u{1f600}"),
            ),
            (json!({"$bytes": ""}), "blob", json!({"$bytes": ""})),
            (json!({"$bytes": "AP8="}), "blob", json!({"$bytes": "AP8="})),
            (json!({"$text": "/w=="}), "text", json!({"$text": "/w=="})),
            (
                json!({"$time": "2026-11-20T10:00:00.5+01:00"}),
                "text",
                json!("2026-11-20T10:00:00.5+01:00"),
            ),
        ] {
            let got = guest.ok(json!({
                "command": "query", "sql": "SELECT typeof(?1), ?1", "args": [sent],
            }));
            assert_eq!(got["rows"], json!([[kind, back]]), "{sent}");
        }
        // REAL stays REAL, also without a fraction.
        let text = guest.proxy.handle(
            guest.lent,
            br#"{"command":"query","sql":"SELECT 1.0, 1e20, -2.5"}"#,
        );
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("[[1.0,1e20,-2.5]]"), "{text}");
    });
}

#[test]
fn wrong_values_are_refused() {
    let host = open();
    inside(&host, |guest| {
        for (value, message) in [
            (json!([1]), "a parameter is a value, not a list"),
            (json!({}), "not one with a single tag"),
            (json!({"$int": 1, "$float": 2}), "not one with a single tag"),
            (json!({"a": 1}), "the tags are"),
            (
                json!({"$int": "9223372036854775808"}),
                "is not an integer of 64 bits",
            ),
            (json!({"$int": 1.5}), "the tags are"),
            (json!({"$float": "1"}), "is neither a number nor NaN"),
            (json!({"$bytes": "*"}), "$bytes is not base64"),
            (
                json!({"$time": "2026-02-29T00:00:00Z"}),
                "is not a time of RFC 3339",
            ),
            (
                json!({"$time": "2026-02-28T00:00:00"}),
                "is not a time of RFC 3339",
            ),
        ] {
            let (code, said) =
                guest.error(json!({"command": "query", "sql": "SELECT ?", "args": [value]}));
            assert_eq!(code, "SQLITE_MISUSE", "{value}");
            assert!(said.contains(message), "{value}: {said}");
        }
    });
}

fn pack(value: &Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

fn query(sql: &str, args: Vec<Pack>) -> Vec<u8> {
    pack(&Pack::Map(vec![
        ("command".into(), "query".into()),
        ("sql".into(), sql.into()),
        ("args".into(), Pack::Array(args)),
    ]))
}

fn field<'a>(map: &'a Pack, name: &str) -> &'a Pack {
    let found = map
        .as_map()
        .unwrap()
        .iter()
        .find(|(key, _)| key.as_str() == Some(name));
    &found.unwrap_or_else(|| panic!("{name} in {map}")).1
}

fn value() -> impl Strategy<Value = Pack> {
    prop_oneof![
        Just(Pack::Nil),
        any::<i64>().prop_map(Pack::from),
        any::<i8>().prop_map(Pack::from),
        any::<u32>().prop_map(Pack::from),
        any::<f64>()
            .prop_filter("SQLite has no NaN", |real| !real.is_nan())
            .prop_map(Pack::F64),
        any::<String>().prop_map(Pack::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Pack::Binary),
        (0..70_000_usize).prop_map(|length| Pack::Binary(vec![7; length])),
        (0..70_000_usize).prop_map(|length| Pack::from("é".repeat(length / 2))),
    ]
}

/// `rmpv` writes the requests and reads the answers.
#[test]
fn messagepack_is_what_others_write_and_read() {
    let host = open();
    inside(&host, |guest| {
        proptest!(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }, |(
            values in prop::collection::vec(value(), 1..40)
        )| {
            let proxy = std::cell::RefCell::new(Proxy::new("p", Grant::Read, Limits::default()));
            let sql = format!("SELECT {}", vec!["?"; values.len()].join(", "));
            let answer = proxy.borrow_mut().handle(guest.lent, &query(&sql, values.clone()));
            let mut rest = answer.as_slice();
            let answer = rmpv::decode::read_value(&mut rest).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(field(&answer, "rows"), &Pack::Array(vec![Pack::Array(values)]));
        });
        // Forms that have no counterpart in the answer.
        for (sent, back) in [
            (Pack::Boolean(true), Pack::from(1)),
            (Pack::F32(1.5), Pack::F64(1.5)),
            (Pack::F64(f64::NAN), Pack::Nil),
            (Pack::Ext(1, vec![0xff]), Pack::Ext(1, vec![0xff])),
            (
                Pack::Ext(-1, vec![0, 0, 0, 0]),
                Pack::from("1970-01-01T00:00:00Z"),
            ),
            (
                Pack::Ext(-1, vec![0x77, 0x35, 0x94, 0, 0, 0, 0, 1]),
                Pack::from("1970-01-01T00:00:01.5Z"),
            ),
            (
                Pack::Ext(
                    -1,
                    [
                        0_u32.to_be_bytes().to_vec(),
                        (-1_i64).to_be_bytes().to_vec(),
                    ]
                    .concat(),
                ),
                Pack::from("1969-12-31T23:59:59Z"),
            ),
            (
                Pack::Ext(
                    -1,
                    [
                        0_u32.to_be_bytes().to_vec(),
                        951_782_400_i64.to_be_bytes().to_vec(),
                    ]
                    .concat(),
                ),
                Pack::from("2000-02-29T00:00:00Z"),
            ),
        ] {
            let answer = guest
                .proxy
                .handle(guest.lent, &query("SELECT ?", vec![sent]));
            let answer = rmpv::decode::read_value(&mut answer.as_slice()).unwrap();
            assert_eq!(
                field(&answer, "rows"),
                &Pack::Array(vec![Pack::Array(vec![back])])
            );
        }
        for sent in [
            Pack::from(u64::MAX),
            Pack::Ext(5, vec![1]),
            Pack::Ext(-1, vec![1]),
            Pack::Map(vec![]),
        ] {
            let answer = guest
                .proxy
                .handle(guest.lent, &query("SELECT ?", vec![sent]));
            let answer = rmpv::decode::read_value(&mut answer.as_slice()).unwrap();
            assert_eq!(
                field(field(&answer, "error"), "code").as_str(),
                Some("SQLITE_MISUSE")
            );
        }
    });
}

#[test]
fn times_agree_with_sqlite() {
    let host = open();
    inside(&host, |guest| {
        for seconds in (-62_135_596_800_i64..253_402_300_799).step_by(86_399_999) {
            let ext = [0_u32.to_be_bytes().to_vec(), seconds.to_be_bytes().to_vec()].concat();
            let sql = "SELECT ?1 = strftime('%Y-%m-%dT%H:%M:%SZ', ?2, 'unixepoch')";
            let answer = guest.proxy.handle(
                guest.lent,
                &query(sql, vec![Pack::Ext(-1, ext), seconds.into()]),
            );
            let answer = rmpv::decode::read_value(&mut answer.as_slice()).unwrap();
            assert_eq!(field(&answer, "rows").to_string(), "[[1]]", "{seconds}");
        }
    });
}

#[test]
fn what_is_no_request_is_answered() {
    let host = open();
    inside(&host, |guest| {
        for request in [
            "{",
            "{}",
            "{\"command\":1}",
            "{\"command\":\"fly\"}",
            "{\"command\":\"query\"}",
            "{\"command\":\"ping\"} x",
            "{\"command\":\"query\",\"sql\":\"SELECT 1\",\"stmt_id\":1}",
            "{\"command\":\"fetch\"}",
            "{\"command\":\"batch\"}",
            "{\"command\":\"query\",\"sql\":\"SELECT 1\",\"args\":5}",
            "{\"command\":\"commit\"}",
            "{\"sql\":\"SELECT 1\"}",
            "{\"sql\":\"SELECT 1\",\"method\":\"fly\"}",
            "{\"command\":\"begin_tx\",\"mode\":\"late\"}",
            "{\"command\":\"query\",\"sql\":\"SELECT 1\",\"fetch\":-1}",
            "{\"command\":\"query\",\"sql\":\"a\",\"conn_id\":\"x\"}",
        ] {
            let answer = guest.send_text(request);
            assert_eq!(
                answer["error"]["code"],
                json!("SQLITE_MISUSE"),
                "{request}: {answer}"
            );
            assert_eq!(answer["error"]["extended"], json!(21));
        }
        let deep = "{\"a\":".repeat(10_000);
        assert_eq!(guest.send_text(&deep)["error"]["extended"], json!(21));
        let many = format!(
            "{{\"command\":\"query\",\"sql\":\"SELECT 1\",\"args\":[{}1]}}",
            "1,".repeat(1_100_000)
        );
        assert!(
            guest
                .send_text(&many)
                .to_string()
                .contains("more than 1000000 values")
        );
        // MessagePack: nothing, text instead of a map, lengths beyond the end, too deep.
        for request in [
            vec![],
            vec![0xa1, b'x'],
            vec![0xc1],
            vec![0xdf, 0xff, 0xff, 0xff, 0xff],
            vec![0xdd, 0xff, 0xff, 0xff, 0xff],
            vec![0xc6, 0xff, 0xff, 0xff, 0xff],
            vec![0x81, 0x01, 0x01],
            vec![0x80, 0x80],
            vec![0x91; 100_000],
        ] {
            let answer = guest.proxy.handle(guest.lent, &request);
            let answer = rmpv::decode::read_value(&mut answer.as_slice()).unwrap();
            assert_eq!(
                field(field(&answer, "error"), "extended").as_i64(),
                Some(21)
            );
        }
    });
}

/// Whatever the bytes are, there is an answer in their encoding.
#[test]
fn any_bytes_are_answered() {
    let host = open();
    host.execute_batch("CREATE TABLE t(x)").unwrap();
    call(&host, "SELECT guest()", Grant::Write, |guest| {
        let lent = guest.lent;
        proptest!(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }, |(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            place in any::<prop::sample::Index>(),
            flip in any::<u8>(),
        )| {
            let valid = [
                query("INSERT INTO t VALUES (?) RETURNING x", vec![Pack::from("text"), Pack::F64(1.0)]),
                br#"{"command":"batch","requests":[{"command":"prepare","sql":"SELECT ?"},{"command":"query","stmt_id":1,"args":[{"$int":"5"}]}]}"#.to_vec(),
            ];
            for mut request in valid.into_iter().chain([bytes]) {
                if !request.is_empty() {
                    let place = place.index(request.len());
                    request[place] ^= flip;
                }
                is_answered(lent, &request);
            }
        });
    });
}

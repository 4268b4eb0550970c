//! Stores against real servers, which these tests start themselves.

use std::sync::Arc;

use bytes::Bytes;
use sqlbridge_vfs::store::{Body, ErrorKind, Part, Store, conformance};

use crate::servers::{self, AZURE_ACCOUNT, AZURE_KEY, Server};
use crate::{body, opened};

const KEYS: [(&str, &str); 2] = [("s3_access_key", "AK"), ("s3_secret_key", "SK")];

fn s3(server: &Server, url: &str) -> Arc<dyn Store> {
    opened(url, &[KEYS[0], KEYS[1], ("s3_endpoint", &server.url())])
}

fn azure(server: &Server, url: &str) -> Arc<dyn Store> {
    let endpoint = format!("{}/{AZURE_ACCOUNT}", server.url());
    let key = ("azure_key", AZURE_KEY);
    opened(
        url,
        &[
            ("azure_account", AZURE_ACCOUNT),
            key,
            ("azure_endpoint", &endpoint),
        ],
    )
}

/// An object that needs more than one request: a create of it is still decided by one.
fn large_objects(store: &Arc<dyn Store>) {
    let content: Vec<u8> = (0..(65_u32 << 20)).map(|i| (i / 3 % 251) as u8).collect();
    let body = Body::Memory(Bytes::from(content.clone()));
    let key = "big.db/0000/0000000000000001-0000000000000001.ltx";
    store.create(key, &body, 1_700_000_000_000).unwrap();
    let second = store.create(key, &Body::Memory(Bytes::from(vec![7; 66 << 20])), 0);
    assert_eq!(second.unwrap_err().kind, ErrorKind::AlreadyExists);
    let read = store.get(key, Part::Whole).unwrap();
    assert!(
        read.bytes == content,
        "the large object came back different"
    );
    let tail = store.get(key, Part::Tail(10)).unwrap();
    assert_eq!(tail.bytes, content[content.len() - 10..]);
    let keys: Vec<_> = store
        .list("")
        .unwrap()
        .objects
        .into_iter()
        .map(|o| o.key)
        .collect();
    assert_eq!(keys, [key], "the staged copies are gone");
    store
        .put(key, &Body::Memory(Bytes::from(vec![9; 65 << 20])))
        .unwrap();
    assert_eq!(
        store.get(key, Part::Range(0..3)).unwrap().bytes,
        [9, 9, 9][..]
    );
    store.delete(&[key.to_owned()]).unwrap();
}

#[test]
fn ministack_is_a_store() {
    let server = servers::ministack();
    let store = s3(&server, "s3://data/some/prefix");
    conformance::all(&store, "app.db").unwrap();
    conformance::one_creator_wins(&store, "app.db", 20, 16).unwrap();
    large_objects(&store);
    assert!(
        store.list("").unwrap().objects.is_empty(),
        "the probe left nothing"
    );

    // A directory that ends like ours, and the timestamp where Litestream looks for it.
    let sibling = s3(&server, "s3://data/some/prefix2");
    sibling.create("x", &body("x"), 1_700_000_000_123).unwrap();
    assert!(store.list("").unwrap().objects.is_empty());
    let head = servers::ask(server.address, "HEAD", "/data/some/prefix2/x", &[]);
    let stamp = "x-amz-meta-litestream-timestamp: 2023-11-14T22:13:20.123Z";
    assert!(
        head.to_ascii_lowercase()
            .contains(&stamp.to_ascii_lowercase()),
        "{head}"
    );

    // A bucket that is not there.
    let nowhere = s3(&server, "s3://nowhere/prefix");
    for error in [
        nowhere.get("k", Part::Whole).unwrap_err(),
        nowhere.list("").unwrap_err(),
        nowhere.create("k", &body("x"), 0).unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        assert!(
            error.detail.contains("there is no bucket 'nowhere'"),
            "{error}"
        );
    }
}

#[test]
fn s3gate_is_a_store_and_checks_signatures() {
    let server = servers::s3gate();
    let store = s3(&server, "s3://data/prefix");
    conformance::all(&store, "app.db").unwrap();
    conformance::one_creator_wins(&store, "app.db", 20, 16).unwrap();
    large_objects(&store);

    let endpoint = server.url();
    let wrong = [
        ("s3_access_key", "AK"),
        ("s3_secret_key", "hush"),
        ("s3_endpoint", &endpoint),
    ];
    let unknown = [
        ("s3_access_key", "XX"),
        ("s3_secret_key", "SK"),
        ("s3_endpoint", &endpoint),
    ];
    for (keys, part) in [
        (wrong, "secret key does not belong"),
        (unknown, "does not know the access key"),
    ] {
        let store = opened("s3://data/other", &keys);
        for error in [
            store.get("k", Part::Whole).unwrap_err(),
            store.list("").unwrap_err(),
            store.create("k", &body("x"), 0).unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::Denied, "{error}");
            assert!(
                error.detail.contains(part) && !error.to_string().contains("hush"),
                "{error}"
            );
        }
    }
}

#[test]
fn azurite_is_a_store() {
    let server = servers::azurite();
    let store = azure(&server, "az://data/prefix");
    conformance::all(&store, "app.db").unwrap();
    conformance::one_creator_wins(&store, "app.db", 20, 16).unwrap();
    large_objects(&store);

    let nowhere = azure(&server, "az://nowhere/prefix");
    let error = nowhere.create("k", &body("x"), 0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(
        error.detail.contains("there is no container 'nowhere'"),
        "{error}"
    );

    let endpoint = format!("{}/{AZURE_ACCOUNT}", server.url());
    let wrong = opened(
        "az://data/prefix",
        &[
            ("azure_account", AZURE_ACCOUNT),
            ("azure_key", "aHVzaA=="),
            ("azure_endpoint", &endpoint),
        ],
    );
    assert_eq!(
        wrong.get("k", Part::Whole).unwrap_err().kind,
        ErrorKind::Denied
    );
}

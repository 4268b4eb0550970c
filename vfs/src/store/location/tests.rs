use super::*;
use crate::env::System;

fn refused(url: &str) -> String {
    let options = Options::new([("s3_access_key", "k"); 0], |_| None);
    open(url, &options, Arc::new(System))
        .unwrap_err()
        .to_string()
}

fn bucket_of(kind: StoreKind) -> Place {
    Place::Bucket {
        kind,
        bucket: "data".into(),
        prefix: "a/b".into(),
    }
}

#[test]
fn every_scheme_is_understood() {
    for (url, kind) in [
        ("s3://data/a/b", StoreKind::S3),
        ("s3://data/a/b/", StoreKind::S3),
        ("az://data/a/b", StoreKind::Azure),
        ("abs://data/a/b", StoreKind::Azure),
        ("azure://data/a/b", StoreKind::Azure),
        ("gs://data/a/b", StoreKind::Gcs),
    ] {
        assert_eq!(Place::parse(url), Ok(bucket_of(kind)), "{url}");
    }
    assert_eq!(
        Place::parse("file:///tmp/x"),
        Ok(Place::Directory("/tmp/x".into()))
    );
    assert_eq!(
        Place::parse("file://localhost/tmp/x"),
        Ok(Place::Directory("/tmp/x".into()))
    );
}

#[test]
fn what_cannot_work_is_refused_with_a_sentence() {
    for (url, part) in [
        ("shop.db", "is no store URL"),
        ("https://bucket/x", "there is no kind of store 'https'"),
        (
            "s3://bucket",
            "needs a prefix, as in s3://bucket/databases: Litestream",
        ),
        ("s3://bucket/", "needs a prefix"),
        ("gs:///x", "names no bucket"),
        ("az://container/a//b", "cannot be used"),
        ("s3://bucket/a b", "not ' '"),
        ("file://tmp/x", "three slashes"),
        ("file:///tmp/x?s3_region=y", "means nothing"),
        ("file:///tmp/x?oops", "no name=value"),
        ("file:///tmp/x?singel_writer=1", "did you mean"),
    ] {
        let said = refused(url);
        assert!(said.contains(part), "{url}: {said}");
    }
}

#[test]
fn a_secret_in_a_url_is_not_repeated() {
    let said = refused("s3://KEY:hush@bucket/x");
    assert!(
        said.contains("credentials") && !said.contains("hush"),
        "{said}"
    );
}

#[test]
fn paths_survive_the_way_through_a_url() {
    for path in ["/tmp/a b", "/tmp/50%25?#", "/tmp/ä/..x", "/"] {
        let url = url_of_path(Path::new(path));
        assert_eq!(
            Place::parse(&url),
            Ok(Place::Directory(path.into())),
            "{url}"
        );
    }
    assert_eq!(
        url_of_path(Path::new("/data/shop-1")),
        "file:///data/shop-1"
    );
    assert_eq!(percent_decode("/100%/%+1/%zz/%41"), b"/100%/%+1/%zz/A");
}

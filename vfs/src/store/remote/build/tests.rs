use std::sync::atomic::AtomicUsize;

use super::*;
use crate::store::meter::Meter;

fn options(parameters: &[(&str, &str)]) -> Options {
    Options::new(
        parameters
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        |_| None,
    )
}

fn planned(kind: StoreKind, parameters: &[(&str, &str)]) -> Result<Plan, OpenError> {
    plan(kind, "data", "a/b", &options(parameters))
}

fn refused(kind: StoreKind, parameters: &[(&str, &str)]) -> String {
    planned(kind, parameters).err().unwrap().0
}

fn built(kind: StoreKind, parameters: &[(&str, &str)]) -> String {
    let connector = Connector {
        timeout: DEFAULT_TIMEOUT,
        through_proxy: false,
        meter: Arc::new(Meter::default()),
        clients: Arc::new(AtomicUsize::new(0)),
    };
    planned(kind, parameters)
        .unwrap()
        .build(connector)
        .unwrap()
        .to_string()
}

#[test]
fn every_option_reaches_its_store() {
    let names = |keys: &[&str]| -> Vec<String> { keys.iter().map(|k| (*k).to_owned()).collect() };
    let mut known = names(&[
        "single_writer",
        "timeout",
        "allow_http",
        "s3_endpoint",
        "s3_path_style",
        "s3_profile",
        "s3_credentials_file",
        "azure_emulator",
    ]);
    known.extend(S3_KEYS.iter().map(|(n, _)| (*n).to_owned()));
    known.extend(AZURE_KEYS.iter().map(|(n, _)| (*n).to_owned()));
    known.extend(GCS_KEYS.iter().map(|(n, _)| (*n).to_owned()));
    for option in crate::store::options::OPTIONS {
        assert!(
            known.iter().any(|n| n == option.name),
            "{} is used nowhere",
            option.name
        );
    }
    for name in &known {
        let documented = crate::store::options::OPTIONS
            .iter()
            .any(|o| o.name == name);
        assert!(documented, "{name} is not in the table");
    }
}

#[test]
fn the_url_tells_stores_apart_and_holds_no_secret() {
    let keys = [("s3_access_key", "AK"), ("s3_secret_key", "hush")];
    assert_eq!(planned(StoreKind::S3, &keys).unwrap().url, "s3://data/a/b");
    let local = [keys[0], keys[1], ("s3_endpoint", "http://127.0.0.1:9000")];
    let plan = planned(StoreKind::S3, &local).unwrap();
    assert_eq!(plan.url, "s3://data/a/b?s3_endpoint=http://127.0.0.1:9000");
    assert!(!plan.through_proxy);
    let azure = planned(
        StoreKind::Azure,
        &[("azure_account", "me"), ("azure_key", "aHVzaA==")],
    );
    let azure = azure.unwrap();
    assert_eq!(azure.url, "az://data/a/b?azure_account=me");
    assert!(azure.through_proxy);
}

#[test]
fn clients_are_built() {
    let s3 = [("s3_access_key", "AK"), ("s3_secret_key", "SK")];
    assert!(built(StoreKind::S3, &s3).contains("data"));
    built(StoreKind::Azure, &[("azure_emulator", "1")]);
    built(StoreKind::Azure, &[("azure_account", "me")]);
    built(StoreKind::Gcs, &[("gcs_endpoint", "http://[::1]:1/")]);
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    for (kind, parameters, part) in [
        (
            StoreKind::S3,
            &[("s3_access_key", "AK")][..],
            "without s3_secret_key",
        ),
        (
            StoreKind::S3,
            &[("s3_secret_key", "hush")],
            "without s3_access_key",
        ),
        (
            StoreKind::S3,
            &[("s3_endpoint", "http://minio:9000")],
            "allow_http=1",
        ),
        (
            StoreKind::S3,
            &[("s3_endpoint", "minio:9000")],
            "is the URL of a server",
        ),
        (
            StoreKind::S3,
            &[("s3_endpoint", "ftp://minio")],
            "begins with https",
        ),
        (
            StoreKind::S3,
            &[("s3_endpoint", "nonsense")],
            "is the URL of a server",
        ),
        (
            StoreKind::S3,
            &[("s3_endpoint", "https://a:hush@minio")],
            "no credentials",
        ),
        (StoreKind::S3, &[("timeout", "never")], "is a time such as"),
        (
            StoreKind::Azure,
            &[("azure_key", "aHVzaA==")],
            "needs the option azure_account",
        ),
    ] {
        let said = refused(kind, parameters);
        assert!(
            said.contains(part) && !said.contains("hush"),
            "{parameters:?}: {said}"
        );
    }
    let allowed = [("s3_endpoint", "http://minio:9000"), ("allow_http", "1")];
    planned(StoreKind::S3, &allowed).unwrap();
}

#[test]
fn this_machine_is_recognised() {
    for (url, loopback) in [
        ("http://127.0.0.1:9000", true),
        ("http://127.8.8.8", true),
        ("http://[::1]:9000", true),
        ("http://localhost", true),
        ("http://localhost.example.org", false),
        ("http://10.0.0.1", false),
        ("http://[fe80::1]", false),
    ] {
        assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
    }
}

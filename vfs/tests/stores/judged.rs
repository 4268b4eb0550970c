//! What each thing that a server can do to a request is taken for.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sqlbridge_vfs::store::{Body, ErrorKind, Part, Store};

use crate::scripted::{Action, Request, Scripted};
use crate::{body, opened};

fn s3(server: &Scripted) -> Arc<dyn Store> {
    at(&server.url())
}

fn at(endpoint: &str) -> Arc<dyn Store> {
    opened(
        "s3://data/prefix",
        &[
            ("s3_access_key", "AK"),
            ("s3_secret_key", "hush"),
            ("s3_endpoint", endpoint),
            ("single_writer", "1"),
            ("timeout", "600ms"),
        ],
    )
}

fn gcs(server: &Scripted, parameters: &[(&str, &str)]) -> Arc<dyn Store> {
    let url = server.url();
    let mut all = vec![
        ("gcs_service_account_key", ACCOUNT),
        ("gcs_endpoint", url.as_str()),
        ("timeout", "600ms"),
    ];
    all.extend(parameters);
    opened("gs://data/prefix", &all)
}

/// A service account that needs no token.
const ACCOUNT: &str = r#"{"private_key": "", "private_key_id": "", "client_email": "",
    "disable_oauth": true}"#;

const DELETED: &str = "<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>";

#[test]
fn a_create_is_judged_by_what_the_store_did() {
    use ErrorKind::*;
    let table = [
        (Action::error(412, "PreconditionFailed"), AlreadyExists),
        (Action::error(409, "ConditionalRequestConflict"), Throttled),
        (Action::error(409, "OperationAborted"), Throttled),
        (Action::error(429, "TooManyRequests"), Throttled),
        (Action::error(503, "SlowDown"), Ambiguous),
        (Action::error(500, "InternalError"), Ambiguous),
        (Action::status(502), Ambiguous),
        (Action::error(501, "NotImplemented"), Rejected),
        (Action::error(403, "AccessDenied"), Denied),
        (Action::error(401, ""), Denied),
        (Action::error(400, "BadDigest"), Rejected),
        (Action::error(404, "NoSuchBucket"), NotFound),
        (Action::error(301, "PermanentRedirect"), Rejected),
        (Action::Hang, Ambiguous),
        (Action::Reset, Ambiguous),
        // A success that cannot be recognised as one.
        (Action::status(200), Ambiguous),
    ];
    for (action, kind) in table {
        let planned = action.clone();
        let server = Scripted::start(move |_, _| planned.clone());
        let error = s3(&server).create("k", &body("x"), 0).unwrap_err();
        assert_eq!(error.kind, kind, "{action:?}: {error}");
        assert!(!error.to_string().contains("hush"));
        assert_eq!(
            server.requests().len(),
            1,
            "{action:?}: a create is sent once"
        );
    }
}

#[test]
fn a_create_asks_for_the_condition_and_carries_the_timestamp() {
    let server = Scripted::start(|_, _| Action::written());
    let store = s3(&server);
    store
        .create("app.db/0000/x.ltx", &body("content"), 1_700_000_000_123)
        .unwrap();
    store.put("p", &body("x")).unwrap();
    let requests = server.requests();
    let create = &requests[0];
    assert_eq!(
        (create.method.as_str(), create.target.as_str()),
        ("PUT", "/data/prefix/app.db/0000/x.ltx")
    );
    assert_eq!(create.header("if-none-match"), Some("*"));
    assert_eq!(
        create.header("x-amz-meta-litestream-timestamp"),
        Some("2023-11-14T22:13:20.123Z")
    );
    assert_eq!(create.body, b"content");
    assert_eq!(requests[1].header("if-none-match"), None);
    assert_eq!(requests[1].header("x-amz-meta-litestream-timestamp"), None);
    assert_eq!(store.counters().puts, 2);
    assert_eq!(store.counters().bytes_out, 8);
}

#[test]
fn a_read_is_judged_by_what_came() {
    use ErrorKind::*;
    let table = [
        (Action::error(404, "NoSuchKey"), NotFound, 1),
        (Action::error(403, "AccessDenied"), Denied, 1),
        (Action::error(400, "InvalidArgument"), Rejected, 1),
        (Action::error(429, "TooManyRequests"), Throttled, 2),
        (Action::error(503, "SlowDown"), Throttled, 2),
        (Action::error(500, "InternalError"), Ambiguous, 2),
        (Action::Reset, Ambiguous, 2),
        (Action::Hang, Ambiguous, 2),
        (Action::Truncated("x".repeat(100), 40), Ambiguous, 2),
    ];
    for (action, kind, at_least) in table {
        let planned = action.clone();
        let server = Scripted::start(move |_, _| planned.clone());
        let error = s3(&server).get("k", Part::Whole).unwrap_err();
        assert_eq!(error.kind, kind, "{action:?}: {error}");
        let sent = server.requests().len();
        assert!(
            sent >= at_least && (at_least > 1 || sent == 1),
            "{action:?}: {sent} requests"
        );
    }
}

#[test]
fn a_read_that_fails_for_a_moment_succeeds() {
    let server = Scripted::start(|number, _| match number {
        0 => Action::error(503, "SlowDown"),
        1 => Action::Reset,
        _ => Action::object("content"),
    });
    let store = s3(&server);
    assert_eq!(store.get("k", Part::Whole).unwrap().bytes, "content");
    assert_eq!(server.requests().len(), 3);
    assert_eq!((store.counters().gets, store.counters().errors), (3, 2));
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_costs_nothing() {
    let server = Scripted::start(|_, _| Action::LastAnswer);
    let store = s3(&server);
    for key in ["a", "b", "c"] {
        store.create(key, &body("x"), 0).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn denied_and_missing_are_told_apart_as_far_as_s3_does() {
    let server = Scripted::start(|_, _| Action::error(403, "AccessDenied"));
    let error = s3(&server).get("k", Part::Whole).unwrap_err();
    assert!(error.detail.contains("s3:ListBucket"), "{error}");
    assert!(
        error
            .detail
            .contains("HTTP status 403, AccessDenied: Said so."),
        "{error}"
    );
}

#[test]
fn nothing_is_sent_where_nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = at(&format!("http://{address}"))
        .create("k", &body("x"), 0)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(error.detail.contains("refused"), "{error}");
}

#[test]
fn a_server_that_ignores_the_condition_is_found_before_the_first_write() {
    let server = Scripted::start(|_, request| match request.method.as_str() {
        "PUT" => Action::written(),
        _ => Action::Answer(200, vec![], DELETED.into()),
    });
    let url = server.url();
    let store = opened(
        "s3://data/careless",
        &[
            ("s3_access_key", "AK"),
            ("s3_secret_key", "SK"),
            ("s3_endpoint", &url),
        ],
    );
    let error = store
        .create("app.db/0000/x.ltx", &body("x"), 0)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(
        error.detail.contains("8 of 8 concurrent creates"),
        "{error}"
    );
    let touched = |r: &Request| r.target.contains("app.db");
    assert!(
        !server.requests().iter().any(touched),
        "the database was not written"
    );
}

#[test]
fn many_reads_overlap_but_not_too_many() {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (inside, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Scripted::start(move |_, _| {
        peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(30));
        inside.fetch_sub(1, Ordering::SeqCst);
        Action::object("content")
    });
    let wanted: Vec<_> = (0..60).map(|i| (format!("k{i}"), Part::Whole)).collect();
    let results = s3(&server).get_many(&wanted);
    assert!(
        results
            .iter()
            .all(|r| r.as_ref().is_ok_and(|f| f.bytes == "content"))
    );
    let most = most.load(Ordering::SeqCst);
    assert!((8..=16).contains(&most), "{most} at once");
}

#[test]
fn a_caller_may_itself_be_inside_a_runtime() {
    let server = Scripted::start(|_, _| Action::object("content"));
    let store = s3(&server);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let read = runtime.block_on(async { store.get("k", Part::Whole) });
    assert_eq!(read.unwrap().bytes, "content");
}

/// A server that takes uploads in parts, except for what `fails` picks.
fn multipart(fails: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Scripted {
    let xml = |text: &str| Action::Answer(200, vec![("ETag", "\"e\"".into())], text.into());
    Scripted::start(move |_, request| match request.method.as_str() {
        _ if fails(request) => Action::Reset,
        "POST" if request.target.contains("uploads") => xml(
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        "POST" => {
            xml("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
        }
        "PUT" => xml("<CopyPartResult><ETag>e</ETag></CopyPartResult>"),
        _ => Action::status(204),
    })
}

#[test]
fn of_a_large_create_only_the_last_request_is_ambiguous() {
    let staged = |r: &Request| r.target.contains("/app.db/sqlbridge/staging/");
    let large = Body::Memory(Bytes::from(vec![1; 65 << 20]));
    let create = |server: &Scripted| {
        let created = s3(server).create("app.db/0000/x.ltx", &large, 0);
        let requests = server.requests();
        let condition = |r: &&Request| r.header("if-none-match") == Some("*");
        let conditional: Vec<_> = requests.iter().filter(condition).collect();
        assert!(conditional.len() <= 1 && conditional.iter().all(|r| r.method == "POST"));
        let deleted = |r: &Request| {
            let body = String::from_utf8_lossy(&r.body);
            r.target.contains("?delete") && body.contains("/app.db/sqlbridge/staging/")
        };
        assert!(requests.iter().any(deleted), "what was staged is deleted");
        created.map_err(|e| e.kind)
    };
    assert_eq!(create(&multipart(|_| false)), Ok(()));
    let part = |r: &Request| r.target.contains("partNumber=3");
    assert_eq!(create(&multipart(part)), Err(ErrorKind::Throttled));
    let copy = |r: &Request| r.header("x-amz-copy-source").is_some();
    assert_eq!(create(&multipart(copy)), Err(ErrorKind::Throttled));
    let last =
        move |r: &Request| r.method == "POST" && r.target.contains("uploadId=") && !staged(r);
    assert_eq!(create(&multipart(last)), Err(ErrorKind::Ambiguous));
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_sent() {
    let server = Scripted::start(|_, _| Action::written());
    let file = Arc::new(std::fs::File::open("/dev/null").unwrap());
    let huge = Body::File {
        file,
        len: (5 << 30) + 1,
    };
    let store = s3(&server);
    for error in [
        store.create("k", &huge, 0).unwrap_err(),
        store.put("k", &huge).unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Rejected);
        assert!(error.detail.contains("5368709121 bytes"), "{error}");
    }
    assert_eq!(store.max_object_size(), 5 << 30);
    assert!(server.requests().is_empty());
}

#[test]
fn a_listing_tells_the_stores_time() {
    const PAGE: &str = "<ListBucketResult><Name>data</Name><Prefix>prefix/</Prefix>\
        <Contents><Key>prefix/b</Key><LastModified>2026-11-21T02:00:00.000Z</LastModified>\
        <ETag>\"e\"</ETag><Size>3</Size></Contents>\
        <Contents><Key>prefix/a</Key><LastModified>2026-11-21T01:00:00.000Z</LastModified>\
        <ETag>\"e\"</ETag><Size>4</Size></Contents></ListBucketResult>";
    let server = Scripted::start(|_, _| {
        let date = ("Date", "Sat, 21 Nov 2026 02:05:23 GMT".to_owned());
        Action::Answer(200, vec![date], PAGE.into())
    });
    let listing = s3(&server).list("").unwrap();
    assert_eq!(listing.now_ms, 1_795_226_723_000);
    let keys: Vec<_> = listing.objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(listing.now_ms - listing.objects[1].modified_ms, 323_000);
}

#[test]
fn a_listing_of_azures_goes_on_to_its_last_page() {
    let page = |names: &[&str], next: &str| {
        let blob = |name: &&str| {
            format!(
                "<Blob><Name>prefix/{name}</Name><Properties>\
                 <Last-Modified>Sat, 21 Nov 2026 02:05:23 GMT</Last-Modified>\
                 <Etag>e</Etag><Content-Length>3</Content-Length>\
                 <Content-Type>x</Content-Type></Properties></Blob>"
            )
        };
        let blobs: String = names.iter().map(blob).collect();
        let xml = format!(
            "<EnumerationResults><Prefix>prefix/</Prefix><Blobs>{blobs}</Blobs>\
             <NextMarker>{next}</NextMarker></EnumerationResults>"
        );
        Action::Answer(200, vec![], xml.into())
    };
    let (first, last) = (page(&["a", "b"], "more"), page(&["c"], ""));
    let server = Scripted::start(move |_, request| {
        let more = request.target.contains("marker=more");
        if more { last.clone() } else { first.clone() }
    });
    let url = server.url();
    let store = opened(
        "az://data/prefix",
        &[
            ("azure_account", "me"),
            ("azure_key", "aHVzaA=="),
            ("azure_endpoint", &url),
        ],
    );
    let objects = store.list("").unwrap().objects;
    let keys: Vec<_> = objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    assert_eq!(store.counters().lists, 2);
}

#[test]
fn gcs_creates_only_at_generation_zero() {
    let server = Scripted::start(|number, _| match number {
        0 => Action::written(),
        1 => Action::error(412, "PreconditionFailed"),
        _ => Action::error(503, ""),
    });
    let store = gcs(&server, &[("single_writer", "1")]);
    store
        .create("app.db/ltx/0/x.ltx", &body("content"), 1_700_000_000_123)
        .unwrap();
    let second = store
        .create("app.db/ltx/0/x.ltx", &body("other"), 0)
        .unwrap_err();
    assert_eq!(second.kind, ErrorKind::AlreadyExists, "{second}");
    let third = store
        .create("app.db/ltx/0/x.ltx", &body("other"), 0)
        .unwrap_err();
    assert_eq!(third.kind, ErrorKind::Ambiguous, "{third}");
    for request in server.requests() {
        let target = request.target.replace("%2F", "/").replace("%2E", ".");
        assert_eq!(target, "/data/prefix/app.db/ltx/0/x.ltx");
        assert_eq!(request.header("x-goog-if-generation-match"), Some("0"));
    }
    let stamp = server.requests()[0]
        .header("x-goog-meta-litestream-timestamp")
        .map(str::to_owned);
    assert_eq!(stamp.as_deref(), Some("2023-11-14T22:13:20.123Z"));
}

#[test]
fn an_instance_without_a_role_is_told_which_keys_to_give() {
    // The metadata service is there and has no role for us.
    let server =
        Scripted::start(
            |_, request| match request.target.starts_with("/latest/api/token") {
                true => Action::Answer(200, vec![], b"token".to_vec()),
                false => Action::status(404),
            },
        );
    let url = server.url();
    let store = opened(
        "s3://data/prefix",
        &[
            ("s3_metadata_endpoint", url.as_str()),
            ("s3_endpoint", &url),
            ("timeout", "600ms"),
        ],
    );
    let error = store.get("k", Part::Whole).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(
        error.detail.contains("s3_access_key and s3_secret_key"),
        "{error}"
    );
}

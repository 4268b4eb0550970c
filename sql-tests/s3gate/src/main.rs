//! An S3 server for tests: `s3gate DATADIR HOST:PORT ACCESS SECRET [BUCKET...]`.
//!
//! The crates s3s and s3s-fs do the work; signatures are verified. What is added:
//! writes exclude each other, so that conditional writes hold under concurrency;
//! a request that has begun is finished even if its client dies; a missing bucket
//! is said to be missing; faults on demand ([`faults`]); a log of requests
//! (`GET /-/log`, emptied by `DELETE`). Port 0 takes a free one. One line on
//! standard output says where it listens; `/-/` needs no signature.
#![forbid(unsafe_code)]

mod faults;

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;

use faults::{Action, Rule, Target};

type Failure = Box<dyn Error + Send + Sync>;

struct Gate {
    service: S3Service,
    root: PathBuf,
    /// Held for writing by everything that changes an object.
    exclusion: RwLock<()>,
    control: Mutex<Control>,
}

#[derive(Default)]
struct Control {
    rules: Vec<Rule>,
    log: Vec<serde_json::Value>,
    /// The last answer to each listing, for [`Action::Stale`].
    listings: HashMap<String, Bytes>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, address, access, secret, buckets @ ..] = arguments.as_slice() else {
        return Err("usage: s3gate DATADIR HOST:PORT ACCESS SECRET [BUCKET...]".into());
    };
    std::fs::create_dir_all(root)?;
    for bucket in buckets {
        std::fs::create_dir_all(PathBuf::from(root).join(bucket))?;
    }
    let files = s3s_fs::FileSystem::new(root).map_err(|e| format!("{root}: {e:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access.as_str(), secret.as_str()));
    let gate = Arc::new(Gate {
        service: builder.build(),
        root: root.into(),
        exclusion: RwLock::new(()),
        control: Mutex::default(),
    });
    let listener = TcpListener::bind(address).await?;
    let mut out = std::io::stdout();
    writeln!(out, "s3gate listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(serve(Arc::clone(&gate), socket));
    }
}

async fn serve(gate: Arc<Gate>, socket: TcpStream) {
    // Without this each small answer waits for a delayed acknowledgement.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer(Arc::clone(&gate), request));
    let connection = hyper::server::conn::http1::Builder::new();
    // An error here is a client that went away or a fault that was asked for.
    drop(
        connection
            .serve_connection(TokioIo::new(socket), service)
            .await,
    );
}

/// An error breaks the connection: that is what the `drop` and `hang` faults want.
async fn answer(
    gate: Arc<Gate>,
    request: Request<Incoming>,
) -> Result<Response<s3s::Body>, Failure> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(what) = parts.uri.path().strip_prefix("/-/") {
        return gate.control(&parts.method, what, &body);
    }
    let target = Target::of(&parts.method, &parts.uri);
    let rule = faults::strike(&mut gate.lock().rules, &target);
    let struck = |action| rule.as_ref().is_some_and(|rule| rule.is(action));
    let pause = rule.as_ref().map(Rule::pause).unwrap_or_default();
    let status = rule.as_ref().map_or(0, |rule| rule.status);

    if struck(Action::DropBefore) {
        return Err("dropped before".into());
    }
    let absent = struck(Action::Racy) && !gate.path(&target).exists();
    if struck(Action::Slow) || struck(Action::Racy) || struck(Action::HangBefore) {
        tokio::time::sleep(pause).await;
    }
    if struck(Action::HangBefore) {
        return Err("hung before".into());
    }
    if struck(Action::Status) {
        gate.record(&target, status);
        return scripted(status);
    }
    if struck(Action::Stale)
        && let Some(listing) = gate.lock().listings.get(&parts.uri.to_string())
    {
        return Ok(Response::new(s3s::Body::from(listing.clone())));
    }

    let listing = (target.method == "LIST").then(|| parts.uri.to_string());
    let request = Request::from_parts(parts, s3s::Body::from(body));
    let overwrite = absent || struck(Action::Lax);
    // A task of its own: it goes on when the client's connection does not.
    let response = tokio::spawn(apply(Arc::clone(&gate), target, request, overwrite)).await??;

    if struck(Action::HangAfter) {
        tokio::time::sleep(pause).await;
    }
    if struck(Action::DropAfter) || struck(Action::HangAfter) {
        return Err("dropped after".into());
    }
    if struck(Action::StatusAfter) {
        return scripted(status);
    }
    let (head, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    if let Some(uri) = listing {
        gate.lock().listings.insert(uri, bytes.clone());
    }
    let body = if struck(Action::Truncate) {
        cut(bytes)
    } else if struck(Action::Damage) {
        damaged(bytes)
    } else {
        s3s::Body::from(bytes)
    };
    Ok(Response::from_parts(head, body))
}

async fn apply(
    gate: Arc<Gate>,
    target: Target,
    request: Request<s3s::Body>,
    overwrite: bool,
) -> Result<Response<s3s::Body>, Failure> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let creates_bucket = target.key.is_empty() && *request.method() == Method::PUT;
    if !creates_bucket && !target.bucket.is_empty() && !gate.root.join(&target.bucket).is_dir() {
        gate.record(&target, 404);
        return error_answer(404, "NoSuchBucket", "The specified bucket does not exist");
    }
    let response = if reads {
        let _shared = gate.exclusion.read().await;
        gate.service.call(request).await
    } else {
        let _exclusive = gate.exclusion.write().await;
        if overwrite && gate.path(&target).is_file() {
            std::fs::remove_file(gate.path(&target))?;
        }
        gate.service.call(request).await
    };
    let response = response.map_err(|e| format!("{e:?}"))?;
    gate.record(&target, response.status().as_u16());
    Ok(response)
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, target: &Target) -> PathBuf {
        self.root.join(&target.bucket).join(&target.key)
    }

    fn record(&self, target: &Target, status: u16) {
        self.lock().log.push(serde_json::json!({
            "method": target.method, "bucket": target.bucket, "key": target.key, "status": status,
        }));
    }

    fn control(
        &self,
        method: &Method,
        what: &str,
        body: &[u8],
    ) -> Result<Response<s3s::Body>, Failure> {
        let mut control = self.lock();
        match (what, method.as_str()) {
            ("faults", "PUT") => match faults::parse(body) {
                Ok(rules) => control.rules = rules,
                Err(reason) => return error_answer(400, "BadRule", &reason),
            },
            ("faults", "DELETE") => control.rules.clear(),
            ("faults", "GET") => {
                return Ok(Response::new(serde_json::to_vec(&control.rules)?.into()));
            }
            ("log", "GET") => return Ok(Response::new(serde_json::to_vec(&control.log)?.into())),
            ("log", "DELETE") => control.log.clear(),
            _ => {
                return error_answer(
                    404,
                    "NoSuchControl",
                    "PUT, GET, DELETE /-/faults; GET, DELETE /-/log",
                );
            }
        }
        Ok(Response::new(s3s::Body::empty()))
    }
}

/// What S3 says with such a status.
fn scripted(status: u16) -> Result<Response<s3s::Body>, Failure> {
    let code = match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        409 => "ConditionalRequestConflict",
        412 => "PreconditionFailed",
        429 => "TooManyRequests",
        503 => "SlowDown",
        _ => "InternalError",
    };
    error_answer(status, code, "A fault that a test asked for")
}

fn error_answer(status: u16, code: &str, message: &str) -> Result<Response<s3s::Body>, Failure> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Ok(Response::builder()
        .status(StatusCode::from_u16(status)?)
        .header("content-type", "application/xml")
        .body(s3s::Body::http_body(
            Full::new(Bytes::from(xml)).map_err(|e: Infallible| match e {}),
        ))?)
}

/// Half of the bytes, then a broken connection; the announced length stays.
fn cut(bytes: Bytes) -> s3s::Body {
    let half = bytes.slice(..bytes.len() / 2);
    let frames = [
        Ok(Frame::data(half)),
        Err(std::io::Error::other("truncated")),
    ];
    s3s::Body::http_body_unsync(StreamBody::new(stream::iter(frames)))
}

fn damaged(bytes: Bytes) -> s3s::Body {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    s3s::Body::from(bytes)
}

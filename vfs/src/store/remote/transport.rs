//! The HTTP client under `object_store`, and a record of what each request met.
//!
//! `object_store` reports failures by category; a commit needs more: was anything
//! sent at all, what exactly did the store answer, what does its clock say. So its
//! requests go through [`Service`], which writes an [`Exchange`] for each into the
//! [`Trace`] of the operation under way (a task-local). It also counts.
//!
//! Requests for credentials (metadata services, token endpoints) go through the
//! same code and are marked: their failure says nothing about the store.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpResponseBody, HttpService,
};

use tokio::time::timeout;

use super::bridge::PerProcess;
use crate::store::Operation;
use crate::store::meter::Meter;

/// Up to this size a request counts as small: its answer begins within a third of the
/// time-out or is taken for lost, so that there is time for another attempt.
const SMALL_REQUEST: usize = 1 << 20;
/// For requests at which the store itself has much to do: copies, the completion of
/// uploads, deletions of many objects.
const LONG_WORK: Duration = Duration::from_secs(120);
/// How much of an error's body is looked at.
const MAX_ERROR_BODY: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Metadata services are next door or not there.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than a burst of commits, shorter than what firewalls forget.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const LATE: &str = "did not answer in time";

tokio::task_local! {
    /// The operation that this task works for.
    pub(super) static TRACE: Arc<Trace>;
}

/// What one operation's requests met, in order.
#[derive(Debug)]
pub(super) struct Trace {
    operation: Operation,
    exchanges: Mutex<Vec<Exchange>>,
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// False for a request for credentials.
    pub(super) data: bool,
    /// True for the request that completes a multipart upload.
    pub(super) completes: bool,
    /// Whom it went to.
    pub(super) host: String,
    /// What came of it.
    pub(super) met: Met,
    /// The store's clock, ms since the Unix epoch.
    pub(super) date_ms: Option<i64>,
    /// The object's size where an unsatisfiable range was asked for.
    pub(super) object_size: Option<u64>,
    /// True where the store goes on copying after its answer.
    pub(super) pending: bool,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(super) enum Met {
    /// A success.
    Success,
    /// No connection: nothing was sent.
    Unsent(String),
    /// Sent, at least in part, and no answer; what the host did instead.
    NoAnswer(String),
    /// An answer that is no success.
    Refused {
        status: u16,
        code: String,
        message: String,
    },
}

impl Trace {
    pub(super) fn new(operation: Operation) -> Arc<Self> {
        Arc::new(Self {
            operation,
            exchanges: Mutex::default(),
        })
    }

    fn record(&self, exchange: Exchange) {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[cfg(test)]
    pub(super) fn of(operation: Operation, exchanges: Vec<Exchange>) -> Arc<Self> {
        Arc::new(Self {
            operation,
            exchanges: Mutex::new(exchanges),
        })
    }

    /// The store's clock at its last answer.
    pub(super) fn date_ms(&self) -> Option<i64> {
        self.exchanges().into_iter().rev().find_map(|e| e.date_ms)
    }
}

/// Makes the clients of one store.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) timeout: Duration,
    /// False where the store is on this machine: no proxy knows it.
    pub(super) through_proxy: bool,
    pub(super) meter: Arc<Meter>,
    /// How many clients were made. `object_store` makes those for credentials
    /// first and the one for data last.
    pub(super) clients: Arc<AtomicUsize>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // We set no connect timeout; object_store does for metadata services.
        let metadata = options
            .get_config_value(&ClientConfigKey::ConnectTimeout)
            .is_some();
        let failed = |e: String| object_store::Error::Generic {
            store: "HTTP",
            source: e.into(),
        };
        let tls = TLS.get_or_make(tls_config).map_err(failed)?;
        let connect = if metadata {
            METADATA_CONNECT_TIMEOUT
        } else {
            CONNECT_TIMEOUT
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .connect_timeout(connect.min(self.timeout / 4))
            .timeout(self.timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("sqlbridge/", env!("CARGO_PKG_VERSION")));
        if metadata || !self.through_proxy {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| failed(innermost(&e)))?;
        let number = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        let (clients, meter) = (Arc::clone(&self.clients), Arc::clone(&self.meter));
        Ok(HttpClient::new(Service {
            client,
            number,
            clients,
            meter,
            timeout: self.timeout,
        }))
    }
}

static TLS: PerProcess<Arc<rustls::ClientConfig>> = PerProcess::new();

/// The system's certificate authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn tls_config() -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    // Without any, TLS connections fail by themselves; plain ones need none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    number: usize,
    clients: Arc<AtomicUsize>,
    meter: Arc<Meter>,
    timeout: Duration,
}

impl Service {
    fn is_data(&self) -> bool {
        self.number == self.clients.load(Ordering::Relaxed)
    }

    /// How long the answer may take to begin.
    fn patience(&self, parts: &http::request::Parts, len: usize) -> Duration {
        let copies = |name: &http::HeaderName| name.as_str().ends_with("-copy-source");
        if parts.method == http::Method::POST || parts.headers.keys().any(copies) {
            LONG_WORK.max(self.timeout)
        } else if len <= SMALL_REQUEST {
            self.timeout / 3
        } else {
            self.timeout
        }
    }

    fn count(&self, bytes: usize) {
        let _ = TRACE.try_with(|trace| self.meter.request(trace.operation));
        self.meter.sent(bytes as u64);
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let data = self.is_data();
        let (parts, body) = request.into_parts();
        let patience = self.patience(&parts, body.content_length());
        if data {
            self.count(body.content_length());
        }
        let query = parts.uri.query().unwrap_or("");
        let mut exchange = Exchange {
            data,
            completes: parts.method == http::Method::POST && query.contains("uploadId="),
            host: parts
                .uri
                .authority()
                .map(|a| a.as_str().to_owned())
                .unwrap_or_default(),
            met: Met::Success,
            date_ms: None,
            object_size: None,
            pending: false,
        };
        let url = parts.uri.to_string();
        let url = url
            .parse()
            .map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(match body.as_bytes() {
            Some(bytes) => bytes.clone().into(),
            None => reqwest::Body::wrap(body),
        });
        *request.timeout_mut() = Some(patience.max(self.timeout));
        let result = match timeout(patience, self.client.execute(request)).await {
            Ok(Ok(response)) => {
                let meter = data.then(|| Arc::clone(&self.meter));
                receive(response.into(), meter, &mut exchange).await
            }
            Ok(Err(e)) => Err(failed(e, &mut exchange.met)),
            Err(late) => {
                exchange.met = Met::NoAnswer(LATE.to_owned());
                Err(HttpError::new(HttpErrorKind::Timeout, late))
            }
        };
        let _ = TRACE.try_with(|trace| trace.record(exchange));
        result
    }
}

/// Notes a request that got no answer.
fn failed(error: reqwest::Error, met: &mut Met) -> HttpError {
    let error = error.without_url();
    let detail = innermost(&error);
    let kind = if error.is_connect() {
        let late = error.is_timeout();
        *met = Met::Unsent(if late {
            "no connection in time".to_owned()
        } else {
            detail
        });
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        *met = Met::NoAnswer(LATE.to_owned());
        HttpErrorKind::Timeout
    } else {
        *met = Met::NoAnswer(format!("broke the connection ({detail})"));
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error)
}

/// Notes an answer. A success is passed on as it streams in; anything else is read
/// here for what the store says.
async fn receive(
    response: http::Response<reqwest::Body>,
    meter: Option<Arc<Meter>>,
    exchange: &mut Exchange,
) -> Result<HttpResponse, HttpError> {
    let (parts, body) = response.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    exchange.date_ms = header("date").and_then(http_date_ms);
    exchange.pending = header("x-ms-copy-status") == Some("pending");
    let body = body.map_frame(move |frame| {
        if let (Some(meter), Some(bytes)) = (&meter, frame.data_ref()) {
            meter.received(bytes.len() as u64);
        }
        frame
    });
    if parts.status.is_success() {
        let body = body.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e.without_url()));
        return Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)));
    }
    exchange.object_size =
        header("content-range").and_then(|v| v.strip_prefix("bytes */")?.parse().ok());
    let text = match Limited::new(body, MAX_ERROR_BODY).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let said = String::from_utf8_lossy(&text);
    let code = header("x-ms-error-code")
        .map(str::to_owned)
        .or_else(|| element(&said, "Code"));
    exchange.met = Met::Refused {
        status: parts.status.as_u16(),
        code: code.unwrap_or_default(),
        message: element(&said, "Message")
            .or_else(|| json_message(&said))
            .unwrap_or_default(),
    };
    Ok(HttpResponse::from_parts(parts, said.into_owned().into()))
}

/// The first line of an XML element's text.
fn element(body: &str, name: &str) -> Option<String> {
    let start = body.find(&format!("<{name}>"))? + name.len() + 2;
    let end = start + body[start..].find("</")?;
    one_line(&body[start..end])
}

/// The `"message"` of a JSON error, escapes left as they are.
fn json_message(body: &str) -> Option<String> {
    let after = body.split_once("\"message\"")?.1.split_once('"')?.1;
    one_line(after.split('"').next()?)
}

fn one_line(text: &str) -> Option<String> {
    let line: String = text.lines().next()?.trim().chars().take(300).collect();
    (!line.is_empty()).then_some(line)
}

/// `Sat, 21 Nov 2026 02:05:23 GMT` as ms since the Unix epoch.
fn http_date_ms(date: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc2822(date)
        .ok()
        .map(|d| d.timestamp_millis())
}

/// What an error is about at its root: "connection refused" rather than "request failed".
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_is_found() {
        let s3 = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code>\
                  <Message>The specified bucket does not exist</Message></Error>";
        assert_eq!(element(s3, "Code").as_deref(), Some("NoSuchBucket"));
        assert_eq!(
            element(s3, "Message").as_deref(),
            Some("The specified bucket does not exist")
        );
        let azure = "<Message>Server failed.\nRequestId:1</Message>";
        assert_eq!(element(azure, "Message").as_deref(), Some("Server failed."));
        let gcs = r#"{"error": {"code": 403, "message": "denied here", "x": 1}}"#;
        assert_eq!(json_message(gcs).as_deref(), Some("denied here"));
        for odd in [
            "",
            "<Code>",
            "<Code></Code>",
            "{\"message\"",
            "{\"message\": 3}",
        ] {
            assert_eq!(
                (element(odd, "Code"), json_message(odd)),
                (None, None),
                "{odd}"
            );
        }
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(
            http_date_ms("Sat, 21 Nov 2026 02:05:23 GMT"),
            Some(1795226723000)
        );
        assert_eq!(http_date_ms("yesterday"), None);
    }
}

//! The admin port: metrics, health and the procedure API.
//!
//! | module | what |
//! | --- | --- |
//! | this one | [`Admin`]: listening, routes |
//! | [`metrics`] | the recorder, and what each metric means |
//! | `listener` | connections: how many, and for how long they may say nothing |
//! | `access` | who may ask |
//! | `procedures` | the procedure API |
//! | `answer` | replies and errors in JSON |
//!
//! One thread of its own with a small runtime; what needs SQLite runs on a thread for it.

mod access;
mod answer;
mod listener;
pub mod metrics;
mod procedures;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use serde_json::json;
use tokio::sync::oneshot;

use crate::config;
use crate::databases::Databases;
use crate::databases::health::Health;

/// Requests of the procedure API that are worked on at a time; others wait.
const SEATS: usize = 4;
/// Those, and health and metrics, which must be told while procedures run.
const THREADS: usize = SEATS + 2;
/// Between two times that measurements are tidied up.
const TIDY: Duration = Duration::from_secs(5);
/// How long the end waits for requests that use SQLite.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all requests share.
#[derive(Debug)]
pub struct Office {
    /// The databases.
    pub databases: Databases,
    /// The database of requests that name none.
    pub database: String,
    /// Whether the store is reached.
    pub health: Health,
    /// What scraping reads.
    pub metrics: metrics::Metrics,
    /// Who may ask.
    pub access: access::Access,
}

pub use access::Access;

/// The admin port, while it is served.
#[derive(Debug)]
pub struct Admin {
    addresses: Vec<SocketAddr>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Listens and serves, in a thread of its own.
    ///
    /// # Errors
    /// An address cannot be bound; the machine gives no thread.
    pub fn start(settings: &config::Admin, office: Office) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for address in config::addresses(&settings.host, settings.port)? {
            let listener = TcpListener::bind(address).map_err(|error| {
                let message = format!("cannot listen on {address}, the admin port: {error}; set another ADMIN_PORT (0: none)");
                io::Error::new(error.kind(), message)
            })?;
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<_>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(THREADS)
            .thread_name("admin-sql")
            .build()?;
        let office = Arc::new(office);
        let metrics = office.metrics.clone();
        let router = router(office, settings.body_limit);
        let (end, ended) = oneshot::channel();
        let serve = move || {
            runtime.block_on(serve(listeners, router, metrics, ended));
            runtime.shutdown_timeout(PATIENCE);
        };
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(serve)?;
        Ok(Self {
            addresses,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the admin port ended early");
        }
    }
}

async fn serve(
    listeners: Vec<TcpListener>,
    router: Router,
    metrics: metrics::Metrics,
    mut ended: oneshot::Receiver<()>,
) {
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let router = router.clone();
                tokio::spawn(async move {
                    let listener = listener::Patient::new(listener);
                    let service = router.into_make_service_with_connect_info::<listener::Busy>();
                    if let Err(error) = axum::serve(listener, service).await {
                        tracing::error!(%error, "the admin port is not served any more");
                    }
                });
            }
            Err(error) => tracing::error!(%error, "the admin port cannot be served"),
        }
    }
    // Until told to end.
    while tokio::time::timeout(TIDY, &mut ended).await.is_err() {
        metrics.tidy();
    }
}

fn router(office: Arc<Office>, body_limit: usize) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(scrape))
        .route(
            "/procedures",
            post(procedures::create).get(procedures::list),
        )
        .route("/procedures/{name}", delete(procedures::remove))
        .route("/procedures/{name}/call", post(procedures::call))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&office),
            access::guard,
        ));
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .merge(guarded)
        .fallback(answer::no_route)
        .method_not_allowed_fallback(answer::no_method)
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(middleware::from_fn(listener::began))
        .with_state(office)
}

/// Alive: it answers.
async fn health() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

/// Ready: the store is reached.
async fn ready(State(office): State<Arc<Office>>) -> Response {
    let health = office.health.clone();
    let looked = tokio::task::spawn_blocking(move || health.problem()).await;
    match looked.unwrap_or_else(|error| Some(error.to_string())) {
        None => Json(json!({"status": "ready"})).into_response(),
        Some(problem) => {
            let body = Json(json!({"status": "not ready", "problem": problem}));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

async fn scrape(State(office): State<Arc<Office>>) -> Response {
    let text = tokio::task::spawn_blocking(move || office.metrics.render(&office.databases)).await;
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    match text {
        Ok(text) => (kind, text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

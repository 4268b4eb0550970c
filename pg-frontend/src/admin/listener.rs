//! Connections of the admin port, so many at a time. Who asks has [`PATIENCE`] for the head of a request, from
//! connecting or from the last answer on, and as long to take a part of an answer.
//!
//! The head is read somewhere inside of the HTTP server: [`began`] is told when a request has got as far as
//! the routes, and what goes out says that it is answered.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// For the head of a request, and for a part of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Patient {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Patient {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }
}

impl Listener for Patient {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Watched, SocketAddr) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await;
            // Its own `accept` logs errors, and waits where no file descriptors are left.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(place) = place {
                return (Watched::new(stream, place), address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its deadline.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    busy: Busy,
    _place: OwnedSemaphorePermit,
}

/// A request of the connection is being answered: it takes as long as it takes.
#[derive(Debug, Clone)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Watched {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            deadline: Box::pin(tokio::time::sleep(PATIENCE)),
            busy: Busy(Arc::default()),
            _place: place,
        }
    }

    /// The time begins anew.
    fn again(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + PATIENCE);
    }

    /// The time is over, or the task is woken when it is.
    fn late(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.deadline
            .as_mut()
            .poll(context)
            .map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl Connected<IncomingStream<'_, Patient>> for Busy {
    fn connect_info(stream: IncomingStream<'_, Patient>) -> Self {
        stream.io().busy.clone()
    }
}

/// A request has come as far as to be answered.
pub(super) async fn began(
    ConnectInfo(busy): ConnectInfo<Busy>,
    request: Request,
    next: Next,
) -> Response {
    busy.0.store(true, Ordering::Relaxed);
    next.run(request).await
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            return Poll::Ready(outcome);
        }
        if this.busy.0.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Poll::Ready(Err(ready!(this.late(context))))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // The time for taking the answer begins with the answer.
        if this.busy.0.swap(false, Ordering::Relaxed) {
            this.again();
        }
        if let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            this.again();
            return Poll::Ready(outcome);
        }
        Poll::Ready(Err(ready!(this.late(context))))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

//! Listeners, limits, cancel requests, shutdown.
//!
//! | module | what |
//! | --- | --- |
//! | this one | [`run`]: accepts clients until told to end, and ends |
//! | [`settings`] | what an operator can set |
//! | [`client`] | one client's thread, from its first byte to its last |
//! | [`sessions`] | all sessions: cancel requests, the watcher's view |
//! | [`slots`] | so many sessions at a time |
//! | [`attempts`] | failed proofs by address |
//! | [`writers`] | the right to write a database, in line |
//! | [`flusher`] | group commit |
//! | [`shutdown`] | telling the server to end |
//! | [`clock`] | the time |

pub mod attempts;
mod client;
pub mod clock;
pub mod flusher;
pub mod sessions;
pub mod settings;
pub mod shutdown;
pub mod slots;
pub mod writers;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;

use crate::databases::Databases;
use crate::protocol::transport::{self, Socket};
use attempts::Attempts;
use sessions::{Interrupt, Phase, Sessions};
pub use settings::Settings;
pub use shutdown::Shutdown;
use slots::Slots;
use writers::Commons;

/// How often the watcher looks: with deadlines, and without.
const WATCH: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(50));
/// Clients that are not let in yet, for each place. Beyond that the one that has been silent for longest makes
/// room for the next, so that half-open connections keep nobody out.
const WAITING_FOR_EACH: usize = 10;
/// From the end of the grace time on, for what clients are told at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A session's thread; SQL nests deeply.
const STACK: usize = 8 << 20;

/// What all clients' threads share.
#[derive(Debug)]
pub struct Server {
    /// The operator's settings.
    pub settings: Settings,
    /// The databases.
    pub databases: Databases,
    /// The sessions.
    pub sessions: Sessions,
    /// What the sessions of a database share.
    pub commons: Commons,
    /// The end, once it has begun.
    pub shutdown: Shutdown,
    slots: Arc<Slots>,
    attempts: Attempts,
    tls: Option<Arc<ServerConfig>>,
    threads: AtomicUsize,
}

/// Listeners that are bound: their addresses are known, and clients may connect.
#[derive(Debug)]
pub struct Bound {
    tcp: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    server: Arc<Server>,
}

/// Listens. With port 0 the machine chooses one: see [`Bound::addresses`].
///
/// # Errors
/// An address cannot be bound; the TLS files cannot be used.
pub fn bind(settings: Settings, databases: Databases, shutdown: Shutdown) -> io::Result<Bound> {
    let tls = match &settings.tls {
        Some(files) => Some(transport::tls(&files.certificate, &files.key)?),
        None => None,
    };
    let mut tcp = Vec::new();
    for address in &settings.listen {
        let listener = TcpListener::bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        listener.set_nonblocking(true)?;
        tcp.push(listener);
    }
    let port = tcp
        .first()
        .map(TcpListener::local_addr)
        .transpose()?
        .map_or(5432, |address| address.port());
    let unix = match &settings.socket_directory {
        Some(directory) => Some(bind_unix(directory.join(format!(".s.PGSQL.{port}")))?),
        None => None,
    };
    let server = Server {
        slots: Arc::new(Slots::new(settings.connections)),
        attempts: Attempts::new(settings.authentication_attempts),
        settings,
        databases,
        sessions: Sessions::default(),
        commons: Commons::default(),
        shutdown,
        tls,
        threads: AtomicUsize::new(0),
    };
    Ok(Bound {
        tcp,
        unix,
        server: Arc::new(server),
    })
}

fn bind_unix(path: PathBuf) -> io::Result<(UnixListener, PathBuf)> {
    let refused = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", path.display()),
        )
    };
    // A socket that nobody answers on was left by a server that was killed.
    if path.exists() && std::os::unix::net::UnixStream::connect(&path).is_err() {
        std::fs::remove_file(&path).map_err(refused)?;
    }
    let listener = UnixListener::bind(&path).map_err(refused)?;
    listener.set_nonblocking(true)?;
    Ok((listener, path))
}

/// Listens and serves: see [`bind`] and [`Bound::serve`].
///
/// # Errors
/// As for those.
pub fn run(settings: Settings, databases: Databases, shutdown: Shutdown) -> io::Result<()> {
    bind(settings, databases, shutdown)?.serve()
}

impl Bound {
    /// The addresses that are listened on.
    ///
    /// # Errors
    /// The machine does not say.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.tcp.iter().map(TcpListener::local_addr).collect()
    }

    /// What the clients' threads share, for whoever wants to look at it.
    #[must_use]
    pub fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// Serves clients until the shutdown begins, then lets them finish their transactions within the
    /// grace time. Returns when all sessions have ended.
    ///
    /// # Errors
    /// The machine cannot wait for clients.
    pub fn serve(self) -> io::Result<()> {
        let watcher = {
            let server = Arc::clone(&self.server);
            thread::Builder::new()
                .name("watcher".to_owned())
                .spawn(move || server.watch())?
        };
        let outcome = self.accept();
        let Self { tcp, unix, server } = self;
        drop(tcp);
        if let Some((listener, path)) = unix {
            drop(listener);
            let _ = std::fs::remove_file(path);
        }
        server.shutdown.begin();
        server.drain();
        if watcher.join().is_err() {
            tracing::error!("the watcher of sessions ended early");
        }
        outcome
    }

    fn accept(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        loop {
            let mut fds = vec![PollFd::from_borrowed_fd(
                self.server.shutdown.fd(),
                PollFlags::IN,
            )];
            let unix = self.unix.iter().map(|(listener, _)| listener.as_fd());
            let listeners = self.tcp.iter().map(AsFd::as_fd).chain(unix);
            fds.extend(listeners.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if self.server.shutdown.begun() {
                return Ok(());
            }
            for listener in &self.tcp {
                self.server.accept(listener.accept().map(|(stream, _)| {
                    stream.set_nonblocking(false).map(|()| Socket::Tcp(stream))
                }));
            }
            if let Some((listener, _)) = &self.unix {
                self.server.accept(listener.accept().map(|(stream, _)| {
                    stream.set_nonblocking(false).map(|()| Socket::Unix(stream))
                }));
            }
        }
    }
}

impl Server {
    fn accept(self: &Arc<Self>, accepted: io::Result<io::Result<Socket>>) {
        let socket = match accepted.and_then(|socket| socket) {
            Ok(socket) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                // Out of file descriptors, perhaps: without a pause this would be a busy loop.
                clock::sleep(Duration::from_millis(10));
                return;
            }
        };
        let limit = self
            .settings
            .connections
            .saturating_mul(1 + WAITING_FOR_EACH);
        let threads = self.threads.fetch_add(1, Ordering::AcqRel);
        // Who makes room needs a moment to go.
        let room = threads < limit || threads < 2 * limit && self.sessions.make_room();
        if !room {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            client::turn_away(socket);
            return;
        }
        let server = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("session".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let counted = Counted(&server.threads);
                client::serve(&server, socket);
                drop(counted);
            });
        if let Err(error) = spawned {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "cannot start a thread for a client");
        }
    }

    /// Looks after all sessions until the last one has ended after the shutdown.
    fn watch(&self) {
        loop {
            let sessions = self.sessions.list();
            let urgent = sessions
                .iter()
                .fold(false, |urgent, session| session.watch() | urgent);
            metrics::gauge!("pg_connections_active").set(to_f64(self.slots.taken()));
            let reading = sessions
                .iter()
                .filter(|session| session.may_hold_snapshot())
                .count();
            metrics::gauge!("sqlite_locks_held", "kind" => "shared").set(to_f64(reading));
            if self.shutdown.begun() && self.threads.load(Ordering::Acquire) == 0 {
                return;
            }
            clock::sleep(if urgent { WATCH.0 } else { WATCH.1 });
        }
    }

    /// Ends the sessions: those that wait outside of a transaction now, the others when they have
    /// finished theirs or the grace time is over.
    fn drain(&self) {
        let deadline = clock::monotonic() + self.settings.shutdown_grace;
        tracing::info!(
            sessions = self.sessions.count(),
            "shutting down: waiting for open transactions"
        );
        loop {
            let late = clock::monotonic() >= deadline;
            for session in self.sessions.list() {
                // Who does not read either is not waited for.
                if clock::monotonic() >= deadline + LAST_WORDS {
                    session.interrupt(Interrupt::Gone);
                } else if late || matches!(session.phase(), Phase::Idle | Phase::Starting) {
                    session.interrupt(Interrupt::Shutdown);
                }
            }
            if self.threads.load(Ordering::Acquire) == 0 {
                return;
            }
            clock::sleep(Duration::from_millis(10));
        }
    }
}

/// A thread, as long as it lives; also if it panics.
struct Counted<'c>(&'c AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of small numbers")]
fn to_f64(number: usize) -> f64 {
    number as f64
}

//! One client's thread, from its first byte to its last.

use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;

use super::Server;
use super::sessions::{Handle, Interrupt, Phase};
use crate::error::{PgError, Result};
use crate::protocol::auth::{self, Method};
use crate::protocol::backend::{self, Severity};
use crate::protocol::startup::{self, Startup, Wish};
use crate::protocol::transport::Socket;
use crate::protocol::wire::{Lost, Wire};
use crate::session;

/// Serves a client. What goes wrong is told to the client, and logged.
pub(super) fn serve(server: &Server, socket: Socket) {
    let peer = socket.peer();
    if let Err(error) = socket.prepare().and_then(|()| begin(server, socket, &peer)) {
        tracing::debug!(%error, peer, "a client could not be served");
    }
}

/// Tells a client that there are too many already. The socket is new: the message finds room in it.
pub(super) fn turn_away(mut socket: Socket) {
    let mut out = BytesMut::new();
    backend::error(&mut out, Severity::Fatal, &too_many());
    let _ = std::io::Write::write(&mut socket, &out);
}

fn too_many() -> PgError {
    PgError::new("53300", "sorry, too many clients already")
        .hint("Close connections that are not needed, or raise CONNECTION_POOL_SIZE.")
}

fn begin(server: &Server, socket: Socket, peer: &str) -> std::io::Result<()> {
    let mut secret = [0; 4];
    auth::random(&mut secret)?;
    let handle = server.sessions.begin(
        u32::from_ne_bytes(secret),
        socket.try_clone()?,
        server.settings.authentication_timeout,
    );
    let address = match &socket {
        Socket::Tcp(stream) => stream.peer_addr().ok().map(|address| address.ip()),
        Socket::Unix(_) => None,
    };
    let mut wire = Wire::new(socket, server.settings.max_message);
    wire.be_patient(server.settings.send_timeout);
    let client = Client {
        server,
        handle: &handle,
        address,
        peer,
    };
    client.converse(&mut wire);
    wire.close();
    Ok(())
}

struct Client<'s> {
    server: &'s Server,
    handle: &'s Handle,
    address: Option<IpAddr>,
    peer: &'s str,
}

impl Client<'_> {
    fn converse(&self, wire: &mut Wire) {
        let lost = match startup::negotiate(wire, self.server.tls.as_ref()) {
            Ok(Wish::Cancel { pid, secret }) => {
                self.server.sessions.cancel(pid, secret);
                return;
            }
            Ok(Wish::Session(startup)) => self.admit(wire, startup),
            Err(lost) => Err(lost),
        };
        let Err(lost) = lost else { return };
        let error = match (lost, self.handle.interrupted()) {
            (_, Interrupt::AuthenticationTimeout) => {
                PgError::new("57014", "canceling authentication due to timeout")
            }
            (_, Interrupt::Crowded) => too_many(),
            (_, Interrupt::Shutdown) => session::shutting_down(),
            (Lost::Protocol(error), _) => error,
            (Lost::Closed, _) => return,
            (Lost::Io(error), _) => {
                tracing::debug!(peer = self.peer, %error, "a client was lost before its session began");
                return;
            }
        };
        tracing::info!(peer = self.peer, code = error.code, error = %error.message, "a client was refused");
        backend::error(&mut wire.out, Severity::Fatal, &error);
    }

    /// Lets a client in, and serves it to its end.
    fn admit(&self, wire: &mut Wire, startup: Startup) -> Result<(), Lost> {
        let settings = &self.server.settings;
        let local = self.address.is_none();
        if settings.tls.as_ref().is_some_and(|tls| tls.required) && !wire.encrypted() && !local {
            return Err(Lost::Protocol(
                PgError::new("28000", "this server accepts encrypted connections only")
                    .hint("Connect with sslmode=require."),
            ));
        }
        self.authenticate(wire, &startup.user)?;
        let _slot = self.slot(wire)?;
        session::run(self.server, self.handle, wire, startup, self.peer)
    }

    fn authenticate(&self, wire: &mut Wire, user: &str) -> Result<(), Lost> {
        let attempts = &self.server.attempts;
        let authentication = &self.server.settings.authentication;
        let guessing = authentication.method != Method::Trust
            && self
                .address
                .is_some_and(|address| attempts.exhausted(address));
        let outcome = if guessing {
            Err(Lost::Protocol(
                PgError::new(
                    "28000",
                    "too many failed attempts to authenticate from this address",
                )
                .hint("Try again in a minute."),
            ))
        } else {
            auth::authenticate(wire, user, authentication)
        };
        if let Err(Lost::Protocol(error)) = &outcome {
            metrics::counter!("pg_authentication_failures_total").increment(1);
            tracing::warn!(
                peer = self.peer,
                user,
                code = error.code,
                "authentication failed"
            );
            if !guessing && let Some(address) = self.address {
                attempts.failed(address);
            }
        }
        outcome
    }

    fn slot(&self, wire: &mut Wire) -> Result<super::slots::Slot, Lost> {
        if let Some(slot) = self.server.slots.take(Duration::ZERO) {
            return Ok(slot);
        }
        // What it has waited for so far, it may see.
        wire.flush()?;
        self.handle.enter(Phase::Starting, Duration::ZERO);
        let slot = self.server.slots.take(self.server.settings.connection_wait);
        slot.ok_or_else(|| Lost::Protocol(too_many()))
    }
}

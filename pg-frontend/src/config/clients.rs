//! What the server takes of the settings: addresses looked up, the password made a verifier.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::Clients;
use crate::protocol::auth::{Authentication, Method, Verifier};
use crate::server;

/// A client that has not been let in after this time is disconnected.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(60);

impl Clients {
    /// For the server. The password itself is not among it.
    ///
    /// # Errors
    /// The host has no address; the machine gives no random bytes.
    pub fn for_server(&self) -> io::Result<server::Settings> {
        Ok(server::Settings {
            listen: addresses(&self.host, self.port)?,
            socket_directory: self.socket_directory.clone(),
            tls: self.tls.clone(),
            authentication: self.authentication()?,
            authentication_timeout: AUTHENTICATION_TIMEOUT,
            connections: self.pool_size,
            connection_wait: self.pool_wait,
            max_message: self.max_message,
            statement_timeout: self.statement_timeout,
            idle_in_transaction_timeout: self.idle_in_transaction_timeout,
            send_timeout: self.send_timeout,
            lock_wait: self.lock_wait,
            transaction_mode: self.transaction_mode,
            server_version: self.version.clone(),
            time_zone: self.time_zone.clone(),
            slow_query: self.slow_query,
            shutdown_grace: self.shutdown_timeout,
            ..server::Settings::default()
        })
    }

    /// A verifier is what is kept of the password.
    fn authentication(&self) -> io::Result<Authentication> {
        let Some(password) = &self.password else {
            return Ok(Authentication {
                method: self.method,
                ..Authentication::default()
            });
        };
        let verifier = match self.method {
            Method::Md5 => Verifier::md5(&self.user, &password.0),
            _ => {
                let mut salt = [0; 16];
                rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())?;
                Verifier::scram(&password.0, &salt)
            }
        };
        Ok(Authentication {
            method: self.method,
            users: [(self.user.clone(), verifier)].into(),
        })
    }
}

/// The addresses of a host to listen on.
///
/// # Errors
/// It has none.
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, port).to_socket_addrs();
    let mut addresses: Vec<SocketAddr> = found
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {host}: {error}")))?
        .collect();
    addresses.dedup();
    Ok(addresses)
}

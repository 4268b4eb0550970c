//! The wire: messages, startup, authentication, TLS.
//! <https://www.postgresql.org/docs/15/protocol-message-formats.html>
//!
//! | module | what |
//! | --- | --- |
//! | [`frontend`] | what clients send, taken apart with every length checked |
//! | [`backend`] | what we send, written straight into the output buffer |
//! | [`wire`] | a client's socket with its buffers |
//! | [`transport`] | TCP, Unix socket, TLS over TCP |
//! | [`startup`] | from the first byte to the user's and the database's name |
//! | [`auth`] | trust, password, md5, SCRAM-SHA-256 |

pub mod auth;
pub mod backend;
pub mod frontend;
pub mod startup;
pub mod transport;
pub mod wire;

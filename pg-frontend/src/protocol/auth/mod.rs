//! Who a client is: trust, password, md5, SCRAM-SHA-256.
//!
//! What is kept of a password is a [`Verifier`], in the text form of `pg_authid.rolpassword`: it proves a
//! password, and is none. A user who does not exist is asked like one who does, and fails as late.

mod scram;
mod verifier;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use md5::{Digest, Md5};

pub use scram::Exchange;
pub use verifier::Verifier;

use super::backend;
use super::frontend::Message;
use super::wire::{Lost, Wire};
use crate::error::PgError;

/// As in Postgres (`PG_MAX_AUTH_TOKEN_LENGTH`): more is no password.
const MAX_ANSWER: usize = 65_535;

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Not at all.
    Trust,
    /// The password as it is. Only as secret as the connection.
    Password,
    /// MD5 with a salt, for old clients.
    Md5,
    /// SCRAM-SHA-256.
    #[default]
    Scram,
}

/// Who may come, and how it is proved.
#[derive(Debug, Clone, Default)]
pub struct Authentication {
    /// How.
    pub method: Method,
    /// Users by name. With [`Method::Trust`] any name will do.
    pub users: BTreeMap<String, Verifier>,
}

/// Asks a client for its proof.
///
/// # Errors
/// 28P01: not proved. 28000: the method does not fit what is kept. Or the client went away.
pub fn authenticate(wire: &mut Wire, user: &str, settings: &Authentication) -> Result<(), Lost> {
    let known = settings.users.get(user);
    let proved = match (settings.method, known) {
        (Method::Trust, _) => true,
        (Method::Password, _) => password(wire, user, known)?,
        // As Postgres: the method md5 asks for SCRAM where that is what is kept.
        (Method::Md5, Some(Verifier::Md5(_))) => md5(wire, user, known)?,
        (Method::Scram, Some(Verifier::Md5(_))) => {
            return Err(Lost::Protocol(
                PgError::new(
                    "28000",
                    "the user has an MD5 verifier, which cannot prove SCRAM-SHA-256",
                )
                .hint("Set the password again, or the authentication method to md5."),
            ));
        }
        (Method::Md5 | Method::Scram, _) => scram(wire, user, known)?,
    };
    if !proved {
        return Err(Lost::Protocol(PgError::new(
            "28P01",
            format!("password authentication failed for user \"{user}\""),
        )));
    }
    backend::authentication(&mut wire.out, 0, &[]);
    Ok(())
}

fn password(wire: &mut Wire, user: &str, known: Option<&Verifier>) -> Result<bool, Lost> {
    backend::authentication(&mut wire.out, 3, &[]);
    let answer = answer(wire)?;
    Ok(match (known, c_string(&answer)) {
        (Some(verifier), Some(password)) => verifier.proves(user, password),
        _ => false,
    })
}

fn md5(wire: &mut Wire, user: &str, known: Option<&Verifier>) -> Result<bool, Lost> {
    let mut salt = [0; 4];
    random(&mut salt)?;
    backend::authentication(&mut wire.out, 5, &salt);
    let answer = answer(wire)?;
    let stored = match known {
        Some(Verifier::Md5(stored)) => stored.clone(),
        _ => verifier::md5_hex(&[b"", user.as_bytes()]),
    };
    let expected = format!("md5{}", verifier::md5_hex(&[stored.as_bytes(), &salt]));
    let same =
        c_string(&answer).is_some_and(|text| verifier::same(text.as_bytes(), expected.as_bytes()));
    Ok(same && known.is_some())
}

fn scram(wire: &mut Wire, user: &str, known: Option<&Verifier>) -> Result<bool, Lost> {
    backend::authentication(&mut wire.out, 10, b"SCRAM-SHA-256\0\0");
    let first = answer(wire)?;
    let first = scram::initial_response(&first).map_err(Lost::Protocol)?;
    let mut nonce = [0; 18];
    random(&mut nonce)?;
    let (exchange, challenge) =
        Exchange::begin(first, user, known, &nonce).map_err(Lost::Protocol)?;
    backend::authentication(&mut wire.out, 11, challenge.as_bytes());
    let last = answer(wire)?;
    match exchange.finish(&last).map_err(Lost::Protocol)? {
        Some(proof) => {
            backend::authentication(&mut wire.out, 12, proof.as_bytes());
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Asks, and waits for a password message.
fn answer(wire: &mut Wire) -> Result<Vec<u8>, Lost> {
    wire.flush()?;
    let frame = wire.next_frame_up_to(MAX_ANSWER)?;
    match Message::parse(&frame).map_err(Lost::Protocol)? {
        Message::Password(bytes) => Ok(bytes.to_vec()),
        Message::Terminate => Err(Lost::Closed),
        _ => Err(Lost::Protocol(PgError::new(
            "08P01",
            "expected a password response",
        ))),
    }
}

fn c_string(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_suffix(&[0])?).ok()
}

/// Fills a buffer with randomness from the kernel.
///
/// # Errors
/// The kernel has none.
pub fn random(buffer: &mut [u8]) -> std::io::Result<()> {
    let got = rustix::rand::getrandom(&mut *buffer, rustix::rand::GetRandomFlags::empty())?;
    if got == buffer.len() {
        Ok(())
    } else {
        Err(std::io::Error::other(
            "the kernel gave too little randomness",
        ))
    }
}

/// What only this process knows: the salts of users who do not exist come from it.
fn process_secret() -> &'static [u8; 16] {
    static SECRET: OnceLock<[u8; 16]> = OnceLock::new();
    SECRET.get_or_init(|| {
        let mut secret = [0; 16];
        // Without randomness nobody gets as far as a salt: each exchange needs a nonce.
        let _ = random(&mut secret);
        secret
    })
}

fn md5_of(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Md5::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

//! What is kept instead of a password.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

use crate::error::{PgError, Result};

/// As in Postgres (`SCRAM_SHA_256_DEFAULT_ITERATIONS`).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
/// More than this is somebody's attempt to keep us busy.
const MAX_ITERATIONS: u32 = 10_000_000;

/// What proves a password without being one. Its text is that of `pg_authid.rolpassword`.
#[derive(Clone, PartialEq, Eq)]
pub enum Verifier {
    /// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`
    Scram {
        /// Rounds of PBKDF2.
        iterations: NonZeroU32,
        /// Its salt.
        salt: Vec<u8>,
        /// `H(ClientKey)`
        stored_key: [u8; 32],
        /// What proves the server to the client.
        server_key: [u8; 32],
    },
    /// `md5` and 32 hexadecimal digits, which are here: of the password and the user's name.
    Md5(String),
}

impl Verifier {
    /// Of a password, with a salt that must be random.
    #[must_use]
    pub fn scram(password: &str, salt: &[u8; 16]) -> Self {
        let (stored_key, server_key) = keys(password, salt, ITERATIONS);
        Self::Scram {
            iterations: ITERATIONS,
            salt: salt.to_vec(),
            stored_key,
            server_key,
        }
    }

    /// Of a password, for clients that know md5 only.
    #[must_use]
    pub fn md5(user: &str, password: &str) -> Self {
        Self::Md5(md5_hex(&[password.as_bytes(), user.as_bytes()]))
    }

    /// From its text.
    ///
    /// # Errors
    /// 22023: it is no verifier.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed = match text.strip_prefix("md5") {
            Some(hex) if hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Some(Self::Md5(hex.to_ascii_lowercase()))
            }
            _ => parse_scram(text),
        };
        parsed.ok_or_else(|| {
            PgError::new("22023", "this is no password verifier").hint(
                "It looks like SCRAM-SHA-256$4096:salt$StoredKey:ServerKey, or like md5 with 32 hexadecimal digits.",
            )
        })
    }

    /// It is a verifier of this user's password.
    #[must_use]
    pub fn proves(&self, user: &str, password: &str) -> bool {
        match self {
            Self::Scram {
                iterations,
                salt,
                stored_key,
                ..
            } => same(&keys(password, salt, *iterations).0, stored_key),
            Self::Md5(hex) => {
                let given = md5_hex(&[password.as_bytes(), user.as_bytes()]);
                same(given.as_bytes(), hex.as_bytes())
            }
        }
    }
}

fn parse_scram(text: &str) -> Option<Verifier> {
    let rest = text.strip_prefix("SCRAM-SHA-256$")?;
    let (rounds, keys) = rest.split_once('$')?;
    let (iterations, salt) = rounds.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let key = |text: &str| <[u8; 32]>::try_from(BASE64.decode(text).ok()?).ok();
    Some(Verifier::Scram {
        iterations: NonZeroU32::new(iterations.parse().ok()?)
            .filter(|rounds| rounds.get() <= MAX_ITERATIONS)?,
        salt: BASE64.decode(salt).ok()?,
        stored_key: key(stored)?,
        server_key: key(server)?,
    })
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scram {
                iterations,
                salt,
                stored_key,
                server_key,
            } => write!(
                f,
                "SCRAM-SHA-256${iterations}:{}${}:{}",
                BASE64.encode(salt),
                BASE64.encode(stored_key),
                BASE64.encode(server_key)
            ),
            Self::Md5(hex) => write!(f, "md5{hex}"),
        }
    }
}

/// Not in logs: it is as good as a password for a guesser.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scram { .. } => "Scram(…)",
            Self::Md5(_) => "Md5(…)",
        })
    }
}

/// `StoredKey` and `ServerKey` of a password. <https://www.rfc-editor.org/rfc/rfc5802#section-3>
///
/// What SASLprep does not take, as control characters, is hashed as it is, as by Postgres and its clients.
fn keys(password: &str, salt: &[u8], iterations: NonZeroU32) -> ([u8; 32], [u8; 32]) {
    let prepared = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        prepared.as_bytes(),
        &mut salted,
    );
    let client_key = sign(&salted, b"Client Key");
    (sha256(&client_key), sign(&salted, b"Server Key"))
}

pub(super) fn sign(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    array(tag.as_ref())
}

pub(super) fn sha256(data: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, data).as_ref())
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    array
}

pub(super) fn md5_hex(parts: &[&[u8]]) -> String {
    super::md5_of(parts)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Compares in a time that tells nothing about where they differ.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What PostgreSQL 15 keeps for the password `secret` with this salt.
    const POSTGRES: &str = "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$";

    #[test]
    fn a_verifier_survives_its_text() {
        let salt = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let verifier = Verifier::scram("secret", &salt);
        let text = verifier.to_string();
        assert!(text.starts_with(POSTGRES), "{text}");
        assert_eq!(Verifier::parse(&text).unwrap(), verifier);
        assert!(verifier.proves("me", "secret"));
        assert!(!verifier.proves("me", "Secret"));
    }

    #[test]
    fn passwords_that_look_alike_are_one() {
        let (composed, ligature, space) =
            ("caf\u{e9} fi", "cafe\u{301} \u{fb01}", "caf\u{e9}\u{a0}fi");
        let verifier = Verifier::scram(composed, &[7; 16]);
        assert!(verifier.proves("me", ligature));
        assert!(verifier.proves("me", space));
        assert!(!verifier.proves("me", "cafe fi"));
        // Not prepared: it has a control character, and is taken as it is.
        let verifier = Verifier::scram("bell\u{7} \u{fb01}", &[7; 16]);
        assert!(verifier.proves("me", "bell\u{7} \u{fb01}"));
        assert!(!verifier.proves("me", "bell\u{7} fi"));
    }

    #[test]
    fn md5_is_postgres_own() {
        // SELECT 'md5' || md5('secret' || 'me')
        assert_eq!(
            Verifier::md5("me", "secret").to_string(),
            format!("md5{}", md5_hex(&[b"secretme"]))
        );
        assert!(Verifier::md5("me", "secret").proves("me", "secret"));
        assert_eq!(md5_hex(&[b"abc"]), "900150983cd24fb0d6963f7d28e17f72");
    }

    proptest! {
        #[test]
        fn any_text_may_be_given(text: String) {
            let _ = Verifier::parse(&text);
        }
    }
}

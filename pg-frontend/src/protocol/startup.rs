//! From a client's first byte to who it is: encryption, cancel requests, the startup message.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;

use super::backend;
use super::frontend::Fields;
use super::wire::{Lost, Wire};
use crate::error::{PgError, Result};

const CANCEL: u32 = (1234 << 16) | 5678;
const SSL: u32 = (1234 << 16) | 5679;
const GSS: u32 = (1234 << 16) | 5680;
/// As in Postgres (`MAX_STARTUP_PACKET_LENGTH`).
const MAX_STARTUP: usize = 10_000;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A session.
    Session(Startup),
    /// To interrupt another session's statement.
    Cancel {
        /// The session's number.
        pid: i32,
        /// What only its client knows.
        secret: u32,
    },
}

/// The startup message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The user's name.
    pub user: String,
    /// The database's name; the user's where none is given.
    pub database: String,
    /// The other parameters: settings of the session.
    pub settings: BTreeMap<String, String>,
}

/// A packet of the startup phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Asks for TLS.
    Ssl,
    /// Asks for GSSAPI encryption, which we do not have.
    Gss,
    /// A cancel request.
    Cancel(i32, u32),
    /// A startup message: its minor version, and its parameters as they came.
    Startup(u16, Vec<(String, String)>),
}

impl Packet {
    /// Takes a packet apart.
    ///
    /// # Errors
    /// 0A000: another protocol; 08P01: the layout is wrong.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields(body);
        match fields.u32()? {
            SSL => Ok(Self::Ssl),
            GSS => Ok(Self::Gss),
            CANCEL => Ok(Self::Cancel(fields.u32()?.cast_signed(), fields.u32()?)),
            version if version >> 16 == 3 => {
                let mut parameters = Vec::new();
                loop {
                    match fields.string()? {
                        "" => break,
                        name => parameters.push((name.to_owned(), fields.string()?.to_owned())),
                    }
                }
                if !fields.0.is_empty() {
                    return Err(PgError::new(
                        "08P01",
                        "invalid startup packet layout: expected terminator as last byte",
                    ));
                }
                Ok(Self::Startup((version & 0xffff) as u16, parameters))
            }
            version => Err(PgError::new(
                "0A000",
                format!(
                    "unsupported frontend protocol {}.{}: server supports 3.0",
                    version >> 16,
                    version & 0xffff
                ),
            )),
        }
    }
}

/// Reads packets until the client says what it wants, and encrypts where it asks for that.
///
/// # Errors
/// The client went away, or what it sent is no startup packet.
pub fn negotiate(wire: &mut Wire, tls: Option<&Arc<ServerConfig>>) -> Result<Wish, Lost> {
    // A client may ask for each kind of encryption once.
    let (mut asked_ssl, mut asked_gss) = (false, false);
    loop {
        let body = wire.next_untyped(MAX_STARTUP)?;
        match Packet::parse(&body).map_err(Lost::Protocol)? {
            Packet::Ssl if !asked_ssl => {
                asked_ssl = true;
                match tls {
                    Some(config) if !wire.encrypted() => {
                        wire.answer(b'S')?;
                        wire.encrypt(Arc::clone(config))?;
                    }
                    _ => wire.answer(b'N')?,
                }
            }
            Packet::Gss if !asked_gss => {
                asked_gss = true;
                wire.answer(b'N')?;
            }
            Packet::Ssl | Packet::Gss => {
                return Err(Lost::Protocol(PgError::new(
                    "08P01",
                    "the client asked for encryption twice",
                )));
            }
            Packet::Cancel(pid, secret) => return Ok(Wish::Cancel { pid, secret }),
            Packet::Startup(minor, parameters) => {
                let startup = Startup::from(minor, parameters, wire).map_err(Lost::Protocol)?;
                return Ok(Wish::Session(startup));
            }
        }
    }
}

impl Startup {
    fn from(minor: u16, parameters: Vec<(String, String)>, wire: &mut Wire) -> Result<Self> {
        let (options, parameters): (Vec<_>, Vec<_>) = parameters
            .into_iter()
            .partition(|(name, _)| name.starts_with("_pq_."));
        if minor > 0 || !options.is_empty() {
            let names: Vec<&str> = options.iter().map(|(name, _)| name.as_str()).collect();
            backend::negotiate_version(&mut wire.out, &names);
        }
        let mut startup = Self {
            user: String::new(),
            database: String::new(),
            settings: BTreeMap::new(),
        };
        for (name, value) in parameters {
            match name.as_str() {
                "user" => startup.user = value,
                "database" => startup.database = value,
                "replication" if !matches!(&*value, "false" | "off" | "no" | "0") => {
                    return Err(PgError::new("0A000", "replication is not supported"));
                }
                "replication" => {}
                "options" => startup.settings.extend(options_settings(&value)?),
                _ => {
                    startup.settings.insert(name.to_ascii_lowercase(), value);
                }
            }
        }
        if startup.user.is_empty() {
            return Err(PgError::new(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            ));
        }
        if startup.database.is_empty() {
            startup.database.clone_from(&startup.user);
        }
        Ok(startup)
    }
}

/// `-c name=value --name=value`, words split at spaces, a backslash before a space that belongs to a value.
fn options_settings(options: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (' ' | '\t' | '\n', _) => words.push(String::new()),
            (other, Some(word)) => word.push(other),
            (_, None) => {}
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next()
        } else {
            word.strip_prefix("-c")
                .or_else(|| word.strip_prefix("--"))
                .map(str::to_owned)
        };
        let (name, value) = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='))
            .ok_or_else(|| {
                PgError::new(
                    "42601",
                    format!("invalid command-line argument for server process: {word}"),
                )
            })?;
        settings.push((
            name.replace('-', "_").to_ascii_lowercase(),
            value.to_owned(),
        ));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_are_told_apart() {
        assert_eq!(Packet::parse(&SSL.to_be_bytes()).unwrap(), Packet::Ssl);
        let mut cancel = CANCEL.to_be_bytes().to_vec();
        cancel.extend([0, 0, 0, 7, 0, 0, 0, 9]);
        assert_eq!(Packet::parse(&cancel).unwrap(), Packet::Cancel(7, 9));
        let startup = Packet::parse(b"\0\x03\0\0user\0me\0\0").unwrap();
        assert_eq!(
            startup,
            Packet::Startup(0, vec![("user".into(), "me".into())])
        );
        assert_eq!(Packet::parse(b"\0\x02\0\0\0").unwrap_err().code, "0A000");
        assert_eq!(Packet::parse(b"\0\x03\0\0user").unwrap_err().code, "08P01");
    }

    #[test]
    fn options_are_split() {
        let settings =
            options_settings(r"-c search_path=a\ b --statement-timeout=5 -cx=1").unwrap();
        let expected = [
            ("search_path", "a b"),
            ("statement_timeout", "5"),
            ("x", "1"),
        ];
        assert_eq!(
            settings,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(options_settings("-z").is_err());
    }

    proptest! {
        #[test]
        fn anything_may_come(body: Vec<u8>) {
            let _ = Packet::parse(&body);
        }

        #[test]
        fn any_options_may_come(options: String) {
            let _ = options_settings(&options);
        }
    }
}

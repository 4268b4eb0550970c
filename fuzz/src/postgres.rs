//! What a Postgres client may send, up to its statements: messages, startup, proofs of a password.
//!
//! Bytes go through a socket, as they do in the server: what is checked is all that a client can reach
//! before, and after, it has been let in.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

use pg_frontend::error::PgError;
use pg_frontend::protocol::auth::{Authentication, Method, Verifier, authenticate};
use pg_frontend::protocol::frontend::{Bind, Frame, Message, Target};
use pg_frontend::protocol::startup::{Packet, Wish, negotiate};
use pg_frontend::protocol::transport::Socket;
use pg_frontend::protocol::wire::{Lost, Wire};
use pg_frontend::types::Format;

/// The longest message: shorter than the longest input, so that the limit is met.
const LONGEST: usize = 1000;
/// So much fits a socket's buffer: the writer does not wait for the reader.
const FITS: usize = 64 * 1024;

/// A wire whose client has sent these bytes and gone. The client's end is kept, so that answers have a place.
fn wire(bytes: &[u8]) -> (Wire, UnixStream) {
    let (mut client, server) = UnixStream::pair().expect("two sockets");
    client
        .write_all(&bytes[..bytes.len().min(FITS)])
        .expect("room");
    client.shutdown(Shutdown::Write).expect("an open socket");
    (Wire::new(Socket::Unix(server), LONGEST), client)
}

/// An error is a sentence with a code, and says nothing of our insides.
pub fn is_a_sentence(error: &PgError) {
    let code = error.code.as_bytes();
    assert!(
        code.len() == 5
            && code
                .iter()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()),
        "{error:?}"
    );
    assert!(!error.message.trim().is_empty(), "{error:?}");
    assert_ne!(error.code, "XX000", "{error:?}");
}

/// Frames until the client is gone. Each that is taken has a message, which is written again as it came, or
/// an error; what is cut off is never taken.
pub fn messages(bytes: &[u8]) {
    let (mut wire, _client) = wire(bytes);
    let mut used = 0;
    let lost = loop {
        match wire.next_frame() {
            Ok(frame) => {
                assert_eq!(frame.kind, bytes[used]);
                used += 5 + frame.body.len();
                message(&frame);
            }
            Err(lost) => break lost,
        }
    };
    match lost {
        Lost::Closed => assert!(used <= bytes.len()),
        Lost::Protocol(error) => is_a_sentence(&error),
        Lost::Io(error) => panic!("{error}"),
    }
}

fn message(frame: &Frame) {
    match Message::parse(frame) {
        Err(error) => is_a_sentence(&error),
        Ok(message) => {
            // Postgres reads any negative number of rows as none; everything else is there and back.
            if !matches!(message, Message::Execute { .. }) {
                assert_eq!(written(&message), frame.body, "{message:?}");
            }
            let open = matches!(message, Message::CopyData(_) | Message::Password(_));
            let mut longer = frame.body.to_vec();
            longer.push(0);
            for body in [
                longer,
                frame.body[..frame.body.len().saturating_sub(1)].to_vec(),
            ] {
                let other = Frame {
                    kind: frame.kind,
                    body: body.into(),
                };
                if !open && other.body.len() != frame.body.len() {
                    assert!(Message::parse(&other).is_err(), "{message:?}");
                }
            }
        }
    }
}

/// The body of a message, as a client would write it.
fn written(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    };
    let count = |out: &mut Vec<u8>, count: usize| {
        out.extend_from_slice(&u16::try_from(count).expect("a count").to_be_bytes());
    };
    match message {
        Message::Query(query) => text(&mut out, query),
        Message::Parse { name, query, types } => {
            text(&mut out, name);
            text(&mut out, query);
            count(&mut out, types.len());
            out.extend(types.iter().flat_map(|oid| oid.to_be_bytes()));
        }
        Message::Bind(Bind {
            portal,
            statement,
            formats,
            parameters,
            results,
        }) => {
            text(&mut out, portal);
            text(&mut out, statement);
            list_of_formats(&mut out, formats);
            count(&mut out, parameters.len());
            for parameter in parameters {
                let length = parameter.map_or(u32::MAX, |bytes| bytes.len() as u32);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(parameter.unwrap_or_default());
            }
            list_of_formats(&mut out, results);
        }
        Message::Describe(target, name) | Message::Close(target, name) => {
            out.push(match target {
                Target::Statement => b'S',
                Target::Portal => b'P',
            });
            text(&mut out, name);
        }
        Message::Execute { portal, max_rows } => {
            text(&mut out, portal);
            out.extend_from_slice(&max_rows.to_be_bytes());
        }
        Message::CopyData(bytes) | Message::Password(bytes) => out.extend_from_slice(bytes),
        Message::CopyFail(why) => text(&mut out, why),
        Message::Flush | Message::Sync | Message::Terminate | Message::CopyDone => {}
    }
    out
}

fn list_of_formats(out: &mut Vec<u8>, formats: &[Format]) {
    out.extend_from_slice(&(formats.len() as u16).to_be_bytes());
    for format in formats {
        out.extend_from_slice(&u16::from(*format == Format::Binary).to_be_bytes());
    }
}

/// The startup phase, from a client's first byte: it ends with a session that has a name and a database, with
/// a cancel request, or with an error.
pub fn startup(bytes: &[u8]) {
    if let Some((length, body)) = bytes.split_first_chunk::<4>() {
        let body = &body[..body.len().min(u32::from_be_bytes(*length) as usize)];
        if let Ok(Packet::Startup(minor, parameters)) = Packet::parse(body) {
            assert_eq!(startup_body(minor, &parameters), body);
        }
    }
    let (mut wire, _client) = wire(bytes);
    match negotiate(&mut wire, None) {
        Ok(Wish::Session(startup)) => {
            assert!(!startup.user.is_empty() && !startup.database.is_empty());
            for name in startup.settings.keys() {
                assert_eq!(*name, name.to_ascii_lowercase());
            }
        }
        Ok(Wish::Cancel { .. }) | Err(Lost::Closed) => {}
        Err(Lost::Protocol(error)) => is_a_sentence(&error),
        Err(Lost::Io(error)) => panic!("{error}"),
    }
}

fn startup_body(minor: u16, parameters: &[(String, String)]) -> Vec<u8> {
    let mut out = ((3 << 16) | u32::from(minor)).to_be_bytes().to_vec();
    for (name, value) in parameters {
        for text in [name, value] {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
    }
    out.push(0);
    out
}

/// Who has the password is known to us only: nobody is let in by guessing at a proof. The first byte is the
/// method and whether the user exists.
pub fn proof(bytes: &[u8]) {
    static USERS: LazyLock<[Verifier; 2]> = LazyLock::new(|| {
        [
            Verifier::scram("a password that no input has", &[7; 16]),
            Verifier::md5("user", "a password that no input has"),
        ]
    });
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let (method, kept) = match which % 4 {
        0 | 1 => (Method::Scram, 0),
        2 => (Method::Md5, 1),
        _ => (Method::Md5, 0),
    };
    let mut users = BTreeMap::new();
    if which & 4 == 0 {
        users.insert("user".to_owned(), USERS[kept].clone());
    }
    let (mut wire, _client) = wire(bytes);
    match authenticate(&mut wire, "user", &Authentication { method, users }) {
        Ok(()) => panic!("let in without the password"),
        Err(Lost::Protocol(error)) => is_a_sentence(&error),
        Err(Lost::Closed) => {}
        Err(Lost::Io(error)) => panic!("{error}"),
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(verifier) = Verifier::parse(text)
    {
        assert_eq!(
            Verifier::parse(&verifier.to_string()).as_ref(),
            Ok(&verifier)
        );
    }
}

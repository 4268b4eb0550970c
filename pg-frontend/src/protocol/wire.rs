//! A client's socket with its buffers. Output waits in memory until the client must see it: at `Sync`,
//! at `Flush`, and whenever [`FLUSH_AT`] bytes have gathered.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::ServerConfig;

use super::frontend::{Frame, body_length};
use super::transport::{STALLED, Socket, Transport};
use crate::error::PgError;

/// How many bytes gather before they are sent without being asked for.
pub const FLUSH_AT: usize = 32 * 1024;
/// How much is read from a socket at a time.
const READ_AT_ONCE: usize = 32 * 1024;
/// A buffer that grew beyond this for one message is given back after it.
const KEEP_AT_MOST: usize = 256 * 1024;

/// Why no message came.
#[derive(Debug)]
pub enum Lost {
    /// The client closed its end, or somebody closed it for us.
    Closed,
    /// The socket failed.
    Io(io::Error),
    /// What came is no message: nothing after it can be understood.
    Protocol(PgError),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Wire {
    transport: Option<Transport>,
    input: BytesMut,
    /// Where a read lands: made once, so that no read has to clear memory first.
    scratch: Box<[u8]>,
    /// What is to be sent.
    pub out: BytesMut,
    sent: u64,
    max_message: usize,
    patience: Duration,
}

impl Wire {
    /// A wire over a socket.
    #[must_use]
    pub fn new(socket: Socket, max_message: usize) -> Self {
        Self {
            transport: Some(Transport::Plain(socket)),
            input: BytesMut::with_capacity(READ_AT_ONCE),
            scratch: vec![0; READ_AT_ONCE].into_boxed_slice(),
            out: BytesMut::with_capacity(2 * FLUSH_AT),
            sent: 0,
            max_message,
            patience: Duration::ZERO,
        }
    }

    /// For how long a client may take nothing of what is sent to it, before the socket counts as failed;
    /// zero: for ever.
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    fn transport(&mut self) -> io::Result<&mut Transport> {
        self.transport
            .as_mut()
            .ok_or_else(|| io::Error::other("the connection is closed"))
    }

    /// The socket below.
    #[must_use]
    pub fn socket(&self) -> Option<&Socket> {
        self.transport.as_ref().map(Transport::socket)
    }

    /// It is inside of TLS.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        matches!(self.transport, Some(Transport::Tls(_)))
    }

    /// Goes on inside of TLS.
    ///
    /// # Errors
    /// Bytes came before the handshake: somebody put them there (CVE-2021-23222).
    pub fn encrypt(&mut self, config: Arc<ServerConfig>) -> Result<(), Lost> {
        if !self.input.is_empty() {
            return Err(Lost::Protocol(PgError::new(
                "08P01",
                "received unencrypted data after SSL request",
            )));
        }
        self.flush()?;
        match self.transport.take() {
            Some(Transport::Plain(socket)) => {
                self.transport = Some(Transport::encrypt(socket, config)?);
                Ok(())
            }
            other => {
                self.transport = other;
                Ok(())
            }
        }
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// The socket's.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let transport = self
            .transport
            .as_mut()
            .ok_or_else(|| io::Error::other("the connection is closed"))?;
        if let Err(error) = write_all(transport, &self.out, self.patience) {
            // What a client has a part of is of no use to it.
            self.out.clear();
            return Err(error);
        }
        self.sent += self.out.len() as u64;
        if self.out.capacity() > KEEP_AT_MOST {
            self.out = BytesMut::with_capacity(2 * FLUSH_AT);
        } else {
            self.out.clear();
        }
        Ok(())
    }

    /// Sends what waits if it is much. Back-pressure: a client that does not read stops us here.
    ///
    /// # Errors
    /// The socket's.
    pub fn flush_if_full(&mut self) -> io::Result<()> {
        if self.out.len() >= FLUSH_AT {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what waits, for the last time. What the client has sent meanwhile is read and thrown away: a
    /// socket that is closed with unread bytes takes back what it has sent.
    pub fn close(&mut self) {
        const ENOUGH: usize = 1 << 20;
        self.patience = STALLED;
        let _ = self.flush();
        let Some(transport) = self.transport.take() else {
            return;
        };
        let mut socket = transport.into_socket();
        if socket.set_nonblocking().is_err() {
            return;
        }
        let mut thrown = 0;
        while let Ok(read @ 1..) = socket.read(&mut self.scratch)
            && thrown < ENOUGH
        {
            thrown += read;
        }
    }

    /// A place in the output, to come back to.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.sent + self.out.len() as u64
    }

    /// Takes back what was written since a mark. False: some of it is sent already.
    pub fn take_back(&mut self, mark: u64) -> bool {
        let keep = mark
            .checked_sub(self.sent)
            .and_then(|keep| usize::try_from(keep).ok());
        if let Some(keep) = keep {
            self.out.truncate(keep);
        }
        keep.is_some()
    }

    /// The next message is here already, and it is a `Sync`.
    #[must_use]
    pub fn sync_follows(&self) -> bool {
        self.input.starts_with(b"S\0\0\0\x04")
    }

    /// The next message is here already.
    #[must_use]
    pub fn frame_is_here(&self) -> bool {
        let length = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |n, byte| (n << 8) | usize::from(*byte))
        };
        self.input
            .get(1..5)
            .is_some_and(|bytes| self.input.len() > length(bytes))
    }

    /// The limit on a message's length.
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.max_message
    }

    /// Waits until `count` bytes are in the input.
    fn fill(&mut self, count: usize) -> Result<(), Lost> {
        while self.input.len() < count {
            let scratch = &mut self.scratch[..];
            let transport = self.transport.as_mut().ok_or(Lost::Closed)?;
            match retry(|| transport.read(scratch))? {
                0 => return Err(Lost::Closed),
                // Memory follows what came, not what was announced.
                read => self.input.extend_from_slice(&self.scratch[..read]),
            }
        }
        Ok(())
    }

    /// The next message.
    ///
    /// # Errors
    /// See [`Lost`].
    pub fn next_frame(&mut self) -> Result<Frame, Lost> {
        self.next_frame_up_to(self.max_message)
    }

    /// The next message, if it is not longer than `limit`: before a client has proved who it is, it gets little
    /// memory.
    ///
    /// # Errors
    /// See [`Lost`].
    pub fn next_frame_up_to(&mut self, limit: usize) -> Result<Frame, Lost> {
        self.fill(5)?;
        let kind = self.input[0];
        let length = [self.input[1], self.input[2], self.input[3], self.input[4]];
        let length = body_length(length, limit).map_err(Lost::Protocol)?;
        self.fill(5 + length)?;
        self.input.advance(5);
        let body = self.input.split_to(length).freeze();
        if length > KEEP_AT_MOST {
            // The memory goes with the frame: what has come behind it moves.
            let mut input = BytesMut::with_capacity(self.input.len().max(READ_AT_ONCE));
            input.extend_from_slice(&self.input);
            self.input = input;
        }
        Ok(Frame { kind, body })
    }

    /// The next message of the startup phase, which has no type: its body.
    ///
    /// # Errors
    /// See [`Lost`].
    pub fn next_untyped(&mut self, limit: usize) -> Result<bytes::Bytes, Lost> {
        self.fill(4)?;
        let length = [self.input[0], self.input[1], self.input[2], self.input[3]];
        let length = body_length(length, limit).map_err(Lost::Protocol)?;
        self.fill(4 + length)?;
        self.input.advance(4);
        Ok(self.input.split_to(length).freeze())
    }

    /// Sends one byte outside of any message: the answer to a request for encryption.
    ///
    /// # Errors
    /// The socket's.
    pub fn answer(&mut self, byte: u8) -> io::Result<()> {
        self.transport()?.write_all(&[byte])
    }
}

/// Writes everything. The socket gives up a write after [`STALLED`]: so many of them in a row are tried as the
/// patience has room for.
fn write_all(transport: &mut Transport, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let mut stalled = Duration::ZERO;
    loop {
        let outcome = if bytes.is_empty() {
            transport.flush().map(|()| 0)
        } else {
            transport.write(bytes)
        };
        match outcome {
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                stalled = Duration::ZERO;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stalled += STALLED;
                if !patience.is_zero() && stalled >= patience {
                    tracing::info!(?stalled, "a client takes nothing of what is sent to it");
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

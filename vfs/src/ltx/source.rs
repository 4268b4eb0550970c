//! Where a decoder's bytes come from: a slice, which cannot fail, or a reader.

use std::io::{ErrorKind, Read};

use super::error::{DecodeError, StreamError};

/// Gives bytes in order.
pub(super) trait Source {
    /// What a decoder over this source can fail with.
    type Error: From<DecodeError>;

    /// Fills a part of `buf` and says how much; 0 at the end. `offset` is for messages.
    fn read(&mut self, buf: &mut [u8], offset: u64) -> Result<usize, Self::Error>;
}

impl Source for &[u8] {
    type Error = DecodeError;

    fn read(&mut self, buf: &mut [u8], _offset: u64) -> Result<usize, DecodeError> {
        let (head, tail) = self.split_at(buf.len().min(self.len()));
        buf[..head.len()].copy_from_slice(head);
        *self = tail;
        Ok(head.len())
    }
}

/// A [`Source`] over any reader.
#[derive(Debug)]
pub(super) struct Reader<R>(pub(super) R);

impl<R: Read> Source for Reader<R> {
    type Error = StreamError;

    fn read(&mut self, buf: &mut [u8], offset: u64) -> Result<usize, StreamError> {
        loop {
            match self.0.read(buf) {
                // A reader that claims more than it was given room for must not break us.
                Ok(n) => return Ok(n.min(buf.len())),
                Err(source) if source.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(StreamError::Read { offset, source }),
            }
        }
    }
}

/// A source with a position.
#[derive(Debug)]
pub(super) struct Input<S> {
    source: S,
    offset: u64,
}

impl<S: Source> Input<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, offset: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `buf` with the next bytes, which are those of `part`.
    pub(super) fn fill(&mut self, buf: &mut [u8], part: &'static str) -> Result<(), S::Error> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.source.read(&mut buf[filled..], self.offset)? {
                0 => {
                    return Err(DecodeError::Truncated {
                        offset: self.offset,
                        part,
                    }
                    .into());
                }
                n => {
                    filled += n;
                    self.offset += n as u64;
                }
            }
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], S::Error> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, part)?;
        Ok(bytes)
    }

    /// Appends the next `n` bytes to `buf`; the caller has bounded `n`.
    pub(super) fn append(
        &mut self,
        buf: &mut Vec<u8>,
        n: usize,
        part: &'static str,
    ) -> Result<(), S::Error> {
        let start = buf.len();
        buf.resize(start + n, 0);
        self.fill(&mut buf[start..], part)
    }

    /// Checks that nothing follows.
    pub(super) fn expect_end(&mut self) -> Result<(), S::Error> {
        match self.source.read(&mut [0], self.offset)? {
            0 => Ok(()),
            _ => Err(DecodeError::TrailingBytes {
                offset: self.offset,
            }
            .into()),
        }
    }
}

//! Telling the server to end.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the server when told to; all clones are one.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: AtomicBool,
    read: UnixStream,
    write: UnixStream,
}

impl Shutdown {
    /// Not begun yet.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        Ok(Self(Arc::new(Inner {
            begun: AtomicBool::new(false),
            read,
            write,
        })))
    }

    /// Begins it. May be called from any thread, and more than once.
    pub fn begin(&self) {
        if !self.0.begun.swap(true, Ordering::AcqRel) {
            // An empty socket takes a byte.
            let _ = (&self.0.write).write(b"x");
        }
    }

    /// It has begun.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Readable from then on.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.read.as_fd()
    }
}

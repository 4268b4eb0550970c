//! What a running program and the statement that runs it hand each other: lines, SQL, and whose
//! turn it is.
//!
//! A command runs on a stack of its own. Whenever it has lines for the statement, or SQL to run, it
//! [pauses](pause), and the statement goes on where it was: it takes the lines, or runs the SQL, on
//! its own stack and with its own connection, and lets the program go on later. Both are on one thread
//! at a time, so the lock is never waited for.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use crate::guest::Stopped;
use crate::process::lock;

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// What a line takes besides its bytes: a program may write empty ones.
const LINE: usize = size_of::<Line>();

/// See the module's documentation.
pub(crate) struct Turns(Mutex<State>);

struct State {
    lines: VecDeque<Line>,
    /// What was written since the last end of a line, for each stream.
    begun: [Vec<u8>; 2],
    /// Bytes of all these, and of what a line takes besides.
    bytes: usize,
    most: usize,
    /// Whether lines are kept for now.
    held: bool,
    request: Option<Request>,
    /// Of the last request, to be used again.
    room: Vec<u8>,
    answer: Vec<u8>,
    stop: Option<Stopped>,
}

/// SQL for the statement to run, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

/// Room for requests that is kept, in bytes.
const KEPT: usize = 1 << 20;

/// More was written than is kept at a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch {
    /// Whether because lines were held.
    pub(crate) held: bool,
}

impl Turns {
    /// Keeps at most `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(State {
            lines: VecDeque::new(),
            begun: [Vec::new(), Vec::new()],
            bytes: 0,
            most,
            held: false,
            request: None,
            room: Vec::new(),
            answer: Vec::new(),
            stop: None,
        }))
    }

    // The program's side ----------------------------------------------------------------------

    /// Takes what the program writes. True: there are lines for the statement.
    ///
    /// # Errors
    /// `TooMuch`.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) -> Result<bool, TooMuch> {
        let mut state = lock(&self.0);
        let state = &mut *state;
        let begun = &mut state.begun[stream as usize];
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            begun.extend_from_slice(&rest[..end]);
            let bytes = std::mem::take(begun);
            state.lines.push_back(Line { stream, bytes });
            state.bytes += LINE;
            rest = &rest[end + 1..];
        }
        begun.extend_from_slice(rest);
        state.bytes += bytes.len();
        if state.bytes > state.most && (state.held || state.lines.is_empty()) {
            return Err(TooMuch { held: state.held });
        }
        Ok(!state.held && !state.lines.is_empty())
    }

    /// Leaves a request for SQL, and room for its answer.
    pub(crate) fn ask(&self, request: &[u8], answer: Vec<u8>) {
        let mut state = lock(&self.0);
        let mut bytes = std::mem::take(&mut state.room);
        bytes.clear();
        bytes.extend_from_slice(request);
        state.request = Some(Request { bytes, answer });
    }

    /// The answer; or why the program is to end.
    pub(crate) fn answer(&self) -> Result<Vec<u8>, Stopped> {
        let mut state = lock(&self.0);
        match state.stop.take() {
            Some(stopped) => Err(stopped),
            None => Ok(std::mem::take(&mut state.answer)),
        }
    }

    // The statement's side --------------------------------------------------------------------

    /// The next line, unless lines are held.
    pub(crate) fn line(&self) -> Option<Line> {
        let mut state = lock(&self.0);
        if state.held {
            return None;
        }
        let line = state.lines.pop_front()?;
        state.bytes = state.bytes.saturating_sub(line.bytes.len() + 1 + LINE);
        Some(line)
    }

    /// Most bytes that are kept.
    pub(crate) fn most(&self) -> usize {
        lock(&self.0).most
    }

    /// Whether there is a line that is not held.
    pub(crate) fn has_lines(&self) -> bool {
        let state = lock(&self.0);
        !state.held && !state.lines.is_empty()
    }

    /// Lines are held, or no longer.
    pub(crate) fn hold(&self, held: bool) {
        lock(&self.0).held = held;
    }

    /// The request that waits.
    pub(crate) fn request(&self) -> Option<Request> {
        lock(&self.0).request.take()
    }

    /// Leaves the answer.
    pub(crate) fn reply(&self, request: Request) {
        let mut state = lock(&self.0);
        state.answer = request.answer;
        if request.bytes.capacity() <= KEPT {
            state.room = request.bytes;
        }
    }

    /// Lets the program end instead.
    pub(crate) fn stop(&self, why: Stopped) {
        lock(&self.0).stop = Some(why);
    }

    /// The program has ended: nothing is held any more, and what it wrote last is a line too.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.0);
        let state = &mut *state;
        state.held = false;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let bytes = std::mem::take(&mut state.begun[stream as usize]);
            if !bytes.is_empty() {
                state.lines.push_back(Line { stream, bytes });
            }
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

/// Lets the statement go on; comes back when it is the program's turn again.
pub(crate) fn pause() -> impl Future<Output = ()> + Send {
    struct Pause(bool);
    impl Future for Pause {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }
    Pause(false)
}

#[cfg(test)]
mod tests {
    use super::{LINE, Stream, TooMuch, Turns};

    fn lines(turns: &Turns) -> Vec<(Stream, String)> {
        std::iter::from_fn(|| turns.line())
            .map(|line| (line.stream, String::from_utf8(line.bytes).unwrap()))
            .collect()
    }

    #[test]
    fn lines_come_in_order_of_their_ends() {
        let turns = Turns::new(100);
        assert_eq!(turns.write(Stream::Stdout, b"one\ntw"), Ok(true));
        assert_eq!(turns.write(Stream::Stderr, b"oops\n"), Ok(true));
        assert_eq!(turns.write(Stream::Stdout, b"o\n\nrest"), Ok(true));
        turns.end();
        let expected = [
            (Stream::Stdout, "one"),
            (Stream::Stderr, "oops"),
            (Stream::Stdout, "two"),
            (Stream::Stdout, ""),
            (Stream::Stdout, "rest"),
        ]
        .map(|(stream, text)| (stream, text.to_owned()));
        assert_eq!(lines(&turns), expected);
    }

    #[test]
    fn held_lines_wait_and_are_bounded() {
        let turns = Turns::new(10 + LINE);
        turns.hold(true);
        assert_eq!(turns.write(Stream::Stdout, b"one\n"), Ok(false));
        assert!(turns.line().is_none());
        assert_eq!(
            turns.write(Stream::Stdout, b"1234567"),
            Err(TooMuch { held: true })
        );
        let turns = Turns::new(10);
        assert_eq!(
            turns.write(Stream::Stderr, b"12345678901"),
            Err(TooMuch { held: false })
        );
        let turns = Turns::new(1000);
        turns.hold(true);
        let held = TooMuch { held: true };
        assert_eq!(turns.write(Stream::Stdout, &[b'\n'; 100]), Err(held));
        let turns = Turns::new(10);
        // Much at once is no harm while it goes at once.
        assert_eq!(turns.write(Stream::Stdout, &[b'\n'; 1000]), Ok(true));
        assert_eq!(lines(&turns).len(), 1000);
        assert_eq!(turns.write(Stream::Stdout, b"123456\n"), Ok(true));
    }
}

//! What a program finds around it: arguments, environment, input, where its output goes, and the
//! request it is to answer. A procedure finds nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::serve::turns::Turns;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) given: Arc<Given>,
    /// Bytes of the input that were read.
    pub(crate) read: usize,
    pub(crate) output: Output,
    /// The request that waits.
    pub(crate) request: Vec<u8>,
    pub(crate) response: Response,
}

/// What a program is started with. No text has a zero byte.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Given {
    /// The first is the program's name.
    pub(crate) arguments: Vec<String>,
    /// `NAME=value`
    pub(crate) environment: Vec<String>,
    pub(crate) input: Vec<u8>,
}

/// Where what a program writes goes.
#[derive(Debug, Default)]
pub(crate) enum Output {
    #[default]
    Dropped,
    /// Its end is kept, for the error where there is one.
    Last(VecDeque<u8>),
    /// Line by line to the statement that runs it.
    Lines(Arc<Turns>),
}

/// What a program answers a request with.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) enum Response {
    #[default]
    Null,
    Text(Vec<u8>),
    Blob(Vec<u8>),
    /// The query fails with this sentence.
    Error(String),
}

/// How much of what a program wrote is kept, in bytes.
const LAST: usize = 1000;

impl Output {
    /// Keeps the end of what was written.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if let Self::Last(last) = self {
            let bytes = &bytes[bytes.len().saturating_sub(LAST)..];
            let over = (last.len() + bytes.len()).saturating_sub(LAST);
            last.drain(..over);
            last.extend(bytes);
        }
    }

    /// What the program wrote before it ended, as the end of a sentence.
    pub(crate) fn last_words(&mut self) -> String {
        let Self::Last(last) = self else {
            return String::new();
        };
        let text = String::from_utf8_lossy(last.make_contiguous()).replace('\0', "\u{fffd}");
        match text.trim() {
            "" => String::new(),
            text => format!("; it wrote: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{LAST, Output};

    #[test]
    fn the_end_is_kept() {
        let mut output = Output::Last(VecDeque::new());
        assert_eq!(output.last_words(), "");
        output.keep(b"panic: first\n");
        assert_eq!(output.last_words(), "; it wrote: panic: first");
        output.keep(&[b'x'; LAST - 4]);
        output.keep(b"end\n");
        let words = output.last_words();
        assert!(words.ends_with("xend") && words.starts_with("; it wrote: xxx"));
        output.keep(&[b'y'; 3 * LAST]);
        assert_eq!(output.last_words().len(), "; it wrote: ".len() + LAST);
    }
}

//! What can go wrong with a request, and what that leaves of it.

use std::time::Duration;

use crate::store::status::classify;
use crate::store::{ErrorKind, Operation};

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The network is down: nothing is sent.
    Unreachable,
    /// Nothing happens; this HTTP status is reported (409, 412, 429, 500, 503...).
    Before(u16),
    /// The request takes effect; this status is reported all the same. With a status
    /// that claims the opposite (most of 4xx) this is a lie that no store tells.
    After(u16),
    /// Never answered: the host waits this long. `applied` says whether it took effect.
    Timeout {
        /// How long the caller waits.
        after: Duration,
        /// Whether it took effect.
        applied: bool,
    },
    /// The connection breaks in the middle of the answer (and so of a read's body).
    Truncated,
    /// A listing that does not show the newest so many objects yet.
    Stale(usize),
    /// Answered properly, this much later.
    Slow(Duration),
    /// A write that times out after `wait` and takes effect only just before the
    /// request that comes `requests` later, or at [`super::Bucket::land`].
    Delayed {
        /// How long the caller waits.
        wait: Duration,
        /// How many requests later it lands.
        requests: u64,
    },
}

/// What a fault leaves of a request: whether it takes effect, and what the caller
/// hears instead of the answer.
pub(super) struct Outcome {
    pub(super) effect: bool,
    pub(super) report: Option<(ErrorKind, String)>,
    pub(super) hidden: usize,
    pub(super) delayed_by: Option<u64>,
    pub(super) wait: Duration,
}

impl Outcome {
    pub(super) fn of(fault: Option<Fault>, operation: Operation) -> Self {
        let mut outcome = Self {
            effect: true,
            report: None,
            hidden: 0,
            delayed_by: None,
            wait: Duration::ZERO,
        };
        let status = |s: u16| Some((classify(operation, s, ""), format!("HTTP status {s}")));
        let ambiguous = |detail: &str| Some((ErrorKind::Ambiguous, detail.to_owned()));
        match fault {
            None => {}
            Some(Fault::Unreachable) => {
                outcome.effect = false;
                outcome.report = Some((ErrorKind::Unreachable, "connection refused".to_owned()));
            }
            Some(Fault::Before(code)) => {
                outcome.effect = false;
                outcome.report = status(code);
            }
            Some(Fault::After(code)) => outcome.report = status(code),
            Some(Fault::Timeout { after, applied }) => {
                outcome.effect = applied;
                outcome.wait = after;
                outcome.report = ambiguous("no answer in time");
            }
            Some(Fault::Truncated) => outcome.report = ambiguous("the answer broke off"),
            Some(Fault::Stale(newest)) => outcome.hidden = newest,
            Some(Fault::Slow(wait)) => outcome.wait = wait,
            Some(Fault::Delayed { wait, requests }) => {
                outcome.effect = false;
                outcome.wait = wait;
                outcome.delayed_by = Some(requests);
                outcome.report = ambiguous("no answer in time");
            }
        }
        outcome
    }
}

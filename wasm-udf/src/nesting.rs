//! How deeply procedures call each other through SQL. All of them share the stack of the host's
//! thread, and a host must never die of that.

use std::cell::Cell;

use crate::guest::Stopped;
use crate::process::STACK;

/// Most calls of procedures inside each other on a thread.
pub(crate) const DEEPEST: usize = 16;

/// What we need of the stack on top of the guest.
const MARGIN: usize = 128 << 10;

thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });

/// A call is under way on this thread.
#[derive(Debug)]
pub(crate) struct Nesting(());

impl Nesting {
    /// Begins a call.
    ///
    /// # Errors
    /// Too deep, or too little stack left for a guest that uses all it may.
    #[inline]
    pub(crate) fn enter() -> Result<Self, Stopped> {
        Self::enter_with(STACK + MARGIN)
    }

    /// Begins one of a guest that has a stack of its own.
    ///
    /// # Errors
    /// As [`Nesting::enter`].
    pub(crate) fn enter_beside() -> Result<Self, Stopped> {
        Self::enter_with(MARGIN)
    }

    #[inline]
    fn enter_with(stack: usize) -> Result<Self, Stopped> {
        let depth = DEPTH.get();
        if depth >= DEEPEST {
            return Err(Stopped::Nested);
        }
        if stacker::remaining_stack().is_some_and(|left| left < stack) {
            return Err(Stopped::NativeStack);
        }
        DEPTH.set(depth + 1);
        Ok(Self(()))
    }
}

/// What SQLite may need for a statement of a guest, within the limits it runs under.
const FOR_SQL: usize = 384 << 10;

/// Whether the thread has the stack for SQL of a guest.
pub(crate) fn has_stack_for_sql() -> bool {
    stacker::remaining_stack().is_none_or(|left| left >= FOR_SQL)
}

impl Drop for Nesting {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, Nesting};
    use crate::guest::Stopped;

    #[test]
    fn it_ends() {
        let mut calls = Vec::new();
        for _ in 0..DEEPEST {
            calls.push(Nesting::enter().unwrap());
        }
        assert_eq!(Nesting::enter().unwrap_err(), Stopped::Nested);
        calls.pop();
        calls.push(Nesting::enter().unwrap());
    }

    #[test]
    fn a_small_stack_is_seen() {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let outcome = small
            .spawn(|| Nesting::enter().map(|_| ()))
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(outcome.unwrap_err(), Stopped::NativeStack);
    }
}

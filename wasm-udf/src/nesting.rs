//! How deeply procedures call each other through SQL. All of them share the stack of the host's
//! thread, and a host must never die of that.

use std::cell::Cell;

use crate::guest::Stopped;
use crate::process::Stack;

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
    pub(crate) fn enter(stack: Stack) -> Result<Self, Stopped> {
        Self::enter_with(stack.bytes() + MARGIN)
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

impl Stack {
    /// The most that the thread has room for. Where there is none at all, it is the call that finds out.
    pub(crate) fn that_fits() -> Self {
        let fits = |stack: &Self| has_stack(stack.bytes() + MARGIN);
        let all = Self::ALL.into_iter();
        all.rev().find(fits).unwrap_or(Self::Small)
    }
}

/// What SQLite may need for a statement of a guest, within the limits it runs under, besides what the gate counts
/// when it compiles one: 245 KB were seen for an expression, and 243 KB for JSON that is as deep as may be.
const FOR_SQL: usize = 384 << 10;

/// Whether the thread has the stack for SQL of a guest.
pub(crate) fn has_stack_for_sql() -> bool {
    has_stack(FOR_SQL)
}

/// Whether the thread has as many bytes of stack left.
pub(crate) fn has_stack(bytes: usize) -> bool {
    stacker::remaining_stack().is_none_or(|left| left >= bytes)
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
    use crate::process::Stack;

    #[test]
    fn it_ends() {
        let mut calls = Vec::new();
        for _ in 0..DEEPEST {
            calls.push(Nesting::enter(Stack::Small).unwrap());
        }
        assert_eq!(Nesting::enter(Stack::Small).unwrap_err(), Stopped::Nested);
        calls.pop();
        calls.push(Nesting::enter(Stack::Small).unwrap());
    }

    #[test]
    fn a_small_stack_is_seen() {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let outcome = small
            .spawn(|| Nesting::enter(Stack::Small).map(|_| ()))
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(outcome.unwrap_err(), Stopped::NativeStack);
    }

    #[test]
    fn the_stack_that_fits() {
        for (size, stack) in [(2 << 20, Stack::Small), (8 << 20, Stack::Large)] {
            let thread = std::thread::Builder::new().stack_size(size);
            let fits = thread.spawn(Stack::that_fits).unwrap().join().unwrap();
            assert_eq!(fits, stack);
        }
    }
}

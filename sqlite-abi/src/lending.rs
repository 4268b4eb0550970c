//! A value lent to one caller at a time, as a mutex does, with two differences: to ask again on
//! the thread that has it is an error instead of a deadlock, and a panic loses it for good.

use std::cell::UnsafeCell;
use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const FREE: usize = 0;
const POISONED: usize = 1;

pub(crate) struct Lending<T> {
    /// `FREE`, `POISONED`, or the token of the thread that has the value.
    holder: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached by the one thread that changed `holder` from `FREE`.
unsafe impl<T: Send> Sync for Lending<T> {}

/// Why nothing was lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// This thread has it already.
    Reentered,
    /// A panic may have left it half changed.
    Poisoned,
}

impl<T> Lending<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            holder: AtomicUsize::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Lends the value to `body`. Waits while another thread has it.
    pub(crate) fn lend<R>(&self, body: impl FnOnce(&mut T) -> R) -> Result<R, Refused> {
        self.take()?;
        let poison = Poison(&self.holder);
        // SAFETY: `take` made this thread the holder, and it has no other reference: the value
        // was free.
        let result = body(unsafe { &mut *self.value.get() });
        std::mem::forget(poison);
        self.holder.store(FREE, Ordering::Release);
        Ok(result)
    }

    /// Whether this thread has it.
    pub(crate) fn is_mine(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == token()
    }

    fn take(&self) -> Result<(), Refused> {
        let me = token();
        loop {
            match self
                .holder
                .compare_exchange_weak(FREE, me, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(POISONED) => return Err(Refused::Poisoned),
                Err(holder) if holder == me => return Err(Refused::Reentered),
                Err(FREE) => hint::spin_loop(),
                // Rare (connections that share a cache) and short.
                Err(_) => thread::yield_now(),
            }
        }
    }
}

/// Poisons when dropped, that is, when a panic passes by.
struct Poison<'a>(&'a AtomicUsize);

impl Drop for Poison<'_> {
    fn drop(&mut self) {
        self.0.store(POISONED, Ordering::Release);
    }
}

/// A number that no other living thread has: an address of its own.
pub(crate) fn token() -> usize {
    thread_local!(static PLACE: u32 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::{Lending, Refused};

    #[test]
    fn one_at_a_time() {
        let lending = Lending::new(0_u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        lending.lend(|value| *value += 1).unwrap();
                    }
                });
            }
        });
        assert_eq!(lending.lend(|value| *value), Ok(40_000));
    }

    #[test]
    fn not_twice_on_one_thread() {
        let lending = Lending::new(());
        assert!(!lending.is_mine());
        let inner = lending.lend(|()| (lending.is_mine(), lending.lend(|()| ())));
        assert_eq!(inner, Ok((true, Err(Refused::Reentered))));
        assert_eq!(lending.lend(|()| ()), Ok(()));
    }

    #[test]
    fn lost_by_a_panic() {
        let lending = Lending::new(());
        let panicked = catch_unwind(AssertUnwindSafe(|| lending.lend(|()| panic!("inside"))));
        assert!(panicked.is_err());
        assert_eq!(lending.lend(|()| ()), Err(Refused::Poisoned));
        assert!(!lending.is_mine());
    }
}

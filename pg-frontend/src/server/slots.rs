//! So many sessions at a time. Who comes when all places are taken waits in line.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock;

/// Places for sessions.
#[derive(Debug)]
pub struct Slots {
    state: Mutex<State>,
    changed: Condvar,
    places: usize,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    next: u64,
    line: VecDeque<u64>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Slots>);

impl Slots {
    /// So many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            places: places.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, after `patience` at most. First come, first served.
    #[must_use]
    pub fn take(self: &Arc<Self>, patience: Duration) -> Option<Slot> {
        let deadline = clock::monotonic() + patience;
        let mut state = self.lock();
        let me = state.next;
        state.next += 1;
        state.line.push_back(me);
        loop {
            if state.taken < self.places && state.line.front() == Some(&me) {
                state.line.pop_front();
                state.taken += 1;
                // The next in line may find a place as well.
                self.changed.notify_all();
                return Some(Slot(Arc::clone(self)));
            }
            let left = deadline.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                state.line.retain(|waiting| *waiting != me);
                self.changed.notify_all();
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().taken
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_after_its_session() {
        let slots = Arc::new(Slots::new(1));
        let first = slots.take(Duration::ZERO);
        assert!(first.is_some());
        assert!(slots.take(Duration::ZERO).is_none());
        let waiting = {
            let slots = Arc::clone(&slots);
            std::thread::spawn(move || slots.take(Duration::from_secs(60)).is_some())
        };
        drop(first);
        assert!(waiting.join().unwrap());
        assert_eq!(slots.taken(), 0);
    }
}

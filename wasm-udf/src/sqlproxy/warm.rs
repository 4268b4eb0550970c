//! Compiled statements from call to call, for a program that is kept.
//!
//! They were judged when they were compiled, by what the connection had then. So they are used again
//! only as long as none of them had to be compiled anew since. SQLite does that without asking: with
//! all of them when a function is replaced, which a statement of ours shows beforehand; and with one that
//! runs when the schema has changed, after which none is kept.
//!
//! They belong to a virtual table, and a statement that uses a virtual table keeps it: two tables whose programs ask
//! each other, or one that asks itself, would keep each other from being closed. Such statements end with the call.

use std::fmt;

use sqlite_abi::{Kept, Lent};

use super::pool::Pool;

/// See the module's documentation.
pub(crate) struct Warm {
    lent: Lent,
    pool: Pool,
    canary: Canary,
}

/// A statement that depends on nothing but what all statements depend on, and how often it had been
/// compiled again.
pub(crate) struct Canary(Kept, i32);

impl Warm {
    /// None where the statements cannot be kept.
    pub(crate) fn new(lent: Lent, mut pool: Pool, canary: Option<Canary>) -> Option<Self> {
        if pool.was_recompiled() {
            return None;
        }
        pool.cool();
        let canary = canary.or_else(|| Canary::new(&lent))?;
        Some(Self { lent, pool, canary })
    }

    /// The statements, if they may be used in a new call.
    pub(crate) fn thaw(self, lent: &Lent) -> Option<(Pool, Canary)> {
        let Self {
            lent: known,
            pool,
            mut canary,
        } = self;
        (known.same_loan(lent) && canary.is_as_it_was()).then_some((pool, canary))
    }
}

impl Canary {
    fn new(lent: &Lent) -> Option<Self> {
        let (kept, _) = lent.keep_next("SELECT 1").ok()?;
        let mut kept = kept?;
        let recompiled = kept.with(|statement| statement.recompiled()).ok()?;
        Some(Self(kept, recompiled))
    }

    fn is_as_it_was(&mut self) -> bool {
        let recompiled = self.0.with(|statement| {
            let stepped = statement.step();
            statement.reset();
            stepped.map(|_| statement.recompiled())
        });
        matches!(recompiled, Ok(Ok(recompiled)) if recompiled == self.1)
    }
}

impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

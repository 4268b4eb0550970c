//! The connection of a running callback for owners that must be `'static`, such as the data of a
//! sandbox that lives for one call.
//!
//! [`Connection::lend`] makes a loan. A [`Lent`] and the statements [`Kept`] with it work as long
//! as the loan lasts and on its thread; later, or elsewhere, every method is an error and touches
//! nothing. When the loan ends, its statements are finalised, whoever still holds them.
//!
//! Why that is enough. A loan lasts as long as a frame of the thread that made it, inside a
//! callback, and the host keeps the connection open while one of its callbacks runs. Whoever
//! passes the check for the thread and the end runs on top of that frame, so the loan cannot end
//! before he returns. A callback inside a callback makes a loan of its own on top of the first:
//! both last, the inner one ends first, and finalises only what was prepared with it.
//!
//! A [`Lease`] is a loan over several callbacks: a scan has one from its beginning to its end. It
//! works only while one of those callbacks runs, on the thread that runs it. What it holds is
//! finalised with it, which its owner does in a callback too.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::call;
use crate::bindings as c;
use crate::lending::token;
use crate::{Code, Connection, ConnectionId, Error, Statement, statement};

/// A connection for the time of a loan. A clone is the same loan.
#[derive(Clone)]
pub struct Lent {
    loan: Arc<Loan>,
}

/// A statement for the time of a loan.
pub struct Kept {
    loan: Arc<Loan>,
    statement: ManuallyDrop<Statement<'static>>,
}

struct Loan {
    db: NonNull<c::sqlite3>,
    /// The thread that may use it now.
    thread: AtomicUsize,
    over: AtomicBool,
    /// What is to be finalised at the end.
    statements: Mutex<Vec<NonNull<c::sqlite3_stmt>>>,
}

// SAFETY: on another thread than the loan's, and after its end, the pointers are neither followed
// nor freed: `usable` comes first everywhere. The rest of a loan is made for sharing.
unsafe impl Send for Loan {}
// SAFETY: as above.
unsafe impl Sync for Loan {}
// SAFETY: the statement is reached through `usable` only, and dropped without it not at all.
unsafe impl Send for Kept {}

impl Connection<'_> {
    /// Lends the connection until `body` returns.
    pub fn lend<R>(&self, body: impl FnOnce(&Lent) -> R) -> R {
        let lent = Lent {
            loan: Loan::new(self.handle(), token()),
        };
        let _end = End(&lent.loan);
        body(&lent)
    }
}

/// See the head of this file.
pub(crate) struct Lease(Lent);

impl Lease {
    /// # Safety
    /// The connection is open until this is dropped, which happens inside one of its callbacks.
    pub(crate) unsafe fn new(db: NonNull<c::sqlite3>) -> Self {
        let loan = Loan::new(db, NOBODY);
        Self(Lent { loan })
    }

    /// Makes the loan work on this thread while `body` runs, inside a callback.
    pub(crate) fn renew<R>(&self, body: impl FnOnce(&Lent) -> R) -> R {
        struct Back<'a>(&'a Loan, usize);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.thread.store(self.1, Ordering::Relaxed);
            }
        }
        let loan = &self.0.loan;
        // The mutex of the connection is held in a callback, so no other thread is in here.
        let _back = Back(loan, loan.thread.swap(token(), Ordering::Relaxed));
        body(&self.0)
    }

    /// Whether `renew` runs.
    pub(crate) fn is_in_use(&self) -> bool {
        self.0.loan.thread.load(Ordering::Relaxed) != NOBODY
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(End(&self.0.loan));
    }
}

/// No thread's token.
const NOBODY: usize = 0;

impl Lent {
    /// Which connection this is.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        ConnectionId(self.loan.db.addr().get())
    }

    /// Calls `body` with the connection.
    ///
    /// # Errors
    /// `MISUSE` after the loan, or on another thread.
    pub fn with<R>(&self, body: impl FnOnce(&Connection<'_>) -> R) -> Result<R, Error> {
        self.loan.usable()?;
        // SAFETY: open for the time of this call, see the head of this file.
        let connection = unsafe { Connection::new(self.loan.db) };
        Ok(body(&connection))
    }

    /// Compiles the first statement of a script and returns it with the rest of the text, as
    /// [`Connection::prepare_next`] does.
    ///
    /// # Errors
    /// SQLite's, and `MISUSE` after the loan or on another thread.
    pub fn keep_next<'s>(&self, sql: &'s str) -> Result<(Option<Kept>, &'s str), Error> {
        self.loan.usable()?;
        // SAFETY: open until the loan's end, when the statement made here is finalised. It is
        // reached through `Kept`, whose methods check for that end.
        let connection: Connection<'static> = unsafe { Connection::new(self.loan.db) };
        let (statement, rest) = statement::prepare(connection, sql)?;
        let kept = statement.map(|statement| {
            self.loan.statements().push(statement.handle());
            Kept {
                loan: Arc::clone(&self.loan),
                statement: ManuallyDrop::new(statement),
            }
        });
        Ok((kept, rest))
    }

    /// Whether this is a clone of `other`.
    #[must_use]
    pub fn same_loan(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.loan, &other.loan)
    }
}

impl Kept {
    /// Calls `body` with the statement.
    ///
    /// # Errors
    /// `MISUSE` after the loan, or on another thread.
    pub fn with<R>(&mut self, body: impl FnOnce(&mut Statement<'_>) -> R) -> Result<R, Error> {
        self.loan.usable()?;
        // The body works for every lifetime of a statement, so it cannot put another in its place.
        Ok(body(&mut self.statement))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.loan.usable().is_err() {
            // Finalised at the loan's end, which has come or will.
            return;
        }
        let handle = self.statement.handle();
        self.loan.statements().retain(|other| *other != handle);
        // SAFETY: alive, for the loan has not ended; taken off its list, and dropped once.
        unsafe { ManuallyDrop::drop(&mut self.statement) };
    }
}

impl Loan {
    fn new(db: NonNull<c::sqlite3>, thread: usize) -> Arc<Self> {
        Arc::new(Self {
            db,
            thread: AtomicUsize::new(thread),
            over: AtomicBool::new(false),
            statements: Mutex::new(Vec::new()),
        })
    }

    fn usable(&self) -> Result<(), Error> {
        let problem = if self.thread.load(Ordering::Relaxed) != token() {
            "a lent connection was used on another thread than its own, or between callbacks"
        } else if self.over.load(Ordering::Acquire) {
            "a lent connection was used after the call it was lent for"
        } else {
            return Ok(());
        };
        Err(Error {
            code: Code::MISUSE,
            message: problem.to_owned(),
        })
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, Vec<NonNull<c::sqlite3_stmt>>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a loan, also where a panic passes by.
struct End<'a>(&'a Loan);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        let statements = std::mem::take(&mut *self.0.statements());
        for statement in statements {
            // SAFETY: on the list, so alive; nobody can reach it any more. The connection is
            // open, for this is inside a callback: the one that made the loan, or the one that
            // ends a lease.
            unsafe { call!(finalize(statement.as_ptr())) };
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent")
            .field("over", &self.loan.over.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

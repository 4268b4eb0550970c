//! A lent connection: what works during the callback, and that nothing does afterwards.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Once;

use rusqlite::Connection as Host;
use sqlite_abi::{Code, Connection, Extension, FunctionFlags, Kept, Lent, Value, entry};

type Body = Rc<dyn Fn(&Connection<'_>)>;

thread_local! {
    static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
}

struct Lending;

impl Extension for Lending {
    const NAME: &'static str = "lending";
    const VERSION: &'static str = "1";

    fn register(connection: &Connection<'_>) -> Result<(), String> {
        connection
            .create_scalar("callback", 0, FunctionFlags::NONE, |connection, _| {
                let body = BODY.with_borrow(Clone::clone).unwrap();
                body(connection);
                Ok(Value::Null)
            })
            .map_err(|error| error.message)
    }
}

/// Runs a statement of the host with this body for `callback()`.
fn run(host: &Host, sql: &str, body: impl Fn(&Connection<'_>) + 'static) -> rusqlite::Result<()> {
    BODY.set(Some(Rc::new(body)));
    host.execute_batch(sql)
}

fn open() -> Host {
    static LINKED: Once = Once::new();
    LINKED.call_once(|| entry::auto_extend_linked::<Lending>().unwrap());
    Host::open_in_memory().unwrap()
}

fn keep(lent: &Lent, sql: &str) -> Kept {
    lent.keep_next(sql).unwrap().0.unwrap()
}

fn step(kept: &mut Kept) -> Option<Value> {
    kept.with(|statement| {
        statement
            .step()
            .unwrap()
            .then(|| statement.column(0).unwrap())
    })
    .unwrap()
}

const NUMBERS: &str = "VALUES (1), (2), (3)";

#[test]
fn statements_last_as_long_as_the_loan() {
    let host = open();
    let left: Rc<RefCell<Option<(Lent, Kept)>>> = Rc::default();
    let place = Rc::clone(&left);
    run(&host, "SELECT callback()", move |connection| {
        connection.lend(|lent| {
            let mut kept = keep(lent, NUMBERS);
            assert_eq!(step(&mut kept), Some(Value::Integer(1)));
            let mut other = keep(lent, NUMBERS);
            assert_eq!(step(&mut other), Some(Value::Integer(1)));
            drop(other);
            assert_eq!(step(&mut kept), Some(Value::Integer(2)));
            place.replace(Some((lent.clone(), kept)));
        });
        let place = place.borrow();
        let (lent, _) = place.as_ref().unwrap();
        let error = lent.with(|_| ()).unwrap_err();
        assert_eq!(error.code, Code::MISUSE);
        assert!(
            error.message.contains("after the call"),
            "{}",
            error.message
        );
        assert!(lent.keep_next("SELECT 1").is_err());
    })
    .unwrap();
    let (lent, mut kept) = left.take().unwrap();
    assert!(kept.with(|_| ()).is_err());
    // All statements are finalised: the host can close.
    host.close().unwrap();
    assert!(lent.with(|_| ()).is_err());
    drop(kept);
}

#[test]
fn another_thread_touches_nothing() {
    let host = open();
    run(&host, "SELECT callback()", |connection| {
        connection.lend(|lent| {
            let mut kept = keep(lent, NUMBERS);
            let dropped_there = keep(lent, NUMBERS);
            step(&mut kept);
            let lent = lent.clone();
            let mut kept = std::thread::spawn(move || {
                drop(dropped_there);
                let error = lent.with(|_| ()).unwrap_err();
                assert!(
                    error.message.contains("another thread"),
                    "{}",
                    error.message
                );
                assert!(kept.with(|_| ()).is_err());
                assert!(lent.keep_next("SELECT 1").is_err());
                kept
            })
            .join()
            .unwrap();
            assert_eq!(step(&mut kept), Some(Value::Integer(2)));
        });
    })
    .unwrap();
    host.close().unwrap();
}

/// A callback's SQL runs the callback again, on the same connection.
#[test]
fn loans_inside_loans() {
    let host = open();
    let depth = Cell::new(0);
    run(&host, "SELECT callback()", move |connection| {
        depth.set(depth.get() + 1);
        let level = depth.get();
        connection.lend(|outer| {
            let mut kept = keep(outer, NUMBERS);
            step(&mut kept);
            if level < 5 {
                let mut nested = keep(outer, "SELECT callback(), 7");
                step(&mut nested);
                connection.lend(|inner| {
                    assert!(!inner.same_loan(outer) && outer.same_loan(&outer.clone()))
                });
            }
            assert_eq!(step(&mut kept), Some(Value::Integer(2)));
        });
    })
    .unwrap();
    host.close().unwrap();
}

#[test]
fn a_panic_ends_the_loan() {
    let host = open();
    let left: Rc<RefCell<Option<Kept>>> = Rc::default();
    let place = Rc::clone(&left);
    let error = run(&host, "SELECT callback()", move |connection| {
        connection.lend(|lent| {
            place.replace(Some(keep(lent, NUMBERS)));
            panic!("in a loan");
        });
    });
    assert!(error.unwrap_err().to_string().contains("in a loan"));
    assert!(left.take().unwrap().with(|_| ()).is_err());
    host.close().unwrap();
}

#[test]
fn a_lower_limit_on_lengths_returns() {
    let host = open();
    run(&host, "SELECT callback()", |connection| {
        let length = |bytes: i64| {
            connection
                .exec(&format!("SELECT zeroblob({bytes})"))
                .map_err(|error| error.code)
        };
        connection.with_lower_limits(1000, || {
            assert_eq!(length(1000), Ok(()));
            assert_eq!(length(1001), Err(Code::TOOBIG));
            // A higher one is not set.
            connection.with_lower_limits(5000, || assert_eq!(length(1001), Err(Code::TOOBIG)));
            connection.with_lower_limits(100, || assert_eq!(length(101), Err(Code::TOOBIG)));
            connection.with_lower_limits(900, || {
                connection.lower_length(5000);
                assert_eq!(length(901), Err(Code::TOOBIG));
                connection.lower_length(500);
                assert_eq!(length(501), Err(Code::TOOBIG));
            });
            assert_eq!(length(1000), Ok(()));
        });
        assert_eq!(length(100_000), Ok(()));
    })
    .unwrap();
}

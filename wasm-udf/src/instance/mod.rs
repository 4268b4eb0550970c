//! An instance of a module at work: `core` for core modules, `component` for components, and what
//! both share.

mod component;
mod core;

use std::sync::Arc;
use std::time::Instant;

use sqlite_abi::{Connection, ValueRef};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

pub(crate) use self::component::ComponentInstance;
pub(crate) use self::core::CoreInstance;
use crate::error::Result;
use crate::guest::{Guest, Stopped};
use crate::nesting::Nesting;
use crate::raw::Bits;
use crate::types::DataType;

/// Where a result goes.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(ValueRef<'_>, DataType);

/// See the module's documentation. After an error an instance must not be used again: nobody
/// knows what state the guest is in.
#[derive(Debug)]
pub(crate) enum Instance {
    Core(Box<CoreInstance>),
    Component(Box<ComponentInstance>),
}

/// What a guest keeps for the host: the state of a group, or a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) enum State {
    Number(Bits),
    Resource(ResourceAny),
    /// All rows of a scan are there from its beginning.
    Rows,
}

impl Instance {
    /// A procedure's value for one row.
    ///
    /// # Errors
    /// Whatever ends the statement; so for all methods.
    #[inline]
    pub(crate) fn scalar<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
        sink: Sink<'_>,
    ) -> Result<()> {
        match self {
            Self::Core(core) => core.scalar(connection, arguments, sink),
            Self::Component(component) => component.scalar(connection, arguments, sink),
        }
    }

    /// Begins a group.
    pub(crate) fn init(&mut self, connection: &Connection<'_>) -> Result<State> {
        match self {
            Self::Core(core) => core.init(connection).map(State::Number),
            Self::Component(component) => component.init(connection).map(State::Resource),
        }
    }

    /// Adds a row to a group, or with `backwards` takes it back.
    pub(crate) fn step<'v>(
        &mut self,
        connection: &Connection<'_>,
        state: State,
        backwards: bool,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<()> {
        match (self, state) {
            (Self::Core(core), State::Number(state)) => {
                core.step(connection, state, backwards, arguments)
            }
            (Self::Component(component), State::Resource(state)) => {
                component.step(connection, state, backwards, arguments)
            }
            _ => Ok(()),
        }
    }

    /// The value of a group, at its end or with `end` false as it is.
    pub(crate) fn value(
        &mut self,
        connection: &Connection<'_>,
        state: State,
        end: bool,
        sink: Sink<'_>,
    ) -> Result<()> {
        match (self, state) {
            (Self::Core(core), State::Number(state)) => core.value(connection, state, end, sink),
            (Self::Component(component), State::Resource(state)) => {
                component.value(connection, state, end, sink)
            }
            _ => Ok(()),
        }
    }

    /// Begins a scan; none where an argument that must not be NULL is.
    pub(crate) fn open<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<Option<State>> {
        match self {
            Self::Core(core) => Ok(core.open(connection, arguments)?.map(State::Number)),
            Self::Component(component) => {
                let open = component.open(connection, arguments)?;
                Ok(open.then_some(State::Rows))
            }
        }
    }

    /// The next rows, encoded, appended to `rows`. Nothing appended: there are no more.
    pub(crate) fn next(
        &mut self,
        connection: &Connection<'_>,
        scan: State,
        rows: &mut Vec<u8>,
    ) -> Result<()> {
        match (self, scan) {
            (Self::Core(core), State::Number(scan)) => core.next(connection, scan, rows),
            (Self::Component(component), _) => {
                component.next(rows);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends a scan.
    pub(crate) fn close(&mut self, connection: &Connection<'_>, scan: State) -> Result<()> {
        match (self, scan) {
            (Self::Core(core), State::Number(scan)) => core.close(connection, scan),
            _ => Ok(()),
        }
    }
}

/// Runs guest code on behalf of `connection`, under the limits of one call.
pub(crate) fn calling<R>(
    connection: &Connection<'_>,
    store: &mut Store<Guest>,
    body: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    store.set_epoch_deadline(1);
    store.data_mut().begin_call();
    let _nesting = match Nesting::enter(store.data().stack) {
        Ok(nesting) => nesting,
        Err(stopped) => return store.data_mut().stop(stopped),
    };
    let probe = Arc::clone(&store.data().probe);
    connection.with_probe(&probe, || {
        if store.data().limits.statement.is_some() {
            timed(connection, store, body)
        } else {
            lending(connection, store, body)
        }
    })
}

/// A call whose time counts against the statement's limit.
#[expect(clippy::disallowed_methods, reason = "real time limits need real time")]
fn timed<R>(
    connection: &Connection<'_>,
    store: &mut Store<Guest>,
    body: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    if store.data().is_spent() {
        return store.data_mut().stop(Stopped::StatementTime);
    }
    let started = Instant::now();
    let result = lending(connection, store, body);
    store.data().spend(started.elapsed());
    result
}

/// A call that may query the connection, if that was granted: with the loan that the guest has
/// already, else with one for this call.
fn lending<R>(
    connection: &Connection<'_>,
    store: &mut Store<Guest>,
    body: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    let has_loan = match &store.data().sql {
        None => return body(store),
        Some(sql) => sql.lent.is_some(),
    };
    let interruptible = |store: &mut Store<Guest>| {
        connection.with_interrupter(|interrupter| {
            if let Some(sql) = &mut store.data_mut().sql {
                sql.interrupter = Some(Arc::clone(interrupter));
            }
            let ended = Ended(store);
            body(ended.0)
        })
    };
    if has_loan {
        return interruptible(store);
    }
    connection.lend(|lent| {
        if let Some(sql) = &mut store.data_mut().sql {
            sql.lent = Some(lent.clone());
        }
        interruptible(store)
    })
}

/// Takes the connection away again, and undoes what the guest left open, also when a panic passes.
struct Ended<'s>(&'s mut Store<Guest>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if let Some(sql) = &mut self.0.data_mut().sql {
            sql.proxy.end();
            sql.watch = None;
            sql.interrupter = None;
            sql.lent = None;
        }
    }
}

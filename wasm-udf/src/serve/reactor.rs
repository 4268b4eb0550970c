//! A program that is kept and answers requests: one instance of it, used by one request at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use sqlite_abi::{Connection, Lent};
use wasmtime::Store;

use super::command::given;
use super::options::Options;
use super::program::{HANDLE, Program};
use crate::error::{Error, Result};
use crate::guest::{Guest, Role, Spent};
use crate::instance::calling;
use crate::process::{Process, Stack};
use crate::raw::{Bits, Export};
use crate::sqlproxy::{Proxy, Warm};
use crate::world::{Output, Response, World};

/// See the module's documentation. After an error it must not be used again: nobody knows what
/// state the program is in.
pub(super) struct Reactor {
    store: Store<Guest>,
    handle: Export,
    process: Arc<Process>,
    /// What it needs of the calling thread.
    pub(super) stack: Stack,
}

impl Reactor {
    /// Starts one: its start function and `_initialize` run here, under the limits of a request.
    ///
    /// # Errors
    /// Theirs.
    pub(super) fn new(
        process: &Arc<Process>,
        connection: &Connection<'_>,
        program: &Program,
        options: &Options,
        proxy: Option<Proxy>,
    ) -> Result<Self> {
        let internal = |reason| Error::Internal {
            guest: program.title.to_string(),
            reason,
        };
        let _alive = process.instance_begins().map_err(internal)?;
        let mut terms = options.terms;
        terms.limits.statement = None;
        let spent = Arc::<Spent>::default();
        let mut guest = Guest::new(&program.title, Role::Reactor, terms, process, proxy, &spent);
        guest.stack = program.stack;
        guest.world = World {
            given: given(&program.name, options),
            output: Output::Last(VecDeque::new()),
            ..World::default()
        };
        let mut store = guest.into_store(program.pre.module().engine());
        let made = calling(connection, &mut store, |store| {
            let instance = program.pre.instantiate(&mut *store)?;
            let mut find = |name: &str| {
                let func = instance.get_func(&mut *store, name);
                func.and_then(|func| Export::new(store, func))
            };
            let handle = find(HANDLE)
                .ok_or_else(|| wasmtime::Error::msg(format!("the export '{HANDLE}' is gone")))?;
            if let Some(mut initialise) = find("_initialize") {
                initialise.call(store, &[])?;
            }
            Ok(handle)
        });
        let handle = made.map_err(|error| store.data_mut().explain(&error))?;
        Ok(Self {
            store,
            handle,
            process: Arc::clone(process),
            stack: program.stack,
        })
    }

    /// Hands it a request; gives its answer. `lent` is a loan that outlives it, and `warm` what
    /// requests keep with that.
    ///
    /// # Errors
    /// What ends the request and the instance. (An error that the program answers is an answer.)
    pub(super) fn serve(
        &mut self,
        connection: &Connection<'_>,
        lent: &Lent,
        warm: &mut Option<Warm>,
        request: &[u8],
    ) -> Result<Response> {
        let guest = self.store.data_mut();
        let internal = |reason| Error::Internal {
            guest: guest.title.to_string(),
            reason,
        };
        let _alive = self.process.instance_begins().map_err(internal)?;
        let Ok(length) = i32::try_from(request.len()) else {
            return Err(internal("the request is larger than 2 GB".to_owned()));
        };
        guest.world.request.clear();
        guest.world.request.extend_from_slice(request);
        guest.world.response = Response::Null;
        if let Some(sql) = &mut guest.sql {
            sql.proxy.begin(warm.take());
            sql.lent = Some(lent.clone());
        }
        let handle = &mut self.handle;
        let served = calling(connection, &mut self.store, |store| {
            handle.call(store, &[Bits::i32(length)])
        });
        let guest = self.store.data_mut();
        *warm = guest.sql.as_mut().and_then(|sql| sql.proxy.cool());
        match served {
            Ok(_) => Ok(std::mem::take(&mut guest.world.response)),
            Err(error) => Err(guest.explain(&error)),
        }
    }
}

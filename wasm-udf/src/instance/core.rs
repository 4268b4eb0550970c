//! An instance of a core module at work. `arguments` puts values into its memory, `results` takes
//! them out.
//!
//! Divisions: making one · calls · aggregates · tables.

mod arguments;
mod results;

use std::sync::Arc;

use sqlite_abi::{Connection, ValueRef};
use wasmtime::{InstancePre, Memory, Store};

use self::arguments::Arguments;
use super::{Sink, calling};
use crate::binding::core::{Allocator, CoreBinding, FREE, Roles};
use crate::error::Result;
use crate::guest::Guest;
use crate::process::Alive;
use crate::raw::{Bits, Export};
use crate::stats::Stopwatch;
use crate::types::DataType;

/// See the module's documentation.
pub(crate) struct CoreInstance {
    store: Store<Guest>,
    binding: Arc<CoreBinding>,
    exports: Exports,
    memory: Option<Memory>,
    allocator: Option<(Allocator, Export)>,
    free: Option<Export>,
    /// The block in the guest's memory that holds arguments: address and size.
    block: (u32, usize),
    /// The arguments of a call, as numbers.
    bits: Vec<Bits>,
    /// An argument of type ANY, encoded.
    scratch: Vec<u8>,
    pub(crate) stopwatch: Stopwatch,
    _alive: Alive,
}

enum Exports {
    Scalar(Export),
    Aggregate {
        init: Export,
        step: Export,
        finish: Export,
        value: Option<Export>,
        inverse: Option<Export>,
    },
    Table {
        open: Export,
        next: Export,
        close: Option<Export>,
    },
}

impl CoreInstance {
    /// Instantiates a module. Its start function and `_initialize` run here, under the limits of
    /// a call.
    ///
    /// # Errors
    /// Theirs, and that of a memory or table larger than its limit.
    pub(crate) fn new(
        connection: &Connection<'_>,
        pre: &InstancePre<Guest>,
        binding: &Arc<CoreBinding>,
        guest: Guest,
        stopwatch: Stopwatch,
        alive: Alive,
    ) -> Result<Self> {
        let mut store = guest.into_store(pre.module().engine());
        let made = calling(connection, &mut store, |store| {
            let instance = pre.instantiate(&mut *store)?;
            let mut find = |name: &str| {
                let func = instance.get_func(&mut *store, name);
                func.and_then(|func| Export::new(store, func))
                    .ok_or_else(|| wasmtime::Error::msg(format!("the export '{name}' is gone")))
            };
            let mut maybe = |name: &Option<String>| name.as_deref().map(&mut find).transpose();
            let exports = match &binding.roles {
                Roles::Aggregate {
                    init,
                    step,
                    finish,
                    value,
                    inverse,
                } => {
                    let (value, inverse) = (maybe(value)?, maybe(inverse)?);
                    Exports::Aggregate {
                        init: find(init)?,
                        step: find(step)?,
                        finish: find(finish)?,
                        value,
                        inverse,
                    }
                }
                Roles::Table { open, next, close } => {
                    let close = maybe(close)?;
                    Exports::Table {
                        open: find(open)?,
                        next: find(next)?,
                        close,
                    }
                }
                Roles::Scalar(name) => Exports::Scalar(find(name)?),
            };
            let allocator = match binding.allocator {
                Some(Allocator::Plain(name)) => Some((Allocator::Plain(name), find(name)?)),
                Some(Allocator::Realloc) => Some((Allocator::Realloc, find("cabi_realloc")?)),
                None => None,
            };
            let free = if binding.frees {
                Some(find(FREE)?)
            } else {
                None
            };
            let initialise = binding
                .initialises
                .then(|| find("_initialize"))
                .transpose()?;
            let memory = instance.get_memory(&mut *store, "memory");
            if let Some(mut initialise) = initialise {
                initialise.call(store, &[])?;
            }
            Ok((exports, allocator, free, memory))
        });
        let (exports, allocator, free, memory) =
            made.map_err(|error| store.data_mut().explain(&error))?;
        Ok(Self {
            store,
            binding: Arc::clone(binding),
            exports,
            memory,
            allocator,
            free,
            block: (0, 0),
            bits: Vec::new(),
            scratch: Vec::new(),
            stopwatch,
            _alive: alive,
        })
    }

    fn title(&self) -> String {
        self.store.data().title.to_string()
    }
}

// Calls -------------------------------------------------------------------------------------

impl CoreInstance {
    /// One call of an export with the arguments in `bits`.
    fn call(
        &mut self,
        connection: &Connection<'_>,
        export: impl FnOnce(&mut Exports) -> Option<&mut Export>,
    ) -> Result<Option<Bits>> {
        let Self {
            store,
            exports,
            bits,
            stopwatch,
            ..
        } = self;
        let Some(export) = export(exports) else {
            return Ok(None);
        };
        let result =
            stopwatch.time(|| calling(connection, store, |store| export.call(store, bits)));
        result.map_err(|error| {
            stopwatch.error();
            store.data_mut().explain(&error)
        })
    }

    /// A procedure's value for one row.
    ///
    /// # Errors
    /// Whatever ends the statement. The instance must not be used again.
    pub(crate) fn scalar<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.bits.clear();
        if let Arguments::Null = self.put_arguments(connection, arguments)? {
            sink(ValueRef::Null, DataType::Any);
            return Ok(());
        }
        let result = self.call(connection, |exports| match exports {
            Exports::Scalar(export) => Some(export),
            _ => None,
        })?;
        self.give(connection, result, sink)
    }
}

// Aggregates --------------------------------------------------------------------------------

impl CoreInstance {
    /// Begins a group.
    ///
    /// # Errors
    /// As [`CoreInstance::scalar`]; so for all methods.
    pub(crate) fn init(&mut self, connection: &Connection<'_>) -> Result<Bits> {
        self.bits.clear();
        let state = self.call(connection, |exports| match exports {
            Exports::Aggregate { init, .. } => Some(init),
            _ => None,
        })?;
        Ok(state.unwrap_or(Bits::i32(0)))
    }

    /// Adds a row to a group, or with `inverse` takes it back.
    pub(crate) fn step<'v>(
        &mut self,
        connection: &Connection<'_>,
        state: Bits,
        backwards: bool,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<()> {
        self.bits.clear();
        self.bits.push(state);
        if let Arguments::Null = self.put_arguments(connection, arguments)? {
            return Ok(());
        }
        self.call(connection, |exports| match exports {
            Exports::Aggregate { step, .. } if !backwards => Some(step),
            Exports::Aggregate { inverse, .. } => inverse.as_mut(),
            _ => None,
        })?;
        Ok(())
    }

    /// The value of a group, at its end or with `end` false as it is.
    pub(crate) fn value(
        &mut self,
        connection: &Connection<'_>,
        state: Bits,
        end: bool,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.bits.clear();
        self.bits.push(state);
        let result = self.call(connection, |exports| match exports {
            Exports::Aggregate { finish, .. } if end => Some(finish),
            Exports::Aggregate { value, .. } => value.as_mut(),
            _ => None,
        })?;
        self.give(connection, result, sink)
    }
}

// Tables ------------------------------------------------------------------------------------

impl CoreInstance {
    /// Begins a scan; none where an argument that must not be NULL is.
    pub(crate) fn open<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<Option<Bits>> {
        self.bits.clear();
        if let Arguments::Null = self.put_arguments(connection, arguments)? {
            return Ok(None);
        }
        let scan = self.call(connection, |exports| match exports {
            Exports::Table { open, .. } => Some(open),
            _ => None,
        })?;
        Ok(scan)
    }

    /// The next rows, encoded, appended to `rows`. Nothing appended: there are no more.
    pub(crate) fn next(
        &mut self,
        connection: &Connection<'_>,
        scan: Bits,
        rows: &mut Vec<u8>,
    ) -> Result<()> {
        self.bits.clear();
        self.bits.push(scan);
        let result = self.call(connection, |exports| match exports {
            Exports::Table { next, .. } => Some(next),
            _ => None,
        })?;
        if let Some(bits) = result {
            rows.extend_from_slice(self.bytes_at(bits)?);
        }
        Ok(())
    }

    /// Ends a scan.
    pub(crate) fn close(&mut self, connection: &Connection<'_>, scan: Bits) -> Result<()> {
        self.bits.clear();
        self.bits.push(scan);
        self.call(connection, |exports| match exports {
            Exports::Table { close, .. } => close.as_mut(),
            _ => None,
        })?;
        Ok(())
    }
}

impl std::fmt::Debug for CoreInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoreInstance")
            .field("guest", self.store.data())
            .finish_non_exhaustive()
    }
}

//! An instance of a core module at work: arguments into its memory, calls, results out of it.
//!
//! Divisions: making one · calls · arguments · results · aggregates · tables.

use std::sync::Arc;

use sqlite_abi::{Connection, ValueRef};
use wasmtime::{InstancePre, Memory, Store};

use super::{Sink, calling};
use crate::binding::Param;
use crate::binding::core::{Allocator, CoreBinding, FREE, Roles};
use crate::encoding::{decode, encode, encoded_length};
use crate::error::{Error, Result};
use crate::guest::{Guest, size_text};
use crate::process::Alive;
use crate::raw::{Bits, Export};
use crate::stats::Stopwatch;
use crate::types::{DataType, Number};

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

/// A call that is not made because an argument that must not be NULL is.
pub(crate) enum Arguments {
    Ready,
    Null,
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

// Arguments ---------------------------------------------------------------------------------

impl CoreInstance {
    /// Appends the arguments to `bits`, their bytes to the guest's memory.
    fn put_arguments<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<Arguments> {
        let binding = Arc::clone(&self.binding);
        let params = &binding.shape.params;
        let mut room = 0;
        for (index, param) in params.iter().enumerate() {
            let value = arguments(index);
            if value == ValueRef::Null && param.is_strict() {
                return Ok(Arguments::Null);
            }
            room += match (param.data_type, value) {
                (DataType::Any, value) => encoded_length(value),
                (_, ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len(),
                _ => 0,
            };
        }
        let mut address = if room > 0 {
            self.room(connection, room)?
        } else {
            self.block.0
        };
        for (index, param) in params.iter().enumerate() {
            let value = arguments(index);
            if param.nullable && param.data_type != DataType::Any {
                let present = value != ValueRef::Null;
                self.bits.push(Bits::i32(present.into()));
                if !present {
                    self.put_nothing(binding.numbers[index]);
                    continue;
                }
            }
            if let Some(number) = binding.numbers[index] {
                let bits = number_bits(param, number, value)
                    .map_err(|reason| self.wrong(param, index, &reason))?;
                self.bits.push(bits);
            } else {
                let length = self.put_bytes(param, index, value, address)?;
                self.bits.push(Bits::i32(address.cast_signed()));
                self.bits.push(Bits::i32(length.cast_signed()));
                address += length;
            }
        }
        Ok(Arguments::Ready)
    }

    fn put_nothing(&mut self, number: Option<Number>) {
        match number {
            Some(number) => self.bits.push(Bits::zero(number)),
            None => self.bits.extend([Bits::zero(Number::I32); 2]),
        }
    }

    /// Writes text, a blob or an encoded value to the guest's memory; returns its length.
    fn put_bytes(
        &mut self,
        param: &Param,
        index: usize,
        value: ValueRef<'_>,
        address: u32,
    ) -> Result<u32> {
        if let ValueRef::Text(text) = value
            && param.data_type != DataType::Blob
            && let Err(error) = std::str::from_utf8(text)
        {
            let at = error.valid_up_to();
            let reason = format!("the TEXT is not valid UTF-8 at byte {at}");
            return Err(self.wrong(param, index, &reason));
        }
        let bytes = match (param.data_type, value) {
            (DataType::Any, value) => {
                self.scratch.clear();
                encode(value, &mut self.scratch);
                &self.scratch[..]
            }
            (DataType::Blob, ValueRef::Blob(bytes)) => bytes,
            (DataType::Text | DataType::Json, ValueRef::Text(bytes)) => bytes,
            (_, other) => return Err(self.wrong(param, index, &unexpected(param, other))),
        };
        // The block was made large enough for all arguments, and its bounds were checked.
        let start = address as usize;
        let target = self.memory.and_then(|memory| {
            memory
                .data_mut(&mut self.store)
                .get_mut(start..start + bytes.len())
        });
        match target {
            Some(target) => target.copy_from_slice(bytes),
            None => return Err(self.broken("its memory is too small for its own block")),
        }
        Ok(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }

    /// The address of at least `size` bytes. The guest is asked seldom: the block stays.
    fn room(&mut self, connection: &Connection<'_>, size: usize) -> Result<u32> {
        if size <= self.block.1 {
            return Ok(self.block.0);
        }
        let wanted = size.next_power_of_two().max(1024);
        let limit = self.store.data().limits.memory;
        let Some(asked) = i32::try_from(wanted).ok().filter(|_| size <= limit) else {
            return Err(Error::Limit {
                guest: self.title(),
                limit: "memory",
                value: size_text(limit),
                advice: "; the arguments alone are larger",
            });
        };
        let Some((kind, export)) = &mut self.allocator else {
            return Err(self.broken("it has no allocator"));
        };
        let arguments = match kind {
            Allocator::Plain(_) => vec![Bits::i32(asked)],
            Allocator::Realloc => {
                vec![Bits::i32(0), Bits::i32(0), Bits::i32(8), Bits::i32(asked)]
            }
        };
        let given = calling(connection, &mut self.store, |store| {
            export.call(store, &arguments)
        });
        let given = match given {
            Ok(given) => given,
            Err(error) => {
                self.stopwatch.error();
                return Err(self.store.data_mut().explain(&error));
            }
        };
        let address = given.map_or(0, |bits| bits.bits as u32);
        let end = (address as usize).checked_add(wanted);
        let memory = self
            .memory
            .map_or(0, |memory| memory.data_size(&self.store));
        if address == 0 {
            return Err(self.broken(&format!(
                "its allocator has no {wanted} bytes for the arguments"
            )));
        }
        if end.is_none_or(|end| end > memory) {
            return Err(self.broken("its allocator returned a block outside of its memory"));
        }
        self.block = (address, wanted);
        Ok(address)
    }

    fn wrong(&self, param: &Param, index: usize, reason: &str) -> Error {
        Error::Argument {
            guest: self.title(),
            reason: format!("{}: {reason}", param.place(index)),
        }
    }

    fn broken(&self, message: &str) -> Error {
        Error::Failed {
            guest: self.title(),
            message: message.to_owned(),
        }
    }
}

fn unexpected(param: &Param, value: ValueRef<'_>) -> String {
    format!("expected {}, not {}", param.declared, value.type_name())
}

/// A value as the number type of the export, or why it cannot be.
fn number_bits(
    param: &Param,
    number: Number,
    value: ValueRef<'_>,
) -> std::result::Result<Bits, String> {
    match (param.data_type, value) {
        (DataType::Integer | DataType::Bool, ValueRef::Integer(integer)) => {
            let integer = if param.data_type == DataType::Bool {
                i64::from(integer != 0)
            } else {
                integer
            };
            integer_bits(number, integer)
        }
        (DataType::Integer, ValueRef::Real(real)) => {
            // 2^63 itself does not fit.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked to be whole and in range"
            )]
            if real.fract() == 0.0
                && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&real)
            {
                integer_bits(number, real as i64)
            } else {
                Err(format!("expected {}, not the REAL {real}", param.declared))
            }
        }
        (DataType::Real, ValueRef::Real(real)) => Ok(real_bits(number, real)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "as SQLite converts for REAL columns"
        )]
        (DataType::Real, ValueRef::Integer(integer)) => Ok(real_bits(number, integer as f64)),
        (_, other) => Err(unexpected(param, other)),
    }
}

fn integer_bits(number: Number, integer: i64) -> std::result::Result<Bits, String> {
    if number == Number::I64 {
        return Ok(Bits::i64(integer));
    }
    i32::try_from(integer)
        .map(Bits::i32)
        .map_err(|_| format!("the INTEGER {integer} is out of the range of the export's i32"))
}

#[expect(clippy::cast_possible_truncation, reason = "the export takes an f32")]
fn real_bits(number: Number, real: f64) -> Bits {
    match number {
        Number::F32 => Bits::f32(real as f32),
        _ => Bits::f64(real),
    }
}

// Results -----------------------------------------------------------------------------------

impl CoreInstance {
    /// Hands a result to `sink`, then its memory back to the guest.
    fn give(
        &mut self,
        connection: &Connection<'_>,
        result: Option<Bits>,
        sink: Sink<'_>,
    ) -> Result<()> {
        let (Some(bits), Some(data_type)) = (result, self.binding.shape.output) else {
            sink(ValueRef::Null, DataType::Any);
            return Ok(());
        };
        if self.store.data().null {
            sink(ValueRef::Null, data_type);
            return Ok(());
        }
        if !data_type.is_bytes() {
            sink(number_value(data_type, bits), data_type);
            return Ok(());
        }
        let bytes = self.bytes_at(bits)?;
        let value = match data_type {
            DataType::Blob => Ok(ValueRef::Blob(bytes)),
            DataType::Any => match decode(bytes) {
                Ok((value, [])) => Ok(value),
                Ok(_) => Err("more than one value".to_owned()),
                Err(reason) => Err(reason),
            },
            _ => match std::str::from_utf8(bytes) {
                Ok(_) => Ok(ValueRef::Text(bytes)),
                Err(error) => Err(format!(
                    "text that is not valid UTF-8 at byte {}",
                    error.valid_up_to()
                )),
            },
        };
        match value {
            Ok(value) => sink(value, data_type),
            Err(reason) => {
                self.stopwatch.error();
                return Err(Error::Returned {
                    guest: self.title(),
                    reason,
                });
            }
        }
        self.free(connection, bits)
    }

    /// The bytes that a result points at.
    fn bytes_at(&self, bits: Bits) -> Result<&[u8]> {
        let (address, length) = unpack(bits);
        let limit = self.store.data().limits.output;
        if length > limit {
            return Err(Error::Limit {
                guest: self.title(),
                limit: "output",
                value: size_text(limit),
                advice: "; set \"output\" to allow more",
            });
        }
        let memory = self
            .memory
            .map_or(&[][..], |memory| memory.data(&self.store));
        address
            .checked_add(length)
            .and_then(|end| memory.get(address..end))
            .ok_or_else(|| Error::Returned {
                guest: self.title(),
                reason: format!(
                    "{length} bytes at address {address}, which is outside of its memory of {} bytes",
                    memory.len()
                ),
            })
    }

    fn free(&mut self, connection: &Connection<'_>, bits: Bits) -> Result<()> {
        let (address, length) = unpack(bits);
        let Some(free) = &mut self.free else {
            return Ok(());
        };
        #[expect(clippy::cast_possible_truncation, reason = "both came out of 32 bits")]
        let arguments = [
            Bits::i32((address as u32).cast_signed()),
            Bits::i32((length as u32).cast_signed()),
        ];
        let freed = calling(connection, &mut self.store, |store| {
            free.call(store, &arguments)
        });
        freed
            .map(|_| ())
            .map_err(|error| self.store.data_mut().explain(&error))
    }
}

fn unpack(bits: Bits) -> (usize, usize) {
    (
        (bits.bits >> 32) as usize,
        (bits.bits & 0xffff_ffff) as usize,
    )
}

fn number_value(data_type: DataType, bits: Bits) -> ValueRef<'static> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is the value"
    )]
    let low = bits.bits as u32;
    let value = match bits.kind {
        Number::I32 => ValueRef::Integer(low.cast_signed().into()),
        Number::I64 => ValueRef::Integer(bits.bits.cast_signed()),
        Number::F32 => ValueRef::Real(f32::from_bits(low).into()),
        Number::F64 => ValueRef::Real(f64::from_bits(bits.bits)),
    };
    match value {
        ValueRef::Integer(integer) if data_type == DataType::Bool => {
            ValueRef::Integer((integer != 0).into())
        }
        ValueRef::Real(real) if real.is_nan() => ValueRef::Null,
        value => value,
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

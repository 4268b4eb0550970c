//! An instance of a component at work.
//!
//! Divisions: making one · calls · values · aggregates · tables.

use std::sync::Arc;

use sqlite_abi::{Connection, ValueRef};
use wasmtime::Store;
use wasmtime::component::{Func, InstancePre, ResourceAny, Val};

use super::{Sink, calling};
use crate::binding::Param;
use crate::binding::component::{ComponentBinding, Exports, Given, Width, Wit};
use crate::encoding::encode;
use crate::error::{Error, Result};
use crate::guest::{Guest, Stopped, size_text};
use crate::process::Alive;
use crate::stats::Stopwatch;
use crate::types::DataType;

/// See the module's documentation.
pub(crate) struct ComponentInstance {
    store: Store<Guest>,
    binding: Arc<ComponentBinding>,
    functions: Functions,
    arguments: Vec<Val>,
    /// The rows of a scan, encoded.
    rows: Vec<u8>,
    stopwatch: Stopwatch,
    _alive: Alive,
}

/// Most host memory for an argument on its way, whatever a definition says.
const LARGEST_ARGUMENT: usize = 256 << 20;

enum Functions {
    Function(Func),
    Resource {
        constructor: Func,
        step: Func,
        finish: Func,
        value: Option<Func>,
        inverse: Option<Func>,
    },
}

impl ComponentInstance {
    /// Instantiates a component.
    ///
    /// # Errors
    /// What its start ends with, and that of a memory or table larger than its limit.
    pub(crate) fn new(
        connection: &Connection<'_>,
        pre: &InstancePre<Guest>,
        binding: &Arc<ComponentBinding>,
        guest: Guest,
        stopwatch: Stopwatch,
        alive: Alive,
    ) -> Result<Self> {
        let mut store = guest.into_store(pre.engine());
        let made = calling(connection, &mut store, |store| {
            let instance = pre.instantiate(&mut *store)?;
            let mut find = |index| {
                instance
                    .get_func(&mut *store, index)
                    .ok_or_else(|| wasmtime::Error::msg("an export of the component is gone"))
            };
            Ok(match &binding.exports {
                Exports::Function(index) => Functions::Function(find(index)?),
                Exports::Resource {
                    constructor,
                    step,
                    finish,
                    value,
                    inverse,
                } => Functions::Resource {
                    constructor: find(constructor)?,
                    step: find(step)?,
                    finish: find(finish)?,
                    value: value.as_ref().map(&mut find).transpose()?,
                    inverse: inverse.as_ref().map(&mut find).transpose()?,
                },
            })
        });
        let functions = made.map_err(|error| store.data_mut().explain(&error))?;
        Ok(Self {
            store,
            binding: Arc::clone(binding),
            functions,
            arguments: Vec::new(),
            rows: Vec::new(),
            stopwatch,
            _alive: alive,
        })
    }

    fn title(&self) -> String {
        self.store.data().title.to_string()
    }

    // Calls ---------------------------------------------------------------------------------

    /// Calls a function with `arguments`. An `err` of the component's own becomes an error.
    fn call(&mut self, connection: &Connection<'_>, function: Func) -> Result<Option<Val>> {
        let Self {
            store,
            arguments,
            stopwatch,
            ..
        } = self;
        let count = function.ty(&*store).results().len();
        let result = stopwatch.time(|| {
            calling(connection, store, |store| {
                let mut results = vec![Val::Bool(false); count];
                function.call(&mut *store, arguments, &mut results)?;
                match results.pop() {
                    Some(Val::Result(Err(message))) => {
                        let message = match message.map(|message| *message) {
                            Some(Val::String(message)) => message,
                            _ => "it failed without saying why".to_owned(),
                        };
                        store.data_mut().stop(Stopped::Failed(message))
                    }
                    Some(Val::Result(Ok(value))) => Ok(value.map(|value| *value)),
                    other => Ok(other),
                }
            })
        });
        result.map_err(|error| {
            stopwatch.error();
            store.data_mut().explain(&error)
        })
    }

    /// A procedure's value for one row.
    pub(crate) fn scalar<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.arguments.clear();
        let Functions::Function(function) = self.functions else {
            return Ok(());
        };
        if !self.put_arguments(arguments)? {
            sink(ValueRef::Null, DataType::Any);
            return Ok(());
        }
        let result = self.call(connection, function)?;
        self.give(result, sink)
    }

    // Values --------------------------------------------------------------------------------

    /// Appends the arguments. False: one is NULL that must not be.
    fn put_arguments<'v>(&mut self, arguments: impl Fn(usize) -> ValueRef<'v>) -> Result<bool> {
        let binding = Arc::clone(&self.binding);
        for (index, (param, wit)) in binding.shape.params.iter().zip(&binding.params).enumerate() {
            let value = arguments(index);
            if value == ValueRef::Null && param.is_strict() {
                return Ok(false);
            }
            // Each byte of a list<u8> is a value of its own on its way.
            let size = match value {
                ValueRef::Text(bytes) => bytes.len(),
                ValueRef::Blob(bytes) => bytes.len().saturating_mul(size_of::<Val>()),
                _ => 0,
            };
            let limit = self.store.data().limits.memory.min(LARGEST_ARGUMENT);
            if size > limit {
                return Err(Error::Limit {
                    guest: self.title(),
                    limit: "memory",
                    value: size_text(limit),
                    advice: "; an argument alone needs more, a blob 40 times its size",
                });
            }
            let value = lower(param, wit, value).map_err(|reason| Error::Argument {
                guest: self.title(),
                reason: format!("{}: {reason}", param.place(index)),
            })?;
            self.arguments.push(value);
        }
        Ok(true)
    }

    fn give(&mut self, result: Option<Val>, sink: Sink<'_>) -> Result<()> {
        let (Some(value), Given::Value(wit)) = (result, &self.binding.given) else {
            sink(ValueRef::Null, DataType::Any);
            return Ok(());
        };
        let limit = self.store.data().limits.output;
        let data_type = wit.data_type();
        let mut size = 0;
        let lifted = lift(&value, &mut |value| {
            size = match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                _ => 0,
            };
            if size <= limit {
                sink(value, data_type);
            }
        });
        self.returned(lifted)?;
        self.within(size)
    }

    fn returned(&self, lifted: std::result::Result<(), String>) -> Result<()> {
        lifted.map_err(|reason| {
            self.stopwatch.error();
            Error::Returned {
                guest: self.title(),
                reason,
            }
        })
    }

    /// Refuses an output that is larger than its limit.
    fn within(&self, size: usize) -> Result<()> {
        let limit = self.store.data().limits.output;
        if size <= limit {
            return Ok(());
        }
        self.stopwatch.error();
        Err(Error::Limit {
            guest: self.title(),
            limit: "output",
            value: size_text(limit),
            advice: "; set \"output\" to allow more",
        })
    }

    // Aggregates ----------------------------------------------------------------------------

    /// Begins a group.
    pub(crate) fn init(&mut self, connection: &Connection<'_>) -> Result<ResourceAny> {
        self.arguments.clear();
        let Functions::Resource { constructor, .. } = self.functions else {
            return Err(self.broken("it is no aggregate"));
        };
        match self.call(connection, constructor)? {
            Some(Val::Resource(resource)) => Ok(resource),
            _ => Err(self.broken("its constructor gave no resource")),
        }
    }

    /// Adds a row to a group, or with `backwards` takes it back.
    pub(crate) fn step<'v>(
        &mut self,
        connection: &Connection<'_>,
        state: ResourceAny,
        backwards: bool,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<()> {
        self.arguments.clear();
        self.arguments.push(Val::Resource(state));
        let function = match &self.functions {
            Functions::Resource { step, .. } if !backwards => Some(*step),
            Functions::Resource { inverse, .. } => *inverse,
            Functions::Function(_) => None,
        };
        if let Some(function) = function
            && self.put_arguments(arguments)?
        {
            self.call(connection, function)?;
        }
        Ok(())
    }

    /// The value of a group, at its end or with `end` false as it is.
    pub(crate) fn value(
        &mut self,
        connection: &Connection<'_>,
        state: ResourceAny,
        end: bool,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.arguments.clear();
        self.arguments.push(Val::Resource(state));
        let function = match &self.functions {
            Functions::Resource { finish, .. } if end => Some(*finish),
            Functions::Resource { value, .. } => *value,
            Functions::Function(_) => None,
        };
        let Some(function) = function else {
            return Ok(());
        };
        let result = self.call(connection, function)?;
        self.give(result, sink)?;
        if end {
            let dropped = calling(connection, &mut self.store, |store| {
                state.resource_drop(store)
            });
            dropped.map_err(|error| self.store.data_mut().explain(&error))?;
        }
        Ok(())
    }

    fn broken(&self, message: &str) -> Error {
        Error::Failed {
            guest: self.title(),
            message: message.to_owned(),
        }
    }

    // Tables --------------------------------------------------------------------------------

    /// Calls the function that gives all rows. False: an argument is NULL that must not be.
    pub(crate) fn open<'v>(
        &mut self,
        connection: &Connection<'_>,
        arguments: impl Fn(usize) -> ValueRef<'v>,
    ) -> Result<bool> {
        self.arguments.clear();
        self.rows.clear();
        let Functions::Function(function) = self.functions else {
            return Ok(false);
        };
        if !self.put_arguments(arguments)? {
            return Ok(false);
        }
        if let Some(Val::List(rows)) = self.call(connection, function)? {
            for row in &rows {
                match row {
                    Val::Record(fields) => {
                        fields.iter().try_for_each(|(_, value)| self.put(value))?;
                    }
                    Val::Tuple(values) => values.iter().try_for_each(|value| self.put(value))?,
                    _ => {}
                }
                self.within(self.rows.len())?;
            }
        }
        Ok(true)
    }

    fn put(&mut self, value: &Val) -> Result<()> {
        let rows = &mut self.rows;
        let lifted = lift(value, &mut |value| encode(value, rows));
        self.returned(lifted)
    }

    /// All rows, once.
    pub(crate) fn next(&mut self, rows: &mut Vec<u8>) {
        rows.append(&mut self.rows);
    }
}

/// A value of SQL as a component takes it, or why it cannot be.
fn lower(param: &Param, wit: &Wit, value: ValueRef<'_>) -> std::result::Result<Val, String> {
    let text = |bytes| {
        std::str::from_utf8(bytes).map_err(|error: std::str::Utf8Error| {
            format!(
                "the TEXT is not valid UTF-8 at byte {}",
                error.valid_up_to()
            )
        })
    };
    Ok(match (wit, value) {
        (Wit::Option(_), ValueRef::Null) => Val::Option(None),
        (Wit::Option(inner), value) => Val::Option(Some(Box::new(lower(param, inner, value)?))),
        (Wit::Any, value) => {
            let case =
                |name: &str, payload: Val| Val::Variant(name.to_owned(), Some(Box::new(payload)));
            match value {
                ValueRef::Null => Val::Variant("null".to_owned(), None),
                ValueRef::Integer(integer) => case("integer", Val::S64(integer)),
                ValueRef::Real(real) => case("real", Val::Float64(real)),
                ValueRef::Text(bytes) => case("text", Val::String(text(bytes)?.to_owned())),
                ValueRef::Blob(blob) => case("blob", list(blob)),
            }
        }
        (Wit::Bool, ValueRef::Integer(integer)) => Val::Bool(integer != 0),
        (Wit::Integer(width), ValueRef::Integer(integer)) => whole(*width, integer)?,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and in range"
        )]
        (Wit::Integer(width), ValueRef::Real(real))
            if real.fract() == 0.0 && real.abs() < 9_223_372_036_854_775_808.0 =>
        {
            whole(*width, real as i64)?
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "as SQLite converts for REAL columns"
        )]
        (Wit::Float64, ValueRef::Integer(integer)) => Val::Float64(integer as f64),
        (Wit::Float64, ValueRef::Real(real)) => Val::Float64(real),
        #[expect(clippy::cast_precision_loss, reason = "the component takes an f32")]
        (Wit::Float32, ValueRef::Integer(integer)) => Val::Float32(integer as f32),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the component takes an f32"
        )]
        (Wit::Float32, ValueRef::Real(real)) => Val::Float32(real as f32),
        (Wit::Text, ValueRef::Text(bytes)) => Val::String(text(bytes)?.to_owned()),
        (Wit::Char, ValueRef::Text(bytes)) => {
            let mut characters = text(bytes)?.chars();
            match (characters.next(), characters.next()) {
                (Some(only), None) => Val::Char(only),
                _ => return Err("expected a text of one character".to_owned()),
            }
        }
        (Wit::Bytes, ValueRef::Blob(blob)) => list(blob),
        (_, other) => {
            return Err(format!(
                "expected {}, not {}",
                param.declared,
                other.type_name()
            ));
        }
    })
}

fn list(bytes: &[u8]) -> Val {
    Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect())
}

fn whole(width: Width, integer: i64) -> std::result::Result<Val, String> {
    let value = match width {
        Width::S8 => i8::try_from(integer).map(Val::S8),
        Width::U8 => u8::try_from(integer).map(Val::U8),
        Width::S16 => i16::try_from(integer).map(Val::S16),
        Width::U16 => u16::try_from(integer).map(Val::U16),
        Width::S32 => i32::try_from(integer).map(Val::S32),
        Width::U32 => u32::try_from(integer).map(Val::U32),
        Width::S64 => return Ok(Val::S64(integer)),
        Width::U64 => u64::try_from(integer).map(Val::U64),
    };
    value.map_err(|_| {
        let name = format!("{width:?}").to_ascii_lowercase();
        format!("the INTEGER {integer} is out of the range of the component's {name}")
    })
}

/// Hands a component's value on as a value of SQL, or says why there is none.
fn lift(value: &Val, sink: &mut dyn FnMut(ValueRef<'_>)) -> std::result::Result<(), String> {
    match value {
        Val::Bool(value) => sink(ValueRef::Integer((*value).into())),
        Val::S8(value) => sink(ValueRef::Integer((*value).into())),
        Val::U8(value) => sink(ValueRef::Integer((*value).into())),
        Val::S16(value) => sink(ValueRef::Integer((*value).into())),
        Val::U16(value) => sink(ValueRef::Integer((*value).into())),
        Val::S32(value) => sink(ValueRef::Integer((*value).into())),
        Val::U32(value) => sink(ValueRef::Integer((*value).into())),
        Val::S64(value) => sink(ValueRef::Integer(*value)),
        Val::U64(value) => match i64::try_from(*value) {
            Ok(integer) => sink(ValueRef::Integer(integer)),
            Err(_) => {
                return Err(format!(
                    "the u64 {value}, which is out of the range of INTEGER"
                ));
            }
        },
        Val::Float32(value) => real((*value).into(), sink),
        Val::Float64(value) => real(*value, sink),
        Val::Char(value) => sink(ValueRef::Text(value.encode_utf8(&mut [0; 4]).as_bytes())),
        Val::String(value) => sink(ValueRef::Text(value.as_bytes())),
        Val::List(values) => {
            let bytes: Vec<u8> = values
                .iter()
                .map(|value| if let Val::U8(byte) = value { *byte } else { 0 })
                .collect();
            sink(ValueRef::Blob(&bytes));
        }
        Val::Option(Some(value)) | Val::Variant(_, Some(value)) => return lift(value, sink),
        _ => sink(ValueRef::Null),
    }
    Ok(())
}

/// SQLite has no NaN.
fn real(value: f64, sink: &mut dyn FnMut(ValueRef<'_>)) {
    sink(if value.is_nan() {
        ValueRef::Null
    } else {
        ValueRef::Real(value)
    });
}

impl std::fmt::Debug for ComponentInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ComponentInstance")
            .field("guest", self.store.data())
            .finish_non_exhaustive()
    }
}

//! What wasmtime offers only as `unsafe`: code that was compiled earlier, and calls of exports
//! whose types are not known when we are compiled. The unsafe code of this crate is here, and where
//! `code.rs` vouches for what it has read.

#![expect(unsafe_code, reason = "see the module's documentation")]

use wasmtime::component::Component;
use wasmtime::{AsContextMut, Engine, Func, Module, Store, ValRaw, ValType};

use crate::types::Number;

/// A module from what [`Module::serialize`] gave.
///
/// # Errors
/// Bytes of another version or configuration of the engine.
///
/// # Safety
/// The bytes are what `serialize` gave: forged ones are native code.
pub(crate) unsafe fn module(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: as promised.
    unsafe { Module::deserialize(engine, bytes) }
}

/// The same for a component.
///
/// # Errors
/// As [`module`].
///
/// # Safety
/// As [`module`].
pub(crate) unsafe fn component(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: as promised.
    unsafe { Component::deserialize(engine, bytes) }
}

/// A number on its way into or out of a module, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) kind: Number,
    pub(crate) bits: u64,
}

impl Bits {
    pub(crate) const fn i32(value: i32) -> Self {
        Self {
            kind: Number::I32,
            bits: value.cast_unsigned() as u64,
        }
    }

    pub(crate) const fn i64(value: i64) -> Self {
        Self {
            kind: Number::I64,
            bits: value.cast_unsigned(),
        }
    }

    pub(crate) const fn f32(value: f32) -> Self {
        Self {
            kind: Number::F32,
            bits: value.to_bits() as u64,
        }
    }

    pub(crate) const fn f64(value: f64) -> Self {
        Self {
            kind: Number::F64,
            bits: value.to_bits(),
        }
    }

    /// Zero of a type.
    pub(crate) const fn zero(kind: Number) -> Self {
        Self { kind, bits: 0 }
    }

    fn raw(self) -> ValRaw {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the lower half is the value"
        )]
        let low = self.bits as u32;
        match self.kind {
            Number::I32 => ValRaw::u32(low),
            Number::F32 => ValRaw::f32(low),
            Number::I64 => ValRaw::u64(self.bits),
            Number::F64 => ValRaw::f64(self.bits),
        }
    }

    fn from_raw(kind: Number, raw: ValRaw) -> Self {
        let bits = match kind {
            Number::I32 => raw.get_u32().into(),
            Number::F32 => raw.get_f32().into(),
            Number::I64 => raw.get_u64(),
            Number::F64 => raw.get_f64(),
        };
        Self { kind, bits }
    }
}

/// An export that takes and gives numbers, with its types checked once. A call costs a tenth of
/// [`Func::call`], which looks at the types again each time.
#[derive(Debug)]
pub(crate) struct Export {
    func: Func,
    params: Vec<Number>,
    result: Option<Number>,
    /// Room for the parameters, then the result.
    slots: Vec<ValRaw>,
}

impl Export {
    /// None for a function with other than number types, or with several results.
    pub(crate) fn new<T>(store: &mut Store<T>, func: Func) -> Option<Self> {
        let ty = func.ty(&*store);
        let params = ty
            .params()
            .map(|ty| number(&ty))
            .collect::<Option<Vec<_>>>()?;
        if ty.results().len() > 1 {
            return None;
        }
        let result = match ty.result(0) {
            Some(ty) => Some(number(&ty)?),
            None => None,
        };
        let slots = vec![ValRaw::u64(0); params.len().max(1)];
        Some(Self {
            func,
            params,
            result,
            slots,
        })
    }

    /// Calls it. `store` is the one it was made with; wasmtime panics at another.
    ///
    /// # Errors
    /// A trap, or arguments that are not of the export's types.
    pub(crate) fn call<T>(
        &mut self,
        store: &mut Store<T>,
        arguments: &[Bits],
    ) -> wasmtime::Result<Option<Bits>> {
        let fits = arguments.len() == self.params.len()
            && arguments
                .iter()
                .zip(&self.params)
                .all(|(argument, param)| argument.kind == *param);
        if !fits {
            return Err(wasmtime::Error::msg(
                "arguments of other types than the export's",
            ));
        }
        for (slot, argument) in self.slots.iter_mut().zip(arguments) {
            *slot = argument.raw();
        }
        // SAFETY: the slots have room for all parameters, which have the types of the function
        // as just checked, and for its one result; no references are among them, and the crate
        // makes no asynchronous calls.
        unsafe {
            self.func
                .call_unchecked(store.as_context_mut(), self.slots.as_mut_slice())?;
        }
        Ok(self.result.map(|kind| Bits::from_raw(kind, self.slots[0])))
    }
}

pub(crate) fn number(ty: &ValType) -> Option<Number> {
    match ty {
        ValType::I32 => Some(Number::I32),
        ValType::I64 => Some(Number::I64),
        ValType::F32 => Some(Number::F32),
        ValType::F64 => Some(Number::F64),
        ValType::V128 | ValType::Ref(_) => None,
    }
}

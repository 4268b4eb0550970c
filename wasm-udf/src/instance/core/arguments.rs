//! SQL values as a call's arguments: numbers, and bytes in the guest's memory.

use std::sync::Arc;

use sqlite_abi::{Connection, ValueRef};

use super::{CoreInstance, calling};
use crate::binding::Param;
use crate::binding::core::Allocator;
use crate::encoding::{encode, encoded_length};
use crate::error::{Error, Result};
use crate::guest::size_text;
use crate::raw::Bits;
use crate::types::{DataType, Number};

/// A call that is not made because an argument that must not be NULL is.
pub(super) enum Arguments {
    Ready,
    Null,
}

impl CoreInstance {
    /// Appends the arguments to `bits`, their bytes to the guest's memory.
    pub(super) fn put_arguments<'v>(
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

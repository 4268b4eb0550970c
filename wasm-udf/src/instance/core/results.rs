//! A call's result as a SQL value, and its memory back to the guest.

use sqlite_abi::{Connection, ValueRef};

use super::{CoreInstance, Sink, calling};
use crate::encoding::decode;
use crate::error::{Error, Result};
use crate::guest::size_text;
use crate::raw::Bits;
use crate::types::{DataType, Number};

impl CoreInstance {
    /// Hands a result to `sink`, then its memory back to the guest.
    pub(super) fn give(
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
    pub(super) fn bytes_at(&self, bits: Bits) -> Result<&[u8]> {
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

//! What a core module may import: `sqlbridge`, `sqlproxy`, and `wasi_snapshot_preview1` without
//! files, environment, sockets or output. Anything else is refused when the procedure is created.

use std::sync::Arc;

use sqlite_abi::Lent;
use wasmtime::{Caller, Extern, ExternType, FuncType, Linker, Memory, Module, Val, ValType};

use crate::guest::{Guest, Stopped};
use crate::nesting::has_stack_for_sql;
use crate::signature::Signature;
use crate::sqlproxy::Proxy;

pub(crate) mod component;
mod session;
mod wasi;

/// A linker with what the module imports, and nothing else.
///
/// # Errors
/// The import that no procedure can have, and why, as the rest of a sentence.
pub(crate) fn linker(module: &Module, signature: &Signature) -> Result<Linker<Guest>, String> {
    let mut linker = Linker::new(module.engine());
    linker.allow_shadowing(true);
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        let ExternType::Func(ty) = import.ty() else {
            return Err(format!(
                "the module imports {from}.{name}, which is not a function; build it so that it has its own memory"
            ));
        };
        let defined = match from {
            "sqlbridge" => sqlbridge(&mut linker, name, &ty),
            "sqlproxy" if signature.sql.is_some() => sqlproxy(&mut linker, name, &ty),
            "sqlproxy" => {
                return Err(format!(
                    "the module imports {from}.{name}, which needs the grant \"sql\": \"read\" or \"write\""
                ));
            }
            "wasi_snapshot_preview1" => wasi::define(&mut linker, name, &ty),
            _ => Ok(false),
        };
        match defined {
            Ok(true) => {}
            Ok(false) => {
                return Err(format!(
                    "the module imports {from}.{name}, which no procedure can have"
                ));
            }
            Err(error) => {
                return Err(format!(
                    "the module's import {from}.{name} is wrong: {error:#}"
                ));
            }
        }
    }
    Ok(linker)
}

/// The guest's memory, in a host call.
fn memory(caller: &mut Caller<'_, Guest>) -> wasmtime::Result<Memory> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(wasmtime::Error::msg("the module exports no memory")),
    }
}

/// The part of the guest's memory that it names in a host call.
fn bytes<'a>(
    caller: &'a mut Caller<'_, Guest>,
    address: i32,
    length: i32,
    what: &'static str,
) -> wasmtime::Result<&'a mut [u8]> {
    let memory = memory(caller)?;
    let start = address.cast_unsigned() as usize;
    let end = start.checked_add(length.cast_unsigned() as usize);
    let size = memory.data_size(&*caller);
    match end {
        Some(end) if end <= size => Ok(&mut memory.data_mut(caller)[start..end]),
        _ => caller.data_mut().stop(Stopped::BadAddress(what)),
    }
}

fn sqlbridge(linker: &mut Linker<Guest>, name: &str, _: &FuncType) -> wasmtime::Result<bool> {
    match name {
        "null" => linker.func_wrap("sqlbridge", name, |mut caller: Caller<'_, Guest>| {
            caller.data_mut().null = true;
        })?,
        "fail" => linker.func_wrap(
            "sqlbridge",
            name,
            |mut caller: Caller<'_, Guest>, address: i32, length: i32| -> wasmtime::Result<()> {
                let text = bytes(&mut caller, address, length, "the text of its error")?;
                let text = String::from_utf8_lossy(&text[..text.len().min(LONGEST_MESSAGE)]);
                let message = text.replace('\0', "\u{fffd}");
                caller.data_mut().stop(Stopped::Failed(message))
            },
        )?,
        _ => return Ok(false),
    };
    Ok(true)
}

/// A longer error of a guest is cut.
const LONGEST_MESSAGE: usize = 4096;

fn sqlproxy(linker: &mut Linker<Guest>, name: &str, _: &FuncType) -> wasmtime::Result<bool> {
    match name {
        "host_db_query" => linker.func_wrap(
            "sqlproxy",
            name,
            |mut caller: Caller<'_, Guest>, address: i32, length: i32| -> wasmtime::Result<i32> {
                let request = bytes(&mut caller, address, length, "its request")?.to_vec();
                query(caller.data_mut(), &request)
            },
        )?,
        "host_copy_result" => linker.func_wrap(
            "sqlproxy",
            name,
            |mut caller: Caller<'_, Guest>, address: i32, most: i32| -> wasmtime::Result<i32> {
                let answer = caller
                    .data_mut()
                    .sql
                    .as_mut()
                    .map(|sql| std::mem::take(&mut sql.answer))
                    .unwrap_or_default();
                let Ok(length) = i32::try_from(answer.len()) else {
                    return Ok(-1);
                };
                if most < length {
                    // Not cut off: the guest may ask again with enough room.
                    if let Some(sql) = &mut caller.data_mut().sql {
                        sql.answer = answer;
                    }
                    return Ok(-1);
                }
                bytes(&mut caller, address, length, "the room for an answer")?
                    .copy_from_slice(&answer);
                Ok(length)
            },
        )?,
        _ => return Ok(false),
    };
    Ok(true)
}

/// Runs a request of the guest's; the answer waits to be copied.
fn query(guest: &mut Guest, request: &[u8]) -> wasmtime::Result<i32> {
    let answer = answer(guest, request)?;
    let length = i32::try_from(answer.len()).unwrap_or(-1);
    if let Some(sql) = &mut guest.sql {
        sql.answer = answer;
    }
    Ok(length)
}

/// Runs a request of the guest's.
fn answer(guest: &mut Guest, request: &[u8]) -> wasmtime::Result<Vec<u8>> {
    on_connection(guest, |proxy, lent| proxy.handle(lent, request))
}

/// Runs SQL for the guest. What is still running when the call's time is over is interrupted, and
/// the call ends.
fn on_connection<R>(
    guest: &mut Guest,
    body: impl FnOnce(&mut Proxy, &Lent) -> R,
) -> wasmtime::Result<R> {
    guest.tick()?;
    if !has_stack_for_sql() {
        return guest.stop(Stopped::NativeStack);
    }
    let deadline = guest.deadline();
    let process = Arc::clone(&guest.process);
    let lent = guest.sql.as_ref().and_then(|sql| sql.lent.clone());
    let (Some(sql), Some(lent)) = (&mut guest.sql, lent) else {
        return Err(wasmtime::Error::msg("SQL was not granted"));
    };
    let proxy = &mut sql.proxy;
    let result = lent.with(|connection| {
        connection.with_interrupter(|interrupter| {
            let _watch = process.watch(deadline, Arc::clone(interrupter));
            body(proxy, &lent)
        })
    });
    let result = result.map_err(|error| wasmtime::Error::msg(error.message))?;
    guest.tick()?;
    Ok(result)
}

/// A function that always answers with an error number, for a type with that one result.
fn answers(ty: &FuncType, errno: i32) -> Option<impl Fn(&mut [Val]) + Send + Sync + 'static> {
    let mut results = ty.results();
    match (results.next(), results.next()) {
        (Some(ValType::I32), None) => Some(move |results: &mut [Val]| {
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno);
            }
        }),
        _ => None,
    }
}

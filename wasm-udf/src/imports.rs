//! What a core module may import: `sqlbridge`, `sqlproxy`, and `wasi_snapshot_preview1` without
//! files and sockets. Anything else is refused when the guest is created.

use wasmtime::{Caller, Extern, ExternType, FuncType, Linker, Memory, Module, Val, ValType};

use crate::guest::{Guest, Role, Stopped};

pub(crate) mod component;
mod session;
mod sqlproxy;
mod wasi;
mod world;

/// For whom imports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    pub(crate) role: Role,
    /// Whether SQL is granted.
    pub(crate) sql: bool,
}

/// A linker with what the module imports, and nothing else.
///
/// # Errors
/// The import that no such guest can have, and why, as the rest of a sentence.
pub(crate) fn linker(module: &Module, offer: Offer) -> Result<Linker<Guest>, String> {
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
            "sqlbridge" if offer.role == Role::Procedure => sqlbridge(&mut linker, name, &ty),
            "sqlproxy" if offer.sql || !SQL.contains(&name) => {
                sqlproxy::define(&mut linker, name, offer)
            }
            "sqlproxy" => {
                return Err(format!(
                    "the module imports {from}.{name}, which needs the grant \"sql\": \"read\" or \"write\""
                ));
            }
            "wasi_snapshot_preview1" => wasi::define(&mut linker, name, &ty, offer),
            _ => Ok(false),
        };
        match defined {
            Ok(true) => {}
            Ok(false) => {
                return Err(format!(
                    "the module imports {from}.{name}, which no {} can have",
                    match offer.role {
                        Role::Procedure => "procedure",
                        Role::Command | Role::Reactor => "program in the database",
                    }
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

/// The imports that need the grant.
const SQL: [&str; 2] = ["host_db_query", "host_copy_result"];

/// The guest's memory, in a host call. It is looked up by its name once.
fn memory(caller: &mut Caller<'_, Guest>) -> wasmtime::Result<Memory> {
    if let Some(memory) = caller.data().main_memory {
        return Ok(memory);
    }
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => {
            caller.data_mut().main_memory = Some(memory);
            Ok(memory)
        }
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
                let message = sentence(text);
                caller.data_mut().stop(Stopped::Failed(message))
            },
        )?,
        _ => return Ok(false),
    };
    Ok(true)
}

/// A longer error of a guest is cut.
const LONGEST_MESSAGE: usize = 4096;

/// The words of a guest, as an error's text.
fn sentence(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(LONGEST_MESSAGE)]);
    text.replace('\0', "\u{fffd}")
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

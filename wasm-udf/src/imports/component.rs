//! What a component may import: `sqlbridge:procedures/sqlproxy` and `sqlbridge:procedures/session`
//! where SQL is granted, and of WASI random numbers and clocks, as core modules have them. Every other import exists and traps when
//! it is called: programs built for WASI import much that they never use.

use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use super::session::{self, SESSION};
use super::sqlproxy::answer;
use super::wasi;
use crate::guest::Guest;
use crate::signature::{Signature, SqlGrant};

/// The interface of `docs/host-interface.md`, as `query: func(request: list<u8>) -> list<u8>`.
const SQLPROXY: &str = "sqlbridge:procedures/sqlproxy";

type Context<'a> = StoreContextMut<'a, Guest>;

/// A linker with what the component imports.
///
/// # Errors
/// The import that needs a grant, or is none of an interface, as the rest of a sentence.
pub(crate) fn linker(
    component: &Component,
    signature: &Signature,
) -> Result<Linker<Guest>, String> {
    let engine = component.engine();
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    let wrong = |name: &str, error: wasmtime::Error| {
        format!("the component's import {name} is wrong: {error:#}")
    };
    linker
        .define_unknown_imports_as_traps(component)
        .map_err(|error| format!("the component's imports cannot be had: {error:#}"))?;
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        let interface = name.split('@').next().unwrap_or(name);
        if interface == SQLPROXY && signature.sql.is_none() {
            return Err(format!(
                "the component imports {name}, which needs the grant \"sql\": \"read\" or \"write\""
            ));
        }
        if interface == SESSION && signature.sql != Some(SqlGrant::Write) {
            return Err(format!(
                "the component imports {name}, which needs the grant \"sql\": \"write\""
            ));
        }
        let functions: Vec<&str> = instance.exports(engine).map(|(name, _)| name).collect();
        for function in functions {
            let mut target = linker.instance(name).map_err(|error| wrong(name, error))?;
            define(&mut target, interface, function).map_err(|error| wrong(name, error))?;
        }
    }
    Ok(linker)
}

fn define(
    target: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    match (interface, function) {
        (SESSION, _) => session::define(target, function),
        (SQLPROXY, "query") => target.func_wrap(
            function,
            |mut context: Context<'_>, (request,): (Vec<u8>,)| {
                Ok((answer(context.data_mut(), &request)?,))
            },
        ),
        ("wasi:random/insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            target.func_wrap(function, |mut context: Context<'_>, (): ()| {
                let guest = context.data_mut();
                Ok(((random_u64(guest), random_u64(guest)),))
            })
        }
        ("wasi:random/random", "get-random-u64")
        | ("wasi:random/insecure", "get-insecure-random-u64") => target
            .func_wrap(function, |mut context: Context<'_>, (): ()| {
                Ok((random_u64(context.data_mut()),))
            }),
        ("wasi:random/random", "get-random-bytes")
        | ("wasi:random/insecure", "get-insecure-random-bytes") => {
            target.func_wrap(function, |mut context: Context<'_>, (length,): (u64,)| {
                let length = usize::try_from(length)
                    .unwrap_or(usize::MAX)
                    .min(MOST_RANDOM);
                Ok((wasi::random(context.data_mut(), length),))
            })
        }
        ("wasi:clocks/monotonic-clock", "now") => target
            .func_wrap(function, |context: Context<'_>, (): ()| {
                Ok((wasi::time(context.data()),))
            }),
        ("wasi:clocks/wall-clock", "now") => {
            target.func_wrap(function, |context: Context<'_>, (): ()| {
                let time = wasi::time(context.data());
                Ok((DateTime {
                    seconds: time / 1_000_000_000,
                    nanoseconds: u32::try_from(time % 1_000_000_000).unwrap_or_default(),
                },))
            })
        }
        _ => Ok(()),
    }
}

/// Most random bytes of one call.
const MOST_RANDOM: usize = 1 << 20;

fn random_u64(guest: &mut Guest) -> u64 {
    let bytes = wasi::random(guest, 8);
    bytes
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// `wasi:clocks/wall-clock.datetime`.
#[derive(
    Debug,
    Clone,
    Copy,
    wasmtime::component::ComponentType,
    wasmtime::component::Lift,
    wasmtime::component::Lower,
)]
#[component(record)]
struct DateTime {
    #[component(name = "seconds")]
    seconds: u64,
    #[component(name = "nanoseconds")]
    nanoseconds: u32,
}

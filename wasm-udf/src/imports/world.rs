//! The part of WASI that shows a program what is around it: arguments, environment, the standard
//! streams. A procedure finds nothing there, and what it writes is dropped.

use std::sync::Arc;

use wasmtime::{Caller, Linker};

use super::wasi::{BADF, MODULE, SUCCESS, put};
use super::{Offer, bytes};
use crate::guest::{Guest, Role, Stopped};
use crate::serve::turns::{Stream, pause};
use crate::world::{Given, Output};

type In<'a> = Caller<'a, Guest>;

/// Defines one import. False: it is none of these.
pub(super) fn define(
    linker: &mut Linker<Guest>,
    name: &str,
    offer: Offer,
) -> wasmtime::Result<bool> {
    match (name, offer.role) {
        ("args_sizes_get", _) => {
            linker.func_wrap(MODULE, name, |caller: In<'_>, count: i32, size: i32| {
                sizes(caller, count, size, |given| &given.arguments)
            })?;
        }
        ("environ_sizes_get", _) => {
            linker.func_wrap(MODULE, name, |caller: In<'_>, count: i32, size: i32| {
                sizes(caller, count, size, |given| &given.environment)
            })?;
        }
        ("args_get", _) => {
            linker.func_wrap(MODULE, name, |caller: In<'_>, list: i32, texts: i32| {
                copy(caller, list, texts, |given| &given.arguments)
            })?;
        }
        ("environ_get", _) => {
            linker.func_wrap(MODULE, name, |caller: In<'_>, list: i32, texts: i32| {
                copy(caller, list, texts, |given| &given.environment)
            })?;
        }
        ("fd_read", _) => {
            linker.func_wrap(MODULE, name, read)?;
        }
        ("fd_write", Role::Command) => {
            linker.func_wrap_async(
                MODULE,
                name,
                |mut caller: In<'_>, (file, list, count, written): (i32, i32, i32, i32)| {
                    Box::new(async move { write(&mut caller, file, list, count, written).await })
                },
            )?;
        }
        ("fd_write", _) => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: In<'_>, file: i32, list: i32, count: i32, written: i32| {
                    if stream(file).is_none() {
                        return Ok(BADF);
                    }
                    let mut total = 0_u32;
                    for (address, length) in buffers(&mut caller, list, count)? {
                        total = total.saturating_add(length.cast_unsigned());
                        if matches!(caller.data().world.output, Output::Last(_)) {
                            let content = bytes(&mut caller, address, length, "its output")?;
                            let content = content[content.len().saturating_sub(4096)..].to_vec();
                            caller.data_mut().world.output.keep(&content);
                        }
                    }
                    put(&mut caller, written, &total.to_le_bytes())?;
                    Ok(SUCCESS)
                },
            )?;
        }
        ("fd_fdstat_get", _) => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: In<'_>, file: i32, result: i32| {
                    if !(0..=2).contains(&file) {
                        return Ok(BADF);
                    }
                    // A character device without rights.
                    let mut stat = [0; 24];
                    stat[0] = 2;
                    put(&mut caller, result, &stat)?;
                    Ok(SUCCESS)
                },
            )?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn sizes(
    mut caller: In<'_>,
    count: i32,
    size: i32,
    texts: impl Fn(&Given) -> &Vec<String>,
) -> wasmtime::Result<i32> {
    let texts = texts(&caller.data().world.given);
    let number = u32::try_from(texts.len()).unwrap_or(u32::MAX);
    let bytes: usize = texts.iter().map(|text| text.len() + 1).sum();
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    put(&mut caller, count, &number.to_le_bytes())?;
    put(&mut caller, size, &bytes.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Writes texts with a zero at their end, and a list of their addresses.
fn copy(
    mut caller: In<'_>,
    list: i32,
    texts: i32,
    given: impl Fn(&Given) -> &Vec<String>,
) -> wasmtime::Result<i32> {
    let world = Arc::clone(&caller.data().world.given);
    let mut addresses = Vec::new();
    let mut content = Vec::new();
    for text in given(&world) {
        let offset = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let address = texts.cast_unsigned().wrapping_add(offset);
        addresses.extend_from_slice(&address.to_le_bytes());
        content.extend_from_slice(text.as_bytes());
        content.push(0);
    }
    put(&mut caller, list, &addresses)?;
    put(&mut caller, texts, &content)?;
    Ok(SUCCESS)
}

/// Most buffers of one call, as on most systems. What others hold counts as not read, or not
/// written.
const MOST_BUFFERS: u32 = 1024;

/// Addresses and lengths of a list of buffers.
fn buffers(caller: &mut In<'_>, list: i32, count: i32) -> wasmtime::Result<Vec<(i32, i32)>> {
    let length = count.cast_unsigned().min(MOST_BUFFERS) * 8;
    let list = bytes(caller, list, length.cast_signed(), "a list of buffers")?;
    let (entries, _) = list.as_chunks::<8>();
    Ok(entries
        .iter()
        .map(|[a, b, c, d, length @ ..]| {
            (
                i32::from_le_bytes([*a, *b, *c, *d]),
                i32::from_le_bytes(*length),
            )
        })
        .collect())
}

fn stream(file: i32) -> Option<Stream> {
    match file {
        1 => Some(Stream::Stdout),
        2 => Some(Stream::Stderr),
        _ => None,
    }
}

/// The input, then its end.
fn read(mut caller: In<'_>, file: i32, list: i32, count: i32, read: i32) -> wasmtime::Result<i32> {
    if file != 0 {
        return Ok(BADF);
    }
    let given = Arc::clone(&caller.data().world.given);
    let mut total = 0_u32;
    for (address, length) in buffers(&mut caller, list, count)? {
        let rest = given.input.get(caller.data().world.read..).unwrap_or(&[]);
        let part = &rest[..rest.len().min(length.cast_unsigned() as usize)];
        put(&mut caller, address, part)?;
        caller.data_mut().world.read += part.len();
        total += u32::try_from(part.len()).unwrap_or(u32::MAX);
    }
    put(&mut caller, read, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Hands what a command writes to the statement that runs it, as soon as there are whole lines.
async fn write(
    caller: &mut In<'_>,
    file: i32,
    list: i32,
    count: i32,
    written: i32,
) -> wasmtime::Result<i32> {
    let Some(stream) = stream(file) else {
        return Ok(BADF);
    };
    let Output::Lines(turns) = &caller.data().world.output else {
        return Ok(BADF);
    };
    let turns = Arc::clone(turns);
    let mut total = 0_u32;
    for (address, length) in buffers(caller, list, count)? {
        let end = bytes(caller, address, length, "its output")?.len();
        let mut at = 0;
        while at < end {
            let content = bytes(caller, address, length, "its output")?;
            let part = &content[at..end.min(at + PART)];
            at += part.len();
            let ready = match turns.write(stream, part) {
                Ok(ready) => ready,
                Err(over) => {
                    return caller.data_mut().stop(Stopped::Output(if over.held {
                        " while a transaction, or a statement that changes the database, was open: until then \
                         output is kept. End it sooner, write less, or set \"output\" to allow more"
                    } else {
                        " without the end of a line; set \"output\" to allow more"
                    }));
                }
            };
            if ready {
                pause().await;
                let guest = caller.data_mut();
                guest.go_on();
                guest.tick()?;
            }
        }
        total = total.saturating_add(length.cast_unsigned());
    }
    put(caller, written, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

/// How much of a command's output is taken at once: its lines go before there are more.
const PART: usize = 64 << 10;

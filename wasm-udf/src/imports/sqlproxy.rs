//! `sqlproxy`: SQL for a guest (`docs/host-interface.md`), and the requests that a program answers.

use std::sync::Arc;

use sqlite_abi::Lent;
use wasmtime::{Caller, Linker};

use super::{Offer, bytes, memory};
use crate::guest::{Guest, Role, Sql, Stopped};
use crate::nesting::has_stack_for_sql;
use crate::serve::turns::pause;
use crate::sqlproxy::Proxy;
use crate::world::{Output, Response};

const MODULE: &str = "sqlproxy";

type In<'a> = Caller<'a, Guest>;

/// Defines one import. False: there is none of that name.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub(super) fn define(
    linker: &mut Linker<Guest>,
    name: &str,
    offer: Offer,
) -> wasmtime::Result<bool> {
    match (name, offer.role) {
        ("host_db_query", Role::Command) => linker.func_wrap_async(
            MODULE,
            name,
            |mut caller: In<'_>, (address, length): (i32, i32)| {
                Box::new(async move { hand_over(&mut caller, address, length).await })
            },
        )?,
        ("host_db_query", _) => linker.func_wrap(MODULE, name, query)?,
        ("host_copy_result", _) => linker.func_wrap(MODULE, name, copy_result)?,
        ("host_copy_request", Role::Command | Role::Reactor) => {
            linker.func_wrap(MODULE, name, copy_request)?
        }
        ("host_respond", Role::Command | Role::Reactor) => {
            linker.func_wrap(MODULE, name, respond)?
        }
        _ => return Ok(false),
    };
    Ok(true)
}

// SQL ---------------------------------------------------------------------------------------

/// Runs a request where it lies in the guest's memory, which nobody changes meanwhile.
fn query(mut caller: In<'_>, address: i32, length: i32) -> wasmtime::Result<i32> {
    let memory = memory(&mut caller)?;
    let (content, guest) = memory.data_and_store_mut(&mut caller);
    let start = address.cast_unsigned() as usize;
    let request = start
        .checked_add(length.cast_unsigned() as usize)
        .and_then(|end| content.get(start..end));
    let Some(request) = request else {
        return guest.stop(Stopped::BadAddress("its request"));
    };
    let mut answer = std::mem::take(&mut guest.answer);
    on_connection(guest, |proxy, lent| {
        proxy.handle_into(lent, request, &mut answer);
    })?;
    Ok(keep(guest, answer))
}

/// Runs a request of a component's.
pub(super) fn answer(guest: &mut Guest, request: &[u8]) -> wasmtime::Result<Vec<u8>> {
    on_connection(guest, |proxy, lent| proxy.handle(lent, request))
}

/// Leaves an answer to be copied; gives its length.
fn keep(guest: &mut Guest, answer: Vec<u8>) -> i32 {
    let length = i32::try_from(answer.len()).unwrap_or(-1);
    guest.answer = answer;
    length
}

/// Runs SQL for the guest. What is still running when the call's time is over is interrupted, and
/// the call ends. Otherwise a request does not look at the time: a guest may make many, and the next
/// tick is near. That is also when the call ends after an interrupt by the user.
pub(super) fn on_connection<R>(
    guest: &mut Guest,
    body: impl FnOnce(&mut Proxy, &Lent) -> R,
) -> wasmtime::Result<R> {
    if !has_stack_for_sql() {
        return guest.stop(Stopped::NativeStack);
    }
    if guest.sql.as_ref().is_some_and(|sql| sql.watch.is_none()) {
        guest.must_have_time()?;
    }
    let deadline = guest.deadline();
    let process = &guest.process;
    let Some(Sql {
        proxy,
        lent: Some(lent),
        interrupter: Some(interrupter),
        watch,
    }) = &mut guest.sql
    else {
        return Err(wasmtime::Error::msg("SQL was not granted"));
    };
    let watch = watch.get_or_insert_with(|| process.watch(deadline, interrupter));
    let result = watch.during(|| body(proxy, lent));
    if watch.has_fired() {
        guest.must_have_time()?;
    }
    Ok(result)
}

/// Lets the statement that runs the program run its SQL.
async fn hand_over(caller: &mut In<'_>, address: i32, length: i32) -> wasmtime::Result<i32> {
    let Output::Lines(turns) = &caller.data().world.output else {
        return Err(wasmtime::Error::msg("SQL was not granted"));
    };
    let turns = Arc::clone(turns);
    let answer = std::mem::take(&mut caller.data_mut().answer);
    turns.ask(bytes(caller, address, length, "its request")?, answer);
    pause().await;
    let guest = caller.data_mut();
    guest.go_on();
    match turns.answer() {
        Ok(answer) => Ok(keep(guest, answer)),
        Err(stopped) => guest.stop(stopped),
    }
}

fn copy_result(mut caller: In<'_>, address: i32, most: i32) -> wasmtime::Result<i32> {
    let memory = memory(&mut caller)?;
    let (content, guest) = memory.data_and_store_mut(&mut caller);
    let length = i32::try_from(guest.answer.len()).ok();
    let Some(length) = length.filter(|length| *length <= most) else {
        // Not cut off: the guest may ask again with enough room.
        return Ok(-1);
    };
    let start = address.cast_unsigned() as usize;
    let room = start
        .checked_add(guest.answer.len())
        .and_then(|end| content.get_mut(start..end));
    let Some(room) = room else {
        return guest.stop(Stopped::BadAddress("the room for an answer"));
    };
    room.copy_from_slice(&guest.answer);
    // A large one is not kept for the next.
    if guest.answer.capacity() > KEPT {
        guest.answer = Vec::new();
    }
    guest.answer.clear();
    Ok(length)
}

/// Room for answers that is kept, in bytes.
const KEPT: usize = 1 << 20;

// Requests ----------------------------------------------------------------------------------

/// A request can be copied as often as the guest likes, until it has been answered.
fn copy_request(mut caller: In<'_>, address: i32, most: i32) -> wasmtime::Result<i32> {
    let request = std::mem::take(&mut caller.data_mut().world.request);
    let length = i32::try_from(request.len())
        .ok()
        .filter(|length| *length <= most);
    let copied = length.map(|length| {
        let room = bytes(&mut caller, address, length, "the room for a request")?;
        room.copy_from_slice(&request);
        Ok(length)
    });
    caller.data_mut().world.request = request;
    copied.unwrap_or(Ok(-1))
}

/// An answer, which takes the place of an earlier one.
fn respond(mut caller: In<'_>, kind: i32, address: i32, length: i32) -> wasmtime::Result<()> {
    let most = caller.data().limits.output;
    if kind != 3 && length.cast_unsigned() as usize > most {
        return caller.data_mut().stop(Stopped::Output(
            "; its answer is larger. Set \"output\" to allow more",
        ));
    }
    let content = if kind == 3 {
        Vec::new()
    } else {
        bytes(&mut caller, address, length, "its answer")?.to_vec()
    };
    let response = match kind {
        0 => match std::str::from_utf8(&content) {
            Ok(_) => Response::Text(content),
            Err(error) => Response::Error(format!(
                "its answer is text that is not valid UTF-8 at byte {}",
                error.valid_up_to()
            )),
        },
        1 => Response::Blob(content),
        2 => Response::Error(super::sentence(&content)),
        3 => Response::Null,
        other => Response::Error(format!(
            "it answered with the unknown kind {other}; 0 is text, 1 a blob, 2 an error, 3 NULL"
        )),
    };
    caller.data_mut().world.response = response;
    Ok(())
}

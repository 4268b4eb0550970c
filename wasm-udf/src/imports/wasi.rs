//! `wasi_snapshot_preview1` without files and sockets. Time stands still and random numbers repeat,
//! unless granted. Arguments, environment and streams are in `world`; every other function returns
//! "not supported".
//!
//! The numbers are those of
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, FuncType, Linker};

use super::{Offer, answers, bytes, world};
use crate::guest::{Guest, Stopped};
use crate::process::TICK;

pub(super) const MODULE: &str = "wasi_snapshot_preview1";

pub(super) const SUCCESS: i32 = 0;
pub(super) const BADF: i32 = 8;
const INVAL: i32 = 28;
const NOSYS: i32 = 52;

/// Most random bytes of one call.
const MOST_RANDOM: i32 = 1 << 20;

type In<'a> = Caller<'a, Guest>;

/// Defines one import. False: not of a type that WASI's functions have.
pub(super) fn define(
    linker: &mut Linker<Guest>,
    name: &str,
    ty: &FuncType,
    offer: Offer,
) -> wasmtime::Result<bool> {
    if world::define(linker, name, offer)? {
        return Ok(true);
    }
    match name {
        "clock_res_get" => {
            linker.func_wrap(MODULE, name, |mut caller: In<'_>, _: i32, result: i32| {
                put(&mut caller, result, &1_000_000_u64.to_le_bytes())?;
                Ok(SUCCESS)
            })?;
        }
        "clock_time_get" => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: In<'_>, _: i32, _: i64, result: i32| {
                    let now = time(caller.data());
                    put(&mut caller, result, &now.to_le_bytes())?;
                    Ok(SUCCESS)
                },
            )?;
        }
        "random_get" => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: In<'_>, address: i32, length: i32| {
                    if !(0..=MOST_RANDOM).contains(&length) {
                        return Ok(INVAL);
                    }
                    let random = random(caller.data_mut(), length.cast_unsigned() as usize);
                    put(&mut caller, address, &random)?;
                    Ok(SUCCESS)
                },
            )?;
        }
        "fd_fdstat_set_flags" => {
            linker.func_wrap(MODULE, name, |_: In<'_>, _: i32, _: i32| BADF)?;
        }
        "fd_prestat_get" => {
            linker.func_wrap(MODULE, name, |_: In<'_>, _: i32, _: i32| BADF)?;
        }
        "sched_yield" => {
            linker.func_wrap(MODULE, name, |_: In<'_>| SUCCESS)?;
        }
        "poll_oneoff" => {
            linker.func_wrap(MODULE, name, poll)?;
        }
        "proc_exit" => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: In<'_>, code: i32| -> wasmtime::Result<()> {
                    caller.data_mut().stop(Stopped::Exited(code))
                },
            )?;
        }
        _ => {
            let Some(answer) = answers(ty, NOSYS) else {
                return Ok(false);
            };
            linker.func_new(MODULE, name, ty.clone(), move |_, _, results| {
                answer(results);
                Ok(())
            })?;
        }
    }
    Ok(true)
}

pub(super) fn put(caller: &mut In<'_>, address: i32, content: &[u8]) -> wasmtime::Result<()> {
    let length = i32::try_from(content.len()).unwrap_or(i32::MAX);
    bytes(caller, address, length, "a result of WASI")?.copy_from_slice(content);
    Ok(())
}

/// The time as the guest sees it, in nanoseconds since 1970. Without the grant it is the first one:
/// Go's runtime takes a clock that says 0 for one that does not work.
pub(super) fn time(guest: &Guest) -> u64 {
    if guest.clock { now() } else { 1 }
}

#[expect(clippy::disallowed_methods, reason = "granted by \"clock\"")]
fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Random bytes as the guest sees them.
pub(super) fn random(guest: &mut Guest, length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    if guest.random {
        let mut filled = 0;
        while filled < length {
            match rustix::rand::getrandom(
                &mut content[filled..],
                rustix::rand::GetRandomFlags::empty(),
            ) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        return content;
    }
    // SplitMix64: enough to seed a hash table, and the same in every instance.
    for chunk in content.chunks_mut(8) {
        guest.seed = guest.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = guest.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
    }
    content
}

/// `poll_oneoff`: a guest waits for a time at most, never for a file. With the grant `clock` it
/// sleeps, within its time limit; else the time has come at once. The first clock subscription
/// is the one that is answered.
fn poll(
    mut caller: In<'_>,
    subscriptions: i32,
    events: i32,
    count: i32,
    stored: i32,
) -> wasmtime::Result<i32> {
    const SUBSCRIPTION: u32 = 48;
    let length = count.cast_unsigned().saturating_mul(SUBSCRIPTION);
    let list = bytes(
        &mut caller,
        subscriptions,
        length.cast_signed(),
        "a list of subscriptions",
    )?;
    let (list, _) = list.as_chunks::<{ SUBSCRIPTION as usize }>();
    let Some(clock) = list.iter().find(|subscription| subscription[8] == 0) else {
        return Ok(NOSYS);
    };
    let number = |at: usize| {
        clock
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    };
    let (user_data, timeout, absolute) = (number(0), number(24), clock[40] & 1 == 1);
    if caller.data().clock {
        let time = if absolute {
            timeout.saturating_sub(now())
        } else {
            timeout
        };
        sleep(caller.data_mut(), Duration::from_nanos(time))?;
    }
    let mut event = [0; 32];
    event[..8].copy_from_slice(&user_data.to_le_bytes());
    put(&mut caller, events, &event)?;
    put(&mut caller, stored, &1_u32.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Sleeps in ticks, so that limits and interrupts are seen.
#[expect(clippy::disallowed_methods, reason = "granted by \"clock\"")]
fn sleep(guest: &mut Guest, time: Duration) -> wasmtime::Result<()> {
    let mut left = time;
    while !left.is_zero() {
        guest.tick()?;
        let part = left.min(TICK);
        std::thread::sleep(part);
        left -= part;
    }
    guest.tick()
}

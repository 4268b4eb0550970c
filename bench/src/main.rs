//! `make bench`: what the promises of the README are measured by.
//!
//! Every figure is a ratio of two things done in turn in one run, or a count, so
//! that a noisy machine disturbs both sides alike. The blob database is on one
//! side, SQLite's own VFS on the same content, or a bare conditional PUT of the
//! same bytes, on the other; a stored procedure beside a function in native code; a
//! program's SQL beside the same on the host's connection.
//!
//!     sqlbridge-bench <work directory> [<S3 database URI parameters>]

mod commits;
mod guests;
mod kits;
mod procedures;
mod reads;

use std::path::Path;
use std::time::{Duration, Instant};

/// A result of any kind: the benchmark stops at the first error.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: sqlbridge-bench <work directory> [<S3 parameters>]")?;
    sqlbridge::auto_extend().map_err(|code| format!("{code:?}"))?;
    if directory == "--first-call" {
        return procedures::first_call_here(&arguments.next().unwrap_or_default());
    }
    let directory = Path::new(&directory);
    // The VFS is registered with the first connection.
    rusqlite::Connection::open_in_memory()?;

    println!("{:<58} {:>9} {:>9}", "what", "measured", "must");
    let go = Path::new("build/procedures/go.wasm");
    procedures::run(directory, go.exists().then_some(go))?;
    let programs = Path::new("build/guests");
    let player = programs.join("player.wasm");
    if player.exists() {
        guests::run(&player)?;
    } else {
        println!("({} is not built: not measured)", player.display());
    }
    kits::run(programs)?;
    reads::run(directory)?;
    commits::local(directory)?;
    match arguments.next() {
        Some(parameters) => commits::remote(&parameters)?,
        None => println!("(no S3 parameters given: commits in a remote store not measured)"),
    }
    Ok(())
}

/// One line of the report.
fn report(what: &str, measured: f64, must: &str, holds: bool) {
    println!(
        "{what:<58} {measured:>9.3} {must:>9}  {}",
        if holds { "ok" } else { "MISSED" }
    );
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(mut work: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// The middle one of pairwise ratios, one of each in turn.
fn median_ratio(
    rounds: usize,
    mut ours: impl FnMut() -> Outcome<()>,
    mut theirs: impl FnMut() -> Outcome<()>,
) -> Outcome<f64> {
    let mut ratios = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let (first, second) = if round % 2 == 0 {
            let ours = timed(&mut ours)?;
            (ours, timed(&mut theirs)?)
        } else {
            let theirs = timed(&mut theirs)?;
            (timed(&mut ours)?, theirs)
        };
        ratios.push(first.as_secs_f64() / second.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    Ok(ratios[rounds / 2])
}

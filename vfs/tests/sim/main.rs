//! Several hosts on one store, in one process, from one seed.
//!
//! | module | what |
//! | --- | --- |
//! | [`world`] | clock, scheduler, hosts, crashes: the simulation itself |
//! | [`host`] | SQLite on a simulated host |
//! | [`checker`] | a bucket judged from its bytes alone, by another reading of the format |
//! | [`bank`] | random hosts, transfers, faults, kills; the sum holds |
//! | [`nth`] | a fixed workload with the Nth request failing, for every N and every fault |
//! | [`lifecycle`] | databases dropped, made anew and imported at random |
//! | [`history`] | `as_of` and `txid` against a model |
//! | [`crash`] | a host dies before or after every request of every operation |
//! | [`rules`] | one test or more for each storage rule |
//! | [`regress`] | bugs that were found, each by the history that showed it |
//! | [`counts`] | how many requests things cost |
//! | [`shapes`] | sizes: page sizes, spill, shrink and growth, the lock page |
//! | [`threads`] | real threads on one database |
//!
//! `SIM_SEED=n` replays one seed, `SIM_SEEDS=n` runs so many instead of a few.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests"
)]

mod bank;
mod checker;
mod counts;
mod crash;
mod history;
mod host;
mod lifecycle;
mod nth;
mod regress;
mod rules;
mod shapes;
mod threads;
mod world;

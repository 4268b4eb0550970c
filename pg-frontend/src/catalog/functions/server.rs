//! The server itself, and what it has nothing of.

use rusqlite::Result;

use super::{Call, Entry};
use crate::catalog::rows::Cell;
use crate::catalog::side;

/// Of these, an argument that is NULL makes the result NULL.
pub(super) const FUNCTIONS: &[Entry] = &[
    ("pg_encoding_to_char", 1, encoding_name),
    ("pg_char_to_encoding", 1, encoding_number),
    ("pg_getdatabaseencoding", 0, database_encoding),
    ("pg_is_in_recovery", 0, no),
    ("pg_is_wal_replay_paused", 0, no),
    ("pg_jit_available", 0, no),
    ("pg_relation_is_publishable", 1, no),
    ("pg_relation_is_updatable", 2, updatable),
    ("pg_column_is_updatable", 3, column_updatable),
    ("pg_relation_filenode", 1, filenode),
    ("pg_relation_filepath", 1, nothing),
    ("pg_tablespace_location", 1, empty),
    ("pg_partition_root", 1, nothing),
    ("pg_collation_actual_version", 1, nothing),
    ("pg_sequence_last_value", 1, sequence_last_value),
    ("pg_blocking_pids", 1, empty_array),
    ("pg_safe_snapshot_blocking_pids", 1, empty_array),
    ("pg_current_logfile", 0, nothing),
    ("pg_last_wal_receive_lsn", 0, nothing),
    ("pg_last_wal_replay_lsn", 0, nothing),
    ("pg_last_xact_replay_timestamp", 0, nothing),
];

/// Statistics of tables, indexes and sessions, which SQLite does not keep.
pub(super) const STATISTICS: &[&str] = &[
    "pg_stat_get_numscans",
    "pg_stat_get_tuples_returned",
    "pg_stat_get_tuples_fetched",
    "pg_stat_get_tuples_inserted",
    "pg_stat_get_tuples_updated",
    "pg_stat_get_tuples_deleted",
    "pg_stat_get_tuples_hot_updated",
    "pg_stat_get_live_tuples",
    "pg_stat_get_dead_tuples",
    "pg_stat_get_mod_since_analyze",
    "pg_stat_get_ins_since_vacuum",
    "pg_stat_get_blocks_fetched",
    "pg_stat_get_blocks_hit",
    "pg_stat_get_vacuum_count",
    "pg_stat_get_autovacuum_count",
    "pg_stat_get_analyze_count",
    "pg_stat_get_autoanalyze_count",
    "pg_stat_get_db_numbackends",
    "pg_stat_get_db_xact_commit",
    "pg_stat_get_db_xact_rollback",
    "pg_stat_get_function_calls",
];

/// Nothing has been counted.
pub(super) fn no_statistics(_: &Call<'_>) -> Result<Cell> {
    Ok(Cell::Integer(0))
}

fn nothing(_: &Call<'_>) -> Result<Cell> {
    Ok(Cell::Null)
}

fn empty(_: &Call<'_>) -> Result<Cell> {
    Ok("".into())
}

fn empty_array(_: &Call<'_>) -> Result<Cell> {
    Ok("[]".into())
}

fn no(_: &Call<'_>) -> Result<Cell> {
    Ok(false.into())
}

/// <https://www.postgresql.org/docs/15/multibyte.html>: the numbers clients meet.
const ENCODINGS: [(i64, &str); 4] = [
    (0, "SQL_ASCII"),
    (6, "UTF8"),
    (8, "LATIN1"),
    (24, "WIN1252"),
];

fn encoding_name(call: &Call<'_>) -> Result<Cell> {
    let number = call.integer(0).unwrap_or(-1);
    let found = ENCODINGS.iter().find(|each| each.0 == number);
    Ok(found.map_or("", |each| each.1).into())
}

fn database_encoding(_: &Call<'_>) -> Result<Cell> {
    Ok("UTF8".into())
}

fn encoding_number(call: &Call<'_>) -> Result<Cell> {
    let name = call.text(0).replace('-', "");
    let found = ENCODINGS
        .iter()
        .find(|each| each.1.eq_ignore_ascii_case(&name));
    Ok(found.map_or(-1, |each| each.0).into())
}

/// The events that a relation allows: 4 `INSERT`, 8 `DELETE`, 16 `UPDATE`.
fn updatable(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let table = model.table(call.oid(0)).filter(|table| !table.view);
    Ok(Cell::Integer(if table.is_some() { 4 | 8 | 16 } else { 0 }))
}

fn column_updatable(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let table = model.table(call.oid(0)).filter(|table| !table.view);
    Ok(table.is_some().into())
}

fn filenode(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.relation(0, &model)?;
    let stored =
        model.classes.contains_key(&oid) && model.table(oid).is_none_or(|table| !table.view);
    Ok(stored.then_some(oid).into())
}

fn sequence_last_value(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.relation(0, &model)?;
    match model.sequence(oid) {
        Some(each) => side::last_value(call.connection, each).map(Cell::from),
        None => Ok(Cell::Null),
    }
}

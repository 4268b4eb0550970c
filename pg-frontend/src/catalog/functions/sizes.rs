//! Sizes, in bytes and as people read them.

use rusqlite::{OptionalExtension as _, Result};

use super::{Call, Entry, error};
use crate::catalog::model::Table;
use crate::catalog::rows::Cell;

/// Of these, an argument that is NULL makes the result NULL.
pub(super) const FUNCTIONS: &[Entry] = &[
    ("pg_relation_size", 1, relation),
    ("pg_relation_size", 2, relation),
    ("pg_table_size", 1, relation),
    ("pg_indexes_size", 1, indexes),
    ("pg_total_relation_size", 1, total),
    ("pg_database_size", 1, database),
    ("pg_tablespace_size", 1, database),
    ("pg_size_pretty", 1, pretty),
    ("pg_size_bytes", 1, bytes),
];

/// A B-tree's pages in bytes, as `dbstat` counts them.
fn tree(call: &Call<'_>, name: &str) -> Result<i64> {
    call.connection
        .query_row(
            "SELECT pgsize FROM dbstat WHERE name = ?1 AND aggregate",
            [name],
            |row| row.get(0),
        )
        .optional()
        .map(|size| size.flatten().unwrap_or_default())
}

fn relation(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.relation(0, &model)?;
    if let Some(table) = model.table(oid) {
        return tree(call, &table.stored).map(Cell::from);
    }
    if let Some((table, index)) = model.index(oid) {
        // The key of rowids has no tree of its own.
        let name = index.stored.as_deref().unwrap_or(&table.stored);
        return tree(call, name).map(Cell::from);
    }
    Ok(Cell::Integer(0))
}

fn index_bytes(call: &Call<'_>, table: &Table) -> Result<i64> {
    let mut sum = 0;
    for name in table
        .indexes
        .iter()
        .filter_map(|index| index.stored.as_deref())
    {
        sum += tree(call, name)?;
    }
    Ok(sum)
}

fn indexes(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.relation(0, &model)?;
    model
        .table(oid)
        .map_or(Ok(0), |table| index_bytes(call, table))
        .map(Cell::from)
}

fn total(call: &Call<'_>) -> Result<Cell> {
    let model = call.model()?;
    let oid = call.relation(0, &model)?;
    let Some(table) = model.table(oid) else {
        return relation(call);
    };
    Ok((tree(call, &table.stored)? + index_bytes(call, table)?).into())
}

fn database(call: &Call<'_>) -> Result<Cell> {
    let pragma = |sql: &str| {
        call.connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
    };
    Ok((pragma("PRAGMA main.page_count")? * pragma("PRAGMA main.page_size")?).into())
}

const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/// As PostgreSQL does: the next unit from 10240 on, rounded half away from zero.
/// <https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/dbsize.c>
fn pretty(call: &Call<'_>) -> Result<Cell> {
    Ok(size_pretty(call.integer(0).unwrap_or_default()).into())
}

fn size_pretty(mut size: i64) -> String {
    let mut rounded = false;
    for (at, unit) in UNITS.iter().enumerate() {
        let limit = if rounded { 20 * 1024 - 1 } else { 10 * 1024 };
        if size.unsigned_abs() < limit || at == UNITS.len() - 1 {
            let size = if rounded { half_rounded(size) } else { size };
            return format!("{size} {unit}");
        }
        // One bit more than the unit keeps the half for rounding.
        let bits = match (at, rounded) {
            (0, _) => 9,
            _ => 10,
        };
        size /= 1 << bits;
        rounded = true;
    }
    String::new()
}

const fn half_rounded(size: i64) -> i64 {
    if size >= 0 {
        (size + 1) / 2
    } else {
        (size - 1) / 2
    }
}

fn bytes(call: &Call<'_>) -> Result<Cell> {
    let text = call.text(0).trim();
    let wrong = || error("22023", format!("invalid size: \"{text}\""));
    if let Some(size) = call.integer(0) {
        return Ok(size.into());
    }
    let end = text
        .find(|character: char| !(character.is_ascii_digit() || ".+-".contains(character)))
        .ok_or_else(wrong)?;
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim();
    let power = UNITS
        .iter()
        .position(|each| each.eq_ignore_ascii_case(unit))
        .ok_or_else(wrong)?;
    let power = i32::try_from(power).map_err(|_| wrong())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a size beyond i64 is cut to its largest"
    )]
    let size = (number * 1024_f64.powi(power)).round() as i64;
    Ok(size.into())
}

#[cfg(test)]
mod tests {
    use super::size_pretty;

    #[test]
    fn sizes_are_rounded_as_postgres_does() {
        for (size, text) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (10_752, "11 kB"),
            (8_192_000, "8000 kB"),
            (10_485_247, "10239 kB"),
            (10_485_248, "10 MB"),
            (-10_752, "-11 kB"),
            (1 << 40, "1024 GB"),
        ] {
            assert_eq!(size_pretty(size), text, "{size}");
        }
    }
}

//! The statements that apply changes, as text. They are those of the C API, so that affinities,
//! collations and NULL mean the same.

use super::quoted;
use super::target::Column;

/// A parameter for each column.
pub(super) fn insert(table: &str, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let values = vec!["?"; columns.len()].join(", ");
    let (table, names) = (quoted(table), names.join(", "));
    format!("INSERT INTO main.{table}({names}) VALUES({values})")
}

/// Parameters as the columns; one more says whether the values besides the key do not matter.
pub(super) fn delete(table: &str, columns: &[Column], stat1: bool) -> String {
    let (mut key, mut others) = (Vec::new(), Vec::new());
    for (index, column) in columns.iter().enumerate() {
        // As in the C API, NULL in a key finds nothing; but an idx of NULL is one.
        let operator = if column.place == 0 || stat1 {
            "IS"
        } else {
            "="
        };
        let condition = format!("{} {operator} ?{}", quoted(&column.name), index + 1);
        let list = if column.place == 0 {
            &mut others
        } else {
            &mut key
        };
        list.push(condition);
    }
    if !others.is_empty() {
        key.push(format!(
            "(?{} OR ({}))",
            columns.len() + 1,
            others.join(" AND ")
        ));
    }
    format!(
        "DELETE FROM main.{} WHERE {}",
        quoted(table),
        key.join(" AND ")
    )
}

/// All columns of the row with a key; parameters as the columns.
pub(super) fn select(table: &str, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let indexed = names.iter().zip(columns).enumerate();
    let key: Vec<String> = indexed
        .filter(|(_, (_, column))| column.place != 0)
        .map(|(index, (name, _))| format!("{name} IS ?{}", index + 1))
        .collect();
    let (table, names, key) = (quoted(table), names.join(", "), key.join(" AND "));
    format!("SELECT {names} FROM main.{table} WHERE {key}")
}

/// Whether a row has values already; parameters as the columns, and after them one for each that
/// says whether its column does not matter.
pub(super) fn holds(table: &str, columns: &[String], key: &[u8]) -> String {
    let conditions = columns.iter().zip(key).enumerate();
    let conditions = conditions.map(|(index, (name, place))| {
        let (name, value, other) = (quoted(name), index + 1, index + 1 + columns.len());
        if *place == 0 {
            format!("(?{other} OR {name} IS ?{value})")
        } else {
            format!("{name} IS ?{value}")
        }
    });
    let (table, conditions) = (quoted(table), conditions.collect::<Vec<_>>().join(" AND "));
    format!("SELECT 1 FROM main.{table} WHERE {conditions}")
}

/// Bit 0 of a column's mask: it is set; bit 1: it is compared. Parameters in this order.
pub(super) fn update(table: &str, columns: &[String], mask: &[u8]) -> String {
    let pick = |bit: u8, operator: &str| {
        let chosen = columns
            .iter()
            .zip(mask)
            .filter(move |(_, mask)| *mask & bit != 0);
        let terms = chosen.map(|(name, _)| format!("{} {operator} ?", quoted(name)));
        terms.collect::<Vec<_>>()
    };
    let (set, place) = (pick(1, "=").join(", "), pick(2, "IS").join(" AND "));
    format!("UPDATE main.{} SET {set} WHERE {place}", quoted(table))
}

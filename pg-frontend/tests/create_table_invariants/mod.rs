//! What the catalog reads from SQLite's texts of tables, indexes, views and triggers: against SQLite itself,
//! which must have accepted the text first.

use pg_frontend::catalog::ddl::{self, Rule};
use rusqlite::Connection;

/// Never panics; in a table that SQLite takes, a primary key is found exactly where there is one.
pub fn read(sql: &str) {
    let (table, _, _, _) = (
        ddl::table(sql),
        ddl::index(sql),
        ddl::view(sql),
        ddl::trigger(sql),
    );
    let Ok(connection) = Connection::open_in_memory() else {
        return;
    };
    let create = sql
        .trim_start()
        .get(..12)
        .is_some_and(|start| start.eq_ignore_ascii_case("CREATE TABLE"));
    if !create || sql.contains(';') || connection.execute_batch(sql).is_err() {
        return;
    }
    // As SQLite keeps it: without what stood around it.
    let kept = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND sql NOT NULL";
    let Ok((name, text)) = connection.query_row(kept, [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    }) else {
        return;
    };
    let keys: i64 = connection
        .query_row(
            "SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0",
            [&name],
            |row| row.get(0),
        )
        .unwrap_or_default();
    let found = ddl::table(&text)
        .constraints
        .iter()
        .any(|each| each.rule == Rule::Primary);
    assert_eq!(
        found,
        keys > 0,
        "{text} (of {} constraints)",
        table.constraints.len()
    );
}

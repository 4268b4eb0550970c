/** What SQLite says that a database's schema is, so that two can be compared. */

import type Database from "better-sqlite3";

type Row = Record<string, unknown>;

/** By table: columns, foreign keys, indexes and checks, in no order. (ALTER TABLE adds columns at the end.) */
export function schemaOf(sqlite: Database.Database): Record<string, unknown> {
  const query = (sql: string, ...args: unknown[]) => sqlite.prepare(sql).all(...args) as Row[];
  const tables = query(
    "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
  );
  return Object.fromEntries(
    tables.map(({ name, sql }) => [
      name,
      {
        columns: sorted(
          query('SELECT name, lower(type) AS type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', name),
        ),
        foreignKeys: sorted(
          query('SELECT "table", "from", "to", on_update, on_delete, seq FROM pragma_foreign_key_list(?)', name),
        ),
        indexes: sorted(
          query("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", name),
        ),
        checks: checksOf(String(sql)).sort(),
        autoincrement: /AUTOINCREMENT/.test(String(sql)),
      },
    ]),
  );
}

const sorted = (rows: Row[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

/** The texts in `CHECK (…)`. Renames leave a check its name, so names are not compared. */
function checksOf(sql: string): string[] {
  const found: string[] = [];
  for (const match of sql.matchAll(/CHECK \(/g)) {
    let depth = 1;
    let at = match.index + match[0].length;
    const start = at;
    for (let quote = ""; depth > 0; at += 1) {
      const character = sql[at] as string;
      if (quote) quote = character === quote ? "" : quote;
      else if (character === "'" || character === '"') quote = character;
      else if (character === "(") depth += 1;
      else if (character === ")") depth -= 1;
    }
    found.push(sql.slice(start, at - 1));
  }
  return found;
}

/** Renames: the statements, and the schema as it is after them. */

import { quote, renameIn } from "./literal.js";
import type { Snapshot, TableSnapshot } from "./snapshot.js";

/** Applies `wanted` (`users` → `people`, `users.name` → `fullName`, by the names before all of them) to a copy of `from`. */
export function renames(
  from: Snapshot,
  to: Snapshot,
  wanted: Record<string, string>,
  problems: string[],
): { snapshot: Snapshot; statements: string[] } {
  const snapshot = structuredClone(from);
  const statements: string[] = [];
  // Columns first: they are given by the old names of their tables.
  const entries = Object.entries(wanted);
  for (const [name, target] of entries) {
    const table = tableOf(from, name);
    if (!table) continue;
    const column = name.slice(table.length + 1);
    const newTable = wanted[table] ?? table;
    const problem = !from.tables[table]?.columns[column]
      ? `there is no column ${name} to rename`
      : to.tables[newTable]?.columns[column]
        ? `${name} cannot become ${target}: the schema still has ${newTable}.${column}`
        : !to.tables[newTable]?.columns[target]
          ? `${name} cannot become ${target}: the schema has no ${newTable}.${target}`
          : from.tables[table]?.columns[target]
            ? `${name} cannot become ${target}: there is such a column already`
            : undefined;
    if (problem) problems.push(problem);
    else statements.push(...renameColumn(snapshot, table, column, target));
  }
  for (const [name, target] of entries) {
    if (tableOf(from, name)) continue;
    const problem = !from.tables[name]
      ? `there is no table or column ${name} to rename`
      : to.tables[name]
        ? `${name} cannot become ${target}: the schema still has a table ${name}`
        : !to.tables[target]
          ? `${name} cannot become ${target}: the schema has no table ${target}`
          : from.tables[target]
            ? `${name} cannot become ${target}: there is such a table already`
            : undefined;
    if (problem) problems.push(problem);
    else statements.push(...renameTable(snapshot, name, target));
  }
  return { snapshot, statements };
}

/** The table in `table.column`; names of tables may have points in them. */
function tableOf({ tables }: Snapshot, name: string): string | undefined {
  if (tables[name]) return undefined;
  return Object.keys(tables).find((table) => name.startsWith(`${table}.`));
}

function renameColumn({ tables }: Snapshot, table: string, from: string, to: string): string[] {
  const rename = (name: string) => (name === from ? to : name);
  const changed = tables[table] as TableSnapshot;
  changed.columns = Object.fromEntries(
    Object.values(changed.columns).map((column) => {
      const generated = column.generated && { ...column.generated, as: renameIn(column.generated.as, from, to) };
      return [rename(column.name), { ...column, name: rename(column.name), ...(generated && { generated }) }];
    }),
  );
  for (const index of Object.values(changed.indexes)) {
    index.columns = index.columns.map((column) => (column === from ? to : renameIn(column, from, to)));
    if (index.where !== undefined) index.where = renameIn(index.where, from, to);
  }
  for (const check of Object.values(changed.checkConstraints)) check.value = renameIn(check.value, from, to);
  for (const key of Object.values(changed.compositePrimaryKeys)) key.columns = key.columns.map(rename);
  for (const key of Object.values(tables).flatMap((other) => Object.values(other.foreignKeys))) {
    if (key.tableFrom === table) key.columnsFrom = key.columnsFrom.map(rename);
    if (key.tableTo === table) key.columnsTo = key.columnsTo.map(rename);
  }
  return steps(from, to, (a, b) => `ALTER TABLE ${quote(table)} RENAME COLUMN ${quote(a)} TO ${quote(b)};`);
}

function renameTable({ tables }: Snapshot, from: string, to: string): string[] {
  tables[to] = { ...(tables[from] as TableSnapshot), name: to };
  delete tables[from];
  for (const key of Object.values(tables).flatMap((table) => Object.values(table.foreignKeys))) {
    if (key.tableFrom === from) key.tableFrom = to;
    if (key.tableTo === from) key.tableTo = to;
  }
  return steps(from, to, (a, b) => `ALTER TABLE ${quote(a)} RENAME TO ${quote(b)};`);
}

/** Names that differ in case only are the same to SQLite, so there is one in between. */
function steps(from: string, to: string, statement: (from: string, to: string) => string): string[] {
  if (from.toLowerCase() !== to.toLowerCase()) return [statement(from, to)];
  return [statement(from, `__new_${to}`), statement(`__new_${to}`, to)];
}

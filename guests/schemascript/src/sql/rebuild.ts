/**
 * Making tables anew where ALTER TABLE cannot change them: https://www.sqlite.org/lang_altertable.html#otheralter
 *
 * SQLite's procedure switches foreign keys off. That does nothing inside of a transaction, where migrations run, and a program inside
 * the database may not do it; with foreign keys on, dropping a table deletes its rows first, and so whatever refers to them with
 * ON DELETE CASCADE. So all tables that refer to a rebuilt one are rebuilt with it: new tables that refer to new ones are filled
 * first, then the old ones go, those that refer to others before these.
 */

import { quote } from "./literal.js";
import { parentsFirst } from "./order.js";
import type { ForeignKeySnapshot, Snapshot, TableSnapshot } from "./snapshot.js";
import { createIndex, createTable, dropIndex } from "./statements.js";

export interface Rebuild {
  from: TableSnapshot;
  to: TableSnapshot;
  /** SQL for columns that are not just copied. */
  values: Record<string, string>;
}

/** `names`, and all that refer to one of them, and to those. */
export function referring(tables: Record<string, TableSnapshot>, names: string[]): string[] {
  const found = new Set(names);
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const table of Object.values(tables)) {
      if (Object.values(table.foreignKeys).some((key) => found.has(key.tableTo))) found.add(table.name);
    }
  }
  return Object.keys(tables).filter((name) => found.has(name));
}

/**
 * The statements for `rebuilds`, which have to be complete as {@link referring} has it, and for tables that come and go. In
 * between no unique index may be missing that a foreign key needs; the others are made when the tables are full.
 */
export function rebuildTables(
  rebuilds: Rebuild[],
  added: TableSnapshot[],
  dropped: TableSnapshot[],
  internal: Snapshot["internal"],
): string[] {
  const byName = new Map(rebuilds.map((rebuild) => [rebuild.to.name, rebuild]));
  const temporary = (name: string) => (byName.has(name) ? `__new_${name}` : name);
  const fill = parentsFirst(rebuilds.map(({ to }) => to));
  const old = [...rebuilds.map(({ from }) => from), ...dropped];
  const filled = fill.names.map((name) => byName.get(name) as Rebuild);
  const indexes = (unique: boolean) =>
    filled.flatMap(({ to }) =>
      Object.values(to.indexes)
        .filter(({ isUnique }) => isUnique === unique)
        .map((index) => createIndex(unique ? temporary(to.name) : to.name, index, internal)),
    );
  return [
    ...(fill.cycle || parentsFirst(old).cycle ? [DEFER] : []),
    ...filled.flatMap(({ from }) => Object.keys(from.indexes).map(dropIndex)),
    // Tables that are added must not refer to old ones, either; renaming the new ones corrects what refers to them.
    ...[...added, ...filled.map(({ to }) => to)].map((table) => createTable(table, temporary(table.name), temporary)),
    ...indexes(true),
    ...filled.flatMap((rebuild) => copy(rebuild, temporary(rebuild.to.name))),
    ...dropTables(old),
    ...fill.names.map((name) => `ALTER TABLE ${quote(temporary(name))} RENAME TO ${quote(name)};`),
    ...indexes(false),
  ];
}

/**
 * The statements that drop `tables`, those that refer to others before these. Where they refer to each other or to themselves there is
 * no such order, and ON DELETE RESTRICT, or SET NULL where NULL is not allowed, would keep them from being dropped. All that stays has
 * been copied, so what can be NULL is made NULL first. That is not enough for each circle there is: where SQLite refuses to drop a
 * table, the migration fails as a whole, and works with foreign keys off.
 */
function dropTables(tables: TableSnapshot[]): string[] {
  const canBeNull = (key: ForeignKeySnapshot) =>
    key.columnsFrom.every((name) => !tables.find((table) => table.name === key.tableFrom)?.columns[name]?.notNull);
  const { cycle } = parentsFirst(tables);
  const released = tables
    .flatMap((table) => Object.values(table.foreignKeys))
    .filter((key) => canBeNull(key) && (cycle || (key.tableTo === key.tableFrom && key.onDelete === "restrict")));
  const order = parentsFirst(tables, (key) => !released.includes(key)).names.reverse();
  return [
    ...released.map(
      (key) =>
        `UPDATE ${quote(key.tableFrom)} SET ${key.columnsFrom.map((name) => `${quote(name)} = NULL`).join(", ")};`,
    ),
    ...order.map((name) => `DROP TABLE ${quote(name)};`),
  ];
}

/** For tables that refer to each other: foreign keys are checked at the end of the transaction. */
const DEFER = "PRAGMA defer_foreign_keys = ON;";

function copy({ from, to, values }: Rebuild, into: string): string[] {
  const columns = Object.values(to.columns).filter(
    ({ name, generated }) => !generated && (from.columns[name] || values[name] !== undefined),
  );
  const names = columns.map(({ name }) => quote(name)).join(", ");
  const selected = columns.map(({ name }) => values[name] ?? quote(name)).join(", ");
  const insert = `INSERT INTO ${quote(into)} (${names}) SELECT ${selected} FROM ${quote(from.name)};`;
  return isAutoincrement(from) && isAutoincrement(to) ? [insert, ...keepSequence(from.name, into)] : [insert];
}

const isAutoincrement = (table: TableSnapshot): boolean =>
  Object.values(table.columns).some((column) => column.autoincrement);

/** Identifiers that were used once are not used again, also if their rows are gone. */
function keepSequence(from: string, to: string): string[] {
  const text = (name: string) => `'${name.replaceAll("'", "''")}'`;
  return [
    `DELETE FROM "sqlite_sequence" WHERE "name" = ${text(to)};`,
    `INSERT INTO "sqlite_sequence" ("name", "seq") SELECT ${text(to)}, "seq" FROM "sqlite_sequence" WHERE "name" = ${text(from)};`,
  ];
}

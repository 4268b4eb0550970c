/**
 * From one schema to another, without losing anything that nobody said should go.
 *
 * 1. renames, 2. what is to be changed in each table, 3. the statements in an order in which they work, inside of a transaction
 * and with foreign keys enforced. Whatever SQL alone cannot know (is this column gone, or has it another name? what do rows that exist
 * have in a column that is new and required?) is a decision of the author's; without it there is a problem instead of a migration.
 */

import { alterTable, compareTables, type TableChange } from "./alter.js";
import { parentsFirst } from "./order.js";
import { rebuildTables, referring } from "./rebuild.js";
import { renames } from "./rename.js";
import type { Snapshot, TableSnapshot } from "./snapshot.js";
import { createIndex, createIndexes, dropIndex } from "./statements.js";

/** What the author of a migration decides. Columns are written `table.column`. */
export interface Decisions {
  /** The new name of a table (`users` → `people`) or column (`users.name` → `fullName`), by the old one. */
  rename?: Record<string, string>;
  /** Tables and columns to delete, with what is in them. */
  drop?: readonly string[];
  /** What rows that exist have in a column from now on: SQL, in which the old columns can be used. */
  set?: Record<string, string>;
}

export interface Migration {
  statements: string[];
  /** What to know before it is applied. */
  notes: string[];
}

/** What is missing to make a migration. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";

  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/**
 * The statements that turn a database with the schema `from` into one with the schema `to`.
 *
 * @throws MigrationError with a sentence for each decision that is missing or fits nothing.
 */
export function migration(from: Snapshot, to: Snapshot, decisions: Decisions = {}): Migration {
  const problems: string[] = [];
  const used = new Set<string>();
  const renamed = renames(from, to, decisions.rename ?? {}, problems);
  const old = renamed.snapshot.tables;
  const context: Context = {
    drop: (name) => (decisions.drop ?? []).includes(name) && Boolean(used.add(name)),
    set: (name) => (used.add(name), decisions.set?.[name]),
    problems,
    notes: [],
  };

  const added = parentsFirst(Object.values(to.tables))
    .names.map((name) => to.tables[name] as TableSnapshot)
    .filter(({ name }) => !old[name]);
  const dropped = Object.values(old).filter(({ name }) => !to.tables[name]);
  const kept = Object.values(to.tables).filter(({ name }) => old[name]);
  checkDropped(dropped, added, context);
  const changes = new Map(
    kept.map((table) => [table.name, compareTables(old[table.name] as TableSnapshot, table, to, from, context)]),
  );
  const unused = [...(decisions.drop ?? []), ...Object.keys(decisions.set ?? {})].filter((name) => !used.has(name));
  problems.push(...unused.map((name) => `${name}: there is nothing of this name to drop or to set`));
  if (problems.length > 0) throw new MigrationError(problems);

  const rebuilt = referring(
    old,
    [...changes].filter(([, change]) => change.rebuild).map(([name]) => name),
  ).filter((name) => to.tables[name]);
  context.notes.push(
    ...rebuilt.map((name) => `${name} is rebuilt: triggers on it that were made by hand have to be made again`),
  );
  const altered = kept
    .filter(({ name }) => !rebuilt.includes(name))
    .map(({ name }) => changes.get(name) as TableChange);
  const rebuilds = rebuilt.map((name) => ({
    from: old[name] as TableSnapshot,
    to: to.tables[name] as TableSnapshot,
    values: changes.get(name)?.values ?? {},
  }));
  return {
    statements: [
      ...renamed.statements,
      ...altered.flatMap((change) => change.droppedIndexes.map(dropIndex)),
      ...rebuildTables(rebuilds, added, dropped, to.internal),
      ...altered.flatMap(alterTable),
      ...altered.flatMap((change) => change.addedIndexes.map((index) => createIndex(change.table, index, to.internal))),
      ...added.flatMap((table) => createIndexes(table, to.internal)),
    ],
    notes: context.notes,
  };
}

/** What the comparison of tables asks and tells. */
export interface Context {
  /** Whether a table or column may go. */
  drop(name: string): boolean;
  /** The value that rows that exist get in a column, if the author gave one. */
  set(name: string): string | undefined;
  problems: string[];
  notes: string[];
}

function checkDropped(dropped: TableSnapshot[], added: TableSnapshot[], context: Context): void {
  for (const { name } of dropped) {
    if (context.drop(name)) continue;
    const like =
      added.length > 0
        ? added.map((table) => `--rename ${name}=${table.name}`).join(" or ")
        : `--rename ${name}=<the new name>`;
    context.problems.push(
      `the table ${name} is not in the schema any more: --drop ${name} deletes it and its rows; if it has another name now, ${like}`,
    );
  }
}

/** The order that foreign keys ask for. */

import type { ForeignKeySnapshot, TableSnapshot } from "./snapshot.js";

/**
 * The tables in an order in which those referred to come before those that refer. With a cycle there is none; then keys that
 * `matter` are regarded as far as they can be.
 */
export function parentsFirst(
  tables: TableSnapshot[],
  matter: (key: ForeignKeySnapshot) => boolean = () => true,
): { names: string[]; cycle: boolean } {
  const left = new Map(tables.map((table) => [table.name, Object.values(table.foreignKeys)]));
  const waits = (key: ForeignKeySnapshot) => key.tableTo !== key.tableFrom && left.has(key.tableTo);
  const names: string[] = [];
  let cycle = false;
  while (left.size > 0) {
    const all = [...left];
    const ready = all.find(([, keys]) => !keys.some(waits));
    cycle ||= ready === undefined;
    const [next] = ready ?? all.find(([, keys]) => !keys.filter(matter).some(waits)) ?? (all[0] as (typeof all)[0]);
    names.push(next);
    left.delete(next);
  }
  return { names, cycle };
}

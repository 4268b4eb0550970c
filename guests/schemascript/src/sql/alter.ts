/** What changes in a table, and whether ALTER TABLE can do it. */

import { mentions, quote } from "./literal.js";
import type { Context } from "./migration.js";
import type { ColumnSnapshot, ForeignKeySnapshot, IndexSnapshot, Snapshot, TableSnapshot } from "./snapshot.js";
import { checkConstraint, columnDefinition, references } from "./statements.js";

type Check = TableSnapshot["checkConstraints"][string];

/** A column that ALTER TABLE adds, with the constraints that come with it. */
interface AddedColumn {
  column: ColumnSnapshot;
  foreignKey: ForeignKeySnapshot | undefined;
  checks: Check[];
}

export interface TableChange {
  table: string;
  /** The table has to be made anew: ALTER TABLE cannot do it. */
  rebuild: boolean;
  /** For a rebuild: SQL for the columns that are not just copied. */
  values: Record<string, string>;
  addedColumns: AddedColumn[];
  droppedColumns: string[];
  droppedIndexes: string[];
  addedIndexes: IndexSnapshot[];
}

/** Compares a table with itself in the new schema. Decisions that are missing go to `context.problems`. */
export function compareTables(
  old: TableSnapshot,
  now: TableSnapshot,
  to: Snapshot,
  from: Snapshot,
  context: Context,
): TableChange {
  const isNew = ({ name }: ColumnSnapshot) => !old.columns[name];
  const added = Object.values(now.columns).filter(isNew);
  const dropped = Object.values(old.columns).filter(({ name }) => !now.columns[name]);
  const values: Record<string, string> = {};
  for (const column of Object.values(now.columns)) {
    const value = valueOf(now.name, old.columns[column.name], column, context);
    if (value !== undefined) values[column.name] = value;
  }
  for (const { name } of dropped) checkDropped(`${now.name}.${name}`, added, now.name, context);

  const keys = onlyIn(Object.values(now.foreignKeys), Object.values(old.foreignKeys), foreignKey);
  const checks = onlyIn(Object.values(now.checkConstraints), Object.values(old.checkConstraints), ({ value }) => value);
  const addedColumns = added.map((column) => ({
    column,
    foreignKey: keys.find((key) => key.columnsFrom.length === 1 && key.columnsFrom[0] === column.name),
    checks: checks.filter(({ value }) => lastMentioned(value, added) === column.name),
  }));
  const withColumns = addedColumns.flatMap((column) => [
    ...column.checks,
    ...(column.foreignKey ? [column.foreignKey] : []),
  ]);
  const rebuild =
    Object.keys(values).length > 0 ||
    [...keys, ...checks].some((constraint) => !(withColumns as unknown[]).includes(constraint)) ||
    onlyIn(Object.values(old.foreignKeys), Object.values(now.foreignKeys), foreignKey).length > 0 ||
    onlyIn(Object.values(old.checkConstraints), Object.values(now.checkConstraints), ({ value }) => value).length > 0 ||
    primaryKey(old) !== primaryKey(now) ||
    addedColumns.some((column) => !canAdd(column)) ||
    (dropped.length > 0 && Object.values(old.columns).some((column) => column.generated)) ||
    Object.values(now.columns).some(
      (column) => old.columns[column.name] && definition(old.columns[column.name]) !== definition(column),
    );

  const index = (internal: Snapshot["internal"]) => (one: IndexSnapshot) =>
    JSON.stringify([one.name, one.columns, one.isUnique, one.where, internal.indexes[one.name]]);
  const [oldIndexes, newIndexes] = [Object.values(old.indexes), Object.values(now.indexes)];
  return {
    table: now.name,
    rebuild,
    values,
    addedColumns,
    droppedColumns: dropped.map(({ name }) => name),
    droppedIndexes: oldIndexes
      .filter((one) => !newIndexes.map(index(to.internal)).includes(index(from.internal)(one)))
      .map(({ name }) => name),
    addedIndexes: newIndexes.filter((one) => !oldIndexes.map(index(from.internal)).includes(index(to.internal)(one))),
  };
}

/** The statements for a table that need not be rebuilt. Its indexes are the caller's. */
export function alterTable({ table, addedColumns, droppedColumns }: TableChange): string[] {
  const alter = `ALTER TABLE ${quote(table)}`;
  return [
    ...droppedColumns.map((name) => `${alter} DROP COLUMN ${quote(name)};`),
    ...addedColumns.map(({ column, foreignKey, checks }) =>
      [
        `${alter} ADD COLUMN ${columnDefinition(column)}`,
        ...(foreignKey ? [references(foreignKey)] : []),
        ...checks.map(checkConstraint),
      ]
        .join(" ")
        .concat(";"),
    ),
  ];
}

/** What the rows that exist have in `column`, where that is not what they had, or its default as ADD COLUMN knows it. */
function valueOf(
  table: string,
  old: ColumnSnapshot | undefined,
  column: ColumnSnapshot,
  context: Context,
): string | undefined {
  const name = `${table}.${column.name}`;
  if (column.generated) return undefined;
  const set = context.set(name);
  if (set !== undefined) return set;
  if (!old) {
    if (column.default !== undefined) return isConstant(column) ? undefined : String(column.default);
    if (column.notNull && !(column.primaryKey && affinity(column.type) === "INTEGER")) {
      context.problems.push(
        `${name} is new, required and has no default: say what the rows that exist have there, with --set ${name}=<SQL>`,
      );
    }
    return undefined;
  }
  if (affinity(old.type) !== affinity(column.type)) {
    context.problems.push(
      `${name} was ${old.type} and is ${column.type} now: say what becomes of its values, with --set '${name}=cast(${quote(column.name)} as ${column.type})' or another expression`,
    );
  }
  if (column.notNull && !old.notNull) {
    context.notes.push(
      `${name} is required now: a NULL in it makes the migration fail; --set '${name}=coalesce(${quote(column.name)}, <SQL>)' replaces them`,
    );
  }
  return undefined;
}

function checkDropped(name: string, added: ColumnSnapshot[], table: string, context: Context): void {
  if (context.drop(name)) return;
  const targets = added.length > 0 ? added.map((column) => column.name) : ["<its new name>"];
  const like = targets.map((target) => `--rename ${name}=${target}`).join(" or ");
  context.problems.push(
    `the column ${name} is not in the schema any more: --drop ${name} deletes it and what is in it; if it has another name in ${table} now, ${like}`,
  );
}

/** What ALTER TABLE ADD COLUMN can do, also with foreign keys enforced. */
function canAdd({ column, foreignKey }: AddedColumn): boolean {
  if (column.primaryKey || column.generated?.type === "stored") return false;
  if (column.default !== undefined) return isConstant(column) && !foreignKey;
  return !column.notNull || column.generated !== undefined;
}

/** Whether a default is one that ADD COLUMN accepts: the same for all rows. */
const isConstant = ({ default: value }: ColumnSnapshot): boolean =>
  typeof value !== "string" || !/^\(|^current_/i.test(value);

const lastMentioned = (expression: string, columns: ColumnSnapshot[]): string | undefined =>
  columns.findLast(({ name }) => mentions(expression, name))?.name;

const foreignKey = ({ name: _, ...key }: ForeignKeySnapshot): string => JSON.stringify(key, Object.keys(key).sort());

function primaryKey(table: TableSnapshot): string {
  const columns = Object.values(table.columns)
    .filter((column) => column.primaryKey)
    .map(({ name }) => name);
  return JSON.stringify([columns, ...Object.values(table.compositePrimaryKeys).map((key) => key.columns)]);
}

const definition = (column: ColumnSnapshot | undefined): string =>
  column ? columnDefinition({ ...column, type: column.type.toLowerCase() }) : "";

/** Those of `some` that `others` have nothing like, each counted as often as it is there. */
function onlyIn<T>(some: T[], others: T[], key: (thing: T) => string): T[] {
  const left = others.map(key);
  return some.filter((thing) => {
    const at = left.indexOf(key(thing));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** How SQLite would convert values, see https://www.sqlite.org/datatype3.html#determination_of_column_affinity */
function affinity(type: string): string {
  if (/int/i.test(type)) return "INTEGER";
  if (/char|clob|text/i.test(type)) return "TEXT";
  if (/blob/i.test(type) || type === "") return "BLOB";
  return /real|floa|doub/i.test(type) ? "REAL" : "NUMERIC";
}

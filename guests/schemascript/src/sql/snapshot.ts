/**
 * A schema as data: what a migration is computed from, and what is kept beside it. The format is drizzle-kit's for SQLite (version 6),
 * so that its tools read ours and the other way round.
 */

import { getTableName, is, SQL, sql, type Table } from "drizzle-orm";
import {
  type AnySQLiteColumn,
  getTableConfig,
  SQLiteBaseInteger,
  SQLiteSyncDialect,
  SQLiteTable,
} from "drizzle-orm/sqlite-core";
import { default as literal, defaultExpression } from "./literal.js";

export interface ColumnSnapshot {
  name: string;
  type: string;
  primaryKey: boolean;
  notNull: boolean;
  autoincrement: boolean;
  /** As SQL has it; numbers and booleans also as such. */
  default?: string | number | boolean;
  generated?: { as: string; type: "virtual" | "stored" };
}

export interface IndexSnapshot {
  name: string;
  /** Names, or expressions that are no name of a column. */
  columns: string[];
  isUnique: boolean;
  where?: string;
}

export interface ForeignKeySnapshot {
  name: string;
  tableFrom: string;
  tableTo: string;
  columnsFrom: string[];
  columnsTo: string[];
  onDelete: string;
  onUpdate: string;
}

export interface TableSnapshot {
  name: string;
  columns: Record<string, ColumnSnapshot>;
  indexes: Record<string, IndexSnapshot>;
  foreignKeys: Record<string, ForeignKeySnapshot>;
  compositePrimaryKeys: Record<string, { name: string; columns: string[] }>;
  uniqueConstraints: Record<string, never>;
  checkConstraints: Record<string, { name: string; value: string }>;
}

export interface Snapshot {
  version: "6";
  dialect: "sqlite";
  id: string;
  prevId: string;
  tables: Record<string, TableSnapshot>;
  views: Record<string, never>;
  enums: Record<string, never>;
  _meta: { schemas: Record<string, never>; tables: Record<string, never>; columns: Record<string, never> };
  internal: { indexes: Record<string, { columns: Record<string, { isExpression: true }> }> };
}

export const NO_ID = "00000000-0000-0000-0000-000000000000";

export const emptySnapshot = (): Snapshot => ({
  version: "6",
  dialect: "sqlite",
  id: NO_ID,
  prevId: NO_ID,
  tables: {},
  views: {},
  enums: {},
  _meta: { schemas: {}, tables: {}, columns: {} },
  internal: { indexes: {} },
});

/** A list of tables, or an object that has them among its values, such as a module. */
export type Tables = Iterable<unknown> | Record<string, unknown>;

/**
 * The schema of `tables`, SchemaScript's or Drizzle's. The same table may be there more than once.
 *
 * @throws TypeError with a sentence, if SQLite would not work with it: two tables of a name, a foreign key to a table that is not
 * among them, or to columns that are neither the primary key nor unique.
 */
export function snapshot(tables: Tables): Snapshot {
  const result = emptySnapshot();
  const values = Symbol.iterator in tables ? [...(tables as Iterable<unknown>)] : Object.values(tables);
  for (const table of values) {
    if (!is(table, SQLiteTable)) continue;
    const described = describeTable(table, result.internal.indexes);
    const same = Object.values(result.tables).find(({ name }) => name.toLowerCase() === described.name.toLowerCase());
    if (same && JSON.stringify(same) !== JSON.stringify(described)) {
      throw new TypeError(`there are two different tables called ${described.name}`);
    }
    result.tables[described.name] = described;
  }
  checkIndexNames(result);
  checkForeignKeys(result);
  return result;
}

const dialect = new SQLiteSyncDialect();

/** SQL with its parameters in it, and columns without their tables, as definitions have them. */
const render = (expression: SQL): string => dialect.sqlToQuery(sql`${expression}`.inlineParams(), "indexes").sql;

type Internal = Snapshot["internal"]["indexes"];

function describeTable(table: SQLiteTable, internal: Internal): TableSnapshot {
  const config = getTableConfig(table);
  const indexes = [
    ...config.columns
      .filter((column) => column.isUnique)
      .map((column) => ({ name: column.uniqueName ?? "", columns: [column.name], isUnique: true })),
    ...config.indexes.map(({ config }) => describeIndex(config, internal)),
    ...config.uniqueConstraints.map((unique) => ({
      name: unique.getName() ?? "",
      columns: unique.columns.map(({ name }) => name),
      isUnique: true,
    })),
  ];
  const keys = config.primaryKeys.map((key) => ({ name: key.getName(), columns: key.columns.map(({ name }) => name) }));
  const columns = config.columns.map((column) => describeColumn(config.name, column));
  const single = keys.filter((key) => key.columns.length === 1).flatMap((key) => key.columns);
  return {
    name: config.name,
    columns: byName(columns.map((column) => (single.includes(column.name) ? { ...column, primaryKey: true } : column))),
    indexes: byName(indexes),
    foreignKeys: byName(config.foreignKeys.map((key) => describeForeignKey(config.name, key))),
    compositePrimaryKeys: byName(keys.filter((key) => key.columns.length > 1)),
    uniqueConstraints: {},
    checkConstraints: byName(config.checks.map((check) => ({ name: check.name, value: render(check.value) }))),
  };
}

function describeColumn(table: string, column: AnySQLiteColumn): ColumnSnapshot {
  const described: ColumnSnapshot = {
    name: column.name,
    type: column.getSQLType(),
    primaryKey: column.primary,
    notNull: column.notNull,
    autoincrement: is(column, SQLiteBaseInteger) && column.autoIncrement,
  };
  if (column.default !== undefined) described.default = describeDefault(table, column);
  const { generated } = column;
  if (generated) {
    const as = typeof generated.as === "function" ? generated.as() : generated.as;
    described.generated = {
      as: `(${is(as, SQL) ? render(as) : as})`,
      type: (generated as { mode?: "stored" }).mode ?? "virtual",
    };
  }
  return described;
}

function describeDefault(table: string, column: AnySQLiteColumn): string | number | boolean {
  const value: unknown = column.default;
  if (is(value, SQL)) return defaultExpression(render(value));
  let stored: unknown;
  try {
    stored = column.mapToDriverValue(value);
  } catch (error) {
    throw new TypeError(`the default of ${table}.${error instanceof Error ? error.message : error}`);
  }
  if (typeof value === "boolean") return value;
  return typeof stored === "number" && Number.isFinite(stored) ? stored : literal(stored);
}

type IndexConfig = ReturnType<typeof getTableConfig>["indexes"][number]["config"];

function describeIndex(config: IndexConfig, internal: Internal): IndexSnapshot {
  const columns = config.columns.map((column) => {
    if (!is(column, SQL)) return column.name;
    const expression = render(column);
    internal[config.name] ??= { columns: {} };
    (internal[config.name] as Internal[string]).columns[expression] = { isExpression: true };
    return expression;
  });
  const index: IndexSnapshot = { name: config.name, columns, isUnique: config.unique };
  if (config.where) index.where = render(config.where);
  return index;
}

type ForeignKey = ReturnType<typeof getTableConfig>["foreignKeys"][number];

function describeForeignKey(table: string, key: ForeignKey): ForeignKeySnapshot {
  const { columns, foreignColumns } = key.reference();
  const columnsFrom = columns.map(({ name }) => name);
  return {
    name: key.getName(),
    tableFrom: table,
    tableTo: getTableName(foreignColumns[0]?.table as Table),
    columnsFrom,
    columnsTo: foreignColumns.map(({ name }) => name),
    onDelete: key.onDelete ?? "no action",
    onUpdate: key.onUpdate ?? "no action",
  };
}

function byName<T extends { name: string }>(things: T[]): Record<string, T> {
  const result: Record<string, T> = {};
  for (const thing of things) {
    if (Object.hasOwn(result, thing.name))
      throw new TypeError(`there are two different ${thing.name}: give one of them another name`);
    result[thing.name] = thing;
  }
  return result;
}

/** Indexes of all tables have one space of names, with the tables. */
function checkIndexNames({ tables }: Snapshot): void {
  const seen = new Map(Object.keys(tables).map((name) => [name.toLowerCase(), `the table ${name}`]));
  for (const table of Object.values(tables)) {
    for (const { name } of Object.values(table.indexes)) {
      const other = seen.get(name.toLowerCase());
      if (other) throw new TypeError(`the index ${name} of ${table.name} has the name of ${other}: give it another`);
      seen.set(name.toLowerCase(), `an index of ${table.name}`);
    }
  }
}

function checkForeignKeys({ tables }: Snapshot): void {
  for (const key of Object.values(tables).flatMap((table) => Object.values(table.foreignKeys))) {
    const from = `${key.tableFrom}.${key.columnsFrom.join(", ")}`;
    const target = tables[key.tableTo];
    if (!target)
      throw new TypeError(
        `${from} refers to the table ${key.tableTo}, which is not among the tables: give (or export) it, too`,
      );
    if (!isKey(target, key.columnsTo)) {
      throw new TypeError(
        `${from} refers to ${key.tableTo}.${key.columnsTo.join(", ")}, which has to be an identifier or unique for that`,
      );
    }
  }
}

/** Whether SQLite takes `columns` for a parent key. */
function isKey(table: TableSnapshot, columns: string[]): boolean {
  const same = (other: string[]) => other.length === columns.length && other.every((name) => columns.includes(name));
  const primary = Object.values(table.columns)
    .filter((column) => column.primaryKey)
    .map(({ name }) => name);
  return (
    same(primary) ||
    Object.values(table.compositePrimaryKeys).some((key) => same(key.columns)) ||
    Object.values(table.indexes).some((index) => index.isUnique && index.where === undefined && same(index.columns))
  );
}

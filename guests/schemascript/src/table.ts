/** Tables: from properties to Drizzle's tables. */

import { is, sql, Table as DrizzleTable } from "drizzle-orm";
import {
  check,
  type SQLiteColumn,
  type SQLiteColumnBuilderBase,
  type SQLiteTableExtraConfigValue,
  type SQLiteTableWithColumns,
  sqliteTable,
} from "drizzle-orm/sqlite-core";
import { columnBuilder } from "./column.js";
import { type Fields, fields } from "./field.js";
import { type AnyProperty, type Definition, Property, type State } from "./property.js";

/** Drizzle's type of the column that a property with the state `S` becomes. */
export type ColumnOf<S extends State, TableName extends string, Key extends string> = SQLiteColumn<{
  name: S["name"] extends "" ? Key : S["name"];
  tableName: TableName;
  dataType: S["dataType"];
  columnType: S["columnType"];
  data: S["data"];
  driverParam: S["driverParam"];
  notNull: S["notNull"];
  hasDefault: S["hasDefault"];
  isPrimaryKey: S["isPrimaryKey"];
  isAutoincrement: S["isAutoincrement"];
  hasRuntimeDefault: S["hasRuntimeDefault"];
  enumValues: S["enumValues"];
  baseColumn: never;
  identity: undefined;
  generated: undefined;
}>;

export type ColumnsOf<P, TableName extends string> = {
  [Key in keyof P & string]: P[Key] extends Property<infer S extends State> ? ColumnOf<S, TableName, Key> : never;
};

/** Drizzle's type of the table that properties `P` become. */
export type TableOf<Name extends string, P> = SQLiteTableWithColumns<{
  name: Name;
  schema: undefined;
  columns: ColumnsOf<P, Name>;
  dialect: "sqlite";
}>;

/** Indexes, checks, keys of more than one column: what Drizzle's `sqliteTable` takes as its third argument. */
export type Extras<Name extends string, P> = (table: ColumnsOf<P, Name>) => SQLiteTableExtraConfigValue[];

/**
 * A table: what Drizzle's `sqliteTable` returns, for its queries, joins and relations.
 *
 *     const Users = Table("users", (prop) => ({
 *       id: prop.integer().identifier(),
 *       name: prop.text().unique(),
 *     }));
 *
 * @throws TypeError whose message is a sentence about the table or column, if SQLite could not have such a table.
 */
export function Table<const Name extends string, P extends Record<string, AnyProperty>>(
  name: Name,
  build: (prop: Fields) => P,
  extras?: Extras<Name, P>,
): TableOf<Name, P> {
  checkTableName(name);
  const properties = Object.entries(build(fields)).map(([key, property]) => definitionOf(name, key, property));
  checkProperties(name, properties);
  const columns = Object.fromEntries(
    properties.map(({ key, column, definition }) => [
      key,
      columnBuilder(column, definition) as SQLiteColumnBuilderBase,
    ]),
  );
  const checks = properties.flatMap(({ column, definition }) => checksOf(name, column, definition));
  return sqliteTable(name, columns, (table) => [
    ...checks,
    ...(extras?.(table as unknown as ColumnsOf<P, Name>) ?? []),
  ]) as unknown as TableOf<Name, P>;
}

/** The same as {@link Table}: a schema is usable as a table, and what a table refers to may be a schema. */
export const Schema = Table;

interface Named {
  key: string;
  column: string;
  definition: Definition;
}

function definitionOf(table: string, key: string, property: unknown): Named {
  if (!(property instanceof Property)) {
    throw new TypeError(`${table}.${key} is no property; make one with prop, as in prop.text()`);
  }
  const { definition } = property;
  return { key, column: definition.name ?? key, definition };
}

function checkTableName(name: string): void {
  if (typeof name !== "string" || name === "") throw new TypeError("a table needs a name");
  if (/^sqlite_/i.test(name))
    throw new TypeError(`SQLite keeps names with sqlite_ to itself: call the table ${name} something else`);
}

/** What a Drizzle table has besides its columns. */
const TAKEN: ReadonlySet<string> = new Set(["_", "$inferSelect", "$inferInsert", "getSQL", "shouldOmitSQLParens"]);

function checkProperties(table: string, properties: Named[]): void {
  if (properties.length === 0) throw new TypeError(`the table ${table} has no properties`);
  const seen = new Map<string, string>();
  for (const { key, column } of properties) {
    if (TAKEN.has(key)) {
      throw new TypeError(
        `${table}.${key}: Drizzle's tables have something of that name; take another key and give the column's name explicitly`,
      );
    }
    if (column === "") throw new TypeError(`${table}.${key} has an empty name`);
    const other = seen.get(column.toLowerCase());
    if (other !== undefined) throw new TypeError(`${table}.${other} and ${table}.${key} are both the column ${column}`);
    seen.set(column.toLowerCase(), key);
  }
  const identifiers = properties.filter(({ definition }) => definition.identifier).map(({ key }) => key);
  if (identifiers.length > 1) {
    throw new TypeError(
      `the table ${table} has more than one identifier (${identifiers.join(", ")}); a key of several columns is primaryKey() in the third argument`,
    );
  }
}

/** The database holds an enum and a boolean to its values, whoever writes. */
function checksOf(table: string, column: string, { kind, stored }: Definition): SQLiteTableExtraConfigValue[] {
  const values = kind === "boolean" ? [0, 1] : kind === "enum" ? stored : undefined;
  if (!values) return [];
  const list = values
    .map((value) => (typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`))
    .join(", ");
  return [check(`${table}_${column}_check`, sql`${sql.identifier(column)} in (${sql.raw(list)})`)];
}

/** Whether something, such as an export of a module, is a table. */
export const isTable = (something: unknown): something is DrizzleTable => is(something, DrizzleTable);

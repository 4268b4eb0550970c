/** CREATE statements for a schema. */

import { quote } from "./literal.js";
import { parentsFirst } from "./order.js";
import {
  type ColumnSnapshot,
  type ForeignKeySnapshot,
  type IndexSnapshot,
  type Snapshot,
  snapshot,
  type Tables,
  type TableSnapshot,
} from "./snapshot.js";

/** The statements that make `tables`, SchemaScript's or Drizzle's, in an empty database. See {@link snapshot} for its errors. */
export const createStatements = (tables: Tables): string[] => createSchema(snapshot(tables));

export function createSchema({ tables, internal }: Snapshot): string[] {
  const all = parentsFirst(Object.values(tables)).names.map((name) => tables[name] as TableSnapshot);
  return [...all.map((table) => createTable(table)), ...all.flatMap((table) => createIndexes(table, internal))];
}

export const createIndexes = (table: TableSnapshot, internal: Snapshot["internal"]): string[] =>
  Object.values(table.indexes).map((index) => createIndex(table.name, index, internal));

export const dropIndex = (name: string): string => `DROP INDEX ${quote(name)};`;

/**
 * CREATE TABLE. `as` is the name it gets, and `named` the names that tables it refers to have at that time, if these are others
 * than they will have.
 */
export function createTable(table: TableSnapshot, as = table.name, named = (name: string) => name): string {
  const parts = [
    ...Object.values(table.columns).map(columnDefinition),
    ...Object.values(table.compositePrimaryKeys).map((key) => `PRIMARY KEY (${list(key.columns)})`),
    ...Object.values(table.foreignKeys).map(
      (key) => `FOREIGN KEY (${list(key.columnsFrom)}) ${references(key, named)}`,
    ),
    ...Object.values(table.checkConstraints).map(checkConstraint),
  ];
  return `CREATE TABLE ${quote(as)} (\n\t${parts.join(",\n\t")}\n);`;
}

export function columnDefinition(column: ColumnSnapshot): string {
  const parts = [quote(column.name), column.type];
  if (column.primaryKey) parts.push("PRIMARY KEY");
  if (column.autoincrement) parts.push("AUTOINCREMENT");
  if (column.default !== undefined) parts.push(`DEFAULT ${column.default}`);
  if (column.generated) parts.push(`GENERATED ALWAYS AS ${column.generated.as} ${column.generated.type.toUpperCase()}`);
  if (column.notNull) parts.push("NOT NULL");
  return parts.join(" ");
}

export function references(key: ForeignKeySnapshot, named = (name: string) => name): string {
  const actions = [
    key.onUpdate === "no action" ? "" : ` ON UPDATE ${key.onUpdate.toUpperCase()}`,
    key.onDelete === "no action" ? "" : ` ON DELETE ${key.onDelete.toUpperCase()}`,
  ];
  return `REFERENCES ${quote(named(key.tableTo))} (${list(key.columnsTo)})${actions.join("")}`;
}

export const checkConstraint = ({ name, value }: { name: string; value: string }): string =>
  `CONSTRAINT ${quote(name)} CHECK (${value})`;

export function createIndex(table: string, index: IndexSnapshot, internal: Snapshot["internal"]): string {
  const expressions = internal.indexes[index.name]?.columns ?? {};
  const columns = index.columns.map((column) => (expressions[column] ? column : quote(column)));
  const where = index.where === undefined ? "" : ` WHERE ${index.where}`;
  return `CREATE ${index.isUnique ? "UNIQUE " : ""}INDEX ${quote(index.name)} ON ${quote(table)} (${columns.join(", ")})${where};`;
}

const list = (names: string[]): string => names.map(quote).join(", ");

/**
 * SchemaScript: schemas of SQLite databases in TypeScript, as Drizzle tables.
 *
 *     property.ts   properties and their modifiers, which never change one
 *     field.ts      the types of properties
 *     codec.ts      how values are stored and read
 *     column.ts     a property as Drizzle's column
 *     table.ts      properties as Drizzle's table
 */

export type { AnySQLiteColumn } from "drizzle-orm/sqlite-core";
export type { CustomOptions, EnumOptions, Fields, SchemaBuilder } from "./field.js";
export { type AnyProperty, Property, type ReferenceActions } from "./property.js";
export { Schema, Table, type TableOf } from "./table.js";
export { value } from "./value.js";

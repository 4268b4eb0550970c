/** A real SQLite with tables in it. */

import Database from "better-sqlite3";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { createStatements, type Tables } from "../src/sql/index.js";

export interface Opened<S extends Record<string, unknown>> {
  sqlite: Database.Database;
  db: ReturnType<typeof drizzle<S>>;
}

/** An empty database, with foreign keys enforced, that has `schema`'s tables. */
export function open<S extends Record<string, unknown>>(schema: S): Opened<S> {
  const sqlite = new Database(":memory:");
  sqlite.pragma("foreign_keys = ON");
  run(sqlite, createStatements(schema as Tables));
  return { sqlite, db: drizzle(sqlite, { schema }) };
}

export function run(sqlite: Database.Database, statements: string[]): void {
  for (const statement of statements) sqlite.exec(statement);
}

export const rows = (sqlite: Database.Database, sql: string): Record<string, unknown>[] =>
  sqlite.prepare(sql).all() as Record<string, unknown>[];

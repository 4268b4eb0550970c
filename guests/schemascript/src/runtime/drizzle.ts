/** Drizzle over the host: https://orm.drizzle.team/docs/get-started-sqlite#http-proxy. */

import type { DrizzleConfig } from "drizzle-orm";
import { drizzle, type SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import { type Method, query } from "./host.js";

export type DatabaseConfig<Schema extends Record<string, unknown>> = DrizzleConfig<Schema>;

export type Database<Schema extends Record<string, unknown> = Record<string, never>> = SqliteRemoteDatabase<Schema>;

interface Statement {
  sql: string;
  params: unknown[];
  method: Method;
}

/**
 * The database that this program runs in. `config` is Drizzle's: `schema` (for `db.query`), `casing`, `logger`.
 *
 *     const db = database({ schema: { users, posts } });
 */
export function database<Schema extends Record<string, unknown> = Record<string, never>>(config: DatabaseConfig<Schema> = {}): Database<Schema> {
  return drizzle<Schema>(execute, batch, config);
}

/** What Drizzle's types ask for; `get` without a row has no `rows`, because an empty list would be a row of undefined columns. */
interface Result {
  rows: unknown[];
}

/** Drizzle awaits it, and catches what it throws, so it is no promise of its own. */
const execute = (sql: string, params: unknown[], method: Method): Promise<Result> => query(sql, params, method) as Result & Promise<Result>;

/** All in one transaction, as Drizzle's other drivers do it. */
async function batch(statements: Statement[]): Promise<Result[]> {
  query("begin", [], "run");
  try {
    const results = statements.map(({ sql, params, method }) => query(sql, params, method) as Result);
    query("commit", [], "run");
    return results;
  } catch (error) {
    query("rollback", [], "run");
    throw error;
  }
}

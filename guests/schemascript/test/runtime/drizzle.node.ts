/** The oracle: the same steps on better-sqlite3, whose transactions want synchronous callbacks. */

import Database from "better-sqlite3";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { report } from "./report.js";
import * as schema from "./schema.js";

type Transaction = { transaction: (run: (tx: unknown) => unknown, config?: { behavior?: string }) => Promise<unknown> };

/** Transactions with asynchronous callbacks, in plain SQL. */
function asynchronous(db: { run(query: unknown): unknown }, depth = 0): void {
  (db as unknown as Transaction).transaction = async (run, config) => {
    const [begin, commit, rollback] = depth === 0
      ? [`begin ${config?.behavior ?? ""}`, "commit", "rollback"]
      : [`savepoint s${depth}`, `release s${depth}`, `rollback to s${depth}`];
    db.run(sql.raw(begin));
    const inner = Object.create(db) as typeof db & { rollback(): never };
    inner.rollback = () => { throw new Error("Rollback"); };
    asynchronous(inner, depth + 1);
    try {
      const result = await run(inner);
      db.run(sql.raw(commit));
      return result;
    } catch (error) {
      db.run(sql.raw(rollback));
      throw error;
    }
  };
}

const db = drizzle(new Database(":memory:"), { schema });
asynchronous(db);
await report(db);

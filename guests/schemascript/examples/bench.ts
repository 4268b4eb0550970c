/** A command: what a warm select by key costs. */

import { eq, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { database, query } from "schemascript/runtime";

const Items = sqliteTable("bench_items", { id: integer().primaryKey(), name: text().notNull(), note: text() });
const db = database();
const ROWS = 1000;

async function measure(what: string, calls: number, call: (id: number) => unknown): Promise<void> {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) await call((i % ROWS) + 1);
    best = Math.min(best, performance.now() - start);
  }
  console.log(`${what}: ${Math.round((best * 1e6) / calls)} ns/call`);
}

await db.transaction(async (tx) => {
  await tx.run(sql`CREATE TEMP TABLE IF NOT EXISTS bench_items(id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT)`);
  await tx.delete(Items);
  await tx.run(sql`INSERT INTO bench_items SELECT value, 'name ' || value, NULL FROM json_each('[' || ${Array.from({ length: ROWS }, (_, i) => i + 1).join()} || ']')`);
});

const byId = db.select().from(Items).where(eq(Items.id, sql.placeholder("id"))).prepare();

await measure("query()", 2000, (id) => query("select id, name, note from bench_items where id = ?", [id], "get"));
await measure("drizzle, prepared", 2000, (id) => byId.get({ id }));
await measure("drizzle, built anew", 200, (id) => db.select().from(Items).where(eq(Items.id, id)).get());

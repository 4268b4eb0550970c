/**
 * A reactor: keeps a table of notes and answers requests in JSON.
 *
 *     {"path": "/notes"}                                        all notes
 *     {"path": "/notes", "add": {"title": "milk", "done": false}}   adds one, answers it
 *     {"path": "/notes/1"}                                      one, or an error
 */

import { eq, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { database, serve } from "schemascript/runtime";

const Notes = sqliteTable("notes", {
  id: integer().primaryKey(),
  title: text().notNull(),
  done: integer({ mode: "boolean" }).notNull().default(false),
});

const db = database();
await db.run(sql`CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, title TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0)`);

const byId = db.select().from(Notes).where(eq(Notes.id, sql.placeholder("id"))).prepare();

interface Request {
  path: string;
  add?: typeof Notes.$inferInsert;
}

serve(async (request) => {
  const { path, add } = JSON.parse(request) as Request;
  if (path === "/notes" && add) return await db.insert(Notes).values(add).returning().get();
  if (path === "/notes") return await db.select().from(Notes).orderBy(Notes.id);
  const id = Number(/^\/notes\/(\d+)$/.exec(path)?.[1]);
  const note = await byId.get({ id });
  if (!note) throw new Error(`there is nothing at ${path}`);
  return note;
});

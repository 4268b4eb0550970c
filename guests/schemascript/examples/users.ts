/** A command: makes a table, writes and reads it. */

import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { sql } from "drizzle-orm";
import { database } from "schemascript/runtime";

const Users = sqliteTable("users", { id: integer().primaryKey(), name: text().notNull(), email: text() });
const db = database();

await db.run(sql`CREATE TABLE IF NOT EXISTS users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT)`);
await db.insert(Users).values([{ name: "ann", email: "ann@example.org" }, { name: "bob" }]);
const rows = await db.select().from(Users);
console.log(rows);

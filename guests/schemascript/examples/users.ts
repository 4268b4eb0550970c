/** A command: makes the table of a schema, writes and reads it. */

import { count, sql } from "drizzle-orm";
import { Table } from "schemascript";
import { database } from "schemascript/runtime";
import { createStatements } from "schemascript/sql";

const Users = Table("users", (p) => ({ id: p.integer().identifier(), name: p.text(), email: p.text().optional() }));
const db = database();

const there = await db.select({ tables: count() }).from(sql`sqlite_schema`).where(sql`name = 'users'`).get();
if (there?.tables === 0) {
  for (const statement of createStatements({ Users })) await db.run(sql.raw(statement));
  await db.insert(Users).values([{ name: "ann", email: "ann@example.org" }, { name: "bob" }]);
}

const rows = await db.select().from(Users);
console.log(rows);

/** drizzle-kit, as the judge of the formats that are its own. */

import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { index, integer, primaryKey, sqliteTable, text, unique } from "drizzle-orm/sqlite-core";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { migrate } from "drizzle-orm/better-sqlite3/migrator";
import { desc, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { addMigration, lastSnapshot } from "../src/folder.js";
import { Table, value } from "../src/index.js";
import { emptySnapshot, migration, snapshot } from "../src/sql/index.js";
import { rows } from "./database.js";

const kit = createRequire(import.meta.url)("drizzle-kit/api") as {
  generateSQLiteDrizzleJson(tables: Record<string, unknown>): Promise<Record<string, unknown>>;
};

const Users = Table("users", (prop) => ({
  id: prop.integer().identifier({ autoIncrement: true }),
  name: prop.text("full_name").unique().default("it's"),
  role: prop.enum({ options: ["admin", "user"] }).default("user"),
  active: prop.boolean().default(true),
  score: prop.real().optional().default(1.5),
  at: prop.datetime().default(value.now()),
}));
const Posts = Table(
  "posts",
  (prop) => ({ id: prop.text().identifier(), by: prop.integer().references(() => Users.id, { onDelete: "cascade" }) }),
  (t) => [
    index("by_desc")
      .on(desc(t.by), t.id)
      .where(sql`${t.by} > 1`),
  ],
);
const Plain = sqliteTable(
  "plain",
  { a: integer().notNull(), b: text(), c: text().generatedAlwaysAs(sql`upper("b")`) },
  (t) => [primaryKey({ columns: [t.a, t.b] }), unique("bs").on(t.b)],
);

test("snapshots are those that drizzle-kit makes", async () => {
  const tables = { Users, Posts, Plain };
  const { id: _, prevId: __, _meta, ...theirs } = await kit.generateSQLiteDrizzleJson(tables);
  const { id: _id, prevId: _prevId, _meta: _ours, ...ours } = snapshot(tables);
  // A column with its table's name in front would be wrong while the table is rebuilt under another.
  const unqualified = JSON.stringify(theirs).replaceAll('\\"posts\\".', "");
  expect(JSON.parse(JSON.stringify(ours))).toEqual(JSON.parse(unqualified));
});

test("Drizzle's migrator applies the folder, in order and once", () => {
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  try {
    const now = new Date(1_700_000_000_000);
    const before = Table("users", (prop) => ({
      id: prop.integer().identifier({ autoIncrement: true }),
      name: prop.text("full_name"),
    }));
    const first = snapshot([before]);
    addMigration(folder, "the first!", migration(emptySnapshot(), first).statements, first, now);
    expect(lastSnapshot(folder)).toMatchObject({ tables: first.tables });

    const sqlite = new Database(":memory:");
    sqlite.pragma("foreign_keys = ON");
    const db = drizzle(sqlite);
    migrate(db, { migrationsFolder: folder });
    sqlite.exec("INSERT INTO users(full_name) VALUES ('ada')");

    const second = snapshot([Users, Posts]);
    // The clock may go backwards: the second is still the newer one.
    const path = addMigration(
      folder,
      "second",
      migration(lastSnapshot(folder), second).statements,
      second,
      new Date(0),
    );
    expect(path).toBe(join(folder, "0001_second.sql"));
    for (const _ of [1, 2]) migrate(db, { migrationsFolder: folder });
    expect(rows(sqlite, "SELECT id, full_name, role, active FROM users")).toEqual([
      { id: 1, full_name: "ada", role: "user", active: 1 },
    ]);
    expect(rows(sqlite, "SELECT count(*) AS n FROM __drizzle_migrations")).toEqual([{ n: 2 }]);
    expect(lastSnapshot(folder).prevId).not.toBe(lastSnapshot(folder).id);
    expect(() => addMigration(folder, "x", ["SELECT '--> statement-breakpoint'"], second, now)).toThrow(
      "separates statements in Drizzle's files",
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

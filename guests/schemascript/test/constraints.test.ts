/** What SQLite enforces, and Drizzle's queries over the tables. */

import Database from "better-sqlite3";
import { asc, count, eq, isNull, relations, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { alias, check, index, primaryKey, uniqueIndex } from "drizzle-orm/sqlite-core";
import { drizzle as drizzleProxy } from "drizzle-orm/sqlite-proxy";
import { describe, expect, test } from "vitest";
import { type AnySQLiteColumn, Schema, Table } from "../src/index.js";
import { createStatements } from "../src/sql/index.js";
import { open, rows } from "./database.js";

const Users = Schema("users", (prop) => ({
  id: prop.integer().identifier(),
  name: prop.text().unique(),
  role: prop.enum({ options: ["admin", "it's"] }).default("it's"),
  level: prop.enum({ options: { low: 1, high: 10 } }).optional(),
  active: prop.boolean().default(true),
}));

describe("constraints hold, whoever writes", () => {
  const { sqlite } = open({ Users });
  sqlite.exec("INSERT INTO users(name) VALUES ('ada')");

  test.each([
    ["INSERT INTO users(name) VALUES (NULL)", "NOT NULL constraint failed: users.name"],
    ["INSERT INTO users(name) VALUES ('ada')", "UNIQUE constraint failed: users.name"],
    ["INSERT INTO users(id, name) VALUES (1, 'bob')", "UNIQUE constraint failed: users.id"],
    ["INSERT INTO users(name, role) VALUES ('bob', 'root')", "CHECK constraint failed: users_role_check"],
    ["INSERT INTO users(name, level) VALUES ('bob', 2)", "CHECK constraint failed: users_level_check"],
    ["INSERT INTO users(name, active) VALUES ('bob', 2)", "CHECK constraint failed: users_active_check"],
  ])("%s", (statement, message) => {
    expect(() => sqlite.exec(statement)).toThrow(message);
  });

  test("an optional enum may be NULL", () => {
    expect(() => sqlite.exec("INSERT INTO users(name, level) VALUES ('cy', NULL), ('dee', 10)")).not.toThrow();
  });
});

test("an identifier is the rowid; with autoIncrement it is never used twice", () => {
  const Plain = Table("plain", (prop) => ({ id: prop.integer().identifier() }));
  const Auto = Table("auto", (prop) => ({ id: prop.integer({ mode: "bigint" }).identifier({ autoIncrement: true }) }));
  const Named = Table("named", (prop) => ({ key: prop.text().identifier() }));
  const { sqlite, db } = open({ Plain, Auto, Named });
  for (const table of ["plain", "auto"]) {
    sqlite.exec(`INSERT INTO ${table} DEFAULT VALUES; INSERT INTO ${table} DEFAULT VALUES; DELETE FROM ${table}`);
  }
  expect(db.insert(Plain).values({}).returning().get()).toEqual({ id: 1 });
  expect(db.insert(Auto).values({}).returning().get()).toEqual({ id: 3n });
  expect(() => sqlite.exec("INSERT INTO named DEFAULT VALUES")).toThrow("NOT NULL constraint failed: named.key");
});

describe("references", () => {
  const actions = ["cascade", "restrict", "no action", "set null", "set default"] as const;
  const children = (onDelete: (typeof actions)[number], onUpdate = onDelete) =>
    Table("children", (prop) => ({
      id: prop.integer().identifier(),
      parent: prop
        .integer()
        .optional()
        .default(0)
        .references(() => Users.id, { onDelete, onUpdate }),
    }));

  test.each([
    ["cascade", []],
    ["set null", [{ parent: null }]],
    ["set default", [{ parent: 0 }]],
  ] as const)("on delete %s", (action, left) => {
    const { sqlite } = open({ Users, Children: children(action) });
    sqlite.exec(
      "INSERT INTO users(id, name) VALUES (0, 'zero'), (1, 'ada'); INSERT INTO children(parent) VALUES (1); DELETE FROM users WHERE id = 1",
    );
    expect(rows(sqlite, "SELECT parent FROM children")).toEqual(left);
  });

  test.each(["restrict", "no action"] as const)("on delete %s", (action) => {
    const { sqlite } = open({ Users, Children: children(action) });
    sqlite.exec("INSERT INTO users(id, name) VALUES (1, 'ada'); INSERT INTO children(parent) VALUES (1)");
    expect(() => sqlite.exec("DELETE FROM users")).toThrow("FOREIGN KEY constraint failed");
  });

  test("on update cascade", () => {
    const { sqlite } = open({ Users, Children: children("restrict", "cascade") });
    sqlite.exec(
      "INSERT INTO users(id, name) VALUES (1, 'ada'); INSERT INTO children(parent) VALUES (1); UPDATE users SET id = 5",
    );
    expect(rows(sqlite, "SELECT parent FROM children")).toEqual([{ parent: 5 }]);
  });

  test("to the table itself", () => {
    const Nodes = Table("nodes", (prop) => ({
      id: prop.integer().identifier(),
      parent: prop
        .integer()
        .optional()
        .references((): AnySQLiteColumn => Nodes.id, { onDelete: "cascade" }),
    }));
    const { db } = open({ Nodes });
    db.insert(Nodes)
      .values([{ id: 1 }, { id: 2, parent: 1 }, { id: 3, parent: 2 }])
      .run();
    const parents = alias(Nodes, "parents");
    const joined = db
      .select({ id: Nodes.id, parent: parents.id })
      .from(Nodes)
      .leftJoin(parents, eq(Nodes.parent, parents.id))
      .orderBy(Nodes.id);
    expect(joined.all()).toEqual([
      { id: 1, parent: null },
      { id: 2, parent: 1 },
      { id: 3, parent: 2 },
    ]);
    db.delete(Nodes).where(eq(Nodes.id, 1)).run();
    expect(db.select().from(Nodes).all()).toEqual([]);
  });

  test("of two tables to each other", () => {
    const Teams = Table("teams", (prop) => ({
      id: prop.integer().identifier(),
      captain: prop
        .integer()
        .optional()
        .references((): AnySQLiteColumn => Players.id),
    }));
    const Players = Table("players", (prop) => ({
      id: prop.integer().identifier(),
      team: prop.integer().references(() => Teams.id),
    }));
    const { db } = open({ Teams, Players });
    db.insert(Teams).values({ id: 1 }).run();
    db.insert(Players).values({ id: 1, team: 1 }).run();
    db.update(Teams).set({ captain: 1 }).run();
    expect(() => db.update(Teams).set({ captain: 2 }).run()).toThrow("FOREIGN KEY constraint failed");
  });
});

describe("relations, joins and whatever else Drizzle has", () => {
  const Posts = Table("posts", (prop) => ({
    id: prop.integer().identifier(),
    authorId: prop.integer("author_id").references(() => Users.id, { onDelete: "cascade" }),
    title: prop.text(),
    at: prop.datetime(),
    tags: prop.text().array().default([]),
    draft: prop.boolean().default(false),
  }));
  const userRelations = relations(Users, ({ many }) => ({ posts: many(Posts) }));
  const postRelations = relations(Posts, ({ one }) => ({
    author: one(Users, { fields: [Posts.authorId], references: [Users.id] }),
  }));
  const schema = { Users, Posts, userRelations, postRelations };

  const fill = () => {
    const opened = open(schema);
    const { db } = opened;
    db.insert(Users)
      .values([{ name: "ada", level: "high", role: "admin" }, { name: "bob" }])
      .run();
    db.insert(Posts)
      .values([
        { authorId: 1, title: "first", at: new Date(1000), tags: ["a", "b"] },
        { authorId: 1, title: "second", at: new Date(2000), draft: true },
      ])
      .run();
    return opened;
  };

  test("relational queries", () => {
    const { db } = fill();
    const users = db.query.Users.findMany({
      orderBy: asc(Users.id),
      with: { posts: { orderBy: asc(Posts.id) } },
    }).sync();
    expect(users).toEqual([
      {
        id: 1,
        name: "ada",
        role: "admin",
        level: "high",
        active: true,
        posts: [
          { id: 1, authorId: 1, title: "first", at: new Date(1000), tags: ["a", "b"], draft: false },
          { id: 2, authorId: 1, title: "second", at: new Date(2000), tags: [], draft: true },
        ],
      },
      { id: 2, name: "bob", role: "it's", level: null, active: true, posts: [] },
    ]);
    const post = db.query.Posts.findFirst({ columns: { title: true }, with: { author: true } }).sync();
    expect(post).toEqual({
      title: "first",
      author: { id: 1, name: "ada", role: "admin", level: "high", active: true },
    });
  });

  test("joins, conditions and aggregates", () => {
    const { db } = fill();
    expect(
      db.select().from(Users).leftJoin(Posts, eq(Posts.authorId, Users.id)).where(isNull(Posts.id)).all(),
    ).toMatchObject([{ users: { name: "bob" }, posts: null }]);
    expect(db.select({ n: count() }).from(Users).where(eq(Users.level, "high")).all()).toEqual([{ n: 1 }]);
    expect(
      db
        .select({ title: Posts.title })
        .from(Posts)
        .where(eq(Posts.at, new Date(2000)))
        .all(),
    ).toEqual([{ title: "second" }]);
    expect(
      db
        .select({ upper: sql<string>`upper(${Users.name})` })
        .from(Users)
        .where(eq(Users.active, true))
        .all(),
    ).toHaveLength(2);
  });

  test("updates, upserts and transactions", () => {
    const { db } = fill();
    db.insert(Users)
      .values({ name: "ada" })
      .onConflictDoUpdate({ target: Users.name, set: { active: false, level: "low" } })
      .run();
    expect(db.select().from(Users).where(eq(Users.name, "ada")).get()).toMatchObject({ active: false, level: "low" });
    expect(() =>
      db.transaction((tx) => {
        tx.delete(Users).run();
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(db.select({ n: count() }).from(Posts).all()).toEqual([{ n: 2 }]);
  });

  test("Drizzle's sqlite-proxy, which the runtime uses, gets what SQLite can hold", async () => {
    const { sqlite } = fill();
    const seen: unknown[] = [];
    const db = drizzleProxy(
      async (text, params, method) => {
        seen.push(...params);
        const statement = sqlite.prepare(text);
        if (method === "run") return { rows: [], ...statement.run(...params) };
        const found = statement.raw().all(...params) as unknown[][];
        return { rows: (method === "get" ? found[0] : found) as unknown[] };
      },
      { schema },
    );
    const [post] = await db
      .insert(Posts)
      .values({ authorId: 2, title: "third", at: new Date(3), tags: ["x"] })
      .returning();
    expect(post).toEqual({ id: 3, authorId: 2, title: "third", at: new Date(3), tags: ["x"], draft: false });
    expect(await db.query.Posts.findFirst({ where: eq(Posts.id, 3), with: { author: true } })).toMatchObject({
      author: { name: "bob" },
    });
    expect(seen.map((param) => typeof param)).not.toContain("object");
    expect(seen.map((param) => typeof param)).not.toContain("boolean");
  });
});

test("the third argument has what Drizzle's has", () => {
  const Members = Table(
    "members",
    (prop) => ({ team: prop.text(), user: prop.text(), points: prop.integer() }),
    (table) => [
      primaryKey({ columns: [table.team, table.user] }),
      index("members_points").on(table.points),
      uniqueIndex("members_best")
        .on(table.team)
        .where(sql`${table.points} > 100`),
      check("members_points_check", sql`${table.points} >= 0`),
    ],
  );
  const { sqlite } = open({ Members });
  sqlite.exec("INSERT INTO members VALUES ('a', 'x', 1)");
  expect(() => sqlite.exec("INSERT INTO members VALUES ('a', 'x', 2)")).toThrow("UNIQUE constraint failed");
  expect(() => sqlite.exec("INSERT INTO members VALUES ('a', 'y', -2)")).toThrow(
    "CHECK constraint failed: members_points_check",
  );
  sqlite.exec("INSERT INTO members VALUES ('a', 'y', 101)");
  expect(() => sqlite.exec("INSERT INTO members VALUES ('a', 'z', 102)")).toThrow("UNIQUE constraint failed");
});

describe("tables that would not work are errors", () => {
  const A = Table("a", (prop) => ({ id: prop.integer().identifier(), name: prop.text(), key: prop.text().unique() }));

  test.each([
    ["two of a name", [A, Table("A", (prop) => ({ id: prop.text() }))], "there are two different tables called A"],
    [
      "a reference to a table that is missing",
      [Table("b", (prop) => ({ a: prop.integer().references(() => A.id) }))],
      "b.a refers to the table a, which is not among the tables",
    ],
    [
      "a reference to a column that is no key",
      [A, Table("b", (prop) => ({ a: prop.text().references(() => A.name) }))],
      "b.a refers to a.name, which has to be an identifier or unique",
    ],
    [
      "a reference to nothing",
      [A, Table("b", (prop) => ({ a: prop.text().references(() => (A as never as { x: AnySQLiteColumn }).x) }))],
      "a refers to a column that does not exist",
    ],
    [
      "an index name twice",
      [
        A,
        Table(
          "b",
          (prop) => ({ k: prop.text() }),
          (t) => [index("a_key_unique").on(t.k)],
        ),
      ],
      "the index a_key_unique of b has the name of an index of a",
    ],
    [
      "a default that does not fit",
      [Table("b", (prop) => ({ n: prop.integer().default(0.5) }))],
      "the default of b.n: 0.5 is not an integer",
    ],
  ])("%s", (_, tables, message) => {
    expect(() => createStatements(tables)).toThrow(message);
  });

  test("a reference to a unique column is fine", () => {
    expect(createStatements([Table("b", (prop) => ({ a: prop.text().references(() => A.key) })), A])).toHaveLength(3);
  });
});

test("names and texts are quoted", () => {
  const odd = "we\"ird; -- `[name]'s";
  const Odd = Table(odd, (prop) => ({
    key: prop.text(odd).unique().default(odd),
    role: prop.enum('a "b"', { options: [odd, "x"] }).default(odd),
  }));
  const { sqlite, db } = open({ Odd });
  db.insert(Odd).values({}).run();
  expect(db.select().from(Odd).all()).toEqual([{ key: odd, role: odd }]);
  expect(drizzle(new Database(sqlite.serialize())).select().from(Odd).all()).toHaveLength(1);
});

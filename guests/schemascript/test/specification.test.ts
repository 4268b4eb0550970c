import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { createStatements } from "../src/sql/index.js";
import { open, rows } from "./database.js";
import { Custom, type MyType, Posts, Profile, Users } from "./specification/core.js";
import { usersSchema, usersTable } from "./specification/getting-started.js";

test("the examples of the specification are tables", () => {
  const { sqlite, db } = open({ Users, Posts, Profile, Custom });
  const before = Math.floor(Date.now() / 1000);
  const user = db.insert(Users).values({ username: "ada" }).returning().get();
  expect(user).toMatchObject({ id: 1, username: "ada", email: null });
  expect(user.createdAt).toBeGreaterThanOrEqual(before);
  expect(user.createdAt).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
  expect(rows(sqlite, "SELECT typeof(createdAt) AS type FROM users")).toEqual([{ type: "integer" }]);

  expect(() => db.insert(Users).values({ username: "ada" }).run()).toThrow("UNIQUE constraint failed: users.username");
  expect(() => db.insert(Posts).values({ authorId: 7 }).run()).toThrow("FOREIGN KEY constraint failed");
  db.insert(Posts).values({ authorId: 1 }).run();
  expect(db.select().from(Posts).innerJoin(Users, eq(Posts.authorId, Users.id)).all()).toHaveLength(1);

  db.insert(Profile).values({}).run();
  expect(db.select().from(Profile).all()).toEqual([{ role: "guest" }]);

  db.insert(Custom)
    .values({ data: "mine" as MyType })
    .run();
  expect(db.select().from(Custom).all()).toEqual([{ data: "mine" }]);
  expect(createStatements([Custom])[0]).toContain(`"data" my_custom_type NOT NULL`);
});

test("a schema builder with a type of its own makes a schema and a table", () => {
  // Both are the same table, which a file may well export.
  const { sqlite, db } = open({ usersSchema, usersTable });
  db.insert(usersTable)
    .values({ name: "ada", avatar: new Uint8Array([1, 2]) })
    .run();
  expect(db.select().from(usersSchema).all()).toEqual([{ id: 1, name: "ada", avatar: new Uint8Array([1, 2]) }]);
  expect(() => sqlite.exec("INSERT INTO users(name) VALUES (NULL)")).toThrow("NOT NULL constraint failed: users.name");
});

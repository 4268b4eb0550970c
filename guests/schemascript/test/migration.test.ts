/** Migrations, applied to real databases with rows in them. */

import Database from "better-sqlite3";
import { sql } from "drizzle-orm";
import { check, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import { type AnySQLiteColumn, Table, value } from "../src/index.js";
import {
  createStatements,
  type Decisions,
  emptySnapshot,
  MigrationError,
  migration,
  snapshot,
  type Tables,
} from "../src/sql/index.js";
import { rows, run } from "./database.js";
import { schemaOf } from "./schema-of.js";

/** A database with the schema `from` and what `fill` puts in; migrated, in a transaction, to the schema `to`. */
function migrate(from: Tables, to: Tables, fill: string, decisions: Decisions = {}, enforced = true) {
  const sqlite = new Database(":memory:");
  sqlite.pragma(`foreign_keys = ${enforced ? "ON" : "OFF"}`);
  run(sqlite, createStatements(from));
  sqlite.exec(fill);
  const { statements, notes } = migration(snapshot(from), snapshot(to), decisions);
  sqlite.transaction(() => run(sqlite, statements))();
  expect(sqlite.pragma("foreign_key_check")).toEqual([]);
  expect(sqlite.pragma("integrity_check")).toEqual([{ integrity_check: "ok" }]);
  const fresh = new Database(":memory:");
  run(fresh, createStatements(to));
  expect(schemaOf(sqlite)).toEqual(schemaOf(fresh));
  return { sqlite, statements, notes };
}

const problems = (from: Tables, to: Tables, decisions: Decisions = {}): readonly string[] => {
  try {
    migration(snapshot(from), snapshot(to), decisions);
  } catch (error) {
    if (error instanceof MigrationError) return error.problems;
    throw error;
  }
  return [];
};

const Users = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text() }));
const TWO = "INSERT INTO users(id, name) VALUES (1, 'ada'), (2, 'bob')";

test("nothing has changed", () => {
  expect(migration(snapshot([Users]), snapshot([Users]))).toEqual({ statements: [], notes: [] });
});

test("the first migration makes the tables", () => {
  expect(migration(emptySnapshot(), snapshot([Users])).statements).toEqual(createStatements([Users]));
});

describe("what ALTER TABLE can do, it does", () => {
  test("new columns, also with a constant default, a check or a reference", () => {
    const Now = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      name: prop.text(),
      email: prop.text().optional().unique(),
      role: prop.enum({ options: ["admin", "user"] }).default("user"),
      boss: prop
        .integer()
        .optional()
        .references((): AnySQLiteColumn => Now.id),
    }));
    const { sqlite, statements } = migrate([Users], [Now], TWO);
    expect(statements).toEqual([
      'ALTER TABLE "users" ADD COLUMN "email" text;',
      `ALTER TABLE "users" ADD COLUMN "role" text DEFAULT 'user' NOT NULL CONSTRAINT "users_role_check" CHECK ("role" in ('admin', 'user'));`,
      'ALTER TABLE "users" ADD COLUMN "boss" integer REFERENCES "users" ("id");',
      'CREATE UNIQUE INDEX "users_email_unique" ON "users" ("email");',
    ]);
    expect(rows(sqlite, "SELECT * FROM users")).toEqual([
      { id: 1, name: "ada", email: null, role: "user", boss: null },
      { id: 2, name: "bob", email: null, role: "user", boss: null },
    ]);
  });

  test("columns that go, with their indexes", () => {
    const Old = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      name: prop.text(),
      email: prop.text().unique(),
    }));
    const { sqlite, statements } = migrate([Old], [Users], "INSERT INTO users(name, email) VALUES ('ada', 'a@x')", {
      drop: ["users.email"],
    });
    expect(statements).toEqual(['DROP INDEX "users_email_unique";', 'ALTER TABLE "users" DROP COLUMN "email";']);
    expect(rows(sqlite, "SELECT * FROM users")).toEqual([{ id: 1, name: "ada" }]);
  });

  test("names of tables and columns, wherever they are used", () => {
    const Old = [
      Table(
        "users",
        (prop) => ({
          id: prop.integer().identifier(),
          role: prop.enum({ options: ["a", "b"] }),
          mail: prop.text().unique(),
        }),
        (t) => [
          index("mails")
            .on(t.mail)
            .where(sql`${t.role} = 'a'`),
        ],
      ),
      sqliteTable("posts", { id: integer().primaryKey(), by: integer().references(() => Users.id) }),
    ];
    const People = Table(
      "people",
      (prop) => ({
        id: prop.integer().identifier(),
        kind: prop.enum({ options: ["a", "b"] }),
        email: prop.text().unique(),
      }),
      (t) => [
        index("mails")
          .on(t.email)
          .where(sql`${t.kind} = 'a'`),
      ],
    );
    const Posts = sqliteTable("posts", { id: integer().primaryKey(), author: integer().references(() => People.id) });
    const { sqlite, statements } = migrate(
      Old,
      [People, Posts],
      "INSERT INTO users VALUES (1, 'a', 'x'); INSERT INTO posts VALUES (7, 1)",
      {
        rename: { users: "people", "users.role": "kind", "users.mail": "email", "posts.by": "author" },
      },
    );
    expect(statements.filter((statement) => !/INDEX/.test(statement))).toEqual([
      'ALTER TABLE "users" RENAME COLUMN "role" TO "kind";',
      'ALTER TABLE "users" RENAME COLUMN "mail" TO "email";',
      'ALTER TABLE "posts" RENAME COLUMN "by" TO "author";',
      'ALTER TABLE "users" RENAME TO "people";',
    ]);
    expect(rows(sqlite, "SELECT * FROM people, posts")).toEqual([{ id: 7, kind: "a", email: "x", author: 1 }]);
  });

  test("names that differ in case only", () => {
    const Old = Table("Users", (prop) => ({ id: prop.integer().identifier(), Name: prop.text() }));
    const { sqlite } = migrate([Old], [Users], "INSERT INTO users VALUES (1, 'ada')", {
      rename: { Users: "users", "Users.Name": "name" },
    });
    expect(rows(sqlite, "SELECT * FROM users")).toEqual([{ id: 1, name: "ada" }]);
  });
});

describe("tables are rebuilt where it cannot", () => {
  const rebuilt = (statements: string[]) =>
    statements.filter((s) => s.startsWith("DROP TABLE")).map((s) => s.slice(12, -2));

  test("required, optional, defaults, checks: the rows stay", () => {
    const Old = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      name: prop.text().optional(),
      role: prop.enum({ options: ["a", "b"] }).default("a"),
      at: prop.integer(),
    }));
    const Now = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      name: prop.text(),
      role: prop.enum({ options: ["a", "b", "c"] }).default("c"),
      at: prop.integer().optional(),
      made: prop.integer().default(value.now()),
    }));
    const { sqlite, statements, notes } = migrate(
      [Old],
      [Now],
      "INSERT INTO users(name, at) VALUES ('ada', 1), ('bob', 2)",
    );
    expect(rebuilt(statements)).toEqual(["users"]);
    expect(rows(sqlite, "SELECT id, name, role, at FROM users")).toEqual([
      { id: 1, name: "ada", role: "a", at: 1 },
      { id: 2, name: "bob", role: "a", at: 2 },
    ]);
    expect(rows(sqlite, "SELECT DISTINCT typeof(made) AS t FROM users")).toEqual([{ t: "integer" }]);
    expect(notes).toEqual([
      expect.stringContaining("users.name is required now: a NULL in it makes the migration fail"),
      "users is rebuilt: triggers on it that were made by hand have to be made again",
    ]);
  });

  test("a NULL in what is required now fails and changes nothing; a value for it can be given", () => {
    const Old = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text().optional() }));
    expect(() => migrate([Old], [Users], "INSERT INTO users VALUES (1, NULL)")).toThrow(
      "NOT NULL constraint failed: __new_users.name",
    );
    const { sqlite } = migrate([Old], [Users], "INSERT INTO users VALUES (1, NULL), (2, 'bob')", {
      set: { "users.name": `coalesce("name", 'user ' || "id")` },
    });
    expect(rows(sqlite, "SELECT * FROM users")).toEqual([
      { id: 1, name: "user 1" },
      { id: 2, name: "bob" },
    ]);
  });

  test("values for new columns, and for columns of another type", () => {
    const Old = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text(), age: prop.text() }));
    const Now = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      name: prop.text(),
      age: prop.integer(),
      initial: prop.text(),
    }));
    const { sqlite } = migrate([Old], [Now], "INSERT INTO users VALUES (1, 'ada', '36')", {
      set: { "users.age": 'cast("age" as integer)', "users.initial": 'substr("name", 1, 1)' },
    });
    expect(rows(sqlite, "SELECT * FROM users")).toEqual([{ id: 1, name: "ada", age: 36, initial: "a" }]);
  });

  test("autoIncrement goes on from where it was, also if the last rows are gone", () => {
    const Old = Table("users", (prop) => ({
      id: prop.integer().identifier({ autoIncrement: true }),
      name: prop.text(),
    }));
    const Now = Table("users", (prop) => ({
      id: prop.integer().identifier({ autoIncrement: true }),
      name: prop.text().optional(),
    }));
    for (const where of ["id = 2", "1"]) {
      const { sqlite } = migrate([Old], [Now], `${TWO}; DELETE FROM users WHERE ${where}`);
      sqlite.exec("INSERT INTO users DEFAULT VALUES");
      expect(rows(sqlite, "SELECT max(id) AS id FROM users")).toEqual([{ id: 3 }]);
    }
  });

  test("generated columns are left to SQLite", () => {
    const make = (name: () => ReturnType<typeof text>) =>
      sqliteTable("t", {
        id: integer().primaryKey(),
        name: name(),
        upper: text().generatedAlwaysAs(sql`upper("name")`, { mode: "stored" }),
      });
    const { sqlite } = migrate(
      [make(text)],
      [make(() => text().notNull() as never)],
      "INSERT INTO t(name) VALUES ('ada')",
    );
    expect(rows(sqlite, "SELECT * FROM t")).toEqual([{ id: 1, name: "ada", upper: "ADA" }]);
  });

  describe.each([true, false])("with foreign keys enforced: %s", (enforced) => {
    const tables = (name: "optional" | "required", action: "cascade" | "set null" | "restrict" | "no action") => {
      const Users = Table("users", (prop) => ({
        id: prop.integer().identifier(),
        name: name === "optional" ? prop.text().optional() : prop.text(),
      }));
      const Posts = Table("posts", (prop) => ({
        id: prop.integer().identifier(),
        by: prop
          .integer()
          .optional()
          .references(() => Users.id, { onDelete: action }),
      }));
      const Likes = Table("likes", (prop) => ({
        post: prop
          .integer()
          .optional()
          .references(() => Posts.id, { onDelete: action }),
      }));
      const Other = Table("other", (prop) => ({ id: prop.integer().identifier() }));
      return [Likes, Posts, Users, Other];
    };

    test.each(["cascade", "set null", "restrict", "no action"] as const)(
      "what refers to a rebuilt table with on delete %s keeps its rows",
      (action) => {
        const fill = `${TWO}; INSERT INTO posts VALUES (10, 1), (20, 2), (30, NULL); INSERT INTO likes VALUES (10), (10), (NULL); INSERT INTO other VALUES (1)`;
        const { sqlite, statements } = migrate(
          tables("required", action),
          tables("optional", action),
          fill,
          {},
          enforced,
        );
        expect(rebuilt(statements)).toEqual(["likes", "posts", "users"]);
        expect(rows(sqlite, "SELECT * FROM posts")).toEqual([
          { id: 10, by: 1 },
          { id: 20, by: 2 },
          { id: 30, by: null },
        ]);
        expect(rows(sqlite, "SELECT count(*) AS n FROM likes")).toEqual([{ n: 3 }]);
        sqlite.pragma("foreign_keys = ON");
        expect(() => sqlite.exec("INSERT INTO posts VALUES (40, 9)")).toThrow("FOREIGN KEY constraint failed");
      },
    );

    test.each(["cascade", "set null", "no action", "restrict"] as const)(
      "a table that refers to itself with on delete %s",
      (action) => {
        const nodes = (optional: boolean) => {
          const Nodes = Table("nodes", (prop) => ({
            id: prop.integer().identifier(),
            label: optional ? prop.text().optional() : prop.text(),
            up: prop
              .integer()
              .optional()
              .references((): AnySQLiteColumn => Nodes.id, { onDelete: action }),
          }));
          return [Nodes];
        };
        const { sqlite } = migrate(
          nodes(false),
          nodes(true),
          "INSERT INTO nodes VALUES (3, 'c', NULL), (1, 'a', 3), (2, 'b', 1)",
          {},
          enforced,
        );
        expect(rows(sqlite, "SELECT id, up FROM nodes ORDER BY id")).toEqual([
          { id: 1, up: 3 },
          { id: 2, up: 1 },
          { id: 3, up: null },
        ]);
      },
    );

    test.each(["cascade", "set null", "no action", "restrict"] as const)(
      "tables that refer to each other with on delete %s",
      (action) => {
        const tables = (optional: boolean) => {
          const Teams = Table("teams", (prop) => ({
            id: prop.integer().identifier(),
            captain: prop
              .integer()
              .optional()
              .references((): AnySQLiteColumn => Players.id, { onDelete: action }),
          }));
          const Players = Table("players", (prop) => ({
            id: prop.integer().identifier(),
            name: optional ? prop.text().optional() : prop.text(),
            team: prop
              .integer()
              .optional()
              .references(() => Teams.id, { onDelete: action }),
          }));
          return [Teams, Players];
        };
        const fill =
          "INSERT INTO teams VALUES (1, NULL), (2, NULL); INSERT INTO players VALUES (1, 'ada', 1), (2, 'bob', 2); UPDATE teams SET captain = id";
        const { sqlite } = migrate(tables(false), tables(true), fill, {}, enforced);
        expect(rows(sqlite, "SELECT * FROM teams")).toEqual([
          { id: 1, captain: 1 },
          { id: 2, captain: 2 },
        ]);
        expect(rows(sqlite, "SELECT id, team FROM players")).toEqual([
          { id: 1, team: 1 },
          { id: 2, team: 2 },
        ]);
      },
    );

    test("a reference to a unique column", () => {
      const tables = (optional: boolean) => {
        const Users = Table("users", (prop) => ({
          name: prop.text().unique(),
          note: optional ? prop.text().optional() : prop.text(),
        }));
        return [
          Users,
          Table("posts", (prop) => ({ by: prop.text().references(() => Users.name, { onDelete: "cascade" }) })),
        ];
      };
      const { sqlite } = migrate(
        tables(false),
        tables(true),
        "INSERT INTO users VALUES ('ada', ''); INSERT INTO posts VALUES ('ada')",
        {},
        enforced,
      );
      expect(rows(sqlite, "SELECT * FROM posts")).toEqual([{ by: "ada" }]);
    });

    test("tables that go: also if one that stays referred to it, or two to each other", () => {
      const A = Table("a", (prop) => ({
        id: prop.integer().identifier(),
        b: prop
          .integer()
          .optional()
          .references((): AnySQLiteColumn => B.id),
      }));
      const B = Table("b", (prop) => ({ id: prop.integer().identifier(), a: prop.integer().references(() => A.id) }));
      const Old = Table("users", (prop) => ({
        id: prop.integer().identifier(),
        name: prop.text(),
        a: prop.integer().references(() => A.id, { onDelete: "cascade" }),
      }));
      const fill =
        "INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1; INSERT INTO users VALUES (1, 'ada', 1)";
      const { sqlite } = migrate([A, B, Old], [Users], fill, { drop: ["a", "b", "users.a"] }, enforced);
      expect(rows(sqlite, "SELECT * FROM users")).toEqual([{ id: 1, name: "ada" }]);
    });

    test("a table that goes, and refers to one that is rebuilt", () => {
      const Log = Table("log", (prop) => ({
        user: prop.integer().references(() => Users.id, { onDelete: "restrict" }),
      }));
      const Now = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text().optional() }));
      const { sqlite } = migrate(
        [Users, Log],
        [Now],
        `${TWO}; INSERT INTO log VALUES (1)`,
        { drop: ["log"] },
        enforced,
      );
      expect(rows(sqlite, "SELECT count(*) AS n FROM users")).toEqual([{ n: 2 }]);
    });
  });

  test("rows that break a new rule make it fail, with everything as it was", () => {
    const Old = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      role: prop.enum({ options: ["a", "b"] }),
    }));
    const Now = Table("users", (prop) => ({ id: prop.integer().identifier(), role: prop.enum({ options: ["a"] }) }));
    expect(() => migrate([Old], [Now], "INSERT INTO users VALUES (1, 'b')")).toThrow(
      "CHECK constraint failed: users_role_check",
    );
    const Twice = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text().unique() }));
    expect(() => migrate([Users], [Twice], "INSERT INTO users(name) VALUES ('a'), ('a')")).toThrow(
      "UNIQUE constraint failed: users.name",
    );
  });
});

describe("what would lose something is asked for", () => {
  const Wide = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text(), age: prop.integer() }));

  test("tables and columns that are gone", () => {
    expect(problems([Users], [])).toEqual([
      "the table users is not in the schema any more: --drop users deletes it and its rows; if it has another name now, --rename users=<the new name>",
    ]);
    expect(problems([Wide], [Users])).toEqual([
      "the column users.age is not in the schema any more: --drop users.age deletes it and what is in it; if it has another name in users now, --rename users.age=<its new name>",
    ]);
    const People = Table("people", (prop) => ({ id: prop.integer().identifier() }));
    expect(problems([Users], [People])[0]).toContain("if it has another name now, --rename users=people");
    const Renamed = Table("users", (prop) => ({ id: prop.integer().identifier(), fullName: prop.text().optional() }));
    expect(problems([Users], [Renamed])[0]).toContain("--rename users.name=fullName");
  });

  test("values of new required columns", () => {
    expect(problems([Users], [Wide])).toEqual([
      "users.age is new, required and has no default: say what the rows that exist have there, with --set users.age=<SQL>",
    ]);
    const Called = Table("users", (prop) => ({
      id: prop.integer().identifier(),
      name: prop.text(),
      age: prop.integer().default(() => 1),
    }));
    expect(problems([Users], [Called])).toHaveLength(1);
  });

  test("values of columns with another type", () => {
    const Now = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.blob() }));
    expect(problems([Users], [Now])).toEqual([
      `users.name was text and is blob now: say what becomes of its values, with --set 'users.name=cast("name" as blob)' or another expression`,
    ]);
  });

  test("all of it at once, and decisions that fit nothing", () => {
    const decisions = {
      rename: { nobody: "people", "users.nothing": "x", "users.name": "other", users: "people" },
      drop: ["users.nothing"],
      set: { "users.never": "1" },
    };
    expect(problems([Users], [Users], decisions)).toEqual([
      "there is no column users.nothing to rename",
      "users.name cannot become other: the schema has no people.other",
      "there is no table or column nobody to rename",
      "users cannot become people: the schema still has a table users",
      "users.nothing: there is nothing of this name to drop or to set",
      "users.never: there is nothing of this name to drop or to set",
    ]);
    const Both = Table("users", (prop) => ({ id: prop.integer().identifier(), other: prop.text() }));
    expect(problems([Users], [Both], { rename: { "users.name": "id" } })[0]).toBe(
      "users.name cannot become id: there is such a column already",
    );
    expect(problems([Users], [Both], { rename: { "users.name": "none" } })[0]).toBe(
      "users.name cannot become none: the schema has no users.none",
    );
    expect(problems([Users], [Both], { rename: { "users.name": "other" } })).toEqual([]);
  });
});

test("a check that names no new column, and one that does", () => {
  const make = (checks: boolean, extra: boolean) =>
    Table(
      "t",
      (prop) => ({
        id: prop.integer().identifier(),
        a: prop.integer(),
        ...(extra ? { b: prop.integer().default(1) } : {}),
      }),
      (t) =>
        checks
          ? [
              check("a_check", sql`${t.a} > 0`),
              ...(extra ? [check("b_check", sql`${(t as unknown as { b: AnySQLiteColumn }).b} > 0`)] : []),
            ]
          : [],
    );
  expect(migrate([make(false, false)], [make(true, false)], "INSERT INTO t VALUES (1, 1)").statements).toHaveLength(4);
  expect(migrate([make(true, false)], [make(true, true)], "INSERT INTO t VALUES (1, 1)").statements).toEqual([
    'ALTER TABLE "t" ADD COLUMN "b" integer DEFAULT 1 NOT NULL CONSTRAINT "b_check" CHECK ("b" > 0);',
  ]);
});

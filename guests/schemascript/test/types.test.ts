/** Types, which `tsc` checks: what has to be an error is under `@ts-expect-error`. */

import { type InferSelectModel, sql } from "drizzle-orm";
import type { AnySQLiteTable } from "drizzle-orm/sqlite-core";
import { expect, expectTypeOf, test } from "vitest";
import { type AnySQLiteColumn, Schema, type SchemaBuilder, Table, value } from "../src/index.js";
import { open } from "./database.js";
import { usersTable } from "./specification/getting-started.js";

interface Settings {
  theme: string;
}

const All = Table("everything", (prop) => ({
  id: prop.integer().identifier({ autoIncrement: true }),
  integer: prop.integer(),
  big: prop.integer({ mode: "bigint" }).optional(),
  real: prop.real("r").unique(),
  text: prop.text().default("x"),
  blob: prop.blob(),
  boolean: prop.boolean().default(false).optional(),
  datetime: prop.datetime().default(value.now()),
  role: prop.enum({ options: ["admin", "user"] }).default("user"),
  level: prop.enum("lvl", { options: { low: 1, high: 10 } }),
  tags: prop.text().array().optional(),
  settings: prop.json<Settings>().default(() => ({ theme: "dark" })),
  point: prop.custom<[number, number]>("text", {
    encode: (point) => point.join(),
    decode: (text: string) => [0, text.length],
  }),
  owner: prop
    .integer()
    .optional()
    .references((): AnySQLiteColumn => All.id),
}));

type Select = typeof All.$inferSelect;
type Insert = typeof All.$inferInsert;

test("what is selected", () => {
  expectTypeOf<Select>().toEqualTypeOf<{
    id: number;
    integer: number;
    big: bigint | null;
    real: number;
    text: string;
    blob: Uint8Array;
    boolean: boolean | null;
    datetime: Date;
    role: "admin" | "user";
    level: "low" | "high";
    tags: string[] | null;
    settings: Settings;
    point: [number, number];
    owner: number | null;
  }>();
  expectTypeOf<InferSelectModel<typeof All>>().toEqualTypeOf<Select>();
  expectTypeOf(All).toExtend<AnySQLiteTable>();
});

test("what is inserted", () => {
  expectTypeOf<Insert>().toEqualTypeOf<{
    id?: number;
    integer: number;
    big?: bigint | null;
    real: number;
    text?: string;
    blob: Uint8Array;
    boolean?: boolean | null;
    datetime?: Date;
    role?: "admin" | "user";
    level: "low" | "high";
    tags?: string[] | null;
    settings?: Settings;
    point: [number, number];
    owner?: number | null;
  }>();
});

test("names of tables and columns", () => {
  expectTypeOf<(typeof All)["_"]["name"]>().toEqualTypeOf<"everything">();
  expectTypeOf<(typeof All.real)["_"]["name"]>().toEqualTypeOf<"r">();
  expectTypeOf<(typeof All.text)["_"]["name"]>().toEqualTypeOf<"text">();
  expect([All.real.name, All.text.name, All.level.name]).toEqual(["r", "text", "lvl"]);
});

test("queries", () => {
  const { db } = open({ All });
  const query = db.select({ id: All.id, role: All.role, at: All.datetime }).from(All);
  expectTypeOf(query.all()).toEqualTypeOf<{ id: number; role: "admin" | "user"; at: Date }[]>();
  expectTypeOf(db.query.All.findFirst().sync()).toEqualTypeOf<Select | undefined>();
});

test("Schema has the same types as Table", () => {
  const Users = Schema("users", (prop) => ({ id: prop.text().identifier(), name: prop.text() }));
  expectTypeOf<typeof Users.$inferInsert>().toEqualTypeOf<{ id: string; name: string }>();
});

test("a builder with `satisfies` keeps its types; with the type SchemaBuilder they are any", () => {
  const builder = ((prop) => ({ id: prop.integer().identifier(), name: prop.text() })) satisfies SchemaBuilder;
  const Users = Table("users", builder);
  expectTypeOf<typeof Users.$inferSelect>().toEqualTypeOf<{ id: number; name: string }>();
  expectTypeOf<typeof usersTable.$inferSelect>().toEqualTypeOf<{ [key: string]: any }>();
});

test("what is not allowed", () => {
  // Only compiled: much of it throws, too.
  const wrong = () =>
    Table("wrong", (prop) => ({
      // @ts-expect-error a text is no number
      a: prop.integer().default("1"),
      // @ts-expect-error an option that is none
      b: prop.enum({ options: ["x", "y"] }).default("z"),
      // @ts-expect-error autoIncrement is for integers
      c: prop.text().identifier({ autoIncrement: true }),
      // @ts-expect-error a blob holds no time
      d: prop.blob().default(value.now()),
      // @ts-expect-error an enum needs options
      e: prop.enum({ options: [] }),
      // @ts-expect-error a function that gives something else
      f: prop.integer().default(() => "text"),
      // @ts-expect-error bigint is not number
      g: prop.integer({ mode: "bigint" }).default(1),
      // @ts-expect-error null is no default
      h: prop.text().optional().default(null),
      // @ts-expect-error not an action
      i: prop.integer().references(() => All.id, { onDelete: "explode" }),
      // @ts-expect-error not a column
      j: prop.integer().references(() => All),
      ok: prop.text().default(sql`'x'`),
    }));
  expect(wrong).toThrow(TypeError);

  const { db } = open({ All });
  const insert = db.insert(All);
  // @ts-expect-error required columns are missing
  expect(() => insert.values({ integer: 1 }).run()).toThrow();
  // @ts-expect-error a required column cannot be null
  const nothing: Insert["integer"] = null;
  expect(nothing).toBeNull();
});

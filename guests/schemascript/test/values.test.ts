/** Every type, through Drizzle and a real SQLite and back. */

import Database from "better-sqlite3";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Table, value } from "../src/index.js";
import { createStatements } from "../src/sql/index.js";
import { open, rows, run } from "./database.js";

const Everything = Table("everything", (prop) => ({
  integer: prop.integer(),
  big: prop.integer({ mode: "bigint" }),
  real: prop.real(),
  text: prop.text(),
  blob: prop.blob(),
  boolean: prop.boolean(),
  datetime: prop.datetime(),
  role: prop.enum({ options: ["admin", "user", "it's"] }),
  level: prop.enum({ options: { low: -1, high: 10 } }),
  json: prop.json<unknown>(),
  point: prop.custom<{ x: number; y: number }>("point", {
    encode: ({ x, y }) => `${x};${y}`,
    decode: (text: string) => ({ x: Number(text.split(";")[0]), y: Number(text.split(";")[1]) }),
  }),
  integers: prop.integer().array(),
  bigs: prop.integer({ mode: "bigint" }).array(),
  reals: prop.real().array(),
  texts: prop.text().array(),
  blobs: prop.blob().array(),
  booleans: prop.boolean().array(),
  datetimes: prop.datetime().array(),
  roles: prop.enum({ options: ["admin", "user"] }).array(),
  nested: prop.text().array().array(),
}));

const integers = fc.maxSafeInteger();
const bigints = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const dates = fc.date({ noInvalidDate: true });
const bytes = fc.uint8Array();
const texts = fc.string({ unit: "grapheme" });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0);

const anything: fc.Arbitrary<typeof Everything.$inferInsert> = fc.record(
  {
    integer: integers,
    big: bigints,
    // SQLite has no negative zero.
    real: fc.double({ noNaN: true }).map((number) => number + 0),
    text: texts,
    blob: bytes,
    boolean: fc.boolean(),
    datetime: dates,
    role: fc.constantFrom("admin", "user", "it's"),
    level: fc.constantFrom("low", "high"),
    // The value null itself is SQL's NULL.
    json: fc
      .jsonValue()
      .map((json) => JSON.parse(JSON.stringify(json)))
      .filter((json) => json !== null),
    point: fc.record({ x: integers, y: integers }, { noNullPrototype: true }),
    integers: fc.array(integers),
    bigs: fc.array(bigints),
    reals: fc.array(finite),
    texts: fc.array(texts),
    blobs: fc.array(bytes),
    booleans: fc.array(fc.boolean()),
    datetimes: fc.array(dates),
    roles: fc.array(fc.constantFrom("admin", "user")),
    nested: fc.array(fc.array(texts)),
  },
  { noNullPrototype: true },
);

test("values of all types come back as they were", () => {
  const { sqlite, db } = open({ Everything });
  sqlite.defaultSafeIntegers(true);
  fc.assert(
    fc.property(anything, (row) => {
      db.delete(Everything).run();
      expect(db.insert(Everything).values(row).returning().get()).toEqual(row);
      expect(db.select().from(Everything).all()).toEqual([row]);
      // As a condition, and so as a parameter, they are the same.
      const found = db.select().from(Everything).where(eq(Everything.big, row.big)).all();
      expect(found).toEqual([row]);
    }),
    { numRuns: 300 },
  );
});

test("what the database holds", () => {
  const { sqlite, db } = open({ Everything });
  db.insert(Everything)
    .values({
      integer: 1,
      big: 2n,
      real: 1,
      text: "t",
      blob: new Uint8Array([255]),
      boolean: true,
      datetime: new Date(1500),
      role: "it's",
      level: "high",
      json: { a: [1] },
      point: { x: 1, y: 2 },
      integers: [1],
      bigs: [2n ** 60n],
      reals: [0.5],
      texts: ["a"],
      blobs: [new Uint8Array([1, 255])],
      booleans: [true],
      datetimes: [new Date(7)],
      roles: ["user"],
      nested: [["x"], []],
    })
    .run();
  expect(rows(sqlite, "SELECT * FROM everything")).toEqual([
    {
      integer: 1,
      big: 2,
      real: 1,
      text: "t",
      blob: Buffer.from([255]),
      boolean: 1,
      datetime: 1500,
      role: "it's",
      level: 10,
      json: '{"a":[1]}',
      point: "1;2",
      integers: "[1]",
      bigs: '["1152921504606846976"]',
      reals: "[0.5]",
      texts: '["a"]',
      blobs: '["01ff"]',
      booleans: "[true]",
      datetimes: "[7]",
      roles: '["user"]',
      nested: '[["x"],[]]',
    },
  ]);
  expect(rows(sqlite, "SELECT typeof(real) AS type FROM everything")).toEqual([{ type: "real" }]);
});

test("blobs are Uint8Arrays of their own, whatever view of bytes is given", () => {
  const T = Table("t", (prop) => ({ data: prop.blob() }));
  const { db } = open({ T });
  const bytes = new Uint8Array([1, 2, 3, 4, 5]);
  const given = [Buffer.from(bytes), bytes.subarray(1, 3), new DataView(bytes.buffer, 2, 2), bytes.buffer];
  for (const data of given)
    db.insert(T)
      .values({ data: data as Uint8Array })
      .run();
  const read = db
    .select()
    .from(T)
    .all()
    .map(({ data }) => data);
  expect(read).toEqual([bytes, new Uint8Array([2, 3]), new Uint8Array([3, 4]), bytes]);
  expect(read.map((data) => data.constructor)).toEqual(read.map(() => Uint8Array));
});

const T = Table("t", (prop) => ({
  integer: prop.integer().optional(),
  big: prop.integer({ mode: "bigint" }).optional(),
  real: prop.real().optional(),
  blob: prop.blob().optional(),
  datetime: prop.datetime().optional(),
  role: prop.enum({ options: ["admin", "user"] }).optional(),
  level: prop.enum({ options: { low: 1 } }).optional(),
  json: prop.json().optional(),
  point: prop.custom<object>("point").optional(),
  texts: prop.text().array().optional(),
  reals: prop.real().array().optional(),
  points: prop.custom<bigint>("point").array().optional(),
}));

test("NULL is null in every type", () => {
  const { db } = open({ T });
  db.insert(T).values({ real: null }).run();
  expect(Object.values(db.select().from(T).get() ?? {})).toEqual(Array(12).fill(null));
});

const unfit: [keyof typeof T.$inferInsert, unknown, string][] = [
  ["integer", 1.5, "integer: 1.5 is not an integer that a number holds exactly"],
  ["integer", 2 ** 53, "integer: 9007199254740992 is not an integer that a number holds exactly"],
  ["integer", "x", 'integer: "x" is not an integer'],
  ["big", 2n ** 63n, "big: 9223372036854775808 has more than the 64 bits of SQLite's integers"],
  ["big", 1.5, "big: 1.5 is not an exact integer"],
  ["real", Number.NaN, "real: NaN is not a number that SQLite can hold"],
  ["blob", "text", 'blob: "text" is not a Uint8Array'],
  ["datetime", new Date("never"), "datetime: an object (Date) is not a valid Date"],
  ["role", "root", 'role: "root" is none of admin, user'],
  ["level", "high", 'level: "high" is none of low'],
  ["json", () => 1, "json: there is no JSON for"],
  [
    "point",
    { x: 1 },
    "point: SQLite cannot hold an object (Object) as point: give custom() the functions encode and decode, or use json()",
  ],
  ["texts", "text", 'texts: an array is needed, not "text"'],
  ["points", [1n], "points: there is no JSON for 1, which encode() gives for a value of an array"],
  ["reals", [Number.POSITIVE_INFINITY], "reals: there is no JSON for Infinity"],
];

test.each(unfit)("%s: a value that would not come back is an error", (column, value, message) => {
  const { db } = open({ T });
  expect(() =>
    db
      .insert(T)
      .values({ [column]: value })
      .run(),
  ).toThrow(message);
  expect(db.select().from(T).all()).toEqual([]);
});

test("a value of the database that does not fit is an error, not another value", () => {
  const sqlite = new Database(":memory:");
  sqlite.exec("CREATE TABLE t(integer, big, real, blob, datetime, role, level, json, point, texts, reals, points)");
  const read = (column: keyof typeof T.$inferInsert, sql: string, safe = false) => {
    sqlite.exec(`DELETE FROM t; INSERT INTO t(${column}) VALUES (${sql})`);
    sqlite.defaultSafeIntegers(safe);
    return () => drizzle(sqlite).select({ value: T[column] }).from(T).get()?.value;
  };
  expect(read("integer", "9007199254740993", true)).toThrow(
    'integer: 9007199254740993 is not an integer that a number holds exactly; integer({ mode: "bigint" }) holds all of SQLite\'s',
  );
  expect(read("integer", "1.5")).toThrow("integer: 1.5 is not an integer");
  expect(read("big", "9007199254740993")).toThrow(
    "big: 9007199254740992 is not an exact integer; let the driver read integers as bigint",
  );
  expect(read("big", "9007199254740993", true)()).toBe(9007199254740993n);
  expect(read("role", "'root'")).toThrow('role: the database has "root", which stands for none of admin, user');
  expect(read("blob", "'text'")).toThrow('blob: "text" is not a Uint8Array');
  expect(read("json", "'{'")).toThrow("json: ");
});

test("value.now() is the time of the insert, in the form of the column", () => {
  const Times = Table("times", (prop) => ({
    id: prop.integer().identifier(),
    integer: prop.integer().default(value.now()),
    big: prop.integer({ mode: "bigint" }).default(value.now()),
    real: prop.real().default(value.now()),
    datetime: prop.datetime().default(value.now()),
    text: prop.text().default(value.now()),
  }));
  const { sqlite, db } = open({ Times });
  const before = Date.now();
  db.insert(Times).values({}).run();
  sqlite.exec("INSERT INTO times(id) VALUES (7)");
  const after = Date.now();
  for (const row of db.select().from(Times).all()) {
    for (const ms of [row.real * 1000, row.datetime.getTime(), Date.parse(row.text)]) {
      expect(ms).toBeGreaterThanOrEqual(before - 1);
      expect(ms).toBeLessThanOrEqual(after + 1);
    }
    expect(Math.abs(row.integer - row.real)).toBeLessThanOrEqual(1);
    expect(row.big).toBe(BigInt(row.integer));
    expect(row.text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
});

test("the same default holds for Drizzle and for SQL", () => {
  let calls = 0;
  const D = Table("d", (prop) => ({
    id: prop.integer().identifier(),
    integer: prop.integer().default(5),
    big: prop.integer({ mode: "bigint" }).default(2n ** 62n),
    real: prop.real().default(-0.25),
    text: prop.text().default("it's"),
    blob: prop.blob().default(new Uint8Array([0, 255])),
    boolean: prop.boolean().default(true),
    datetime: prop.datetime().default(new Date(1234)),
    role: prop.enum({ options: ["admin", "user"] }).default("user"),
    level: prop.enum({ options: { low: 1, high: 10 } }).default("high"),
    json: prop.json<object>().default({ a: "'" }),
    texts: prop.text().array().default(["x", "y"]),
    called: prop
      .integer()
      .optional()
      .default(() => ++calls),
  }));
  const sqlite = new Database(":memory:");
  run(sqlite, createStatements([D]));
  const db = drizzle(sqlite);
  sqlite.defaultSafeIntegers(true);
  sqlite.exec("INSERT INTO d(id) VALUES (1)");
  db.insert(D).values({}).run();
  const [bySql, byDrizzle] = db.select().from(D).all();
  expect(bySql).toMatchObject({
    integer: 5,
    big: 2n ** 62n,
    real: -0.25,
    text: "it's",
    blob: new Uint8Array([0, 255]),
    boolean: true,
    datetime: new Date(1234),
    role: "user",
    level: "high",
    json: { a: "'" },
    texts: ["x", "y"],
  });
  expect(byDrizzle).toEqual({ ...bySql, id: 2, called: 1 });
  expect(bySql?.called).toBeNull();
});

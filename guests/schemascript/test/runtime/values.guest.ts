/// <reference path="../../globals.d.ts" />
/** A reactor that does what a test asks for: `{"do": name, "with": value}`. */

import { sql } from "drizzle-orm";
import { database, migrate, type Method, query, request, serve, SqliteError } from "schemascript/runtime";
import migrations from "./drizzle/migrations.js";

const db = database();
let requests = 0;

/** What SQLite has got of a parameter, and how it comes back. */
function there(value: unknown): unknown {
  const [type, text, back] = query("SELECT typeof(?1), quote(?1), ?1", [value], "get").rows as unknown[];
  return [type, text, back instanceof Uint8Array ? `bytes ${back}` : typeof back === "bigint" ? `bigint ${back}` : back];
}

const json = (text: string): unknown => JSON.parse((globalThis as never as { __host_sqlite_call(text: string): string }).__host_sqlite_call(text));

const parameters: Record<string, unknown> = {
  null: null, true: true, false: false, int: 5, negative: -5, "2^31": 2 ** 31, "2^53-1": 2 ** 53 - 1, "-(2^53-1)": 1 - 2 ** 53, "2^53": 2 ** 53,
  "2^60": 2n ** 60n, "-2^63": -(2n ** 63n), "2^63-1": 2n ** 63n - 1n, small: 7n, half: 0.5, nan: NaN, infinity: Infinity, "-infinity": -Infinity,
  text: "it's 'ü😀'", empty: "", surrogate: "a\ud800b", zero: "a\u0000b",
  bytes: new Uint8Array([0, 1, 255]), buffer: Buffer.from("hi"), none: new Uint8Array(0), part: new Uint8Array([1, 2, 3, 4]).subarray(1, 3), arraybuffer: new Uint8Array([9]).buffer, words: new Uint16Array([1, 256]),
  date: new Date("2026-11-29T20:00:00.5Z"),
};
const refused: Record<string, unknown> = {
  array: [1], object: { a: 1 }, undefined: undefined, function: () => 1, symbol: Symbol("s"), "2^63": 2n ** 63n, map: new Map(), "no date": new Date(NaN),
};

const actions: Record<string, (value: never) => unknown> = {
  requests: () => requests,
  parameters: () => Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, there(value)])),
  refused: () => Object.fromEntries(Object.entries(refused).map(([name, value]) => {
    try {
      return [name, there(value)];
    } catch (error) {
      return [name, (error as Error).message];
    }
  })),
  query: ({ sql, params = [], method }: { sql: string; params?: unknown[]; method: Method }) => query(sql, params, method),
  request: (command: object) => request(command),
  json,
  same: async () => {
    const command = { sql: "SELECT 1, 'x', 2.5, NULL", params: [], method: "all" };
    return JSON.stringify(request(command)) === JSON.stringify(json(JSON.stringify(command)));
  },
  error: () => {
    try {
      query("SELECT * FROM nowhere", [], "all");
    } catch (error) {
      const { name, code, extendedCode, message } = error as SqliteError;
      return [error instanceof SqliteError, name, code, extendedCode, message];
    }
  },
  get: () => {
    const row = query("SELECT 1, 'x'", [], "get");
    const none = query("SELECT 1 WHERE 0", [], "get");
    return [row.rows, "rows" in none, query("SELECT 1 WHERE 0", [], "all").rows];
  },
  run: async () => {
    await db.run(sql`CREATE TABLE IF NOT EXISTS counted(id INTEGER PRIMARY KEY, x)`);
    const { changes, lastInsertRowid } = (await db.run(sql`INSERT INTO counted(x) VALUES (1), (2)`)) as never as { changes: number; lastInsertRowid: number };
    return [changes, lastInsertRowid];
  },
  bigints: () => [JSON.stringify({ big: 2n ** 60n }), { id: 9007199254740993n, list: [1n] }],
  batch: async () => db.batch([db.run(sql`CREATE TABLE IF NOT EXISTS b(x UNIQUE)`), db.run(sql`INSERT INTO b VALUES (1)`), db.all(sql`SELECT x FROM b`)] as never),
  "broken batch": async () => {
    const failed = await db.batch([db.run(sql`INSERT INTO b VALUES (2)`), db.run(sql`INSERT INTO b VALUES (2)`)] as never).catch((error: Error) => error.message);
    return [failed, (await db.values(sql`SELECT count(*) FROM b`))[0]];
  },
  migrate: async () => {
    await migrate(db, migrations);
    await migrate(db, migrations);
    return [await db.values(sql`SELECT name FROM pragma_table_info('people')`), await db.values(sql`SELECT hash, created_at FROM __drizzle_migrations`)];
  },
  answer: (kind: string) => ({ text: "plain", bytes: new Uint8Array([1, 0, 2]), null: null, nothing: undefined, number: 4, list: [1, "x"], boolean: false, bigint: 5n, surrogate: "\ud800", function: () => 1, bytesInside: { b: new Uint8Array([1, 2]), c: Buffer.from([1, 2]) } })[kind],
  throw: (kind: string) => {
    if (kind === "text") throw "a text";
    if (kind === "cause") throw new Error("outer", { cause: new RangeError("inner") });
    if (kind === "type") (undefined as never as { x: number }).x;
    throw new Error("as asked");
  },
  reject: async () => {
    void Promise.reject(new Error("nobody waits"));
    return 1;
  },
  handled: async () => {
    const late = Promise.reject(new Error("late"));
    const caught = late.catch((error: Error) => error.message);
    return caught;
  },
  late: async () => {
    setTimeout(() => void Promise.reject(new Error("early")), 1);
    await new Promise((done) => setTimeout(done, 20));
    return "late";
  },
  never: () => new Promise(() => {}),
  timers: async () => {
    const seen: string[] = [];
    const wait = (ms: number, name: string) => new Promise<void>((done) => setTimeout(() => (seen.push(name), done()), ms));
    const stopped = setTimeout(() => seen.push("never"), 1);
    clearTimeout(stopped);
    queueMicrotask(() => seen.push("micro"));
    process.nextTick(() => seen.push("tick"));
    await Promise.all([wait(20, "c"), wait(5, "a"), wait(10, "b")]);
    return seen;
  },
  loop: () => {
    for (;;);
  },
  memory: () => {
    const all: unknown[] = [];
    for (;;) all.push(new Uint8Array(1 << 20).fill(1));
  },
  objects: () => {
    const all: unknown[] = [];
    for (;;) all.push({ a: all.length, b: [String(all.length)] });
  },
  recursion: () => {
    const deeper = (n: number): number => deeper(n + 1) + 1;
    return deeper(0);
  },
  text: () => {
    const decoder = new TextDecoder();
    const decode = (...bytes: number[]) => new TextDecoder().decode(new Uint8Array(bytes));
    const bytes = new TextEncoder().encode("ä€😀");
    let parts = "";
    for (const byte of bytes) parts += decoder.decode(new Uint8Array([byte]), { stream: true });
    return [
      decode(0x61, 0xff, 0x62), decode(0xe2, 0x82), decode(0xf0, 0x9f, 0x98), decode(0xed, 0xa0, 0x80), decode(0xc0, 0x80), decode(0xf4, 0x90, 0x80, 0x80), decode(0xef, 0xbb, 0xbf, 0x78),
      parts + decoder.decode(), Array.from(new TextEncoder().encode("\ud83d")), new TextEncoder().encodeInto("aä€", new Uint8Array(4)),
      (() => { try { return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255])); } catch (error) { return (error as Error).name; } })(),
    ];
  },
  web: () => {
    const uuid = crypto.randomUUID();
    const copy = structuredClone({ list: [1, { deep: true }], map: new Map([["k", new Set([1])]]), date: new Date(0), bytes: new Uint8Array([1]) });
    return [
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid), copy.map.get("k")!.has(1), copy.date instanceof Date, copy.bytes.length,
      Buffer.from("äb").toString("hex"), Buffer.from("aGk=", "base64").toString(), btoa("hi"), atob("aGk="), performance.now() > 0, typeof fetch, Date.now() > Date.UTC(2026, 0),
    ];
  },
  random: () => [crypto.randomUUID(), Math.random(), Math.random()],
};

serve(async (text) => {
  requests++;
  const { do: name, with: value } = JSON.parse(text) as { do: string; with?: never };
  const action = actions[name];
  if (!action) throw new Error(`there is no ${name}`);
  return await action(value as never);
});

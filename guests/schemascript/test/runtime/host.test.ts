import { afterEach, describe, expect, it } from "vitest";
import fc from "fast-check";
import { database, query, request, setHostHandler, SqliteError } from "../../src/runtime/index.js";
import { decode, encode } from "../../src/runtime/json.js";
import { sql } from "drizzle-orm";

afterEach(() => setHostHandler(undefined));

/** Answers with what it was asked. */
const echo = (seen: unknown[] = []) => setHostHandler((text) => {
  seen.push(JSON.parse(text));
  return JSON.stringify({ rows: JSON.parse(text).params });
});

describe("the host interface as JSON", () => {
  it("is exact for every value", () => {
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.double({ noNaN: true }), fc.uint8Array(), fc.constant(null));
    fc.assert(fc.property(fc.array(value), (params) => {
      const back = decode(encode({ params })) as { params: unknown[] };
      expect(back.params).toEqual(params.map((item) => (Object.is(item, -0) ? 0 : item)));
    }));
  });

  it("has tags for what JSON cannot say", () => {
    const text = encode({ sql: "SELECT ?", params: [2n ** 60n, Infinity, NaN, new Uint8Array([0, 255]), new Date(0), true] });
    expect(JSON.parse(text).params).toEqual([{ $int: "1152921504606846976" }, { $float: "Infinity" }, { $float: "NaN" }, { $bytes: "AP8=" }, "1970-01-01T00:00:00.000Z", true]);
  });

  it("takes named arguments", () => {
    expect(JSON.parse(encode({ args: { a: Buffer.from([0, 255]), b: 1n } }))).toEqual({ args: { a: { $bytes: "AP8=" }, b: { $int: "1" } } });
  });

  it.each([[[1], "an array"], [{}, "an object"], [undefined, "undefined"], [() => 1, "function"]])("refuses %s as a parameter", (value, kind) => {
    expect(() => encode({ params: [0, value] })).toThrow(`parameter 2 is ${kind}`);
  });

  it("reads what the host answers", () => {
    expect(decode('{"rows": [[{"$int": "-9223372036854775808"}, {"$float": "-Infinity"}, {"$bytes": ""}, {"$text": "Yf9i"}, {"a": 1}]]}')).toEqual({
      rows: [[-(2n ** 63n), -Infinity, new Uint8Array(0), "a\ufffdb", { a: 1 }]],
    });
  });
});

describe("without a host", () => {
  it("says so", () => {
    expect(() => query("SELECT 1", [], "all")).toThrow("there is no database here");
  });

  it("takes a stand-in", () => {
    const seen: unknown[] = [];
    echo(seen);
    expect(query("SELECT ?", [5n], "get").rows).toEqual([5n]);
    expect(seen).toEqual([{ sql: "SELECT ?", params: [{ $int: "5" }], method: "get" }]);
  });

  it("throws what the host says", () => {
    setHostHandler(() => '{"error": {"code": "SQLITE_BUSY", "extended": 5, "message": "wait"}}');
    expect(() => request({ command: "ping" })).toThrow(SqliteError);
    expect(() => request({ command: "ping" })).toThrow("wait");
  });
});

describe("batches", () => {
  it("are undone as a whole", async () => {
    const seen: string[] = [];
    setHostHandler((text) => {
      const { sql: statement } = JSON.parse(text) as { sql: string };
      seen.push(statement);
      return statement === "bad" ? '{"error": {"code": "SQLITE_ERROR", "extended": 1, "message": "bad"}}' : '{"rows": []}';
    });
    const db = database();
    await expect(db.batch([db.run(sql.raw("good")), db.run(sql.raw("bad"))] as never)).rejects.toThrow("bad");
    expect(seen).toEqual(["begin", "good", "bad", "rollback"]);
  });
});

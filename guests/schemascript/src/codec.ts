/**
 * How values become what SQLite holds, and back. Whatever would be stored or read inexactly is an error.
 *
 * Drivers differ: better-sqlite3 gives integers as numbers or, if asked, as bigints, and blobs as Buffers; the runtime inside the
 * database gives a bigint for what a number cannot hold. Codecs take what any of them gives.
 */

/** What SQLite's drivers bind and return. */
export type Stored = number | bigint | string | Uint8Array | null;

export interface Codec {
  /** The type in CREATE TABLE. */
  readonly sqlType: string;
  encode(value: unknown): Stored;
  decode(stored: unknown): unknown;
  /** The codec of lists of such values. */
  list(): Codec;
}

/** The value inside of a JSON text. */
type Json = (value: unknown) => unknown;

class PlainCodec implements Codec {
  constructor(
    readonly sqlType: string,
    readonly encode: (value: never) => Stored,
    readonly decode: (stored: unknown) => unknown,
    private readonly toJson: Json = encode as Json,
    private readonly fromJson: Json = decode,
  ) {}

  list(): Codec {
    const toJson: Json = (list) => (list as unknown[]).map((item) => this.toJson(item));
    const fromJson: Json = (list) => (list as unknown[]).map((item) => this.fromJson(item));
    return new PlainCodec(
      "text",
      (list: unknown) => {
        if (!Array.isArray(list)) throw new TypeError(`an array is needed, not ${describe(list)}`);
        return JSON.stringify(toJson(list));
      },
      (text) => fromJson(JSON.parse(String(text))),
      toJson,
      fromJson,
    );
  }
}

/** Integers that a number holds exactly. */
export const integer: Codec = new PlainCodec("integer", exactNumber, exactNumber);

/** All of SQLite's integers. As JSON they are texts: most readers of JSON read numbers inexactly. */
export const bigint: Codec = new PlainCodec("integer", int64, toBigint, (value) => String(int64(value)), toBigint);

export const real: Codec = new PlainCodec("real", float, (stored) => Number(stored), finite);

export const text: Codec = new PlainCodec("text", String, String);

export const boolean: Codec = new PlainCodec(
  "integer",
  (value: boolean) => (value ? 1 : 0),
  (stored) => Number(stored) !== 0,
  Boolean,
  Boolean,
);

/** Milliseconds since 1970: what a Date holds. */
export const datetime: Codec = new PlainCodec("integer", milliseconds, (stored) => new Date(Number(stored)));

export const blob: Codec = new PlainCodec(
  "blob",
  bytes,
  bytes,
  (value) => toHex(bytes(value)),
  (json) => fromHex(String(json)),
);

/** What JSON can say, as a text. */
export const json: Codec = new PlainCodec(
  "text",
  (value: unknown) => {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`there is no JSON for ${describe(value)}`);
    return text;
  },
  (stored) => JSON.parse(String(stored)),
  (value) => value,
  (value) => value,
);

/** One of some texts, stored as what each stands for: itself, or a number. */
export function oneOf(options: ReadonlyMap<string, string | number>): Codec {
  const names = [...options.keys()].join(", ");
  const numbers = [...options.values()].some((stored) => typeof stored === "number");
  const back = new Map([...options].map(([name, stored]) => [stored, name]));
  return new PlainCodec(
    numbers ? "integer" : "text",
    (name: string) => {
      const stored = options.get(name);
      if (stored === undefined) throw new TypeError(`${describe(name)} is none of ${names}`);
      return stored;
    },
    (stored) => {
      const name = back.get(numbers ? Number(stored) : String(stored));
      if (name === undefined)
        throw new TypeError(`the database has ${describe(stored)}, which stands for none of ${names}`);
      return name;
    },
  );
}

/** A type of somebody else's. Without functions for it, values are what SQLite can hold. */
export function custom<T>(
  sqlType: string,
  encode: (value: T) => unknown = (value) => value,
  decode: (stored: Stored) => unknown = (stored) => stored,
): Codec {
  const checked = (value: T): Stored => {
    const stored = encode(value);
    if (isStored(stored)) return stored;
    throw new TypeError(
      `SQLite cannot hold ${describe(stored)} as ${sqlType}: give custom() the functions encode and decode, or use json()`,
    );
  };
  const toJson: Json = (value) => {
    const stored = checked(value as T);
    if (typeof stored !== "bigint" && !(stored instanceof Uint8Array)) return stored;
    throw new TypeError(`there is no JSON for ${describe(stored)}, which encode() gives for a value of an array`);
  };
  return new PlainCodec(sqlType, checked, decode as (stored: unknown) => T, toJson);
}

const isStored = (value: unknown): value is Stored =>
  value === null || ["number", "bigint", "string"].includes(typeof value) || value instanceof Uint8Array;

function exactNumber(value: unknown): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && (typeof value !== "string" || value.trim() !== "")) return number;
  throw new RangeError(
    `${describe(value)} is not an integer that a number holds exactly; integer({ mode: "bigint" }) holds all of SQLite's`,
  );
}

function int64(value: unknown): bigint {
  const integer = toBigint(value);
  if (BigInt.asIntN(64, integer) === integer) return integer;
  throw new RangeError(`${integer} has more than the 64 bits of SQLite's integers`);
}

function toBigint(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "string" && /^-?\d+$/.test(value)) return BigInt(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw new RangeError(
    `${describe(value)} is not an exact integer; let the driver read integers as bigint (better-sqlite3: defaultSafeIntegers)`,
  );
}

function float(value: unknown): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new TypeError(`${describe(value)} is not a number that SQLite can hold`);
}

function finite(value: unknown): number {
  const number = float(value);
  if (Number.isFinite(number)) return number;
  throw new RangeError(`there is no JSON for ${number}`);
}

function milliseconds(value: unknown): number {
  const time = value instanceof Date ? value.getTime() : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new TypeError(`${describe(value)} is not a valid Date`);
}

function bytes(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (!ArrayBuffer.isView(value)) throw new TypeError(`${describe(value)} is not a Uint8Array`);
  if (value.constructor === Uint8Array) return value as Uint8Array;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

const toHex = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return `an object (${value.constructor?.name ?? "without a class"})`;
  return String(value);
}

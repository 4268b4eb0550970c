/** The types of properties: what `prop` has in `Table("users", (prop) => ({ … }))`. */

import type { ColumnDataType } from "drizzle-orm";
import * as codec from "./codec.js";
import { type AnyProperty, type Definition, type Kind, Property, type State } from "./property.js";

/** A required property of a type that is just named by its kind. */
type Plain<
  K extends Kind,
  Name extends string,
  D extends ColumnDataType,
  C extends string,
  Data,
  Param,
  Enum extends string[] | undefined = undefined,
> = Property<{
  kind: K;
  name: Name;
  dataType: D;
  columnType: C;
  data: Data;
  driverParam: Param;
  enumValues: Enum;
  notNull: true;
  hasDefault: false;
  hasRuntimeDefault: false;
  isPrimaryKey: false;
  isAutoincrement: false;
}>;

type Integer<Name extends string> = Plain<"integer", Name, "number", "SQLiteInteger", number, number>;
type BigInteger<Name extends string> = Plain<"bigint", Name, "bigint", "SQLiteBigInt", bigint, bigint>;
type Real<Name extends string> = Plain<"real", Name, "number", "SQLiteReal", number, number>;
type Text<Name extends string> = Plain<"text", Name, "string", "SQLiteText", string, string>;
type Blob<Name extends string> = Plain<"blob", Name, "buffer", "SQLiteBlobBuffer", Uint8Array, Uint8Array>;
type Bool<Name extends string> = Plain<"boolean", Name, "boolean", "SQLiteBoolean", boolean, number>;
type Datetime<Name extends string> = Plain<"datetime", Name, "date", "SQLiteTimestamp", Date, number>;
type Json<T, Name extends string> = Plain<"json", Name, "json", "SQLiteTextJson", T, string>;
type Custom<T> = Plain<"custom", "", "custom", "SQLiteCustomColumn", T, unknown>;

/** Texts, or names of numbers. */
export type EnumOptions = readonly [string, ...string[]] | Readonly<Record<string, number>>;
type Names<O extends EnumOptions> = O extends readonly string[] ? O[number] : keyof O & string;
type NameList<O extends EnumOptions> = O extends readonly [infer First extends string, ...infer Rest extends string[]]
  ? [First, ...Rest]
  : [Names<O>, ...Names<O>[]];
type Enum<O extends EnumOptions, Name extends string> = Plain<
  "enum",
  Name,
  "string",
  "SQLiteText",
  Names<O>,
  O extends readonly string[] ? string : number,
  NameList<O>
>;

export interface CustomOptions<T> {
  /** The column's name, if it is not the key. */
  name?: string;
  /** What the database holds for a value. Without it: the value, which must be something that SQLite can hold. */
  encode?(value: T): codec.Stored;
  /** The value for what the database holds; the parameter may have the type that `encode` returns. */
  decode?(stored: codec.Stored): T;
}

export interface Fields {
  /** Integers as `number`, which holds them exactly up to 2^53; others are errors. With `mode: "bigint"`: all 64 bits, as `bigint`. */
  integer(options?: { mode?: "number" }): Integer<"">;
  integer(options: { mode: "bigint" }): BigInteger<"">;
  integer<const N extends string>(name: N, options?: { mode?: "number" }): Integer<N>;
  integer<const N extends string>(name: N, options: { mode: "bigint" }): BigInteger<N>;
  /** Floating-point numbers. */
  real<const N extends string = "">(name?: N): Real<N>;
  text<const N extends string = "">(name?: N): Text<N>;
  /** Bytes, as `Uint8Array`. */
  blob<const N extends string = "">(name?: N): Blob<N>;
  /** 0 or 1, and nothing else, in the database. */
  boolean<const N extends string = "">(name?: N): Bool<N>;
  /** A `Date`, as milliseconds since 1970. */
  datetime<const N extends string = "">(name?: N): Datetime<N>;
  /** One of some texts; or of some names, which stand for integers in the database. Nothing else is accepted there. */
  enum<const O extends EnumOptions>(config: { options: O }): Enum<O, "">;
  enum<const N extends string, const O extends EnumOptions>(name: N, config: { options: O }): Enum<O, N>;
  /** Whatever JSON can say, as a text; `null` alone is NULL, as in all columns. */
  json<T = unknown, const N extends string = "">(name?: N): Json<T, N>;
  /** A column of any type, given as SQL has it. */
  custom<T>(type: string, options?: CustomOptions<T>): Custom<T>;
}

/** What the functions of `prop` are given, before it is sorted out. */
type Given = string | object | undefined;

const make = (definition: Definition) => new Property<State>(definition) as never;

const named = (kind: Kind, of: codec.Codec) => (name?: string) => make({ kind, codec: of, ...nameOf(name) });

/** `prop`. Frozen, and without a state. */
export const fields: Fields = Object.freeze({
  integer(first?: Given, second?: Given) {
    const [name, options] = nameAndOptions(first, second);
    const big = (options as { mode?: string } | undefined)?.mode === "bigint";
    return make({ kind: big ? "bigint" : "integer", codec: big ? codec.bigint : codec.integer, ...name });
  },
  real: named("real", codec.real),
  text: named("text", codec.text),
  blob: named("blob", codec.blob),
  boolean: named("boolean", codec.boolean),
  datetime: named("datetime", codec.datetime),
  json: named("json", codec.json),
  enum(first: Given, second?: Given) {
    const [name, config] = nameAndOptions(first, second);
    const options = enumOptions((config as { options?: EnumOptions } | undefined)?.options);
    return make({
      kind: "enum",
      codec: codec.oneOf(options),
      options: Object.freeze([...options.keys()]),
      stored: Object.freeze([...options.values()]),
      ...name,
    });
  },
  custom<T>(type: string, options: CustomOptions<T> = {}) {
    if (typeof type !== "string" || type.trim() === "") throw new TypeError("custom() needs the column's type in SQL");
    return make({
      kind: "custom",
      codec: codec.custom<T>(type, options.encode, options.decode),
      ...nameOf(options.name),
    });
  },
});

/** A function that gives the properties of a schema, by key. */
export type SchemaBuilder = (prop: Fields) => Record<string, AnyProperty>;

const nameOf = (name: string | undefined) => (name === undefined ? {} : { name });

function nameAndOptions(first: Given, second: Given): [{ name?: string }, object | undefined] {
  return typeof first === "string" ? [{ name: first }, second as object | undefined] : [{}, first];
}

function enumOptions(options: EnumOptions | undefined): ReadonlyMap<string, string | number> {
  const entries: [string, string | number][] = Array.isArray(options)
    ? options.map((option) => [option, option])
    : Object.entries(options ?? {});
  if (entries.length === 0) throw new TypeError('enum() needs options, as { options: ["a", "b"] }');
  const stored = new Set(entries.map(([, value]) => value));
  if (stored.size !== entries.length)
    throw new TypeError(`the options of an enum are not all different: ${entries.map(([name]) => name).join(", ")}`);
  const unfit = entries.find(([, value]) => typeof value !== "string" && !Number.isSafeInteger(value));
  if (unfit) throw new TypeError(`the option ${unfit[0]} of an enum is neither a text nor an integer`);
  return new Map(entries);
}
